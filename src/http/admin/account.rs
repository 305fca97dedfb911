//! `PUT /admin/accounts/{event}/{user}`: states what a buyer may spend on the targets of an event.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;

use super::{JSON_BYTES_MAX, answer, fault, field, fields, must_be_json, no_parameter, who, whole};
use crate::domain::ids::{Event, Username};
use crate::error::Error;
use crate::http::Context;
use crate::http::attempt::read_body;
use crate::http::form;
use crate::http::operator::carry_out;
use crate::http::problem::Problem;
use crate::operation::account::{balance, limit_passed, to_json};
use crate::store::Store;
use crate::store::accounts::SetOutcome;

/// What the body says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    balance: Option<Value>,
}

/// `PUT /admin/accounts/{event}/{user}`
pub async fn put(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let body = read_body(body, JSON_BYTES_MAX).await;
    let body = body.map_err(|e| fault(&e))?;
    let (event, username) = (event(&request)?, username(&request)?);
    no_parameter(&request)?;
    must_be_json(&request)?;
    let Stated { balance: stated } = fields(&body)?;
    let stated = field("balance", stated, |value| balance(whole(value)?))?;
    let balance = stated.ok_or_else(|| Problem::invalid("balance: it must be there"))?;
    // Two who set the first account at the same time may both be told.
    let kept = context.store.keeps_accounts(&event).await;
    let first = !kept.map_err(|error| Problem::of_reading(&error))?;
    let (store, who) = (context.store.clone(), who(&request));
    let (event_set, stated) = (event.clone(), (username.clone(), balance));
    let setting = async move { set_and_log(&store, &who, &event_set, stated, first).await };
    let outcome = carry_out(&request, setting).await?;
    match outcome.map_err(|error| failed(&error))? {
        SetOutcome::Set { .. } => shown(&context, &event, &username, first).await,
        SetOutcome::LimitPassed(username) => Err(Problem::new(
            StatusCode::CONFLICT,
            "limit_passed",
            limit_passed(&username),
        )),
    }
}

async fn set_and_log(
    store: &Store,
    who: &str,
    event: &Event,
    stated: (Username, u64),
    first: bool,
) -> crate::error::Result<SetOutcome> {
    let outcome = store
        .account_set(event, std::slice::from_ref(&stated))
        .await;
    let (username, balance) = stated;
    let became = match &outcome {
        Ok(SetOutcome::Set { .. }) => "set",
        Ok(SetOutcome::LimitPassed(_)) => "limit_passed",
        Err(error) => failed(error).code(),
    };
    tracing::info!(
        who,
        event = event.as_str(),
        user = username.as_str(),
        balance,
        first,
        became,
        error = outcome.as_ref().err().map(tracing::field::display),
        "account set over HTTP"
    );
    outcome
}

fn event(request: &HttpRequest) -> Result<Event, Problem> {
    let event = request.match_info().get("event").unwrap_or_default();
    Event::parse(event).map_err(|invalid| Problem::invalid(format!("event: {invalid}")))
}

/// The buyer whom the end of the path names. It is decoded here, because the router would keep
/// what it cannot decode.
fn username(request: &HttpRequest) -> Result<Username, Problem> {
    let segment = request.uri().path().rsplit('/').next().unwrap_or_default();
    let wrong = |why: &str| Problem::invalid(format!("user: {why}"));
    let name = form::segment(segment).map_err(|_| wrong("it must be percent-encoded UTF-8"))?;
    Username::parse(name.into_owned()).map_err(|invalid| wrong(&invalid.to_string()))
}

/// The account as it is then, and whether it is the one from which on its event keeps accounts.
async fn shown(
    context: &Context,
    event: &Event,
    username: &Username,
    first: bool,
) -> Result<HttpResponse, Problem> {
    let found = context.store.account(event, username).await;
    // The balance is set: if it cannot be shown now, it is not for sure that nothing was.
    let unseen = |why: &str| Problem::unknown(format!("it was set, but cannot be shown: {why}"));
    let found = found.map_err(|error| unseen(&error.to_string()))?;
    let account = found.ok_or_else(|| unseen("there is no account"))?;
    let mut shown = to_json(&account);
    shown["first_of_event"] = first.into();
    Ok(answer(StatusCode::OK, "set", &shown))
}

/// To state a balance again undoes what was bid meanwhile, so nobody is asked to try again.
fn failed(error: &Error) -> Problem {
    match error {
        Error::Busy(_) => Problem::later("busy", error.to_string()),
        other => Problem::unknown(format!("{other}; the same again is safe while nobody bids")),
    }
}
