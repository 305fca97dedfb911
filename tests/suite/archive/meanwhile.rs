//! Archives that break off, and events in which something happens meanwhile.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use seckill::domain::archive::{ArchiveOutcome, ArchiveRefusal, Piece};
use seckill::domain::caller::Caller;
use seckill::domain::ids::OrderId;
use seckill::domain::sale::StockKind;

use super::{Memory, archive, archived, bury, found, orders_of, over};
use crate::support::bids::{event, terms};
use crate::support::redis::World;

/// Killed between an export and what is dropped next, or out of room for the export, at each of
/// these points.
#[tokio::test]
async fn a_command_that_broke_off_anywhere_loses_nothing() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::Counter, 2000).await;
    let loan = world.target("e.loan", 1000, &terms(1, 0)).await;
    for n in 0..3 {
        world.granted(&sale, &format!("user-{n}"), 1).await;
        world.pay("e", "al", &format!("p{n}"), 5).await;
    }
    let dead = bury(&mut world, &sale, 1600).await;
    over(&world, &sale).await;
    over(&world, &loan).await;
    let (mut kept, mut runs) = (Vec::new(), 0);
    loop {
        let times = runs % 3;
        let keeps_last = runs % 2 == 0;
        let mut memory = Memory {
            pieces: Vec::new(),
            times,
            keeps_last,
        };
        let outcome = world
            .store
            .event_archive(&event("e"), false, &mut memory)
            .await;
        kept.extend(memory.pieces);
        let here = found(&mut world).await;
        for id in &dead {
            assert!(
                here.contains(id) || orders_of(&kept).contains(id),
                "{id} is lost"
            );
        }
        world.assert_holds(&sale).await;
        world.assert_holds(&loan).await;
        match outcome {
            Ok(ArchiveOutcome::Done(_)) => break,
            Ok(refused) => panic!("{refused:?}"),
            Err(error) => assert!(error.to_string().contains("killed"), "{error}"),
        }
        runs += 1;
        assert!(runs < 50, "it comes to no end");
    }
    assert!(runs > 4, "it broke off only {runs} times");
    assert_eq!(found(&mut world).await.len(), 3);
    assert_eq!(orders_of(&kept), dead);
    let payments = kept.iter().filter_map(|piece| match piece {
        Piece::Payment(payment) => Some(payment.request.as_str()),
        _ => None,
    });
    let payments: BTreeSet<&str> = payments.collect();
    assert_eq!(payments, BTreeSet::from(["p0", "p1", "p2"]));
}

/// While orders are confirmed, used and given back, what is alive is never dropped, and what died
/// is dropped only after it was exported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sold_or_used_meanwhile_is_never_dropped() {
    let mut world = World::new().await;
    let sale = world.held_sale("e.a", StockKind::List, 600).await;
    let mut orders = Vec::new();
    for n in 0..300 {
        orders.push(world.granted(&sale, &format!("user-{n}"), 2).await);
    }
    over(&world, &sale).await;
    let change = |(n, order): (usize, OrderId)| {
        let store = world.store.clone();
        tokio::spawn(async move {
            if n % 3 == 0 {
                store
                    .order_cancel(&order, &Caller::Operator)
                    .await
                    .expect("cancelled");
                return None;
            }
            store.order_confirm(&order).await.expect("confirmed");
            if n % 3 == 1 {
                store.order_use(&order).await.expect("used");
            }
            Some(order)
        })
    };
    let changes: Vec<_> = orders.iter().cloned().enumerate().map(change).collect();
    let mut memory = Memory::new();
    while !changes.iter().all(|change| change.is_finished()) {
        archived(&world, &mut memory).await;
    }
    let alive = join_all(changes).await;
    let alive = alive.into_iter().filter_map(|change| change.expect("done"));
    let alive: BTreeSet<String> = alive.map(|order| order.to_string()).collect();
    archived(&world, &mut memory).await;
    assert_eq!(alive.len(), 200);
    assert_eq!(found(&mut world).await, alive);
    let all: BTreeSet<String> = orders.iter().map(ToString::to_string).collect();
    assert_eq!(
        orders_of(&memory.pieces),
        all.difference(&alive).cloned().collect()
    );
    let told = memory
        .pieces
        .iter()
        .filter(|piece| matches!(piece, Piece::Entry(_)));
    assert_eq!(
        told.count(),
        300 + 100 + 200 + 100,
        "each entry of the feed, once"
    );
    world.assert_holds(&sale).await;
}

/// A running sale beside it, and buyers who come and go all the while: nothing is archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_archived_while_a_sale_of_the_event_runs() {
    let mut world = World::new().await;
    let ended = world.held_sale("e.a", StockKind::Counter, 100).await;
    let running = world.held_sale("e.b", StockKind::List, 400).await;
    bury(&mut world, &ended, 10).await;
    over(&world, &ended).await;
    let (mut memory, store) = (Memory::new(), world.store.clone());
    let buyers = async {
        for n in 0..100 {
            let order = world.granted(&running, &format!("user-{n}"), 2).await;
            if n % 2 == 0 {
                store
                    .order_cancel(&order, &Caller::Operator)
                    .await
                    .expect("cancelled");
            }
        }
    };
    let operator = async {
        for _ in 0..20 {
            let told = archive(&store, &mut memory).await;
            let refused = matches!(
                &told,
                ArchiveOutcome::Refused(ArchiveRefusal::NotEnded { sale, .. }) if *sale == running
            );
            assert!(refused, "{told:?}");
        }
    };
    tokio::join!(buyers, operator);
    assert_eq!(memory.pieces, []);
    assert_eq!(found(&mut world).await.len(), 110);
    world.assert_holds(&running).await;
}
