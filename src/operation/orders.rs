//! Orders as text: JSON, one a line, and tables for spreadsheets.

use serde::Serialize;

use crate::domain::ids::SaleId;
use crate::domain::order::{Line, Order};
use crate::domain::time::EpochMs;
use crate::failure::Failure;

/// The header line of the CSV form. The purchase of a bid is what was accepted, in cents; the
/// columns from `requested` on are of bids alone.
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
/// Spreadsheets take a cell that starts with one of these for a formula; in some languages the
/// wide ones, too. The quote is here so that taking one quote off always gives the text back.
const FORMULA_STARTS: [char; 9] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\''];

/// How orders are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line: exact.
    Ndjson,
    /// A row for what each order has of a sale, as RFC 4180 says: for spreadsheets.
    Csv,
}

impl Format {
    /// Accepts `ndjson` and `csv`.
    ///
    /// # Errors
    /// The rule.
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

    /// Those of these orders that have something of the sale.
    pub fn page<'a>(self, goods: &SaleId, orders: impl Iterator<Item = &'a Order>) -> Vec<u8> {
        let orders = orders.filter_map(|order| Some((order, order.line(goods)?)));
        match self {
            Self::Ndjson => json_lines(orders.map(|(order, _)| OrderView::from(order))),
            Self::Csv => csv_rows(orders.map(|(order, line)| cells(order, line))),
        }
    }

    /// A record that cannot be read, and may be of the sale, as what it is.
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
        // Strings and numbers always serialise, and writing into memory always works.
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
        // No unit that was loaded holds a tab.
        harmless(&line.units.join("\t")),
        number(line.bid.map(|bid| bid.requested)),
        number(line.bid.map(|bid| bid.bonus)),
        truth(line.bid.map(|bid| bid.paid)),
        truth(line.bid.map(|bid| bid.filled)),
    ]
}

/// A text that no spreadsheet runs: buyers choose their names.
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
        // Writing into memory always works.
        let _ = writer.write_record(&row);
    }
    writer.into_inner().unwrap_or_default()
}

/// An order as JSON, the same in every answer that shows one: its fields in this order, absent ones
/// left out. Times are epoch milliseconds.
#[derive(Serialize)]
pub struct OrderView<'a> {
    order: &'a str,
    state: &'a str,
    username: &'a str,
    created_at: EpochMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    lines: Vec<LineView<'a>>,
}

#[derive(Serialize)]
struct LineView<'a> {
    goods: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'a [String]>,
    #[serde(flatten)]
    bid: Option<BidView>,
    /// Only of a bid that an account paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<bool>,
}

/// What is said of a bid, wherever one is shown, in cents: its fields in this order.
#[derive(Serialize)]
pub struct BidView {
    requested: u64,
    accepted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filled: Option<bool>,
}

impl BidView {
    /// The view of a line; `None` for units.
    pub fn of(line: &Line) -> Option<Self> {
        line.bid.map(|bid| Self {
            requested: bid.requested,
            accepted: line.purchase,
            bonus: (bid.bonus > 0).then_some(bid.bonus),
            filled: bid.filled.then_some(true),
        })
    }
}

impl<'a> From<&'a Order> for OrderView<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            order: order.id.as_str(),
            state: order.state.as_str(),
            username: order.username.as_str(),
            created_at: order.created_at,
            deadline: order.deadline,
            changed_at: order.changed_at,
            request_id: order.request.as_ref().map(|request| request.as_str()),
            lines: order.lines.iter().map(LineView::from).collect(),
        }
    }
}

impl<'a> From<&'a Line> for LineView<'a> {
    fn from(line: &'a Line) -> Self {
        Self {
            goods: line.goods.as_str(),
            purchase: line.bid.is_none().then_some(line.purchase),
            units: (!line.units.is_empty()).then_some(&line.units),
            bid: BidView::of(line),
            paid: line.bid.and_then(|bid| bid.paid.then_some(true)),
        }
    }
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
