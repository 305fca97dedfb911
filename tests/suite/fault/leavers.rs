//! Buyers who leave before they are answered: the others in their batch are answered all the same,
//! and their own orders are there when they come back.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use seckill::admission::Admission;
use seckill::admission::memory::Memory;
use seckill::admission::names::Names;
use seckill::config::OnForgot;
use seckill::domain::ids::Username;
use seckill::domain::purchase::attempt::Purchase;
use seckill::domain::purchase::outcome::Outcome;
use seckill::domain::sale::{Door, StockKind};
use seckill::metrics::Metrics;

use crate::support::TIMEOUT;
use crate::support::redis::World;

#[tokio::test]
async fn who_leaves_disturbs_nobody_in_the_batch() {
    let world = World::new().await;
    let sale = world.sale("a", StockKind::List, 50).await;
    let metrics = Arc::new(Metrics::new().expect("registered"));
    let memory = Arc::new(Memory::new(OnForgot::Stop, metrics.clone()));
    let admission = Admission::start(
        &world.store,
        Arc::default(),
        memory,
        Arc::new(Names::new(|_| None, metrics.clone(), TIMEOUT)),
        metrics.clone(),
        TIMEOUT,
    );
    let ask = |number: usize| {
        let user = Username::parse(format!("user-{number}")).expect("valid");
        let one = Purchase::parse("1").expect("valid");
        Box::pin(admission.grab(&sale, Door::Seckill, user, one))
    };
    // All are in the queue before the batcher runs: there is one thread, and it is here.
    let mut asks: Vec<_> = (0..20).map(ask).collect();
    for ask in &mut asks {
        assert!(ask.as_mut().now_or_never().is_none());
    }
    let stays = |number: &usize| number % 2 == 1;
    let staying = asks.into_iter().enumerate();
    let staying = staying.filter_map(|(number, ask)| stays(&number).then_some(ask));
    let staying: Vec<_> = staying.collect();
    for outcome in join_all(staying).await {
        assert!(matches!(outcome, Ok(Outcome::Grabbed(_))), "{outcome:?}");
    }
    let counted = metrics.text().expect("counted");
    assert!(
        counted.contains("seckill_batch_attempts_count 1"),
        "{counted}"
    );

    for outcome in join_all((0..20).filter(|number| !stays(number)).map(ask)).await {
        let kept = matches!(outcome, Ok(Outcome::AlreadyGrabbed(_)));
        assert!(kept, "{outcome:?}");
    }
    world.assert_holds(&sale).await;
}
