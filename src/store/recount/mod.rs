//! Reads a whole sale in small steps and recounts it from its parts, for the deep audit.

mod accounts;

use std::collections::HashMap;

use redis::Value;

use super::connection::scan::{PAGE_ENTRIES, Pair, Scan, Scanner};
use super::decode::word;
use super::sales::snapshot::Snapshot;
use crate::domain::audit::account::AccountRecount;
use crate::domain::audit::gone::GoneRecount;
use crate::domain::audit::recount::Recount;
use crate::domain::audit::violation::Violation;
use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::sale::StockKind;
use crate::domain::whole::whole;
use crate::error::Error;
use crate::failure::{Failure, Result};
use crate::store::{Store, record};

/// The result of a recount.
#[derive(Debug)]
pub struct Recounted {
    /// The figures that were checked.
    pub snapshot: Snapshot,
    /// What is wrong with them.
    pub violations: Vec<Violation>,
    /// Accounts that were checked; `None` if the sale is not a target.
    pub accounts: Option<u64>,
}

/// How far a recount has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Entries that have been read.
    pub read: u64,
    /// Entries at the beginning.
    pub of: u64,
}

/// Why a recount gives no verdict.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoVerdict {
    /// The sale changed while it was read: figures of different instants prove nothing.
    #[error("{0}")]
    Moved(String),
    /// Redis could not be read.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<NoVerdict> for Error {
    fn from(no_verdict: NoVerdict) -> Self {
        match no_verdict {
            NoVerdict::Moved(why) => Self::Refused(why),
            NoVerdict::Failed(failure) => failure.into(),
        }
    }
}

impl Store {
    /// Recounts the sale from its orders, indexes and stock. For a target, also recounts the
    /// accounts of its event. `None` if the sale does not exist. Everything is read from one
    /// server. `progress` is told after each page how much has been read.
    ///
    /// # Errors
    /// [`NoVerdict::Moved`] when the sale moved meanwhile. [`Failure::Busy`] when the connection
    /// broke or the server was no master at the end: there is no verdict. [`Failure::Unreadable`]
    /// when a key of the sale has another type.
    pub async fn recount(
        &self,
        id: &SaleId,
        progress: &dyn Fn(Progress),
    ) -> Result<Option<Recounted>, NoVerdict> {
        let mut scan = self.scan(Scanner::Operator).await?;
        let Some(before) = scan.sale_snapshot(id).await? else {
            scan.end().await?;
            return Ok(None);
        };
        let of = scan.recount_entries(id, &before).await?;
        let mut reader = Reader {
            scan,
            progress,
            read: 0,
            of,
        };
        let recounted = reader.recount(id, before).await?;
        reader.scan.end().await?;
        Ok(Some(recounted))
    }
}

impl Scan {
    /// How many entries a recount reads.
    async fn recount_entries(&mut self, id: &SaleId, snapshot: &Snapshot) -> Result<u64> {
        let (keys, event) = (&self.store().keys, id.event());
        let (orders, buyers, gone) = (keys.orders(event), keys.buyers(id), keys.gone(id));
        let (holds, requests) = (keys.holds(event), keys.requests(event));
        let [accounts, paid_in, _, payments, _] = keys.of_payment(event);
        let mut sizes = redis::pipe();
        sizes.hlen(&orders).hlen(&buyers).hlen(&gone);
        sizes.zcard(&holds).hlen(&requests);
        let mut keys = vec![&*orders, &*buyers, &*gone, &*holds, &*requests];
        if snapshot.sale.kind() == StockKind::Target {
            sizes.hlen(&accounts).hlen(&paid_in).hlen(&payments);
            keys.extend([&*accounts, &*paid_in, &*payments]);
        }
        let sizes: Vec<u64> = self.ask_all(&keys, &sizes).await?;
        let units = match snapshot.sale.kind() {
            StockKind::List => snapshot.figures.for_sale(),
            StockKind::Counter | StockKind::Target => 0,
        };
        Ok(sizes.iter().sum::<u64>() + units)
    }
}

/// Reads the parts of a sale in one scan.
struct Reader<'a> {
    scan: Scan,
    progress: &'a dyn Fn(Progress),
    read: u64,
    of: u64,
}

impl Reader<'_> {
    async fn recount(&mut self, id: &SaleId, before: Snapshot) -> Result<Recounted, NoVerdict> {
        let mut recount = Recount::new(&before.sale, before.now);
        let changes = self.account_changes(id).await?;
        let mut accounts = AccountRecount::default();
        let mut gone = GoneRecount::new(id, before.gone);
        self.orders(id, &mut recount, &mut gone, &mut accounts)
            .await?;
        self.buyers(id, &mut recount).await?;
        self.gone(id, &mut recount, &mut gone).await?;
        self.holds(id, &mut recount).await?;
        let archived = self.scan.is_archived(id.event()).await?;
        match archived {
            true => recount.without_requests(),
            false => self.requests(id, &mut recount).await?,
        }
        if before.sale.feed {
            self.feed(id, &mut recount).await?;
        }
        if before.sale.kind() == StockKind::List {
            self.stock(id, before.figures.for_sale(), &mut recount)
                .await?;
        }
        let (mut checked_accounts, mut wrong_accounts) = (None, Vec::new());
        if before.sale.kind() == StockKind::Target {
            self.accounts(id, &mut recount, &mut accounts).await?;
            self.payments(id, &mut recount, &mut accounts).await?;
            if self.account_changes(id).await? != changes {
                return Err(NoVerdict::Moved(format!(
                    "the accounts of event {} moved while they were read: pause all its targets or \
                     wait, then audit again",
                    id.event()
                )));
            }
            checked_accounts = Some(accounts.counted());
            wrong_accounts = accounts.check();
        }
        let after = self.scan.sale_snapshot(id).await?;
        let is_archived = self.scan.is_archived(id.event()).await?;
        let still = |after: Snapshot| {
            (after.figures, after.grants, after.gone)
                == (before.figures, before.grants, before.gone)
                && is_archived == archived
        };
        if !after.is_some_and(still) {
            return Err(NoVerdict::Moved(format!(
                "sale {id} moved while it was read: pause it (`seckill sale pause {id}`) or wait, \
                 then audit again"
            )));
        }
        let mut violations = recount.check(&before.figures);
        violations.append(&mut gone.check());
        violations.append(&mut wrong_accounts);
        Ok(Recounted {
            snapshot: before,
            violations,
            accounts: checked_accounts,
        })
    }

    async fn buyers(&mut self, id: &SaleId, recount: &mut Recount) -> Result<()> {
        let key = self.scan.store().keys.buyers(id);
        self.fields(&key, |field, value| {
            let (field, order) = (text(field), text(value));
            match (Username::parse(field.clone()), OrderId::parse(&order)) {
                (Ok(username), Ok(order)) => recount.buyer(username, order),
                _ => recount.unreadable(entry(&key, &field, &order)),
            }
        })
        .await
    }

    /// The dead orders that the sale counts for each buyer.
    async fn gone(
        &mut self,
        id: &SaleId,
        recount: &mut Recount,
        gone: &mut GoneRecount,
    ) -> Result<()> {
        if !gone.has_counts() {
            return Ok(());
        }
        let key = self.scan.store().keys.gone(id);
        self.fields(&key, |field, value| {
            let (field, value) = (text(field), text(value));
            match (Username::parse(field.clone()), whole(&value)) {
                (Ok(username), Some(counted)) => gone.counted(username, counted),
                _ => {
                    recount.unreadable(entry(&key, &field, &value));
                    gone.unreadable();
                }
            }
        })
        .await
    }

    async fn orders(
        &mut self,
        id: &SaleId,
        recount: &mut Recount,
        gone: &mut GoneRecount,
        accounts: &mut AccountRecount,
    ) -> Result<()> {
        let key = self.scan.store().keys.orders(id.event());
        self.fields(&key, |field, value| {
            match record::decode(&text(field), value) {
                Ok(order) => {
                    recount.order(&order);
                    gone.order(&order);
                    accounts.order(&order);
                }
                Err(error) => {
                    recount.unreadable(error.to_string());
                    gone.unreadable();
                }
            }
        })
        .await
    }

    async fn holds(&mut self, id: &SaleId, recount: &mut Recount) -> Result<()> {
        let key = self.scan.store().keys.holds(id.event());
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, entries) = self.page("ZSCAN", &key, at).await?;
            let mut holds = Vec::new();
            for (order, deadline) in entries {
                let (order, deadline) = (text(&order), text(&deadline));
                match (OrderId::parse(&order), whole(&deadline)) {
                    (Ok(order), Some(deadline)) => holds.push((order, deadline)),
                    _ => recount.unreadable(entry(&key, &order, &deadline)),
                }
            }
            for (order, deadline) in self.of_this_sale(id, recount, holds).await? {
                recount.hold(order, deadline);
            }
            cursor = next;
        }
        Ok(())
    }

    async fn requests(&mut self, id: &SaleId, recount: &mut Recount) -> Result<()> {
        let key = self.scan.store().keys.requests(id.event());
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, entries) = self.page("HSCAN", &key, at).await?;
            let mut requests = Vec::new();
            for (field, order) in entries {
                let (field, order) = (text(&field), text(&order));
                match OrderId::parse(&order).ok().zip(request(&field)) {
                    Some(found) => requests.push(found),
                    None => recount.unreadable(entry(&key, &field, &order)),
                }
            }
            for (order, (username, request)) in self.of_this_sale(id, recount, requests).await? {
                recount.request(&username, &request, order);
            }
            cursor = next;
        }
        Ok(())
    }

    /// The entries whose order has a line of this sale or no record at all. Entries of other sales
    /// are checked with those sales: they may change meanwhile.
    async fn of_this_sale<T>(
        &mut self,
        id: &SaleId,
        recount: &Recount,
        entries: Vec<(OrderId, T)>,
    ) -> Result<Vec<(OrderId, T)>> {
        let (mut known, unknown): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|(order, _)| recount.knows(order));
        if unknown.is_empty() {
            return Ok(known);
        }
        let key = self.scan.store().keys.orders(id.event());
        let ids: Vec<&str> = unknown.iter().map(|(order, _)| order.as_str()).collect();
        let records = self.scan.fields(&key, &ids).await?;
        let found = unknown.into_iter().zip(records);
        known.extend(found.filter_map(|(entry, found)| {
            let decoded = found.map(|found| record::decode(entry.0.as_str(), &found));
            let elsewhere = matches!(decoded, Some(Ok(order)) if order.line(id).is_none());
            (!elsewhere).then_some(entry)
        }));
        Ok(known)
    }

    /// Reads the feed, if it exists. Redis counts on from the last id that it ever had.
    async fn feed(&mut self, id: &SaleId, recount: &mut Recount) -> Result<()> {
        let key = self.scan.store().keys.feed(id.event());
        if !self
            .scan
            .ask(&[&key], redis::cmd("EXISTS").arg(&key))
            .await?
        {
            return Ok(());
        }
        let about = redis::cmd("XINFO").arg("STREAM").arg(&key).to_owned();
        let about: HashMap<String, Value> = self.scan.ask(&[&key], &about).await?;
        let last = about.get("last-generated-id").unwrap_or(&Value::Nil);
        let last = word("XINFO STREAM", last)?;
        if last.strip_prefix("0-").and_then(whole).is_none() {
            recount.unreadable(format!("{key}, which cannot go on after its entry {last}"));
        }
        Ok(())
    }

    async fn stock(&mut self, id: &SaleId, left: u64, recount: &mut Recount) -> Result<()> {
        let key = self.scan.store().keys.stock(id);
        for start in (0..left).step_by(PAGE_ENTRIES) {
            let mut range = redis::cmd("LRANGE");
            range
                .arg(&key)
                .arg(start)
                .arg(start + PAGE_ENTRIES as u64 - 1);
            let units: Vec<Vec<u8>> = self.scan.ask(&[&key], &range).await?;
            for unit in &units {
                recount.stocked_unit(unit);
            }
            self.count(units.len());
        }
        Ok(())
    }

    /// Tells `read` all fields of a hash, each with its value.
    async fn fields(&mut self, key: &str, mut read: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, fields) = self.page("HSCAN", key, at).await?;
            for (field, value) in &fields {
                read(field, value);
            }
            cursor = next;
        }
        Ok(())
    }

    async fn page(
        &mut self,
        command: &str,
        key: &str,
        cursor: u64,
    ) -> Result<(Option<u64>, Vec<Pair>)> {
        let (next, entries) = self.scan.page(command, key, cursor).await?;
        self.count(entries.len());
        Ok((next, entries))
    }

    fn count(&mut self, entries: usize) {
        self.read += entries as u64;
        let (read, of) = (self.read, self.of);
        (self.progress)(Progress { read, of });
    }
}

/// An entry of an index that cannot be read.
fn entry(key: &str, field: &str, value: &str) -> String {
    format!("the entry {field:?} of {key}, which is {value:?}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The field of a request or a payment: a username, a tab and a request id.
fn request(field: &str) -> Option<(Username, RequestId)> {
    let (username, request) = field.split_once('\t')?;
    let username = Username::parse(username.to_owned()).ok()?;
    Some((username, RequestId::parse(request.to_owned()).ok()?))
}
