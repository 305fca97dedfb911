//! What the log tells of a change by an operator.

use super::PUT_A;
use crate::support::operator::{Operator, TOKEN};
use crate::support::process::ServerProcess;
use crate::support::table::rows;

/// Request for sale a, body, what the log says of it.
const CHANGES: &str = r#"
    PUT           {"kind":"list","title":"\u202e春"}  \
        asked=kind list, title "\u{202e}春" became="created"
    PUT           {"purchase_max":7}    asked=purchase_max 7 became="updated"
    PUT           {"opens_at":5,"closes_at":null,"hold":"15m","feed":false}  \
        asked=opens_at 1970-01-01T00:00:05Z, closes_at -, hold 15m, feed off became="updated"
    PUT           {"kind":"counter"}    asked=kind counter became="kind_is_fixed"
    POST /stock   {"count":7}           units added over HTTP
    POST /stock   {"remove":6}          units removed over HTTP
    POST /pause   ""                    asked=paused on became="paused"
    POST /resume  ""                    asked=paused off became="resumed"
"#;

#[tokio::test]
async fn every_change_is_logged_with_who_and_what() {
    let token = format!("admin.token={TOKEN}");
    let (server, record) = ServerProcess::apart(&["--set", &token]).await;
    let operator = Operator::new(&server.buyer, TOKEN);
    for row in rows(CHANGES) {
        let [request, body, line] = row.cells();
        let (method, path) = request.split_once(' ').unwrap_or((request, ""));
        let before = record.logged().lines().count();
        let path = format!("{PUT_A}{path}");
        operator.json(method, &path, body).await;
        let logged = record.logged_after(before).await;
        for words in [line, " INFO ", "sale=a", "127.0.0.1:"] {
            assert!(logged.contains(words), "{words:?} is not in {logged}");
        }
        for dump in ["Some(", "Ok(", "Err(", "None", "SaleEdit"] {
            assert!(!logged.contains(dump), "{dump:?} is in {logged}");
        }
    }
    let looked = record.logged();
    for path in ["/admin/sales/a/audit", "/admin/sales/a/orders"] {
        assert_eq!(operator.get(path).await.status, 200);
    }
    assert_eq!(record.logged(), looked, "looking changes nothing");
    for text in [record.logged(), record.printed()] {
        assert!(!text.contains(TOKEN), "the token is shown: {text}");
        assert!(!text.contains("Authorization"), "{text}");
    }
}
