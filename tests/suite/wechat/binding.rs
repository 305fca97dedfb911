//! 绑定 and 解绑: one student number for one openid.

use futures_util::future::join_all;
use seckill::config::NumberPattern;

use crate::support::app::TestApp;
use crate::support::bindings::{number, openid};
use crate::support::redis::World;
use crate::support::wechat::{Follower, Heard, binding_page, booking, office, open};

const BOUND: &str = "学号2019010001绑定成功！回复“帮助”查看使用指南。";
const ALREADY: &str = "您已经绑定了学号2019010001，若要解绑请回复“解绑”";

fn needed(openid: &str) -> String {
    let page = binding_page(openid);
    format!("抢票等功能必须绑定学号后才能使用。\n\n<a href=\"{page}\">点此绑定学号</a>")
}

fn said(heard: Heard) -> String {
    assert_eq!(heard.kind, "text", "{heard:?}");
    heard.text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_bound_and_given_up() {
    let world = World::new().await;
    let app = office(&world).await;
    let (one, two) = (Follower::new(&app, "o-1"), Follower::new(&app, "o-2"));
    assert_eq!(said(one.says("绑定").await), needed("o-1"));
    assert_eq!(said(one.clicks("SERVICE_BIND").await), needed("o-1"));
    assert_eq!(
        said(one.says("解绑").await),
        "对不起，您还没有绑定，不能解绑。"
    );
    assert_eq!(said(one.says("绑定 2019010001").await), BOUND);
    assert_eq!(said(one.says("绑定 2019010001").await), ALREADY);
    assert_eq!(said(one.says("绑定 2019010002").await), ALREADY);
    assert_eq!(said(one.says("绑定").await), ALREADY);
    assert_eq!(said(one.clicks("SERVICE_BIND").await), ALREADY);
    assert_eq!(said(two.says("绑定 2019010001").await), "该学号已被占用！");
    assert_eq!(said(two.says("绑定").await), needed("o-2"));
    let page = binding_page("o-1");
    let unbound = format!("学号绑定已经解除。\n\n<a href=\"{page}\">重新绑定</a>");
    assert_eq!(said(one.says("解绑").await), unbound);
    assert_eq!(said(one.says("绑定").await), needed("o-1"));
    assert_eq!(said(two.says("绑定 2019010001").await), BOUND);
    assert_eq!(said(one.says("绑定 2019010001").await), "该学号已被占用！");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_number_changes_nothing() {
    let mut world = World::new().await;
    let app = office(&world).await;
    let follower = Follower::new(&app, "o-1");
    let long = "1".repeat(40);
    for (words, answer) in [
        ("绑定 12345", "学号格式不正确，请检查后重新绑定。"),
        ("绑定 20190100011", "学号格式不正确，请检查后重新绑定。"),
        ("绑定 201901000x", "学号格式不正确，请检查后重新绑定。"),
        (
            "绑定 ２０１９０１０００１",
            "学号格式不正确，请检查后重新绑定。",
        ),
        (
            &format!("绑定 {long}"),
            "学号格式不正确，请检查后重新绑定。",
        ),
        ("绑定 ", "请按格式输入：绑定 学号"),
        ("绑定 2019010001 2019010002", "请按格式输入：绑定 学号"),
    ] {
        assert_eq!(said(follower.says(words).await), answer, "{words}");
    }
    let kept: Vec<String> = world
        .run(&["KEYS", &format!("{}*numbers", world.prefix.clone())])
        .await;
    assert_eq!(kept, [""; 0]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pattern_of_numbers_is_a_setting() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        open(config);
        let pattern = NumberPattern::parse("S[0-9]+|T[0-9]+");
        config.wechat.number_pattern = pattern.expect("a pattern");
    })
    .await;
    let follower = Follower::new(&app, "o-1");
    for words in ["绑定 2019010001", "绑定 xS1", "绑定 S1x", "绑定 T1T"] {
        assert!(
            said(follower.says(words).await).starts_with("学号格式不正确"),
            "{words}"
        );
    }
    assert!(said(follower.says("绑定 T12").await).starts_with("学号T12绑定成功"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_followers_bind_at_once_and_one_number_has_one_owner() {
    let world = World::new().await;
    let app = office(&world).await;
    let numbers: Vec<String> = (0..50).map(|user| format!("20190100{user:02}")).collect();
    let followers: Vec<_> = (0..50)
        .map(|user| Follower::new(&app, &format!("o-{user}")))
        .collect();
    let own = followers
        .iter()
        .zip(&numbers)
        .map(async |(follower, number)| {
            let words = format!("绑定 {number}");
            said(follower.says(&words).await)
        });
    for (heard, number) in join_all(own).await.iter().zip(&numbers) {
        assert_eq!(
            *heard,
            format!("学号{number}绑定成功！回复“帮助”查看使用指南。")
        );
    }
    // All want the same one.
    let strangers: Vec<_> = (0..50)
        .map(|user| Follower::new(&app, &format!("p-{user}")))
        .collect();
    let same = strangers
        .iter()
        .map(async |follower| said(follower.says("绑定 2020000000").await));
    let heard = join_all(same).await;
    let bound = heard
        .iter()
        .filter(|heard| heard.starts_with("学号2020000000绑定成功"));
    let taken = heard.iter().filter(|heard| *heard == "该学号已被占用！");
    assert_eq!((bound.count(), taken.count()), (1, 49));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_a_number_books_no_more() {
    let (world, sale, app, one) = booking(5).await;
    let two = world.bound(&app, "o-2", "2019010002").await;
    let ticket = one.says("抢票 key").await.ticket();
    for follower in [&one, &two] {
        follower.says("解绑").await;
        for words in ["抢票 key", "查票", "取票 key", "退票 key"] {
            assert_eq!(
                said(follower.says(words).await),
                needed(follower.openid()),
                "{words}"
            );
        }
        for key in ["BOOKING_ACTIVITY_a", "SERVICE_GET_TICKET"] {
            assert_eq!(
                said(follower.clicks(key).await),
                needed(follower.openid()),
                "{key}"
            );
        }
    }
    assert_eq!(world.left(&sale).await, 4);
    // Tickets belong to the number, not to the openid.
    said(two.says("绑定 2019010001").await);
    assert_eq!(two.says("查票").await.ticket(), ticket);
    assert_eq!(two.says("抢票 key").await.ticket(), ticket);
    assert_eq!(world.left(&sale).await, 4);
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_is_forgotten_without_a_word() {
    let world = World::new().await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    assert_eq!(follower.does("unsubscribe", "").await.body, "success");
    assert_eq!(
        world.store.number_of(&openid("o-1")).await.expect("read"),
        None
    );
    assert_eq!(follower.does("unsubscribe", "").await.body, "success");
    world.bound(&app, "o-2", "2019010001").await;
    let bound = world.store.number_of(&openid("o-2")).await.expect("read");
    assert_eq!(bound, Some(number("2019010001")));
    app.stop().await;
}
