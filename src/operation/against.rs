//! Compares the orders of a sale with an export from before, or from another master. So an operator
//! finds acknowledged orders that a failover lost.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::orders::{COLUMNS, text_of_cell};
use crate::domain::ids::SaleId;
use crate::domain::order::{Order, OrderState};
use crate::error::{Error, Result};
use crate::store::Store;

/// The orders of an export, by their id.
#[derive(Debug, Default)]
pub struct Export {
    orders: HashMap<String, Told>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    state: OrderState,
    username: String,
    purchase: u64,
    units: Vec<String>,
}

/// The result of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Orders of the sale in the export.
    pub compared: usize,
    /// What is wrong with some of them, in words, sorted by order id.
    pub wrong: Vec<String>,
}

/// An order in NDJSON.
#[derive(Deserialize)]
struct Row {
    order: String,
    state: String,
    username: String,
    lines: Vec<RowLine>,
}

#[derive(Deserialize)]
struct RowLine {
    goods: String,
    purchase: Option<u64>,
    accepted: Option<u64>,
    #[serde(default)]
    units: Vec<String>,
}

impl Export {
    /// Reads what `seckill orders` printed of this sale, in either format.
    ///
    /// # Errors
    /// [`Error::Refused`] names the line that is not an order of an export.
    pub fn read(text: &str, sale: &SaleId) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        match text.trim_start().starts_with('{') {
            true => Self::read_json(text, sale),
            false => Self::read_csv(text, sale),
        }
    }

    fn read_json(text: &str, sale: &SaleId) -> Result<Self> {
        let mut export = Self::default();
        for (n, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
        {
            let wrong = |why: String| Error::Refused(format!("line {}: {why}", n + 1));
            let value: Value = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
            if let Some(unreadable) = value.get("error") {
                return Err(wrong(format!(
                    "this order could not be read when it was exported: {unreadable}"
                )));
            }
            let row: Row = serde_json::from_value(value).map_err(|e| wrong(e.to_string()))?;
            let of_sale = row
                .lines
                .into_iter()
                .find(|line| line.goods == sale.as_str());
            let Some(line) = of_sale else { continue };
            let told = Told {
                state: OrderState::parse(&row.state).ok_or_else(|| wrong(no_state(&row.state)))?,
                username: row.username,
                purchase: line.purchase.or(line.accepted).unwrap_or_default(),
                units: line.units,
            };
            export.orders.insert(row.order, told);
        }
        Ok(export)
    }

    fn read_csv(text: &str, sale: &SaleId) -> Result<Self> {
        let mut export = Self::default();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let head = reader
            .headers()
            .map_err(|e| Error::Refused(e.to_string()))?;
        if !head.iter().eq(COLUMNS) {
            let columns = COLUMNS.join(",");
            return Err(Error::Refused(format!(
                "it is not an export of orders: it starts neither with {{ nor with {columns}"
            )));
        }
        for (n, row) in reader.records().enumerate() {
            let wrong = |why: String| Error::Refused(format!("line {}: {why}", n + 2));
            let row = row.map_err(|e| wrong(e.to_string()))?;
            let cell = |at: usize| row.get(at).unwrap_or_default();
            if cell(7) != sale.as_str() {
                continue;
            }
            let purchase = cell(8).parse();
            let units = text_of_cell(cell(9))
                .split('\t')
                .filter(|unit| !unit.is_empty());
            let told = Told {
                state: OrderState::parse(cell(1)).ok_or_else(|| wrong(no_state(cell(1))))?,
                username: text_of_cell(cell(2)).to_owned(),
                purchase: purchase.map_err(|_| wrong(format!("purchase {:?}", cell(8))))?,
                units: units.map(str::to_owned).collect(),
            };
            export.orders.insert(cell(0).to_owned(), told);
        }
        Ok(export)
    }

    /// Compares it with what Redis has of the sale.
    ///
    /// # Errors
    /// Redis cannot be reached, or not read.
    pub async fn compare(mut self, store: &Store, sale: &SaleId) -> Result<Comparison> {
        let compared = self.orders.len();
        let told_units = self.living_units();
        let mut wrong = Vec::new();
        let mut pages = store.orders(sale.event()).await?;
        while let Some(orders) = pages.next().await? {
            for order in orders.iter().flatten() {
                wrong.extend(sold_twice(order, sale, &told_units));
                if let Some(told) = self.orders.remove(order.id.as_str()) {
                    wrong.extend(differs(&told, order, sale));
                }
            }
        }
        let missing = self.orders.iter();
        wrong.extend(missing.map(|(id, told)| {
            let Told {
                state,
                username,
                purchase,
                ..
            } = told;
            format!("order {id} of {username:?} is missing: it was {state} and had {purchase}")
        }));
        wrong.sort();
        Ok(Comparison { compared, wrong })
    }

    /// The order of each named unit that was not given back.
    fn living_units(&self) -> HashMap<String, String> {
        let alive = self.orders.iter().filter(|(_, told)| told.state.is_alive());
        let units = alive.flat_map(|(id, told)| {
            told.units
                .iter()
                .map(move |unit| (unit.clone(), id.clone()))
        });
        units.collect()
    }
}

/// A unit of a living order that the export has in another order.
fn sold_twice(order: &Order, sale: &SaleId, told: &HashMap<String, String>) -> Vec<String> {
    if !order.state.is_alive() {
        return Vec::new();
    }
    let others = order.units(sale).iter().filter_map(|unit| {
        let other = told.get(unit).filter(|other| *other != order.id.as_str())?;
        Some(format!(
            "unit {unit:?} of order {other} is now of order {}",
            order.id
        ))
    });
    others.collect()
}

fn differs(told: &Told, now: &Order, sale: &SaleId) -> Option<String> {
    let id = &now.id;
    let line = now.line(sale);
    let purchase = line.map_or(0, |line| line.purchase);
    if told.username != now.username.as_str() {
        return Some(format!(
            "order {id} was of {:?}, and is now of {:?}",
            told.username, now.username
        ));
    }
    if told.purchase != purchase || told.units != now.units(sale) {
        return Some(format!("order {id} does not have the units that it had"));
    }
    let went_back =
        step(now.state) < step(told.state) || !told.state.is_alive() && now.state != told.state;
    went_back.then(|| format!("order {id} was {}, and is now {}", told.state, now.state))
}

/// A number that grows as an order changes. It never goes back.
fn step(state: OrderState) -> u8 {
    match state {
        OrderState::Held => 0,
        OrderState::Confirmed => 1,
        OrderState::Used => 2,
        OrderState::Cancelled | OrderState::Expired => 3,
    }
}

fn no_state(word: &str) -> String {
    format!("{word:?} is not a state of an order")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale() -> SaleId {
        SaleId::parse("e.a").expect("valid")
    }

    #[test]
    fn both_formats_say_the_same() {
        let json = concat!(
            r#"{"order":"e-1","state":"held","username":"=al","created_at":1,"deadline":2,"#,
            r#""lines":[{"goods":"e.b","purchase":1},{"goods":"e.a","purchase":2,"#,
            r#""units":["x","y"]}]}"#,
            "\n",
            r#"{"order":"e-2","state":"used","username":"bo","created_at":1,"#,
            r#""lines":[{"goods":"e.b","purchase":1}]}"#,
        );
        let csv = format!(
            "{}\r\ne-1,held,'=al,1,2,,,e.a,2,x\ty,,,,\r\ne-2,used,bo,1,,,,e.b,1,,,,,\r\n",
            COLUMNS.join(",")
        );
        let told = Told {
            state: OrderState::Held,
            username: "=al".to_owned(),
            purchase: 2,
            units: vec!["x".to_owned(), "y".to_owned()],
        };
        for text in [json, csv.as_str()] {
            let export = Export::read(text, &sale()).expect("an export");
            assert_eq!(export.orders.len(), 1);
            assert_eq!(export.orders.get("e-1"), Some(&told));
        }
    }

    #[test]
    fn what_is_no_export_is_refused() {
        for (text, words) in [
            ("", "not an export"),
            ("order,state\n", "not an export"),
            ("{\"order\":1}", "line 1"),
            ("{\"error\":\"broken\"}", "could not be read when"),
        ] {
            let refused = Export::read(text, &sale()).expect_err(text).to_string();
            assert!(refused.contains(words), "{text:?}: {refused}");
        }
    }
}
