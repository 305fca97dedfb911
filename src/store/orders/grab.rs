//! Grabs: decides a batch of attempts for one sale.

use redis::Value;
use tokio::time::Instant;

use super::standing::{doubt, standing};
use crate::domain::ids::SaleId;
use crate::domain::order::Line;
use crate::domain::purchase::attempt::Attempt;
use crate::domain::purchase::outcome::{Grant, Outcome, Refusal};
use crate::domain::purchase::standing::Standing;
use crate::domain::sale::Door;
use crate::domain::sale::history::Past;
use crate::failure::{Failure, Result};
use crate::store::connection::lane::{Decided, Lane, Needs};
use crate::store::decode::unexpected;
use crate::store::record;
use crate::store::sales::history;
use crate::store::script::SALE_GRAB;

/// Ends each answer of a `sale_grab` reply but the last: no answer contains it.
const ANSWER_END: char = '\u{1e}';

/// A decided batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The sale after the batch.
    pub standing: Standing,
    /// Its past after the batch; `None` when there is no such sale, or this is not its door.
    pub past: Option<Past>,
    /// Whether as many replicas have what the outcomes rest on as the durability level in force
    /// says.
    pub kept: bool,
    /// Whether this reply acknowledged the past at that level.
    pub acknowledged: bool,
    /// One outcome for each attempt, in order; [`Failure::Unreadable`] with the order when a buyer
    /// holds one that cannot be read.
    pub outcomes: Vec<Result<Outcome>>,
}

impl Batch {
    /// Whether any of the outcomes shows an order.
    pub fn shows_an_order(&self) -> bool {
        self.outcomes.iter().flatten().any(Outcome::shows_an_order)
    }

    /// The same batch when too few replicas have what it rests on: orders are unknown, and whether
    /// the stock is gone is not known either.
    pub(in crate::store) fn in_doubt(mut self, short: &Failure) -> Self {
        for outcome in &mut self.outcomes {
            if let Ok(decided) = outcome
                && let Some(doubt) = doubt(decided.rests_on(), short)
            {
                *outcome = Err(doubt);
            }
        }
        self
    }
}

impl Lane {
    /// Decides `attempts` for `sale`, in order, in one step, before `deadline`. A sale that has
    /// forgotten some of `past` is stopped.
    ///
    /// # Errors
    /// [`Failure::Busy`] when nothing was executed, [`Failure::Unknown`] when it may have been. An
    /// order that cannot be read is an error of its own outcome.
    pub async fn sale_grab(
        &self,
        sale: &SaleId,
        door: Door,
        attempts: &[Attempt],
        past: Option<&Past>,
        deadline: Instant,
    ) -> Result<Batch> {
        let keys = self.keys().of_grab(sale);
        let call = SALE_GRAB
            .on(&keys)
            .arg(sale.as_str())
            .arg(door.as_str())
            .arg(self.waits());
        let mut call = call.past(past);
        for attempt in attempts {
            call = call
                .arg(attempt.username.as_str())
                .arg(attempt.purchase.get())
                .arg(attempt.order.as_str());
        }
        let decode = |reply: Value| decode(&reply, sale, door, attempts);
        let needs = |batch: &Batch| match batch.past {
            Some(_) => Needs::LastWrite,
            None => Needs::Nothing,
        };
        let Decided { value, kept } = self.decide(call, deadline, decode, needs).await?;
        let acknowledged = self.acknowledges(value.shows_an_order());
        Ok(match kept {
            Ok(()) => Batch {
                kept: true,
                acknowledged,
                ..value
            },
            Err(short) => value.in_doubt(&short),
        })
    }
}

/// Decodes the reply of `sale_grab` to `attempts` for `goods` at `door`.
///
/// # Errors
/// [`Failure::Unreadable`] when it is none. An order that cannot be read is not: only the attempt
/// of its buyer has that error, because the others were decided.
pub fn decode(reply: &Value, goods: &SaleId, door: Door, attempts: &[Attempt]) -> Result<Batch> {
    let Value::Array(parts) = reply else {
        return Err(unexpected("sale_grab", &format!("{reply:?}")));
    };
    let [head @ .., Value::BulkString(answers)] = parts.as_slice() else {
        return Err(unexpected("sale_grab", &format!("{parts:?}")));
    };
    let answers = record::text(answers);
    let mut answers = answers.split(ANSWER_END);
    let outcomes = attempts.iter().map(|attempt| match answers.next() {
        Some(answer) => outcome(answer, goods, attempt),
        None => Err(unexpected("sale_grab", "fewer answers than attempts")),
    });
    let outcomes = outcomes.collect::<Result<_>>()?;
    if answers.next().is_some() {
        return Err(unexpected("sale_grab", "more answers than attempts"));
    }
    let [head @ .., history] = head else {
        return Err(unexpected("sale_grab", "no history"));
    };
    let standing = standing("sale_grab", head, door)?;
    Ok(Batch {
        past: history::past("sale_grab", history, standing.grants)?,
        standing,
        kept: false,
        acknowledged: false,
        outcomes,
    })
}

/// What became of one attempt; the outer error is for an answer that is none.
fn outcome(answer: &str, goods: &SaleId, attempt: &Attempt) -> Result<Result<Outcome>> {
    if let Some(units) = answer.strip_prefix('=') {
        let line = Line {
            goods: goods.clone(),
            purchase: attempt.purchase.get().into(),
            units: record::units(units),
            bid: None,
        };
        let order = attempt.order.clone();
        return Ok(Ok(Outcome::Grabbed(Grant { order, line })));
    }
    if let Some((id, record)) = answer.split_once('\n') {
        return Ok(held(id, record, goods).map(Outcome::AlreadyGrabbed));
    }
    if let Some(refusal) = Refusal::parse(answer) {
        return Ok(Ok(Outcome::Refused(refusal)));
    }
    match answer.strip_prefix("broken: ") {
        Some(id) => Ok(Err(Failure::Unreadable(format!(
            "order {id:?} of a buyer has no record that can be shown"
        )))),
        None => Err(unexpected("sale_grab", answer)),
    }
}

/// What an order that a buyer holds has of `goods`.
fn held(id: &str, record: &str, goods: &SaleId) -> Result<Grant> {
    let order = record::decode(id, record.as_bytes())?;
    let line = order.lines.into_iter().find(|line| line.goods == *goods);
    let elsewhere =
        || Failure::Unreadable(format!("order {id:?} of a buyer has nothing of {goods}"));
    let (order, line) = (order.id, line.ok_or_else(elsewhere)?);
    Ok(Grant { order, line })
}
