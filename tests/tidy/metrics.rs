//! Metrics: a row in the table is registered by a file of `src/metrics`.

use crate::{assert_tidy, files, read};

/// The identifiers of the rows: `ATTEMPTS Counter "seckill_attempts_total" [...]`.
fn rows(table: &str) -> Vec<&str> {
    let words = table.lines().map(|line| line.split_whitespace());
    let rows = words.filter_map(|mut words| Some((words.next()?, words.next()?)));
    let rows = rows.filter(|(_, kind)| ["Counter", "Gauge", "Histogram"].contains(kind));
    rows.map(|(row, _)| row).collect()
}

fn check_metrics(table: &str, registering: &str) -> Vec<String> {
    let names: Vec<&str> = registering
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let lost = rows(table).into_iter().filter(|row| !names.contains(row));
    lost.map(|row| format!("src/metrics/table.rs: nothing registers {row}"))
        .collect()
}

#[test]
fn every_row_is_registered() {
    let table = "src/metrics/table.rs";
    let sources = files("src/metrics", "rs").into_iter();
    let sources: Vec<String> = sources
        .filter(|(p, _)| p != table)
        .map(|(_, t)| t)
        .collect();
    let table = read(table);
    assert!(rows(&table).len() > 30, "the rows of the table");
    assert_tidy(&check_metrics(&table, &sources.join("\n")));
}

#[test]
fn control_rows() {
    let table = "A Counter \"seckill_a_total\" []\nA_B Gauge \"seckill_b\" []\n";
    let wrong = check_metrics(table, "counter(registry, &table::A)");
    assert_eq!(wrong, ["src/metrics/table.rs: nothing registers A_B"]);
}
