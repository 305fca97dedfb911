//! A Redis that evicts keys when it is full loses sales and orders, so the server is not ready.

use super::{Doctor, PASSWORD, USER};
use crate::support::app::TestApp;
use crate::support::redis::{PrivateRedis, World};
use crate::support::wechat;

#[tokio::test]
async fn a_policy_that_drops_our_keys_is_not_ready() {
    let redis = PrivateRedis::durable();
    let mut world = World::at(redis.url()).await;
    let app = TestApp::start(&world).await;
    let office = TestApp::with(&world, wechat::open).await;
    // What CONFIG hides, INFO says.
    let hidden = redis.user_url(USER, PASSWORD);
    let password = format!(">{PASSWORD}");
    let () = world
        .run(&[
            "ACL", "SETUSER", USER, "on", &password, "+@all", "-config", "~*",
        ])
        .await;
    let limited = TestApp::with(&world, |config| config.redis.url = Some(hidden.clone())).await;
    let token = format!("wechat.token={}", wechat::TOKEN);
    for (limit, policy, of_app, of_office) in [
        ("1gb", "noeviction", "ok", "ok"),
        ("1gb", "allkeys-lru", "WRONG", "WRONG"),
        ("1gb", "allkeys-random", "WRONG", "WRONG"),
        ("1gb", "volatile-lru", "warning", "WRONG"),
        ("1gb", "volatile-ttl", "warning", "WRONG"),
        // It is never full.
        ("0", "allkeys-lfu", "ok", "ok"),
        ("0", "volatile-lru", "ok", "ok"),
    ] {
        let () = world.run(&["CONFIG", "SET", "maxmemory", limit]).await;
        let () = world
            .run(&["CONFIG", "SET", "maxmemory-policy", policy])
            .await;
        for (app, url, grade, settings) in [
            (&app, &world.url, of_app, &[][..]),
            (&limited, &hidden, of_app, &[]),
            (&office, &world.url, of_office, &[&*token]),
        ] {
            let ready = app.operator().get("/readyz").await;
            let expected = if grade == "WRONG" { 503 } else { 200 };
            assert_eq!(ready.status, expected, "{limit} {policy}: {}", ready.body);
            assert!(
                expected == 200 || ready.body.contains(policy),
                "{}",
                ready.body
            );
            let doctor = Doctor::at(url, &world.prefix, settings);
            let (found, words) = doctor.finding("memory");
            assert_eq!(found, grade, "{limit} {policy}: {words}");
        }
    }
    app.stop().await;
    limited.stop().await;
    office.stop().await;
}
