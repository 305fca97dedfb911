//! Creates, changes, stops and audits sales.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;

use super::{
    JSON_BYTES_MAX, answer, fault, field, fields, must_be_json, no_parameter, parameter, present,
    sale_id, text, who, whole,
};
use crate::domain::ids::SaleId;
use crate::domain::sale::activity::ActivityEdit;
use crate::domain::sale::{EditOutcome, EditRefusal, SaleEdit, StockKind};
use crate::http::caller::operator::carry_out;
use crate::http::context::Context;
use crate::http::extract::body::{discard, read_body};
use crate::http::respond::problem::Problem;
use crate::operation::activity::{description, keyword, picture, place};
use crate::operation::sale::{
    asked, bid_min, bonus_bp, explain, hold, orders_max, purchase_max, title, to_json,
};
use crate::operation::{self, times};
use crate::store::Store;

/// The fields of `PUT /admin/sales/{id}`, as they came.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(deserialize_with = "present")]
    kind: Option<Value>,
    #[serde(deserialize_with = "present")]
    title: Option<Value>,
    #[serde(deserialize_with = "present")]
    opens_at: Option<Value>,
    #[serde(deserialize_with = "present")]
    closes_at: Option<Value>,
    #[serde(deserialize_with = "present")]
    purchase_max: Option<Value>,
    #[serde(deserialize_with = "present")]
    orders_max: Option<Value>,
    #[serde(deserialize_with = "present")]
    hold: Option<Value>,
    #[serde(deserialize_with = "present")]
    cancel_until: Option<Value>,
    #[serde(deserialize_with = "present")]
    feed: Option<Value>,
    #[serde(deserialize_with = "present")]
    bid_min: Option<Value>,
    #[serde(deserialize_with = "present")]
    bonus_bp: Option<Value>,
    #[serde(deserialize_with = "present")]
    keyword: Option<Value>,
    #[serde(deserialize_with = "present")]
    place: Option<Value>,
    #[serde(deserialize_with = "present")]
    starts_at: Option<Value>,
    #[serde(deserialize_with = "present")]
    ends_at: Option<Value>,
    #[serde(deserialize_with = "present")]
    picture: Option<Value>,
    #[serde(deserialize_with = "present")]
    description: Option<Value>,
}

impl Fields {
    fn checked(self) -> Result<SaleEdit, Problem> {
        Ok(SaleEdit {
            kind: field("kind", self.kind, |value| {
                let kind = StockKind::parse(&text(value)?);
                kind.map_err(|invalid| invalid.to_string())
            })?,
            title: field("title", self.title, |value| title(&text(value)?))?,
            opens_at: field("opens_at", self.opens_at, time)?,
            closes_at: field("closes_at", self.closes_at, time)?,
            purchase_max: field("purchase_max", self.purchase_max, |value| {
                purchase_max(whole(value)?)
            })?,
            orders_max: field("orders_max", self.orders_max, |value| match value {
                Value::Null => Ok(None),
                value => orders_max(whole(value)?).map(Some),
            })?,
            paused: None,
            hold: field("hold", self.hold, |value| match value {
                Value::Null => Ok(None),
                value => hold(&text(value)?),
            })?,
            cancel_until: field("cancel_until", self.cancel_until, time)?,
            feed: field("feed", self.feed, |value| {
                value
                    .as_bool()
                    .ok_or_else(|| "it must be true or false".to_owned())
            })?,
            bid_min: field("bid_min", self.bid_min, |value| bid_min(whole(value)?))?,
            bonus_bp: field("bonus_bp", self.bonus_bp, |value| bonus_bp(whole(value)?))?,
            activity: ActivityEdit {
                keyword: field("keyword", self.keyword, |value| keyword(&removable(value)?))?,
                place: field("place", self.place, |value| place(&removable(value)?))?,
                starts_at: field("starts_at", self.starts_at, time)?,
                ends_at: field("ends_at", self.ends_at, time)?,
                picture: field("picture", self.picture, |value| picture(&removable(value)?))?,
                description: field("description", self.description, |value| {
                    description(&removable(value)?)
                })?,
            },
        })
    }
}

/// A text; `null` removes it, as an empty one does.
fn removable(value: Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        value => text(value),
    }
}

/// RFC 3339 or epoch seconds; `null` removes the bound.
fn time(value: Value) -> Result<Option<u64>, String> {
    match value {
        Value::Null => Ok(None),
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
    let edit = fields::<Fields>(&body)?.checked()?;
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
    // The change is made: if the sale cannot be shown now, it is not for sure that nothing was.
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
