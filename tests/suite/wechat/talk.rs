//! Help, activities, and messages that are no command.

use crate::support::app::TestApp;
use crate::support::redis::World;
use crate::support::terms::term_text;
use crate::support::wechat::{FAR, Follower, SITE, deliver, office, on_show, open, text, xml};

const UNCLEAR: &str = "对不起，没有找到您需要的信息:(";
const NONE: &str = "您好，现在没有推荐的抢票活动哟~";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_tells_who_has_no_number_yet() {
    let world = World::new().await;
    let app = TestApp::with(&world, |config| {
        open(config);
        config.wechat.name = "票务台".to_owned();
    })
    .await;
    let follower = Follower::new(&app, "o-1");
    let bound = world.bound(&app, "o-2", "2019010001").await;
    let hint = "您尚未绑定学号，回复“绑定”进行相关操作";
    for (follower, is_bound) in [(&follower, false), (&bound, true)] {
        for heard in [
            follower.says("帮助").await,
            follower.says("help").await,
            follower.says("HELP").await,
            follower.does("subscribe", "").await,
            follower.does("subscribe", "qrscene_1").await,
            follower.does("SCAN", "1").await,
            follower.clicks("SERVICE_HELP").await,
        ] {
            assert_eq!(
                (heard.kind.as_str(), heard.text.as_str()),
                ("news", "“票务台”使用指南")
            );
            assert_eq!(heard.urls, [format!("{SITE}/wechat/help")]);
            assert!(
                heard.body.contains("不想错过园子里精彩的资讯？"),
                "{heard:?}"
            );
            assert!(
                heard.body.contains("\n微信“票务台”帮您便捷解决这些问题！"),
                "{heard:?}"
            );
            assert_eq!(heard.body.contains(hint), !is_bound);
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_help_is_what_users_know_to_the_letter() {
    let world = World::new().await;
    let app = office(&world).await;
    let follower = Follower::new(&app, "o-1");
    let bound = world.bound(&app, "o-2", "2019010001").await;
    let text = "不想错过园子里精彩的资讯？又没时间没心情到处搜罗信息？想要参加高大上的活动却不想提前数小时排队？\n\
                微信“紫荆之声”帮您便捷解决这些问题！快来看看“紫荆之声”怎么使用吧！";
    let hint = "\n您尚未绑定学号，回复“绑定”进行相关操作";
    for (follower, hint) in [(&follower, hint), (&bound, "")] {
        let item = format!(
            "<MsgType><![CDATA[news]]></MsgType><ArticleCount>1</ArticleCount><Articles><item>\
             <Title><![CDATA[“紫荆之声”使用指南]]></Title>\
             <Description><![CDATA[{text}{hint}]]></Description>\
             <PicUrl><![CDATA[]]></PicUrl><Url><![CDATA[{SITE}/wechat/help]]></Url>\
             </item></Articles></xml>"
        );
        let heard = follower.says("帮助").await;
        assert!(heard.body.ends_with(&item), "{}", heard.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_understands_has_one_answer() {
    let world = World::new().await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    for words in [
        "",
        " ",
        "你好",
        "抢火车票",
        "抢火车票 key",
        "抢票key",
        "帮助 ",
        "帮助我",
        "BOOKING_EMPTY",
        "9**9**9",
        "$(id)",
        "' OR 1=1 --",
        "<script>",
        "{{7*7}}",
    ] {
        let heard = follower.says(words).await;
        assert_eq!(
            (heard.kind.as_str(), heard.text.as_str()),
            ("text", UNCLEAR),
            "{words:?}"
        );
    }
    for key in ["", "SERVICE", "BOOKING", "service_help"] {
        assert_eq!(follower.clicks(key).await.text, UNCLEAR, "{key:?}");
    }
    for kind in [
        "image",
        "voice",
        "video",
        "shortvideo",
        "location",
        "link",
        "TEXT",
    ] {
        let message = text("o-1", "帮助").replace("[text]", &format!("[{kind}]"));
        assert_eq!(follower.delivers(&message).await.text, UNCLEAR, "{kind}");
    }
    // An event that is no question needs no answer.
    for (event, key) in [
        ("VIEW", "http://x"),
        ("LOCATION", ""),
        ("TEMPLATESENDJOBFINISH", ""),
    ] {
        assert_eq!(follower.does(event, key).await.body, "success", "{event}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_with_more_in_them_are_read() {
    let world = World::new().await;
    let app = office(&world).await;
    let scan = xml(&[
        ("ToUserName", "gh_1"),
        ("FromUserName", "o-1"),
        ("CreateTime", "1408090502"),
        ("MsgType", "event"),
        ("Event", "scancode_push"),
        ("EventKey", "6"),
    ]);
    let inner = "<ScanCodeInfo><ScanType><![CDATA[qrcode]]></ScanType></ScanCodeInfo></xml>";
    let reply = deliver(&app.buyer, &scan.replace("</xml>", inner)).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "success"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_activities_the_menu_says_so() {
    let world = World::new().await;
    // On sale, but not on show; on show, but over.
    let mut saved = on_show("saved");
    saved.keyword = None;
    world.activity("saved", 5, &saved).await;
    let mut over = on_show("over");
    over.opens_at = Some(Some(1_000));
    over.closes_at = Some(Some(2_000));
    world.activity("over", 5, &over).await;
    let app = office(&world).await;
    let follower = Follower::new(&app, "o-1");
    for heard in [
        follower.says("抢啥").await,
        follower.clicks("SERVICE_BOOK_WHAT").await,
        follower.clicks("BOOKING_EMPTY").await,
    ] {
        assert_eq!((heard.kind.as_str(), heard.text.as_str()), ("text", NONE));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_activity_is_shown_as_a_card() {
    let world = World::new().await;
    let mut edit = on_show("马兰花开");
    edit.title = Some(term_text("马兰花开 第100场"));
    edit.opens_at = Some(Some(1_539_100_800_000));
    edit.closes_at = Some(Some(FAR));
    edit.place = Some(term_text("大礼堂"));
    edit.starts_at = Some(Some(FAR + 3_600_000));
    edit.ends_at = Some(Some(FAR + 7_200_000));
    edit.picture = Some(term_text("https://x.example/p.png?a=1&b=2"));
    edit.description = Some(term_text("话剧\n<b>两幕</b> & 尾声"));
    world.activity("show.one", 5, &edit).await;
    let app = office(&world).await;
    let follower = Follower::new(&app, "o-1");
    let description = "活动代称：马兰花开\n\
                       抢票时间：2018-10-10 00:00 至 2100-01-01 08:00\n\
                       时间：2100-01-01 09:00 至 10:00\n地点：大礼堂\n\
                       话剧\n<b>两幕</b> & 尾声";
    let item = format!(
        "<ArticleCount>1</ArticleCount><Articles><item>\
         <Title><![CDATA[马兰花开 第100场]]></Title>\
         <Description><![CDATA[{description}]]></Description>\
         <PicUrl><![CDATA[https://x.example/p.png?a=1&b=2]]></PicUrl>\
         <Url><![CDATA[{SITE}/wechat/activity?id=show.one]]></Url>\
         </item></Articles></xml>"
    );
    for heard in [
        follower.says("抢啥").await,
        follower.clicks("SERVICE_BOOK_WHAT").await,
    ] {
        assert!(heard.body.ends_with(&item), "{}", heard.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_activities_come_in_the_order_in_which_they_close() {
    let world = World::new().await;
    for number in 0..8u64 {
        let title = format!("第{number}场");
        let mut edit = on_show(match number {
            // It has no other name than what people type.
            0 => &title,
            1 => "key",
            // What people type names several: only the menu tells them apart.
            _ => "same",
        });
        edit.title = Some(term_text(&title));
        // The last of them never closes.
        edit.closes_at = Some((number < 7).then_some(FAR - number));
        world.activity(&format!("a{number}"), 1, &edit).await;
    }
    let app = office(&world).await;
    let follower = Follower::new(&app, "o-1");
    let order = [6, 5, 4, 3, 2, 1, 0, 7];
    let clicked = follower.clicks("SERVICE_BOOK_WHAT").await;
    assert_eq!(clicked.kind, "news");
    let titles = order.map(|number| format!("第{number}场"));
    assert_eq!(clicked.text, titles.join("\n"));
    assert_eq!(clicked.urls[0], format!("{SITE}/wechat/activity?id=a6"));
    let hint = "活动代称：same（与其他活动重名，请利用菜单抢票）";
    assert_eq!(clicked.body.matches(hint).count(), 6);
    // To a text the platform would show one card, so they come as links.
    let said = follower.says("抢啥").await;
    assert_eq!(said.kind, "text");
    let links = order.map(|number| {
        let keyword = match number {
            0 => "",
            1 => "（代称 key）",
            _ => "（请利用菜单抢票）",
        };
        format!("\n<a href=\"{SITE}/wechat/activity?id=a{number}\">第{number}场{keyword}</a>")
    });
    assert_eq!(said.text, format!("可以抢票的活动：{}", links.concat()));
    app.stop().await;
}

/// More than the platform shows as cards: the same links to a click as to a text; more than that
/// has room for: what to type for each; and if even that is too much, how many are missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_activity_is_left_out_in_silence() {
    const HOW: &str = "请回复“抢票 活动代称”抢票。";
    for (count, links, last) in [(9, 9, None), (40, 0, Some(HOW)), (90, 0, None)] {
        let world = World::new().await;
        for number in 0..count {
            let edit = on_show(&format!("k{number}"));
            world.activity(&format!("a{number}"), 1, &edit).await;
        }
        let app = office(&world).await;
        let follower = Follower::new(&app, "o-1");
        let clicked = follower.clicks("SERVICE_BOOK_WHAT").await;
        assert_eq!(clicked.kind, "text");
        assert_eq!(follower.says("抢啥").await.text, clicked.text);
        assert_eq!(clicked.text.matches("<a href").count(), links);
        let named = clicked.text.matches("（代称 k").count();
        let told = clicked.text.lines().next_back().expect("a line");
        let rest = format!("还有{}项未能列出。{HOW}", count - named);
        match last {
            Some(last) => assert_eq!((named, told), (count, last)),
            None if links > 0 => assert_eq!(named, links),
            None => assert!(named > 40 && told == rest, "{clicked:?}"),
        }
        app.stop().await;
    }
}
