//! `seckill doctor`: what is wrong with Redis and this machine, and how to mend it.

use std::process::ExitCode;

use serde_json::json;

use super::print::{Output, table};
use crate::config::Config;
use crate::domain::durability::Durability;
use crate::error::Result;
use crate::store::Store;
use crate::store::server::ServerFacts;

/// Open files that a server for a crowd should be allowed.
const OPEN_FILES_MIN: u64 = 65_536;
/// Connections that Redis should allow: every worker of every server holds one, commands a few.
const REDIS_CLIENTS_MIN: u64 = 1_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Warning,
    Wrong,
}

impl Grade {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Wrong => "WRONG",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    grade: Grade,
    found: String,
    mend: &'static str,
}

impl Finding {
    fn new(what: &'static str, grade: Grade, found: impl Into<String>, mend: &'static str) -> Self {
        let mend = if grade == Grade::Good { "" } else { mend };
        Self {
            what,
            grade,
            found: found.into(),
            mend,
        }
    }
}

/// Runs the command: exit code 1 when something is wrong.
pub async fn run(store: &Store, config: &Config, output: Output) -> Result<ExitCode> {
    let facts = store.server_facts().await?;
    let scripts = match store.sale_grab_probe().await {
        Ok(()) => Finding::new("scripts", Grade::Good, "run", ""),
        Err(error) => Finding::new(
            "scripts",
            Grade::Wrong,
            error.to_string(),
            "see the message of Redis",
        ),
    };
    let mut findings = vec![
        version(&facts),
        role(&facts),
        durability(&facts, config.durability),
        memory(&facts),
        clients(&facts),
        scripts,
    ];
    findings.extend(backlog(config.http.backlog));
    findings.extend(open_files());
    findings.extend(signatures(config));
    findings.extend(chat_token(config));
    findings.extend(chat_links(config));
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|f| {
            [f.what, f.grade.as_str(), &f.found, f.mend]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    let values: Vec<_> = findings
        .iter()
        .map(|f| json!({"what": f.what, "grade": f.grade.as_str(), "found": f.found, "mend": f.mend}))
        .collect();
    output.result(table(&rows), &json!(values))?;
    let wrong = findings.iter().any(|finding| finding.grade == Grade::Wrong);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn version(facts: &ServerFacts) -> Finding {
    let version = facts
        .info("valkey_version")
        .or_else(|| facts.info("redis_version"));
    let version = version.unwrap_or("unknown");
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    let grade = if major >= Some(7) {
        Grade::Good
    } else {
        Grade::Wrong
    };
    Finding::new(
        "version",
        grade,
        version,
        "use Redis or Valkey 7.0 or newer",
    )
}

fn role(facts: &ServerFacts) -> Finding {
    let role = facts.info("role").unwrap_or("unknown");
    let grade = if role == "master" {
        Grade::Good
    } else {
        Grade::Wrong
    };
    Finding::new(
        "role",
        grade,
        role,
        "set redis.url to the master: a replica cannot sell",
    )
}

fn durability(facts: &ServerFacts, wanted: Option<Durability>) -> Finding {
    let mend = match wanted {
        Some(Durability::Replicated(_)) => {
            "attach so many replicas to this Redis, or choose another durability"
        }
        None | Some(Durability::Memory | Durability::Fsync) => {
            "CONFIG SET appendonly yes, appendfsync always, no-appendfsync-on-rewrite no"
        }
    };
    let (grade, found) = match (facts.verify(wanted), facts.persistence()) {
        (Err(error), _) => (Grade::Wrong, error.to_string()),
        (Ok(_), None) => (
            Grade::Warning,
            "this server hides its settings: durability unknown".to_owned(),
        ),
        (Ok(Durability::Memory), Some(_)) => {
            let fsync = facts.setting("appendfsync").unwrap_or("unknown");
            let append_only = facts.setting("appendonly").unwrap_or("unknown");
            let found = format!(
                "memory: a crash may forget acknowledged orders (appendonly {append_only}, \
                 appendfsync {fsync})"
            );
            (Grade::Warning, found)
        }
        (Ok(level @ Durability::Fsync), Some(_)) => (
            Grade::Good,
            format!("{level}: orders survive kill -9 and power loss"),
        ),
        (Ok(level @ Durability::Replicated(_)), Some(_)) => (
            Grade::Good,
            format!("{level}: orders survive the loss of the master"),
        ),
    };
    Finding::new("durability", grade, found, mend)
}

fn memory(facts: &ServerFacts) -> Finding {
    let limit = facts.setting("maxmemory").unwrap_or("unknown");
    let policy = facts.setting("maxmemory-policy").unwrap_or("unknown");
    let grade = match (limit, policy) {
        (_, "noeviction") | ("0", _) => Grade::Good,
        (_, "unknown") => Grade::Warning,
        _ => Grade::Wrong,
    };
    let found = format!("maxmemory {limit}, {policy}");
    Finding::new(
        "memory",
        grade,
        found,
        "CONFIG SET maxmemory-policy noeviction, or orders are evicted",
    )
}

fn clients(facts: &ServerFacts) -> Finding {
    let limit = facts.setting("maxclients");
    let enough = limit.and_then(|limit| limit.parse::<u64>().ok()) >= Some(REDIS_CLIENTS_MIN);
    let grade = if enough { Grade::Good } else { Grade::Warning };
    let found = format!("maxclients {}", limit.unwrap_or("unknown"));
    Finding::new(
        "clients",
        grade,
        found,
        "CONFIG SET maxclients 10000; it is capped by the open files that Redis may have",
    )
}

fn backlog(wanted: u32) -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    let somaxconn: u32 = text.trim().parse().ok()?;
    let grade = if somaxconn >= wanted {
        Grade::Good
    } else {
        Grade::Warning
    };
    let found = format!("http.backlog {wanted}, kernel allows {somaxconn}");
    Some(Finding::new(
        "backlog",
        grade,
        found,
        "sysctl net.core.somaxconn to at least http.backlog",
    ))
}

fn signatures(config: &Config) -> Option<Finding> {
    config.wechat.token.as_ref()?;
    let (grade, found) = if config.wechat.is_unguarded() {
        (Grade::Wrong, "messages at /wechat are taken from anybody")
    } else {
        (Grade::Good, "messages at /wechat are checked")
    };
    Some(Finding::new(
        "signatures",
        grade,
        found,
        "set wechat.ignore_signature to false",
    ))
}

/// Says how long the token is and nothing else of it.
fn chat_token(config: &Config) -> Option<Finding> {
    let chars = config.wechat.token.as_ref()?.expose().len();
    let grade = if config.wechat.has_short_token() {
        Grade::Warning
    } else {
        Grade::Good
    };
    Some(Finding::new(
        "chat token",
        grade,
        format!("{chars} characters; whoever has a link to the binding page can try tokens on it"),
        "wechat.token of 32 random letters and digits, here and in the platform's settings",
    ))
}

fn chat_links(config: &Config) -> Option<Finding> {
    config.wechat.token.as_ref()?;
    let site = config.wechat.site(config.http.listen);
    let (grade, found) = if config.wechat.has_no_site() {
        let found = "they start with http.listen, where phones may not find this server";
        (Grade::Warning, format!("{}: {found}", site.as_str()))
    } else {
        (Grade::Good, site.as_str().to_owned())
    };
    Some(Finding::new(
        "chat links",
        grade,
        found,
        "set wechat.site to where people reach this server, like https://tickets.example.com",
    ))
}

fn open_files() -> Option<Finding> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let soft = line.split_whitespace().nth(3)?;
    let enough = soft == "unlimited"
        || soft
            .parse::<u64>()
            .is_ok_and(|files| files >= OPEN_FILES_MIN);
    let grade = if enough { Grade::Good } else { Grade::Warning };
    Some(Finding::new(
        "open files",
        grade,
        // This process is not the server: its limit is only the server's if one shell starts both.
        format!("{soft} in this shell; the server inherits the limit of the shell that starts it"),
        "ulimit -n 65536 in the shell that starts `seckill serve`",
    ))
}
