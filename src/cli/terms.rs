//! The terms of a sale on the command line: the flags of `seckill sale put` and the lines of
//! `sale show`.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::domain::sale::terms::{Of, Term, put_terms};
use crate::domain::sale::values::{Form, TermValue};
use crate::domain::sale::{Sale, SaleEdit};
use crate::operation::sale::shown;
use crate::operation::times;

/// The flags of `seckill sale put`, one for each term.
#[derive(Debug)]
pub struct TermFlags(pub Box<SaleEdit>);

impl Args for TermFlags {
    fn augment_args(command: Command) -> Command {
        command.args(put_terms().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TermFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self(Box::default());
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for term in put_terms() {
            if let Some(value) = matches.get_one::<TermValue>(term.name) {
                let decided = term.decide(&mut self.0, value.clone());
                decided.map_err(|why| clap::Error::raw(ErrorKind::InvalidValue, why))?;
            }
        }
        Ok(())
    }
}

fn flag(term: &'static Term) -> Arg {
    let flag = Arg::new(term.name)
        .long(term.name.replace('_', "-"))
        .value_name(value_name(term))
        .help(term.help())
        .value_parser(move |text: &str| accepted(term, text));
    match term.of {
        Of::Every | Of::Pause => flag,
        Of::Units => flag.help_heading("Of a list or counter"),
        Of::Target => flag.help_heading("Of a target"),
        Of::Activity => flag.help_heading("Of an activity"),
    }
}

fn value_name(term: &Term) -> String {
    match term.form {
        Form::Choice | Form::Text | Form::Keyword => term.name.to_uppercase(),
        Form::Address => "URL".to_owned(),
        Form::Time => "TIME".to_owned(),
        Form::Duration => "DURATION".to_owned(),
        Form::Whole if term.clears => "N|none".to_owned(),
        Form::Whole => "N".to_owned(),
        Form::Switch => "on|off".to_owned(),
    }
}

/// The value of a flag, if the rule of its term accepts it.
fn accepted(term: &Term, text: &str) -> Result<TermValue, String> {
    let value = read(term, text)?;
    term.decide(&mut SaleEdit::default(), value.clone())?;
    Ok(value)
}

fn read(term: &Term, text: &str) -> Result<TermValue, String> {
    match term.form {
        Form::Choice | Form::Text | Form::Keyword | Form::Address => Ok(term.text(text.to_owned())),
        Form::Time => times::parse(text).map(TermValue::number),
        Form::Duration => times::duration(text).map(TermValue::number),
        Form::Whole if term.clears && text == "none" => Ok(TermValue::Nothing),
        Form::Whole => {
            let or_none = if term.clears { " or `none`" } else { "" };
            let number = text.parse().map(TermValue::Number);
            number.map_err(|_| format!("it must be a whole number{or_none}"))
        }
        Form::Switch => match text {
            "on" => Ok(TermValue::Switch(true)),
            "off" => Ok(TermValue::Switch(false)),
            _ => Err(format!("{text:?} is neither `on` nor `off`")),
        },
    }
}

/// A term in `sale show`: a line for each line of its text; none of a sale that has no such term.
pub fn lines(term: &Term, sale: &Sale) -> Vec<(String, String)> {
    let text = match (term.form, term.of_sale(sale)) {
        (_, None) => return Vec::new(),
        (Form::Keyword, Some(TermValue::Nothing)) => "none: not on show".to_owned(),
        (form, Some(value)) => shown(form, value),
    };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let mut rows = vec![(term.name.replace('_', " "), first)];
    rows.extend(lines.map(|line| (String::new(), line.to_owned())));
    rows
}
