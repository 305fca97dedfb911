//! The record of an order, as the scripts write it into the orders hash (see `lua/lib/record.lua`).
//!
//! Text, so that any language reads it: `state TAB created_ms TAB username [TAB at_ms
//! [TAB request_id]]`, then for each sale a line feed and `goods TAB purchase [TAB unit]...`, with
//! control characters and `%` in units written as `%XX`; the one line of a bid is `goods TAB
//! accepted/requested/bonus/paid/filled`, the last two of them 0 or 1. `at_ms` is the deadline of
//! a held order, and for others the time of the last change; it may be empty.

use std::borrow::Cow;

use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::order::{Accepted, Line, Order, OrderState};
use crate::domain::whole::whole;
use crate::failure::{Failure, Result};

/// The order of a record: the one place that decodes it.
///
/// # Errors
/// [`Failure::Unreadable`] with the id when the record does not follow the grammar.
pub fn decode(id: &str, record: &[u8]) -> Result<Order> {
    let text = text(record);
    parse(id, &text)
        .ok_or_else(|| Failure::Unreadable(format!("order {id:?} has the record {text:?}")))
}

fn parse(id: &str, text: &str) -> Option<Order> {
    let (head, lines) = text.split_once('\n')?;
    let mut head = head.split('\t');
    let state = OrderState::parse(head.next()?)?;
    let created_at = whole(head.next()?)?;
    let username = Username::parse(head.next()?.to_owned()).ok()?;
    let at = match head.next() {
        None | Some("") => None,
        Some(at) => Some(whole(at)?),
    };
    let request = match head.next() {
        None => None,
        Some(request) => Some(RequestId::parse(request.to_owned()).ok()?),
    };
    let is_held = state == OrderState::Held;
    let order = Order {
        id: OrderId::parse(id).ok()?,
        state,
        created_at,
        username,
        deadline: at.filter(|_| is_held),
        changed_at: at.filter(|_| !is_held),
        request,
        lines: lines.split('\n').map(line).collect::<Option<_>>()?,
    };
    let complete = order.deadline.is_some() == is_held && head.next().is_none();
    complete.then_some(order)
}

fn line(text: &str) -> Option<Line> {
    let mut parts = text.splitn(3, '\t');
    let goods = SaleId::parse(parts.next()?).ok()?;
    let count = parts.next()?;
    let (count, bid) = count
        .split_once('/')
        .map_or((count, None), |(count, bid)| (count, Some(bid)));
    let purchase = whole(count).filter(|&purchase| purchase > 0)?;
    let bid = match bid {
        None => None,
        Some(text) => Some(accepted(purchase, text)?),
    };
    let units = parts.next().map(units);
    if bid.is_some() && units.is_some() {
        return None;
    }
    Some(Line {
        goods,
        purchase,
        units: units.unwrap_or_default(),
        bid,
    })
}

/// What a record says of a bid of which so many cents were accepted.
fn accepted(purchase: u64, text: &str) -> Option<Accepted> {
    let bit = |text: &str| match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    let parts: Vec<&str> = text.split('/').collect();
    let [requested, bonus, paid, filled] = parts.as_slice() else {
        return None;
    };
    let accepted = Accepted {
        requested: whole(requested)?,
        bonus: whole(bonus)?,
        paid: bit(paid)?,
        filled: bit(filled)?,
    };
    let adds_up = accepted.bonus <= purchase && purchase <= accepted.requested;
    adds_up.then_some(accepted)
}

/// The units of a line: separated by tabs, none in an empty text.
pub fn units(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\t').map(unescaped).collect()
}

fn unescaped(unit: &str) -> String {
    if !unit.contains('%') {
        return unit.to_owned();
    }
    let mut bytes = Vec::with_capacity(unit.len());
    let mut rest = unit.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    text(&bytes).into_owned()
}

/// The bytes as text. Units that were pushed by hand may hold any byte: what is no UTF-8 is written
/// as `%XX`, so that different units stay different.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "spring-abcdfabcdfabcdfabcdf";

    #[test]
    fn a_record_becomes_an_order() {
        let record = "confirmed\t1700000000123\t秒杀 user\nspring.tea\t2\tsn-1\ta%09b%25";
        let order = decode(ID, record.as_bytes()).expect("valid");
        assert_eq!(order.id.as_str(), ID);
        assert_eq!(order.state, OrderState::Confirmed);
        assert_eq!(order.created_at, 1_700_000_000_123);
        assert_eq!(order.username.as_str(), "秒杀 user");
        assert_eq!((order.deadline, order.changed_at), (None, None));
        assert_eq!(order.request, None);
        let [line] = order.lines.as_slice() else {
            panic!("one line: {order:?}");
        };
        assert_eq!(line.goods.as_str(), "spring.tea");
        assert_eq!(line.purchase, 2);
        assert_eq!(line.units, ["sn-1", "a\tb%"]);
    }

    #[test]
    fn units_of_different_bytes_are_different_units() {
        let record = b"confirmed\t1\tx\na\t5\tsn\xff\tsn\xfe\t\xe5\xba\tsn%25\xff\t\xe5\xba\xa7";
        let order = decode(ID, record).expect("valid");
        assert_eq!(
            order.lines[0].units,
            ["sn%FF", "sn%FE", "%E5%BA", "sn%%FF", "座"]
        );
    }

    #[test]
    fn the_time_of_a_record_is_a_deadline_while_it_is_held() {
        for state in OrderState::ALL {
            let record = format!("{}\t1\tx\t9\treq 1\na\t1\na.b\t2\tu\tv", state.as_str());
            let order = decode(ID, record.as_bytes()).expect("valid");
            let expected = match state {
                OrderState::Held => (Some(9), None),
                _ => (None, Some(9)),
            };
            assert_eq!((order.deadline, order.changed_at), expected);
            assert_eq!(
                order.request.map(|id| id.as_str().to_owned()),
                Some("req 1".into())
            );
            let lines: Vec<_> = order.lines.iter().map(|line| line.units.len()).collect();
            assert_eq!(lines, [0, 2]);
        }
        let asked = decode(ID, b"confirmed\t1\tx\t\treq\na\t1").expect("valid");
        assert_eq!(asked.changed_at, None);
        assert!(asked.request.is_some());
    }

    #[test]
    fn a_bid_says_what_was_asked_for_and_what_it_brought() {
        let record = b"confirmed\t1\tx\t\tr\na\t20000/30000/200/1/0";
        let order = decode(ID, record).expect("valid");
        let (line, accepted) = order.bid().expect("a bid");
        assert_eq!((line.purchase, line.units.len()), (20_000, 0));
        assert_eq!((accepted.requested, accepted.bonus), (30_000, 200));
        assert_eq!((accepted.paid, accepted.filled), (true, false));
        for line in [
            "a\t2/1/0/0/0",
            "a\t2/3/3/0/0",
            "a\t2/3/0/0",
            "a\t2/3/0/0/0/0",
            "a\t2/3/0/2/0",
            "a\t2/3/0/0/0\tsn-1",
            "a\t/3/0/0/0",
            "a\t0/3/0/0/0",
            "a\t02/3/0/0/0",
            "a\t2/+3/0/0/0",
            "a\t2/3/00/0/0",
        ] {
            let record = format!("confirmed\t1\tx\t\tr\n{line}");
            assert!(decode(ID, record.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_broken_record_is_named_not_guessed() {
        for record in [
            "",
            "confirmed\t1\tx",
            "confirmed\t1\tx\t1\tr\tmore\na\t1",
            "confirmed\t1\tx\tsoon\na\t1",
            "confirmed\t1\tx\t1\t\na\t1",
            "held\t1\tx\na\t1",
            "held\t1\tx\t\treq\na\t1",
            "done\t1\tx\na\t1",
            "confirmed\tnow\tx\na\t1",
            "confirmed\t1\t\na\t1",
            "confirmed\t1\tx\nA\t1",
            "confirmed\t1\tx\na\t-1",
            "confirmed\t1\tx\na\t+1",
            "confirmed\t1\tx\na\t01",
            "confirmed\t1\tx\na\t0",
            "confirmed\t01\tx\na\t1",
            "confirmed\t1\tx\t+1\na\t1",
            "confirmed\t1\tx\na\t1\n",
        ] {
            let error = decode(ID, record.as_bytes()).expect_err(record).to_string();
            assert!(error.contains(ID), "{error}");
        }
        assert!(decode("not an id", b"confirmed\t1\tx\na\t1").is_err());
    }
}
