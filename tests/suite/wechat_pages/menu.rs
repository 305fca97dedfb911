//! `seckill wechat menu`, as its operator runs it. Its limits are tested where it is made.

use seckill::domain::sale::StockKind;
use serde_json::Value;

use super::{Office, PAST};
use crate::support::orders::closing;
use crate::support::process::{Ended, seckill};

/// The menu as it is printed, and the exit code.
async fn menu(office: &Office) -> (Value, Option<i32>) {
    let mut arguments = office.world.arguments(&[]);
    arguments.extend(["wechat", "menu"].map(str::to_owned));
    let ended = Ended::from(seckill(&arguments));
    (ended.json(), ended.code)
}

#[tokio::test]
async fn the_menu_has_what_can_be_booked() {
    let mut office = Office::open().await;
    let (empty, code) = menu(&office).await;
    assert_eq!(
        empty["button"][0]["sub_button"][0]["key"],
        "SERVICE_BOOK_WHAT"
    );
    assert_eq!(empty["button"][1]["key"], "BOOKING_EMPTY");
    assert_eq!(code, Some(0));

    let sale = office.activity("gala", "马兰花开", 1).await;
    let over = office.activity("over", "旧活动", 1).await;
    let closed = closing(Some(PAST));
    office.put(&over, closed).await;
    let plain = office.world.sale("plain", StockKind::List, 1).await;
    let (full, _) = menu(&office).await;
    let expected = serde_json::json!([
        {"type": "click", "name": "马兰花开", "key": "BOOKING_ACTIVITY_gala"}
    ]);
    assert_eq!(full["button"][1]["sub_button"], expected);

    // A sale that cannot be read hides no other, but does not go unnoticed.
    let key = format!("{}{{plain}}:sale:plain", office.world.prefix);
    let _: u64 = office.world.run(&["HSET", &key, "added", "many"]).await;
    let (rest, code) = menu(&office).await;
    assert_eq!(
        (rest["button"][1]["sub_button"].clone(), code),
        (expected, Some(1))
    );
    let _: u64 = office.world.run(&["HSET", &key, "added", "1"]).await;
    office.close(&[&sale, &over, &plain]).await;
}
