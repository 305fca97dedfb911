//! Orders as text: JSON, one a line, and CSV for spreadsheets.

use serde::Serialize;

use crate::domain::ids::SaleId;
use crate::domain::order::{Line, Order};
use crate::failure::Failure;
use crate::view::order::OrderView;

/// The header line of the CSV form. The purchase of a bid is what was accepted, in cents. The
/// columns from `requested` on are for bids only.
pub const COLUMNS: [&str; 14] = [
    "order",
    "state",
    "username",
    "created_at",
    "deadline",
    "changed_at",
    "request_id",
    "goods",
    "purchase",
    "units",
    "requested",
    "bonus",
    "paid",
    "filled",
];
/// Spreadsheets take a cell that starts with one of these for a formula; in some languages the wide
/// ones, too. The quote is on the list so that removing one quote always restores the text.
const FORMULA_STARTS: [char; 9] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\''];

/// How orders are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line. Exact.
    Ndjson,
    /// CSV as in RFC 4180, for spreadsheets: a row for what each order has of a sale.
    Csv,
}

impl Format {
    /// Accepts `ndjson` and `csv`.
    ///
    /// # Errors
    /// The allowed words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "ndjson" => Ok(Self::Ndjson),
            "csv" => Ok(Self::Csv),
            _ => Err("it must be ndjson or csv"),
        }
    }

    /// What comes before the first order.
    pub fn head(self) -> Vec<u8> {
        match self {
            Self::Ndjson => Vec::new(),
            Self::Csv => csv_rows([COLUMNS.map(str::to_owned)]),
        }
    }

    /// Writes those of these orders that have a line of the sale.
    pub fn page<'a>(self, goods: &SaleId, orders: impl Iterator<Item = &'a Order>) -> Vec<u8> {
        let orders = orders.filter_map(|order| Some((order, order.line(goods)?)));
        match self {
            Self::Ndjson => json_lines(orders.map(|(order, _)| OrderView::from(order))),
            Self::Csv => csv_rows(orders.map(|(order, line)| cells(order, line))),
        }
    }

    /// Writes the error of a record that cannot be read and may be of the sale.
    pub fn unreadable(self, error: &Failure) -> Vec<u8> {
        let error = error.to_string();
        match self {
            Self::Ndjson => json_lines([serde_json::json!({"error": error})]),
            Self::Csv => {
                let mut cells = [const { String::new() }; 14];
                cells[1] = "unreadable".to_owned();
                cells[9] = harmless(&error);
                csv_rows([cells])
            }
        }
    }
}

fn json_lines(values: impl IntoIterator<Item = impl Serialize>) -> Vec<u8> {
    let mut lines = Vec::new();
    for value in values {
        // Strings and numbers always serialise, and writing to memory always works.
        let _ = serde_json::to_writer(&mut lines, &value);
        lines.push(b'\n');
    }
    lines
}

fn cells(order: &Order, line: &Line) -> [String; 14] {
    let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
    let truth = |truth: Option<bool>| truth.map_or_else(String::new, |is| is.to_string());
    [
        order.id.to_string(),
        order.state.to_string(),
        harmless(order.username.as_str()),
        order.created_at.to_string(),
        number(order.deadline),
        number(order.changed_at),
        harmless(order.request.as_ref().map_or("", |id| id.as_str())),
        line.goods.to_string(),
        line.purchase.to_string(),
        // A loaded unit never contains a tab.
        harmless(&line.units.join("\t")),
        number(line.bid.map(|bid| bid.requested)),
        number(line.bid.map(|bid| bid.bonus)),
        truth(line.bid.map(|bid| bid.paid)),
        truth(line.bid.map(|bid| bid.filled)),
    ]
}

/// A text that no spreadsheet runs as a formula: buyers choose their names.
fn harmless(text: &str) -> String {
    let risky = |char: char| FORMULA_STARTS.contains(&char) || char.is_control();
    let quote = if text.starts_with(risky) { "'" } else { "" };
    format!("{quote}{text}")
}

/// The text of a cell that [`harmless`] made.
pub(super) fn text_of_cell(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) => text,
        None => cell,
    }
}

fn csv_rows(rows: impl IntoIterator<Item = [String; 14]>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        // Writing to memory always works.
        let _ = writer.write_record(&row);
    }
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_every_text_can_be_had_back() {
        for (text, cell) in [
            ("alice", "alice"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("\t=1", "'\t=1"),
            ("a=1", "a=1"),
        ] {
            assert_eq!(harmless(text), cell);
            assert_eq!(text_of_cell(cell), text);
        }
    }
}
