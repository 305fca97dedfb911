//! The platform delivers a message again when it hears nothing in time: the same reply, byte for
//! byte, and one effect.

use std::time::{Duration, Instant};

use futures_util::future::join;
use seckill::admission::new_id;
use seckill::domain::caller::Caller;
use seckill::domain::durability::Durability;
use seckill::domain::ids::OrderId;
use seckill::domain::order::OrderState;
use seckill::domain::order::change::ChangeOutcome;
use seckill::store::wechat::claims::{Claim, ClaimOutcome, LEASE, MessageKey};

use super::in_time::ANSWER;
use crate::fault::failover::Pair;
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::crowd::at_once;
use crate::support::proxy::{Fault, Proxy};
use crate::support::redis::{PrivateRedis, World};
use crate::support::stalls::Stalls;
use crate::support::wechat::{
    BUSY, Follower, Heard, booking, event, numbered_text, office, on_show, open, text,
};

const RETURNED: &str = "退票成功！";
const NO_TICKET: &str = "您没有该活动未使用的票！";
pub const BOOKED: &str = "恭喜您，抢票成功！";
const BOOKED_AND_RETURNED: &str = "您抢到的票后来已经退掉了。若还想要，请再抢一次。";

/// The ticket that an answer shows.
pub fn order_id(heard: &Heard) -> OrderId {
    OrderId::parse(&heard.ticket()).expect("an order id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_delivered_again_gets_the_same_reply() {
    let world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let servers = [office(&world).await, office(&world).await];
    let one = Follower::new(&servers[0], "o-1");
    let two = Follower::new(&servers[1], "o-1");
    let id = "6613361214134013343";
    let said = |words| numbered_text("o-1", words, id);
    // Each would be answered otherwise the second time. The number is always the same, as some
    // testers send it: the words tell messages apart, too.
    for (message, left) in [
        (said("绑定 2019010001"), 5),
        (said("抢票 key"), 4),
        (said("退票 key"), 5),
        (event("o-1", "CLICK", "BOOKING_ACTIVITY_a"), 4),
        (said("解绑"), 4),
        (said("帮助"), 4),
        (said("什么"), 4),
        (event("o-1", "unsubscribe", ""), 4),
    ] {
        let first = one.delivers(&message).await;
        assert_eq!(world.left(&sale).await, left, "{message}");
        // A reply shows the second in which it was made.
        tokio::time::sleep(Duration::from_millis(400)).await;
        for again in [&two, &one, &two] {
            assert_eq!(again.delivers(&message).await, first, "{message}");
        }
        assert_eq!(world.left(&sale).await, left, "{message}");
    }
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_at_the_same_time_have_one_effect() {
    let world = World::new().await;
    let sale = world.activity("a", 100, &on_show("key")).await;
    let servers = [office(&world).await, office(&world).await];
    world.bound(&servers[0], "o-1", "2019010001").await;
    for round in 0..10 {
        for words in ["抢票 key", "退票 key"] {
            let message = text("o-1", words);
            let deliveries = (0..3).map(|delivery| {
                let follower = Follower::new(&servers[delivery % 2], "o-1");
                let message = message.clone();
                async move { follower.delivers(&message).await }
            });
            let mut heard = at_once(deliveries).await.into_iter();
            let first = heard.next().expect("some");
            let expected = [BOOKED, "退票成功！"];
            assert!(
                expected.contains(&first.text.as_str()),
                "round {round}: {first:?}"
            );
            assert!(heard.all(|heard| heard == first));
        }
        assert_eq!(world.left(&sale).await, 100);
    }
    world.assert_holds(&sale).await;
    TestApp::stop_all(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_messages_are_other_messages() {
    let (world, sale, app, follower) = booking(5).await;
    let first = follower.says("抢票 key").await;
    let second = follower.says("抢票 key").await;
    assert_ne!(first.text, second.text);
    assert_eq!(first.ticket(), second.ticket());
    // The same number and words of somebody else.
    let other = world.bound(&app, "o-2", "2019010002").await;
    let id = "7";
    let mine = follower
        .delivers(&numbered_text("o-1", "抢票 key", id))
        .await;
    let theirs = other.delivers(&numbered_text("o-2", "抢票 key", id)).await;
    assert_ne!(mine.ticket(), theirs.ticket());
    assert_eq!(world.left(&sale).await, 3);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// What a server that died left behind: a claim that nobody will ever settle. The next server that
/// is asked takes it over in time, even when it is asked at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_claim_of_a_dead_server_is_taken_over() {
    let (world, sale, app, follower) = booking(5).await;
    let stalls = Stalls::watch_from(Duration::ZERO);
    let claimed = Instant::now();
    let (message, _) = claimed_by_the_dead(&world, "抢票 key").await;
    let heard = follower.insists(&message).await;
    let waited = claimed.elapsed();
    assert_eq!(heard.text, BOOKED);
    let took = stalls.without().await;
    assert!(took < ANSWER, "{took:?}");
    // Redis reads its clock to the millisecond.
    let early = LEASE.saturating_sub(waited);
    assert!(
        early <= Duration::from_millis(1),
        "not even waited for: {waited:?}"
    );
    assert_eq!(follower.delivers(&message).await, heard);
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// The message `words`, and the claim of a server that died over it.
async fn claimed_by_the_dead(world: &World, words: &str) -> (String, Claim) {
    let key = MessageKey::new(&["message", "o-1", "7", words]);
    let message = numbered_text("o-1", words, "7");
    match world.store.reply_claim(&key).await.expect("answered") {
        ClaimOutcome::Claimed(claim) => (message, claim),
        other => panic!("not ours: {other:?}"),
    }
}

/// The message of a server that died after it had chosen this ticket, and long ago.
async fn chosen_by_the_dead(world: &mut World, words: &str, ticket: &OrderId) -> String {
    let (message, claim) = claimed_by_the_dead(world, words).await;
    let noted = world.store.reply_note(&claim, ticket).await;
    noted.expect("noted");
    world.end_leases().await;
    message
}

/// A server died after it booked a ticket: that is told, and nothing else is booked; not even when
/// the ticket went back since, or the keyword names something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_booked_is_told_and_nothing_else_is_booked() {
    let mut world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let other = world.activity("b", 5, &on_show("other")).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    let ticket = order_id(&follower.says("抢票 key").await);
    let message = chosen_by_the_dead(&mut world, "抢票 other", &ticket).await;
    let heard = follower.delivers(&message).await;
    assert_eq!(
        (heard.text.as_str(), order_id(&heard)),
        (BOOKED, ticket.clone())
    );
    assert_eq!(world.left(&other).await, 5);

    let message = chosen_by_the_dead(&mut world, "抢票 key", &ticket).await;
    assert_eq!(follower.says("退票 key").await.text, RETURNED);
    let heard = follower.delivers(&message).await;
    assert_eq!(heard.text, BOOKED_AND_RETURNED);
    assert_eq!(follower.delivers(&message).await, heard);
    assert_eq!(world.left(&sale).await, 5);
    // Another message is another wish.
    assert_ne!(order_id(&follower.says("抢票 key").await), ticket);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// What replicas do not have may be forgotten: nobody is told of it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_booked_is_told_when_a_replica_has_it() {
    let pair = Pair::start().await;
    let mut world = World::at(pair.master.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.redis.timeout = Duration::from_millis(500);
        config.durability = Some(Durability::Replicated(1));
    })
    .await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    pair.link.set(Fault::Stall);
    let ticket = world.granted(&sale, "2019010001", 1).await;
    let message = chosen_by_the_dead(&mut world, "抢票 key", &ticket).await;
    assert_eq!(follower.delivers(&message).await.text, BUSY);
    pair.link.set(Fault::None);
    pair.link.close_all().await;
    let deadline = Instant::now() + PATIENCE;
    let heard = loop {
        world.end_leases().await;
        let heard = follower.delivers(&message).await;
        if heard.text != BUSY {
            break heard;
        }
        assert!(Instant::now() < deadline, "the replica does not follow");
    };
    assert_eq!((heard.text.as_str(), order_id(&heard)), (BOOKED, ticket));
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A server died before it booked what it had chosen; or its user has another number since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_did_not_book_is_booked() {
    let (mut world, sale, app, follower) = booking(5).await;
    let message = chosen_by_the_dead(&mut world, "抢票 key", &new_id(&sale)).await;
    let heard = follower.delivers(&message).await;
    assert_eq!(heard.text, BOOKED);
    assert_eq!(world.left(&sale).await, 4);

    let message = chosen_by_the_dead(&mut world, "抢票  key", &order_id(&heard)).await;
    follower.says("解绑").await;
    follower.says("绑定 2019010002").await;
    let own = follower.delivers(&message).await;
    assert_eq!(own.text, BOOKED);
    assert_ne!(order_id(&own), order_id(&heard));
    assert_eq!(world.left(&sale).await, 3);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A server died after it gave a ticket back, and the user has booked another one since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_gave_back_is_told_and_nothing_else_goes_back() {
    let (mut world, sale, app, follower) = booking(5).await;
    let old = order_id(&follower.says("抢票 key").await);
    let message = chosen_by_the_dead(&mut world, "退票 key", &old).await;
    let cancelled = world.store.order_cancel(&old, &Caller::Operator).await;
    assert!(matches!(cancelled, Ok(ChangeOutcome::Changed(_))));
    let new = order_id(&follower.says("抢票 key").await);
    assert_ne!(old, new);
    let heard = follower.delivers(&message).await;
    assert_eq!(heard.text, RETURNED);
    assert_eq!(world.order(&new).await.state, OrderState::Confirmed);
    assert_eq!(follower.delivers(&message).await, heard);
    assert_eq!(world.left(&sale).await, 4);
    // Another message is about the new ticket, and the next one about none.
    assert_eq!(follower.says("退票 key").await.text, RETURNED);
    assert_eq!(world.order(&new).await.state, OrderState::Cancelled);
    assert_eq!(follower.says("退票 key").await.text, NO_TICKET);
    assert_eq!(world.left(&sale).await, 5);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A server died before it gave back the ticket that it had chosen: that one goes back, although
/// the user could not be asked for it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_had_chosen_goes_back() {
    let mut world = World::new().await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let namesake = world.activity("b", 5, &on_show("key")).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    let chosen = order_id(&follower.clicks("BOOKING_ACTIVITY_a").await);
    let message = chosen_by_the_dead(&mut world, "退票 key", &chosen).await;
    let other = order_id(&follower.clicks("BOOKING_ACTIVITY_b").await);
    assert_eq!(follower.delivers(&message).await.text, RETURNED);
    assert_eq!(world.order(&chosen).await.state, OrderState::Cancelled);
    assert_eq!(world.order(&other).await.state, OrderState::Confirmed);
    for (sale, left) in [(&sale, 5), (&namesake, 4)] {
        assert_eq!(world.left(sale).await, left);
        world.assert_holds(sale).await;
    }
    app.stop().await;
}

/// What a dead server had chosen was used before the message came again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_chosen_and_cannot_go_back_any_more_is_told() {
    let (mut world, sale, app, follower) = booking(5).await;
    let ticket = order_id(&follower.says("抢票 key").await);
    let message = chosen_by_the_dead(&mut world, "退票 key", &ticket).await;
    world.store.order_use(&ticket).await.expect("used");
    let heard = follower.delivers(&message).await;
    assert_eq!(heard.text, "您的票已经使用，不能退票。");
    assert_eq!(world.order(&ticket).await.state, OrderState::Used);
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// A server that lost the message to another delivery changes nothing, and says what that one said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_note_what_changes_changes_nothing() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let proxy = Proxy::start(redis.socket()).await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.redis.url = Some(proxy.url());
    })
    .await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    follower.says("查票").await; // over connections that are open from then on
    forget_messages(&mut world).await;
    // Slow enough for another delivery to come between the claim and the note.
    proxy.set_latency(Duration::from_millis(150));
    let (heard, other) = join(follower.says("抢票 key"), taken_over(&mut world)).await;
    assert_eq!(heard.body, other);
    assert_eq!(world.left(&sale).await, 5);

    proxy.set_latency(Duration::ZERO);
    let ticket = order_id(&follower.says("抢票 key").await);
    forget_messages(&mut world).await;
    proxy.set_latency(Duration::from_millis(150));
    let (heard, other) = join(follower.says("退票 key"), taken_over(&mut world)).await;
    assert_eq!(heard.body, other);
    assert_eq!(world.order(&ticket).await.state, OrderState::Confirmed);
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}

pub async fn forget_messages(world: &mut World) {
    for key in world.messages().await {
        let _: u64 = world.run(&["DEL", &key]).await;
    }
}

/// Answers the only message as soon as it is claimed, and gives back what it said.
async fn taken_over(world: &mut World) -> String {
    let said = "<xml><ToUserName><![CDATA[o-1]]></ToUserName>\
                <FromUserName><![CDATA[gh_1]]></FromUserName>\
                <MsgType><![CDATA[text]]></MsgType><Content><![CDATA[other]]></Content></xml>";
    until_kept(world, "?").await;
    let [claimed] = <[String; 1]>::try_from(world.messages().await).expect("one");
    let answered = format!("={said}");
    let _: String = world.run(&["SET", &claimed, &answered]).await;
    said.to_owned()
}

/// The platform hangs up while its message is worked on: that goes on, and the next delivery hears
/// what came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_sender_hangs_up_is_answered() {
    let redis = PrivateRedis::forgetful();
    let mut world = World::at(redis.url()).await;
    let sale = world.activity("a", 5, &on_show("key")).await;
    let proxy = Proxy::start(redis.socket()).await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.redis.url = Some(proxy.url());
    })
    .await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    for (words, answer, left) in [("抢票 key", BOOKED, 4), ("退票 key", RETURNED, 5)] {
        follower.says("抢啥").await;
        forget_messages(&mut world).await;
        // Slow enough to be hung up on between the claim and what follows.
        proxy.set_latency(Duration::from_millis(250));
        let message = text("o-1", words);
        tokio::select! {
            heard = follower.delivers(&message) => panic!("not slow enough: {heard:?}"),
            kept = until_kept(&mut world, "?") => drop(kept),
        }
        let kept = until_kept(&mut world, "=").await;
        proxy.set_latency(Duration::ZERO);
        let heard = follower.delivers(&message).await;
        assert_eq!((heard.text.as_str(), heard.body), (answer, kept));
        assert_eq!(world.left(&sale).await, left);
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}

/// Waits until what is kept of the only message begins so, and gives back the rest.
pub async fn until_kept(world: &mut World, head: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let [key] = world.messages().await.as_slice() {
            let kept: String = world.run(&["GET", key]).await;
            if let Some(rest) = kept.strip_prefix(head) {
                return rest.to_owned();
            }
        }
        assert!(
            Instant::now() < deadline,
            "the message does not become {head}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
