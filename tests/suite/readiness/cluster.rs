//! A node of a Redis Cluster holds only a part of the data, so nothing is sold from it.

use std::time::Instant;

use seckill::config::RedisUrl;
use seckill::private_redis::Options;

use super::{Doctor, seckill};
use crate::support::PATIENCE;
use crate::support::app::TestApp;
use crate::support::process::free_address;
use crate::support::redis::{PrivateRedis, World};

/// A node that owns these slots.
async fn node(slots: [&str; 2]) -> (PrivateRedis, RedisUrl, World) {
    let address = free_address();
    let port = address.port().to_string();
    let bus = free_address().port().to_string();
    let arguments = [
        ["--port", &port],
        ["--bind", "127.0.0.1"],
        ["--cluster-enabled", "yes"],
        ["--cluster-port", &bus],
        ["--cluster-require-full-coverage", "no"],
    ];
    let redis = PrivateRedis::start(Options {
        extra: arguments
            .as_flattened()
            .iter()
            .map(|&word| word.to_owned())
            .collect(),
        ..Options::default()
    });
    let mut world = World::at(redis.url()).await;
    let () = world
        .run(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]])
        .await;
    let since = Instant::now();
    while !world
        .run::<String>(&["CLUSTER", "INFO"])
        .await
        .contains("cluster_state:ok")
    {
        assert!(since.elapsed() < PATIENCE, "the node does not begin");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    (redis, RedisUrl::new(format!("redis://{address}")), world)
}

#[tokio::test]
async fn a_node_is_refused_with_the_address_that_is_needed() {
    // The slot of the probe is 8025: the first node owns it, the second does not.
    for slots in [["0", "16383"], ["0", "8000"]] {
        let (_redis, url, world) = node(slots).await;
        let with_node = |config: &mut seckill::config::Config| config.redis.url = Some(url.clone());
        let app = TestApp::with(&world, with_node).await;
        let place = url.expose().trim_start_matches("redis://");
        let needed = format!("redis+cluster://{place}");
        let ready = app.operator().get("/readyz").await;
        assert_eq!(ready.status, 503, "{slots:?}");
        assert!(ready.body.contains(&needed), "{slots:?}: {}", ready.body);
        for goods in ["spring", "autumn", "a", "b"] {
            assert_eq!(
                app.buyer.code("/incr", goods, "x", "1").await,
                "busy",
                "{goods}"
            );
        }
        let doctor = Doctor::at(&url, &world.prefix, &[]);
        let (grade, found) = doctor.finding("mode");
        assert_eq!((grade.as_str(), doctor.exit_code), ("WRONG", Some(1)));
        assert!(found.contains(&needed), "{found}");
        let put = seckill(&url, &world.prefix, "sale put spring --kind list");
        let said = String::from_utf8_lossy(&put.stderr);
        assert!(
            said.contains(&needed) && said.lines().count() == 1,
            "{said}"
        );
        app.stop().await;
    }
}
