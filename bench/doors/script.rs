//! The script alone: batches of 64 attempts, one call after the other on one connection.

use redis::aio::MultiplexedConnection;
use seckill::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId, SaleId, Username};
use seckill::domain::purchase::attempt::{Attempt, Purchase};
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::StockKind;
use seckill::domain::sale::history::Past;
use seckill::private_redis::Persistence;
use seckill::store::keys::Keys;
use seckill::store::orders::grab;
use seckill::store::script::SALE_GRAB;
use tokio::runtime::Runtime;

use crate::Result;
use crate::backend::Backend;
use crate::plan::Terms;
use crate::servers::Programs;

const BATCH: u32 = 64;

/// What an accepted order costs Redis.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Microseconds of processor time.
    pub cpu: f64,
    /// Bytes of memory, without its entry in the feed.
    pub bytes: f64,
    /// Bytes of memory of its entry in the feed, which goes when that is delivered.
    pub feed_bytes: f64,
}

/// Sells a whole stock of `orders` units in batches of 64, one unit to each buyer.
pub fn measure(
    programs: &Programs,
    runtime: &Runtime,
    kind: StockKind,
    terms: Terms,
    orders: u32,
) -> Result<Cost> {
    let backend = Backend::start(programs.target(), Persistence::Memory)?;
    let orders = orders / BATCH * BATCH;
    // Before there is stock: afterwards it is all sold, so the difference is the orders alone.
    let empty = backend.memory()?;
    backend.sell(runtime, kind, orders.into(), terms)?;
    let before = backend.work()?;
    runtime.block_on(async {
        let mut connection = backend.connection().await?;
        let mut past = None;
        for first in (0..orders).step_by(BATCH as usize) {
            past = grab(&mut connection, kind, first, past.as_ref()).await?;
        }
        Result::Ok(())
    })?;
    let cpu = backend.work()?.cpu_seconds - before.cpu_seconds;
    let feed_bytes = backend.memory_of(&Keys::new("seckill:").feed("a"))?;
    let bytes = backend.memory()? - empty - feed_bytes;
    let sold = programs.audit(backend.url().expose(), true)?;
    if sold != u64::from(orders) {
        return Err(format!("{sold} of {orders} sold").into());
    }
    Ok(Cost {
        cpu: cpu * 1e6 / f64::from(orders),
        bytes: bytes / f64::from(orders),
        feed_bytes: feed_bytes / f64::from(orders),
    })
}

/// One call for 64 new buyers; every one of them must get a unit. Like a server, it tells the
/// script the past that it knows, and gives back the next one.
async fn grab(
    connection: &mut MultiplexedConnection,
    kind: StockKind,
    first: u32,
    past: Option<&Past>,
) -> Result<Option<Past>> {
    let (keys, sale) = (
        Keys::new("seckill:"),
        SaleId::parse("a").map_err(|e| e.to_string())?,
    );
    let keys = keys.of_grab(&sale);
    let mut call = SALE_GRAB
        .on(&keys)
        .arg(sale.as_str())
        .arg(kind.as_str())
        .arg(0)
        .past(past);
    let attempts: Vec<Attempt> = (first..first + BATCH)
        .map(|buyer| attempt(&sale, buyer))
        .collect::<Result<_>>()?;
    for attempt in &attempts {
        call = call
            .arg(attempt.username.as_str())
            .arg(attempt.purchase.get())
            .arg(attempt.order.as_str());
    }
    let batch = grab::decode(&call.send(connection).await?, &sale, kind.door(), &attempts)?;
    let granted = batch
        .outcomes
        .iter()
        .all(|outcome| matches!(outcome, Ok(Outcome::Grabbed(_))));
    if granted {
        Ok(batch.past)
    } else {
        Err("an attempt was not granted".into())
    }
}

fn attempt(sale: &SaleId, buyer: u32) -> Result<Attempt> {
    Ok(Attempt {
        username: Username::parse(format!("buyer-{buyer:010}"))?,
        purchase: Purchase::parse("1")?,
        order: OrderId::new(sale, rand::random::<[u8; ORDER_ID_RANDOM_BYTES]>()),
    })
}
