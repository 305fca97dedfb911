//! `seckill audit`: the conservation check, with its figures and a verdict.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::print::{Output, progress, table};
use super::sale::{existing, no_such_sale, to_json};
use crate::domain::ids::SaleId;
use crate::domain::ledger::Figures;
use crate::domain::violation::Violation;
use crate::error::Result;
use crate::store::Store;
use crate::store::reply::Snapshot;

/// What the exit code says; the codes are a contract with scripts.
const EXIT_CODES: &str = "\
Exit codes:
  0  the law holds
  1  the law is VIOLATED; each violation is named
  2  the command line or a setting cannot be used
  3  it could not be judged: Redis is away, there is no such sale, its data cannot be read,
     or it moved while it was read";

/// `seckill audit`
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct AuditCommand {
    /// The sale
    #[arg(value_parser = SaleId::parse)]
    id: SaleId,
    /// Recount from every order record, buyer and unit; the sale must stand still
    #[arg(long)]
    deep: bool,
}

impl AuditCommand {
    /// Runs the command. The exit code is the verdict: 0 holds, 1 violated; an error is neither.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        // What is printed is what was judged: the figures of one and the same instant.
        let (snapshot, violations) = if self.deep {
            deep(store, &self.id, output).await?
        } else {
            let snapshot = existing(store, &self.id).await?;
            let violations = snapshot.figures.check();
            (snapshot, violations)
        };
        let mut value = to_json(&snapshot);
        let named: Vec<String> = violations.iter().map(with_cure).collect();
        value["holds"] = json!(violations.is_empty());
        value["deep"] = json!(self.deep);
        value["violations"] = json!(named);
        output.result(report(&self.id, &snapshot.figures, &named), &value);
        Ok(if violations.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

async fn deep(store: &Store, id: &SaleId, output: Output) -> Result<(Snapshot, Vec<Violation>)> {
    let bar = progress("entries", store.recount_entries(id).await?, output);
    let judged = store.recount(id, &|read| bar.set_position(read)).await;
    bar.finish_and_clear();
    judged?.ok_or_else(|| no_such_sale(id))
}

fn with_cure(violation: &Violation) -> String {
    match violation.cure() {
        "" => violation.to_string(),
        cure => format!("{violation}\n  {cure}"),
    }
}

fn report(id: &SaleId, figures: &Figures, violations: &[String]) -> String {
    let rows = [
        ("added", figures.added),
        ("removed", figures.removed),
        ("left", figures.left),
        ("held", figures.held),
        ("confirmed", figures.confirmed),
        ("used", figures.used),
        ("buyers", figures.buyers),
    ];
    let rows = rows.map(|(name, units)| vec![name.to_owned(), units.to_string()]);
    let verdict = if violations.is_empty() {
        format!("sale {id} holds: added - removed = left + held + confirmed + used")
    } else {
        format!("sale {id} is VIOLATED:\n- {}", violations.join("\n- "))
    };
    format!("{}\n\n{verdict}", table(&rows))
}
