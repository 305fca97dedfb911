//! What a delivery says, as JSON.

use serde::Serialize;

use crate::domain::feed::Letter;
use crate::domain::order::Line;

#[derive(Serialize)]
struct Body<'a> {
    event: &'a str,
    entries: Vec<EntryView<'a>>,
}

/// The entry, then the parts of its order that never change.
#[derive(Serialize)]
struct EntryView<'a> {
    seq: u64,
    what: &'a str,
    at: u64,
    order: &'a str,
    username: &'a str,
    created_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    lines: Vec<LineView<'a>>,
}

#[derive(Serialize)]
struct LineView<'a> {
    goods: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    units: &'a [String],
    #[serde(flatten)]
    bid: Option<BidView>,
}

/// What a line has of a target instead of units, in cents.
#[derive(Serialize)]
struct BidView {
    requested: u64,
    accepted: u64,
    bonus: u64,
}

/// The body of one delivery: entries of one event in the order of the feed.
pub fn json(event: &str, letters: &[&Letter]) -> Vec<u8> {
    let entries = letters.iter().map(|letter| view(letter)).collect();
    // Texts and numbers only: nothing here can fail.
    serde_json::to_vec(&Body { event, entries }).unwrap_or_default()
}

fn view(letter: &Letter) -> EntryView<'_> {
    let Letter { entry, order } = letter;
    EntryView {
        seq: entry.seq,
        what: entry.what.as_str(),
        at: entry.at,
        order: entry.order.as_str(),
        username: order.username.as_str(),
        created_at: order.created_at,
        request_id: order.request.as_ref().map(|request| request.as_str()),
        lines: order.lines.iter().map(line).collect(),
    }
}

fn line(line: &Line) -> LineView<'_> {
    LineView {
        goods: line.goods.as_str(),
        purchase: line.bid.is_none().then_some(line.purchase),
        units: &line.units,
        bid: line.bid.map(|bid| BidView {
            requested: bid.requested,
            accepted: line.purchase,
            bonus: bid.bonus,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::feed::Entry;
    use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
    use crate::domain::order::{Accepted, Order, OrderState};

    #[test]
    fn a_body_is_what_receivers_rely_on() {
        let id = OrderId::parse("spring-abcdfabcdfabcdfabcdf").expect("valid");
        let line = |goods, units: &[&str]| Line {
            goods: SaleId::parse(goods).expect("valid"),
            purchase: 2,
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            bid: None,
        };
        let order = Order {
            id: id.clone(),
            state: OrderState::Cancelled,
            created_at: 16,
            username: Username::parse("秒杀 \"user\"".to_owned()).expect("valid"),
            deadline: None,
            changed_at: Some(99),
            request: Some(RequestId::parse("r-1".to_owned()).expect("valid")),
            lines: vec![line("spring.tea", &["sn-1", "sn-2"]), line("spring", &[])],
        };
        let entry = Entry {
            seq: 7,
            what: OrderState::Held,
            order: id,
            at: 17,
        };
        let body = json("spring", &[&Letter { entry, order }]);
        let expected = concat!(
            r#"{"event":"spring","entries":[{"seq":7,"what":"held","at":17,"#,
            r#""order":"spring-abcdfabcdfabcdfabcdf","username":"秒杀 \"user\"","created_at":16,"#,
            r#""request_id":"r-1","lines":[{"goods":"spring.tea","purchase":2,"#,
            r#""units":["sn-1","sn-2"]},{"goods":"spring","purchase":2}]}]}"#,
        );
        assert_eq!(String::from_utf8(body).expect("UTF-8"), expected);
    }

    #[test]
    fn a_line_of_a_bid_has_cents_and_no_units() {
        for (bonus, is_so) in [(2, true), (0, false)] {
            let bid = Line {
                goods: SaleId::parse("p2p.loan").expect("valid"),
                purchase: 200,
                units: Vec::new(),
                bid: Some(Accepted {
                    requested: 300,
                    bonus,
                    paid: is_so,
                    filled: is_so,
                }),
            };
            let body = serde_json::to_string(&line(&bid)).expect("JSON");
            let expected =
                format!(r#"{{"goods":"p2p.loan","requested":300,"accepted":200,"bonus":{bonus}}}"#);
            assert_eq!(body, expected);
        }
    }
}
