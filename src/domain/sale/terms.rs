//! The terms of a sale: every field that an operator decides is one row of one table.
//!
//! The flags of the command line, the bodies of the operators' endpoint, the fields in Redis, the
//! log and `sale show` all walk over this table. To add a term, write its row here and in
//! `lua/lib/terms.lua`, keep it in [`Sale`], and read it in `store/sales/snapshot.rs`.

use super::activity::{Activity, Keyword};
use super::offer::{Target, Units};
use super::values::{
    BidMin, BonusBp, Checked, Description, Form, Hold, OrdersMax, Picture, Place, PurchaseMax,
    TermValue, Title,
};
use super::{Sale, StockKind};
use crate::domain::time::EpochMs;

/// Which sales have a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Every sale.
    Every,
    /// Lists and counters.
    Units,
    /// Targets.
    Target,
    /// Activities.
    Activity,
    /// Every sale, but only `pause` and `resume` decide it, and it is shown as the phase.
    Pause,
}

/// One term of a sale.
#[derive(Debug)]
pub struct Term {
    /// Its name in Redis, in JSON and in logs; the flag has dashes.
    pub name: &'static str,
    /// Which sales have it.
    pub of: Of,
    /// What its values look like.
    pub form: Form,
    /// Whether it can be cleared.
    pub clears: bool,
    doc: &'static str,
    decide: fn(&mut SaleEdit, TermValue) -> Result<(), String>,
    decided: fn(&SaleEdit) -> Option<TermValue>,
    shown: fn(&Sale) -> Option<TermValue>,
}

/// Declares [`SaleEdit`] and [`TERMS`] from one row for each term: what it means, which sales have
/// it, its name and type, and what a sale shows of it.
macro_rules! terms {
    ($($(#[doc = $doc:literal])+ $of:ident $name:ident: $type:ty = $shown:expr;)+) => {
        /// What `sale put` changes: every field that is `Some`.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct SaleEdit {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)+
        }

        /// Every term, in the order of help, logs and tables.
        pub const TERMS: &[Term] = &[$(Term {
            name: stringify!($name),
            of: Of::$of,
            form: <$type as Checked>::FORM,
            clears: <$type as Checked>::CLEARS,
            doc: concat!($($doc),+),
            decide: |edit, value| {
                edit.$name = Some(Checked::check(stringify!($name), value)?);
                Ok(())
            },
            decided: |edit| edit.$name.as_ref().map(Checked::value),
            shown: $shown,
        },)+];
    };
}

terms! {
    /// `list`: units with an identity, sold by /seckill; `counter`: equal units, by /incr;
    /// `target`: an amount in cents that bids fill up, by /bids. Fixed once the sale exists
    Every kind: StockKind = |sale| Some(sale.kind().value());

    /// What people read: up to 200 bytes, no control characters; empty for none
    Every title: Title = |sale| Some(text(&sale.title));

    /// First instant of the window: RFC 3339, epoch seconds, or `none`
    Every opens_at: Option<EpochMs> = |sale| Some(sale.opens_at.value());

    /// Last instant of the window: RFC 3339, epoch seconds, or `none`
    Every closes_at: Option<EpochMs> = |sale| Some(sale.closes_at.value());

    /// Most units in one attempt [default for a new sale: 2]
    Units purchase_max: PurchaseMax =
        |sale| of_units(sale, |units| TermValue::Number(units.purchase_max.into()));

    /// Most orders that a buyer may have had, those that were cancelled or expired included, or
    /// `none` for any number [default: 20]
    Units orders_max: Option<OrdersMax> =
        |sale| of_units(sale, |units| TermValue::number(units.orders_max));

    /// Stop selling, or sell again
    Pause paused: bool = |_| None;

    /// How long an order waits for its confirmation before it expires, like `15m`, or `none`
    Every hold: Option<Hold> = |sale| Some(TermValue::number(sale.hold));

    /// Until when a confirmed order may be cancelled, or `none` [default: it may not]
    Every cancel_until: Option<EpochMs> = |sale| Some(sale.cancel_until.value());

    /// Write what happens to orders to the feed of the event, `on` or `off` [default: on]
    Every feed: bool = |sale| Some(sale.feed.value());

    /// Smallest bid, in cents, unless it is all that is left [default: 1]. Fixed by the first bid
    Target bid_min: BidMin = |sale| of_target(sale, Target::smallest_bid);

    /// Bonus in basis points of what is accepted [default: 0]. Fixed by the first bid
    Target bonus_bp: BonusBp = |sale| of_target(sale, |target| target.bonus_bp.into());

    /// Make it an activity, which the ticket office sells: what people type to mean it, up to 64
    /// bytes, no white space; empty takes it off show
    Activity keyword: Option<Keyword> = |sale| of_activity(sale, |about| about.keyword.value());

    /// Where it is; empty removes it
    Activity place: Option<Place> = |sale| of_activity(sale, |about| text(&about.place));

    /// When it starts: RFC 3339, epoch seconds, or `none`
    Activity starts_at: Option<EpochMs> =
        |sale| of_activity(sale, |about| about.starts_at.value());

    /// When it ends: RFC 3339, epoch seconds, or `none`
    Activity ends_at: Option<EpochMs> = |sale| of_activity(sale, |about| about.ends_at.value());

    /// Address of a picture, http:// or https://; empty removes it
    Activity picture: Option<Picture> = |sale| of_activity(sale, |about| text(&about.picture));

    /// What people read about it, up to 2000 bytes in one or several lines; empty removes it
    Activity description: Option<Description> =
        |sale| of_activity(sale, |about| text(&about.description));
}

impl Term {
    /// What it means, for the help of its flag.
    pub fn help(&self) -> &'static str {
        self.doc.trim_start()
    }

    /// Takes the value into an edit.
    ///
    /// # Errors
    /// The rule, and how this value breaks it.
    pub fn decide(&self, edit: &mut SaleEdit, value: TermValue) -> Result<(), String> {
        (self.decide)(edit, value)
    }

    /// What an edit says of it; `None`: it stays as it is.
    pub fn decided(&self, edit: &SaleEdit) -> Option<TermValue> {
        (self.decided)(edit)
    }

    /// What it is in this sale; `None` of a sale that has no such term.
    pub fn of_sale(&self, sale: &Sale) -> Option<TermValue> {
        (self.shown)(sale)
    }

    /// A text that was given for it: an empty one clears what can be cleared.
    pub fn text(&self, text: String) -> TermValue {
        if text.is_empty() && self.clears {
            return TermValue::Nothing;
        }
        TermValue::Text(text)
    }
}

/// The terms that an operator puts: all but those of `pause` and `resume`.
pub fn put_terms() -> impl Iterator<Item = &'static Term> {
    TERMS.iter().filter(|term| term.of != Of::Pause)
}

fn text(text: &str) -> TermValue {
    TermValue::Text(text.to_owned())
}

fn of_units(sale: &Sale, shown: impl FnOnce(&Units) -> TermValue) -> Option<TermValue> {
    sale.units().map(shown)
}

fn of_target(sale: &Sale, shown: impl FnOnce(&Target) -> u64) -> Option<TermValue> {
    sale.target().map(shown).map(TermValue::Number)
}

fn of_activity(sale: &Sale, shown: impl FnOnce(&Activity) -> TermValue) -> Option<TermValue> {
    sale.activity().map(shown)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_term_has_a_name_of_its_own_and_a_meaning() {
        let names: BTreeSet<_> = TERMS.iter().map(|term| term.name).collect();
        assert_eq!(names.len(), TERMS.len());
        for term in TERMS {
            assert!(
                !term.help().is_empty() && !term.help().contains("  "),
                "{term:?}"
            );
        }
    }

    /// The script has a table of its own: a term that it lacks would be refused there.
    #[test]
    fn the_script_has_the_same_terms() {
        let script = include_str!("../../../lua/lib/terms.lua");
        let table = script.split_once("local terms = {").expect("a table").1;
        let table = table.split_once("\n}").expect("its end").0;
        let rows = table.split(['\n', ',']).map(str::trim);
        let names = rows.filter_map(|row| row.split_once(" = "));
        let names: BTreeSet<_> = names.map(|(name, _)| name).collect();
        assert_eq!(names, TERMS.iter().map(|term| term.name).collect());
    }

    #[test]
    fn what_is_decided_of_one_term_is_that_alone() {
        for term in TERMS {
            let value = match term.form {
                Form::Choice => TermValue::Text("counter".to_owned()),
                Form::Text | Form::Keyword => TermValue::Text("x".to_owned()),
                Form::Address => TermValue::Text("http://x".to_owned()),
                Form::Time | Form::Duration => TermValue::Number(5_000),
                Form::Whole => TermValue::Number(7),
                Form::Switch => TermValue::Switch(false),
            };
            let mut edit = SaleEdit::default();
            assert_eq!(term.decide(&mut edit, value.clone()), Ok(()));
            for other in TERMS {
                let expected = (other.name == term.name).then(|| value.clone());
                assert_eq!(other.decided(&edit), expected, "{}", other.name);
            }
            let cleared = term.decide(&mut edit, TermValue::Nothing);
            assert_eq!(cleared.is_ok(), term.clears, "{}", term.name);
        }
    }

    #[test]
    fn an_empty_text_clears_what_can_be_cleared() {
        let of = |name| TERMS.iter().find(|term| term.name == name).expect("a term");
        assert_eq!(of("place").text(String::new()), TermValue::Nothing);
        assert_eq!(of("title").text(String::new()), text(""));
        assert_eq!(of("place").text("x".to_owned()), text("x"));
    }
}
