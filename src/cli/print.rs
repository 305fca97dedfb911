//! Prints results: lines for people, or JSON for scripts.

use std::io::{self, ErrorKind, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::domain::audit::figures::Figures;
use crate::domain::sale::StockKind;
use crate::error::{Error, Result};

/// Shorter operations end before anyone could read a bar.
const PROGRESS_MIN: u64 = 1000;

/// The form of the output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// JSON instead of lines.
    pub json: bool,
}

impl Output {
    /// Prints one result: `line` for people, `value` for scripts.
    ///
    /// # Errors
    /// As [`printed`].
    pub fn result(self, line: impl std::fmt::Display, value: &impl Serialize) -> Result<()> {
        let text = if self.json {
            let text = serde_json::to_string(value);
            text.unwrap_or_else(|e| json!({"error": e.to_string()}).to_string())
        } else {
            line.to_string()
        };
        let mut output = io::stdout().lock();
        printed(writeln!(output, "{text}").and_then(|()| output.flush()))
    }
}

/// The result of printing. A closed pipe (`head`) is not an error.
///
/// # Errors
/// [`Error::Refused`] when the disk is full, for instance.
pub fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Refused(format!(
            "the result cannot be printed: {error}"
        ))),
        _ => Ok(()),
    }
}

/// A text on one line. Characters that would move the cursor of a terminal become `\u{1b}`.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    line
}

/// A table, with columns as wide as their widest cell. Each cell stays on one line.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Lines of a name and what it is.
pub fn facts(rows: impl IntoIterator<Item = (impl Into<String>, String)>) -> String {
    let rows = rows.into_iter();
    let rows: Vec<_> = rows.map(|(name, value)| vec![name.into(), value]).collect();
    table(&rows)
}

/// The figures of a sale as facts. A target has no buyers to count.
pub fn figures(figures: &Figures) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("added", figures.added.to_string()),
        ("removed", figures.removed.to_string()),
        ("left", figures.left.to_string()),
        ("held", figures.held.to_string()),
        ("confirmed", figures.confirmed.to_string()),
        ("used", figures.used.to_string()),
    ];
    if figures.kind != StockKind::Target {
        rows.push(("buyers", figures.buyers.to_string()));
    }
    rows
}

/// A progress bar that counts `what`. Only on a terminal, and not with JSON.
pub fn progress(what: &str, length: u64, output: Output) -> ProgressBar {
    if output.json || length <= PROGRESS_MIN {
        return ProgressBar::hidden();
    }
    let template = "{bar:40} {human_pos} of {human_len} {msg}, {eta} to go";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(length).with_message(what.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::{one_line, table};

    #[test]
    fn a_text_stays_on_its_line() {
        assert_eq!(one_line("座位 \\ 1"), "座位 \\ 1");
        assert_eq!(one_line("a\nb\u{1b}[2J"), "a\\u{a}b\\u{1b}[2J");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["id".to_owned(), "left".to_owned()],
            vec!["spring".to_owned(), "5".to_owned()],
        ];
        assert_eq!(table(&rows), "id      left\nspring  5");
    }
}
