//! What is said about an order, and about a ticket at the check-in.

use super::{Text, text};
use crate::domain::order::Order;
use crate::domain::order::change::{Change, ChangeRefusal};
use crate::wechat::checkin::Refusal;

/// There is no such order, or it is hidden from the client.
pub const NO_SUCH_ORDER: Text = text("没有这个订单。", "There is no such order.");
/// The request shows no token and names no buyer.
pub const NOBODY_NAMED: Text = text(
    "请提供买家的 username，或操作员的令牌：`Authorization: Bearer TOKEN`。",
    "Send the buyer's username, or the operators' token: `Authorization: Bearer TOKEN`.",
);
/// Sent, and no answer came from Redis.
pub const UNKNOWN: Text = text(
    "结果未知，请重试，重复请求是安全的。",
    "The outcome is unknown; please try again, which is safe.",
);
/// The order cannot be read.
pub const UNREADABLE: Text = text("订单数据无法读取。", "The order cannot be read.");

/// A change was made.
pub fn changed(change: Change) -> Text {
    match change {
        Change::Confirm => text("订单已确认。", "The order is confirmed."),
        Change::Cancel => text("订单已取消。", "The order is cancelled."),
        Change::Use => text("订单已使用。", "The order is used."),
    }
}

/// A change had been made before.
pub fn repeated(change: Change) -> Text {
    match change {
        Change::Confirm => text(
            "订单此前已经确认，请勿重复请求。",
            "The order was confirmed before; there is no need to ask again.",
        ),
        Change::Cancel => text(
            "订单此前已经取消，请勿重复请求。",
            "The order was cancelled before; there is no need to ask again.",
        ),
        Change::Use => text(
            "订单此前已经使用。",
            "The order was used before: do not hand anything out again.",
        ),
    }
}

/// A change cannot be made. `refund_due`: the buyer paid for an order that is dead.
pub fn refusal(refusal: ChangeRefusal, refund_due: bool, order: &Order) -> Text {
    match refusal {
        ChangeRefusal::Expired if refund_due => text(
            "订单已过期，应当退款。",
            "The order has expired: a refund is due.",
        ),
        ChangeRefusal::Expired => text("订单已过期。", "The order has expired."),
        ChangeRefusal::Cancelled if refund_due => text(
            "订单已取消，应当退款。",
            "The order is cancelled: a refund is due.",
        ),
        ChangeRefusal::Cancelled => text("订单已取消。", "The order is cancelled."),
        ChangeRefusal::Used => text("订单已使用。", "The order is used."),
        ChangeRefusal::NotConfirmed => text("订单尚未确认。", "The order is not confirmed yet."),
        ChangeRefusal::NotCancellable if order.bid().is_some() => text(
            "投标不能取消：标的已满标，或不接受取消，或已过取消期限。",
            "The bid cannot be cancelled: its target is full, or takes no bids back, or not any more.",
        ),
        ChangeRefusal::NotCancellable => text(
            "订单已确认，不能再取消。",
            "The order is confirmed and cannot be cancelled any more.",
        ),
        ChangeRefusal::NotConfirmable => text(
            "投标无需确认。",
            "The order is a bid: there is nothing to confirm.",
        ),
        ChangeRefusal::NotUsable => text(
            "投标没有可领取的商品。",
            "The order is a bid: there is nothing to hand out.",
        ),
    }
}

/// The ticket is good.
pub const CHECKED_IN: Text = text("检票成功。", "The ticket is good, and used from now on.");
/// A check-in names both a ticket and a number, or neither.
pub const TICKET_OR_NUMBER: Text = text(
    "请提供 ticket 或 number，只能有其中一个。",
    "Send either a ticket or a number, not both.",
);
/// A check-in was not made, or no answer came from Redis.
pub const CHECK_AGAIN: Text = text(
    "没有得到结果，请再检一次。",
    "No result: check the ticket again, which is safe.",
);
/// The ticket cannot be read.
pub const TICKET_UNREADABLE: Text = text(
    "票据数据无法读取，请联系主办方。",
    "The ticket cannot be read; please ask the organiser.",
);

/// The ticket lets nobody in. `used_at`: the time when it was used, as people read it.
pub fn not_admitted(refusal: &Refusal, used_at: &str) -> Text<String> {
    match refusal {
        Refusal::NoSuchActivity => text("没有这个活动。", "There is no such activity.").owned(),
        Refusal::Over => text("活动已经结束。", "The activity is over.").owned(),
        Refusal::NoSuchTicket => text("没有有效的票。", "There is no such ticket.").owned(),
        Refusal::OtherActivity => {
            text("这是其他活动的票。", "It is a ticket of another activity.").owned()
        }
        Refusal::Cancelled => text("票已退。", "The ticket was given back.").owned(),
        Refusal::Used(_) => Text {
            zh: format!("票已使用过：{used_at}。"),
            en: format!("The ticket was used before: {used_at} (UTC+8)."),
        },
    }
}
