//! A load of units, one a line. It arrives in pieces of any size, and is complete before any unit
//! is sent.

use std::fmt;

use crate::domain::Invalid;
use crate::domain::sale::unit::{UNIT_BYTES_MAX, Unit};

/// Units in the order in which they came. One text holds them all, to avoid an allocation for each.
#[derive(Debug, Default)]
pub struct UnitList {
    text: String,
    ends: Vec<usize>,
}

impl UnitList {
    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one.
    ///
    /// # Errors
    /// It breaks the rule for units.
    pub fn push(&mut self, text: &str) -> Result<(), Invalid> {
        Unit::parse(text)?;
        self.text.push_str(text);
        self.ends.push(self.text.len());
        Ok(())
    }

    /// The units from this place on, at most `count`.
    pub fn slice(&self, start: usize, count: usize) -> Vec<Unit> {
        let places = start..self.len().min(start.saturating_add(count));
        places
            .filter_map(|place| Unit::parse(self.get(place)).ok())
            .collect()
    }

    /// The first unit that is on the list twice. Takes some time on a long list.
    pub fn repeated(&self) -> Option<RepeatedUnit> {
        let mut places: Vec<usize> = (0..self.len()).collect();
        places.sort_unstable_by_key(|&place| (self.get(place), place));
        let pairs = places.windows(2);
        let repeated = pairs.filter(|pair| self.get(pair[0]) == self.get(pair[1]));
        let first = repeated.min_by_key(|pair| pair[1])?;
        Some(RepeatedUnit {
            unit: self.get(first[0]).to_owned(),
            first: first[0] + 1,
            again: first[1] + 1,
        })
    }

    fn get(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[place]]
    }
}

/// A unit that is in a load twice. Places count from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct RepeatedUnit {
    /// Which one.
    pub unit: String,
    /// The first place.
    pub first: usize,
    /// The second place.
    pub again: usize,
}

/// A line that is not a unit, or why there are no units. Lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub enum WrongLine {
    /// This line breaks the rule for units.
    Invalid(usize, Invalid),
    /// A unit is there twice.
    Repeated(RepeatedUnit),
    /// There are no lines.
    Empty,
}

impl fmt::Display for WrongLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(line, invalid) => write!(f, "line {line}: {invalid}"),
            Self::Repeated(RepeatedUnit { unit, first, again }) => {
                write!(
                    f,
                    "line {again}: unit {unit:?} stands in line {first} already"
                )
            }
            Self::Empty => f.write_str("no units in it"),
        }
    }
}

/// Reads lines in pieces. A line ends with LF or CRLF. The last one may end with the text.
#[derive(Debug, Default)]
pub struct UnitReader {
    list: UnitList,
    /// The start of a line that has no end yet.
    open: Vec<u8>,
}

impl UnitReader {
    /// Units read so far.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True before the first unit.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Reads one piece.
    ///
    /// # Errors
    /// The first line that is not a unit.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), WrongLine> {
        let mut lines = piece.split(|&byte| byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            if self.open.is_empty() {
                self.line(line)?;
            } else {
                self.open.extend_from_slice(line);
                let line = std::mem::take(&mut self.open);
                self.line(&line)?;
            }
        }
        self.open.extend_from_slice(last);
        // A line that will be too long is refused now, so that it does not fill the memory.
        if self.open.len() > UNIT_BYTES_MAX + "\r".len() {
            let line = std::mem::take(&mut self.open);
            self.line(&line)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), WrongLine> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Text that is not UTF-8 breaks the rule, as a control character does.
        let text = std::str::from_utf8(line).unwrap_or("\0");
        let pushed = self.list.push(text);
        pushed.map_err(|invalid| WrongLine::Invalid(self.list.len() + 1, invalid))
    }

    /// All units, if each is valid and none is there twice. Takes some time on a long list.
    ///
    /// # Errors
    /// The first line that is wrong, or that there are no units.
    pub fn finish(mut self) -> Result<UnitList, WrongLine> {
        if !self.open.is_empty() {
            let line = std::mem::take(&mut self.open);
            self.line(&line)?;
        }
        if self.list.is_empty() {
            return Err(WrongLine::Empty);
        }
        match self.list.repeated() {
            Some(repeated) => Err(WrongLine::Repeated(repeated)),
            None => Ok(self.list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text in pieces of this many bytes.
    fn read(text: &[u8], piece: usize) -> Result<UnitList, WrongLine> {
        let mut reader = UnitReader::default();
        for piece in text.chunks(piece) {
            reader.read(piece)?;
        }
        reader.finish()
    }

    #[test]
    fn units_are_one_a_line_in_pieces_of_any_size() {
        let longest = "x".repeat(UNIT_BYTES_MAX);
        let text = format!("a 1\r\n座位 2\n{longest}\r\nlast");
        for piece in 1..=text.len() {
            let list = read(text.as_bytes(), piece).expect("valid");
            let units = list.slice(0, usize::MAX);
            let texts: Vec<_> = units.iter().map(Unit::as_str).collect();
            assert_eq!(texts, ["a 1", "座位 2", &longest, "last"], "{piece}");
        }
        let list = read(b"a\nb\nc\n", 2).expect("valid");
        assert_eq!(list.len(), 3);
        let texts: Vec<_> = list.slice(1, 1).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["b"]);
        assert_eq!(list.slice(3, 9), []);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let long = "x".repeat(UNIT_BYTES_MAX + 2);
        for (text, named) in [
            (
                &b"a\nb\nc\nb\na\n"[..],
                "line 4: unit \"b\" stands in line 2 already",
            ),
            (b"a\n\nb", "line 2: the unit must be"),
            (b"a\tb", "line 1"),
            (b"", "no units"),
            (b"a\n\xff\n", "line 2"),
            (long.as_bytes(), "line 1"),
        ] {
            for piece in [1, 3, 1000] {
                let error = read(text, piece).expect_err(named).to_string();
                assert!(error.contains(named), "{text:?} gives {error}");
            }
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_ends() {
        let mut reader = UnitReader::default();
        reader.read(&[b'x'; UNIT_BYTES_MAX]).expect("may end now");
        assert!(reader.read(b"xx").is_err());
    }
}
