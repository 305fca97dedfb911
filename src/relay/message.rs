//! What a delivery says, as JSON.

use serde::Serialize;

use crate::domain::feed::Message;
use crate::view::order::FixedView;

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
    #[serde(flatten)]
    order: FixedView<'a>,
}

/// The body of one delivery: messages of one event in the order of the feed.
pub fn json(event: &str, messages: &[&Message]) -> Vec<u8> {
    let entries = messages.iter().map(|message| view(message)).collect();
    // Texts and numbers only: nothing here can fail.
    serde_json::to_vec(&Body { event, entries }).unwrap_or_default()
}

fn view(message: &Message) -> EntryView<'_> {
    let Message { entry, order } = message;
    EntryView {
        seq: entry.seq,
        what: entry.what.as_str(),
        at: entry.at,
        order: FixedView::from(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::feed::Entry;
    use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
    use crate::domain::order::{Line, Order, OrderState};

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
        let body = json("spring", &[&Message { entry, order }]);
        let expected = concat!(
            r#"{"event":"spring","entries":[{"seq":7,"what":"held","at":17,"#,
            r#""order":"spring-abcdfabcdfabcdfabcdf","username":"秒杀 \"user\"","created_at":16,"#,
            r#""request_id":"r-1","lines":[{"goods":"spring.tea","purchase":2,"#,
            r#""units":["sn-1","sn-2"]},{"goods":"spring","purchase":2}]}]}"#,
        );
        assert_eq!(String::from_utf8(body).expect("UTF-8"), expected);
    }
}
