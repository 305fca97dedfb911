//! Creates, changes, stops and audits sales.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{
    JSON_BYTES_MAX, answer, fault, field, fields, must_be_json, no_parameter, parameter, sale_id,
    text, who, whole,
};
use crate::domain::ids::SaleId;
use crate::domain::sale::terms::{Term, put_terms};
use crate::domain::sale::values::{Form, TermValue};
use crate::domain::sale::{EditOutcome, EditRefusal, SaleEdit};
use crate::domain::time::EpochMs;
use crate::http::caller::operator::carry_out;
use crate::http::context::Context;
use crate::http::extract::body::{discard, read_body};
use crate::http::respond::problem::Problem;
use crate::operation::sale::{asked, explain, to_json};
use crate::operation::{self, times};
use crate::store::Store;

/// The body of `PUT /admin/sales/{id}`: terms by name, as they came. Others are refused by name.
struct Terms(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TermsVisitor)
    }
}

struct TermsVisitor;

impl<'de> Visitor<'de> for TermsVisitor {
    type Value = Terms;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms of a sale")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Terms, A::Error> {
        let mut terms = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if !put_terms().any(|term| term.name == name) {
                let known: Vec<_> = put_terms().map(|term| format!("`{}`", term.name)).collect();
                let known = known.join(", ");
                let unknown = format!("unknown field `{name}`, expected one of {known}");
                return Err(de::Error::custom(unknown));
            }
            if terms.contains_key(&name) {
                return Err(de::Error::custom(format!("duplicate field `{name}`")));
            }
            terms.insert(name, map.next_value()?);
        }
        Ok(Terms(terms))
    }
}

impl Terms {
    fn checked(mut self) -> Result<SaleEdit, Problem> {
        let mut edit = SaleEdit::default();
        for term in put_terms() {
            field(term.name, self.0.remove(term.name), |value| {
                term.decide(&mut edit, read(term, value)?)
            })?;
        }
        Ok(edit)
    }
}

/// The value of a term; `null` clears what can be cleared.
fn read(term: &Term, value: Value) -> Result<TermValue, String> {
    if value.is_null() && term.clears {
        return Ok(TermValue::Nothing);
    }
    match term.form {
        Form::Choice | Form::Text | Form::Keyword | Form::Address => Ok(term.text(text(value)?)),
        Form::Time => time(value).map(TermValue::number),
        Form::Duration => times::duration(&text(value)?).map(TermValue::number),
        Form::Whole => whole(value).map(TermValue::Number),
        Form::Switch => {
            let on = value.as_bool().map(TermValue::Switch);
            on.ok_or_else(|| "it must be true or false".to_owned())
        }
    }
}

/// RFC 3339 or epoch seconds.
fn time(value: Value) -> Result<Option<EpochMs>, String> {
    match value {
        Value::Number(seconds) => times::parse(&seconds.to_string()),
        value => times::parse(&text(value)?),
    }
}

/// `PUT /admin/sales/{id}`
pub async fn put(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let body = read_body(body, JSON_BYTES_MAX)
        .await
        .map_err(|e| fault(&e))?;
    let id = sale_id(&request)?;
    no_parameter(&request)?;
    must_be_json(&request)?;
    let edit = fields::<Terms>(&body)?.checked()?;
    if edit == SaleEdit::default() {
        let detail = "nothing to put: name at least kind, or what to change";
        return Err(Problem::invalid(detail));
    }
    change(&context, &request, &id, edit, "updated").await
}

/// `POST /admin/sales/{id}/pause`
pub async fn pause(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    set_paused(&context, &request, body, true).await
}

/// `POST /admin/sales/{id}/resume`
pub async fn resume(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    set_paused(&context, &request, body, false).await
}

async fn set_paused(
    context: &Context,
    request: &HttpRequest,
    body: Payload,
    paused: bool,
) -> Result<HttpResponse, Problem> {
    discard(body).await;
    let id = sale_id(request)?;
    no_parameter(request)?;
    let edit = SaleEdit {
        paused: Some(paused),
        ..SaleEdit::default()
    };
    let code = if paused { "paused" } else { "resumed" };
    change(context, request, &id, edit, code).await
}

/// Makes the change, logs it, and shows the sale as it is then. `updated` is the code for a sale
/// that existed.
async fn change(
    context: &Context,
    request: &HttpRequest,
    id: &SaleId,
    edit: SaleEdit,
    updated: &'static str,
) -> Result<HttpResponse, Problem> {
    let putting = put_and_log(
        context.store.clone(),
        who(request),
        id.clone(),
        edit,
        updated,
    );
    let (catalogue, changed) = (context.catalogue.clone(), id.clone());
    let changing = async move {
        let outcome = putting.await;
        if outcome.is_ok() {
            catalogue.refresh(&changed).await;
        }
        outcome
    };
    let outcome = carry_out(context, request, changing).await?;
    let outcome = outcome.map_err(|error| Problem::of_changing(&error))?;
    let (status, code) = match outcome {
        EditOutcome::Created => (StatusCode::CREATED, "created"),
        EditOutcome::Updated => (StatusCode::OK, updated),
        EditOutcome::Refused(refusal) => return Err(refused(id, refusal)),
    };
    context.admission.put(id);
    // The sale is changed, so an error here must not say that nothing was.
    let shown = context.store.sale_snapshot(id).await;
    let shown = shown.map_err(|error| {
        let detail = format!("it was {code}, but cannot be shown: {error}");
        Problem::later("unknown", detail)
    })?;
    let sale = shown.ok_or_else(|| Problem::no_such_sale(id.as_str()))?;
    Ok(answer(status, code, &to_json(&sale)))
}

async fn put_and_log(
    store: Store,
    who: String,
    id: SaleId,
    edit: SaleEdit,
    updated: &'static str,
) -> crate::failure::Result<EditOutcome> {
    let outcome = store.sale_put(&id, &edit).await;
    let became = match &outcome {
        Ok(EditOutcome::Created) => "created",
        Ok(EditOutcome::Updated) => updated,
        Ok(EditOutcome::Refused(refusal)) => refusal.code(),
        Err(error) => Problem::of_changing(error).code(),
    };
    let (asked, error) = (asked(&edit), outcome.as_ref().err());
    let error = error.map(tracing::field::display);
    tracing::info!(who, sale = %id, %asked, became, error, "change of a sale over HTTP");
    outcome
}

fn refused(id: &SaleId, refusal: EditRefusal) -> Problem {
    let status = match refusal {
        EditRefusal::NoSuchSale => StatusCode::NOT_FOUND,
        EditRefusal::KindIsFixed
        | EditRefusal::AlreadyOpen
        | EditRefusal::PurchaseMaxLowered
        | EditRefusal::WindowIsEmpty
        | EditRefusal::FeedIsFixed
        | EditRefusal::TermsAreFixed
        | EditRefusal::NotOfThisKind
        | EditRefusal::HoldAndKeyword
        | EditRefusal::OneTicketEach
        | EditRefusal::SoldElsewhere
        | EditRefusal::TicketsAreOut
        | EditRefusal::NotAnActivity
        | EditRefusal::EndsBeforeStart
        | EditRefusal::EndsBeforeClosing
        | EditRefusal::Forgot
        | EditRefusal::BeingCleared
        | EditRefusal::Archived => StatusCode::CONFLICT,
    };
    Problem::new(status, refusal.code(), explain(id, refusal))
}

/// `GET /admin/sales/{id}/audit?deep=true`: 200 is a verdict, whichever; the code says which.
pub async fn audit(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = sale_id(&request)?;
    let deep = match parameter(&request, "deep")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let detail = format!("deep is {other:?}: it must be true or false");
            return Err(Problem::invalid(detail));
        }
    };
    let busy = || Problem::later("busy", "another deep audit is running");
    let _turn = match deep {
        true => Some(context.turns.auditing.take().ok_or_else(busy)?),
        false => None,
    };
    let judged = operation::audit::audit(&context.store, &id, deep, &|_| {}).await;
    let judged = judged.map_err(|error| Problem::of_audit(&error))?;
    let verdict = judged.ok_or_else(|| Problem::no_such_sale(id.as_str()))?;
    let code = if verdict.holds() { "holds" } else { "violated" };
    Ok(answer(StatusCode::OK, code, &verdict.to_json()))
}
