//! What this process remembers of each sale, to detect a Redis that lost orders.
//!
//! For each sale the process keeps its newest [`Past`] that was acknowledged at the durability
//! level in force. Every script that grants is given it, and stops a sale that shows less. A sale
//! that is gone without having been deleted by an operator is stopped by the process itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::time::{Instant, timeout_at};

use crate::config::OnForgot;
use crate::domain::ids::SaleId;
use crate::domain::sale::history::Past;
use crate::failure::{Failure, Result};
use crate::metrics::Metrics;
use crate::store::Store;

/// The memory of a process, shared by its workers.
pub struct Memory {
    on_forgot: OnForgot,
    metrics: Arc<Metrics>,
    sales: RwLock<HashMap<SaleId, Arc<Mutex<Known>>>>,
}

struct Known {
    past: Past,
    /// This loss was logged and counted.
    told: bool,
}

impl Memory {
    /// A memory that knows no sale; `on_forgot` says what happens after a loss.
    pub fn new(on_forgot: OnForgot, metrics: Arc<Metrics>) -> Self {
        Self {
            on_forgot,
            metrics,
            sales: RwLock::default(),
        }
    }

    /// What is known of a sale. Call it before a script call, and [`Memory::hear`] with the reply.
    pub fn recall(&self, sale: &SaleId) -> Option<Past> {
        self.find(sale).map(|known| lock(&known).past.clone())
    }

    /// What a script is given of `recalled`: nothing if a loss must not stop the sale.
    pub fn given<'a>(&self, recalled: &'a Option<Past>) -> Option<&'a Past> {
        match self.on_forgot {
            OnForgot::Stop => recalled.as_ref(),
            OnForgot::Warn => None,
        }
    }

    /// Learns from the reply to a call for which `recalled` was known: what it `found`, and whether
    /// that was `acknowledged` at the durability level in force.
    pub fn hear(&self, sale: &SaleId, recalled: Option<&Past>, found: &Past, acknowledged: bool) {
        let Some(known) = self.find(sale) else {
            if acknowledged {
                self.create(sale, found);
            }
            return;
        };
        let mut known = lock(&known);
        // Replies may arrive out of order: only what was known when the call was sent can be lost.
        let lost =
            recalled.is_some_and(|past| past.is_lost_in(found)) && known.past.is_lost_in(found);
        if lost && !known.told {
            known.told = true;
            self.tell(
                sale,
                &known.past,
                &format!("{}, {} orders", found.history, found.grants.count),
            );
        }
        if !lost && recalled.is_some_and(|past| *past == known.past) {
            known.told = false;
        }
        let learns = acknowledged && known.past.is_older_than(found);
        if learns || lost && self.on_forgot == OnForgot::Warn {
            *known = Known {
                past: found.clone(),
                told: false,
            };
        }
    }

    /// Checks a reply that says that the sale does not exist, if `recalled` was known of it, before
    /// `deadline`. True if Redis lost the sale: then it must not be treated as one that never
    /// existed.
    ///
    /// # Errors
    /// [`Failure::Busy`] if Redis does not say whether an operator deleted the sale.
    pub async fn has_lost(
        &self,
        store: &Store,
        sale: &SaleId,
        recalled: Option<&Past>,
        deadline: Instant,
    ) -> Result<bool> {
        let Some(past) = recalled else {
            return Ok(false);
        };
        let late = |_| Failure::Busy("Redis did not answer in time".to_owned());
        let deleted = timeout_at(deadline, store.sale_deleted(sale)).await;
        let deleted = deleted.map_err(late)??;
        if deleted >= Some(past.history.number()) {
            self.forget(sale, past);
            return Ok(false);
        }
        let Some(known) = self.find(sale) else {
            return Ok(false);
        };
        let mut known = lock(&known);
        if !known.told {
            known.told = true;
            self.tell(sale, &known.past, "no such sale");
        }
        Ok(self.on_forgot == OnForgot::Stop)
    }

    /// Logs once that a sale lost orders that were known.
    fn tell(&self, sale: &SaleId, past: &Past, found: &str) {
        self.metrics.losses.another(sale.as_str());
        let known = format!("{}, {} orders", past.history, past.grants.count);
        match self.on_forgot {
            OnForgot::Stop => tracing::error!(
                %sale, known, found,
                "Redis lost orders of this sale, so it is stopped: compare the orders that are \
                 left with your own records, create the sale again if it is gone, then run \
                 `seckill sale resume {sale} --after-loss`; run it again if the sale stops again"
            ),
            OnForgot::Warn => tracing::error!(
                %sale, known, found,
                "Redis lost orders of this sale, which goes on selling (redis.on_forgot = warn)"
            ),
        }
    }

    fn find(&self, sale: &SaleId) -> Option<Arc<Mutex<Known>>> {
        let sales = self.sales.read().unwrap_or_else(PoisonError::into_inner);
        sales.get(sale).cloned()
    }

    fn create(&self, sale: &SaleId, past: &Past) {
        let mut sales = self.sales.write().unwrap_or_else(PoisonError::into_inner);
        let known = Known {
            past: past.clone(),
            told: false,
        };
        sales
            .entry(sale.clone())
            .or_insert_with(|| Arc::new(Mutex::new(known)));
    }

    /// An operator deleted the sale of this past.
    fn forget(&self, sale: &SaleId, past: &Past) {
        let mut sales = self.sales.write().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &Arc<Mutex<Known>>| lock(known).past.history == past.history;
        if sales.get(sale).is_some_and(same) {
            sales.remove(sale);
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::purchase::standing::Grants;
    use crate::domain::sale::history::History;

    fn past(history: &str, count: u64) -> Past {
        Past {
            history: History::parse(history).expect("valid"),
            grants: Grants {
                last_at: count,
                count,
            },
        }
    }

    struct Scene {
        memory: Memory,
        metrics: Arc<Metrics>,
        sale: SaleId,
    }

    impl Scene {
        fn new(on_forgot: OnForgot) -> Self {
            let metrics = Arc::new(Metrics::new().expect("metrics"));
            Self {
                memory: Memory::new(on_forgot, metrics.clone()),
                metrics,
                sale: SaleId::parse("a").expect("valid"),
            }
        }

        fn recall(&self) -> Option<Past> {
            self.memory.recall(&self.sale)
        }

        /// A call from its start to its reply.
        fn ask(&self, found: &Past, acknowledged: bool) {
            let recalled = self.recall();
            let recalled = recalled.as_ref();
            self.memory.hear(&self.sale, recalled, found, acknowledged);
        }

        fn losses(&self) -> u64 {
            self.metrics.losses.count(self.sale.as_str())
        }
    }

    #[test]
    fn only_what_was_acknowledged_is_remembered() {
        let scene = Scene::new(OnForgot::Stop);
        scene.ask(&past("1-a", 5), false);
        assert_eq!(scene.recall(), None);
        scene.ask(&past("1-a", 5), true);
        scene.ask(&past("1-a", 9), false);
        assert_eq!(scene.recall(), Some(past("1-a", 5)));
        scene.ask(&past("1-a", 7), true);
        assert_eq!(scene.recall(), Some(past("1-a", 7)));
        assert_eq!(scene.losses(), 0);
    }

    #[test]
    fn a_loss_is_told_once_and_ends_with_a_new_history() {
        let scene = Scene::new(OnForgot::Stop);
        scene.ask(&past("1-a", 5), true);
        for _ in 0..3 {
            scene.ask(&past("1-b", 0), true);
        }
        assert_eq!((scene.losses(), scene.recall()), (1, Some(past("1-a", 5))));
        scene.ask(&past("2-c", 0), true);
        assert_eq!(scene.recall(), Some(past("2-c", 0)));
        scene.ask(&past("1-a", 5), true);
        assert_eq!(scene.losses(), 2, "the next loss is another one");
    }

    #[test]
    fn a_reply_that_comes_late_is_no_loss() {
        let scene = Scene::new(OnForgot::Stop);
        scene.ask(&past("1-a", 5), true);
        let before = scene.recall();
        scene.ask(&past("1-a", 7), true);
        let late = past("1-a", 6);
        scene.memory.hear(&scene.sale, before.as_ref(), &late, true);
        assert_eq!((scene.losses(), scene.recall()), (0, Some(past("1-a", 7))));
    }

    #[test]
    fn a_sale_that_may_sell_on_is_told_once_and_believed() {
        let scene = Scene::new(OnForgot::Warn);
        scene.ask(&past("1-a", 5), true);
        let recalled = scene.recall();
        assert_eq!(scene.memory.given(&recalled), None);
        for count in 0..3 {
            let (memory, found) = (&scene.memory, past("1-b", count));
            memory.hear(&scene.sale, recalled.as_ref(), &found, true);
        }
        assert_eq!((scene.losses(), scene.recall()), (1, Some(past("1-b", 2))));
    }
}
