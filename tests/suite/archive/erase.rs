//! Names of persons are taken out of an event that is archived.

use seckill::domain::archive::{ArchiveOutcome, Erased, is_erased};
use seckill::domain::ids::{OrderId, SaleId};
use seckill::domain::order::OrderState;
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::sale::StockKind;

use super::{Memory, bury, over};
use crate::support::bids::{event, terms};
use crate::support::redis::World;

/// Everything that is stored of the event, as text.
async fn everything(world: &mut World) -> String {
    let contents = world.contents().await;
    format!(
        "{:?}",
        contents
            .iter()
            .filter(|(key, _)| key.contains("{e}"))
            .collect::<Vec<_>>()
    )
}

/// Archives the event without the names.
async fn erase(world: &World) -> Erased {
    let (event, mut memory) = (event("e"), Memory::new());
    let done = world.store.event_archive(&event, true, &mut memory).await;
    match done.expect("answered") {
        ArchiveOutcome::Done(archived) => archived.erased.expect("asked for"),
        ArchiveOutcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// An event that is over, in which `person-sold`, `person-waits` and others have something.
struct Over {
    world: World,
    sales: [SaleId; 3],
    sold: OrderId,
    /// An order that is still held.
    waits: OrderId,
}

impl Over {
    async fn new() -> Self {
        let mut world = World::new().await;
        let list = world.held_sale("e.list", StockKind::List, 10).await;
        let count = world.sale("e.count", StockKind::Counter, 10).await;
        let loan = world.target("e.loan", 1000, &terms(1, 100)).await;
        let sold = world.granted(&count, "person-sold", 2).await;
        world.store.order_use(&sold).await.expect("used");
        let waits = world.granted(&list, "person-waits", 1).await;
        world.granted(&count, "person-waits", 1).await;
        let both = [(&list, StockKind::List, 1), (&count, StockKind::Counter, 1)];
        let both = world.write_order("person-both", OrderState::Confirmed, 0, &both);
        both.await;
        let accounts = [("person-bids", 700), ("person-saves", 7)];
        world.set_accounts("e", &accounts).await;
        for request in ["r1", "r2"] {
            world.accepted("person-bids", request, &loan, 300).await;
        }
        bury(&mut world, &count, 2).await;
        let sales = [list, count, loan];
        for sale in &sales {
            over(&world, sale).await;
        }
        Self {
            world,
            sales,
            sold,
            waits,
        }
    }
}

#[tokio::test]
async fn names_are_taken_out_and_the_law_holds() {
    let Over {
        mut world,
        sales,
        sold,
        waits,
    } = Over::new().await;
    let names = ["sold", "both", "bids", "saves"].map(|name| format!("person-{name}"));
    let told = erase(&world).await;
    assert_eq!(
        told,
        Erased {
            persons: 4,
            kept: 1
        }
    );
    let left = everything(&mut world).await;
    for name in names {
        assert!(!left.contains(&name), "{name} in {left}");
    }
    assert!(
        left.contains("person-waits"),
        "whose order is held can still be found"
    );
    let order = world.order(&sold).await;
    assert_eq!(order.state, OrderState::Used);
    assert!(is_erased(order.username.as_str()), "{}", order.username);
    let own = world.grab(&sales[1], order.username.as_str(), 1).await;
    assert!(matches!(own, Outcome::AlreadyGrabbed(grant) if grant.order == sold));
    let other = world.grab(&sales[1], "person-sold", 1).await;
    assert_eq!(other, Outcome::Refused(Refusal::Ended));
    for sale in &sales {
        world.assert_holds(sale).await;
    }
    world.store.order_confirm(&waits).await.expect("confirmed");
    assert_eq!(
        erase(&world).await,
        Erased {
            persons: 1,
            kept: 0
        }
    );
    let left = everything(&mut world).await;
    assert!(!left.contains("person-"), "{left}");
    assert_eq!(erase(&world).await, Erased::default());
    assert_eq!(
        world.order(&sold).await.username,
        order.username,
        "a word stays"
    );
    for sale in &sales {
        world.assert_holds(sale).await;
    }
}
