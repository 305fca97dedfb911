//! Audits of what somebody changed by hand: nothing holds that keeps a script from deciding, and
//! each violation is said so that its reader knows where to look.

use seckill::domain::ids::SaleId;
use seckill::domain::order::Order;
use seckill::domain::sale::{Door, StockKind};
use seckill::failure::Failure;
use seckill::operation::audit::audit;
use seckill::store::recount::NoVerdict;
use seckill::store::script::ORDER_CANCEL;
use tokio::time::Instant;

use crate::support::TIMEOUT;
use crate::support::app::TestApp;
use crate::support::bids::{a_bid, event, terms};
use crate::support::orders::username;
use crate::support::redis::World;

/// A target of 1000 cents with a bonus of 1 %, which two bids of al have filled: one of 500 cents,
/// and one of 700, of which 500 were accepted. al had 2000 cents and has 1010.
async fn full_loan() -> (World, SaleId, [Order; 2]) {
    let world = World::new().await;
    let loan = world.target("p.loan", 1000, &terms(1, 100)).await;
    world.set_accounts("p", &[("al", 2000), ("bo", 7)]).await;
    let whole = world.accepted("al", "whole", &loan, 500).await;
    let cut = world.accepted("al", "cut", &loan, 700).await;
    assert_eq!(judge(&world, &loan, true).await.expect("judged"), [""; 0]);
    (world, loan, [whole, cut])
}

/// What an audit says against a sale.
async fn judge(world: &World, id: &SaleId, deep: bool) -> Result<Vec<String>, NoVerdict> {
    let verdict = audit(&world.store, id, deep, &|_| {}).await?;
    Ok(verdict.expect("the sale exists").named())
}

/// The only violation that an audit names.
async fn only(world: &World, id: &SaleId, deep: bool) -> String {
    let named = judge(world, id, deep).await.expect("judged");
    match named.as_slice() {
        [violation] => violation.clone(),
        other => panic!("one violation, not {other:#?}"),
    }
}

async fn rewrite(world: &mut World, order: &Order, from: &str, to: &str) {
    let orders = world.store.keys().orders(order.id.event());
    let record: String = world.run(&["HGET", &orders, order.id.as_str()]).await;
    assert_eq!(record.matches(from).count(), 1, "{from:?} in {record:?}");
    let record = record.replace(from, to);
    let _: i64 = world
        .run(&["HSET", &orders, order.id.as_str(), &record])
        .await;
}

async fn set(world: &mut World, hash: &str, field: &str, value: &str) {
    let _: i64 = world.run(&["HSET", hash, field, value]).await;
}

/// Whether the next request of a new bid is decided.
async fn decides(world: &World, id: &SaleId) -> bool {
    let deadline = Instant::now() + TIMEOUT;
    let bid = a_bid("al", "next", id, 1);
    world
        .store
        .lane()
        .bid_place(&bid, None, deadline)
        .await
        .is_ok()
}

#[tokio::test]
async fn a_stock_below_zero_is_missing_and_nobody_is_sold_it() {
    let (mut world, loan, _) = full_loan().await;
    let cup = world.sale("p.cup", StockKind::Counter, 2).await;
    world.granted(&cup, "x", 2).await;
    for (sale, below, granted) in [(&loan, 40, 1000), (&cup, 7, 2)] {
        let key = world.store.keys().stock(sale);
        let _: i64 = world.run(&["DECRBY", &key, &below.to_string()]).await;
        for deep in [false, true] {
            let named = judge(&world, sale, deep).await.expect("judged");
            let words = [
                format!("left -{below} + granted {granted} = "),
                format!("{below} missing"),
                format!("the stock is -{below}, which is below 0"),
            ];
            for words in words {
                let said = named.join("\n");
                assert!(named.len() == 2 && said.contains(&words), "{said}");
            }
        }
    }
    let app = TestApp::start(&world).await;
    let sales = app.buyer.get("/sales").await.json();
    for sale in sales["sales"].as_array().expect("a list") {
        assert_eq!(sale["remaining"], 0, "{sale}");
    }
    let operator = app.operator();
    let listed = operator.get("/admin/sales/p.cup/audit").await.json();
    assert_eq!(listed["left"], -7);
    let scraped = app.buyer.metrics().await;
    let gauge = "seckill_units{sale=\"p.cup\",state=\"left\"} -7\n";
    assert!(scraped.contains(gauge), "{scraped}");
    let answered = app.buyer.code("/incr", "p.cup", "y", "1").await;
    assert_eq!(answered, "sold_out");
    let path = "/admin/sales/p.cup/stock";
    let removed = operator.json("POST", path, r#"{"remove":1}"#).await;
    assert_eq!(
        (removed.status, &removed.json()["left"]),
        (409, &(-7).into())
    );
    app.stop().await;
}

#[tokio::test]
async fn a_number_that_no_script_reads_does_not_hold() {
    let (mut world, loan, [bid, _]) = full_loan().await;
    let (sale, orders) = (
        world.store.keys().sale(&loan),
        world.store.keys().orders("p"),
    );
    let [balances, paid_in, _] = world.store.keys().of_accounts("p");
    let record: String = world.run(&["HGET", &orders, bid.id.as_str()]).await;
    for (hash, field, right) in [
        (&sale, "confirmed", "1000"),
        (&balances, "al", "1010"),
        (&paid_in, "al", "2000"),
    ] {
        for wrong in [
            format!("0{right}"),
            format!("+{right}"),
            format!(" {right}"),
            format!("{right}.0"),
            format!("{right:0>16}"),
            "1000000000000000".to_owned(),
            "1e3".to_owned(),
            "00".to_owned(),
            String::new(),
        ] {
            set(&mut world, hash, field, &wrong).await;
            if hash != &paid_in {
                assert!(!decides(&world, &loan).await, "{hash} {field} {wrong:?}");
            }
            match judge(&world, &loan, true).await {
                Ok(named) => assert!(
                    named.iter().any(|said| said.contains("cannot be read")),
                    "{hash} {field} {wrong:?}: {named:?}"
                ),
                Err(NoVerdict::Failed(Failure::Unreadable(why))) => {
                    assert!(why.contains(field), "{why}");
                }
                Err(other) => panic!("{hash} {field} {wrong:?}: {other}"),
            }
            set(&mut world, hash, field, right).await;
        }
    }
    for wrong in [
        "+500/500/5",
        "0500/500/5",
        "500/+500/5",
        "500/0500/5",
        "500/500/+5",
        "500/500/05",
    ] {
        let wrong = record.replacen("500/500/5", wrong, 1);
        set(&mut world, &orders, bid.id.as_str(), &wrong).await;
        let named = judge(&world, &loan, true).await.expect("judged");
        let about = |said: &String| said.contains(bid.id.as_str());
        assert!(named.iter().any(about), "{wrong:?}: {named:?}");
    }
    let cup = world.sale("p.cup", StockKind::Counter, 2).await;
    let order = world.granted(&cup, "x", 1).await;
    set(
        &mut world,
        &orders,
        order.as_str(),
        "confirmed\t1\tx\np.cup\t0",
    )
    .await;
    let named = judge(&world, &cup, true).await.expect("judged");
    assert!(
        named.iter().any(|said| said.contains("cannot be read")),
        "{named:?}"
    );
}

#[tokio::test]
async fn what_a_bid_was_cut_to_is_judged() {
    for (nth, from, to) in [
        (1, "500/700/5/1/1", "500/700/5/1/0"),
        (0, "500/500/5/1/0", "500/501/5/1/0"),
        (0, "500/500/5/1/0", "500/499/5/1/0"),
    ] {
        let (mut world, loan, bids) = full_loan().await;
        rewrite(&mut world, &bids[nth], from, to).await;
        let named = judge(&world, &loan, true).await.expect("judged");
        let about = |said: &String| said.contains(bids[nth].id.as_str());
        assert!(named.iter().any(about), "{to}: {named:?}");
    }
}

#[tokio::test]
async fn keys_of_another_kind_are_named_as_unreadable() {
    let (mut world, loan, _) = full_loan().await;
    let app = TestApp::start(&world).await;
    let operator = app.operator();
    let [balances, paid_in, changes] = world.store.keys().of_accounts("p");
    let (holds, requests) = (
        world.store.keys().holds("p"),
        world.store.keys().requests("p"),
    );
    let (orders, feed) = (world.store.keys().orders("p"), world.store.keys().feed("p"));
    let payments = world.store.keys().payments("p");
    for key in [
        balances, paid_in, changes, payments, holds, requests, orders, feed,
    ] {
        let dumped: Option<Vec<u8>> = world.run(&["DUMP", &key]).await;
        let _: () = world.run(&["SET", &key, "x"]).await;
        let reply = operator.get("/admin/sales/p.loan/audit?deep=true").await;
        assert_eq!(reply.status, 500, "{key}: {}", reply.body);
        assert_eq!(reply.json()["code"], "unreadable", "{key}: {}", reply.body);
        assert!(reply.body.contains(&key), "{key}: {}", reply.body);
        match judge(&world, &loan, true).await {
            Err(NoVerdict::Failed(Failure::Unreadable(why))) => {
                assert!(why.contains(&key), "{key}: {why}");
            }
            other => panic!("{key}: {other:?}"),
        }
        let _: i64 = world.run(&["DEL", &key]).await;
        if let Some(dumped) = dumped {
            let mut restore = redis::cmd("RESTORE");
            restore.arg(&key).arg(0).arg(dumped);
            let _: () = restore.query_async(&mut world.raw).await.expect("restored");
        }
    }
    assert_eq!(judge(&world, &loan, true).await.expect("judged"), [""; 0]);
    app.stop().await;
}

#[tokio::test]
async fn a_feed_that_cannot_go_on_does_not_hold() {
    let (mut world, loan, _) = full_loan().await;
    let feed = world.store.keys().feed("p");
    let by_hand = ["XADD", &feed, "5-1", "what", "by hand"];
    let trim = ["XTRIM", &feed, "MAXLEN", "0"]; // what it held is gone, but not what it counted
    for words in [&by_hand[..], &trim] {
        let _: redis::Value = world.run(words).await;
        let said = only(&world, &loan, true).await;
        assert!(said.contains(&feed) && said.contains("5-1"), "{said}");
    }
    let _: i64 = world.run(&["DEL", &feed]).await;
    assert_eq!(judge(&world, &loan, true).await.expect("judged"), [""; 0]);
}

#[tokio::test]
async fn accounts_of_another_kind_are_named_where_they_are_shown() {
    let (mut world, _, _) = full_loan().await;
    let [balances, paid_in, _] = world.store.keys().of_accounts("p");
    for key in [paid_in, balances] {
        let _: () = world.run(&["SET", &key, "x"]).await;
        let (event, user) = (event("p"), username("al"));
        for shown in [
            world.store.account(&event, &user).await.map(|_| ()),
            world.store.accounts(&event).await.map(|_| ()),
        ] {
            match shown {
                Err(Failure::Unreadable(why)) => assert!(why.contains(&key), "{key}: {why}"),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn names_are_written_as_people_read_them() {
    let (mut world, loan, [bid, _]) = full_loan().await;
    let requests = world.store.keys().requests("p");
    set(&mut world, &requests, "al\tgone", bid.id.as_str()).await;
    let said = only(&world, &loan, true).await;
    let words = format!("request \"gone\" of \"al\" made {}", bid.id);
    assert!(said.contains(&words), "{said}");
    let _: i64 = world.run(&["HDEL", &requests, "al\tgone"]).await;

    let cup = world.sale("p.cup", StockKind::Counter, 2).await;
    for sale in [&cup, &loan] {
        let buyers = world.store.keys().buyers(sale);
        set(&mut world, &buyers, "al", bid.id.as_str()).await;
        let named = judge(&world, sale, true).await.expect("judged");
        let said = named.last().expect("a violation");
        assert!(said.contains("\"al\""), "{said}");
        assert_eq!(said.contains("refused as if"), sale == &cup, "{said}");
    }
}

#[tokio::test]
async fn a_target_counts_no_units() {
    let (mut world, loan, _) = full_loan().await;
    let (sale, stock) = (
        world.store.keys().sale(&loan),
        world.store.keys().stock(&loan),
    );
    let _: i64 = world.run(&["INCRBY", &stock, "3"]).await;
    set(&mut world, &sale, "confirmed", "999").await;
    let named = judge(&world, &loan, true).await.expect("judged");
    assert_eq!(named.len(), 2, "{named:?}");
    for said in named {
        assert!(!said.contains("unit"), "{said}");
    }
}

#[tokio::test]
async fn an_account_that_does_not_add_up_blames_nobody_alone() {
    let (mut world, loan, [_, cut]) = full_loan().await;
    let [balances, paid_in, _] = world.store.keys().of_accounts("p");
    set(&mut world, &paid_in, "al", "2001").await;
    let said = only(&world, &loan, true).await;
    for words in [
        "\"al\" has a balance of 1010",
        "paid in 2001 - spent on bids 990 = 1011",
        "the balance, what was paid in or the record of a bid",
    ] {
        assert!(said.contains(words), "{said}");
    }
    set(&mut world, &paid_in, "al", "2000").await;

    set(&mut world, &balances, "al", "x1010").await;
    let said = only(&world, &loan, true).await;
    for words in ["\"al\"", &balances, "\"x1010\""] {
        assert!(said.contains(words), "{said}");
    }
    set(&mut world, &balances, "al", "1010").await;

    set(&mut world, &paid_in, "al", "lots").await;
    let said = only(&world, &loan, true).await;
    for words in ["\"al\"", &paid_in, "\"lots\""] {
        assert!(said.contains(words), "{said}");
    }
    set(&mut world, &paid_in, "al", "2000").await;

    rewrite(&mut world, &cut, "\t\tcut\n", "\t\tcut\t\n").await;
    let named = judge(&world, &loan, true).await.expect("judged");
    let unread = |said: &String| said.contains("cannot be read") && said.contains(cut.id.as_str());
    assert!(named.iter().any(unread), "{named:?}");
}

#[tokio::test]
async fn payments_are_judged_with_the_accounts() {
    let (mut world, loan, _) = full_loan().await;
    world.pay("p", "al", "in", 90).await;
    world.pay("p", "bo", "in", 5).await;
    world.pay("p", "bo", "out", -12).await;
    assert_eq!(judge(&world, &loan, true).await.expect("judged"), [""; 0]);
    let keys = world.store.keys();
    let payments = keys.payments("p");
    let [balances, paid_in, _] = keys.of_accounts("p");
    for (field, value) in [
        ("al\tin", "90"),
        ("al\tin", "090\t1100"),
        ("al\tin", "0\t1100"),
        ("al\tin", "90\t89"),
        ("bo\tout", "--12\t0"),
        ("bo\tout", "-12\t00"),
        ("bo", "5\t12"),
        ("bo\t", "5\t12"),
        ("\tin", "5\t12"),
    ] {
        let before: Option<String> = world.run(&["HGET", &payments, field]).await;
        set(&mut world, &payments, field, value).await;
        let said = only(&world, &loan, true).await;
        let entry = format!("the entry {field:?} of {payments}, which is {value:?}");
        assert!(said.contains(&entry), "{said}");
        match before {
            Some(before) => set(&mut world, &payments, field, &before).await,
            None => _ = world.run::<i64>(&["HDEL", &payments, field]).await,
        }
    }
    // bo has nothing, and paid as much out as in: only the payments tell what is missing.
    let _: i64 = world.run(&["HDEL", &paid_in, "bo"]).await;
    let said = only(&world, &loan, true).await;
    let words = "\"bo\" has payments, but no record says what was paid in";
    assert!(said.contains(words), "{said}");
    set(&mut world, &paid_in, "bo", "0").await;
    let _: i64 = world.run(&["HDEL", &balances, "bo"]).await;
    let said = only(&world, &loan, true).await;
    assert!(said.contains("\"bo\" has no account, but"), "{said}");
}

#[tokio::test]
async fn only_a_target_has_terms() {
    let mut world = World::new().await;
    for kind in [StockKind::List, StockKind::Counter] {
        let tea = world.sale(&format!("p.{kind}"), kind, 2).await;
        let sale = world.store.keys().sale(&tea);
        set(&mut world, &sale, "bid_min", "0").await;
        set(&mut world, &sale, "bonus_bp", "20000").await;
        world.granted(&tea, "x", 1).await;
        for deep in [false, true] {
            assert_eq!(judge(&world, &tea, deep).await.expect("judged"), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_broken_term_is_named_once_and_no_bid_for_it() {
    for (field, value, rule) in [
        ("bonus_bp", "20000", "0 to 10000"),
        ("bid_min", "0", "1 to 100000000000000"),
        ("bid_min", "100000000000001", "1 to 100000000000000"),
    ] {
        let (mut world, loan, _) = full_loan().await;
        let sale = world.store.keys().sale(&loan);
        set(&mut world, &sale, field, value).await;
        for deep in [false, true] {
            let said = only(&world, &loan, deep).await;
            for words in [field, value, rule] {
                assert!(said.contains(words), "{said}");
            }
        }
    }
}

/// An operator's typo hides no bid, and puts nothing on show.
#[tokio::test]
async fn a_target_with_a_keyword_is_named_and_stays_a_target() {
    let (mut world, loan, _) = full_loan().await;
    let key = world.store.keys().sale(&loan);
    for keyword in ["gala", ""] {
        set(&mut world, &key, "keyword", keyword).await;
        for deep in [false, true] {
            let said = only(&world, &loan, deep).await;
            assert!(said.contains("keyword") && said.contains("HDEL"), "{said}");
        }
        let read = world.store.sale_snapshot(&loan).await.expect("read");
        let sale = read.expect("exists").sale;
        assert_eq!((sale.door(), sale.activity()), (Door::Bids, None));
    }
}

/// Cancels an order with a script that does not count, or counts twice.
async fn cancel_by(world: &mut World, sale: &SaleId, user: &str, from: &str, to: &str) {
    let id = world.granted(sale, user, 1).await;
    let source = ORDER_CANCEL.source;
    assert_eq!(source.matches(from).count(), 1, "{from}");
    let keys = world.store.keys().of_return(sale.event(), &[sale]);
    let mut eval = redis::cmd("EVAL");
    eval.arg(source.replace(from, to)).arg(keys.len()).arg(keys);
    eval.arg(&[id.as_str(), "0", "", "", sale.as_str(), ""]);
    let _: redis::Value = eval.query_async(&mut world.raw).await.expect("decided");
}

#[tokio::test]
async fn a_death_that_is_not_counted_or_counted_twice_is_named() {
    let add = "deaths_add(sale.deaths, order.username)";
    let write = "deaths_write(sale.deaths, sale.key, change.at)";
    let most = "if most > deaths.most then";
    let sum = "redis.call(\"HINCRBY\", sale, \"gone\", deaths.more)";
    for (from, to, words) in [
        (write, "", "buyer \"x\" has 2 dead orders, but 1 counted"),
        (
            add,
            "for _ = 1, 2 do deaths_add(sale.deaths, order.username) end",
            "buyer \"x\" has 2 dead orders, but 3 counted",
        ),
        (sum, "", "all buyers add up to 2, but the counter says 1"),
        (
            most,
            "if false then",
            "no buyer has more than 2 dead orders counted, but the sale says 1",
        ),
    ] {
        let mut world = World::new().await;
        let sale = world.held_sale("a", StockKind::List, 5).await;
        world.given_back(&sale, "x").await;
        assert_eq!(judge(&world, &sale, true).await.expect("judged"), [""; 0]);
        // The sale counts from a millisecond on in which others may have died.
        let since: u64 = world
            .run(&["HGET", &world.store.keys().sale(&sale), "gone_since"])
            .await;
        while world.now().await <= since {}
        cancel_by(&mut world, &sale, "x", from, to).await;
        let said = only(&world, &sale, true).await;
        assert!(said.contains(words), "{said}");
        assert_eq!(judge(&world, &sale, false).await.expect("judged"), [""; 0]);

        // What the audit says to do mends it, and the sale counts anew.
        let _: u64 = world
            .run(&["HDEL", &world.store.keys().sale(&sale), "gone", "gone_most"])
            .await;
        assert_eq!(judge(&world, &sale, true).await.expect("judged"), [""; 0]);
        world.given_back(&sale, "x").await;
        assert_eq!(world.gone(&sale, "x").await, (1, 1));
        assert_eq!(judge(&world, &sale, true).await.expect("judged"), [""; 0]);
    }
}

#[tokio::test]
async fn a_script_that_never_counts_is_named() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 5).await;
    let since: u64 = world
        .run(&["HGET", &world.store.keys().sale(&sale), "gone_since"])
        .await;
    while world.now().await <= since {}
    let write = "deaths_write(sale.deaths, sale.key, change.at)";
    cancel_by(&mut world, &sale, "x", write, "").await;
    let said = only(&world, &sale, true).await;
    assert!(
        said.contains("buyer \"x\" has 1 dead order, but 0 counted"),
        "{said}"
    );
    // Of a sale of the version before that is no wrong.
    world.count_nothing(&sale).await;
    assert_eq!(judge(&world, &sale, true).await.expect("judged"), [""; 0]);
}

#[tokio::test]
async fn a_count_that_cannot_be_read_is_named_alone() {
    let mut world = World::new().await;
    let sale = world.held_sale("a", StockKind::List, 5).await;
    world.given_back(&sale, "x").await;
    let gone = world.store.keys().gone(&sale);
    set(&mut world, &gone, "x", "many").await;
    let said = only(&world, &sale, true).await;
    assert!(
        said.contains(&format!("the entry \"x\" of {gone}")),
        "{said}"
    );
}
