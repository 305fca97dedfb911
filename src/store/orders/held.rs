//! What buyers hold of a sale, read without a script: a Redis that is full runs none that might
//! sell, and whoever has bought is answered all the same. Costs nothing while Redis is not full.

use tokio::time::Instant;

use crate::domain::ids::SaleId;
use crate::domain::purchase::attempt::Attempt;
use crate::domain::purchase::outcome::{Grant, Outcome};
use crate::domain::sale::{Door, PURCHASE_MAX_DEFAULT};
use crate::failure::{Failure, Result};
use crate::store::connection::lane::Lane;
use crate::store::record;

/// What of a sale says which attempts are right at which door.
const TERMS: [&str; 3] = ["kind", "keyword", "purchase_max"];

impl Lane {
    /// After a refusal: what each attempt's buyer holds. `None` for all unless Redis is full; and
    /// for those who hold nothing, may not see it at this door, ask for too much, or hold what
    /// cannot be read or is not kept by enough replicas: they stay refused.
    pub async fn held_when_full(
        &self,
        refused: &Failure,
        sale: &SaleId,
        door: Door,
        attempts: &[Attempt],
        deadline: Instant,
    ) -> Vec<Option<Outcome>> {
        let is_full = matches!(refused, Failure::Busy(why) if why.contains("OOM"));
        let held = match is_full {
            true => self.held(sale, door, attempts, deadline).await.ok(),
            false => None,
        };
        held.unwrap_or_else(|| vec![None; attempts.len()])
    }

    async fn held(
        &self,
        sale: &SaleId,
        door: Door,
        attempts: &[Attempt],
        deadline: Instant,
    ) -> Result<Vec<Option<Outcome>>> {
        let (key, buyers) = (self.keys().sale(sale), self.keys().buyers(sale));
        let terms = TERMS.map(|field| (key.clone(), field)).into_iter();
        let users = attempts.iter().map(|attempt| attempt.username.as_str());
        let asked: Vec<_> = terms
            .chain(users.map(|user| (buyers.clone(), user)))
            .collect();
        let read = self.hash_fields(&asked, deadline).await?;
        let read: Vec<_> = read
            .iter()
            .map(|field| field.as_deref().map(record::text))
            .collect();
        let (terms, ids) = read.split_at(TERMS.len());
        let most = purchase_max(door, [0, 1, 2].map(|place: usize| terms[place].as_deref()));
        let ids = ids.iter().zip(attempts).map(|(id, attempt)| {
            let id = id.as_deref();
            id.filter(|_| attempt.purchase.get() <= most)
        });
        let ids: Vec<_> = ids.collect();
        let orders = self.keys().orders(sale.event());
        let asked: Vec<_> = ids
            .iter()
            .flatten()
            .map(|&id| (orders.clone(), id))
            .collect();
        if asked.is_empty() {
            return Ok(vec![None; attempts.len()]);
        }
        let records = self.hash_fields_kept(&asked, deadline).await?;
        let mut records = records.into_iter();
        let held = ids.into_iter().map(|id| {
            let (id, record) = (id?, records.next()??);
            shown(id, &record, sale)
        });
        Ok(held.collect())
    }
}

/// Most units in one attempt at this door: none where the sale is not sold. The rules are those of
/// `sale_grab`: the office sells what has a keyword, the other doors what has none.
fn purchase_max(door: Door, [kind, keyword, most]: [Option<&str>; TERMS.len()]) -> u32 {
    let sold_at = match (kind, keyword) {
        (None, _) | (_, Some("")) => return 0,
        (Some(_), Some(_)) => Door::Office.as_str(),
        (Some(kind), None) => kind,
    };
    if sold_at != door.as_str() {
        return 0;
    }
    // What cannot be read allows nothing.
    most.map_or(PURCHASE_MAX_DEFAULT, |most| most.parse().unwrap_or(0))
}

/// An order as its holder sees it, if it is alive and has something of the sale.
fn shown(id: &str, record: &[u8], goods: &SaleId) -> Option<Outcome> {
    let order = record::decode(id, record).ok()?;
    let is_alive = order.state.is_alive();
    let line = order.lines.into_iter().find(|line| line.goods == *goods)?;
    let grant = Grant {
        order: order.id,
        line,
    };
    is_alive.then_some(Outcome::AlreadyGrabbed(grant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_shows_what_it_sells() {
        for (door, terms, most) in [
            (Door::Seckill, [Some("list"), None, None], 2),
            (Door::Incr, [Some("counter"), None, Some("7")], 7),
            (Door::Incr, [Some("list"), None, None], 0),
            (Door::Seckill, [Some("list"), Some("key"), None], 0),
            (Door::Office, [Some("list"), Some("key"), Some("1")], 1),
            (Door::Office, [Some("list"), None, None], 0),
            (Door::Office, [Some("list"), Some(""), None], 0),
            (Door::Seckill, [None, None, None], 0),
            (Door::Seckill, [Some("list"), None, Some("many")], 0),
        ] {
            assert_eq!(purchase_max(door, terms), most, "{door:?} {terms:?}");
        }
    }
}
