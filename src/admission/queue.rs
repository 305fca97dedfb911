//! The queue of a worker: a bounded number of places, of which each sale may take a share.
//!
//! A sale may wait with as many attempts as there are free places, and at least with a batch. So
//! one crowd fills half of the queue, two take two thirds, and there is room for those who come
//! next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::domain::ids::SaleId;
use crate::domain::purchase::attempt::Attempt;
use crate::domain::purchase::outcome::Outcome;
use crate::domain::sale::Door;
use crate::failure::{Failure, Result};

/// Most attempts in one script call: half a millisecond of Redis.
pub const BATCH_ATTEMPTS_MAX: usize = 128;
/// Most attempts that wait in one worker.
const PLACES: usize = 4096;
/// With so many lines, those that nobody waits in are dropped.
const LINES_MAX: usize = 2 * PLACES;

/// One attempt on its way, and where its outcome goes.
pub struct Ask {
    pub line: Arc<Line>,
    pub door: Door,
    pub attempt: Attempt,
    pub asked_at: Instant,
    pub answer: oneshot::Sender<Result<Outcome>>,
}

/// Those who wait for one sale.
pub struct Line {
    /// The sale.
    pub sale: SaleId,
    known: AtomicBool,
    waiting: AtomicUsize,
}

/// The near end of the queue.
pub struct Queue {
    asks: mpsc::Sender<Ask>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    /// Most attempts are for the sale of the one before.
    last: Option<Arc<Line>>,
    all: HashMap<SaleId, Arc<Line>>,
}

impl Line {
    /// Whether Redis confirmed the sale, and has not denied it since.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Redis confirmed the sale, or denied it.
    pub fn set_known(&self, known: bool) {
        self.known.store(known, Ordering::Relaxed);
    }

    /// One attempt waits no more. The batcher says so of each that it takes out.
    pub fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// An empty queue and its far end.
    pub fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, inbox) = mpsc::channel(PLACES);
        let lines = Mutex::default();
        (Self { asks, lines }, inbox)
    }

    /// The line of a sale, if it has one.
    pub fn find(&self, sale: &SaleId) -> Option<Arc<Line>> {
        self.lines().find(sale)
    }

    /// The line of a sale, a new one if it has none.
    pub fn line(&self, sale: &SaleId) -> Arc<Line> {
        let mut lines = self.lines();
        lines.find(sale).unwrap_or_else(|| lines.open(sale))
    }

    /// Lets an attempt wait.
    ///
    /// # Errors
    /// [`Failure::Busy`] when its sale has its share of the places, or the batcher has ended.
    pub fn enter(&self, ask: Ask) -> Result<()> {
        let waiting = ask.line.waiting();
        let share = self.asks.capacity().max(BATCH_ATTEMPTS_MAX);
        if waiting >= share {
            let sale = &ask.line.sale;
            return Err(Failure::Busy(format!("{waiting} attempts wait for {sale}")));
        }
        ask.line.waiting.fetch_add(1, Ordering::Relaxed);
        self.asks.try_send(ask).map_err(|refused| {
            let why = match &refused {
                mpsc::error::TrySendError::Full(_) => format!("{PLACES} attempts are waiting"),
                mpsc::error::TrySendError::Closed(_) => "the server is stopping".to_owned(),
            };
            refused.into_inner().line.leave();
            Failure::Busy(why)
        })
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn find(&mut self, sale: &SaleId) -> Option<Arc<Line>> {
        if let Some(last) = self.last.as_ref().filter(|last| last.sale == *sale) {
            return Some(last.clone());
        }
        let line = self.all.get(sale)?.clone();
        self.last = Some(line.clone());
        Some(line)
    }

    fn open(&mut self, sale: &SaleId) -> Arc<Line> {
        if self.all.len() >= LINES_MAX {
            self.all.retain(|_, line| line.waiting() > 0);
            self.last = None;
        }
        let line = Arc::new(Line {
            sale: sale.clone(),
            known: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        });
        self.all.insert(sale.clone(), line.clone());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::new_id;
    use crate::domain::ids::Username;
    use crate::domain::purchase::attempt::Purchase;

    fn ask(queue: &Queue, sale: &str) -> Result<()> {
        let sale = SaleId::parse(sale).expect("valid");
        let (answer, _) = oneshot::channel();
        queue.enter(Ask {
            line: queue.line(&sale),
            door: Door::Seckill,
            attempt: Attempt {
                username: Username::parse("x".to_owned()).expect("valid"),
                purchase: Purchase::ONE,
                order: new_id(&sale),
            },
            asked_at: Instant::now(),
            answer,
        })
    }

    /// How many of a crowd for `sale` find a place.
    fn crowd(queue: &Queue, sale: &str) -> usize {
        (0..PLACES).take_while(|_| ask(queue, sale).is_ok()).count()
    }

    #[test]
    fn a_crowd_leaves_as_many_places_as_it_takes() {
        let (queue, _inbox) = Queue::new();
        assert_eq!(crowd(&queue, "hot"), PLACES / 2);
        assert_eq!(crowd(&queue, "warm"), PLACES / 4);
        assert_eq!(crowd(&queue, "hot"), 0);
        assert!(ask(&queue, "calm").is_ok());
    }

    #[test]
    fn a_sale_may_wait_with_a_batch_while_there_are_places() {
        let (queue, _inbox) = Queue::new();
        let mut taken = 0;
        for number in 0..100 {
            let found = crowd(&queue, &format!("n{number}"));
            assert!(found >= BATCH_ATTEMPTS_MAX.min(PLACES - taken), "{number}");
            taken += found;
        }
        assert_eq!(taken, PLACES);
    }

    #[test]
    fn who_is_taken_out_makes_room() {
        let (queue, mut inbox) = Queue::new();
        assert_eq!(crowd(&queue, "hot"), PLACES / 2);
        for _ in 0..10 {
            inbox.try_recv().expect("it waits").line.leave();
        }
        assert_eq!(crowd(&queue, "hot"), 10);
        drop(inbox);
        assert!(ask(&queue, "calm").is_err());
        let calm = SaleId::parse("calm").expect("valid");
        assert_eq!(
            queue.line(&calm).waiting(),
            0,
            "who is refused does not wait"
        );
    }

    #[test]
    fn lines_in_which_nobody_waits_do_not_pile_up() {
        let (queue, _inbox) = Queue::new();
        assert!(ask(&queue, "hot").is_ok());
        for number in 0..3 * LINES_MAX {
            queue.line(&SaleId::parse(&format!("n{number}")).expect("valid"));
        }
        assert!(queue.lines().all.len() <= LINES_MAX);
        let hot = SaleId::parse("hot").expect("valid");
        assert_eq!(queue.line(&hot).waiting(), 1);
    }
}
