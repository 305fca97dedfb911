//! An order as JSON. There are two shapes: the whole order as it is now, and the parts that never
//! change. A line is the same in both, but for what it has of a bid.

use serde::Serialize;

use crate::domain::order::{Accepted, Line, Order};
use crate::domain::time::EpochMs;

/// An order as it is now, the same in every answer that shows one: its fields in this order, absent
/// ones left out. Times are epoch milliseconds.
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
    lines: Vec<LineView<'a, OrderBid>>,
}

/// The parts of an order that never change, for an entry of the feed, which tells of an earlier
/// state: its fields in this order. Times are epoch milliseconds.
#[derive(Serialize)]
pub struct FixedView<'a> {
    order: &'a str,
    username: &'a str,
    created_at: EpochMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    lines: Vec<LineView<'a, FixedBid>>,
}

/// What an order has of one sale: units, or a bid.
#[derive(Serialize)]
struct LineView<'a, B> {
    goods: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    units: &'a [String],
    #[serde(flatten)]
    bid: Option<B>,
}

/// What is said of a bid in an answer, in cents: its fields in this order. A bonus of 0 is left
/// out.
#[derive(Serialize)]
pub struct BidView {
    requested: u64,
    accepted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filled: Option<bool>,
}

/// The bid of an order.
#[derive(Serialize)]
struct OrderBid {
    #[serde(flatten)]
    bid: BidView,
    /// Only of a bid that an account paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<bool>,
}

/// What receivers of the feed know of a bid, in cents. There is always a bonus, even of 0.
#[derive(Serialize)]
struct FixedBid {
    requested: u64,
    accepted: u64,
    bonus: u64,
}

impl BidView {
    /// The view of a line; `None` for units.
    pub fn of(line: &Line) -> Option<Self> {
        line.bid.map(|bid| Self::new(line, bid))
    }

    fn new(line: &Line, bid: Accepted) -> Self {
        Self {
            requested: bid.requested,
            accepted: line.purchase,
            bonus: (bid.bonus > 0).then_some(bid.bonus),
            filled: bid.filled.then_some(true),
        }
    }
}

impl OrderBid {
    fn new(line: &Line, bid: Accepted) -> Self {
        Self {
            bid: BidView::new(line, bid),
            paid: bid.paid.then_some(true),
        }
    }
}

impl FixedBid {
    fn new(line: &Line, bid: Accepted) -> Self {
        Self {
            requested: bid.requested,
            accepted: line.purchase,
            bonus: bid.bonus,
        }
    }
}

impl<'a, B> LineView<'a, B> {
    fn new(line: &'a Line, view: fn(&Line, Accepted) -> B) -> Self {
        Self {
            goods: line.goods.as_str(),
            purchase: line.bid.is_none().then_some(line.purchase),
            units: &line.units,
            bid: line.bid.map(|bid| view(line, bid)),
        }
    }
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
            lines: lines(order, OrderBid::new),
        }
    }
}

impl<'a> From<&'a Order> for FixedView<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            order: order.id.as_str(),
            username: order.username.as_str(),
            created_at: order.created_at,
            request_id: order.request.as_ref().map(|request| request.as_str()),
            lines: lines(order, FixedBid::new),
        }
    }
}

fn lines<B>(order: &Order, view: fn(&Line, Accepted) -> B) -> Vec<LineView<'_, B>> {
    let lines = order.lines.iter();
    lines.map(|line| LineView::new(line, view)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
    use crate::domain::order::OrderState;

    fn order(lines: Vec<Line>) -> Order {
        Order {
            id: OrderId::parse("spring-abcdfabcdfabcdfabcdf").expect("valid"),
            state: OrderState::Held,
            created_at: 16,
            username: Username::parse("秒杀 \"user\"".to_owned()).expect("valid"),
            deadline: Some(98),
            changed_at: None,
            request: None,
            lines,
        }
    }

    fn line(goods: &str, units: &[&str], bid: Option<Accepted>) -> Line {
        Line {
            goods: SaleId::parse(goods).expect("valid"),
            purchase: 2,
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            bid,
        }
    }

    fn json(view: impl Serialize) -> String {
        serde_json::to_string(&view).expect("JSON")
    }

    #[test]
    fn an_order_of_units_is_what_clients_rely_on() {
        let held = order(vec![
            line("spring.tea", &["sn-1", "sn-2"], None),
            line("spring", &[], None),
        ]);
        let expected = concat!(
            r#"{"order":"spring-abcdfabcdfabcdfabcdf","state":"held","username":"秒杀 \"user\"","#,
            r#""created_at":16,"deadline":98,"lines":[{"goods":"spring.tea","purchase":2,"#,
            r#""units":["sn-1","sn-2"]},{"goods":"spring","purchase":2}]}"#,
        );
        assert_eq!(json(OrderView::from(&held)), expected);
        let cancelled = Order {
            state: OrderState::Cancelled,
            deadline: None,
            changed_at: Some(99),
            request: Some(RequestId::parse("r-1".to_owned()).expect("valid")),
            ..order(vec![line("spring", &[], None)])
        };
        let expected = concat!(
            r#"{"order":"spring-abcdfabcdfabcdfabcdf","state":"cancelled","#,
            r#""username":"秒杀 \"user\"","created_at":16,"changed_at":99,"request_id":"r-1","#,
            r#""lines":[{"goods":"spring","purchase":2}]}"#,
        );
        assert_eq!(json(OrderView::from(&cancelled)), expected);
    }

    #[test]
    fn what_never_changes_has_no_state() {
        let order = Order {
            changed_at: Some(99),
            request: Some(RequestId::parse("r-1".to_owned()).expect("valid")),
            ..order(vec![
                line("spring.tea", &["sn-1"], None),
                line("spring", &[], None),
            ])
        };
        let expected = concat!(
            r#"{"order":"spring-abcdfabcdfabcdfabcdf","username":"秒杀 \"user\"","#,
            r#""created_at":16,"request_id":"r-1","lines":[{"goods":"spring.tea","purchase":2,"#,
            r#""units":["sn-1"]},{"goods":"spring","purchase":2}]}"#,
        );
        assert_eq!(json(FixedView::from(&order)), expected);
    }

    #[test]
    fn a_bid_is_told_in_cents() {
        let bid = |is_so, bonus| {
            let bid = Accepted {
                requested: 3,
                bonus,
                paid: is_so,
                filled: is_so,
            };
            order(vec![line("spring.loan", &[], Some(bid))])
        };
        let lines_of = |json: String| {
            let (_, lines) = json.split_once(r#""lines":"#).expect("lines");
            lines.to_owned()
        };
        let (all, least) = (bid(true, 1), bid(false, 0));
        let whole = |order| lines_of(json(OrderView::from(order)));
        let expected = concat!(
            r#"[{"goods":"spring.loan","requested":3,"accepted":2,"bonus":1,"filled":true,"#,
            r#""paid":true}]}"#,
        );
        assert_eq!(whole(&all), expected);
        let expected = r#"[{"goods":"spring.loan","requested":3,"accepted":2}]}"#;
        assert_eq!(whole(&least), expected);
        for (order, bonus) in [(&all, 1), (&least, 0)] {
            let expected = format!(
                r#"[{{"goods":"spring.loan","requested":3,"accepted":2,"bonus":{bonus}}}]}}"#
            );
            assert_eq!(lines_of(json(FixedView::from(order))), expected);
        }
    }
}
