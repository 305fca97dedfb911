//! An archive as text, one JSON object a line, and the sentences for why an event is not archived.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::times;
use crate::domain::archive::{ArchiveRefusal, Archived, Field, Piece, Row};
use crate::domain::ids::{Event, SaleId};
use crate::view::order::OrderView;

/// A line of an archive: the kind, then the content.
#[derive(Serialize)]
struct Line<T> {
    kind: &'static str,
    #[serde(flatten)]
    thing: T,
}

/// These pieces as lines of NDJSON.
pub fn lines(pieces: &[Piece]) -> Vec<u8> {
    let mut lines = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Entry(row) => line(&mut lines, "entry", row_view(row)),
            Piece::DeadLetter(row) => line(&mut lines, "dead_letter", row_view(row)),
            Piece::Order(order) => line(&mut lines, "order", OrderView::from(order)),
            Piece::Request(field) => line(&mut lines, "request", request(field)),
            Piece::Payment(field) => line(&mut lines, "payment", payment(field)),
        }
    }
    lines
}

fn line(lines: &mut Vec<u8>, kind: &'static str, thing: impl Serialize) {
    // Strings and numbers always serialise, and writing to memory always works.
    let _ = serde_json::to_writer(&mut *lines, &Line { kind, thing });
    lines.push(b'\n');
}

fn row_view(row: &Row) -> Value {
    let fields = row.fields.iter();
    let fields = fields.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    json!({"id": row.id, "fields": fields.collect::<Map<_, _>>()})
}

fn request(field: &Field) -> Value {
    json!({"username": field.username, "request_id": field.request, "order": field.value})
}

/// A payment in cents, below 0 if it was taken out. A malformed record stays as it is.
fn payment(field: &Field) -> Value {
    let mut value = json!({"username": field.username, "request_id": field.request});
    let numbers = field.value.split_once('\t');
    let numbers = numbers.map(|(amount, balance)| (amount.parse::<i64>(), balance.parse::<u64>()));
    match numbers {
        Some((Ok(amount), Ok(balance))) => {
            value["amount"] = amount.into();
            value["balance"] = balance.into();
        }
        _ => value["value"] = field.value.as_str().into(),
    }
    value
}

/// What was archived, for scripts.
pub fn to_json(event: &Event, file: Option<&str>, archived: &Archived) -> Value {
    let mut value = json!({
        "event": event.as_str(),
        "result": "archived",
        "file": file,
        "orders": archived.orders,
        "requests": archived.requests,
        "payments": archived.payments,
        "entries": archived.entries,
        "dead_letters": archived.dead_letters,
        "unreadable": archived.unreadable,
    });
    if let Some(erased) = archived.erased {
        value["erased"] = erased.persons.into();
        value["names_kept"] = erased.kept.into();
    }
    value
}

/// The sentence for why an event is not archived now, and what to do.
pub fn explain(event: &Event, refusal: &ArchiveRefusal) -> String {
    let event = event.as_str();
    match refusal {
        ArchiveRefusal::NoSuchEvent => format!("event {event} has no sales"),
        ArchiveRefusal::NotEnded { sale, closes_at } => not_ended(sale, *closes_at),
        ArchiveRefusal::FeedNeeded { group } => format!(
            "consumer group {group} has not read and acknowledged the whole feed: let it do so \
             (`seckill relay` for the group relay), or remove it with `redis-cli XGROUP DESTROY`. \
             Then run the command again"
        ),
        ArchiveRefusal::BeingCleared { command } => {
            format!("`seckill sale {command}` began before and has not ended: run it again first")
        }
        ArchiveRefusal::Deleted => format!("event {event} was deleted meanwhile"),
    }
}

fn not_ended(sale: &SaleId, closes_at: Option<u64>) -> String {
    let when = match closes_at {
        None => "never closes".to_owned(),
        Some(_) => format!("closes at {}", times::show(closes_at)),
    };
    format!(
        "sale {sale} has not ended: it {when}. Wait, or set an earlier end: `seckill sale put \
         {sale} --closes-at TIME`. After archiving, no sale of the event can open again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &str) -> Field {
        Field {
            username: "x".to_owned(),
            request: "r".to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn each_piece_is_a_line_that_says_what_it_is() {
        let row = Row {
            id: "0-7".to_owned(),
            fields: vec![("what".to_owned(), "held\n".to_owned())],
        };
        let pieces = [
            Piece::Entry(row.clone()),
            Piece::DeadLetter(row),
            Piece::Request(field("a-1")),
            Piece::Payment(field("-5\t7")),
            Piece::Payment(field("broken")),
        ];
        let text = String::from_utf8(lines(&pieces)).expect("UTF-8");
        let expected = [
            r#"{"kind":"entry","fields":{"what":"held\n"},"id":"0-7"}"#,
            r#"{"kind":"dead_letter","fields":{"what":"held\n"},"id":"0-7"}"#,
            r#"{"kind":"request","order":"a-1","request_id":"r","username":"x"}"#,
            r#"{"kind":"payment","amount":-5,"balance":7,"request_id":"r","username":"x"}"#,
            r#"{"kind":"payment","request_id":"r","username":"x","value":"broken"}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
