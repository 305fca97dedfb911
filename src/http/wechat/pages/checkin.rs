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
use crate::http::respond::words::Sentence;
use crate::store::Store;
use crate::wechat::checkin::{CheckIn, Presented, Refusal, check_in};

const FIELDS: [FieldName; 3] = ["sale", "ticket", "number"];
const ADMITTED: &str = "checked_in";
const EITHER: Sentence = Sentence::new(
    "请提供 ticket 或 number，只能有其中一个。",
    "Send either a ticket or a number, not both.",
);

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
        (Some(_), Some(_)) | (None, None) => return Err(Problem::invalid(EITHER.said(manner))),
    };
    Ok((activity, presented))
}

fn admitted(activity: &SaleId, order: &Order, manner: Manner) -> HttpResponse {
    let message = Sentence::new("检票成功。", "The ticket is good, and used from now on.");
    let body = Admitted {
        code: ADMITTED,
        message: message.said(manner),
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

fn refused(refusal: &Refusal, manner: Manner) -> Problem {
    let (status, code, sentence) = match refusal {
        Refusal::NoSuchActivity => (
            StatusCode::NOT_FOUND,
            "no_such_activity",
            Sentence::new("没有这个活动。", "There is no such activity."),
        ),
        Refusal::Over => (
            StatusCode::CONFLICT,
            "ended",
            Sentence::new("活动已经结束。", "The activity is over."),
        ),
        Refusal::NoSuchTicket => (
            StatusCode::NOT_FOUND,
            "no_such_ticket",
            Sentence::new("没有有效的票。", "There is no such ticket."),
        ),
        Refusal::OtherActivity => (
            StatusCode::CONFLICT,
            "other_activity",
            Sentence::new("这是其他活动的票。", "It is a ticket of another activity."),
        ),
        Refusal::Used(order) => return used(order, manner),
        Refusal::Cancelled => (
            StatusCode::CONFLICT,
            "cancelled",
            Sentence::new("票已退。", "The ticket was given back."),
        ),
    };
    Problem::new(status, code, sentence.said(manner))
}

/// Says when, so that the staff can tell a copy from their own lost answer.
fn used(order: &Order, manner: Manner) -> Problem {
    let time = order.changed_at.map(when::exactly).unwrap_or_default();
    let detail = if manner.english {
        format!("The ticket was used before: {time} (UTC+8).")
    } else {
        format!("票已使用过：{time}。")
    };
    Problem::new(StatusCode::CONFLICT, "used", detail)
}

fn failed(error: &Failure, manner: Manner) -> Problem {
    let sentence = Sentence::new(
        "没有得到结果，请再检一次。",
        "Nobody knows: check the ticket again, which is safe.",
    );
    match error {
        Failure::Busy(_) => Problem::later("busy", sentence.said(manner)),
        Failure::Unknown(_) => Problem::later("unknown", sentence.said(manner)),
        Failure::Unreadable(_) => {
            let sentence = Sentence::new(
                "票据数据无法读取，请联系主办方。",
                "The ticket cannot be read; please ask the organiser.",
            );
            Problem::unreadable(sentence.said(manner))
        }
    }
}
