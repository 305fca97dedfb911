//! What an operator says about a sale, in words, and the sale as JSON.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::times;
use crate::domain::ids::SaleId;
use crate::domain::sale::terms::TERMS;
use crate::domain::sale::values::{Form, TermValue};
use crate::domain::sale::{EditRefusal, Sale, SaleEdit, Stop};
use crate::domain::time::EpochMs;
use crate::store::sales::snapshot::Snapshot;

/// Why an edit changed nothing, for the operator.
pub fn explain(id: &SaleId, refusal: EditRefusal) -> String {
    match refusal {
        EditRefusal::NoSuchSale => {
            format!("there is no sale {id}: create it with its kind, `list`, `counter` or `target`")
        }
        EditRefusal::KindIsFixed => {
            format!("sale {id} exists with another kind, and the kind of a sale never changes")
        }
        EditRefusal::AlreadyOpen => {
            format!("sale {id} has opened and sold: its opening stays; pause it to stop it")
        }
        EditRefusal::PurchaseMaxLowered => {
            format!("sale {id} has orders: a lower limit would refuse their buyers' retries")
        }
        EditRefusal::WindowIsEmpty => format!("sale {id} would close before it opens"),
        EditRefusal::FeedIsFixed => {
            format!("sale {id} has granted orders: its feed knows all of them or none, so it stays")
        }
        EditRefusal::TermsAreFixed => format!(
            "target {id} has bids: the smallest bid and the bonus are the same for all of them, so \
             they stay"
        ),
        EditRefusal::NotOfThisKind => format!(
            "sale {id} is of a kind that has nothing like that: a smallest bid and a bonus are for \
             targets; a limit for one attempt, a limit of orders, a hold, a keyword and what comes \
             with it for lists and counters"
        ),
        EditRefusal::HoldAndKeyword => format!(
            "sale {id} would be an activity with a hold, and its tickets are granted at once: leave \
             the hold out, or take it away with `none`"
        ),
        EditRefusal::OneTicketEach => format!(
            "sale {id} would be an activity with a limit of more than 1, and an activity gives one \
             ticket to each number: leave the limit out, or make it 1"
        ),
        EditRefusal::SoldElsewhere => format!(
            "sale {id} has granted orders at another door than the ticket office, so it becomes no \
             activity: create another sale for it"
        ),
        EditRefusal::TicketsAreOut => format!(
            "activity {id} has granted tickets, and nobody would find them without a keyword: pause \
             it or let it close to stop booking, or change the keyword"
        ),
        EditRefusal::NotAnActivity => format!(
            "sale {id} is not an activity: only an activity has a place, times, a picture and a description, so \
             give it its keyword, too"
        ),
        EditRefusal::EndsBeforeStart => format!("the activity {id} would end before it starts"),
        EditRefusal::Forgot => format!(
            "Redis lost orders of sale {id}, so it is stopped: `seckill audit {id}` says what \
             to look at, and `seckill sale resume {id} --after-loss` lets it sell again"
        ),
        EditRefusal::BeingCleared => format!(
            "sale {id} is being reset or deleted, or its event deleted: wait until that command has \
             ended, or run it again if it broke off"
        ),
        EditRefusal::Archived => format!(
            "event {} was archived: its sales stay closed, and none is created in it. Take another \
             event, or delete this one first",
            id.event()
        ),
        EditRefusal::EndsBeforeClosing => format!(
            "the activity {id} would be over while its tickets are still booked: let booking close \
             (closes_at) when it ends (ends_at), or before"
        ),
    }
}

/// What an edit asks for, in words for the log.
pub fn asked(edit: &SaleEdit) -> String {
    let asked = TERMS.iter().filter_map(|term| {
        let value = match (term.form, term.decided(edit)?) {
            // A text is quoted: it may hold what looks like the next word of the log.
            (Form::Text | Form::Keyword | Form::Address, TermValue::Text(text)) => {
                format!("{text:?}")
            }
            (form, value) => shown(form, value),
        };
        Some(format!("{} {value}", term.name))
    });
    asked.collect::<Vec<_>>().join(", ")
}

/// A value for people: times in RFC 3339, durations like `15m`.
pub fn shown(form: Form, value: TermValue) -> String {
    match (form, value) {
        (_, TermValue::Text(text)) => text,
        (Form::Time, TermValue::Number(ms)) => times::show(Some(ms)),
        (Form::Duration, TermValue::Number(ms)) => times::show_duration(Some(ms)),
        (_, TermValue::Number(number)) => number.to_string(),
        (_, TermValue::Switch(on)) => if on { "on" } else { "off" }.to_owned(),
        (Form::Whole, TermValue::Nothing) => "none".to_owned(),
        (_, TermValue::Nothing) => "-".to_owned(),
    }
}

/// Why a sale is stopped, when no operator paused it.
pub fn stop_reason(sale: &Sale) -> Option<&'static str> {
    match sale.stop {
        Some(Stop::Forgot) => Some("forgot"),
        Some(Stop::BeingCleared) => Some("being_cleared"),
        Some(Stop::Paused) | None => None,
    }
}

/// A sale for scripts; times in epoch milliseconds. What is counted of a target is cents.
#[derive(Debug, Serialize)]
pub struct SaleView<'a> {
    sale: &'a str,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    terms: TermsView<'a>,
    added: u64,
    removed: u64,
    left: i64,
    held: u64,
    confirmed: u64,
    used: u64,
    buyers: u64,
    server_time: EpochMs,
}

impl<'a> SaleView<'a> {
    /// The sale at the instant of the snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let (sale, figures) = (&snapshot.sale, &snapshot.figures);
        Self {
            sale: sale.id.as_str(),
            phase: snapshot.phase_word(snapshot.now),
            reason: stop_reason(sale),
            terms: TermsView(sale),
            added: figures.added,
            removed: figures.removed,
            left: figures.left,
            held: figures.held,
            confirmed: figures.confirmed,
            used: figures.used,
            buyers: figures.buyers,
            server_time: snapshot.now,
        }
    }
}

/// A [`SaleView`] as a value, whose fields are sorted by name.
pub fn to_json(snapshot: &Snapshot) -> Value {
    json!(SaleView::new(snapshot))
}

/// The terms that a sale has, by name; null is none.
#[derive(Debug)]
struct TermsView<'a>(&'a Sale);

impl Serialize for TermsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        for term in TERMS {
            match term.of_sale(self.0) {
                None => {}
                Some(TermValue::Nothing) => fields.serialize_entry(term.name, &None::<()>)?,
                Some(TermValue::Text(text)) => fields.serialize_entry(term.name, &text)?,
                Some(TermValue::Number(number)) => fields.serialize_entry(term.name, &number)?,
                Some(TermValue::Switch(on)) => fields.serialize_entry(term.name, &on)?,
            }
        }
        fields.end()
    }
}
