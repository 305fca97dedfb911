//! What a person asked for is done in time or not at all: each script that changes something for
//! somebody looks at its deadline before anything else.

use std::sync::LazyLock;

use seckill::failure::Failure;
use seckill::store::script::{
    ACCOUNT_PAY, ACCOUNT_SET, ACCOUNT_SET_IF, ARCHIVE_BEGIN, ARCHIVE_ENTRIES, ARCHIVE_ERASE,
    ARCHIVE_FIELDS, ARCHIVE_ORDERS, BID_CANCEL, BID_PLACE, CLEAR_BEGIN, CLEAR_ORDERS, CLEAR_UNDO,
    EVENT_CLOSE, EVENT_DELETE, FEED_BURY, FEED_DROP, FEED_LEAVE, FEED_TRIM, NUMBER_BIND,
    NUMBER_UNBIND, ORDER_CANCEL, ORDER_CONFIRM, ORDER_EXPIRE, ORDER_PLACE, ORDER_USE, PEAK_RECORD,
    REPLY_CLAIM, REPLY_KEEP, REPLY_NOTE, REPLY_RELEASE, SALE_DELETE, SALE_GRAB, SALE_PUT,
    SALE_RESET, SALE_RESUME, STOCK_ADD, STOCK_REMOVE, Script, WAIT_MARK, is_late,
};

use crate::support::redis::World;

/// The scripts that a request or a command of a person causes.
pub static OF_PEOPLE: [&LazyLock<Script>; 33] = [
    &ACCOUNT_PAY,
    &ACCOUNT_SET,
    &ACCOUNT_SET_IF,
    &ARCHIVE_BEGIN,
    &ARCHIVE_ENTRIES,
    &ARCHIVE_ERASE,
    &ARCHIVE_FIELDS,
    &ARCHIVE_ORDERS,
    &BID_CANCEL,
    &BID_PLACE,
    &CLEAR_BEGIN,
    &CLEAR_ORDERS,
    &CLEAR_UNDO,
    &EVENT_CLOSE,
    &EVENT_DELETE,
    &FEED_DROP,
    &NUMBER_BIND,
    &NUMBER_UNBIND,
    &ORDER_CANCEL,
    &ORDER_CONFIRM,
    &ORDER_PLACE,
    &ORDER_USE,
    &REPLY_CLAIM,
    &REPLY_KEEP,
    &REPLY_NOTE,
    &REPLY_RELEASE,
    &SALE_DELETE,
    &SALE_GRAB,
    &SALE_PUT,
    &SALE_RESET,
    &SALE_RESUME,
    &STOCK_ADD,
    &STOCK_REMOVE,
];

/// Scripts that write, too, but done late they change nothing that somebody decided meanwhile.
static OF_THE_BACKGROUND: [&LazyLock<Script>; 6] = [
    &FEED_BURY,
    &FEED_LEAVE,
    &FEED_TRIM,
    &ORDER_EXPIRE,
    &PEAK_RECORD,
    &WAIT_MARK,
];

#[tokio::test]
async fn a_script_that_starts_after_its_deadline_changes_nothing() {
    let mut world = World::new().await;
    let now = world.now().await;
    for script in OF_PEOPLE {
        let name = script.name;
        assert!(script.has_deadline, "{name} takes no deadline");
        let late = script.on(&[]).start_by(now - 1).send(&mut world.raw).await;
        assert!(late.as_ref().is_ok_and(is_late), "{name}: {late:?}");
        // In time, it looks at what it was given, which is nothing.
        let now = world.now().await;
        let in_time = script.on(&[]).start_by(now + 60_000);
        let in_time = in_time.send(&mut world.raw).await;
        assert!(
            matches!(in_time, Err(Failure::Unknown(_))),
            "{name}: {in_time:?}"
        );
    }
}

#[test]
fn every_script_that_writes_is_of_people_or_of_the_background() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lua");
    let known = OF_PEOPLE.iter().chain(&OF_THE_BACKGROUND);
    let known: Vec<&str> = known.map(|script| script.name).collect();
    for file in std::fs::read_dir(folder).expect("the scripts") {
        let path = file.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let Ok(source) = std::fs::read_to_string(&path) else {
            continue; // the folder of the parts
        };
        let writes = !source.contains("-- Flags: no-writes");
        assert_eq!(known.contains(&name.as_str()), writes, "{name}");
    }
}

#[tokio::test]
async fn a_deadline_is_a_number_of_ms_or_nothing() {
    let mut world = World::new().await;
    for (deadline, words) in [
        (Some("soon"), "the last argument must be a deadline"),
        (Some("-1"), "the last argument must be a deadline"),
        (Some("1.5"), "the last argument must be a deadline"),
        (None, "the last argument must be a deadline"),
        (Some(""), "event_close takes"),
    ] {
        let mut eval = redis::cmd("EVAL");
        eval.arg(EVENT_CLOSE.source).arg(0).arg(deadline);
        let error = eval.query_async::<()>(&mut world.raw).await;
        let error = error.expect_err("it raises").to_string();
        assert!(error.contains(words), "{deadline:?}: {error}");
    }
}
