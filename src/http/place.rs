//! `POST /orders`: several sales of one event in one order, all of them or nothing.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::Context;
use super::answer;
use super::negotiate::Manner;
use super::orders::{Sentence, with_order};
use super::placement::{PlacementFault, PlacementRequest};
use super::problem::Problem;
use super::standstill;
use crate::domain::order::Order;
use crate::domain::outcome::Refusal;
use crate::domain::place::{PlaceOutcome, PlaceRefusal};
use crate::error::Error;

/// `POST /orders`
pub async fn place(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let manner = Manner::of(&request, context.strict_status);
    let asked = PlacementRequest::read(&request, body).await;
    let asked = asked.map_err(|fault| {
        context.metrics.wrong_placement(fault.code());
        faulty(&fault, manner)
    })?;
    if context.standstill.held_up(&request) {
        return Err(failed(&standstill::busy(), manner));
    }
    let admission = &context.admission;
    let placed = admission
        .place(asked.username, asked.request, asked.basket)
        .await;
    let outcome = placed.map_err(|error| failed(&error, manner))?;
    let code = outcome.code();
    match &outcome {
        PlaceOutcome::Grabbed(order) => {
            let mut response = HttpResponse::Created();
            response.insert_header((LOCATION, format!("/orders/{}", order.id)));
            let message = answer::GRABBED.message(manner);
            Ok(with_order(&mut response, code, message, order))
        }
        PlaceOutcome::Repeated(order) => {
            let message = repeated(order, manner);
            Ok(with_order(&mut HttpResponse::Ok(), code, message, order))
        }
        PlaceOutcome::Refused(refusal) => Err(refused(code, refusal, manner)),
    }
}

/// What is said of an order that the same request got before.
fn repeated(order: &Order, manner: Manner) -> &'static str {
    if order.state.is_alive() {
        return answer::ALREADY_GRABBED.message(manner);
    }
    let sentence = Sentence::new(
        "该请求的订单已取消或已过期。",
        "This request got an order before, which was cancelled or has expired.",
    );
    sentence.said(manner)
}

fn refused(code: &'static str, refusal: &PlaceRefusal, manner: Manner) -> Problem {
    match refusal {
        PlaceRefusal::RequestIdReused => {
            let sentence = Sentence::new(
                "该 request_id 已用于内容不同的订单，请换一个新的。",
                "This request_id belongs to an order of something else: send a new one.",
            );
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                code,
                sentence.said(manner),
            )
        }
        PlaceRefusal::AlreadyGrabbed { goods, order } => {
            let detail = answer::ALREADY_GRABBED.message(manner);
            Problem::new(StatusCode::CONFLICT, code, detail).with_order(goods, order)
        }
        PlaceRefusal::NotStarted { goods, opens_at } => {
            let detail = answer::refusal_row(Refusal::NotStarted).message(manner);
            Problem::new(StatusCode::CONFLICT, code, detail).with_opens_at(goods, *opens_at)
        }
        PlaceRefusal::Line { goods, refusal } => {
            let detail = answer::refusal_row(*refusal).message(manner);
            let problem = Problem::new(line_status(*refusal), code, detail);
            match refusal.reason() {
                Some(reason) => problem.with_reason(goods, reason),
                None => problem.with_goods(goods),
            }
        }
    }
}

fn line_status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::NoSuchSale => StatusCode::NOT_FOUND,
        Refusal::InvalidPurchase => StatusCode::BAD_REQUEST,
        Refusal::SoldOut
        | Refusal::InsufficientStock
        | Refusal::NotStarted
        | Refusal::Ended
        | Refusal::Paused
        | Refusal::Forgot
        | Refusal::WrongDoor
        | Refusal::TooManyOrders => StatusCode::CONFLICT,
    }
}

fn faulty(fault: &PlacementFault, manner: Manner) -> Problem {
    let detail = if manner.english {
        fault.english()
    } else {
        fault.chinese()
    };
    Problem::new(fault.status(), fault.code(), detail)
}

/// Nothing was decided: not executed, or nobody knows.
pub(super) fn failed(error: &Error, manner: Manner) -> Problem {
    if matches!(error, Error::Busy(_)) {
        return Problem::later("busy", answer::BUSY_ROW.message(manner));
    }
    let sentence = Sentence::new(
        "结果未知，请用同一 request_id 重新发送该请求。",
        "The outcome is unknown; please send the same request, with its request_id, again.",
    );
    Problem::later("unknown", sentence.said(manner))
}
