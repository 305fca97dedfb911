//! The record of an order, as the scripts write it into the orders hash.
//!
//! Text, so that any language reads it:
//! `state TAB created_ms TAB username LF goods TAB purchase [TAB unit]...`, with control
//! characters and `%` in units written as `%XX`.

use crate::domain::attempt::Attempt;
use crate::domain::ids::{OrderId, SaleId, Username};
use crate::domain::order::{Order, OrderState};
use crate::error::{Error, Result};

/// The order of a record: the one place that decodes it.
///
/// # Errors
/// [`Error::Contract`] with the id when the record does not follow the grammar.
pub fn decode(id: &str, record: &[u8]) -> Result<Order> {
    let text = String::from_utf8_lossy(record);
    parse(id, &text).ok_or_else(|| Error::Contract(format!("order {id:?} has the record {text:?}")))
}

/// The order that `attempt` was just granted from `goods`: what the caller knows already is not
/// parsed again, because this is on the path of every buyer who gets something.
///
/// # Errors
/// As [`decode`].
pub fn granted(attempt: &Attempt, goods: &SaleId, record: &[u8]) -> Result<Order> {
    let text = String::from_utf8_lossy(record);
    let order = parse_granted(attempt, goods, &text);
    order.ok_or_else(|| {
        Error::Contract(format!("order {:?} has the record {text:?}", attempt.order))
    })
}

fn parse_granted(attempt: &Attempt, goods: &SaleId, text: &str) -> Option<Order> {
    let (head, line) = text.split_once('\n')?;
    let (state, rest) = head.split_once('\t')?;
    let (created_at, _) = rest.split_once('\t')?;
    Some(Order {
        id: attempt.order.clone(),
        state: OrderState::parse(state)?,
        created_at: created_at.parse().ok()?,
        username: attempt.username.clone(),
        goods: goods.clone(),
        purchase: attempt.purchase.get(),
        units: line.split('\t').skip(2).map(unescaped).collect(),
    })
}

fn parse(id: &str, text: &str) -> Option<Order> {
    let (head, line) = text.split_once('\n')?;
    let mut head = head.split('\t');
    let state = OrderState::parse(head.next()?)?;
    let created_at = head.next()?.parse().ok()?;
    let username = Username::parse(head.next()?.to_owned()).ok()?;
    let mut line = line.split('\t');
    let goods = SaleId::parse(line.next()?).ok()?;
    let purchase = line.next()?.parse().ok()?;
    let units = line.map(unescaped).collect();
    let order = Order {
        id: OrderId::parse(id).ok()?,
        state,
        created_at,
        username,
        goods,
        purchase,
        units,
    };
    head.next().is_none().then_some(order)
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
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Purchase;

    const ID: &str = "spring-abcdfabcdfabcdfabcdf";

    #[test]
    fn a_record_becomes_an_order() {
        let record = "confirmed\t1700000000123\t秒杀 user\nspring.tea\t2\tsn-1\ta%09b%25";
        let order = decode(ID, record.as_bytes()).expect("valid");
        assert_eq!(order.id.as_str(), ID);
        assert_eq!(order.state, OrderState::Confirmed);
        assert_eq!(order.created_at, 1_700_000_000_123);
        assert_eq!(order.username.as_str(), "秒杀 user");
        assert_eq!(order.goods.as_str(), "spring.tea");
        assert_eq!(order.purchase, 2);
        assert_eq!(order.units, ["sn-1", "a\tb%"]);
    }

    #[test]
    fn a_granted_order_is_the_same_by_both_ways() {
        let attempt = Attempt {
            username: Username::parse("秒杀 user".to_owned()).expect("valid"),
            purchase: Purchase::parse("2").expect("valid"),
            order: OrderId::parse(ID).expect("valid"),
        };
        let goods = SaleId::parse("spring.tea").expect("valid");
        for record in [
            "confirmed\t1700000000123\t秒杀 user\nspring.tea\t2\tsn-1\ta%09b%25",
            "confirmed\t1700000000123\t秒杀 user\nspring.tea\t2",
        ] {
            let decoded = decode(ID, record.as_bytes()).expect("valid");
            let granted = granted(&attempt, &goods, record.as_bytes()).expect("valid");
            assert_eq!(granted, decoded);
        }
        assert!(granted(&attempt, &goods, b"granted\t1\tx\na\t1").is_err());
    }

    #[test]
    fn a_broken_record_is_named_not_guessed() {
        for record in [
            "",
            "confirmed\t1\tx",
            "confirmed\t1\tx\tmore\na\t1",
            "done\t1\tx\na\t1",
            "confirmed\tnow\tx\na\t1",
            "confirmed\t1\t\na\t1",
            "confirmed\t1\tx\nA\t1",
            "confirmed\t1\tx\na\t-1",
        ] {
            let error = decode(ID, record.as_bytes()).expect_err(record).to_string();
            assert!(error.contains(ID), "{error}");
        }
        assert!(decode("not an id", b"confirmed\t1\tx\na\t1").is_err());
    }
}
