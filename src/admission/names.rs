//! Names: which sales Redis may be asked for, so that invented names cannot crowd out real ones.
//!
//! An invented name costs Redis a call of its own, and there is no end of names. So a name that no
//! reading of the sales has, and that Redis never confirmed, is *unknown*. Redis is asked for one
//! at most once in [`PAUSE`] and for all of them at most [`ASKS_PER_SECOND`] times a second. Others
//! who come with that name meanwhile wait for the answer, and do what it says: a crowd for a sale
//! that was made just now costs one question, and nobody of it is refused. When Redis said within
//! [`PAUSE`] that there is no such sale, that is said again; all else is busy.
//!
//! A reading says nothing of a sale that was made after it began: a new sale is sold from the next
//! one on at the latest, whatever others ask for. A reading that is older than [`READING_AGE_MAX`]
//! makes no name unknown, and nor does a Redis that cannot be read.
//!
//! An answer of Redis may be late. What this process heard of a sale after the question was sent is
//! newer than a denial, and stands: so no denial hides an order that this process knows of.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::domain::ids::SaleId;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;

/// Least time between two questions for one unknown name.
pub const PAUSE: Duration = Duration::from_millis(100);
/// Most questions for unknown names in any second.
pub const ASKS_PER_SECOND: usize = 50;
/// A reading that began longer ago makes no name unknown.
pub const READING_AGE_MAX: Duration = Duration::from_secs(5);

/// Whether a reading that began at most [`READING_AGE_MAX`] ago has the sale; `None` without one.
type Listed = dyn Fn(&SaleId) -> Option<bool> + Send + Sync;

/// The names of a process, shared by its workers. It remembers every sale that Redis confirmed, and
/// of unknown names the questions of the last second.
pub struct Names {
    listed: Box<Listed>,
    /// When each of them was confirmed first.
    known: RwLock<HashMap<SaleId, Instant>>,
    asked: Mutex<VecDeque<Question>>,
    /// An answer came.
    answered: Notify,
    metrics: Arc<Metrics>,
    /// Longest wait for the answer to a question of others.
    patience: Duration,
}

struct Question {
    sale: SaleId,
    asked_at: Instant,
    state: State,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is on its way.
    Pending,
    /// Redis said that there is no such sale.
    Denied,
    /// The call that carried it ended without a word about the sale: somebody else may ask.
    Open,
}

/// What to do with a request for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// There is such a sale: ask, and do not look here again until Redis denies it.
    Known,
    /// Ask, this time.
    Ask,
    /// Redis has just said that there is no such sale; it need not be asked.
    Denied,
    /// Redis was asked, and has not answered yet.
    Pending,
}

impl Names {
    /// Knows no name. `listed` says whether a reading that began at most [`READING_AGE_MAX`] ago
    /// has a sale, and `None` without such a reading; it must not wait. `patience` is the longest
    /// wait for the answer to a question of others.
    pub fn new(
        listed: impl Fn(&SaleId) -> Option<bool> + Send + Sync + 'static,
        metrics: Arc<Metrics>,
        patience: Duration,
    ) -> Self {
        Self {
            listed: Box::new(listed),
            known: RwLock::default(),
            asked: Mutex::default(),
            answered: Notify::new(),
            metrics,
            patience,
        }
    }

    /// Whether Redis may be asked for `sale`: never [`Pass::Pending`]. Waits for the answer
    /// to a question of others.
    ///
    /// # Errors
    /// [`Failure::Busy`] when the name is unknown and there were questions enough.
    pub async fn pass(&self, sale: &SaleId) -> Result<Pass> {
        let settled = async {
            loop {
                let mut answered = std::pin::pin!(self.answered.notified());
                answered.as_mut().enable();
                match self.look(sale, Instant::now()) {
                    // After a pause, one of those who wait asks.
                    Ok(Pass::Pending) => drop(timeout(PAUSE, answered).await),
                    settled => return settled,
                }
            }
        };
        let passed = timeout(self.patience, settled).await;
        passed.unwrap_or_else(|_| {
            self.metrics.names.another("busy");
            Err(Failure::Busy(format!(
                "Redis did not say within {:?} whether there is a sale {sale}",
                self.patience
            )))
        })
    }

    /// What is known of `sale` at `now`, or a question for it.
    fn look(&self, sale: &SaleId, now: Instant) -> Result<Pass> {
        if self.is_known(sale) {
            return Ok(Pass::Known);
        }
        match (self.listed)(sale) {
            Some(true) => {
                self.confirm(sale);
                Ok(Pass::Known)
            }
            None => Ok(Pass::Ask),
            Some(false) => {
                let passed = self.question(sale, now);
                match passed {
                    Ok(Pass::Denied) => self.metrics.names.another("no_such_sale"),
                    Ok(Pass::Ask) => self.metrics.names.another("asked"),
                    Ok(_) => {}
                    Err(_) => self.metrics.names.another("busy"),
                }
                passed
            }
        }
    }

    /// There is such a sale: Redis said so.
    pub fn confirm(&self, sale: &SaleId) {
        if !self.is_known(sale) {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.entry(sale.clone()).or_insert_with(Instant::now);
            drop(known);
            self.answered.notify_waiters();
        }
    }

    /// There is no such sale: Redis said so to a call that was sent at `sent_at`. That says nothing
    /// of a sale that was confirmed since.
    pub fn deny(&self, sale: &SaleId, sent_at: Instant) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.get(sale).is_some_and(|since| *since >= sent_at) {
            return;
        }
        known.remove(sale);
        drop(known);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Not a newer question: what it will hear, nobody knows yet.
        let answered =
            |question: &&mut Question| question.asked_at <= sent_at && question.sale == *sale;
        if let Some(question) = asked.iter_mut().rev().find(answered) {
            question.state = State::Denied;
        }
        drop(asked);
        self.answered.notify_waiters();
    }

    /// The call that asked for `sale` has ended, whatever it said.
    pub fn settle(&self, sale: &SaleId) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let pending =
            |question: &&mut Question| question.sale == *sale && question.state == State::Pending;
        let Some(question) = asked.iter_mut().rev().find(pending) else {
            return;
        };
        question.state = State::Open;
        drop(asked);
        self.answered.notify_waiters();
    }

    fn is_known(&self, sale: &SaleId) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(sale)
    }

    /// Takes one of the questions for unknown names, if there is one.
    fn question(&self, sale: &SaleId, now: Instant) -> Result<Pass> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |question: &Question| now.saturating_duration_since(question.asked_at);
        while asked
            .front()
            .is_some_and(|q| age(q) >= Duration::from_secs(1))
        {
            asked.pop_front();
        }
        let recent = |question: &&Question| age(question) < PAUSE;
        let mut recent = asked.iter().rev().take_while(recent);
        let state = recent.find(|question| question.sale == *sale);
        match state.map(|question| question.state) {
            Some(State::Denied) => Ok(Pass::Denied),
            Some(State::Pending) => Ok(Pass::Pending),
            _ if asked.len() >= ASKS_PER_SECOND => Err(Failure::Busy(format!(
                "no sale {sale} was seen, and Redis was asked for {ASKS_PER_SECOND} unknown names \
                 in the last second"
            ))),
            Some(State::Open) | None => {
                asked.push_back(Question {
                    sale: sale.clone(),
                    asked_at: now,
                    state: State::Pending,
                });
                Ok(Pass::Ask)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// What the readings say: 0 no fresh one, 1 a fresh one without the sale, 2 one with it.
    struct Scene {
        names: Names,
        reading: Arc<AtomicU8>,
        start: Instant,
    }

    impl Scene {
        fn new(reading: u8) -> Self {
            let reading = Arc::new(AtomicU8::new(reading));
            let said = reading.clone();
            let listed = move |_: &SaleId| match said.load(Ordering::Relaxed) {
                0 => None,
                said => Some(said == 2),
            };
            let metrics = Arc::new(Metrics::new().expect("metrics"));
            Self {
                names: Names::new(listed, metrics, PAUSE / 2),
                reading,
                start: Instant::now(),
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// `None`: busy.
        fn pass(&self, name: &str, ms: u64) -> Option<Pass> {
            self.names.look(&sale(name), self.at(ms)).ok()
        }
    }

    /// After all that was confirmed.
    fn later() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    fn sale(name: &str) -> SaleId {
        SaleId::parse(name).expect("valid")
    }

    #[test]
    fn an_unknown_name_is_asked_for_once_in_a_pause() {
        let scene = Scene::new(1);
        assert_eq!(scene.pass("a", 0), Some(Pass::Ask));
        assert_eq!(scene.pass("a", 1), Some(Pass::Pending));
        assert_eq!(scene.pass("b", 1), Some(Pass::Ask), "another name");
        assert_eq!(scene.pass("a", 99), Some(Pass::Pending));
        assert_eq!(scene.pass("a", 100), Some(Pass::Ask));
    }

    #[test]
    fn what_redis_denied_is_repeated_for_a_pause_from_the_question_on() {
        let scene = Scene::new(1);
        assert_eq!(scene.pass("a", 0), Some(Pass::Ask));
        scene.names.deny(&sale("a"), scene.at(90));
        assert_eq!(scene.pass("a", 99), Some(Pass::Denied));
        assert_eq!(scene.pass("b", 99), Some(Pass::Ask));
        assert_eq!(scene.pass("a", 100), Some(Pass::Ask));
        scene.names.deny(&sale("a"), scene.at(90));
        let late = "a late answer to the first call";
        assert_eq!(scene.pass("a", 101), Some(Pass::Pending), "{late}");
    }

    #[test]
    fn so_many_unknown_names_are_asked_for_in_any_second() {
        let scene = Scene::new(1);
        let asked = |from: u64| {
            let names = (0..1000).map(|number| format!("n{from}-{number}"));
            let passed = names.filter(|name| scene.pass(name, from) == Some(Pass::Ask));
            passed.count()
        };
        assert_eq!((asked(0), asked(999)), (ASKS_PER_SECOND, 0));
        assert_eq!((asked(1000), asked(1999)), (ASKS_PER_SECOND, 0));
        let table = scene.names.asked.lock().expect("no panic").len();
        assert_eq!(table, ASKS_PER_SECOND, "what is remembered is bounded");
    }

    #[test]
    fn a_sale_that_redis_or_a_reading_has_always_passes() {
        let scene = Scene::new(1);
        for number in 0..ASKS_PER_SECOND {
            assert_eq!(scene.pass(&format!("n{number}"), 0), Some(Pass::Ask));
        }
        assert_eq!(scene.pass("a", 1), None);
        scene.names.confirm(&sale("a"));
        assert_eq!(scene.pass("a", 1), Some(Pass::Known));
        scene.reading.store(2, Ordering::Relaxed);
        assert_eq!(scene.pass("b", 1), Some(Pass::Known));
        scene.reading.store(1, Ordering::Relaxed);
        assert_eq!(scene.pass("b", 2), Some(Pass::Known));
        scene.names.deny(&sale("b"), later());
        assert_eq!(scene.pass("b", 4), None, "it is gone");
    }

    #[tokio::test]
    async fn who_comes_while_redis_is_asked_hears_what_it_says() {
        let scene = Scene::new(1);
        for (name, is_there) in [("a", true), ("b", false)] {
            let (names, sale) = (&scene.names, sale(name));
            assert_eq!(names.pass(&sale).await.ok(), Some(Pass::Ask));
            let answer = async {
                tokio::task::yield_now().await;
                match is_there {
                    true => names.confirm(&sale),
                    false => names.deny(&sale, Instant::now()),
                }
            };
            let (one, other, ()) = tokio::join!(names.pass(&sale), names.pass(&sale), answer);
            let expected = if is_there { Pass::Known } else { Pass::Denied };
            assert_eq!((one.ok(), other.ok()), (Some(expected), Some(expected)));
        }
        assert!(scene.names.pass(&sale("c")).await.is_ok());
        assert!(scene.names.pass(&sale("c")).await.is_err(), "no answer");
    }

    #[test]
    fn a_call_that_says_nothing_of_a_sale_leaves_the_question_to_others() {
        let scene = Scene::new(1);
        assert_eq!(scene.pass("a", 0), Some(Pass::Ask));
        scene.names.settle(&sale("a"));
        assert_eq!(scene.pass("a", 1), Some(Pass::Ask));
        assert_eq!(scene.pass("a", 2), Some(Pass::Pending));
        scene.names.deny(&sale("a"), later());
        scene.names.settle(&sale("a"));
        assert_eq!(scene.pass("a", 3), Some(Pass::Denied));
    }

    #[test]
    fn a_late_denial_does_not_hide_what_was_confirmed_since() {
        let scene = Scene::new(1);
        assert_eq!(scene.pass("a", 0), Some(Pass::Ask));
        let sent_at = Instant::now();
        scene.names.confirm(&sale("a"));
        scene.names.deny(&sale("a"), sent_at);
        assert_eq!(scene.pass("a", 1), Some(Pass::Known));
        scene.names.deny(&sale("a"), later());
        assert_eq!(scene.pass("a", 1), Some(Pass::Denied), "it is gone");
    }

    #[test]
    fn without_a_fresh_reading_no_name_is_unknown() {
        let scene = Scene::new(0);
        for _ in 0..1000 {
            assert_eq!(scene.pass("a", 0), Some(Pass::Ask));
        }
    }
}
