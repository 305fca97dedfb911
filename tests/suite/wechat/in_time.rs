//! The platform waits 5 s: each delivery is answered before that, if necessary with an apology.

use std::time::{Duration, Instant};

use futures_util::future::join;
use seckill::config::Config;
use seckill::store::wechat::claims::LEASE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::redelivery::{BOOKED, forget_messages, order_id, until_kept};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::redis::{PrivateRedis, World, signal};
use crate::support::stalls::Stalls;
use crate::support::wechat::{BUSY, office, on_show, open, path, text};

/// When the office answers at the latest.
pub const ANSWER: Duration = Duration::from_millis(4_500);
/// Shorter than the platform waits, and longer than the office works.
const IN_TIME: Duration = Duration::from_millis(4_900);

/// Redis takes no writes, for less time than the platform waits: nothing was executed, so it is
/// tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_a_redis_that_works_again_in_time() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    let _: () = world
        .run(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await;
    let mending = async {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let errors: String = world.run(&["INFO", "errorstats"]).await;
            if errors.contains("NOREPLICAS") {
                break;
            }
            assert!(Instant::now() < deadline, "no write was refused");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _: () = world
            .run(&["CONFIG", "SET", "min-replicas-to-write", "0"])
            .await;
    };
    let (heard, ()) = join(follower.says("抢票 key"), mending).await;
    assert_eq!(heard.text, BOOKED);
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// Redis stands still for longer than a call waits, but less than the platform does. The first
/// delivery is answered, and does not wait for its own claim, whose answer was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_a_redis_that_stands_still_for_a_moment() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.redis.timeout = Config::default().redis.timeout;
    })
    .await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    for (words, answer) in [("查票", "您没有未使用的票！"), ("抢票 key", BOOKED)] {
        follower.says("抢啥").await;
        forget_messages(&mut world).await;
        signal("-STOP", redis.server_id());
        let stalls = Stalls::watch_from(Duration::ZERO);
        let going_on = async {
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            signal("-CONT", redis.server_id());
        };
        let (heard, ()) = join(follower.says(words), going_on).await;
        let took = stalls.without().await;
        assert_eq!(heard.text, answer);
        assert!(took < LEASE, "{words}: {took:?}");
    }
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// Redis stands still: an apology within the time of the platform; the same message, delivered
/// again when Redis goes on, does its work once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apology_is_in_time_and_is_not_remembered() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    // Longer than the platform waits.
    let app = TestApp::with(&world, |config| {
        open(config);
        config.redis.timeout = Duration::from_secs(20);
    })
    .await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    assert_eq!(follower.says("查票").await.text, "您没有未使用的票！");
    forget_messages(&mut world).await;
    let message = text("o-1", "抢票 key");
    signal("-STOP", redis.server_id());
    let stalls = Stalls::watch_from(ANSWER);
    let heard = follower.delivers(&message).await;
    let took = stalls.without().await;
    signal("-CONT", redis.server_id());
    assert_eq!((heard.kind.as_str(), heard.text.as_str()), ("text", BUSY));
    assert!(took < IN_TIME, "{took:?}");
    // The first delivery is worked on after all; one ticket it is.
    let kept = until_kept(&mut world, "=").await;
    let heard = follower.delivers(&message).await;
    assert_eq!(heard.body, kept);
    let ticket = order_id(&heard);
    assert_eq!(world.order(&ticket).await.username.as_str(), "2019010001");
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// The time of the office begins before it has the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_slowly_is_answered_in_time() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let app = TestApp::with(&world, open).await;
    let message = text("o-1", "查票");
    let mut platform = TcpStream::connect(app.buyer.address()).await.expect("open");
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/xml\r\n\
         content-length: {}\r\n\r\n",
        path(),
        message.len()
    );
    signal("-STOP", redis.server_id());
    let stalls = Stalls::watch_from(ANSWER);
    platform.write_all(head.as_bytes()).await.expect("written");
    tokio::time::sleep(Duration::from_secs(2)).await;
    platform
        .write_all(message.as_bytes())
        .await
        .expect("written");
    let mut answer = String::new();
    platform.read_to_string(&mut answer).await.expect("read");
    let took = stalls.without().await;
    signal("-CONT", redis.server_id());
    assert!(answer.contains(BUSY), "{answer}");
    assert!(took < IN_TIME, "{took:?}");
    app.stop().await;
}
