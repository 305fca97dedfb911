//! `lua/sale_resume.lua`, and what the scripts that grant do with the past that they are given.

use redis::Value;
use seckill::domain::audit::violation::Violation;
use seckill::domain::ids::SaleId;
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::purchase::standing::Grants;
use seckill::domain::sale::history::{History, Past};
use seckill::domain::sale::{
    Door, EditOutcome, EditRefusal, ResumeOutcome, SaleEdit, StockKind, Stop,
};
use seckill::store::orders::grab::Batch;
use seckill::store::script::SALE_RESUME;
use tokio::time::Instant;

use super::{assert_raises, call};
use crate::support::TIMEOUT;
use crate::support::orders::attempt;
use crate::support::redis::World;
use crate::support::terms::term_text;

fn past(history: &str, count: u64, last_at: u64) -> Past {
    Past {
        history: History::parse(history).expect("valid"),
        grants: Grants { last_at, count },
    }
}

/// One attempt of this user, from a caller who knows this past.
async fn grab(world: &World, sale: &SaleId, user: &str, past: Option<&Past>) -> Batch {
    let (attempts, deadline) = ([attempt(sale, user, 1)], Instant::now() + TIMEOUT);
    let lane = world.store.lane();
    let batch = lane.sale_grab(sale, Door::Incr, &attempts, past, deadline);
    batch.await.expect("decided")
}

fn told(batch: &Batch) -> &Outcome {
    batch.outcomes[0].as_ref().expect("readable")
}

const STOPPED: Outcome = Outcome::Refused(Refusal::Forgot);

impl World {
    async fn sale_field(&mut self, sale: &SaleId, field: &str) -> Option<String> {
        let key = self.store.keys().sale(sale);
        self.run(&["HGET", &key, field]).await
    }

    async fn set_sale_field(&mut self, sale: &SaleId, field: &str, value: &str) {
        let key = self.store.keys().sale(sale);
        let () = self.run(&["HSET", &key, field, value]).await;
    }
}

#[tokio::test]
async fn a_new_sale_has_a_first_history_and_one_of_an_older_server_has_none() {
    let mut world = World::new().await;
    let (one, other) = (
        world.sale("a", StockKind::Counter, 9).await,
        world.sale("b", StockKind::Counter, 9).await,
    );
    let histories = [
        world.sale_field(&one, "history").await.expect("a history"),
        world
            .sale_field(&other, "history")
            .await
            .expect("a history"),
    ];
    assert!(histories.iter().all(|history| history.starts_with("1-")));
    assert_ne!(histories[0], histories[1]);
    let known = grab(&world, &one, "x", None).await.past.expect("its past");
    assert_eq!(known.history.to_string(), histories[0]);
    assert_eq!(known.grants.count, 1);
    let key = world.store.keys().sale(&other);
    let () = world.run(&["HDEL", &key, "history"]).await;
    let known = grab(&world, &other, "x", None).await.past;
    assert_eq!(known.expect("its past").history, History::unnamed());
}

/// Whether a sale with the history 2-a and 2 grants, the last at a known time, is stopped for a
/// caller who knows something; and what it then has as `known`.
#[tokio::test]
async fn a_sale_that_shows_less_than_the_caller_knows_is_stopped() {
    for (history, count, later, known) in [
        ("2-a", 2, 0, None),
        ("2-a", 1, 0, None),
        ("1-z", 9, 0, None),
        ("2-a", 3, 0, Some("2")),
        ("2-a", 2, 1, Some("2")),
        ("2-b", 0, 0, Some("2")),
        ("3-a", 0, 0, Some("3")),
    ] {
        let mut world = World::new().await;
        let sale = world.sale("a", StockKind::Counter, 9).await;
        world.set_sale_field(&sale, "history", "2-a").await;
        grab(&world, &sale, "x", None).await;
        let at = grab(&world, &sale, "y", None).await;
        let last_at = at.standing.grants.last_at + later;
        let caller = past(history, count, last_at);
        let batch = grab(&world, &sale, "z", Some(&caller)).await;
        let case = format!("{history} {count} {later}");
        assert_eq!(
            world.sale_field(&sale, "known").await.as_deref(),
            known,
            "{case}"
        );
        let stopped = world.sale_field(&sale, "paused").await.as_deref() == Some("forgot");
        assert_eq!(stopped, known.is_some(), "{case}");
        if known.is_none() {
            assert!(told(&batch).is_grabbed(), "{case}");
            continue;
        }
        assert_eq!(*told(&batch), STOPPED, "{case}");
        assert_eq!(batch.standing.grants.count, 2, "{case}");
        let others = grab(&world, &sale, "w", None).await;
        assert_eq!(*told(&others), STOPPED, "{case}");
        let holder = grab(&world, &sale, "x", Some(&caller)).await;
        assert!(
            matches!(told(&holder), Outcome::AlreadyGrabbed(_)),
            "{case}"
        );
    }
}

#[tokio::test]
async fn the_largest_number_that_any_caller_knew_is_kept() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 9).await;
    for (history, known) in [("1-x", "1"), ("4-x", "4"), ("2-x", "4")] {
        grab(&world, &sale, "x", Some(&past(history, 0, 0))).await;
        assert_eq!(
            world.sale_field(&sale, "known").await.as_deref(),
            Some(known)
        );
    }
    let before = world.dump().await;
    grab(&world, &sale, "x", Some(&past("4-x", 0, 0))).await;
    assert_eq!(world.dump().await, before, "the same again writes nothing");
    let resumed = world.store.sale_resume(&sale).await;
    assert_eq!(resumed.expect("answered"), ResumeOutcome::Resumed);
    let after = grab(&world, &sale, "x", Some(&past("4-x", 7, 7))).await;
    assert!(told(&after).is_grabbed());
    assert_eq!(after.past.expect("its past").history.number(), 5);
    assert_eq!(world.sale_field(&sale, "known").await, None);
}

#[tokio::test]
async fn only_a_resume_after_the_loss_ends_the_stop() {
    let mut world = World::new().await;
    let sale = world.sale("a", StockKind::Counter, 9).await;
    grab(&world, &sale, "x", Some(&past("7-x", 0, 0))).await;
    let snapshot = world.store.sale_snapshot(&sale).await.expect("read");
    let snapshot = snapshot.expect("exists");
    assert_eq!(snapshot.sale.stop, Some(Stop::Forgot));
    assert_eq!(snapshot.standing().closed, Some(Refusal::Forgot));
    assert_eq!(snapshot.check(), [Violation::Forgot(sale.clone())]);
    let before = world.dump().await;
    for edit in [
        SaleEdit {
            paused: Some(true),
            ..SaleEdit::default()
        },
        SaleEdit {
            paused: Some(false),
            ..SaleEdit::default()
        },
        SaleEdit {
            title: Some(term_text("t")),
            ..SaleEdit::default()
        },
    ] {
        let refused = world.store.sale_put(&sale, &edit).await.expect("answered");
        assert_eq!(refused, EditOutcome::Refused(EditRefusal::Forgot));
    }
    assert_eq!(world.dump().await, before);
    let resumed = world.store.sale_resume(&sale).await;
    assert_eq!(resumed.expect("answered"), ResumeOutcome::Resumed);
    world.assert_holds(&sale).await;
}

#[tokio::test]
async fn a_deletion_is_remembered_and_the_next_history_follows_it() {
    let mut world = World::new().await;
    let keys = ["{a}:sale:a", "{a}:deleted"];
    let deleted = format!("{}{}", world.prefix, keys[1]);
    let () = world.run(&["HSET", &deleted, "a", "4"]).await;
    let sale = world.sale("a", StockKind::Counter, 9).await;
    let history = world.sale_field(&sale, "history").await.expect("a history");
    assert!(history.starts_with("5-"), "{history}");
    assert_eq!(
        world.store.sale_deleted(&sale).await.expect("read"),
        Some(4)
    );
    let () = world.run(&["HSET", &deleted, "a", "9"]).await;
    let reply = call(&mut world, &SALE_RESUME, &keys, &["a", "w"]).await;
    assert_eq!(
        reply.expect("answered"),
        Value::BulkString(b"resumed".to_vec())
    );
    assert_eq!(
        world.sale_field(&sale, "history").await.as_deref(),
        Some("10-w")
    );
    world.set_sale_field(&sale, "clearing", "0 reset a").await;
    let resumed = world.store.sale_resume(&sale).await;
    assert_eq!(resumed.expect("answered"), ResumeOutcome::BeingCleared);
    let none = SaleId::parse("b").expect("valid");
    let resumed = world.store.sale_resume(&none).await;
    assert_eq!(resumed.expect("answered"), ResumeOutcome::NoSuchSale);
}

#[tokio::test]
async fn wrong_calls_and_broken_histories_raise() {
    let mut world = World::new().await;
    let keys = ["sale", "deleted"];
    for (keys, args) in [(&keys[..1], &["a", "w"][..]), (&keys, &["a"]), (&keys, &[])] {
        assert_raises(&mut world, &SALE_RESUME, keys, args, "takes 2 keys").await;
    }
    let sale = format!("{}sale", world.prefix);
    let deleted = format!("{}deleted", world.prefix);
    for (broken, words) in [
        (["HSET", &sale, "history", "x"], "history is not N-word: x"),
        (["HSET", &sale, "known", "x"], "known is not a whole number"),
        (
            ["HSET", &deleted, "a", "x"],
            "deleted is not a whole number",
        ),
    ] {
        let () = world.run(&["DEL", &sale, &deleted]).await;
        let () = world.run(&["HSET", &sale, "kind", "list"]).await;
        let () = world.run(&broken).await;
        assert_raises(&mut world, &SALE_RESUME, &keys, &["a", "w"], words).await;
    }
}
