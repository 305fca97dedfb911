//! Gates: refuse buyers without asking Redis when Redis would refuse them, too. So the work of
//! Redis grows with the stock and not with the crowd.
//!
//! A gate closes when a sale gives all buyers without an order the same answer (sold out, not
//! started, ended, paused). It then knows all buyers who hold an order, and lets those through. It
//! is exact for every order that existed when it closed. It learns of later changes from any reply:
//! one attempt passes every [`PROBE_EVERY`], and a gate that heard nothing for [`AGE_MAX`] lets
//! every attempt pass. So a gate lags by one probe. It can never oversell, because it grants
//! nothing.

mod buyers;
pub(super) mod learner;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use self::buyers::Buyers;
use crate::domain::ids::{SaleId, Username};
use crate::domain::purchase::attempt::Purchase;
use crate::domain::purchase::outcome::Refusal;
use crate::domain::purchase::standing::{Grants, Standing};
use crate::domain::sale::Door;

/// How often one attempt passes a closed gate to read the state of the sale.
pub const PROBE_EVERY: Duration = Duration::from_millis(20);
/// A closed gate that heard nothing for this long refuses nobody.
pub const AGE_MAX: Duration = Duration::from_millis(100);
/// A closed gate that heard nothing for this long drops its buyers. Nobody asks for the sale, so
/// the memory is for others, and the gate may have missed changes.
pub const IDLE_MAX: Duration = Duration::from_secs(60);
/// From this long before a window opens, every attempt passes: replies take a while.
const OPENING_MARGIN: Duration = Duration::from_millis(50);
/// After the buyers of a sale were read, they are not read again for this multiple of the time that
/// it took. For a sale that changes all the time, it is better to ask Redis.
const RELEARN_PAUSE_FACTOR: u32 = 5;

/// The gates of all sales, shared by the workers of a process.
#[derive(Default)]
pub struct Gates {
    sales: RwLock<HashMap<SaleId, Arc<Gate>>>,
    hasher: RandomState,
}

/// What was learned of a sale whose gate wants to close.
#[derive(Debug)]
pub struct Learned {
    /// The state of the sale after its buyers were read.
    pub standing: Standing,
    /// All buyers who held an order.
    pub buyers: Buyers,
    /// When the state was asked for.
    pub asked_at: Instant,
    /// How long the reading took.
    pub took: Duration,
}

/// What to do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Redis would give this refusal. Do not ask it.
    Refused(Refusal),
    /// Only Redis knows.
    Ask,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
}

enum State {
    /// Every attempt passes.
    Open {
        /// The buyers are not read before this.
        learn_at: Option<Instant>,
    },
    /// Every attempt passes while one task reads the buyers.
    Learning {
        /// Orders granted when the reading began.
        since: Grants,
        /// The newest number heard meanwhile. If it differs, buyers may be missing.
        newest: Grants,
        /// Something changed meanwhile that the reading may miss.
        spoilt: bool,
    },
    /// Buyers who hold no order are refused here.
    Closed(Closed),
}

impl Default for State {
    fn default() -> Self {
        Self::Open { learn_at: None }
    }
}

struct Closed {
    refusal: Refusal,
    standing: Standing,
    /// The sale had this state at least until then.
    heard_at: Instant,
    /// When one attempt passes again.
    probe_at: Instant,
    /// From then on every attempt passes.
    opens_at: Option<Instant>,
    /// After the gate opens, the buyers are not read again before this.
    learn_at: Instant,
    buyers: Buyers,
}

impl Gates {
    /// What to do with an attempt at `now`.
    pub fn check(
        &self,
        sale: &SaleId,
        door: Door,
        username: &Username,
        purchase: Purchase,
        now: Instant,
    ) -> Verdict {
        let Some(gate) = self.find(sale) else {
            return Verdict::Ask;
        };
        let mut state = gate.lock();
        let State::Closed(closed) = &mut *state else {
            return Verdict::Ask;
        };
        let asks_here =
            closed.standing.door == door && purchase.get() <= closed.standing.purchase_max;
        let opening = closed.opens_at.is_some_and(|at| now >= at);
        let stale = now.saturating_duration_since(closed.heard_at) > AGE_MAX;
        if !asks_here || opening || stale || closed.buyers.contains(self.fingerprint(username)) {
            return Verdict::Ask;
        }
        if now >= closed.probe_at {
            closed.probe_at = now + PROBE_EVERY;
            return Verdict::Ask;
        }
        Verdict::Refused(closed.refusal)
    }

    /// Learns from any reply to a call that was sent at `asked_at`. `granted`: it granted an order.
    /// Call it before the reply reaches its buyer, so that the gate knows every order that a buyer
    /// knows. If it returns true, the caller should read the buyers now and then call
    /// [`Gates::close`] or [`Gates::give_up`].
    #[must_use]
    pub fn hear(
        &self,
        sale: &SaleId,
        standing: &Standing,
        granted: bool,
        asked_at: Instant,
    ) -> bool {
        if standing.closed == Some(Refusal::WrongDoor) {
            // A reply `wrong_door` says nothing about the sale, so the gate learns nothing.
            return false;
        }
        let refusal = standing.refusal().filter(|refusal| closes(*refusal));
        let gate = match (self.find(sale), refusal) {
            (Some(gate), _) => gate,
            (None, Some(_)) => self.create(sale),
            (None, None) => return false,
        };
        gate.lock().hear(standing, refusal, granted, asked_at)
    }

    /// Closes the gate of `sale`, unless buyers may be missing from what was learned.
    pub fn close(&self, sale: &SaleId, learned: Learned) {
        self.forget_idle(learned.asked_at);
        self.create(sale).lock().close(learned);
    }

    /// Lets every attempt pass until the sale says something else. If the outcome of attempts is
    /// unknown, their buyers must reach Redis on a retry: it may have granted an order that no
    /// reply told of. If units came back, buyers need not wait for a probe. The buyers are not read
    /// more often because of this.
    pub fn open(&self, sale: &SaleId) {
        if let Some(gate) = self.find(sale) {
            gate.lock().open();
        }
    }

    /// The same for all sales.
    pub fn open_all(&self) {
        let sales = self.sales.read().unwrap_or_else(PoisonError::into_inner);
        sales.values().for_each(|gate| gate.lock().open());
    }

    /// The reading of the buyers failed: every attempt passes, and the next reading begins after
    /// `pause`.
    pub fn give_up(&self, sale: &SaleId, pause: Duration) {
        let gate = self.create(sale);
        let mut state = gate.lock();
        if matches!(*state, State::Learning { .. }) {
            let learn_at = Some(Instant::now() + pause);
            *state = State::Open { learn_at };
        }
    }

    /// The number by which a gate knows a buyer. Two names may share one: then a buyer without an
    /// order passes, which does no harm. A buyer with an order always passes.
    pub fn fingerprint(&self, username: &Username) -> u64 {
        self.hasher.hash_one(username.as_str())
    }

    /// Sales whose gate is closed, with the number of buyers it remembers, for metrics.
    pub fn closed(&self) -> Vec<(SaleId, Refusal, usize)> {
        let sales = self.sales.read().unwrap_or_else(PoisonError::into_inner);
        let closed = sales.iter().filter_map(|(sale, gate)| match &*gate.lock() {
            State::Closed(closed) => Some((sale.clone(), closed.refusal, closed.buyers.len())),
            State::Open { .. } | State::Learning { .. } => None,
        });
        closed.collect()
    }

    /// Opens gates that nobody asked for long: the buyers of each take memory.
    fn forget_idle(&self, now: Instant) {
        let sales = self.sales.read().unwrap_or_else(PoisonError::into_inner);
        for gate in sales.values() {
            let mut state = gate.lock();
            if matches!(&*state, State::Closed(closed) if closed.is_idle(now)) {
                *state = State::default();
            }
        }
    }

    fn find(&self, sale: &SaleId) -> Option<Arc<Gate>> {
        let sales = self.sales.read().unwrap_or_else(PoisonError::into_inner);
        sales.get(sale).cloned()
    }

    fn create(&self, sale: &SaleId) -> Arc<Gate> {
        let mut sales = self.sales.write().unwrap_or_else(PoisonError::into_inner);
        sales.entry(sale.clone()).or_default().clone()
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hear(
        &mut self,
        standing: &Standing,
        refusal: Option<Refusal>,
        granted: bool,
        asked_at: Instant,
    ) -> bool {
        match self {
            // Never backwards: replies of several workers may arrive out of order.
            Self::Learning { newest, .. } => *newest = standing.grants.max(*newest),
            Self::Closed(closed) => match refusal {
                Some(refusal) if !granted && closed.knows_all(standing, asked_at) => {
                    closed.refresh(standing, refusal, asked_at);
                }
                // Stock came back, or a buyer whom the gate does not know holds an order.
                Some(_) | None => {
                    let learn_at = Some(closed.learn_at);
                    *self = Self::Open { learn_at };
                }
            },
            Self::Open { learn_at } => {
                let early = learn_at.is_some_and(|at| asked_at < at);
                if refusal.is_some() && !early {
                    *self = Self::Learning {
                        since: standing.grants,
                        newest: standing.grants,
                        spoilt: false,
                    };
                    return true;
                }
            }
        }
        false
    }

    fn open(&mut self) {
        match self {
            Self::Open { .. } => {}
            Self::Learning { spoilt, .. } => *spoilt = true,
            Self::Closed(closed) => {
                let learn_at = Some(closed.learn_at);
                *self = Self::Open { learn_at };
            }
        }
    }

    fn close(&mut self, learned: Learned) {
        let Self::Learning {
            since,
            newest,
            spoilt,
        } = *self
        else {
            return;
        };
        let Learned {
            standing,
            buyers,
            asked_at,
            took,
        } = learned;
        // Otherwise an order was granted meanwhile, and its buyer may be missing.
        let complete = !spoilt && since == newest && newest == standing.grants;
        let refusal = standing.refusal().filter(|refusal| closes(*refusal));
        let learn_at = asked_at + took * RELEARN_PAUSE_FACTOR;
        *self = match refusal {
            Some(refusal) if complete => Self::Closed(Closed {
                refusal,
                standing,
                heard_at: asked_at,
                probe_at: asked_at + PROBE_EVERY,
                opens_at: opening(&standing, asked_at),
                learn_at,
                buyers,
            }),
            Some(_) | None => Self::Open {
                learn_at: Some(learn_at),
            },
        };
    }
}

impl Closed {
    /// True if no buyer can have got an order since the buyers were read.
    fn knows_all(&self, standing: &Standing, asked_at: Instant) -> bool {
        standing.grants == self.standing.grants && !self.is_idle(asked_at)
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) > IDLE_MAX
    }

    fn refresh(&mut self, standing: &Standing, refusal: Refusal, asked_at: Instant) {
        if asked_at < self.heard_at {
            return;
        }
        self.refusal = refusal;
        self.standing = *standing;
        self.heard_at = asked_at;
        self.probe_at = asked_at + PROBE_EVERY;
        self.opens_at = opening(standing, asked_at);
    }
}

/// Refusals that are the same for all buyers and last for a while.
fn closes(refusal: Refusal) -> bool {
    match refusal {
        Refusal::SoldOut
        | Refusal::NotStarted
        | Refusal::Ended
        | Refusal::Paused
        | Refusal::Forgot => true,
        Refusal::InsufficientStock
        | Refusal::InvalidPurchase
        | Refusal::NoSuchSale
        | Refusal::WrongDoor
        | Refusal::TooManyOrders => false,
    }
}

/// The moment from which every attempt passes, because the window is about to open.
fn opening(standing: &Standing, asked_at: Instant) -> Option<Instant> {
    let opens_in = Duration::from_millis(standing.opens_in);
    // A window that opens in many years may not fit into every clock.
    let waits = standing.opens_in > 0;
    waits
        .then(|| asked_at.checked_add(opens_in.saturating_sub(OPENING_MARGIN)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLD_OUT: Standing = Standing {
        door: Door::Seckill,
        left: 0,
        grants: grants(7),
        closed: None,
        purchase_max: 2,
        opens_in: 0,
    };

    /// This many grants, each at the millisecond of its number.
    const fn grants(count: u64) -> Grants {
        let last_at = count;
        Grants { last_at, count }
    }

    struct Scene {
        gates: Gates,
        sale: SaleId,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let sale = SaleId::parse("a").expect("valid");
            Self {
                gates: Gates::default(),
                sale,
                start: Instant::now(),
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// Passes a reply that granted nothing; returns whether the buyers should be read.
        fn hear(&self, standing: Standing, ms: u64) -> bool {
            self.gates.hear(&self.sale, &standing, false, self.at(ms))
        }

        /// Closes the gate at `ms` knowing only the buyer `holder`.
        fn close(&self, standing: Standing, ms: u64) {
            self.close_after(Duration::ZERO, standing, ms);
        }

        fn close_after(&self, took: Duration, standing: Standing, ms: u64) {
            let learned = Learned {
                standing,
                buyers: Buyers::new(vec![self.gates.fingerprint(&user("holder"))]),
                asked_at: self.at(ms),
                took,
            };
            self.gates.close(&self.sale, learned);
        }

        fn learning() -> Self {
            let scene = Self::new();
            assert!(scene.hear(SOLD_OUT, 0), "it wants to close");
            scene
        }

        fn closed() -> Self {
            let scene = Self::learning();
            scene.close(SOLD_OUT, 0);
            scene
        }

        fn check(&self, name: &str, purchase: &str, ms: u64) -> Verdict {
            self.check_at(Door::Seckill, name, purchase, ms)
        }

        fn check_at(&self, door: Door, name: &str, purchase: &str, ms: u64) -> Verdict {
            let purchase = Purchase::parse(purchase).expect("valid");
            self.gates
                .check(&self.sale, door, &user(name), purchase, self.at(ms))
        }
    }

    fn user(name: &str) -> Username {
        Username::parse(name.to_owned()).expect("valid")
    }

    const REFUSED: Verdict = Verdict::Refused(Refusal::SoldOut);

    #[test]
    fn a_closed_gate_answers_strangers_and_lets_pass_who_matters() {
        let scene = Scene::closed();
        assert_eq!(scene.check("stranger", "1", 1), REFUSED);
        assert_eq!(
            scene.check("holder", "1", 1),
            Verdict::Ask,
            "holders get their order"
        );
        assert_eq!(
            scene.check("stranger", "3", 1),
            Verdict::Ask,
            "the quantity is checked first"
        );
        assert_eq!(scene.check_at(Door::Incr, "x", "1", 1), Verdict::Ask);
    }

    #[test]
    fn one_attempt_passes_each_probe_and_all_when_nothing_is_heard() {
        let scene = Scene::closed();
        assert_eq!(scene.check("x", "1", 20), Verdict::Ask, "the probe");
        assert_eq!(scene.check("y", "1", 20), REFUSED);
        assert_eq!(scene.check("y", "1", 39), REFUSED);
        assert_eq!(scene.check("y", "1", 41), Verdict::Ask, "the next probe");
        assert_eq!(
            scene.check("y", "1", 101),
            Verdict::Ask,
            "nothing heard for too long"
        );
        assert_eq!(scene.check("z", "1", 101), Verdict::Ask);
        assert!(!scene.hear(SOLD_OUT, 110));
        assert_eq!(scene.check("z", "1", 111), REFUSED, "heard again");
    }

    #[test]
    fn stock_that_comes_back_and_orders_of_others_open_the_gate() {
        let restocked = Standing {
            left: 1,
            ..SOLD_OUT
        };
        let granted = Standing {
            grants: grants(8),
            ..SOLD_OUT
        };
        let lost = Standing {
            grants: grants(3),
            ..SOLD_OUT
        };
        for news in [restocked, granted, lost] {
            let scene = Scene::closed();
            assert!(!scene.hear(news, 5));
            assert_eq!(scene.check("x", "1", 6), Verdict::Ask, "{news:?}");
        }
    }

    #[test]
    fn a_grant_while_the_buyers_are_learned_keeps_the_gate_open() {
        for (heard, snapshot) in [(8, 8), (8, 7), (7, 8)] {
            let scene = Scene::learning();
            let standing = |count| Standing {
                grants: grants(count),
                ..SOLD_OUT
            };
            assert!(!scene.hear(standing(heard), 1));
            scene.close(standing(snapshot), 2);
            assert_eq!(scene.check("x", "1", 3), Verdict::Ask, "{heard} {snapshot}");
        }
    }

    #[test]
    fn a_sale_that_changes_all_the_time_is_not_learned_all_the_time() {
        let restocked = Standing {
            left: 1,
            ..SOLD_OUT
        };
        let scene = Scene::learning();
        let took = Duration::from_millis(10);
        scene.close_after(took, SOLD_OUT, 0);
        assert!(!scene.hear(restocked, 5));
        assert!(!scene.hear(SOLD_OUT, 49));
        assert!(scene.hear(SOLD_OUT, 50));
    }

    #[test]
    fn as_many_grants_of_another_time_are_others() {
        // Redis lost the sale, or the last of its orders, and as many were granted again.
        for last_at in [6, 8] {
            let anew = Standing {
                grants: Grants { last_at, count: 7 },
                ..SOLD_OUT
            };
            let scene = Scene::closed();
            assert!(!scene.hear(anew, 5));
            assert_eq!(scene.check("x", "1", 6), Verdict::Ask, "closed: {last_at}");

            let scene = Scene::learning();
            scene.close(anew, 1);
            assert_eq!(
                scene.check("x", "1", 2),
                Verdict::Ask,
                "learning: {last_at}"
            );
        }
    }

    #[test]
    fn a_grant_that_the_count_does_not_show_opens_the_gate() {
        // Redis lost the sale, and as many orders were granted again, to others.
        let scene = Scene::closed();
        let gates = &scene.gates;
        assert!(!gates.hear(&scene.sale, &SOLD_OUT, true, scene.at(5)));
        assert_eq!(scene.check("x", "1", 6), Verdict::Ask);
    }

    #[test]
    fn the_wrong_door_opens_no_gate() {
        let scene = Scene::closed();
        let wrong_door = Standing {
            door: Door::Incr,
            left: 0,
            grants: grants(0),
            closed: Some(Refusal::WrongDoor),
            purchase_max: 0,
            opens_in: 0,
        };
        assert!(!scene.hear(wrong_door, 5));
        assert_eq!(scene.check("x", "1", 6), REFUSED);
    }

    #[test]
    fn a_gate_moves_with_its_sale_to_another_door() {
        let scene = Scene::closed();
        let moved = Standing {
            door: Door::Office,
            ..SOLD_OUT
        };
        assert!(!scene.hear(moved, 5));
        assert_eq!(scene.check("x", "1", 6), Verdict::Ask);
        assert_eq!(scene.check_at(Door::Office, "x", "1", 6), REFUSED);
    }

    #[test]
    fn a_gate_that_nobody_asks_forgets() {
        let idle = u64::try_from(IDLE_MAX.as_millis()).expect("short") + 1;
        let scene = Scene::closed();
        assert!(!scene.hear(SOLD_OUT, idle));
        assert_eq!(scene.check("x", "1", idle), Verdict::Ask, "asked again");

        let scene = Scene::closed();
        let other = Scene {
            sale: SaleId::parse("other").expect("valid"),
            ..scene
        };
        assert!(other.hear(SOLD_OUT, idle), "it wants to close");
        other.close(SOLD_OUT, idle);
        let closed = other.gates.closed();
        let closed: Vec<_> = closed.iter().map(|(sale, ..)| sale).collect();
        assert_eq!(closed, [&other.sale], "one that closes makes room");
    }

    #[test]
    fn an_unknown_outcome_lets_everybody_pass() {
        let ways: [fn(&Scene); 2] = [
            |scene| scene.gates.open(&scene.sale),
            |scene| scene.gates.open_all(),
        ];
        for open in ways {
            let scene = Scene::closed();
            open(&scene);
            assert_eq!(scene.check("x", "1", 1), Verdict::Ask, "closed");

            let scene = Scene::learning();
            open(&scene);
            scene.close(SOLD_OUT, 1);
            assert_eq!(scene.check("x", "1", 2), Verdict::Ask, "learning");
        }
    }

    #[test]
    fn one_learns_at_a_time_and_closes_nothing_after_a_doubt() {
        let scene = Scene::learning();
        scene.gates.open(&scene.sale);
        // The order was granted after all, to a buyer whom the reading may have missed.
        let granted = Standing {
            grants: grants(8),
            ..SOLD_OUT
        };
        assert!(!scene.hear(granted, 1), "somebody learns already");
        scene.close_after(Duration::from_millis(2), granted, 3);
        assert_eq!(scene.check("x", "1", 4), Verdict::Ask);
        assert!(!scene.hear(granted, 12), "it has just been learned");
        assert!(scene.hear(granted, 13));
        scene.close(granted, 14);
        assert_eq!(scene.check("x", "1", 15), REFUSED);
    }

    #[test]
    fn what_comes_back_all_the_time_is_not_learned_all_the_time() {
        let scene = Scene::learning();
        scene.close_after(Duration::from_millis(10), SOLD_OUT, 0);
        for ms in 1..50 {
            scene.gates.open(&scene.sale);
            assert!(!scene.hear(SOLD_OUT, ms), "{ms}");
            assert_eq!(scene.check("x", "1", ms), Verdict::Ask, "{ms}");
        }
        assert!(scene.hear(SOLD_OUT, 50));
    }

    #[test]
    fn who_gives_up_leaves_the_learning_to_others() {
        let scene = Scene::learning();
        scene.gates.give_up(&scene.sale, Duration::ZERO);
        scene.close(SOLD_OUT, 1);
        assert_eq!(scene.check("x", "1", 2), Verdict::Ask, "too late");
        let now = Instant::now();
        assert!(scene.gates.hear(&scene.sale, &SOLD_OUT, false, now));
        let closed = Scene::closed();
        closed.gates.give_up(&closed.sale, Duration::ZERO);
        assert_eq!(closed.check("x", "1", 1), REFUSED, "nobody learns");
    }

    #[test]
    fn a_pause_changes_the_word_and_an_opening_lets_all_pass() {
        let scene = Scene::closed();
        let paused = Standing {
            closed: Some(Refusal::Paused),
            ..SOLD_OUT
        };
        assert!(!scene.hear(paused, 5));
        assert_eq!(scene.check("x", "1", 6), Verdict::Refused(Refusal::Paused));

        let soon = Standing {
            closed: Some(Refusal::NotStarted),
            left: 5,
            opens_in: 80,
            ..SOLD_OUT
        };
        assert!(!scene.hear(soon, 10));
        assert_eq!(
            scene.check("x", "1", 29),
            Verdict::Refused(Refusal::NotStarted)
        );
        assert_eq!(
            scene.check("x", "1", 41),
            Verdict::Ask,
            "within the margin of the opening"
        );
        assert_eq!(scene.check("y", "1", 41), Verdict::Ask);
    }

    #[test]
    fn an_open_sale_has_no_gate() {
        let scene = Scene::new();
        let selling = Standing {
            left: 1,
            ..SOLD_OUT
        };
        assert!(!scene.hear(selling, 0));
        assert_eq!(scene.check("x", "1", 0), Verdict::Ask);
        assert!(scene.gates.closed().is_empty());
    }
}
