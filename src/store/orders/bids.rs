//! Bids: accepts amounts towards targets, and takes them back.

use redis::Value;
use tokio::time::Instant;

use super::standing::doubt;
use crate::domain::ids::{OrderId, SaleId, Username};
use crate::domain::order::change::ChangeOutcome;
use crate::domain::purchase::bid::{Bid, BidOutcome, BidRefusal};
use crate::domain::purchase::outcome::RestsOn;
use crate::domain::purchase::standing::Grants;
use crate::domain::sale::history::Past;
use crate::failure::Result;
use crate::store::connection::lane::{Decided, Lane, Needs};
use crate::store::decode::{number, unexpected, word};
use crate::store::sales::history;
use crate::store::script::{BID_CANCEL, BID_PLACE};
use crate::store::{Store, record};

/// A decided bid.
#[derive(Debug)]
pub struct DecidedBid {
    /// What became of it. [`Failure::Unknown`](crate::failure::Failure::Unknown) or
    /// [`Failure::Busy`](crate::failure::Failure::Busy) when too few replicas have what
    /// that rests on.
    pub outcome: Result<BidOutcome>,
    /// The past of the target after it; `None` when there is no such target.
    pub past: Option<Past>,
    /// Whether as many replicas have what the outcome rests on as the durability level in force
    /// says.
    pub kept: bool,
    /// Whether this reply acknowledged the past at that level.
    pub acknowledged: bool,
}

impl Lane {
    /// Decides a bid in one step, before `deadline`. A target that has forgotten some of `past` is
    /// stopped.
    ///
    /// # Errors
    /// [`Failure::Busy`](crate::failure::Failure::Busy) when nothing was executed,
    /// [`Failure::Unknown`](crate::failure::Failure::Unknown) when it may have been: the same
    /// request again gets the order, if there is one.
    pub async fn bid_place(
        &self,
        bid: &Bid,
        past: Option<&Past>,
        deadline: Instant,
    ) -> Result<DecidedBid> {
        let keys = self.keys().of_bid(&bid.goods);
        let call = BID_PLACE
            .on(&keys)
            .arg(bid.username.as_str())
            .arg(bid.request.as_str())
            .arg(bid.order.as_str())
            .arg(self.waits())
            .arg(bid.goods.as_str())
            .arg(bid.amount.get())
            .past(past);
        let decode = |reply: Value| decided(&reply, bid);
        let needs = |decided: &DecidedBid| match decided.past {
            Some(_) => Needs::LastWrite,
            None => Needs::Nothing,
        };
        let Decided { value, kept } = self.decide(call, deadline, decode, needs).await?;
        let rests_on = value.outcome.as_ref();
        let rests_on = rests_on.map_or(RestsOn::Order, BidOutcome::rests_on);
        let decided = match kept {
            Ok(()) => DecidedBid {
                kept: true,
                acknowledged: self.acknowledges(rests_on == RestsOn::Order),
                ..value
            },
            Err(short) => DecidedBid {
                outcome: doubt(rests_on, &short).map_or(value.outcome, Err),
                ..value
            },
        };
        Ok(decided)
    }
}

impl Store {
    /// Takes back the bid `id` for `goods`, before `deadline`.
    pub(in crate::store) async fn bid_cancel(
        &self,
        id: &OrderId,
        goods: &SaleId,
        buyer: Option<&Username>,
        deadline: Instant,
    ) -> Result<ChangeOutcome> {
        let keys = self.keys.of_bid_cancel(goods);
        let call = BID_CANCEL
            .on(&keys)
            .arg(id.as_str())
            .arg(self.waits())
            .arg(buyer.map_or("", Username::as_str))
            .arg(goods.as_str());
        self.settle(call, id, deadline).await
    }
}

/// Decodes the reply of `bid_place` to `bid`.
///
/// # Errors
/// [`Failure::Unreadable`](crate::failure::Failure::Unreadable) when it is none.
pub fn decided(reply: &Value, bid: &Bid) -> Result<DecidedBid> {
    let nothing = || unexpected("bid_place", &format!("{reply:?}"));
    let Value::Array(parts) = reply else {
        return Err(nothing());
    };
    let [answer, about, past @ ..] = parts.as_slice() else {
        return Err(nothing());
    };
    let (answer, about) = (word("bid_place", answer)?, word("bid_place", about)?);
    let past = match past {
        [] => None,
        [history, count, last_at] => {
            let (count, last_at) = (number("bid_place", count)?, number("bid_place", last_at)?);
            history::past("bid_place", history, Grants { last_at, count })?
        }
        _ => return Err(nothing()),
    };
    Ok(DecidedBid {
        outcome: Ok(outcome(&answer, &about, bid)?.ok_or_else(nothing)?),
        past,
        kept: false,
        acknowledged: false,
    })
}

/// The outcome that an answer says; `None` for an answer that no script gives.
fn outcome(answer: &str, about: &str, bid: &Bid) -> Result<Option<BidOutcome>> {
    match answer {
        "bid_accepted" => {
            let order = record::decode(bid.order.as_str(), about.as_bytes())?;
            Ok(Some(BidOutcome::Accepted(order)))
        }
        "already_bid" => {
            let order = about.split_once('\n');
            let order = order.map(|(id, record)| record::decode(id, record.as_bytes()));
            Ok(order.transpose()?.map(BidOutcome::Repeated))
        }
        word => {
            let number = (!about.is_empty()).then(|| about.parse().ok());
            let refusal = match number {
                None => BidRefusal::parse(word, None),
                Some(number) => number.and_then(|number| BidRefusal::parse(word, Some(number))),
            };
            Ok(refusal.map(BidOutcome::Refused))
        }
    }
}
