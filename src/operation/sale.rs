//! The rules for what an operator says about a sale, and the sale as JSON.

use serde_json::{Value, json};

use super::{activity, times};
use crate::domain::ids::SaleId;
use crate::domain::money::{BONUS_BP_MAX, CENTS_MAX};
use crate::domain::sale::{
    EditRefusal, HOLD_MS_MAX, HOLD_MS_MIN, ORDERS_MAX_LIMIT, PURCHASE_MAX_LIMIT, Sale, SaleEdit,
    StockKind, Stop,
};
use crate::store::sales::snapshot::Snapshot;

/// Longest title, in bytes of UTF-8.
const TITLE_BYTES_MAX: usize = 200;

/// Accepts a title. Titles are printed on terminals and in lists of lines: nothing in them may
/// move a cursor.
///
/// # Errors
/// The rule and how this title breaks it.
pub fn title(text: &str) -> Result<String, String> {
    let bytes = text.len();
    if bytes > TITLE_BYTES_MAX {
        return Err(format!(
            "the title must be at most {TITLE_BYTES_MAX} bytes of UTF-8, and this one has {bytes}"
        ));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(control) => Err(format!(
            "the title must be without control characters, and this one holds {control:?}"
        )),
        None => Ok(text.to_owned()),
    }
}

/// Accepts a hold like `15m`, in ms; `none` is none.
///
/// # Errors
/// How to write it, or its bounds.
pub fn hold(text: &str) -> Result<Option<u64>, String> {
    times::duration(text, HOLD_MS_MIN, HOLD_MS_MAX)
}

/// Accepts a limit for one attempt, in units.
///
/// # Errors
/// Its bounds.
pub fn purchase_max(units: u64) -> Result<u32, String> {
    let known = u32::try_from(units).ok();
    let fits = known.filter(|units| (1..=PURCHASE_MAX_LIMIT).contains(units));
    fits.ok_or_else(|| format!("{units} is not in 1..={PURCHASE_MAX_LIMIT}"))
}

/// Accepts a limit of orders for one buyer.
///
/// # Errors
/// Its bounds.
pub fn orders_max(orders: u64) -> Result<u32, String> {
    let known = u32::try_from(orders).ok();
    let fits = known.filter(|orders| (1..=ORDERS_MAX_LIMIT).contains(orders));
    fits.ok_or_else(|| format!("{orders} is not in 1..={ORDERS_MAX_LIMIT}, nor no limit"))
}

/// A limit of orders for people: a number, or `none`.
pub fn show_orders_max(orders: Option<u32>) -> String {
    orders.map_or_else(|| "none".to_owned(), |orders| orders.to_string())
}

/// Accepts the smallest bid of a target, in cents.
///
/// # Errors
/// Its bounds.
pub fn bid_min(cents: u64) -> Result<u64, String> {
    let fits = (1..=CENTS_MAX).contains(&cents).then_some(cents);
    fits.ok_or_else(|| format!("{cents} is not in 1..={CENTS_MAX}"))
}

/// Accepts the bonus of a target, in basis points.
///
/// # Errors
/// Its bounds.
pub fn bonus_bp(points: u64) -> Result<u32, String> {
    let known = u32::try_from(points).ok();
    let fits = known.filter(|&points| points <= BONUS_BP_MAX);
    fits.ok_or_else(|| format!("{points} is not in 0..={BONUS_BP_MAX}"))
}

/// Why an edit changed nothing, for the operator.
pub fn explain(id: &SaleId, refusal: EditRefusal) -> String {
    match refusal {
        EditRefusal::NoSuchSale => {
            format!("there is no sale {id}: create it with its kind, `list`, `counter` or `target`")
        }
        EditRefusal::KindIsFixed => {
            format!("sale {id} exists with another kind, and the kind of a sale never changes")
        }
        EditRefusal::AlreadyOpen => {
            format!("sale {id} has opened and sold: its opening stays; pause it to stop it")
        }
        EditRefusal::PurchaseMaxLowered => {
            format!("sale {id} has orders: a lower limit would refuse their buyers' retries")
        }
        EditRefusal::WindowIsEmpty => format!("sale {id} would close before it opens"),
        EditRefusal::FeedIsFixed => {
            format!("sale {id} has granted orders: its feed knows all of them or none, so it stays")
        }
        EditRefusal::TermsAreFixed => format!(
            "target {id} has bids: the smallest bid and the bonus are the same for all of them, so \
             they stay"
        ),
        EditRefusal::NotOfThisKind => format!(
            "sale {id} is of a kind that has nothing like that: a smallest bid and a bonus are for \
             targets; a limit for one attempt, a limit of orders, a hold, a keyword and what comes \
             with it for lists and counters"
        ),
        EditRefusal::HoldAndKeyword => format!(
            "sale {id} would be an activity with a hold, and its tickets are granted at once: leave \
             the hold out, or take it away with `none`"
        ),
        EditRefusal::OneTicketEach => format!(
            "sale {id} would be an activity with a limit of more than 1, and an activity gives one \
             ticket to each number: leave the limit out, or make it 1"
        ),
        EditRefusal::SoldElsewhere => format!(
            "sale {id} has granted orders at another door than the ticket office, so it becomes no \
             activity: create another sale for it"
        ),
        EditRefusal::TicketsAreOut => format!(
            "activity {id} has granted tickets, and nobody would find them without a keyword: pause \
             it or let it close to stop booking, or change the keyword"
        ),
        EditRefusal::NotAnActivity => format!(
            "sale {id} is no activity: only one has a place, times, a picture and a description, so \
             give it its keyword, too"
        ),
        EditRefusal::EndsBeforeStart => format!("the activity {id} would end before it starts"),
        EditRefusal::Forgot => format!(
            "Redis has forgotten orders of sale {id}, so it is stopped: `seckill audit {id}` says what \
             to look at, and `seckill sale resume {id} --after-loss` lets it sell again"
        ),
        EditRefusal::BeingCleared => format!(
            "sale {id} is being reset or deleted, or its event deleted: wait until that command has \
             ended, or run it again if it broke off"
        ),
        EditRefusal::Archived => format!(
            "event {} was archived: its sales stay closed, and none is created in it. Take another \
             event, or delete this one first",
            id.event()
        ),
        EditRefusal::EndsBeforeClosing => format!(
            "the activity {id} would be over while its tickets are still booked: let booking close \
             (closes_at) when it ends (ends_at), or before"
        ),
    }
}

/// What an edit asks for, in words for the log.
pub fn asked(edit: &SaleEdit) -> String {
    // A text is quoted: it may hold what looks like the next word of the log.
    let quoted = |text: &Option<String>| text.as_ref().map(|text| format!("{text:?}"));
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let feed = |on: bool| if on { "on" } else { "off" }.to_owned();
    let activity = &edit.activity;
    let keyword = activity.keyword.as_ref().map(|keyword| match keyword {
        Some(keyword) => format!("{:?}", keyword.as_str()),
        None => "-".to_owned(),
    });
    let fields = [
        ("kind", edit.kind.map(|kind| kind.to_string())),
        ("title", quoted(&edit.title)),
        ("opens_at", edit.opens_at.map(times::show)),
        ("closes_at", edit.closes_at.map(times::show)),
        ("purchase_max", number(edit.purchase_max.map(u64::from))),
        ("orders_max", edit.orders_max.map(show_orders_max)),
        ("paused", edit.paused.map(|paused| paused.to_string())),
        ("hold", edit.hold.map(times::show_duration)),
        ("cancel_until", edit.cancel_until.map(times::show)),
        ("feed", edit.feed.map(feed)),
        ("bid_min", number(edit.bid_min)),
        ("bonus_bp", number(edit.bonus_bp.map(u64::from))),
        ("keyword", keyword),
        ("place", quoted(&activity.place)),
        ("starts_at", activity.starts_at.map(times::show)),
        ("ends_at", activity.ends_at.map(times::show)),
        ("picture", quoted(&activity.picture)),
        ("description", quoted(&activity.description)),
    ];
    let asked = fields.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name} {value}"))
    });
    asked.collect::<Vec<_>>().join(", ")
}

/// Why a sale is stopped, when no operator paused it.
pub fn stop_reason(sale: &Sale) -> Option<&'static str> {
    match sale.stop {
        Some(Stop::Forgot) => Some("forgot"),
        Some(Stop::BeingCleared) => Some("being_cleared"),
        Some(Stop::Paused) | None => None,
    }
}

/// A sale for scripts; times in epoch milliseconds. Only a target has terms, instead of limits (the
/// one of orders is null for none), and what is counted of it is cents. Only an activity has a
/// keyword, null while it is not on show, and what comes with it.
pub fn to_json(snapshot: &Snapshot) -> Value {
    let (sale, figures) = (&snapshot.sale, &snapshot.figures);
    let mut value = json!({
        "sale": sale.id.as_str(),
        "title": sale.title,
        "kind": sale.kind.as_str(),
        "phase": snapshot.phase_word(snapshot.now),
        "opens_at": sale.opens_at,
        "closes_at": sale.closes_at,
        "hold": sale.hold,
        "cancel_until": sale.cancel_until,
        "feed": sale.feed,
        "added": figures.added,
        "removed": figures.removed,
        "left": figures.left,
        "held": figures.held,
        "confirmed": figures.confirmed,
        "used": figures.used,
        "buyers": figures.buyers,
        "server_time": snapshot.now,
    });
    match sale.kind {
        StockKind::List | StockKind::Counter => {
            value["purchase_max"] = json!(sale.purchase_max);
            value["orders_max"] = json!(sale.orders_max);
        }
        StockKind::Target => {
            value["bid_min"] = json!(sale.smallest_bid());
            value["bonus_bp"] = json!(sale.bonus_bp);
        }
    }
    if let Some(reason) = stop_reason(sale) {
        value["reason"] = json!(reason);
    }
    for (name, field) in sale.activity.iter().flat_map(activity::to_fields) {
        value[name] = field;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line_or_nothing() {
        for text in ["", "春茶 \u{1f375}", &"x".repeat(TITLE_BYTES_MAX)] {
            assert_eq!(title(text).as_deref(), Ok(text));
        }
        for (text, why) in [
            ("a\nb", "holds '\\n'"),
            ("\u{1b}[2J", "holds '\\u{1b}'"),
            (&"茶".repeat(67), "has 201"),
        ] {
            let error = title(text).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_limit_has_bounds() {
        assert_eq!(purchase_max(1), Ok(1));
        assert_eq!(purchase_max(100), Ok(100));
        for units in [0, 101, u64::MAX] {
            assert!(purchase_max(units).is_err(), "{units}");
        }
    }

    #[test]
    fn a_limit_of_orders_has_bounds() {
        assert_eq!(
            (orders_max(1), orders_max(1_000_000)),
            (Ok(1), Ok(ORDERS_MAX_LIMIT))
        );
        for orders in [0, 1_000_001, u64::MAX] {
            assert!(orders_max(orders).is_err(), "{orders}");
        }
    }

    #[test]
    fn terms_of_a_target_have_bounds() {
        assert_eq!((bid_min(1), bid_min(CENTS_MAX)), (Ok(1), Ok(CENTS_MAX)));
        for cents in [0, CENTS_MAX + 1] {
            assert!(bid_min(cents).is_err(), "{cents}");
        }
        assert_eq!((bonus_bp(0), bonus_bp(10_000)), (Ok(0), Ok(BONUS_BP_MAX)));
        for points in [10_001, u64::MAX] {
            assert!(bonus_bp(points).is_err(), "{points}");
        }
    }
}
