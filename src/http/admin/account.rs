//! `PUT /admin/accounts/{event}/{user}`: sets what a buyer may spend on the targets of an event.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;

use super::{
    JSON_BYTES_MAX, answer, fault, field, fields, must_be_json, no_parameter, present, who, whole,
};
use crate::domain::ids::{Event, Username};
use crate::failure::Failure;
use crate::http::caller::operator::carry_out;
use crate::http::context::Context;
use crate::http::extract::body::read_body;
use crate::http::extract::form;
use crate::http::respond::problem::{More, Problem};
use crate::operation::account::{
    AccountView, balance, balance_changed, limit_passed, no_such_account,
};
use crate::store::Store;
use crate::store::orders::accounts::{SetIfOutcome, SetOutcome};

/// The fields of the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    balance: Option<Value>,
    /// `null` means that no account exists. It must not be a default: it would create one by
    /// mistake.
    #[serde(default, deserialize_with = "present")]
    if_balance: Option<Value>,
}

/// The new balance, and the one that the account must have before, if that is given.
#[derive(Clone, Copy)]
struct Wanted {
    balance: u64,
    if_balance: Option<u64>,
}

impl Wanted {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let stated: Stated = fields(body)?;
        let cents = |value| balance(whole(value)?);
        let balance = field("balance", stated.balance, cents)?;
        let if_balance = field("if_balance", stated.if_balance, cents)?;
        Ok(Self {
            balance: balance.ok_or_else(|| Problem::invalid("balance: it must be there"))?,
            if_balance,
        })
    }
}

/// `PUT /admin/accounts/{event}/{user}`
pub async fn put(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let body = read_body(body, JSON_BYTES_MAX).await;
    let body = body.map_err(|e| fault(&e))?;
    let (event, username) = (event(&request)?, username(&request, 0)?);
    no_parameter(&request)?;
    must_be_json(&request)?;
    let wanted = Wanted::read(&body)?;
    let store = context.store.for_request();
    // Two clients that set the first account at the same time may both be told so.
    let kept = store.keeps_accounts(&event).await;
    let first = !kept.map_err(|error| Problem::of_reading(&error))?;
    let who = who(&request);
    let setting = set_and_log(store, who, event.clone(), username.clone(), wanted, first);
    carry_out(&context, &request, setting).await??;
    shown(&context, &event, &username, first).await
}

async fn set_and_log(
    store: Store,
    who: String,
    event: Event,
    username: Username,
    wanted: Wanted,
    first: bool,
) -> Result<(), Problem> {
    let outcome = set(&store, &event, &username, wanted).await;
    tracing::info!(
        who,
        event = event.as_str(),
        user = username.as_str(),
        balance = wanted.balance,
        if_balance = wanted.if_balance,
        first,
        became = outcome.as_ref().err().map_or("set", Problem::code),
        error = outcome.as_ref().err().map(tracing::field::display),
        "account set over HTTP"
    );
    outcome
}

/// Sets the balance, or returns why not.
async fn set(
    store: &Store,
    event: &Event,
    username: &Username,
    wanted: Wanted,
) -> Result<(), Problem> {
    let Some(seen) = wanted.if_balance else {
        let stated = [(username.clone(), wanted.balance)];
        return match store.account_set(event, &stated).await {
            Ok(SetOutcome::Set { .. }) => Ok(()),
            Ok(SetOutcome::LimitPassed(username)) => {
                Err(conflict("limit_passed", limit_passed(&username)))
            }
            Err(error) => Err(failed(&error)),
        };
    };
    let outcome = store.account_set_if(event, username, seen, wanted.balance);
    match outcome.await {
        Ok(SetIfOutcome::Set) => Ok(()),
        Ok(SetIfOutcome::NoSuchAccount) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_such_account",
            no_such_account(event, username),
        )),
        Ok(SetIfOutcome::BalanceChanged { balance }) => {
            let detail = balance_changed(username, balance, seen);
            Err(conflict("balance_changed", detail).with(More::Balance { balance }))
        }
        Ok(SetIfOutcome::LimitPassed) => Err(conflict("limit_passed", limit_passed(username))),
        Err(error) => Err(Problem::of_changing(&error)),
    }
}

fn conflict(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}

/// The event that the path names.
pub(super) fn event(request: &HttpRequest) -> Result<Event, Problem> {
    let event = request.match_info().get("event").unwrap_or_default();
    Event::parse(event).map_err(|invalid| Problem::invalid(format!("event: {invalid}")))
}

/// The buyer whom the path names, this many segments before its last one. It is decoded here,
/// because the router would keep what it cannot decode.
pub(super) fn username(request: &HttpRequest, before: usize) -> Result<Username, Problem> {
    let segment = request.uri().path().rsplit('/').nth(before);
    let wrong = |why: &str| Problem::invalid(format!("user: {why}"));
    let name = form::segment(segment.unwrap_or_default());
    let name = name.map_err(|_| wrong("it must be percent-encoded UTF-8"))?;
    Username::parse(name.into_owned()).map_err(|invalid| wrong(&invalid.to_string()))
}

/// The account after the change, and whether it is the first one of its event.
async fn shown(
    context: &Context,
    event: &Event,
    username: &Username,
    first: bool,
) -> Result<HttpResponse, Problem> {
    let found = context.store.account(event, username).await;
    // The balance is set, so an error here must not say that nothing was changed.
    let unseen = |why: &str| Problem::unknown(format!("it was set, but cannot be shown: {why}"));
    let found = found.map_err(|error| unseen(&error.to_string()))?;
    let account = found.ok_or_else(|| unseen("there is no account"))?;
    let shown = AccountView::changed(&account, first);
    Ok(answer(StatusCode::OK, "set", &shown))
}

/// A repeat would undo bids that came meanwhile, so the answer does not ask for one.
fn failed(error: &Failure) -> Problem {
    match error {
        Failure::Busy(_) => Problem::later("busy", error.to_string()),
        Failure::Unknown(_) => {
            Problem::unknown(format!("{error}; the same again is safe while nobody bids"))
        }
        Failure::Unreadable(_) => Problem::unreadable(error.to_string()),
    }
}
