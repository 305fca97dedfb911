//! At `replicated` every change is answered when replicas have it, over HTTP and on the command
//! line. Where there are none, nobody hears that anything was done.

use std::time::Duration;

use seckill::domain::durability::Durability;
use seckill::failure::Failure;
use seckill::store::Store;

use crate::support::app::TestApp;
use crate::support::changes::Shop;
use crate::support::process::seckill;
use crate::support::redis::{PrivateRedis, World};

/// Replicas that are not there are waited for this long.
const TIMEOUT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_over_http_is_done_without_replicas() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let shop = Shop::stock(&world).await;
    for (level, done) in [
        (Durability::Replicated(1), false),
        (Durability::Memory, true),
    ] {
        let app = TestApp::with(&world, |config| {
            config.durability = Some(level);
            config.redis.timeout = if done {
                crate::support::TIMEOUT
            } else {
                TIMEOUT
            };
        });
        let app = app.await;
        let operator = app.operator();
        for change in shop.requests() {
            let told = operator
                .json(change.method, &change.path, change.body)
                .await;
            let code = told.json()["code"].as_str().unwrap_or_default().to_owned();
            // The second time they were done before, or are refused.
            let holds = done == (told.status < 500) && done == (code != "unknown");
            assert!(holds, "{level}: {change:?}: {} {}", told.status, told.body);
        }
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_is_done_without_replicas() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let shop = Shop::stock(&world).await;
    let (url, prefix) = (world.url.expose().to_owned(), world.prefix.clone());
    for command in shop.commands() {
        let (url, prefix) = (url.clone(), format!("redis.prefix={prefix}"));
        let words = command.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let settings = [
                "--set",
                "durability=replicated:1",
                "--set",
                "redis.timeout=300ms",
            ];
            let at = ["--redis-url", &url, "--set", &prefix];
            seckill(&[&words[..], &at, &settings].concat())
        });
        let ran = ran.await.expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(4), "{command:?}: {said}");
        assert!(said.contains("outcome unknown"), "{command:?}: {said}");
    }
}

/// A gate closes by what it learns of the buyers, so replicas must have that, too.
#[tokio::test]
async fn no_gate_learns_what_no_replica_has() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let sale = world.sell("a", 0, 3).await;
    for (level, learned) in [
        (Durability::Replicated(1), false),
        (Durability::Memory, true),
    ] {
        let store = Store::new(&world.url, &world.prefix, TIMEOUT).expect("a store");
        let store = store.with_durability(Some(level)).expect("a store");
        let buyers = store.buyers(&sale, 10, |name| name.clone()).await;
        match buyers {
            Ok(buyers) => assert!(learned && buyers.is_some_and(|read| read.buyers.len() == 3)),
            Err(error) => assert!(!learned && matches!(error, Failure::Busy(_)), "{error}"),
        }
    }
}

/// Every path that takes something else than GET is in the list of requests, but those of the
/// ticket office: whoever adds one must say what it does without replicas.
#[tokio::test]
async fn the_list_of_requests_is_whole() {
    let world = World::new().await;
    let shop = Shop::stock(&world).await;
    let routes = include_str!("../../../src/http/routes.rs");
    let open = routes.split("fn open()").nth(1).expect("open paths");
    let open = open
        .split("/// The pages of the ticket office")
        .next()
        .expect("their end");
    let mut paths = 0;
    for route in open.split("at(\"").skip(1) {
        let (path, handlers) = route.split_once('"').expect("a path");
        for method in ["POST", "PUT", "DELETE"] {
            if handlers
                .split("at_either")
                .next()
                .is_some_and(|h| h.contains(method))
            {
                paths += 1;
                let listed = shop
                    .requests()
                    .iter()
                    .any(|change| change.method == method && is_of(path, &change.path));
                assert!(listed, "{method} {path} is in no list of changes");
            }
        }
    }
    assert!(paths >= 12, "only {paths} paths were looked at");
}

/// Whether a path is one of this template, which may stand below `/admin`.
fn is_of(template: &str, path: &str) -> bool {
    let path = path.strip_prefix("/admin").unwrap_or(path);
    let (parts, words) = (template.split('/'), path.split('/'));
    parts.clone().count() == words.clone().count()
        && parts
            .zip(words)
            .all(|(part, word)| part.starts_with('{') || part == word)
}
