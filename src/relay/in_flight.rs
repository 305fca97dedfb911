//! The entries that one worker was given and has not delivered, and in which batches they go: pure
//! bookkeeping, told the time.
//!
//! Entries travel together until the receiver refuses them together; then their batch is halved, so
//! that the one that it does not like is soon alone and waits aside, while the others go on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::feed::Message;
use crate::retry::BackOff;

/// Pauses after failures and refusals in a row.
pub const BACK_OFF: BackOff = BackOff::new(PAUSE_MIN, Duration::from_secs(10));
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Entries that may wait aside before nothing new is taken.
const HELD_MAX: usize = 1000;

/// So many refusals in a row are needed to find one bad entry among many; more are the fault of
/// the receiver, which is then left alone for a while.
const REFUSALS_IN_A_ROW: u32 = 20;

/// The entries that a worker holds.
pub struct InFlight {
    held: BTreeMap<u64, Held>,
    batch_max: usize,
    attempts_max: u32,
    /// Deliveries since the last one that was accepted.
    rejected_in_a_row: u32,
    closed_until: Option<Instant>,
}

struct Held {
    message: Message,
    /// Most entries in a batch that this one may travel in.
    share: usize,
    /// Times that the receiver refused this entry alone.
    refusals: u32,
    /// Times that a delivery with this entry failed.
    failures: u32,
    /// Deliveries that the receiver had accepted when it first refused one with this entry.
    accepted_before: Option<u64>,
    due: Instant,
}

impl InFlight {
    /// Nothing yet: batches of up to `batch_max` entries; an entry that is refused alone
    /// `attempts_max` times is given up.
    pub fn new(batch_max: usize, attempts_max: u32) -> Self {
        Self {
            held: BTreeMap::new(),
            batch_max,
            attempts_max,
            rejected_in_a_row: 0,
            closed_until: None,
        }
    }

    /// Most entries that can be held.
    pub fn capacity(&self) -> usize {
        HELD_MAX + self.batch_max
    }

    /// Takes messages in. One that is in already stays as it is.
    pub fn add(&mut self, messages: Vec<Message>, now: Instant) {
        for message in messages {
            self.held.entry(message.entry.seq).or_insert(Held {
                message,
                share: self.batch_max,
                refusals: 0,
                failures: 0,
                accepted_before: None,
                due: now,
            });
        }
    }

    /// How many entries may be taken now: none while there are others to deliver first, or while
    /// the receiver is left alone.
    pub fn room(&self, now: Instant) -> usize {
        let busy = self.is_closed(now) || self.held.values().any(|held| held.due <= now);
        let room = HELD_MAX.saturating_sub(self.held.len());
        if busy { 0 } else { room.min(self.batch_max) }
    }

    /// The entries to deliver next, together, in the order of the feed.
    pub fn batch(&self, now: Instant) -> Vec<u64> {
        if self.is_closed(now) {
            return Vec::new();
        }
        let mut batch = Vec::new();
        let mut share = self.batch_max;
        for (&seq, held) in self.held.iter().filter(|(_, held)| held.due <= now) {
            share = share.min(held.share);
            if batch.len() >= share {
                break;
            }
            batch.push(seq);
        }
        batch
    }

    /// When the next batch is due; `None` when nothing is held.
    pub fn due(&self) -> Option<Instant> {
        let due = self.held.values().map(|held| held.due).min()?;
        Some(self.closed_until.map_or(due, |until| due.max(until)))
    }

    /// The messages of these entries.
    pub fn messages(&self, batch: &[u64]) -> Vec<&Message> {
        let held = batch.iter().filter_map(|seq| self.held.get(seq));
        held.map(|held| &held.message).collect()
    }

    /// Every entry that is held.
    pub fn seqs(&self) -> impl Iterator<Item = u64> {
        self.held.keys().copied()
    }

    /// Drops all entries but those that pass.
    pub fn retain(&mut self, pass: impl Fn(u64) -> bool) {
        self.held.retain(|&seq, _| pass(seq));
    }

    /// The receiver has these entries.
    pub fn accepted(&mut self, batch: &[u64]) {
        self.rejected_in_a_row = 0;
        self.remove(batch);
    }

    /// The receiver refused these entries: a single one waits aside, several are tried again in
    /// halves. True for a single one that is to be given up: it was refused often enough, while
    /// the receiver, which has accepted so many deliveries in all, accepted others. One that
    /// refuses everything has a wrong address or secret, and costs no entry its delivery.
    pub fn refused(&mut self, batch: &[u64], accepted: u64, now: Instant) -> bool {
        self.rejected_in_a_row += 1;
        if self.rejected_in_a_row > REFUSALS_IN_A_ROW {
            self.closed_until =
                Some(now + BACK_OFF.pause(self.rejected_in_a_row - REFUSALS_IN_A_ROW));
        }
        self.halve(batch);
        let mut hopeless = false;
        for seq in batch {
            if let Some(held) = self.held.get_mut(seq) {
                let before = *held.accepted_before.get_or_insert(accepted);
                if batch.len() == 1 {
                    held.refusals += 1;
                    held.due = now + BACK_OFF.pause(held.refusals);
                    hopeless = held.refusals >= self.attempts_max && accepted > before;
                }
            }
        }
        hopeless
    }

    /// The delivery of these entries failed: the receiver is left alone for a while. After
    /// several failures they are tried in halves, the second one first, and a single one waits
    /// until others had their turn: perhaps it is what brings the receiver down. It is never
    /// given up.
    pub fn failed(&mut self, batch: &[u64], now: Instant) {
        self.rejected_in_a_row += 1;
        let open_at = now + BACK_OFF.pause(self.rejected_in_a_row);
        self.closed_until = Some(open_at);
        let mut often = 0;
        for seq in batch {
            if let Some(held) = self.held.get_mut(seq) {
                held.failures += 1;
                often = often.max(held.failures);
            }
        }
        if often < self.attempts_max {
            return;
        }
        self.halve(batch);
        let alone = batch.len() == 1;
        let turn = open_at + BACK_OFF.pause(if alone { often } else { 1 });
        for seq in &batch[..batch.len().div_ceil(2)] {
            if let Some(held) = self.held.get_mut(seq) {
                held.due = turn;
            }
        }
    }

    /// Takes entries out.
    pub fn remove(&mut self, batch: &[u64]) {
        for seq in batch {
            self.held.remove(seq);
        }
    }

    fn halve(&mut self, batch: &[u64]) {
        for seq in batch {
            if let Some(held) = self.held.get_mut(seq) {
                held.share = (batch.len() / 2).max(1);
            }
        }
    }

    fn is_closed(&self, now: Instant) -> bool {
        self.closed_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::feed::Entry;
    use crate::domain::ids::{OrderId, SaleId, Username};
    use crate::domain::order::{Line, Order, OrderState};

    fn message(seq: u64) -> Message {
        let id = OrderId::parse("a-abcdfabcdfabcdfabcdf").expect("valid");
        let line = Line {
            goods: SaleId::parse("a").expect("valid"),
            purchase: 1,
            units: Vec::new(),
            bid: None,
        };
        let order = Order {
            id: id.clone(),
            state: OrderState::Held,
            created_at: 1,
            username: Username::parse("x".to_owned()).expect("valid"),
            deadline: Some(2),
            changed_at: None,
            request: None,
            lines: vec![line],
        };
        let what = OrderState::Held;
        let entry = Entry {
            seq,
            what,
            order: id,
            at: 1,
        };
        Message { entry, order }
    }

    fn in_flight(entries: u64, now: Instant) -> InFlight {
        let mut held = InFlight::new(100, 3);
        held.add((1..=entries).map(message).collect(), now);
        held
    }

    /// Plays a receiver that dislikes some entries, with a clock that jumps to what is due.
    struct Play {
        in_flight: InFlight,
        now: Instant,
        delivered: Vec<u64>,
        given_up: Vec<u64>,
        posts: u64,
        accepted: u64,
    }

    impl Play {
        fn new(entries: u64) -> Self {
            let now = Instant::now();
            Self {
                in_flight: in_flight(entries, now),
                now,
                delivered: Vec::new(),
                given_up: Vec::new(),
                posts: 0,
                accepted: 0,
            }
        }

        /// One delivery; false when nothing is left.
        fn step(&mut self, bad: impl Fn(u64) -> bool, fails: bool) -> bool {
            let Some(due) = self.in_flight.due() else {
                return false;
            };
            self.now = self.now.max(due);
            let batch = self.in_flight.batch(self.now);
            assert!(!batch.is_empty(), "what is due can be delivered");
            assert_eq!(self.in_flight.room(self.now), 0, "old ones first");
            self.posts += 1;
            if !batch.iter().any(|&seq| bad(seq)) {
                self.accepted += 1;
                self.in_flight.accepted(&batch);
                self.delivered.extend(&batch);
            } else if fails {
                self.in_flight.failed(&batch, self.now);
            } else if self.in_flight.refused(&batch, self.accepted, self.now) {
                self.in_flight.remove(&batch);
                self.given_up.extend(&batch);
            }
            true
        }
    }

    #[test]
    fn what_nobody_refuses_travels_in_whole_batches_in_order() {
        let mut play = Play::new(250);
        while play.step(|_| false, false) {}
        assert_eq!(play.posts, 3);
        assert_eq!(play.delivered, (1..=250).collect::<Vec<_>>());
    }

    #[test]
    fn bad_entries_are_given_up_and_no_others() {
        for bad in [vec![1], vec![50], vec![100], vec![3, 4, 77], vec![1, 2, 3]] {
            let mut play = Play::new(100);
            while play.step(|seq| bad.contains(&seq), false) {}
            play.given_up.sort_unstable();
            assert_eq!(play.given_up, bad);
            assert_eq!(play.delivered.len(), 100 - bad.len());
            let most = bad.len() as u64 * (2 * 7 + 3) + 1;
            assert!(play.posts <= most, "{} deliveries for {bad:?}", play.posts);
        }
    }

    #[test]
    fn a_receiver_that_refuses_everything_costs_no_entry_its_delivery() {
        let mut play = Play::new(10);
        for _ in 0..500 {
            assert!(play.step(|_| true, false));
        }
        assert_eq!(play.given_up, [0; 0]);
        assert!(
            play.in_flight.due().is_some_and(|due| due > play.now),
            "it is left alone"
        );
        while play.step(|_| false, false) {}
        assert_eq!(play.delivered.len(), 10);
    }

    #[test]
    fn an_entry_that_brings_the_receiver_down_waits_and_is_never_given_up() {
        for bad in [1, 42, 100] {
            let mut play = Play::new(100);
            let since = play.now;
            while play.delivered.len() < 99 {
                assert!(play.step(|seq| seq == bad, true));
            }
            let took = play.now - since;
            assert!(
                took < Duration::from_secs(5),
                "{bad}: the others waited {took:?}"
            );
            assert_eq!(play.in_flight.seqs().collect::<Vec<_>>(), [bad]);
        }
    }

    #[test]
    fn the_first_entry_does_not_keep_others_from_their_turn() {
        let mut play = Play::new(1);
        for _ in 0..20 {
            assert!(play.step(|_| true, true));
        }
        let until = play.in_flight.closed_until.expect("it is left alone");
        assert_eq!(play.in_flight.batch(until), [0; 0], "it waits aside");
        assert!(play.in_flight.room(until) > 0, "others may come");
    }

    #[test]
    fn a_receiver_in_trouble_is_left_alone() {
        let now = Instant::now();
        let mut held = in_flight(5, now);
        held.failed(&[1, 2, 3, 4, 5], now);
        assert_eq!((held.batch(now).len(), held.room(now)), (0, 0));
        assert_eq!(held.batch(now + PAUSE_MIN).len(), 5);
    }
}
