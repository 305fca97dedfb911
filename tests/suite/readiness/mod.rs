//! The questions to Redis before anything is sold, and what follows from the answers.

mod cluster;
mod commands;
mod compatible;
mod data_version;
mod eviction;
mod hidden;
mod latency;
mod permissions;

use std::process::Output;

use seckill::config::{Config, RedisUrl};
use seckill::store::server::permissions::{COMMANDS, Command, User};
use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::process::program;
use crate::support::redis::{PrivateRedis, World};

const USER: &str = "shop";
const PASSWORD: &str = "secret";

/// A Redis of its own, with a user whose rights change.
struct Guarded {
    redis: PrivateRedis,
    /// Sees everything, as the default user.
    world: World,
}

impl Guarded {
    /// The user has these rules from the start.
    async fn start(rules: &[&str]) -> Self {
        let redis = PrivateRedis::durable();
        let world = World::at(redis.url()).await;
        let mut guarded = Self { redis, world };
        let password = format!(">{PASSWORD}");
        guarded.set_user(&["on", &password]).await;
        guarded.set_user(rules).await;
        guarded
    }

    async fn set_user(&mut self, rules: &[&str]) {
        let () = self
            .world
            .run(&[&["ACL", "SETUSER", USER], rules].concat())
            .await;
    }

    fn url(&self) -> RedisUrl {
        self.redis.user_url(USER, PASSWORD)
    }

    /// A server that is this user.
    async fn app(&self, change: impl FnOnce(&mut Config)) -> TestApp {
        let with_user = |config: &mut Config| {
            config.redis.url = Some(self.url());
            change(config);
        };
        TestApp::with(&self.world, with_user).await
    }

    /// Runs a command of the program as this user.
    fn seckill(&self, line: &str) -> Output {
        seckill(&self.url(), &self.world.prefix, line)
    }

    fn doctor(&self) -> Doctor {
        Doctor::at(&self.url(), &self.world.prefix, &[])
    }
}

fn seckill(url: &RedisUrl, prefix: &str, line: &str) -> Output {
    let mut command = program();
    command.args([
        "--redis-url",
        url.expose(),
        "--set",
        &format!("redis.prefix={prefix}"),
    ]);
    command
        .args(line.split(' '))
        .current_dir(std::env::temp_dir());
    command.output().expect("the program runs")
}

/// What the doctor found.
struct Doctor {
    findings: Vec<Value>,
    exit_code: Option<i32>,
}

impl Doctor {
    fn at(url: &RedisUrl, prefix: &str, settings: &[&str]) -> Self {
        let settings: String = settings.iter().map(|s| format!("--set {s} ")).collect();
        let output = seckill(url, prefix, &format!("{settings}doctor --json"));
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let findings = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{said}"));
        Self {
            findings,
            exit_code: output.status.code(),
        }
    }

    /// Grade and words of each finding about this.
    fn about(&self, what: &str) -> Vec<(String, String)> {
        let found = self.findings.iter().filter(|f| f["what"] == what);
        let word = |f: &Value, name: &str| f[name].as_str().unwrap_or_default().to_owned();
        found
            .map(|f| (word(f, "grade"), word(f, "found")))
            .collect()
    }

    /// The one finding about this.
    fn finding(&self, what: &str) -> (String, String) {
        let mut found = self.about(what);
        assert_eq!(found.len(), 1, "{what}: {:?}", self.findings);
        found.remove(0)
    }
}

/// The commands that scripts need, and the others.
fn commands(of_scripts: bool) -> impl Iterator<Item = &'static Command> {
    COMMANDS
        .iter()
        .filter(move |c| (c.user == User::Scripts) == of_scripts)
}
