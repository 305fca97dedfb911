//! Case tables: one line for each case, to be read at a glance.
//!
//! The cells of a line are two or more spaces apart. A cell that begins with a double quote is a
//! JSON text: `""` is the empty one, and `"id: "` or `"a\tb"` keeps what would be lost. A line that
//! ends with a backslash has its other cells in the next one. Empty lines, and those that begin
//! with `#`, are no cases.

/// One case. When its test panics, it says which one it was.
pub struct Row {
    number: usize,
    line: String,
    cells: Vec<String>,
}

/// The cases of a table, one after the other.
pub fn rows(table: &str) -> impl Iterator<Item = Row> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in table.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let part = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some(begun) => *begun = format!("{begun}  {part}"),
            None => lines.push(part.to_owned()),
        }
        goes_on = part.len() < line.len();
    }
    assert!(!lines.is_empty() && !goes_on, "no whole case in {table:?}");
    (1..).zip(lines).map(|(number, line)| Row {
        number,
        cells: cells(&line),
        line,
    })
}

impl Row {
    /// Its cells, as many as the table has columns.
    pub fn cells<const N: usize>(&self) -> [&str; N] {
        let cells: Vec<&str> = self.cells.iter().map(String::as_str).collect();
        let found = cells.len();
        cells.try_into().unwrap_or_else(|_| {
            panic!("{found} cells instead of {N}");
        })
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("case {} of its table failed: {}", self.number, self.line);
        }
    }
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let (cell, after) = if rest.starts_with('"') {
            quoted(rest)
        } else {
            let (cell, after) = rest.split_once("  ").unwrap_or((rest, ""));
            (cell.to_owned(), after)
        };
        cells.push(cell);
        rest = after.trim_start();
    }
    cells
}

/// The JSON text that a line begins with, and the rest of the line.
fn quoted(line: &str) -> (String, &str) {
    let mut texts = serde_json::Deserializer::from_str(line).into_iter::<String>();
    let text = texts.next().expect("a text");
    let text = text.unwrap_or_else(|error| panic!("{error} in {line}"));
    let rest = &line[texts.byte_offset()..];
    assert!(rest.is_empty() || rest.starts_with("  "), "a gap in {line}");
    (text, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_two_spaces_apart_or_in_the_next_line() {
        let table = r#"
            a b  {"c":1}  \
                400 wrong

            # no case
            "d  \n"  "秒\""  ""
        "#;
        let found: Vec<[String; 3]> = rows(table)
            .map(|row| row.cells().map(str::to_owned))
            .collect();
        assert_eq!(found[0], ["a b", "{\"c\":1}", "400 wrong"]);
        assert_eq!(found[1], ["d  \n", "秒\"", ""]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    #[should_panic(expected = "2 cells instead of 3")]
    fn a_line_with_too_few_cells_is_no_case() {
        let row = rows("a  b").next().expect("a line");
        let [_, _, _] = row.cells();
    }
}
