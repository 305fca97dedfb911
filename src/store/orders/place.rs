//! Places orders over several sales of one event.

use std::iter::repeat;

use redis::Value;
use tokio::time::Instant;

use super::standing::{self, doubt};
use crate::domain::ids::{OrderId, SaleId};
use crate::domain::purchase::outcome::{Refusal, RestsOn};
use crate::domain::purchase::place::{PlaceOutcome, PlaceRefusal, Placement};
use crate::domain::purchase::standing::Standing;
use crate::domain::sale::StockKind;
use crate::domain::sale::history::Past;
use crate::failure::Result;
use crate::store::connection::lane::{Decided, Lane, Needs};
use crate::store::decode::{unexpected, word};
use crate::store::record;
use crate::store::sales::history;
use crate::store::script::ORDER_PLACE;

/// A decided placement.
#[derive(Debug)]
pub struct Placed {
    /// What became of it. [`Failure::Unknown`](crate::failure::Failure::Unknown) or
    /// [`Failure::Busy`](crate::failure::Failure::Busy) when too few replicas have what
    /// that rests on.
    pub outcome: Result<PlaceOutcome>,
    /// The sale of each wish, after the decision; empty when one of them does not exist, takes
    /// bids, or is an activity.
    pub standings: Vec<Standing>,
    /// The past of each of these sales.
    pub pasts: Vec<Option<Past>>,
    /// Whether as many replicas have what the outcome rests on as the durability level in force
    /// says.
    pub kept: bool,
    /// Whether this reply acknowledged the pasts at that level.
    pub acknowledged: bool,
}

impl Lane {
    /// Decides a placement in one step, before `deadline`. `pasts` are those of the sales of the
    /// wishes, in their order, and nothing where they end; a sale that has forgotten some of its
    /// past is stopped.
    ///
    /// # Errors
    /// [`Failure::Busy`](crate::failure::Failure::Busy) when nothing was executed,
    /// [`Failure::Unknown`](crate::failure::Failure::Unknown) when it may have been: the same
    /// request again gets the order, if there is one.
    pub async fn order_place(
        &self,
        placement: &Placement,
        pasts: &[Option<Past>],
        deadline: Instant,
    ) -> Result<Placed> {
        let keys = self.keys().of_placement(&placement.basket);
        let mut call = ORDER_PLACE
            .on(&keys)
            .arg(placement.username.as_str())
            .arg(placement.request.as_str())
            .arg(placement.order.as_str())
            .arg(self.waits());
        let pasts = pasts.iter().map(Option::as_ref).chain(repeat(None));
        for (wish, past) in placement.basket.wishes().iter().zip(pasts) {
            call = call.arg(wish.goods.as_str()).arg(wish.purchase.get());
            call = call.past(past);
        }
        let decode = |reply: Value| placed(&reply, placement);
        let needs = |placed: &Placed| match placed.standings.as_slice() {
            [] => Needs::Nothing,
            _ => Needs::LastWrite,
        };
        let Decided { value, kept } = self.decide(call, deadline, decode, needs).await?;
        let rests_on = value.outcome.as_ref();
        let rests_on = rests_on.map_or(RestsOn::Order, PlaceOutcome::rests_on);
        let placed = match kept {
            Ok(()) => Placed {
                kept: true,
                acknowledged: self.acknowledges(rests_on == RestsOn::Order),
                ..value
            },
            Err(short) => Placed {
                outcome: doubt(rests_on, &short).map_or(value.outcome, Err),
                ..value
            },
        };
        Ok(placed)
    }
}

/// Decodes the reply of `order_place` to `placement`.
fn placed(reply: &Value, placement: &Placement) -> Result<Placed> {
    let Value::Array(parts) = reply else {
        return Err(unexpected("order_place", &format!("{reply:?}")));
    };
    let [answer, about, standings @ ..] = parts.as_slice() else {
        return Err(unexpected("order_place", &format!("{parts:?}")));
    };
    let Value::BulkString(about) = about else {
        return Err(unexpected("order_place", &format!("{about:?}")));
    };
    let (answer, about) = (word("order_place", answer)?, record::text(about));
    let outcome = outcome(&answer, &about, placement)?;
    let standings = standings.iter().map(|standing| match standing {
        Value::Array(parts) => self::standing(parts),
        other => Err(unexpected("order_place", &format!("{other:?}"))),
    });
    let (standings, pasts): (Vec<_>, Vec<_>) =
        standings.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    if !standings.is_empty() && standings.len() != placement.basket.wishes().len() {
        return Err(unexpected("order_place", "not one standing for each line"));
    }
    Ok(Placed {
        outcome: Ok(outcome),
        standings,
        pasts,
        kept: false,
        acknowledged: false,
    })
}

/// How the sale of a line stands, then its history and the kind of its stock: it is never an
/// activity.
fn standing(parts: &[Value]) -> Result<(Standing, Option<Past>)> {
    let [parts @ .., history, kind] = parts else {
        return Err(unexpected(
            "order_place",
            "a standing without history and kind",
        ));
    };
    let kind = StockKind::parse(&word("order_place", kind)?);
    let kind = kind.map_err(|e| unexpected("order_place", &e.to_string()))?;
    let standing = standing::standing("order_place", parts, kind.door())?;
    let past = history::past("order_place", history, standing.grants)?;
    Ok((standing, past))
}

fn outcome(answer: &str, about: &str, placement: &Placement) -> Result<PlaceOutcome> {
    let nothing = || unexpected("order_place", &format!("{answer} of {about:?}"));
    let refusal = match answer {
        "grabbed" => {
            let order = record::decode(placement.order.as_str(), about.as_bytes())?;
            return Ok(PlaceOutcome::Grabbed(order));
        }
        "repeated" => {
            let (id, record) = about.split_once('\n').ok_or_else(nothing)?;
            return Ok(PlaceOutcome::Repeated(record::decode(
                id,
                record.as_bytes(),
            )?));
        }
        "request_id_reused" => PlaceRefusal::RequestIdReused,
        "already_grabbed" => {
            let (goods, order) = about.split_once('\n').ok_or_else(nothing)?;
            PlaceRefusal::AlreadyGrabbed {
                goods: SaleId::parse(goods).map_err(|_| nothing())?,
                order: OrderId::parse(order).map_err(|_| nothing())?,
            }
        }
        "not_started" => {
            let (goods, opens_at) = about.split_once('\n').ok_or_else(nothing)?;
            PlaceRefusal::NotStarted {
                goods: SaleId::parse(goods).map_err(|_| nothing())?,
                opens_at: opens_at.parse().map_err(|_| nothing())?,
            }
        }
        word => PlaceRefusal::Line {
            goods: SaleId::parse(about).map_err(|_| nothing())?,
            refusal: Refusal::parse(word).ok_or_else(nothing)?,
        },
    };
    Ok(PlaceOutcome::Refused(refusal))
}
