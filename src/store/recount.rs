//! Reads a whole sale in small steps and recounts it from its parts, for the deep audit.

use redis::aio::MultiplexedConnection;

use super::reply::Snapshot;
use super::{Store, record};
use crate::domain::ids::{OrderId, SaleId, Username};
use crate::domain::ledger::{Recount, Violation};
use crate::domain::sale::StockKind;
use crate::error::{Error, Result};

/// A field of a hash and its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Hash fields or list elements read in one step.
const STEP: usize = 1000;

impl Store {
    /// Recounts the sale from its orders, its buyers' index and its stock: the figures that were
    /// judged, and what is wrong with them; `None` when there is no such sale. `progress` is told
    /// how many entries have been read.
    ///
    /// # Errors
    /// [`Error::Refused`] when the sale moved meanwhile: figures of different instants prove
    /// nothing.
    pub async fn recount(
        &self,
        id: &SaleId,
        progress: &dyn Fn(u64),
    ) -> Result<Option<(Snapshot, Vec<Violation>)>> {
        let Some(before) = self.sale_snapshot(id).await? else {
            return Ok(None);
        };
        let mut connection = self.connection().await?;
        let mut reader = Reader {
            store: self,
            connection: &mut connection,
            progress,
            read: 0,
        };
        let mut recount = Recount::new(id.clone());
        reader.buyers(id, &mut recount).await?;
        reader.orders(id, &mut recount).await?;
        if before.sale.kind == StockKind::List {
            reader.stock(id, before.figures.left, &mut recount).await?;
        }
        drop(connection);
        let after = self.sale_snapshot(id).await?;
        if after.is_none_or(|after| after.figures != before.figures) {
            return Err(Error::Refused(format!(
                "sale {id} moved while it was read: pause it (`seckill sale pause {id}`) or wait, \
                 then audit again"
            )));
        }
        let violations = recount.check(&before.figures);
        Ok(Some((before, violations)))
    }
}

struct Reader<'a> {
    store: &'a Store,
    connection: &'a mut MultiplexedConnection,
    progress: &'a dyn Fn(u64),
    read: u64,
}

impl Reader<'_> {
    async fn buyers(&mut self, id: &SaleId, recount: &mut Recount) -> Result<()> {
        let key = self.store.keys.buyers(id);
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.hscan(&key, at).await?;
            for (field, value) in fields {
                let username = Username::parse(String::from_utf8_lossy(&field).into_owned());
                let order = OrderId::parse(&String::from_utf8_lossy(&value));
                match (username, order) {
                    (Ok(username), Ok(order)) => recount.buyer(username, order),
                    _ => recount.unreadable(format!(
                        "the entry {:?} of {key}",
                        String::from_utf8_lossy(&field)
                    )),
                }
            }
            cursor = next;
        }
        Ok(())
    }

    async fn orders(&mut self, id: &SaleId, recount: &mut Recount) -> Result<()> {
        let key = self.store.keys.orders(id.event());
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.hscan(&key, at).await?;
            for (field, value) in fields {
                match record::decode(&String::from_utf8_lossy(&field), &value) {
                    Ok(order) => recount.order(order),
                    Err(error) => recount.unreadable(error.to_string()),
                }
            }
            cursor = next;
        }
        Ok(())
    }

    async fn stock(&mut self, id: &SaleId, left: u64, recount: &mut Recount) -> Result<()> {
        let key = self.store.keys.stock(id);
        for start in (0..left).step_by(STEP) {
            let mut range = redis::cmd("LRANGE");
            range.arg(&key).arg(start).arg(start + STEP as u64 - 1);
            let units: Vec<Vec<u8>> = self.store.read(range.query_async(self.connection)).await?;
            for unit in &units {
                recount.stocked_unit(unit);
            }
            self.count(units.len());
        }
        Ok(())
    }

    async fn hscan(&mut self, key: &str, cursor: u64) -> Result<(Option<u64>, Vec<Pair>)> {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(key).arg(cursor).arg("COUNT").arg(STEP);
        let (next, fields): (u64, Vec<Pair>) =
            self.store.read(scan.query_async(self.connection)).await?;
        self.count(fields.len());
        Ok(((next != 0).then_some(next), fields))
    }

    fn count(&mut self, entries: usize) {
        self.read += entries as u64;
        (self.progress)(self.read);
    }
}
