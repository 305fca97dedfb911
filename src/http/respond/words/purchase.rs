//! The sentences for grabs, baskets and bids.

use super::{Text, text};
use crate::domain::purchase::bid::BidRefusal;
use crate::domain::purchase::outcome::Refusal;

/// The buyer got units.
pub const GRABBED: Text = text("恭喜您，您已抢到。", "Congratulations, you got it.");
/// The buyer already has an order.
pub const ALREADY_GRABBED: Text = text(
    "您已经抢到了，请勿重复请求。",
    "You have got it already; there is no need to ask again.",
);
/// The call was sent, and Redis did not answer, at `/seckill` and `/incr`.
pub const UNKNOWN: Text = text(
    "结果未知，请用同一用户重试。",
    "The outcome is unknown; please try again as the same user.",
);
/// The same if the request has an id.
pub const REQUEST_UNKNOWN: Text = text(
    "结果未知，请用同一 request_id 重新发送该请求。",
    "The outcome is unknown; please send the same request, with its request_id, again.",
);
/// The order of the buyer, or the sale, cannot be read.
pub const UNREADABLE: Text = text(
    "数据无法读取，请联系商家。",
    "The data of this sale or of your order cannot be read; please contact the shop.",
);

/// The sentence of a sale for a buyer who gets nothing.
pub fn refusal(refusal: Refusal) -> Text {
    match refusal {
        Refusal::SoldOut => text("很遗憾，抢购已经结束。", "Sorry, everything is sold out."),
        Refusal::InsufficientStock => text(
            "不好意思，库存不足了，请减少数量再次请求。",
            "Sorry, too few are left; please ask again for fewer.",
        ),
        Refusal::NotStarted => text("抢购尚未开始。", "The sale has not started yet."),
        Refusal::Ended => text("抢购已经结束。", "The sale has ended."),
        Refusal::Paused | Refusal::Forgot => text("抢购暂停中。", "The sale is paused."),
        Refusal::InvalidPurchase => text(
            "对不起，请选择正确的抢购数量！",
            "Sorry, please choose a valid quantity!",
        ),
        Refusal::NoSuchSale => text("没有这个抢购。", "There is no such sale."),
        Refusal::WrongDoor => text(
            "该抢购不支持这种方式。",
            "This sale is not sold at this endpoint.",
        ),
        Refusal::TooManyOrders => text(
            "您在本场抢购中的订单次数已达上限。",
            "You have had as many orders of this sale as it allows.",
        ),
    }
}

/// The request id was used for a different order.
pub const ORDER_REQUEST_REUSED: Text = text(
    "该 request_id 已用于内容不同的订单，请换一个新的。",
    "This request_id belongs to an order of something else: send a new one.",
);
/// A request that is repeated after its order died.
pub const ORDER_DIED: Text = text(
    "该请求的订单已取消或已过期。",
    "This request got an order before, which was cancelled or has expired.",
);

/// A bid was accepted.
pub const BID_ACCEPTED: Text = text("投标成功。", "Your bid was accepted.");
/// A bid was cut to what was left to its target.
pub const BID_ACCEPTED_IN_PART: Text = text(
    "投标成功，已按剩余额度接受部分金额。",
    "Your bid was accepted in part: no more was left to the target.",
);
/// The request of a bid was repeated.
pub const ALREADY_BID: Text = text(
    "该请求已投标成功，请勿重复请求。",
    "This request was accepted already; there is no need to ask again.",
);
/// It was repeated after its bid was cancelled.
pub const BID_CANCELLED: Text = text(
    "该请求的投标已取消。",
    "This request was accepted before, and its bid was cancelled.",
);

/// The sentence of a target for a bidder who gets nothing. Refusals that sales also give have the
/// sentences of sales.
pub fn bid_refusal(bid: BidRefusal) -> Text {
    match bid {
        BidRefusal::NoSuchSale => refusal(Refusal::NoSuchSale),
        BidRefusal::WrongDoor => refusal(Refusal::WrongDoor),
        BidRefusal::Paused => refusal(Refusal::Paused),
        BidRefusal::Forgot => refusal(Refusal::Forgot),
        BidRefusal::NotStarted { .. } => refusal(Refusal::NotStarted),
        BidRefusal::Ended => refusal(Refusal::Ended),
        BidRefusal::RequestIdReused => text(
            "该 request_id 已用于内容不同的请求，请换一个新的。",
            "This request_id belongs to a request for something else: send a new one.",
        ),
        BidRefusal::TargetReached => text("现在已满标", "The target is full."),
        BidRefusal::BelowMinimum { .. } => text(
            "对不起，投标金额低于最低金额。",
            "Sorry, the amount is less than the smallest bid.",
        ),
        BidRefusal::NoSuchAccount => text("没有这个账户。", "There is no such account."),
        BidRefusal::InsufficientBalance => text("余额不足", "The balance is too low."),
    }
}
