//! The menu of the account, within the limits of the platform.

use serde::Serialize;

use super::activities::Shown;
use super::command::{ACTIVITIES_KEY, BINDING_KEY, BOOKING_KEY, EMPTY_KEY, HELP_KEY, TICKETS_KEY};

/// Longest name of a button of the bar, in bytes of UTF-8.
const BAR_NAME_BYTES_MAX: usize = 16;
/// Longest name of a button in a submenu.
const SUB_NAME_BYTES_MAX: usize = 40;
/// Most buttons in a submenu.
const SUB_BUTTONS_MAX: usize = 5;

/// The JSON for the platform: `{"button":[…]}`, with two of the three buttons that it allows.
#[derive(Debug, Serialize)]
pub struct Menu {
    button: [Button; 2],
}

/// A button of the bar: an event, or a submenu.
#[derive(Debug, Serialize)]
struct Button {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    sub_button: Vec<SubButton>,
}

#[derive(Debug, Serialize)]
struct SubButton {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    key: String,
}

/// The menu for these activities. The first ones get a button.
pub fn menu(bookable: &[Shown<'_>]) -> Menu {
    let first = bookable.iter().take(SUB_BUTTONS_MAX);
    let activities: Vec<_> = first.map(|shown| SubButton::booking(*shown)).collect();
    Menu {
        button: [services(), booking(activities)],
    }
}

fn services() -> Button {
    let buttons = [
        ("抢啥", ACTIVITIES_KEY),
        ("查票", TICKETS_KEY),
        ("绑定", BINDING_KEY),
        ("帮助", HELP_KEY),
    ];
    Button::above("服务", buttons.map(|(name, key)| SubButton::new(name, key)))
}

fn booking(activities: Vec<SubButton>) -> Button {
    let empty = activities.is_empty();
    Button {
        kind: empty.then_some("click"),
        key: empty.then(|| EMPTY_KEY.to_owned()),
        ..Button::above("抢票", activities)
    }
}

impl Button {
    fn above(name: &str, buttons: impl Into<Vec<SubButton>>) -> Self {
        Self {
            kind: None,
            name: cut(name, BAR_NAME_BYTES_MAX),
            key: None,
            sub_button: buttons.into(),
        }
    }
}

impl SubButton {
    fn new(name: &str, key: impl Into<String>) -> Self {
        Self {
            kind: "click",
            name: cut(name, SUB_NAME_BYTES_MAX),
            key: key.into(),
        }
    }

    /// A sale id has 65 bytes at most, so the key stays below the platform's 128.
    fn booking(shown: Shown<'_>) -> Self {
        Self::new(shown.name(), format!("{BOOKING_KEY}{}", shown.sale.id))
    }
}

/// The start of a text, at most this many bytes, without a partial character.
fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::audit::figures::Figures;
    use crate::domain::ids::SaleId;
    use crate::domain::purchase::standing::Grants;
    use crate::domain::sale::activity::{Activity, Keyword};
    use crate::domain::sale::offer::{Offer, Units};
    use crate::domain::sale::{Sale, StockKind, Stop};
    use crate::domain::time::EpochMs;
    use crate::store::sales::snapshot::Snapshot;
    use crate::wechat::activities::bookable;

    const NOW: EpochMs = 1_000;

    fn sale(id: &str, title: &str, closes_at: Option<EpochMs>) -> Snapshot {
        let activity = Activity {
            keyword: Keyword::parse("key").ok(),
            ..Activity::default()
        };
        let units = Units {
            listed: true,
            purchase_max: 1,
            orders_max: None,
        };
        let id = SaleId::parse(id).expect("valid");
        let sale = Sale {
            title: title.to_owned(),
            closes_at,
            ..Sale::new(id, Offer::Tickets(units, activity))
        };
        Snapshot {
            now: NOW,
            sale,
            figures: Figures::default(),
            grants: Grants::default(),
            gone: None,
            archived: 0,
        }
    }

    fn json(snapshots: &[Snapshot]) -> Value {
        let read = |snapshot: &Snapshot| (snapshot.sale.id.clone(), Ok(snapshot.clone()));
        let sales: Vec<_> = snapshots.iter().map(read).collect();
        serde_json::to_value(menu(&bookable(&sales, NOW))).expect("it serialises")
    }

    /// The keys below 抢票, in their order.
    fn keys(snapshots: &[Snapshot]) -> Vec<String> {
        let menu = json(snapshots);
        let buttons = menu["button"][1]["sub_button"].as_array().expect("a list");
        let key = |button: &Value| button["key"].as_str().expect("a key").to_owned();
        buttons.iter().map(key).collect()
    }

    #[test]
    fn the_menu_is_what_the_platform_takes() {
        let menu = json(&[sale("spring.tea", "春茶", None)]);
        let click = |name: &str, key: &str| json!({"type": "click", "name": name, "key": key});
        let services = [
            click("抢啥", "SERVICE_BOOK_WHAT"),
            click("查票", "SERVICE_GET_TICKET"),
            click("绑定", "SERVICE_BIND"),
            click("帮助", "SERVICE_HELP"),
        ];
        let expected = json!({"button": [
            {"name": "服务", "sub_button": services},
            {"name": "抢票", "sub_button": [click("春茶", "BOOKING_ACTIVITY_spring.tea")]},
        ]});
        assert_eq!(menu, expected);
    }

    #[test]
    fn without_activities_the_button_says_so() {
        let mut shown = sale("a", "", None);
        shown.sale.offer = Offer::new(StockKind::List);
        let over = sale("b", "", Some(NOW - 1));
        let empty =
            json!({"type": "click", "name": "抢票", "key": "BOOKING_EMPTY", "sub_button": []});
        assert_eq!(json(&[])["button"][1], empty);
        assert_eq!(json(&[shown, over])["button"][1], empty);
    }

    #[test]
    fn the_five_that_close_first_are_in_it() {
        let mut paused = sale("g", "", Some(NOW + 3));
        paused.sale.stop = Some(Stop::Paused);
        let all = [
            sale("a", "", None),
            sale("b", "", Some(NOW + 9)),
            sale("c", "", Some(NOW)),
            sale("d", "", Some(NOW - 1)),
            sale("e", "", Some(NOW + 1)),
            sale("f", "", Some(NOW + 2)),
            paused,
        ];
        let key = |id: &str| format!("BOOKING_ACTIVITY_{id}");
        assert_eq!(keys(&all), ["c", "e", "f", "g", "b"].map(key));
        assert_eq!(keys(&all[..1]), [key("a")]);
        assert_eq!(keys(&all[..4]), ["c", "b", "a"].map(key));
    }

    #[test]
    fn names_and_keys_keep_the_limits() {
        let longest = format!("{0}.{0}", "x".repeat(32));
        for (title, expected) in [
            ("", "key"),
            ("马兰花开", "马兰花开"),
            ("一二三四五六七八九十一二三四", "一二三四五六七八九十一二三"),
            (&"x".repeat(41), &"x".repeat(40)),
            ("😀😀😀😀😀😀😀😀😀😀😀", "😀😀😀😀😀😀😀😀😀😀"),
        ] {
            let menu = json(&[sale(&longest, title, None)]);
            let button = &menu["button"][1]["sub_button"][0];
            assert_eq!(button["name"], expected);
            assert!(button["key"].as_str().expect("a key").len() <= 128);
        }
        for (text, bytes, expected) in [("服务", 16, "服务"), ("服务服务服务", 16, "服务服务服")]
        {
            assert_eq!(cut(text, bytes), expected);
        }
    }
}
