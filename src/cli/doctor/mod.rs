//! `seckill doctor`: checks Redis and this machine, and says how to repair what is wrong. Each
//! module makes the findings about one subject.

mod chat;
mod durability;
mod finding;
mod growth;
mod holes;
mod machine;
mod memory;
mod operators;
mod permissions;
mod private;
mod server;
mod targets;

use std::process::ExitCode;

use serde_json::json;

use self::finding::{Finding, Grade};
use super::print::{Output, table};
use crate::config::Config;
use crate::error::Result;
use crate::store::Store;

/// Runs the command. Exit code 1 if something is wrong.
pub async fn run(store: &Store, config: &Config, output: Output) -> Result<ExitCode> {
    let findings = examine(store, config).await?;
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|f| {
            [f.what, f.grade.as_str(), &f.found, &f.mend]
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

async fn examine(store: &Store, config: &Config) -> Result<Vec<Finding>> {
    let examination = store.examiner().examine().await?;
    let facts = &examination.facts;
    let mut findings = vec![server::version(&examination), server::role(&examination)];
    findings.extend(holes::findings(&examination));
    findings.extend(server::mode(&examination));
    findings.extend(permissions::data_version(&examination));
    findings.extend(permissions::permissions(&examination));
    findings.push(durability::durability(
        facts,
        config.durability,
        &store.replica_count(),
    ));
    findings.extend(durability::fence(
        facts,
        config.durability,
        &store.replica_count(),
    ));
    findings.push(memory::memory(facts, config.wechat.token.is_some()));
    findings.extend(growth::memory_used(facts));
    findings.push(growth::feeds(store).await);
    findings.push(growth::dead_orders(store).await);
    findings.push(server::clients(facts));
    findings.push(server::scripts(&examination));
    if config.redis.url.is_none() {
        findings.extend(private::findings(&config.data_dir)?);
    }
    findings.extend(machine::backlog(config.http.backlog));
    findings.extend(machine::open_files());
    findings.extend(operators::token(config));
    findings.extend(chat::signatures(config));
    findings.extend(chat::token(config));
    findings.extend(chat::links(config));
    // The findings above say why the sales cannot be read.
    findings.extend(targets::targets(&store.sales().await.unwrap_or_default()));
    Ok(findings)
}
