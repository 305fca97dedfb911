//! `seckill audit`: checks that nothing was oversold or lost, and prints the figures and a verdict.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::lookup::no_such_sale;
use super::print::{Output, facts, figures, progress};
use crate::domain::counted::counted;
use crate::domain::ids::SaleId;
use crate::error::{Error, Result};
use crate::operation::against::{Comparison, Export};
use crate::operation::audit::{Verdict, audit};
use crate::store::Store;
use crate::store::recount::Progress;

/// What the exit code says; the codes are a contract with scripts.
const EXIT_CODES: &str = "\
Exit codes:
  0  the law holds
  1  the law is VIOLATED; each violation is named
  2  the command line or a setting cannot be used
  3  no verdict: Redis cannot be reached, the sale does not exist, its data cannot
     be read, or it moved while it was read";

/// `seckill audit`
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct AuditCommand {
    /// The sale
    #[arg(value_parser = SaleId::parse)]
    id: SaleId,
    /// Recount from every order record, buyer and unit. The sale must not change meanwhile
    #[arg(long)]
    deep: bool,
    /// An export of the sale (`seckill orders`), taken before or at another master. Orders that are
    /// missing or went back to an earlier state, and units that were sold again, are violations
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

impl AuditCommand {
    /// Runs the command. The exit code is the verdict: 0 holds, 1 violated; an error is neither.
    pub async fn run(&self, store: &Store, output: Output) -> Result<ExitCode> {
        let export = self.export()?;
        let verdict = self.verdict(store, output).await?;
        let (mut text, mut value) = (report(&self.id, &verdict), verdict.to_json());
        let mut holds = verdict.holds();
        if let Some(export) = export {
            let Comparison { compared, wrong } = export.compare(store, &self.id).await?;
            text.push_str(&comparison(compared, &wrong));
            holds &= wrong.is_empty();
            value["against"] = json!({"orders": compared, "wrong": wrong});
            value["holds"] = json!(holds);
        }
        output.result(text, &value)?;
        Ok(if holds {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn export(&self) -> Result<Option<Export>> {
        let Some(file) = &self.against else {
            return Ok(None);
        };
        let wrong = |e: &dyn Display| Error::Config(format!("--against {}: {e}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
        let export = Export::read(&text, &self.id).map_err(|e| wrong(&e))?;
        Ok(Some(export))
    }

    async fn verdict(&self, store: &Store, output: Output) -> Result<Verdict> {
        let bar = progress("entries", 0, output);
        let shown = |come: Progress| {
            bar.set_length(come.of);
            bar.set_position(come.read);
        };
        let judged = audit(store, &self.id, self.deep, &shown).await;
        bar.finish_and_clear();
        judged?.ok_or_else(|| no_such_sale(&self.id))
    }
}

fn report(id: &SaleId, verdict: &Verdict) -> String {
    let accounts = verdict
        .accounts
        .map(|count| ("accounts", count.to_string()));
    let rows = figures(&verdict.snapshot.figures)
        .into_iter()
        .chain(accounts);
    format!("{}\n\n{}", facts(rows), conclusion(id, verdict))
}

fn comparison(compared: usize, wrong: &[String]) -> String {
    let orders = counted(compared as u64, "order");
    match wrong {
        [] => format!("\n{orders} of the export: nothing is missing or changed"),
        wrong => format!(
            "\n{orders} of the export; these differ:\n- {}",
            wrong.join("\n- ")
        ),
    }
}

fn conclusion(id: &SaleId, verdict: &Verdict) -> String {
    if !verdict.holds() {
        let violations = verdict.named().join("\n- ");
        return format!("sale {id} is VIOLATED:\n- {violations}");
    }
    let accounts = match verdict.accounts {
        Some(1..) => ", and for each account paid in = balance + accepted - bonuses",
        Some(0) | None => "",
    };
    format!("sale {id} holds: added - removed = left + held + confirmed + used{accounts}")
}
