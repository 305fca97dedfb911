//! Where tickets are checked: the page for the staff at the door, and the door itself.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Serialize;
use serde_json::Value;

use super::notice::Notice;
use super::page::{Loads, page};
use super::when;
use crate::domain::ids::{Number, OrderId, SaleId};
use crate::domain::order::Order;
use crate::failure::Failure;
use crate::http::caller::token::Door;
use crate::http::caller::{operator, who};
use crate::http::context::Context;
use crate::http::extract::body::discard;
use crate::http::extract::fault::{Fault, FieldName};
use crate::http::extract::fields::Fields;
use crate::http::extract::manner::Manner;
use crate::http::extract::values::{required, sale, text};
use crate::http::respond::answer::RESULT_HEADER;
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::Problem;
use crate::http::respond::words::orders;
use crate::store::Store;
use crate::wechat::checkin::{CheckIn, Presented, Refusal, check_in};

const FIELDS: [FieldName; 3] = ["sale", "ticket", "number"];
const ADMITTED: &str = "checked_in";

#[derive(Template)]
#[template(path = "wechat/checkin.html")]
struct CheckInPage {
    sale: String,
}

/// Who may come in. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Admitted<'a> {
    code: &'a str,
    message: &'a str,
    sale: &'a str,
    ticket: &'a str,
    number: &'a str,
    /// Which seats, if they have names.
    units: &'a [String],
}

/// `GET /wechat/checkin`, perhaps with `?sale=SALE`, which fills its field.
pub async fn show(request: HttpRequest) -> Result<HttpResponse, Notice> {
    let fields = Fields::from_form(["sale"], request.query_string().as_bytes());
    let [asked] = fields?.into_values();
    // Whatever else it is, the staff can type the name.
    let sale = asked.and_then(|asked| sale(asked).ok());
    let template = CheckInPage {
        sale: sale.map(|sale| sale.to_string()).unwrap_or_default(),
    };
    Ok(page(StatusCode::OK, &template, Loads::Script))
}

/// `POST /wechat/checkin`: `sale`, and either `ticket` or `number`; with the operators' token.
pub async fn check(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    if let Err(problem) = context.token.required(&request, Door::CheckIn) {
        discard(body).await;
        return Err(problem);
    }
    let manner = Manner::of(&request, context.strict_status);
    let fields = Fields::read(&request, body, FIELDS).await;
    let fields = fields.map_err(|fault| Problem::of_fault(&fault, manner))?;
    let (activity, presented) = asked(fields, manner)?;
    let (store, who) = (context.store.for_request(), who(&request));
    let checking = check_and_log(store, who, activity, presented, manner);
    operator::carry_out(&context, &request, checking).await?
}

async fn check_and_log(
    store: Store,
    who: String,
    activity: SaleId,
    presented: Presented,
    manner: Manner,
) -> Result<HttpResponse, Problem> {
    let checked = check_in(&store, &activity, &presented).await;
    let answer = match &checked {
        Ok(CheckIn::Admitted(order)) => Ok(admitted(&activity, order, manner)),
        Ok(CheckIn::Refused(refusal)) => Err(refused(refusal, manner)),
        Err(error) => Err(failed(error, manner)),
    };
    let (ticket, number) = match &presented {
        Presented::Ticket(ticket) => (Some(ticket.as_str()), None),
        Presented::Number(number) => (None, Some(number.as_str())),
    };
    tracing::info!(
        who,
        sale = %activity,
        ticket,
        number,
        outcome = answer.as_ref().map_or_else(Problem::code, |_| ADMITTED),
        error = checked.as_ref().err().map(tracing::field::display),
        "ticket checked over HTTP"
    );
    answer
}

fn asked(fields: Fields<3>, manner: Manner) -> Result<(SaleId, Presented), Problem> {
    let faulty = |fault: Fault| Problem::of_fault(&fault, manner);
    let [activity, ticket, number] = fields.into_values();
    let activity = required(activity, "sale").and_then(|value| text(value, "sale"));
    let activity = activity.map_err(faulty)?;
    let activity = SaleId::parse(&activity);
    let activity = activity.map_err(|_| refused(&Refusal::NoSuchActivity, manner))?;
    let given = |value: Option<Value>| value.filter(|value| !value.is_null());
    // What can be no name of a ticket or a person is simply not known.
    let unknown = || refused(&Refusal::NoSuchTicket, manner);
    let presented = match (given(ticket), given(number)) {
        (Some(ticket), None) => {
            let ticket = text(ticket, "ticket").map_err(faulty)?;
            // Typed with caps lock, it is the same ticket.
            let ticket = OrderId::parse(&ticket.to_ascii_lowercase());
            Presented::Ticket(ticket.map_err(|_| unknown())?)
        }
        (None, Some(number)) => {
            let number = text(number, "number").map_err(faulty)?;
            Presented::Number(Number::parse(&number).map_err(|_| unknown())?)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::invalid(orders::TICKET_OR_NUMBER.said(manner)));
        }
    };
    Ok((activity, presented))
}

fn admitted(activity: &SaleId, order: &Order, manner: Manner) -> HttpResponse {
    let body = Admitted {
        code: ADMITTED,
        message: orders::CHECKED_IN.said(manner),
        sale: activity.as_str(),
        ticket: order.id.as_str(),
        number: order.username.as_str(),
        units: order.units(activity),
    };
    guarded(&mut HttpResponse::Ok())
        .content_type("application/json; charset=utf-8")
        .insert_header((RESULT_HEADER, ADMITTED))
        // Strings always serialise.
        .body(serde_json::to_vec(&body).unwrap_or_default())
}

/// For a ticket that was used, it says when: so the staff can tell a copy from their own lost
/// answer.
fn refused(refusal: &Refusal, manner: Manner) -> Problem {
    let (status, code) = match refusal {
        Refusal::NoSuchActivity => (StatusCode::NOT_FOUND, "no_such_activity"),
        Refusal::Over => (StatusCode::CONFLICT, "ended"),
        Refusal::NoSuchTicket => (StatusCode::NOT_FOUND, "no_such_ticket"),
        Refusal::OtherActivity => (StatusCode::CONFLICT, "other_activity"),
        Refusal::Used(_) => (StatusCode::CONFLICT, "used"),
        Refusal::Cancelled => (StatusCode::CONFLICT, "cancelled"),
    };
    let used_at = match refusal {
        Refusal::Used(order) => order.changed_at.map(when::exactly),
        _ => None,
    };
    let text = orders::not_admitted(refusal, &used_at.unwrap_or_default());
    Problem::new(status, code, text.said(manner))
}

fn failed(error: &Failure, manner: Manner) -> Problem {
    let again = orders::CHECK_AGAIN.said(manner);
    match error {
        Failure::Busy(_) => Problem::later("busy", again),
        Failure::Unknown(_) => Problem::later("unknown", again),
        Failure::Unreadable(_) => Problem::unreadable(orders::TICKET_UNREADABLE.said(manner)),
    }
}
