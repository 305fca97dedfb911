//! An order as JSON, the same in every answer that shows one.

use serde::Serialize;

use crate::domain::order::{Line, Order};
use crate::domain::sale::EpochMs;

/// The fields of an order, in this order; absent ones are left out. Times are epoch milliseconds.
#[derive(Serialize)]
pub struct OrderView<'a> {
    order: &'a str,
    state: &'a str,
    username: &'a str,
    created_at: EpochMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    lines: Vec<LineView<'a>>,
}

#[derive(Serialize)]
struct LineView<'a> {
    goods: &'a str,
    purchase: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'a [String]>,
}

impl<'a> From<&'a Order> for OrderView<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            order: order.id.as_str(),
            state: order.state.as_str(),
            username: order.username.as_str(),
            created_at: order.created_at,
            deadline: order.deadline,
            changed_at: order.changed_at,
            request_id: order.request.as_ref().map(|request| request.as_str()),
            lines: order.lines.iter().map(LineView::from).collect(),
        }
    }
}

impl<'a> From<&'a Line> for LineView<'a> {
    fn from(line: &'a Line) -> Self {
        Self {
            goods: line.goods.as_str(),
            purchase: line.purchase,
            units: (!line.units.is_empty()).then_some(&line.units),
        }
    }
}
