//! Snapshots: a sale with its figures, as `sale_snapshot` says it.

use redis::Value;

use crate::domain::audit::figures::Figures;
use crate::domain::audit::gone::Gone;
use crate::domain::audit::violation::Violation;
use crate::domain::ids::SaleId;
use crate::domain::purchase::outcome::Refusal;
use crate::domain::purchase::standing::{Grants, Standing};
use crate::domain::sale::activity::{Activity, Keyword};
use crate::domain::sale::offer::{Offer, Target, Units};
use crate::domain::sale::{ORDERS_MAX_DEFAULT, PURCHASE_MAX_DEFAULT, Phase, Sale, StockKind, Stop};
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};
use crate::store::decode::{array, left_over, number, unexpected, word};
use crate::store::whole::whole_of;

/// What `sale_snapshot` says of one of several sales that cannot be read.
const BROKEN: &[u8] = b"broken";

/// A sale with its figures at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The clock of Redis at that instant.
    pub now: EpochMs,
    /// What the operator decided.
    pub sale: Sale,
    /// Where the units are.
    pub figures: Figures,
    /// Orders ever granted.
    pub grants: Grants,
    /// Dead orders that were counted; `None` when none are, because all orders are older.
    pub gone: Option<Gone>,
    /// Dead orders that were archived.
    pub archived: u64,
}

impl Snapshot {
    /// What is wrong with it, as far as it says: empty when the law holds.
    pub fn check(&self) -> Vec<Violation> {
        let mut violations = self.figures.check();
        violations.extend(self.sale.violations());
        violations
    }

    /// The word for where the sale stands at `now`, in answers and tables: its phase, or `full` for
    /// a target that would be open, were anything left to it.
    pub fn phase_word(&self, now: EpochMs) -> &'static str {
        let nothing_left = self.figures.for_sale() == 0;
        match (self.sale.kind(), self.sale.phase(now)) {
            (StockKind::Target, Phase::Open) if nothing_left => "full",
            (_, phase) => phase.as_str(),
        }
    }

    /// Orders that were cancelled or expired and that are kept; `None` for a target, where nobody
    /// counts the orders that are alive.
    pub fn dead_orders(&self) -> Option<u64> {
        let granted = self.grants.count.saturating_sub(self.figures.buyers);
        let dead = granted.saturating_sub(self.archived);
        self.sale.units().is_some().then_some(dead)
    }

    /// What the sale says to someone who holds nothing.
    pub fn standing(&self) -> Standing {
        let closed = match self.sale.phase(self.now) {
            Phase::Open => None,
            Phase::Paused if self.sale.stop == Some(Stop::Forgot) => Some(Refusal::Forgot),
            Phase::Paused => Some(Refusal::Paused),
            Phase::Upcoming => Some(Refusal::NotStarted),
            Phase::Ended => Some(Refusal::Ended),
        };
        Standing {
            door: self.sale.door(),
            left: self.figures.for_sale(),
            grants: self.grants,
            closed,
            purchase_max: self.sale.purchase_max(),
            opens_in: self.sale.opens_at.unwrap_or(0).saturating_sub(self.now),
        }
    }
}

/// Unwraps the reply of `sale_snapshot`: what it says of each of so many sales.
pub fn snapshots(reply: Value, sales: usize) -> Result<Vec<Value>> {
    let found = array("sale_snapshot", reply)?;
    if found.len() != sales {
        let count = found.len();
        return Err(unexpected("sale_snapshot", &format!("{count} of {sales}")));
    }
    Ok(found)
}

/// What `sale_snapshot` says of one of several sales that cannot be read.
pub fn broken() -> Value {
    Value::BulkString(BROKEN.to_vec())
}

/// Whether it says that.
pub fn is_broken(found: &Value) -> bool {
    matches!(found, Value::BulkString(word) if word == BROKEN)
}

/// Decodes what `sale_snapshot` says of a sale; `None` when there is no such sale.
pub fn snapshot(id: &SaleId, reply: Value) -> Result<Option<Snapshot>> {
    let Value::Array(parts) = reply else {
        return match word("sale_snapshot", &reply)?.as_str() {
            "no_such_sale" => Ok(None),
            other => Err(unexpected("sale_snapshot", other)),
        };
    };
    let [now, left, buyers, fields @ ..] = parts.as_slice() else {
        return Err(unexpected("sale_snapshot", &format!("{parts:?}")));
    };
    let fields = Fields::new(id, fields)?;
    let kind = StockKind::parse(fields.text("kind").unwrap_or_default())
        .map_err(|e| unexpected("sale_snapshot", &format!("{id}: {e}")))?;
    let sale = Sale {
        id: id.clone(),
        title: fields.text("title").unwrap_or_default().to_owned(),
        opens_at: fields.number("opens_at")?,
        closes_at: fields.number("closes_at")?,
        stop: fields.stop(),
        hold: fields.number("hold")?.filter(|&ms| ms > 0),
        cancel_until: fields.number("cancel_until")?,
        feed: fields.text("feed") != Some("0"),
        offer: fields.offer(kind)?,
    };
    let figures = Figures {
        kind,
        added: fields.number("added")?.unwrap_or(0),
        removed: fields.number("removed")?.unwrap_or(0),
        left: left_over("sale_snapshot", left)?,
        held: fields.number("held")?.unwrap_or(0),
        confirmed: fields.number("confirmed")?.unwrap_or(0),
        used: fields.number("used")?.unwrap_or(0),
        buyers: number("sale_snapshot", buyers)?,
        purchase_max: sale.purchase_max(),
    };
    let now = number("sale_snapshot", now)?;
    let archived = fields.number("archived")?.unwrap_or(0);
    let grants = Grants {
        last_at: fields.number("granted_at")?.unwrap_or(0),
        count: fields.number("grants")?.unwrap_or(0),
    };
    Ok(Some(Snapshot {
        now,
        sale,
        figures,
        grants,
        gone: fields.gone()?,
        archived,
    }))
}

/// The fields of a sale hash.
struct Fields<'a> {
    id: &'a SaleId,
    pairs: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    fn new(id: &'a SaleId, flat: &[Value]) -> Result<Self> {
        let pairs = flat.chunks_exact(2).map(|pair| {
            Ok((
                word("sale_snapshot", &pair[0])?,
                word("sale_snapshot", &pair[1])?,
            ))
        });
        let pairs = pairs.collect::<Result<_>>()?;
        Ok(Self { id, pairs })
    }

    fn text(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Why the sale is stopped. A loss is more urgent than that it is being cleared.
    fn stop(&self) -> Option<Stop> {
        let stop = self.text("paused").and_then(Stop::parse);
        let clearing = self.text("clearing").map(|_| Stop::BeingCleared);
        stop.filter(|stop| *stop == Stop::Forgot)
            .or(clearing)
            .or(stop)
    }

    /// What a sale of this kind offers. Every term is read: one that is no number is named, also
    /// where a sale of this kind has no such term.
    fn offer(&self, kind: StockKind) -> Result<Offer> {
        let activity = self.activity()?;
        let units = Units {
            listed: kind == StockKind::List,
            purchase_max: self.number("purchase_max")?.unwrap_or(PURCHASE_MAX_DEFAULT),
            orders_max: self.orders_max()?,
        };
        let target = Target {
            bid_min: self.number("bid_min")?,
            bonus_bp: self.number("bonus_bp")?.unwrap_or(0),
            has_keyword: activity.is_some(),
        };
        Ok(match (kind, activity) {
            (StockKind::Target, _) => Offer::Target(target),
            (StockKind::List | StockKind::Counter, None) => Offer::Units(units),
            (StockKind::List | StockKind::Counter, Some(about)) => Offer::Tickets(units, about),
        })
    }

    /// The limit of orders. No limit is 0.
    fn orders_max(&self) -> Result<Option<u32>> {
        let orders = self.number("orders_max")?.unwrap_or(ORDERS_MAX_DEFAULT);
        Ok(Some(orders).filter(|&orders| orders > 0))
    }

    /// The dead orders that are counted.
    fn gone(&self) -> Result<Option<Gone>> {
        let [counted, most, since] =
            ["gone", "gone_most", "gone_since"].map(|field| self.number(field));
        let (most, since) = (most?.unwrap_or(0), since?.unwrap_or(EpochMs::MAX));
        Ok(counted?.map(|counted| Gone {
            counted,
            most,
            since,
        }))
    }

    /// What a sale that ever had a keyword says of its activity.
    fn activity(&self) -> Result<Option<Activity>> {
        let Some(keyword) = self.text("keyword") else {
            return Ok(None);
        };
        let wrong = |e| Failure::Unreadable(format!("sale {}: {keyword:?}: {e}", self.id));
        let text = |name| self.text(name).unwrap_or_default().to_owned();
        Ok(Some(Activity {
            keyword: match keyword {
                "" => None,
                word => Some(Keyword::parse(word).map_err(wrong)?),
            },
            place: text("place"),
            starts_at: self.number("starts_at")?,
            ends_at: self.number("ends_at")?,
            picture: text("picture"),
            description: text("description"),
        }))
    }

    fn number<N: TryFrom<u64>>(&self, name: &str) -> Result<Option<N>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let what = format!("sale {}: {name}", self.id);
        let number = whole_of(&what, text.as_bytes())?;
        let large = |_| Failure::Unreadable(format!("{what} is {number}, which is too large"));
        N::try_from(number).map(Some).map_err(large)
    }
}
