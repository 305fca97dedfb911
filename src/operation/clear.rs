//! The sentences for why nothing was reset or deleted.

use crate::domain::clear::ClearRefusal;
use crate::domain::counted::counted;
use crate::domain::ids::SaleId;

/// The sentence: what prevents it, and what to do.
pub fn explain(refusal: &ClearRefusal) -> String {
    match refusal {
        ClearRefusal::NoSuchSale(id) => format!("there is no sale {id}"),
        ClearRefusal::NoSuchEvent => "the event has no data".to_owned(),
        ClearRefusal::OrdersAlive { sale, units } => format!(
            "sale {sale} has living orders, of {units} in all: `seckill orders {sale}` lists them, \
             and --with-orders drops them"
        ),
        ClearRefusal::SharedOrder { order, others } => {
            let others: Vec<&str> = others.iter().map(SaleId::as_str).collect();
            format!(
                "order {order} has units of other sales, too: name {} in the same command",
                others.join(" and ")
            )
        }
        ClearRefusal::PaidBid { order } => format!(
            "an account paid bid {order}: cancel it first, which pays it back (`seckill order \
             cancel {order}`)"
        ),
        ClearRefusal::AccountsKept { accounts } => {
            let accounts = counted(*accounts, "account");
            format!("the event keeps {accounts}: --with-orders deletes them, too")
        }
        ClearRefusal::FeedNeeded { group } => format!(
            "consumer group {group} has not read all entries of the feed: let it read them, or \
             drop them with --feed-too"
        ),
        ClearRefusal::BeingCleared { command } => {
            format!("`seckill sale {command}` began before and has not ended: run it again first")
        }
    }
}
