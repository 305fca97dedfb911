//! Bids: accepts amounts towards targets, and takes them back.

use redis::Value;
use tokio::time::Instant;

use super::Store;
use super::lane::Lane;
use super::record;
use super::reply::{unexpected, word};
use super::script::{BID_CANCEL, BID_PLACE};
use crate::domain::bid::{Bid, BidOutcome, BidRefusal};
use crate::domain::change::ChangeOutcome;
use crate::domain::ids::{OrderId, SaleId, Username};
use crate::error::Result;

impl Lane {
    /// Decides a bid in one step, before `deadline`.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::error::Error::Busy) when nothing was executed,
    /// [`Error::Unknown`](crate::error::Error::Unknown) when it may have been: the same request
    /// again gets the order, if there is one.
    pub async fn bid_place(&self, bid: &Bid, deadline: Instant) -> Result<BidOutcome> {
        let keys = self.keys().of_bid(&bid.goods);
        let call = BID_PLACE
            .on(&keys)
            .arg(bid.username.as_str())
            .arg(bid.request.as_str())
            .arg(bid.order.as_str())
            .arg(self.waits())
            .arg(bid.goods.as_str())
            .arg(bid.amount.get());
        let decode = |reply: Value| outcome(&reply, bid);
        self.decide(call, deadline, decode, BidOutcome::shows_an_order)
            .await
    }
}

impl Store {
    /// Takes back the bid `id` for `goods`, before `deadline`.
    pub(super) async fn bid_cancel(
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
/// [`Error::Contract`](crate::error::Error::Contract) when it is none.
pub fn outcome(reply: &Value, bid: &Bid) -> Result<BidOutcome> {
    let nothing = || unexpected("bid_place", &format!("{reply:?}"));
    let Value::Array(parts) = reply else {
        return Err(nothing());
    };
    let words = parts.iter().map(|part| word("bid_place", part));
    let words: Vec<String> = words.collect::<Result<_>>()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bid_accepted", about] => Ok(BidOutcome::Accepted(record::decode(
            bid.order.as_str(),
            about.as_bytes(),
        )?)),
        ["already_bid", about] => {
            let (id, record) = about.split_once('\n').ok_or_else(nothing)?;
            let order = record::decode(id, record.as_bytes())?;
            Ok(BidOutcome::Repeated(order))
        }
        [answer, rest @ ..] => {
            let number = match rest {
                [] => None,
                [number] => Some(number.parse().map_err(|_| nothing())?),
                _ => return Err(nothing()),
            };
            let refusal = BidRefusal::parse(answer, number).ok_or_else(nothing)?;
            Ok(BidOutcome::Refused(refusal))
        }
        [] => Err(nothing()),
    }
}
