//! Random walks of two servers and a sale, judged by the model.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proptest::prelude::*;
use seckill::domain::audit::figures::Figures;
use seckill::domain::audit::violation::Violation;
use seckill::domain::ids::SaleId;
use seckill::domain::sale::PURCHASE_MAX_DEFAULT;
use seckill::store::sales::stock::RemoveOutcome;

use super::model::{Life, Model};
use super::{LIST, door, keep_asking, push};
use crate::support::app::TestApp;
use crate::support::crowd::ask;
use crate::support::history::{Entry, History};
use crate::support::orders::paused;
use crate::support::redis::World;

/// One attempt of a burst.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    user: u8,
    purchase: u32,
    server: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// All at once.
    Ask(Vec<Attempt>),
    Add(u64),
    Push(u64),
    Remove(u64),
    Pause(bool),
    /// A new server takes the place of this one.
    Restart(usize),
    WaitMs(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let attempt = (0u8..16, 1u32..=2, 0usize..2);
    let attempt = attempt.prop_map(|(user, purchase, server)| Attempt {
        user,
        purchase,
        server,
    });
    let step = prop_oneof![
        10 => prop::collection::vec(attempt, 1..6).prop_map(Step::Ask),
        2 => (1u64..4).prop_map(Step::Add),
        2 => (1u64..4).prop_map(Step::Push),
        1 => (1u64..4).prop_map(Step::Remove),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => (0usize..2).prop_map(Step::Restart),
        // Before, while and after a gate's news are too old.
        3 => prop_oneof![0u64..30, 60u64..180].prop_map(Step::WaitMs),
    ];
    prop::collection::vec(step, 10..50)
}

/// Two servers, one sale, and the model that watches them.
struct Case {
    world: World,
    sale: SaleId,
    servers: Vec<(Life, TestApp)>,
    lives: usize,
    model: Model,
    history: History,
    figures: Figures,
    pushed: u64,
}

impl Case {
    async fn start(stock: u64) -> Self {
        let world = World::new().await;
        let sale = world.sale("rush", LIST, stock).await;
        let mut case = Self {
            world,
            sale,
            servers: Vec::new(),
            lives: 0,
            model: Model::new(stock, Instant::now()),
            history: History::default(),
            figures: Figures {
                added: stock,
                purchase_max: PURCHASE_MAX_DEFAULT,
                ..Figures::default()
            },
            pushed: 0,
        };
        for _ in 0..2 {
            let server = case.new_server().await;
            case.servers.push(server);
        }
        case
    }

    async fn new_server(&mut self) -> (Life, TestApp) {
        self.lives += 1;
        let life = Life {
            number: self.lives,
            began: Instant::now(),
        };
        (life, TestApp::start(&self.world).await)
    }

    async fn run(&mut self, step: &Step) -> Result<(), String> {
        let began = Instant::now();
        let (store, sale) = (&self.world.store, &self.sale);
        match step {
            Step::Ask(attempts) => return self.ask(attempts).await,
            Step::Add(units) => {
                store.stock_add_count(sale, *units).await.expect("added");
                self.figures.added += units;
                self.model.stock(*units, began);
            }
            Step::Push(units) => {
                let numbers = self.pushed..self.pushed + units;
                push(&mut self.world, &self.sale, numbers).await;
                self.pushed += units;
                self.model.stock(*units, began);
            }
            Step::Remove(units) => {
                let outcome = store.stock_remove(sale, *units).await.expect("asked");
                let RemoveOutcome::Removed { taken, .. } = outcome else {
                    return Err(format!("not removed: {outcome:?}"));
                };
                if taken != self.model.left.min(*units) {
                    return Err(format!("{taken} of {} removed", self.model.left));
                }
                self.figures.removed += taken;
                self.model.left -= taken;
                self.model.changed(began, Instant::now());
            }
            Step::Pause(on) => {
                let edit = paused(*on);
                store.sale_put(sale, &edit).await.expect("put");
                self.model.paused = *on;
                self.model.changed(began, Instant::now());
            }
            Step::Restart(server) => {
                let (_, old) = self.servers.remove(*server);
                old.stop().await;
                let new = self.new_server().await;
                self.servers.insert(*server, new);
            }
            Step::WaitMs(time) => tokio::time::sleep(Duration::from_millis(*time)).await,
        }
        Ok(())
    }

    async fn ask(&mut self, attempts: &[Attempt]) -> Result<(), String> {
        let began = Instant::now();
        let asked = attempts.iter().map(|attempt| async {
            let (life, app) = &self.servers[attempt.server];
            let (door, user) = (door(&app.buyer, &self.sale), format!("u{}", attempt.user));
            (*life, ask(&door, &user, attempt.purchase).await)
        });
        let seen = join_all(asked).await;
        self.saw(began, &seen)
    }

    fn saw(&mut self, began: Instant, seen: &[(Life, Entry)]) -> Result<(), String> {
        let shown = seen
            .iter()
            .filter(|(_, entry)| entry.answer.order.is_some());
        let shown = shown.map(|(_, entry)| entry.clone());
        self.history.entries.extend(shown);
        self.model.burst(began, seen)
    }

    /// Whatever happened, stock that comes back is sold, by each server, and the audit agrees.
    async fn end(mut self) -> Result<(), String> {
        self.run(&Step::Pause(false)).await?;
        for server in 0..2 {
            self.run(&Step::Push(1)).await?;
            let (life, app) = &self.servers[server];
            let (life, began) = (*life, Instant::now());
            let door = door(&app.buyer, &self.sale);
            let bought = keep_asking(&door, &format!("last-{server}"), began).await?;
            self.saw(began, &[(life, bought)])?;
        }
        // Refusals by a gate that lags are judged above; here is what orders say of each other.
        let violations = self.history.violations(self.model.stocked);
        if !violations.is_empty() {
            return Err(violations.join("; "));
        }
        for (_, app) in self.servers {
            app.stop().await;
        }
        // Pushed units are too many for the audit, and nothing else is wrong.
        let expected = Violation::NotConserved(Figures {
            left: self.model.left.cast_signed(),
            confirmed: self.history.granted(),
            buyers: self.model.held.len() as u64,
            ..self.figures
        });
        let found = self.world.store.recount(&self.sale, &|_| {}).await;
        assert_eq!(
            found.expect("recount").expect("exists").violations,
            [expected]
        );
        assert_eq!(
            self.figures.added + self.pushed,
            self.figures.removed + self.model.left + self.history.granted(),
            "what the audit counts too many is what was pushed"
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20,
        // A case waits for real gates: a smaller one is nice, an hour of search is not.
        max_shrink_iters: 40,
        ..ProptestConfig::default()
    })]

    #[test]
    fn gates_never_lie_for_long_and_never_to_buyers(stock in 0u64..6, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let done: Result<(), String> = runtime.block_on(async {
            let mut case = Case::start(stock).await;
            for step in &steps {
                case.run(step).await?;
            }
            case.end().await
        });
        done.map_err(TestCaseError::fail)?;
    }
}
