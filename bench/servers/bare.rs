//! The limit: the same HTTP library with the same settings, which reads the same request into the
//! same types and answers a constant of the size of a real answer. No decision, no Redis.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use seckill::domain::ids::SaleId;
use seckill::http::AttemptRequest;
use tikv_jemallocator::Jemalloc;

const ANSWER: &str = r#"{"code":"grabbed","message":"恭喜您，您已抢到。","goods":"a","purchase":1,"order":"a-i8md12cksmn336f2y414","units":["sn-1234567"]}"#;

async fn answer(
    goods: web::Data<SaleId>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    match AttemptRequest::read(&request, body, &goods).await {
        Ok(_) => HttpResponse::Ok()
            .content_type("application/json; charset=utf-8")
            .body(ANSWER),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let goods = SaleId::parse("a").map_err(std::io::Error::other)?;
    HttpServer::new(move || {
        let goods = web::Data::new(goods.clone());
        App::new()
            .app_data(goods)
            .route("/seckill", web::post().to(answer))
    })
    .backlog(4096)
    .tcp_nodelay(true)
    .keep_alive(std::time::Duration::from_secs(75))
    .bind(address)?
    .run()
    .await
}
