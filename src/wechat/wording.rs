//! All sentences of the ticket office.

use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};

use super::activities::Shown;
use crate::domain::ids::Number;
use crate::domain::order::change::ChangeRefusal;
use crate::domain::purchase::outcome::Refusal;
use crate::domain::time::EpochMs;

/// Hours by which the readers' clocks are ahead of UTC, all year.
const HOURS_AHEAD: i8 = 8;
/// Bytes of a day in a time: `2026-12-12`.
const DAY_BYTES: usize = 10;
/// Longest text that the platform takes, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;

/// For a message that is no command.
pub const UNCLEAR: &str = "对不起，没有找到您需要的信息:(";
/// If nothing can be answered now.
pub const BUSY: &str = "对不起，服务器现在有点忙，暂时不能给您答复 T T";
/// The data of a ticket or an activity are damaged: asking again does not help.
pub const UNREADABLE: &str = "对不起，数据无法读取，请联系主办方。";
/// If nothing can be booked.
pub const NO_ACTIVITIES: &str = "您好，现在没有推荐的抢票活动哟~";
/// For a keyword or an id that is not on show.
pub const NO_SUCH_ACTIVITY: &str = "活动不存在";
/// For a keyword of several activities, when booking.
pub const SAME_KEYWORD: &str = "存在重名活动，请利用菜单抢票";
/// For a keyword of several activities of which the user has tickets, when cancelling.
pub const SAME_KEYWORD_RETURN: &str = "您持有多个重名活动的票，无法确定要退哪一张，请联系主办方。";
/// If the user has no unused ticket of the activity.
pub const NO_TICKET: &str = "您没有该活动未使用的票！";
/// For a text that is not a student number.
pub const WRONG_NUMBER: &str = "学号格式不正确，请检查后重新绑定。";
/// For a number that another user has bound.
pub const NUMBER_TAKEN: &str = "该学号已被占用！";
/// After 解绑 of a user who has no number.
pub const NOT_BOUND: &str = "对不起，您还没有绑定，不能解绑。";
/// A ticket was cancelled.
pub const RETURNED: &str = "退票成功！";
/// Title of the answer to a user who just got a ticket.
pub const BOOKED: &str = "恭喜您，抢票成功！";
/// For a user who got a ticket, was not told in time, and cancelled it.
pub const BOOKED_AND_RETURNED: &str = "您抢到的票后来已经退掉了。若还想要，请再抢一次。";
/// Title of the answer to a user who already has a ticket.
pub const BOOKED_BEFORE: &str = "您已经抢到票了，请不要重复抢票！";

/// The texts of a list, apart from its pages.
pub struct List {
    /// Above the pages.
    title: &'static str,
    /// If there are none.
    pub none: &'static str,
    /// How to see one of them, if there is no room for links.
    how: &'static str,
}

/// Activities that can be booked.
pub const ACTIVITIES: List = List {
    title: "可以抢票的活动：",
    none: NO_ACTIVITIES,
    how: "请回复“抢票 活动代称”抢票。",
};
/// All unused tickets of a user.
pub const TICKETS: List = List {
    title: "您的票：",
    none: "您没有未使用的票！",
    how: "请回复“取票 活动代称”查看。",
};
/// The tickets of the activities that one keyword names.
pub const SAME_KEYWORD_TICKETS: List = List {
    title: TICKETS.title,
    none: NO_TICKET,
    how: "重名活动的票太多，请联系主办方。",
};

/// Title of the help.
pub fn help_title(account: &str) -> String {
    format!("“{account}”使用指南")
}

/// What the help says, to users with and without a number.
pub fn help(account: &str, number: Option<&Number>) -> String {
    let text = format!(
        "不想错过园子里精彩的资讯？又没时间没心情到处搜罗信息？想要参加高大上的活动却不想提前数小时排队？\n\
         微信“{account}”帮您便捷解决这些问题！快来看看“{account}”怎么使用吧！"
    );
    match number {
        Some(_) => text,
        None => format!("{text}\n您尚未绑定学号，回复“绑定”进行相关操作"),
    }
}

/// To 绑定 of a user who has a number.
pub fn already_bound(number: &Number) -> String {
    format!("您已经绑定了学号{number}，若要解绑请回复“解绑”")
}

/// The answer to a command that needs a number, for a user who has none. `page` binds one.
pub fn binding_needed(page: &str) -> String {
    let link = link(page, "点此绑定学号");
    format!("抢票等功能必须绑定学号后才能使用。\n\n{link}")
}

/// A number was bound.
pub fn bound(number: &Number) -> String {
    format!("学号{number}绑定成功！回复“帮助”查看使用指南。")
}

/// A number was unbound. `page` binds another.
pub fn unbound(page: &str) -> String {
    format!("学号绑定已经解除。\n\n{}", link(page, "重新绑定"))
}

/// To a command without its word.
pub fn incomplete(command: &str) -> String {
    let word = if command == "绑定" {
        "学号"
    } else {
        "活动代称"
    };
    format!("请按格式输入：{command} {word}")
}

/// Why there is no ticket.
pub fn not_booked(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotStarted => "抢票尚未开始",
        Refusal::Ended => "抢票已经结束",
        Refusal::Paused | Refusal::Forgot => "抢票暂停中，请稍后再试",
        Refusal::SoldOut | Refusal::InsufficientStock => "对不起，票已经被抢光啦",
        Refusal::TooManyOrders => "退票次数已达上限",
        // Gone, or no longer on show, since the activities were last read.
        Refusal::NoSuchSale | Refusal::WrongDoor | Refusal::InvalidPurchase => NO_SUCH_ACTIVITY,
    }
}

/// Why a ticket was not cancelled. The sale allows it until this time; `None` is never.
pub fn not_returned(refusal: ChangeRefusal, cancel_until: Option<EpochMs>) -> &'static str {
    match refusal {
        ChangeRefusal::Used => "您的票已经使用，不能退票。",
        ChangeRefusal::NotCancellable if cancel_until.is_none() => "该活动不能退票。",
        ChangeRefusal::NotCancellable => "退票时间已过，不能退票。",
        // In any other state it is not a ticket any more.
        ChangeRefusal::Expired
        | ChangeRefusal::Cancelled
        | ChangeRefusal::NotConfirmed
        | ChangeRefusal::NotConfirmable
        | ChangeRefusal::NotUsable => NO_TICKET,
    }
}

/// When and where an activity is, and what it is about.
fn activity(shown: Shown<'_>) -> String {
    let activity = shown.activity;
    let held = span(activity.starts_at, activity.ends_at, ' ');
    lines([
        labelled("时间", &held.unwrap_or_default()),
        labelled("地点", &activity.place),
        activity.description.clone(),
    ])
}

/// The facts of an activity, after what to type for a ticket, and when. A keyword that several
/// activities have is not enough.
pub fn booking(shown: Shown<'_>, is_shared: bool) -> String {
    let hint = if is_shared {
        "（与其他活动重名，请利用菜单抢票）"
    } else {
        ""
    };
    let keyword = format!("活动代称：{}{hint}", shown.keyword);
    let sale = shown.sale;
    let window = span(sale.opens_at, sale.closes_at, ' ');
    let window = labelled("抢票时间", &window.unwrap_or_default());
    lines([keyword, window, activity(shown)])
}

/// The name of an activity in a list, with its keyword, unless the keyword is the name or belongs
/// to several activities.
pub fn entry(shown: Shown<'_>, is_shared: bool) -> String {
    let (name, keyword) = (shown.name(), shown.keyword.as_str());
    match keyword {
        _ if is_shared => format!("{name}（请利用菜单抢票）"),
        own if own == name => name.to_owned(),
        other => format!("{name}（代称 {other}）"),
    }
}

/// The facts of a ticket: its units, if they have names, and its activity.
pub fn ticket(shown: Shown<'_>, units: &[String]) -> String {
    lines([labelled("座位或编号", &units.join("、")), activity(shown)])
}

/// The same after the name of the activity.
pub fn booked(shown: Shown<'_>, units: &[String]) -> String {
    lines([shown.name().to_owned(), ticket(shown, units)])
}

/// A label and a text; empty if the text is.
fn labelled(label: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("{label}：{text}")
}

/// The texts that are not empty, one per line.
fn lines<const N: usize>(lines: [String; N]) -> String {
    let said = lines.into_iter().filter(|line| !line.is_empty());
    said.collect::<Vec<_>>().join("\n")
}

/// From when until when, as far as known: `2026-12-12 19:00 至 21:00`. If the end is on another
/// day, it comes after `gap`.
pub fn span(from: Option<EpochMs>, until: Option<EpochMs>, gap: char) -> Option<String> {
    match (from.map(time), until.map(time)) {
        (None, None) => None,
        (Some(from), None) => Some(format!("{from} 起")),
        (None, Some(until)) => Some(format!("{until} 止")),
        (Some(from), Some(until)) if from.get(..DAY_BYTES) == until.get(..DAY_BYTES) => {
            let hour = until.get(DAY_BYTES + 1..).unwrap_or_default();
            Some(format!("{from} 至 {hour}"))
        }
        (Some(from), Some(until)) => Some(format!("{from} 至{gap}{until}")),
    }
}

/// A time by the clocks of the readers, to the minute.
pub fn time(ms: EpochMs) -> String {
    let ms = i64::try_from(ms).ok();
    let time = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let zone = TimeZone::fixed(offset(HOURS_AHEAD));
    let time = time.map(|time| time.to_zoned(zone));
    time.map_or_else(String::new, |time| {
        time.strftime("%Y-%m-%d %H:%M").to_string()
    })
}

/// Links to pages in one text. If they are more than the platform accepts, their names and how to
/// see them instead. A page is an address and a name.
pub fn pages(words: &List, pages: &[(&str, &str)]) -> String {
    let links = pages.iter().map(|(url, name)| link(url, name));
    let lines = links.map(|link| format!("\n{link}"));
    let text = format!("{}{}", words.title, lines.collect::<String>());
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    names(words, pages.iter().map(|(_, name)| *name))
}

/// As many names as the platform accepts, how many more there are, and how to see them.
fn names<'a>(words: &List, names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let mut text = words.title.to_owned();
    let count = names.len();
    for (number, name) in names.enumerate() {
        let line = format!("\n{}", harmless(name));
        let rest = format!("\n还有{}项未能列出。{}", count - number, words.how);
        if text.len() + line.len() + rest.len() > TEXT_BYTES_MAX {
            return text + &rest;
        }
        text += &line;
    }
    format!("{text}\n{}", words.how)
}

/// A link in a text.
fn link(url: &str, words: &str) -> String {
    format!("<a href=\"{url}\">{}</a>", harmless(words))
}

/// Text that neither ends nor begins a link.
fn harmless(words: &str) -> String {
    words.replace('<', "＜").replace('>', "＞")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_readers() {
        assert_eq!(time(1_539_793_148_000), "2018-10-18 00:19");
        assert_eq!(time(EpochMs::MAX), "");
    }

    #[test]
    fn a_span_says_what_is_known() {
        // 2026-12-12T19:00:00+08:00
        let start = 1_797_073_200_000;
        let hour = 3_600_000;
        for (from, until, expected) in [
            (None, None, None),
            (Some(start), None, Some("2026-12-12 19:00 起")),
            (None, Some(start), Some("2026-12-12 19:00 止")),
            (
                Some(start),
                Some(start + 2 * hour),
                Some("2026-12-12 19:00 至 21:00"),
            ),
            (
                Some(start),
                Some(start + 6 * hour),
                Some("2026-12-12 19:00 至\n2026-12-13 01:00"),
            ),
            (Some(u64::MAX), Some(u64::MAX), Some(" 至 ")),
        ] {
            assert_eq!(span(from, until, '\n').as_deref(), expected);
        }
    }

    #[test]
    fn a_list_of_pages_fits_into_one_text() {
        let name = "马".repeat(20);
        let page = ("http://x/wechat/activity?id=a", name.as_str());
        assert_eq!(
            pages(&TICKETS, &[("u", "a<b>")]),
            "您的票：\n<a href=\"u\">a＜b＞</a>"
        );
        for words in [ACTIVITIES, TICKETS, SAME_KEYWORD_TICKETS] {
            for count in 1..60 {
                let text = pages(&words, &vec![page; count]);
                assert!(text.len() <= TEXT_BYTES_MAX, "{count}: {}", text.len());
                let (links, shown) = (text.matches("<a ").count(), text.matches(&name).count());
                let last = text.lines().next_back().expect("a line");
                let rest = format!("还有{}项未能列出。{}", count - shown, words.how);
                match shown {
                    all if all == links => assert_eq!(shown, count, "{text}"),
                    all if all == count => assert_eq!((links, last), (0, words.how)),
                    some => assert_eq!((some > 25, links, last), (true, 0, rest.as_str())),
                }
            }
        }
    }
}
