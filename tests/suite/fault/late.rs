//! Calls that a network holds back for longer than their buyers wait. What was `unknown` then does
//! not happen afterwards: the buyer may have decided otherwise elsewhere.

use std::time::{Duration, Instant};

use seckill::domain::sale::StockKind;
use seckill::store::script::SALE_PUT;

use crate::script::deadline::OF_PEOPLE;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::bids::terms;
use crate::support::changes::{self, Request};
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World, connect};

const TIMEOUT: Duration = Duration::from_millis(600);

/// A shop whose server reaches Redis through a network that can hold its calls back.
struct Shop {
    world: World,
    link: Proxy,
    app: TestApp,
    _redis: PrivateRedis,
}

/// Who asks, at which path, for what.
type Asking = (&'static str, String);

impl Shop {
    async fn open() -> Self {
        let redis = PrivateRedis::forgetful();
        let world = World::at(redis.url()).await;
        let link = Proxy::start(redis.socket()).await;
        let app = TestApp::with(&world, |config| {
            config.redis.url = Some(link.url());
            config.redis.timeout = TIMEOUT;
            config.http.workers = 1;
        });
        let app = app.await;
        Self {
            world,
            link,
            app,
            _redis: redis,
        }
    }

    async fn asks(&self, (path, body): &Asking) -> String {
        let operator = self.app.operator();
        let reply = operator.json("POST", path, body).await;
        match reply.result.as_str() {
            "" => reply.json()["code"].as_str().expect("a code").to_owned(),
            code => code.to_owned(),
        }
    }

    /// What everybody hears who asks now.
    async fn all_ask(&self, asking: &[Asking]) -> Vec<String> {
        let heard = asking.iter().map(|one| self.asks(one));
        futures_util::future::join_all(heard).await
    }

    /// Lets go what the network holds, and waits until Redis has done it.
    async fn lets_go(&mut self) -> usize {
        let held = self.link.let_go().await;
        // Redis reads all sockets before it reads one of them again.
        for _ in 0..2 {
            let _: String = self.world.run(&["PING"]).await;
        }
        held
    }
}

impl Shop {
    /// Holds back what is asked until everybody has given up, then lets it go: nothing happens. How
    /// many heard that it might.
    async fn holds_back(&mut self, asking: &[Asking]) -> usize {
        let before = self.world.dump().await;
        self.link.set(Fault::Hold);
        let heard = self.all_ask(asking).await;
        let unknown = heard.iter().filter(|code| *code == "unknown").count();
        let busy = heard.iter().filter(|code| *code == "busy").count();
        assert_eq!(unknown + busy, asking.len(), "{heard:?}");
        assert!(self.lets_go().await > 0, "the network held nothing back");
        let after = self.world.dump().await;
        assert!(after == before, "something happened after all");
        unknown
    }
}

fn everything(round: &str, orders: &[String]) -> Vec<Asking> {
    let grab = |path, goods| {
        let body = format!(r#"{{"username":"{round}","purchase":1,"goods":"{goods}"}}"#);
        (path, body)
    };
    let lines = r#"[{"goods":"e.a","purchase":1},{"goods":"e.b","purchase":1}]"#;
    let place = format!(r#"{{"username":"{round}","request_id":"{round}","lines":{lines}}}"#);
    let bid = format!(
        r#"{{"username":"{round}","goods":"e.loan","amount":100,"request_id":"bid-{round}"}}"#
    );
    let change = |order: &String, what: &str| {
        let path: &'static str = format!("/orders/{order}/{what}").leak();
        (path, String::new())
    };
    vec![
        grab("/seckill", "e.list"),
        grab("/incr", "e.b"),
        ("/orders", place),
        ("/bids", bid),
        change(&orders[0], "confirm"),
        change(&orders[1], "cancel"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_redis_after_its_deadline_does_not_happen() {
    let mut shop = Shop::open().await;
    let world = &shop.world;
    world.sale("e.list", StockKind::List, 50).await;
    for goods in ["e.a", "e.b", "e.hold"] {
        let sale = world.held_sale(goods, StockKind::Counter, 50).await;
        assert_eq!(sale.as_str(), goods);
    }
    world.target("e.loan", 1_000, &terms(1, 0)).await;
    let held = crate::support::redis::sale_id("e.hold");
    let mut orders = Vec::new();
    for user in ["w0", "w1", "h0", "h1"] {
        orders.push(world.granted(&held, user, 1).await.to_string());
    }
    // Every way to Redis is open before the network holds anything back.
    let mut warm = shop.all_ask(&everything("warm", &orders[..2])).await;
    warm.sort_unstable();
    // Who comes first gets an order of `e.b`, at `/incr` or at `/orders`: not both.
    let right = [
        "already_grabbed",
        "bid_accepted",
        "cancelled",
        "confirmed",
        "grabbed",
        "grabbed",
    ];
    assert_eq!(warm, right);

    // A lane that was quiet for a second is asked for a sign of life first, so nothing is on its
    // way.
    let asking = everything("late", &orders[2..]);
    let mut unknown = 0;
    for round in 0.. {
        assert!(round < 10, "nothing was on its way when it was held back");
        unknown += shop.holds_back(&asking).await;
        if unknown >= 3 {
            break;
        }
        shop.all_ask(&everything("warm", &orders[..2])).await;
    }

    // And the shop goes on: what was given up is asked again.
    let asked_at = Instant::now();
    while shop
        .all_ask(&asking)
        .await
        .iter()
        .any(|code| code == "busy" || code == "unknown")
    {
        assert!(asked_at.elapsed() < PATIENCE, "the shop does not go on");
    }
    shop.app.stop().await;
}

/// Each change over HTTP, of people and of operators, whose script is held back until its sender
/// has given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_made_after_its_deadline() {
    let mut shop = Shop::open().await;
    let changes = changes::Shop::stock(&shop.world).await;
    for script in OF_PEOPLE {
        let _: String = shop.world.run(&["SCRIPT", "LOAD", script.source]).await;
    }
    let account = || {
        changes
            .requests()
            .into_iter()
            .filter(|one| one.path.ends_with("/e/al"))
    };
    // What is read before a change may be held back as well.
    let held = changes
        .requests()
        .into_iter()
        .map(|request| (request, "EVALSHA"));
    for (request, word) in held.chain(account().map(|request| (request, "EXISTS"))) {
        let before = shop.world.dump().await;
        shop.link.hold(word);
        let operator = shop.app.operator();
        let Request { method, path, body } = request.clone();
        let asked_at = Instant::now();
        let told = tokio::spawn(async move { operator.json(method, &path, body).await });
        while shop.link.holding() == 0 || asked_at.elapsed() < TIMEOUT + Duration::from_millis(50) {
            assert!(
                asked_at.elapsed() < PATIENCE,
                "{request:?} was not on its way"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shop.lets_go().await;
        let told = told.await.expect("answered");
        let code = told.json()["code"].as_str().unwrap_or_default().to_owned();
        assert!(
            ["busy", "unknown"].contains(&code.as_str()),
            "{request:?}: {}",
            told.body
        );
        let after = shop.world.dump().await;
        assert!(
            after == before,
            "{request:?}, held back at {word}, was done after all"
        );
    }
    // All of them are done when nothing holds them back.
    for Request { method, path, body } in changes.requests() {
        let told = shop.app.operator().json(method, &path, body).await;
        assert!(told.status < 300, "{method} {path}: {}", told.body);
    }
    shop.app.stop().await;
}

/// The control: a call without a deadline, held back in the same way, does happen.
#[tokio::test]
async fn a_call_without_a_deadline_happens_late() {
    let mut world = World::new().await;
    world.sale("b", StockKind::List, 0).await; // so that Redis knows the script
    let link = Proxy::to_shared_redis().await;
    let mut raw = connect(&link.url()).await;
    link.set(Fault::Hold);
    let keys =
        ["sale", "buyers", "deleted", "archived"].map(|key| format!("{}{key}", world.prefix));
    let put = SALE_PUT
        .on(&keys)
        .arg("a")
        .arg("word")
        .arg("kind")
        .arg("list");
    let put = put.send(&mut raw);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), put)
            .await
            .is_err()
    );
    link.set(Fault::None);
    let deadline = Instant::now() + PATIENCE;
    while world.run::<u64>(&["EXISTS", &keys[0]]).await == 0 {
        assert!(Instant::now() < deadline, "it did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
