//! `seckill order …` and `seckill orders`.

use std::collections::HashSet;
use std::process::Stdio;

use seckill::domain::sale::{Door, StockKind};
use serde_json::Value;

use super::Shop;
use crate::support::orders::new_order_id;

#[tokio::test]
async fn an_order_is_shown_and_led_through_its_life() {
    let (shop, world) = Shop::with_world().await;
    let sale = world.held_sale("spring.tea", StockKind::List, 5).await;
    let id = world.granted(&sale, "秒杀 x", 2).await;
    let of = |line: &str| line.replace("ORDER", id.as_str());
    let shown = shop.ok(&of("order show ORDER"));
    for words in [id.as_str(), "held", "秒杀 x", "2 of spring.tea: sn-1, sn-2"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    let refused = shop.fails(&of("order use ORDER"), 1);
    assert!(refused.contains("confirm it first"), "{refused}");
    assert_eq!(
        shop.ok(&of("order confirm ORDER")),
        format!("confirmed order {id}\n")
    );
    let again = shop.json(&of("order confirm ORDER"));
    assert_eq!(
        (&again["result"], &again["state"]),
        (&"already_confirmed".into(), &"confirmed".into())
    );
    // The whole sentence: an order's id is random, and may spell any word that is looked for in it.
    assert_eq!(
        shop.fails(&of("order cancel ORDER"), 1),
        format!(
            "seckill: order {id} is confirmed, and its sale does not take confirmed orders back, \
             or not any more (see `cancel until` in `seckill sale show`)\n"
        )
    );
    assert_eq!(shop.json(&of("order use ORDER"))["result"], "used");
    let order = world.order(&id).await;
    let expected = format!(
        concat!(
            "{{\"order\":\"{}\",\"state\":\"used\",\"username\":\"秒杀 x\",\"created_at\":{},",
            "\"changed_at\":{},\"lines\":[{{\"goods\":\"spring.tea\",\"purchase\":2,",
            "\"units\":[\"sn-1\",\"sn-2\"]}}]}}\n"
        ),
        id,
        order.created_at,
        order.changed_at.expect("a time"),
    );
    assert_eq!(shop.ok(&of("order show ORDER --json")), expected);

    let dead = world.granted(&sale, "y", 1).await;
    let of = |line: &str| line.replace("ORDER", dead.as_str());
    assert_eq!(
        shop.ok(&of("order cancel ORDER")),
        format!("cancelled order {dead}\n")
    );
    let refused = shop.fails(&of("order confirm ORDER"), 1);
    assert!(refused.contains("was cancelled at"), "{refused}");
    assert!(refused.contains("refund"), "{refused}");
    let nobody = "spring-abcdfabcdfabcdfabcdf";
    for line in ["show", "confirm", "cancel", "use"] {
        let refused = shop.fails(&format!("order {line} {nobody}"), 1);
        assert!(
            refused.contains(&format!("there is no order {nobody}")),
            "{refused}"
        );
        shop.fails("order show spring.tea", 2);
    }
}

#[tokio::test]
async fn the_orders_of_a_sale_are_printed_page_by_page() {
    let (shop, mut world) = Shop::with_world().await;
    let tea = world.held_sale("spring.tea", StockKind::List, 3000).await;
    let cup = world.sale("spring.cup", StockKind::Counter, 5).await;
    let buyers: Vec<String> = (0..2500).map(|n| format!("user,\"{n}\"")).collect();
    for some in buyers.chunks(500) {
        let asks: Vec<_> = some.iter().map(|user| (user.as_str(), 1)).collect();
        world.grab_all(&tea, Door::Seckill, &asks).await;
    }
    world.granted(&cup, "another", 2).await;
    let printed = shop.ok("orders spring.tea");
    let orders = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let names: HashSet<String> = orders
        .map(|order: Value| order["username"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, buyers.iter().cloned().collect());

    let printed = shop.ok("orders spring.cup --format csv");
    let [head, row] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed}");
    };
    assert_eq!(
        head,
        "order,state,username,created_at,deadline,changed_at,request_id,goods,purchase,units,requested,bonus,paid,filled"
    );
    assert!(row.contains(",confirmed,another,"), "{row}");
    assert!(row.ends_with(",,,,spring.cup,2,,,,,"), "{row}");
    let printed = shop.ok("orders spring.tea --format csv");
    assert_eq!(printed.lines().count(), 2501);
    assert!(printed.contains("held,\"user,\"\"7\"\"\","), "quoted");

    // A reader that has seen enough is no failure.
    for format in ["ndjson", "csv"] {
        let mut command = shop.command(&format!("orders spring.tea --format {format}"));
        let mut printing = command.stdout(Stdio::piped()).spawn().expect("it runs");
        drop(printing.stdout.take());
        assert_eq!(
            printing.wait().expect("it ends").code(),
            Some(0),
            "{format}"
        );
    }

    shop.fails("orders spring.tea --format csv --json", 2);
    shop.fails("orders spring.tea --format xml", 2);
    let refused = shop.fails("orders spring.cake", 1);
    assert!(
        refused.contains("there is no sale spring.cake"),
        "{refused}"
    );
    let lost = new_order_id(&tea);
    world.write_record(&lost, "held").await;
    let said = shop.fails("orders spring.cup", 1);
    assert!(said.contains(lost.as_str()), "{said}");
}
