//! The settings. They come from built-in defaults, then `seckill.toml` (or `--config FILE`), then
//! `SECKILL__SECTION__KEY` in the environment, then flags. They are read once, at the start.

mod duration;
mod memory;
mod networks;
mod redis;
mod relay;
pub mod secret;
mod token;
mod wechat;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use self::memory::MemoryMax;
pub use self::networks::Networks;
pub use self::token::AdminToken;
use crate::domain::durability::Durability;
use crate::domain::ids::SaleId;
use crate::error::{Error, Result};

pub use self::redis::{OnForgot, Redis, RedisAccess, RedisUrl};
pub use self::relay::{Relay, Secret, Webhook};
pub use self::wechat::{NumberPattern, Site, Wechat};

/// The file that is read when none is named, if it exists.
const FILE_DEFAULT: &str = "seckill.toml";
/// Prefix of the variables of the environment, before the first `__`.
const ENV_PREFIX: &str = "SECKILL";

/// Most worker threads.
const WORKERS_MAX: usize = 1024;
/// Longest time between the signal to stop and the stop.
const DRAIN_MAX: Duration = Duration::from_secs(3600);
/// Shortest operators' token, and the advised length, of a server that other machines can reach.
/// A token below the first stops the start; one below the second gets a warning.
const TOKEN_CHARS_MIN: usize = 16;
const TOKEN_CHARS_ADVISED: usize = 32;

/// Every setting of the program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP server.
    pub http: Http,
    /// The Redis that keeps everything.
    pub redis: Redis,
    /// Where the private Redis keeps its data, when no `redis.url` is set: `./data`.
    pub data_dir: PathBuf,
    /// What an acknowledged order must survive; none: what the connected Redis offers.
    #[serde(deserialize_with = "durability")]
    pub durability: Option<Durability>,
    /// The sales of the buying endpoints when a request names none.
    pub doors: Doors,
    /// The operators' token.
    pub admin: Admin,
    /// The delivery of the feed.
    pub relay: Relay,
    /// The ticket office of an official account.
    pub wechat: Wechat,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port to listen on: `127.0.0.1:8080`. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Another address, for operators: then only that one has `/admin` and `/metrics`. None: they
    /// are at `listen`.
    pub admin_listen: Option<SocketAddr>,
    /// Worker threads: one for each core.
    pub workers: usize,
    /// Connections that may wait to be accepted: 4096. The kernel's somaxconn caps it.
    pub backlog: u32,
    /// Connections that one address may have, over all workers; none: no limit.
    pub connections_per_address: Option<u32>,
    /// Proxies in front of this server: their connections carry many clients.
    pub trusted_proxies: Networks,
    /// Answer refusals with 4xx instead of 200: false.
    pub strict_status: bool,
    /// How long the server goes on serving after TERM, while `/readyz` fails: 0 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub drain: Duration,
}

/// `[doors]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Doors {
    /// Default sale of `POST /seckill`: `a`.
    #[serde(deserialize_with = "sale_id")]
    pub seckill: SaleId,
    /// Default sale of `POST /incr`: `b`.
    #[serde(deserialize_with = "sale_id")]
    pub incr: SaleId,
}

/// `[admin]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The operators' token; none: a random one for each run of the server.
    #[serde(deserialize_with = "token::deserialize")]
    pub token: Option<AdminToken>,
    /// File with that token, read at the start.
    pub token_file: Option<PathBuf>,
}

impl Admin {
    /// True if the token is shorter than advised and other machines can try to guess it.
    pub fn has_short_token(&self, http: &Http) -> bool {
        let token = self.token.as_ref().map(|token| token.expose().len());
        token.is_some_and(|chars| chars < TOKEN_CHARS_ADVISED) && !http.is_loopback()
    }

    /// What is wrong with it, for a server that listens at these addresses.
    fn wrong(&self, http: &Http) -> Option<&'static str> {
        let token = self.token.as_ref().map(|token| token.expose().len());
        let is_short = token.is_some_and(|chars| chars < TOKEN_CHARS_MIN);
        (is_short && !http.is_loopback()).then_some(
            "admin.token is too short, because other machines reach this server (http.listen, \
             http.admin_listen): it must have at least 16 characters; 32 random ones are better",
        )
    }
}

impl Http {
    /// True if only this machine reaches both addresses. Orders take the operators' token at both.
    fn is_loopback(&self) -> bool {
        let mut addresses = [Some(self.listen), self.admin_listen].into_iter().flatten();
        addresses.all(|address| address.ip().to_canonical().is_loopback())
    }

    /// True if the operators' address is the public one. Port 0 is a different port each time.
    fn is_one_address(&self) -> bool {
        self.admin_listen == Some(self.listen) && self.listen.port() != 0
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http::default(),
            redis: Redis::default(),
            data_dir: PathBuf::from("data"),
            durability: None,
            doors: Doors::default(),
            admin: Admin::default(),
            relay: Relay::default(),
            wechat: Wechat::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            backlog: 4096,
            connections_per_address: None,
            trusted_proxies: Networks::default(),
            strict_status: false,
            drain: Duration::ZERO,
        }
    }
}

impl Default for Doors {
    fn default() -> Self {
        let sale = |id| SaleId::parse(id).expect("a built-in id is valid");
        Self {
            seckill: sale("a"),
            incr: sale("b"),
        }
    }
}

impl Config {
    /// Reads all layers. `file` is `--config`; `flags` are `(key, value)` such as
    /// `("http.listen", "0.0.0.0:80")` and win over everything.
    ///
    /// # Errors
    /// [`Error::Config`] names the key or file and what is wrong with it.
    pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Self> {
        let file = match file {
            Some(path) => config::File::from(path),
            None => config::File::from(Path::new(FILE_DEFAULT)).required(false),
        };
        let environment = config::Environment::with_prefix(ENV_PREFIX)
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true);
        let mut layers = config::Config::builder()
            .add_source(file.format(config::FileFormat::Toml))
            .add_source(environment);
        for (key, value) in flags {
            let failed = |e| Error::Config(format!("--set {key}: {e}"));
            layers = layers.set_override(key, value.as_str()).map_err(failed)?;
            if let Some(replaced) = secret::replaced_by(key) {
                let nothing = None::<String>;
                layers = layers.set_override(replaced, nothing).map_err(failed)?;
            }
        }
        let settings: Self = layers
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|e| Error::Config(format!("configuration: {e}")))?;
        settings.with_secrets()?.checked()
    }

    /// The same with the secrets from their files.
    fn with_secrets(mut self) -> Result<Self> {
        let token = |text: &str| AdminToken::parse(text).map_err(str::to_owned);
        let any = |text: &str| Ok(Secret::new(text));
        let (admin, wechat, relay) = (&mut self.admin, &mut self.wechat, &mut self.relay);
        let file = admin.token_file.as_deref();
        admin.token = secret::from_either("admin.token", admin.token.take(), file, token)?;
        let file = wechat.token_file.as_deref();
        wechat.token = secret::from_either("wechat.token", wechat.token.take(), file, any)?;
        let file = relay.secret_file.as_deref();
        relay.secret = secret::from_either("relay.secret", relay.secret.take(), file, any)?;
        Ok(self)
    }

    fn checked(self) -> Result<Self> {
        let wrong = if !(1..=WORKERS_MAX).contains(&self.http.workers) {
            "http.workers must be from 1 to 1024"
        } else if self.http.backlog == 0 {
            "http.backlog is 0: it must be at least 1"
        } else if self.http.connections_per_address == Some(0) {
            "http.connections_per_address is 0: it must be at least 1"
        } else if self.http.is_one_address() {
            "http.admin_listen is the same as http.listen: choose another port, or leave it out"
        } else if self.http.drain > DRAIN_MAX {
            "http.drain must be at most 1h"
        } else if let Some(wrong) = self.redis.wrong() {
            wrong
        } else if self.redis.url.is_none() && self.durability.is_some_and(Durability::waits) {
            "durability replicated:K and replicated:all need a Redis with replicas, and the \
             private one has none: set redis.url to a Redis with replicas, or durability to fsync"
        } else if let Some(wrong) = self.relay.wrong().or_else(|| self.wechat.wrong()) {
            wrong
        } else if let Some(wrong) = self.admin.wrong(&self.http) {
            wrong
        } else {
            return Ok(self);
        };
        Err(Error::Config(wrong.to_owned()))
    }
}

fn durability<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Durability>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let level = Durability::parse(&text);
    level
        .map(Some)
        .map_err(|e| serde::de::Error::custom(format!("{text:?}: {e}")))
}

fn sale_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SaleId, D::Error> {
    let text = String::deserialize(deserializer)?;
    SaleId::parse(&text).map_err(|e| serde::de::Error::custom(format!("{text:?}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, flags: &[(&str, &str)]) -> Result<Config> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), toml).expect("written");
        let flags: Vec<_> = flags
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Config::load(Some(file.path()), &flags)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let toml = "data_dir = '/x'\n[http]\nlisten = '127.0.0.1:1'\nworkers = 3\n[redis]\ntimeout = '250ms'";
        let config = load(
            toml,
            &[
                ("http.listen", "127.0.0.1:2"),
                ("http.strict_status", "true"),
            ],
        )
        .expect("valid");
        assert_eq!(config.http.listen, SocketAddr::from(([127, 0, 0, 1], 2)));
        assert_eq!((config.http.workers, config.http.strict_status), (3, true));
        assert_eq!(config.redis.timeout, Duration::from_millis(250));
        assert_eq!(config.redis.prefix, "seckill:");
        assert_eq!(config.doors.incr.as_str(), "b");
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (toml, named) in [
            ("htpp = 1", "htpp"),
            ("[http]\nlisten = 'here'", "http.listen"),
            ("[http]\nworkers = 0", "http.workers"),
            ("[http]\nworker = 1", "worker"),
            ("[http]\nbacklog = -1", "http.backlog"),
            (
                "[http]\nconnections_per_address = 0",
                "http.connections_per_address",
            ),
            (
                "[http]\ntrusted_proxies = ['10.0.0.0/8', 'home']",
                "\"home\" is not",
            ),
            ("[redis]\ntimeout = 'soon'", "redis.timeout"),
            ("[redis]\ntimeout = '0s'", "redis.timeout"),
            ("[redis]\ntimeout = '100000000000000h'", "redis.timeout"),
            ("[http]\nworkers = 5000000", "http.workers"),
            ("[redis]\nprefix = '{x}'", "redis.prefix"),
            ("[redis]\non_forgot = 'go'", "on_forgot"),
            ("[redis]\npassword_file = '/x'", "redis.password_file"),
            ("[redis]\ntls_ca = '/x'", "redis.tls_ca"),
            ("[redis]\nurl = 'redis://x'\ntls_ca = '/x'", "rediss://"),
            (
                "[redis]\nurl = 'rediss://x'\ntls_key = '/x'",
                "redis.tls_cert",
            ),
            ("[http]\ndrain = '2h'", "http.drain"),
            ("[doors]\nseckill = 'A B'", "doors.seckill"),
            ("durability = 'disk'", "durability"),
            ("durability = 'replicated:1'", "redis.url"),
            ("durability = 'replicated:all'", "redis.url"),
            ("[redis]\nreplica_gone = '999ms'", "redis.replica_gone"),
            ("[redis]\nreplica_gone = '25h'", "redis.replica_gone"),
            ("[admin]\ntoken = ''", "admin.token"),
            ("[admin]\ntoken = 'hunter 2'", "admin.token"),
            ("[admin]\ntoken = 'hunter2\u{e9}'", "admin.token"),
            ("[admin]\ntokens = 'hunter2'", "tokens"),
            (
                "http.listen = '[::]:80'\nadmin.token = 'hunter2-hunter2'",
                "at least 16",
            ),
            (
                "http.admin_listen = '[::]:80'\nadmin.token = 'hunter2-hunter2'",
                "at least 16",
            ),
            ("http.admin_listen = 'here'", "admin_listen"),
            ("http.admin_listen = '127.0.0.1:8080'", "http.admin_listen"),
            ("[relay]\nwebhok = 'http://x'", "webhok"),
            ("[relay]\nwebhook = 'http://x'", "relay.secret"),
            ("[relay]\nsecret = 'short'", "relay.secret"),
            ("[relay]\nbatch_max = 0", "relay.batch_max"),
            ("[relay]\nattempts_max = 0", "relay.attempts_max"),
            ("[relay]\ntimeout = '2m'", "relay.timeout"),
            ("[relay]\ntimeout = '30s'", "relay.takeover"),
            ("[wechat]\ntoken = 'x'", "wechat.token"),
            ("[wechat]\ntoken = 'a hunter'", "wechat.token"),
            ("[wechat]\nsite = 'here'", "wechat.site"),
            ("[wechat]\nnumber_pattern = '('", "wechat.number_pattern"),
            ("[wechat]\nname = ''", "wechat.name"),
            ("[wechat]\nignore_signature = 'maybe'", "ignore_signature"),
            ("[http", "TOML"),
        ] {
            let error = load(toml, &[]).expect_err(toml).to_string();
            assert!(error.contains(named), "{toml:?} gives {error:?}");
            assert!(!error.contains("hunter"), "{toml:?} gives {error:?}");
        }
    }

    /// The names that a section takes, as the error of an unknown one lists them.
    fn keys(section: &str) -> Vec<String> {
        let header = if section.is_empty() {
            String::new()
        } else {
            format!("[{section}]\n")
        };
        let error = load(&format!("{header}no_such_key = 1"), &[]).expect_err("unknown");
        let error = error.to_string();
        let listed = error.split("expected").nth(1).unwrap_or_default();
        let names = listed.split('`').skip(1).step_by(2);
        // The section itself stands at the end.
        let names = names.filter(|&name| name != section);
        names.map(str::to_owned).collect()
    }

    #[test]
    fn the_example_has_every_setting_and_its_values_are_valid() {
        let example = include_str!("../../config.example.toml");
        let (mut section, mut told) = (String::new(), Vec::new());
        for line in example.lines() {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                name.clone_into(&mut section);
                continue;
            }
            let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            let Some((key, value)) = setting.and_then(|setting| setting.split_once(" = ")) else {
                continue;
            };
            told.push((section.clone(), key.to_owned()));
            let header = if section.is_empty() {
                String::new()
            } else {
                format!("[{section}]\n")
            };
            if value == "\"...\"" || key.ends_with("_file") || key.starts_with("tls_") {
                continue;
            }
            // Some settings are only taken together with others.
            let loaded = load(&format!("{header}{key} = {value}"), &[]);
            let together = ["webhook", "url"].contains(&key);
            assert!(loaded.is_ok() || together, "{key} = {value}: {loaded:?}");
        }
        let sections = ["http", "redis", "doors", "admin", "relay", "wechat"];
        let top = keys("")
            .into_iter()
            .filter(|key| !sections.contains(&key.as_str()));
        let mut expected: Vec<_> = top.map(|key| (String::new(), key)).collect();
        for section in sections {
            expected.extend(
                keys(section)
                    .into_iter()
                    .map(|key| (section.to_owned(), key)),
            );
        }
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_redis_that_may_have_replicas_may_be_asked_for_them() {
        for (text, level) in [
            ("replicated:1", Durability::Replicated(1)),
            ("replicated:all", Durability::ReplicatedAll),
        ] {
            let toml = format!("durability = '{text}'\n[redis]\nurl = 'redis://localhost'");
            let config = load(&toml, &[]).expect("valid");
            assert_eq!(config.durability, Some(level));
            assert_eq!(config.redis.replica_gone, Duration::from_secs(60));
        }
    }

    #[test]
    fn a_missing_file_is_an_error_only_when_it_was_named() {
        let error = Config::load(Some(Path::new("/no/such.toml")), &[]).expect_err("missing");
        assert!(error.to_string().contains("/no/such.toml"), "{error}");
        assert!(Config::load(None, &[]).is_ok());
    }

    #[test]
    fn a_token_is_never_printed_and_a_random_one_is_long() {
        let config = load("[admin]\ntoken = 'hunter2'", &[]).expect("valid");
        assert_eq!(config.admin.token, AdminToken::parse("hunter2").ok());
        assert!(!format!("{config:?}").contains("hunter2"));
        let (one, other) = (AdminToken::random(), AdminToken::random());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 40);
        assert_eq!(AdminToken::parse(one.expose()), Ok(one));
    }
}
