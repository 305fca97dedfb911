//! What people write: for each request one connection out of a deadpool, one `EVALSHA`, back into
//! the pool. The script, the keys and the HTTP settings are those of the project, so only the way
//! to Redis differs. Arguments: address, Redis URL, and the pool's size.
//!
//! deadpool-redis asks `UNWATCH` and `PING` of a connection before it hands it out. That is its
//! default and cannot be turned off, so it is part of what people write.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use deadpool_redis::{Config, Pool, Runtime};
use seckill::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId, SaleId};
use seckill::domain::purchase::attempt::Attempt;
use seckill::domain::purchase::outcome::{Grant, Outcome};
use seckill::domain::sale::StockKind;
use seckill::failure::{Failure, Result};
use seckill::http::AttemptRequest;
use seckill::store::keys::Keys;
use seckill::store::orders::grab;
use seckill::store::script::SALE_GRAB;
use tikv_jemallocator::Jemalloc;

/// Connections in the pool: the fastest of 4, 8, 16, 32, 64 and 128 on two cores.
const POOL_CONNECTIONS: usize = 32;

struct Door {
    pool: Pool,
    keys: Keys,
    goods: SaleId,
}

impl Door {
    async fn decide(&self, asked: &AttemptRequest) -> Result<Outcome> {
        let sale = &asked.goods;
        let keys = self.keys.of_grab(sale);
        let attempt = Attempt {
            username: asked.username.clone(),
            purchase: asked.purchase,
            order: OrderId::new(sale, rand::random::<[u8; ORDER_ID_RANDOM_BYTES]>()),
        };
        let busy = |e: deadpool_redis::PoolError| Failure::Busy(e.to_string());
        let mut connection = self.pool.get().await.map_err(busy)?;
        let door = StockKind::List.door();
        let call = SALE_GRAB.on(&keys).arg(sale.as_str());
        let call = call.arg(door.as_str()).arg(0).past(None);
        let call = call.arg(asked.username.as_str()).arg(asked.purchase.get());
        let said = call
            .arg(attempt.order.as_str())
            .send(&mut *connection)
            .await?;
        let outcomes = grab::decode(&said, sale, door, &[attempt])?.outcomes;
        let none = || Failure::Unreadable("no outcome".to_owned());
        outcomes.into_iter().next().ok_or_else(none)?
    }
}

async fn buy(door: web::Data<Door>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let Ok(asked) = AttemptRequest::read(&request, body, &door.goods).await else {
        return HttpResponse::BadRequest().finish();
    };
    let body = match door.decide(&asked).await {
        Ok(Outcome::Grabbed(grant)) => with_order("grabbed", "恭喜您，您已抢到。", &grant),
        Ok(Outcome::AlreadyGrabbed(grant)) => {
            with_order("already_grabbed", "您已经抢到了，请勿重复请求。", &grant)
        }
        Ok(Outcome::Refused(refusal)) => serde_json::json!({"code": refusal.code()}),
        Err(_) => return HttpResponse::ServiceUnavailable().finish(),
    };
    let json = "application/json; charset=utf-8";
    HttpResponse::Ok().content_type(json).body(body.to_string())
}

fn with_order(code: &str, message: &str, grant: &Grant) -> serde_json::Value {
    serde_json::json!({
        "code": code,
        "message": message,
        "goods": grant.line.goods.as_str(),
        "purchase": grant.line.purchase,
        "order": grant.order.as_str(),
        "units": grant.line.units,
    })
}

fn pool(url: &str, connections: usize) -> std::io::Result<Pool> {
    let builder = Config::from_url(url)
        .builder()
        .map_err(std::io::Error::other)?;
    let builder = builder.max_size(connections).runtime(Runtime::Tokio1);
    builder.build().map_err(std::io::Error::other)
}

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8091".to_owned());
    let url = arguments
        .next()
        .unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let connections = arguments.next().and_then(|text| text.parse().ok());
    let pool = pool(&url, connections.unwrap_or(POOL_CONNECTIONS))?;
    let goods = SaleId::parse("a").map_err(std::io::Error::other)?;
    HttpServer::new(move || {
        let (pool, goods) = (pool.clone(), goods.clone());
        let keys = Keys::new("seckill:");
        App::new()
            .app_data(web::Data::new(Door { pool, keys, goods }))
            .route("/seckill", web::post().to(buy))
    })
    .backlog(4096)
    .tcp_nodelay(true)
    .keep_alive(std::time::Duration::from_secs(75))
    .bind(address)?
    .run()
    .await
}
