//! `POST /admin/accounts/{event}/{user}/deposit` and `/withdraw`: pays into an account or out of
//! it, once for each request id.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;

use super::account::{event, username};
use super::{JSON_BYTES_MAX, answer, fault, field, fields, must_be_json, no_parameter, text, who};
use crate::domain::ids::{Event, RequestId};
use crate::domain::money::Amount;
use crate::domain::payment::{Direction, PayOutcome, PayRefusal, Payment};
use crate::failure::Failure;
use crate::http::caller::operator::carry_out;
use crate::http::context::Context;
use crate::http::extract::body::read_body;
use crate::http::respond::problem::{More, Problem};
use crate::operation::account::{PaymentView, not_paid};
use crate::store::Store;

/// The fields of the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    amount: Option<Value>,
    request_id: Option<Value>,
}

/// `POST /admin/accounts/{event}/{user}/deposit`
pub async fn deposit(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    pay(&context, &request, body, Direction::Deposit).await
}

/// `POST /admin/accounts/{event}/{user}/withdraw`
pub async fn withdraw(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    pay(&context, &request, body, Direction::Withdrawal).await
}

async fn pay(
    context: &Context,
    request: &HttpRequest,
    body: Payload,
    direction: Direction,
) -> Result<HttpResponse, Problem> {
    let body = read_body(body, JSON_BYTES_MAX).await;
    let body = body.map_err(|e| fault(&e))?;
    let event = event(request)?;
    let payment = payment(request, &body, direction)?;
    let (store, who) = (context.store.clone(), who(request));
    let paying = pay_and_log(store, who, event.clone(), payment.clone());
    match carry_out(context, request, paying)
        .await?
        .map_err(|error| failed(&error))?
    {
        PayOutcome::Paid { balance } => {
            let paid = PaymentView::new(&payment, balance);
            Ok(answer(StatusCode::OK, direction.code(), &paid))
        }
        PayOutcome::Refused(refusal) => Err(refused(&event, &payment, refusal)),
    }
}

async fn pay_and_log(
    store: Store,
    who: String,
    event: Event,
    payment: Payment,
) -> Result<PayOutcome, Failure> {
    let outcome = store.account_pay(&event, &payment).await;
    let became = match &outcome {
        Ok(PayOutcome::Paid { .. }) => payment.direction.code(),
        Ok(PayOutcome::Refused(refusal)) => refusal.code(),
        Err(error) => failed(error).code(),
    };
    tracing::info!(
        who,
        event = event.as_str(),
        user = payment.username.as_str(),
        request_id = payment.request.as_str(),
        amount = payment.signed_amount(),
        became,
        error = outcome.as_ref().err().map(tracing::field::display),
        "payment over HTTP"
    );
    outcome
}

/// The payment that the path and the body ask for.
fn payment(request: &HttpRequest, body: &[u8], direction: Direction) -> Result<Payment, Problem> {
    let username = username(request, 1)?;
    no_parameter(request)?;
    must_be_json(request)?;
    let asked: Asked = fields(body)?;
    let missing = |name: &str| Problem::invalid(format!("{name}: it must be there"));
    let amount = field("amount", asked.amount, amount)?;
    let request = field("request_id", asked.request_id, request_id)?;
    Ok(Payment {
        username,
        request: request.ok_or_else(|| missing("request_id"))?,
        direction,
        amount: amount.ok_or_else(|| missing("amount"))?,
    })
}

/// An amount in the form that bids use: digits, as a number or as a text.
fn amount(value: Value) -> Result<Amount, String> {
    let digits = match value {
        Value::Number(number) => number.to_string(),
        other => text(other)?,
    };
    Amount::parse(&digits).map_err(|invalid| invalid.to_string())
}

fn request_id(value: Value) -> Result<RequestId, String> {
    RequestId::parse(text(value)?).map_err(|invalid| invalid.to_string())
}

fn refused(event: &Event, payment: &Payment, refusal: PayRefusal) -> Problem {
    let detail = not_paid(event, payment, refusal);
    let problem = |status| Problem::new(status, refusal.code(), detail);
    match refusal {
        PayRefusal::RequestIdReused => problem(StatusCode::UNPROCESSABLE_ENTITY),
        PayRefusal::NoSuchAccount => problem(StatusCode::NOT_FOUND),
        PayRefusal::LimitPassed | PayRefusal::Archived => problem(StatusCode::CONFLICT),
        PayRefusal::InsufficientBalance { balance } => {
            problem(StatusCode::CONFLICT).with(More::Balance { balance })
        }
    }
}

/// A retry is safe even if the outcome is unknown: the payment is made once.
fn failed(error: &Failure) -> Problem {
    match error {
        Failure::Busy(_) => Problem::later("busy", error.to_string()),
        Failure::Unknown(_) => {
            let safe = format!("{error}; the same request again is safe: it is done once");
            Problem::later("unknown", safe)
        }
        Failure::Unreadable(_) => Problem::unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_payment_may_be_asked_for_again_and_a_damaged_account_may_not() {
        let unknown = failed(&Failure::Unknown("late".to_owned()));
        assert_eq!(unknown.code(), "unknown");
        assert!(
            unknown
                .to_string()
                .contains("the same request again is safe")
        );
        let damaged = failed(&Failure::Unreadable("x".to_owned()));
        assert_eq!(damaged.code(), "unreadable");
        assert!(!damaged.to_string().contains("again"));
    }
}
