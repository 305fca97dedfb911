//! A Redis that somebody else runs: TCP, password, database, TLS; and that restarts.

use std::path::Path;

use seckill::config::RedisUrl;
use seckill::domain::sale::StockKind;
use seckill::error::Error;
use seckill::private_redis::Options;
use seckill::store::Store;

use crate::support::app::TestApp;
use crate::support::process::free_address;
use crate::support::redis::{PrivateRedis, World};

fn with_arguments(arguments: &[&str]) -> PrivateRedis {
    let extra = arguments
        .iter()
        .map(|&argument| argument.to_owned())
        .collect();
    PrivateRedis::start(Options {
        extra,
        ..Options::default()
    })
}

/// Sells one unit through a server at `url`.
async fn assert_sells(url: &str) {
    let world = World::at(RedisUrl::new(url)).await;
    let sale = world.sale("a", StockKind::List, 1).await;
    let app = TestApp::start(&world).await;
    assert_eq!(app.operator().get("/readyz").await.status, 200, "{url}");
    assert_eq!(
        app.buyer.code("/seckill", "a", "x", "1").await,
        "grabbed",
        "{url}"
    );
    assert_eq!(
        app.buyer.code("/seckill", "a", "y", "1").await,
        "sold_out",
        "{url}"
    );
    world.assert_holds(&sale).await;
    app.stop().await;
}

#[tokio::test]
async fn tcp_with_user_password_and_database() {
    let port = free_address().port().to_string();
    let acl = ["--user", "shop", "on", ">secret", "~*", "&*", "+@all"];
    let redis = with_arguments(&[&["--port", &port, "--bind", "127.0.0.1"], &acl[..]].concat());
    assert_sells(&format!("redis://shop:secret@127.0.0.1:{port}/3")).await;
    let mut world = World::at(redis.url()).await;
    let keys: i64 = world.run(&["DBSIZE"]).await;
    assert_eq!(keys, 0, "everything is in the database that was named");
    let _: () = world.run(&["SELECT", "3"]).await;
    let keys: i64 = world.run(&["DBSIZE"]).await;
    assert!(keys > 0);
}

#[tokio::test]
async fn a_wrong_password_is_not_an_unknown_outcome() {
    let port = free_address().port().to_string();
    let acl = ["--user", "shop", "on", ">secret", "~*", "&*", "+@all"];
    let _redis = with_arguments(&[&["--port", &port, "--bind", "127.0.0.1"], &acl[..]].concat());
    let world = World::new().await;
    let url = format!("redis://shop:wrong@127.0.0.1:{port}/");
    let app = TestApp::with(&world, |config| config.redis.url = Some(RedisUrl::new(url))).await;
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "busy");
    let ready = app.operator().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        !ready.body.contains("wrong"),
        "a password leaked: {}",
        ready.body
    );
    app.stop().await;
}

#[tokio::test]
async fn unix_socket_with_database() {
    let redis = PrivateRedis::durable();
    assert_sells(&format!("{}?db=2", redis.url().expose())).await;
}

#[tokio::test]
async fn tls() {
    let folder = tempfile::tempdir().expect("folder");
    certificate(folder.path());
    let file = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a plain path")
            .to_owned()
    };
    let port = free_address().port().to_string();
    let (key, certificate) = (file("server.key"), file("server.crt"));
    let _redis = with_arguments(&[
        "--tls-port",
        &port,
        "--bind",
        "127.0.0.1",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ]);
    // The certificate is trusted by one program only, through its environment.
    let seckill = |arguments: &[&str], trust: bool| {
        let mut command = crate::support::process::program();
        command
            .args(["--redis-url", &format!("rediss://localhost:{port}/")])
            .args(arguments);
        command.env("SSL_CERT_FILE", if trust { &certificate } else { &key });
        command
            .current_dir(folder.path())
            .output()
            .expect("the program runs")
    };
    let put = seckill(&["sale", "put", "a", "--kind", "list"], true);
    assert!(
        put.status.success(),
        "{}",
        String::from_utf8_lossy(&put.stderr)
    );
    let add = seckill(&["stock", "add", "a", "--count", "2"], true);
    assert!(String::from_utf8_lossy(&add.stdout).contains("2 left"));
    let stranger = seckill(&["sale", "show", "a"], false);
    assert_eq!(
        stranger.status.code(),
        Some(3),
        "an unknown authority is not trusted"
    );
}

/// A certificate for localhost that is its own authority.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    std::fs::write(folder.join("server.crt"), made.cert.pem()).expect("written");
    std::fs::write(folder.join("server.key"), made.signing_key.serialize_pem()).expect("written");
}

#[test]
fn a_wrong_address_is_named_without_its_password() {
    for url in [
        "localhost:6379",
        "http://:hunter2@localhost",
        "redis+cluster://:hunter2@x",
        "redis://:hunter2@[x",
    ] {
        let built = Store::new(&RedisUrl::new(url), "x:", std::time::Duration::from_secs(1));
        match built.err() {
            Some(Error::Config(message)) => {
                assert!(message.contains("redis.url"), "{message}");
                assert!(!message.contains("hunter2"), "{message}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}
