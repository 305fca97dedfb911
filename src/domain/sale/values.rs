//! The values of the terms of a sale: each type accepts what its rule allows, and nothing else.

use super::StockKind;
use super::activity::Keyword;
use crate::domain::money::{BONUS_BP_MAX, CENTS_MAX};
use crate::domain::time::EpochMs;

/// The most that a sale may allow one buyer.
pub const PURCHASE_MAX_LIMIT: u32 = 100;
/// The most orders that a sale may allow one buyer, unless it has no limit.
pub const ORDERS_MAX_LIMIT: u32 = 1_000_000;
/// The shortest hold, in ms: the expirer promises to be at most a second late.
pub const HOLD_MS_MIN: u64 = 1_000;
/// The longest hold, in ms: a year.
pub const HOLD_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;
/// Longest address of a picture, in bytes.
const PICTURE_BYTES_MAX: usize = 1024;

/// The title of a sale.
pub type Title = Line<200>;
/// Where an activity is.
pub type Place = Line<256>;
/// What people read about an activity.
pub type Description = Lines<2000>;
/// Most units in one attempt.
pub type PurchaseMax = Whole<1, { PURCHASE_MAX_LIMIT as u64 }>;
/// Most orders that a buyer may have had.
pub type OrdersMax = Whole<1, { ORDERS_MAX_LIMIT as u64 }>;
/// The smallest bid, in cents.
pub type BidMin = Whole<1, CENTS_MAX>;
/// A bonus, in basis points of what is accepted.
pub type BonusBp = Whole<0, { BONUS_BP_MAX as u64 }>;

/// What a value looks like where people write and read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A word of a closed set.
    Choice,
    /// A text.
    Text,
    /// What people type to mean an activity; without one it is not on show.
    Keyword,
    /// The address of something.
    Address,
    /// A point in time, in epoch milliseconds.
    Time,
    /// A time span, in ms.
    Duration,
    /// A whole number.
    Whole,
    /// On or off.
    Switch,
}

/// A value of any term, as it was given or is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermValue {
    /// None, which clears the term.
    Nothing,
    /// A text.
    Text(String),
    /// A number; what it counts is for the [`Form`] to say.
    Number(u64),
    /// On or off.
    Switch(bool),
}

impl TermValue {
    /// A number, or nothing.
    pub fn number(number: Option<impl Into<u64>>) -> Self {
        number.map_or(Self::Nothing, |number| Self::Number(number.into()))
    }

    fn into_text(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Nothing | Self::Number(_) | Self::Switch(_) => Err("it must be a text".into()),
        }
    }

    fn into_number(self) -> Result<u64, String> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Nothing | Self::Text(_) | Self::Switch(_) => Err("it must be a number".into()),
        }
    }
}

/// A type that accepts what its rule allows.
pub trait Checked: Sized {
    /// What it looks like.
    const FORM: Form;
    /// Whether [`TermValue::Nothing`] is accepted.
    const CLEARS: bool = false;

    /// Accepts a value.
    ///
    /// # Errors
    /// The rule, and how this value of the term `name` breaks it.
    fn check(name: &str, value: TermValue) -> Result<Self, String>;

    /// The value that was accepted.
    fn value(&self) -> TermValue;
}

/// A term that may be nothing.
impl<T: Checked> Checked for Option<T> {
    const FORM: Form = T::FORM;
    const CLEARS: bool = true;

    fn check(name: &str, value: TermValue) -> Result<Self, String> {
        match value {
            TermValue::Nothing => Ok(None),
            value => T::check(name, value).map(Some),
        }
    }

    fn value(&self) -> TermValue {
        self.as_ref().map_or(TermValue::Nothing, T::value)
    }
}

impl Checked for StockKind {
    const FORM: Form = Form::Choice;

    fn check(_: &str, value: TermValue) -> Result<Self, String> {
        Self::parse(&value.into_text()?).map_err(|invalid| invalid.to_string())
    }

    fn value(&self) -> TermValue {
        TermValue::Text(self.as_str().to_owned())
    }
}

impl Checked for Keyword {
    const FORM: Form = Form::Keyword;

    fn check(_: &str, value: TermValue) -> Result<Self, String> {
        Self::parse(&value.into_text()?).map_err(|invalid| invalid.to_string())
    }

    fn value(&self) -> TermValue {
        TermValue::Text(self.as_str().to_owned())
    }
}

impl Checked for EpochMs {
    const FORM: Form = Form::Time;

    fn check(_: &str, value: TermValue) -> Result<Self, String> {
        value.into_number()
    }

    fn value(&self) -> TermValue {
        TermValue::Number(*self)
    }
}

impl Checked for bool {
    const FORM: Form = Form::Switch;

    fn check(_: &str, value: TermValue) -> Result<Self, String> {
        match value {
            TermValue::Switch(on) => Ok(on),
            TermValue::Nothing | TermValue::Text(_) | TermValue::Number(_) => {
                Err("it must be true or false".into())
            }
        }
    }

    fn value(&self) -> TermValue {
        TermValue::Switch(*self)
    }
}

/// How long an order waits for its confirmation: 1 s to 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold(u64);

impl Checked for Hold {
    const FORM: Form = Form::Duration;

    fn check(_: &str, value: TermValue) -> Result<Self, String> {
        let ms = value.into_number()?;
        let fits = (HOLD_MS_MIN..=HOLD_MS_MAX).contains(&ms);
        let bounds = || "it must be from 1s to 8760h".to_owned();
        fits.then_some(Self(ms)).ok_or_else(bounds)
    }

    fn value(&self) -> TermValue {
        TermValue::Number(self.0)
    }
}

/// A whole number in these bounds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Checked for Whole<MIN, MAX> {
    const FORM: Form = Form::Whole;

    fn check(_: &str, value: TermValue) -> Result<Self, String> {
        let number = value.into_number()?;
        let fits = (MIN..=MAX).contains(&number);
        let bounds = || format!("{number} is not in {MIN}..={MAX}");
        fits.then_some(Self(number)).ok_or_else(bounds)
    }

    fn value(&self) -> TermValue {
        TermValue::Number(self.0)
    }
}

/// A text on one line, of at most so many bytes of UTF-8. Texts are printed on terminals and in
/// lists of lines: no control character in them may move a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const BYTES_MAX: usize>(String);

impl<const BYTES_MAX: usize> Checked for Line<BYTES_MAX> {
    const FORM: Form = Form::Text;

    fn check(name: &str, value: TermValue) -> Result<Self, String> {
        plain(name, value.into_text()?, BYTES_MAX, |_| false).map(Self)
    }

    fn value(&self) -> TermValue {
        TermValue::Text(self.0.clone())
    }
}

/// A text on one or several lines, of at most so many bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines<const BYTES_MAX: usize>(String);

impl<const BYTES_MAX: usize> Checked for Lines<BYTES_MAX> {
    const FORM: Form = Form::Text;

    fn check(name: &str, value: TermValue) -> Result<Self, String> {
        plain(name, value.into_text()?, BYTES_MAX, |char| char == '\n').map(Self)
    }

    fn value(&self) -> TermValue {
        TermValue::Text(self.0.clone())
    }
}

/// The address of a picture, `http://` or `https://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture(String);

impl Checked for Picture {
    const FORM: Form = Form::Address;

    fn check(name: &str, value: TermValue) -> Result<Self, String> {
        let text = value.into_text()?;
        if !text.starts_with("http://") && !text.starts_with("https://") {
            let rule = "must be an address that starts with http:// or https://";
            return Err(format!("the {name} {rule}"));
        }
        let breaks = |char: &char| !char.is_ascii_graphic() || "<>\"".contains(*char);
        match text.chars().find(breaks) {
            Some(wrong) => Err(format!(
                "the {name} must be an address without white space, quotes and other than ASCII \
                 characters, and this one holds {wrong:?}"
            )),
            None => plain(name, text, PICTURE_BYTES_MAX, |_| false).map(Self),
        }
    }

    fn value(&self) -> TermValue {
        TermValue::Text(self.0.clone())
    }
}

/// Accepts a text that has no control characters but those allowed.
fn plain(
    name: &str,
    text: String,
    bytes_max: usize,
    is_allowed: impl Fn(char) -> bool,
) -> Result<String, String> {
    let bytes = text.len();
    if bytes > bytes_max {
        return Err(format!(
            "the {name} must be at most {bytes_max} bytes of UTF-8, and this one has {bytes}"
        ));
    }
    let breaks = |char: &char| char.is_control() && !is_allowed(*char);
    match text.chars().find(breaks) {
        Some(control) => Err(format!(
            "the {name} must be without control characters, and this one holds {control:?}"
        )),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: Checked>(text: &str) -> Result<TermValue, String> {
        T::check("text", TermValue::Text(text.to_owned())).map(|accepted| accepted.value())
    }

    fn number<T: Checked>(number: u64) -> Result<TermValue, String> {
        T::check("number", TermValue::Number(number)).map(|accepted| accepted.value())
    }

    #[test]
    fn texts_have_bounds() {
        for accepted in [
            (text::<Title> as fn(&str) -> _, "春茶 \u{1f375}"),
            (text::<Title>, ""),
            (text::<Title>, &"x".repeat(200)),
            (text::<Place>, &"x".repeat(256)),
            (text::<Description>, "two\nlines"),
            (text::<Description>, &"x".repeat(2000)),
            (text::<Picture>, "http://a"),
            (text::<Picture>, "https://a.example/%E9%A9%AC.png?b=c&d='"),
            (text::<Keyword>, "x"),
            (text::<StockKind>, "target"),
        ] {
            let (check, given) = accepted;
            assert_eq!(check(given), Ok(TermValue::Text(given.to_owned())));
        }
        for (result, why) in [
            (text::<Title>("a\nb"), "holds '\\n'"),
            (text::<Title>("\u{1b}[2J"), "holds '\\u{1b}'"),
            (text::<Title>(&"茶".repeat(67)), "the text must be at most"),
            (text::<Title>(&"茶".repeat(67)), "has 201"),
            (text::<Place>("two\nlines"), "holds '\\n'"),
            (text::<Place>(&"茶".repeat(86)), "has 258"),
            (text::<Description>("a\rb"), "holds '\\r'"),
            (text::<Description>("a\u{7f}b"), "holds '\\u{7f}'"),
            (text::<Description>(&"x".repeat(2001)), "has 2001"),
            (text::<Picture>(""), "http://"),
            (text::<Picture>("javascript:alert(1)"), "http://"),
            (text::<Picture>("//a.example/x.png"), "http://"),
            (text::<Picture>("https://a.example/a b"), "holds ' '"),
            (text::<Picture>("https://a.example/马"), "holds '马'"),
            (text::<Picture>("https://a.example/\""), "holds '\"'"),
            (
                text::<Picture>(&format!("http://{}", "x".repeat(1024))),
                "has 1031",
            ),
            (text::<Keyword>("a b"), "the keyword must be 1 to 64 bytes"),
            (text::<StockKind>("heap"), "`list`, `counter` or `target`"),
            (number::<Title>(7), "it must be a text"),
        ] {
            let error = result.expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        for (check, least, most) in [
            (number::<PurchaseMax> as fn(u64) -> _, 1, 100),
            (number::<OrdersMax>, 1, 1_000_000),
            (number::<BidMin>, 1, 100_000_000_000_000),
            (number::<BonusBp>, 0, 10_000),
            (number::<Hold>, 1_000, 31_536_000_000),
        ] {
            for accepted in [least, most] {
                assert_eq!(check(accepted), Ok(TermValue::Number(accepted)));
            }
            for refused in [least.wrapping_sub(1), most + 1, u64::MAX] {
                assert!(check(refused).is_err(), "{refused}");
            }
        }
        assert_eq!(
            number::<BonusBp>(10_001),
            Err("10001 is not in 0..=10000".to_owned())
        );
    }

    #[test]
    fn nothing_is_accepted_only_where_it_clears() {
        let cleared = <Option<Hold>>::check("hold", TermValue::Nothing);
        assert_eq!(cleared.map(|hold| hold.value()), Ok(TermValue::Nothing));
        for refused in [
            Title::check("title", TermValue::Nothing).map(|_| ()),
            PurchaseMax::check("purchase_max", TermValue::Nothing).map(|_| ()),
            bool::check("feed", TermValue::Nothing).map(|_| ()),
        ] {
            assert!(refused.is_err());
        }
    }
}
