//! The batcher: drains what is waiting and sends one script call for each sale among it. While a
//! batch is in flight the next one gathers, so an idle server sends batches of one and a busy one
//! large batches, and nobody ever waits for a batch to fill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use tokio::sync::{mpsc, oneshot};

use super::gate::learner::Learner;
use super::memory::Memory;
use super::queue::{Ask, BATCH_ATTEMPTS_MAX, Line};
use crate::domain::ids::SaleId;
use crate::domain::purchase::attempt::Attempt;
use crate::domain::purchase::outcome::{Outcome, Refusal};
use crate::domain::sale::Door;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::store::connection::lane::Lane;
use crate::store::orders::grab::Batch;

/// Owns the queue's far end and the lane.
pub struct Batcher {
    pub lane: Lane,
    pub inbox: mpsc::Receiver<Ask>,
    pub learner: Learner,
    pub memory: Arc<Memory>,
    pub metrics: Arc<Metrics>,
    /// Longest wait of a buyer, queue and Redis together.
    pub timeout: Duration,
}

/// What was taken out of the queue for one batch.
#[derive(Default)]
struct Taken {
    in_time: Vec<Ask>,
    /// Waited too long.
    late: Vec<Ask>,
}

/// The attempts of one batch for one sale.
struct Group {
    line: Arc<Line>,
    door: Door,
    deadline: Instant,
    attempts: Vec<Attempt>,
    answers: Vec<oneshot::Sender<Result<Outcome>>>,
}

impl Batcher {
    /// Runs until every sender of the queue is gone and the queue is empty.
    pub async fn run(mut self) {
        let mut taken = Taken::default();
        while let Some(first) = self.inbox.recv().await {
            self.take(first, &mut taken);
            // Whoever is ready right now joins the batch: the tasks that are runnable run first,
            // and no time passes if there are none. A larger batch costs Redis less an attempt.
            tokio::task::yield_now().await;
            self.fill(&mut taken);
            let groups = grouped(taken.in_time.drain(..), self.timeout);
            let decided = join_all(groups.into_iter().map(|group| self.decide(group)));
            // First the batch leaves: under overload the late are many, and each one that hears of
            // it keeps this thread busy with an answer.
            join(decided, refuse(&mut taken.late)).await;
        }
    }

    /// Takes what waits, until the batch is full. Those that are late take no room in it: under
    /// overload they would be most of it.
    fn fill(&mut self, taken: &mut Taken) {
        while taken.in_time.len() < BATCH_ATTEMPTS_MAX {
            match self.inbox.try_recv() {
                Ok(ask) => self.take(ask, taken),
                Err(_) => return,
            }
        }
    }

    /// Too late to be answered in time: better not executed than unknown.
    fn take(&self, ask: Ask, taken: &mut Taken) {
        ask.line.leave();
        let waited = ask.asked_at.elapsed();
        self.metrics.left_queue(waited);
        if waited <= self.timeout / 2 {
            taken.in_time.push(ask);
        } else {
            taken.late.push(ask);
        }
    }

    async fn decide(&self, group: Group) {
        let sent_at = Instant::now();
        let Group {
            line,
            door,
            deadline,
            attempts,
            answers,
        } = group;
        let sale = &line.sale;
        let decided = self.ask(&line, door, &attempts, deadline).await;
        self.metrics.batch(attempts.len(), sent_at.elapsed());
        match decided {
            Ok(Batch {
                standing,
                outcomes,
                kept,
                ..
            }) => {
                // Before any buyer hears of an order, the gate does.
                let granted = outcomes.iter().flatten().any(Outcome::is_grabbed);
                match kept {
                    true => self.learner.hear(sale, &standing, granted, sent_at),
                    false => self.learner.doubt_all(),
                }
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    if let Err(error) = &outcome {
                        self.failed(sale, error);
                    }
                    // A buyer who went away gets the same outcome on the retry.
                    let _ = answer.send(outcome);
                }
            }
            Err(error) => {
                self.metrics.redis_error(&error);
                self.learner.doubt(sale, &error);
                self.learner.names.settle(sale);
                let (lane, deadline) = (&self.lane, deadline.into());
                let held = lane.held_when_full(&error, sale, door, &attempts, deadline);
                for (answer, held) in answers.into_iter().zip(held.await) {
                    let _ = answer.send(held.ok_or_else(|| error.clone()));
                }
            }
        }
    }

    /// Asks Redis, and remembers what it says of the past of the sale.
    async fn ask(
        &self,
        line: &Line,
        door: Door,
        attempts: &[Attempt],
        deadline: Instant,
    ) -> Result<Batch> {
        let (sale, sent_at) = (&line.sale, Instant::now());
        let recalled = self.memory.recall(sale);
        let given = self.memory.given(&recalled);
        let decided = self
            .lane
            .sale_grab(sale, door, attempts, given, deadline.into());
        let mut batch = decided.await?;
        if let Some(found) = &batch.past {
            let acknowledged = batch.acknowledged;
            self.memory
                .hear(sale, recalled.as_ref(), found, acknowledged);
        }
        let is_gone = batch.standing.closed == Some(Refusal::NoSuchSale);
        let (memory, store) = (&self.memory, &self.learner.store);
        if is_gone
            && memory
                .has_lost(store, sale, recalled.as_ref(), deadline.into())
                .await?
        {
            batch.outcomes.fill(Ok(Outcome::Refused(Refusal::Forgot)));
        } else if is_gone {
            line.set_known(false);
            self.learner.names.deny(sale, sent_at);
        } else if !line.is_known() {
            self.learner.names.confirm(sale);
            line.set_known(true);
        }
        Ok(batch)
    }

    /// One attempt of a batch failed: too few replicas have what its answer rests on, or its buyer
    /// holds an order that cannot be read. Of that no gate need hear: the attempt took nothing, and
    /// its buyer is in the index from which gates learn.
    fn failed(&self, sale: &SaleId, error: &Failure) {
        self.metrics.redis_error(error);
        if matches!(error, Failure::Unreadable(_)) {
            tracing::error!(%sale, %error, "an order cannot be shown: run `seckill audit --deep`");
        }
    }
}

/// Tells those who waited too long.
async fn refuse(late: &mut Vec<Ask>) {
    for ask in late.drain(..) {
        let waited = ask.asked_at.elapsed();
        let busy = Failure::Busy(format!("waited {waited:?} in the queue"));
        let _ = ask.answer.send(Err(busy));
    }
}

/// The asks by sale and door, in their order.
fn grouped(asks: impl Iterator<Item = Ask>, timeout: Duration) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for ask in asks {
        let deadline = ask.asked_at + timeout;
        let known = groups
            .iter_mut()
            .find(|g| g.door == ask.door && g.line.sale == ask.line.sale);
        match known {
            Some(group) => group.add(ask, deadline),
            None => groups.push(Group::of(ask, deadline)),
        }
    }
    groups
}

impl Group {
    fn of(ask: Ask, deadline: Instant) -> Self {
        let Ask {
            line,
            door,
            attempt,
            answer,
            ..
        } = ask;
        Self {
            line,
            door,
            deadline,
            attempts: vec![attempt],
            answers: vec![answer],
        }
    }

    fn add(&mut self, ask: Ask, deadline: Instant) {
        self.deadline = self.deadline.min(deadline);
        self.attempts.push(ask.attempt);
        self.answers.push(ask.answer);
    }
}
