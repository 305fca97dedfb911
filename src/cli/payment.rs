//! `seckill account deposit` and `withdraw`: pays into an account or out of it, exactly once.

use std::process::ExitCode;

use clap::Args;

use super::first_account::{begins, is_first};
use super::print::Output;
use super::values::username;
use crate::domain::ids::{Event, RequestId, Username};
use crate::domain::money::Amount;
use crate::domain::payment::{Direction, PayOutcome, Payment};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::operation::account::{PaymentView, not_paid};
use crate::store::Store;

/// What the exit code says; the codes are a contract with scripts.
const EXIT_CODES: &str = "\
Exit codes:
  0  it was paid, now or by an earlier request with the same id
  1  refused: nothing was paid
  2  the command line or a setting cannot be used
  3  Redis cannot be reached, or did not execute it: nothing was paid
  4  the outcome is unknown: repeat with the same --request-id";

/// `seckill account deposit`, `seckill account withdraw`
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct PayCommand {
    /// The event
    #[arg(value_parser = Event::parse)]
    event: Event,
    /// The buyer
    #[arg(value_parser = username, value_name = "USERNAME")]
    username: Username,
    /// How much, in cents
    #[arg(value_name = "CENTS", value_parser = Amount::parse)]
    amount: Amount,
    /// Your name for this payment. Repeats with the same name pay only once [default: a new
    /// one, which is printed on standard error]
    #[arg(long, value_name = "ID", value_parser = request_id)]
    request_id: Option<RequestId>,
}

fn request_id(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text.to_owned()).map_err(|invalid| invalid.to_string())
}

impl PayCommand {
    /// Runs the command.
    pub async fn run(
        &self,
        direction: Direction,
        store: &Store,
        output: Output,
    ) -> Result<ExitCode> {
        let event = &self.event;
        let payment = Payment {
            username: self.username.clone(),
            request: self.request()?,
            direction,
            amount: self.amount,
        };
        let first = direction == Direction::Deposit && is_first(store, event).await?;
        let doubt = |error| in_doubt(&payment, first.then_some(event), error);
        match store.account_pay(event, &payment).await.map_err(doubt)? {
            PayOutcome::Paid { balance } => {
                let line = line(event, &payment, balance);
                output.result(line, &PaymentView::new(&payment, balance))?;
                if first {
                    eprintln!("seckill: {}", begins(event, "keeps"));
                }
                Ok(ExitCode::SUCCESS)
            }
            PayOutcome::Refused(refusal) => Err(Error::Refused(not_paid(event, &payment, refusal))),
        }
    }

    /// The id of the request. A new one is printed before anything is sent, so that the payment can
    /// be repeated safely whatever happens.
    fn request(&self) -> Result<RequestId> {
        if let Some(request) = &self.request_id {
            return Ok(request.clone());
        }
        let request = RequestId::parse(format!("cli-{:032x}", rand::random::<u128>()))?;
        let id = request.as_str();
        eprintln!("seckill: the request id of this payment is {id}");
        Ok(request)
    }
}

/// The line that says what was paid.
fn line(event: &Event, payment: &Payment, balance: u64) -> String {
    let (username, amount) = (&payment.username, payment.amount.get());
    let paid = payment.direction.code();
    format!("{paid} {amount} cents, account of {username} in event {event}: {balance} cents then")
}

/// The outcome is unknown: the error says how to find out, and what may have begun with the first
/// account of an event.
fn in_doubt(payment: &Payment, first_of: Option<&Event>, failure: Failure) -> Failure {
    let Failure::Unknown(why) = failure else {
        return failure;
    };
    let begins = first_of.map_or_else(String::new, |event| {
        format!("; {}", begins(event, "may keep"))
    });
    let id = payment.request.as_str();
    Failure::Unknown(format!(
        "{why}; the same again with --request-id {id:?} is safe: it is paid once{begins}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_says_how_to_ask_again() {
        let event = Event::parse("e").expect("valid");
        let payment = Payment {
            username: username("x").expect("valid"),
            request: request_id("r 1").expect("valid"),
            direction: Direction::Deposit,
            amount: Amount::parse("5").expect("valid"),
        };
        let why = Failure::Unknown("late".to_owned());
        let doubt = in_doubt(&payment, Some(&event), why.clone());
        assert!(matches!(doubt, Failure::Unknown(_)), "{doubt:?}");
        let said = doubt.to_string();
        assert!(said.contains("late; the same again with --request-id \"r 1\" is safe"));
        assert!(
            said.ends_with(
                "; event e may keep accounts from now on: buyers without one cannot bid"
            )
        );
        let later = in_doubt(&payment, None, why).to_string();
        assert!(later.ends_with("it is paid once"), "{later}");
        let busy = in_doubt(&payment, Some(&event), Failure::Busy("late".to_owned()));
        assert_eq!(busy.to_string(), "not executed: late");
    }
}
