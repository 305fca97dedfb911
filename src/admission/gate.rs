//! Gates: answer those who get nothing anyway without asking Redis, so that the work of Redis
//! grows with the stock and not with the crowd.
//!
//! A gate closes when a sale says the same to everybody who holds nothing (sold out, not started,
//! ended, paused). It then knows everybody who holds an order, and sends those through. It is
//! exact for every order that existed when it closed. It learns of later changes from any reply:
//! one attempt passes every [`PROBE_EVERY`], and a gate that heard nothing for [`AGE_MAX`] lets
//! all pass. So a gate lags by one probe; it can never oversell, because it grants nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::buyers::Buyers;
use crate::domain::attempt::Purchase;
use crate::domain::ids::{SaleId, Username};
use crate::domain::outcome::Refusal;
use crate::domain::sale::StockKind;
use crate::domain::standing::Standing;

/// How often one attempt passes a closed gate to see how the sale stands now.
pub const PROBE_EVERY: Duration = Duration::from_millis(20);
/// A closed gate that heard nothing for so long answers nobody.
pub const AGE_MAX: Duration = Duration::from_millis(100);
/// So long before a window opens, everybody is asked through: replies travel for a while.
const OPENING_MARGIN: Duration = Duration::from_millis(50);
/// After learning the buyers of a sale, they are not learned again for so many times as long as
/// it took: a sale that changes all the time is better asked.
const RELEARN_PAUSE_FACTOR: u32 = 5;

/// The gates of all sales, shared by the workers of a process.
#[derive(Default)]
pub struct Gates {
    sales: RwLock<HashMap<SaleId, Arc<Gate>>>,
    hasher: RandomState,
}

/// What to do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Redis would say this; it need not be asked.
    Refused(Refusal),
    /// Only Redis knows.
    Ask,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
}

enum State {
    /// Everybody passes.
    Open {
        /// The buyers are not learned before this.
        learn_at: Option<Instant>,
    },
    /// Everybody passes while the buyers are learned.
    Learning {
        /// Orders granted when the learning began.
        since: u64,
        /// The newest that was heard meanwhile. When it differs, the buyers may be incomplete.
        newest: u64,
    },
    /// Who holds nothing is answered here.
    Closed(Closed),
}

impl Default for State {
    fn default() -> Self {
        Self::Open { learn_at: None }
    }
}

struct Closed {
    kind: StockKind,
    refusal: Refusal,
    standing: Standing,
    /// The sale stood like this at least until then.
    heard_at: Instant,
    /// When one attempt passes again.
    probe_at: Instant,
    /// From then on everybody passes.
    opens_at: Option<Instant>,
    buyers: Buyers,
}

impl Gates {
    /// What to do with an attempt at `now`.
    pub fn check(
        &self,
        sale: &SaleId,
        door: StockKind,
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
        let asks_here = closed.kind == door && purchase.get() <= closed.standing.purchase_max;
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

    /// Learns from any reply, which was asked for at `asked_at`. Called before the reply reaches
    /// its buyer, so that no buyer knows of an order that the gate does not know of. True when
    /// the caller should learn the buyers now and then call [`Gates::close`] or [`Gates::give_up`].
    #[must_use]
    pub fn hear(&self, sale: &SaleId, standing: &Standing, asked_at: Instant) -> bool {
        if standing.closed == Some(Refusal::WrongDoor) {
            // Whoever asks at the wrong door hears nothing of the sale, and nor does the gate.
            return false;
        }
        let refusal = standing.refusal().filter(|refusal| closes(*refusal));
        let gate = match (self.find(sale), refusal) {
            (Some(gate), _) => gate,
            (None, Some(_)) => self.create(sale),
            (None, None) => return false,
        };
        gate.lock().hear(standing, refusal, asked_at)
    }

    /// Closes the gate of `sale`, of which `buyers` held orders when it stood like `standing`, as
    /// heard at `asked_at`. `took`: how long learning the buyers took.
    pub fn close(
        &self,
        sale: &SaleId,
        kind: StockKind,
        standing: &Standing,
        buyers: Buyers,
        asked_at: Instant,
        took: Duration,
    ) {
        let learn_at = Some(Instant::now() + took * RELEARN_PAUSE_FACTOR);
        let gate = self.create(sale);
        let mut state = gate.lock();
        let State::Learning { since, newest } = *state else {
            return;
        };
        // Otherwise somebody was granted an order meanwhile: these may not be all buyers.
        let complete = since == newest && newest == standing.grants;
        let refusal = standing.refusal().filter(|refusal| closes(*refusal));
        *state = match refusal {
            Some(refusal) if complete => State::Closed(Closed {
                kind,
                refusal,
                standing: *standing,
                heard_at: asked_at,
                probe_at: asked_at + PROBE_EVERY,
                opens_at: opening(standing, asked_at),
                buyers,
            }),
            Some(_) | None => State::Open { learn_at },
        };
    }

    /// Nobody knows what became of attempts at `sale`: whoever asks again must reach Redis, which
    /// may have granted an order that no reply told of.
    pub fn doubt(&self, sale: &SaleId) {
        if let Some(gate) = self.find(sale) {
            *gate.lock() = State::default();
        }
    }

    /// Learning the buyers failed: everybody passes, and it is tried again after `pause`.
    pub fn give_up(&self, sale: &SaleId, pause: Duration) {
        let learn_at = Some(Instant::now() + pause);
        *self.create(sale).lock() = State::Open { learn_at };
    }

    /// The number by which a gate knows a buyer. Two names may share one: then a stranger
    /// passes, which is harmless; a buyer is never mistaken for a stranger.
    pub fn fingerprint(&self, username: &Username) -> u64 {
        self.hasher.hash_one(username.as_str())
    }

    /// Sales whose gate is closed, with the size of what it knows, for metrics.
    pub fn closed(&self) -> Vec<(SaleId, Refusal, usize)> {
        let sales = self.sales.read().unwrap_or_else(PoisonError::into_inner);
        let closed = sales.iter().filter_map(|(sale, gate)| match &*gate.lock() {
            State::Closed(closed) => Some((sale.clone(), closed.refusal, closed.buyers.len())),
            State::Open { .. } | State::Learning { .. } => None,
        });
        closed.collect()
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
    fn hear(&mut self, standing: &Standing, refusal: Option<Refusal>, asked_at: Instant) -> bool {
        match self {
            Self::Learning { newest, .. } => {
                // Only ever forwards: replies of several workers may arrive out of order.
                *newest = standing.grants.max(*newest);
                false
            }
            Self::Closed(closed) => {
                match refusal {
                    Some(refusal) if standing.grants == closed.standing.grants => {
                        closed.refresh(standing, refusal, asked_at);
                    }
                    // Stock came back, or somebody holds an order whom the gate does not know.
                    Some(_) | None => *self = Self::default(),
                }
                false
            }
            Self::Open { learn_at } => {
                let early = learn_at.is_some_and(|at| asked_at < at);
                let learn = refusal.is_some() && !early;
                if learn {
                    let (since, newest) = (standing.grants, standing.grants);
                    *self = Self::Learning { since, newest };
                }
                learn
            }
        }
    }
}

impl Closed {
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

/// Refusals that hold for everybody and for a while.
fn closes(refusal: Refusal) -> bool {
    match refusal {
        Refusal::SoldOut | Refusal::NotStarted | Refusal::Ended | Refusal::Paused => true,
        Refusal::InsufficientStock
        | Refusal::InvalidPurchase
        | Refusal::NoSuchSale
        | Refusal::WrongDoor => false,
    }
}

/// The instant at which everybody passes, because the window is about to open.
fn opening(standing: &Standing, asked_at: Instant) -> Option<Instant> {
    let opens_in = Duration::from_millis(standing.opens_in);
    // A window that opens in years is not an instant that every clock can hold.
    let waits = standing.opens_in > 0;
    waits
        .then(|| asked_at.checked_add(opens_in.saturating_sub(OPENING_MARGIN)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLD_OUT: Standing = Standing {
        left: 0,
        grants: 7,
        closed: None,
        purchase_max: 2,
        opens_in: 0,
    };

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

        fn hear(&self, standing: Standing, ms: u64) -> bool {
            self.gates.hear(&self.sale, &standing, self.at(ms))
        }

        /// Closes the gate at `ms` knowing only the buyer `holder`.
        fn close(&self, standing: Standing, ms: u64) {
            let buyers = Buyers::new(vec![self.gates.fingerprint(&user("holder"))]);
            let (kind, took) = (StockKind::List, Duration::ZERO);
            self.gates
                .close(&self.sale, kind, &standing, buyers, self.at(ms), took);
        }

        fn closed() -> Self {
            let scene = Self::new();
            assert!(scene.hear(SOLD_OUT, 0));
            scene.close(SOLD_OUT, 0);
            scene
        }

        fn check(&self, name: &str, purchase: &str, ms: u64) -> Verdict {
            let purchase = Purchase::parse(purchase).expect("valid");
            let door = StockKind::List;
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
        let counter = StockKind::Counter;
        let one = Purchase::parse("1").expect("valid");
        let wrong_door = scene
            .gates
            .check(&scene.sale, counter, &user("x"), one, scene.at(1));
        assert_eq!(wrong_door, Verdict::Ask);
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
            grants: 8,
            ..SOLD_OUT
        };
        let lost = Standing {
            grants: 3,
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
            let scene = Scene::new();
            assert!(scene.hear(SOLD_OUT, 0));
            assert!(!scene.hear(
                Standing {
                    grants: heard,
                    ..SOLD_OUT
                },
                1
            ));
            scene.close(
                Standing {
                    grants: snapshot,
                    ..SOLD_OUT
                },
                2,
            );
            assert_eq!(scene.check("x", "1", 3), Verdict::Ask, "{heard} {snapshot}");
        }
    }

    #[test]
    fn the_wrong_door_opens_no_gate() {
        let scene = Scene::closed();
        let wrong_door = Standing {
            left: 0,
            grants: 0,
            closed: Some(Refusal::WrongDoor),
            purchase_max: 0,
            opens_in: 0,
        };
        assert!(!scene.hear(wrong_door, 5));
        assert_eq!(scene.check("x", "1", 6), REFUSED);
    }

    #[test]
    fn an_unknown_outcome_lets_everybody_pass() {
        let scene = Scene::closed();
        scene.gates.doubt(&scene.sale);
        assert_eq!(scene.check("x", "1", 1), Verdict::Ask, "closed");

        let scene = Scene::new();
        assert!(scene.hear(SOLD_OUT, 0));
        scene.gates.doubt(&scene.sale);
        scene.close(SOLD_OUT, 1);
        assert_eq!(scene.check("x", "1", 2), Verdict::Ask, "learning");
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
        assert!(!scene.hear(
            Standing {
                left: 1,
                ..SOLD_OUT
            },
            0
        ));
        assert_eq!(scene.check("x", "1", 0), Verdict::Ask);
        assert!(scene.gates.closed().is_empty());
    }
}
