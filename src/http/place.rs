//! `POST /orders`: several sales of one event in one order, all of them or nothing.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::Serialize;

use super::Context;
use super::answer::{self, RESULT_HEADER, RETRY_AFTER_SECONDS};
use super::negotiate::Manner;
use super::order_view::OrderView;
use super::placement::{PlacementFault, PlacementRequest};
use super::problem::{Problem, problem};
use crate::domain::order::Order;
use crate::domain::outcome::Refusal;
use crate::domain::place::{PlaceOutcome, PlaceRefusal};
use crate::error::Error;

/// The body that shows an order. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(flatten)]
    order: OrderView<'a>,
}

/// `POST /orders`
pub async fn place(
    context: web::Data<Context>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let manner = Manner::of(&request, context.strict_status);
    let asked = match PlacementRequest::read(&request, body).await {
        Ok(asked) => asked,
        Err(fault) => {
            context.metrics.invalid_request();
            return faulty(&fault, manner);
        }
    };
    let admission = &context.admission;
    let placed = admission
        .place(asked.username, asked.request, asked.basket)
        .await;
    match placed {
        Ok(outcome) => answer(&outcome, manner),
        Err(error) => failure(&error, manner),
    }
}

fn answer(outcome: &PlaceOutcome, manner: Manner) -> HttpResponse {
    match outcome {
        PlaceOutcome::Grabbed(order) => {
            let mut response = HttpResponse::Created();
            response.insert_header((LOCATION, format!("/orders/{}", order.id)));
            with_order(response, outcome, answer::GRABBED.message(manner), order)
        }
        PlaceOutcome::Repeated(order) => {
            let message = repeated(order, manner);
            with_order(HttpResponse::Ok(), outcome, message, order)
        }
        PlaceOutcome::Refused(refusal) => refused(outcome, refusal, manner),
    }
}

fn with_order(
    mut response: HttpResponseBuilder,
    outcome: &PlaceOutcome,
    message: &str,
    order: &Order,
) -> HttpResponse {
    let code = outcome.code();
    let order = OrderView::from(order);
    let body = Body {
        code,
        message,
        order,
    };
    response
        .insert_header((RESULT_HEADER, code))
        .content_type("application/json; charset=utf-8")
        // Strings and numbers always serialise.
        .body(serde_json::to_vec(&body).unwrap_or_default())
}

/// What is said of an order that the same request got before.
fn repeated(order: &Order, manner: Manner) -> &'static str {
    match (order.state.is_alive(), manner.english) {
        (true, _) => answer::ALREADY_GRABBED.message(manner),
        (false, true) => "This request got an order before, which was cancelled or has expired.",
        (false, false) => "该请求的订单已取消或已过期。",
    }
}

fn refused(outcome: &PlaceOutcome, refusal: &PlaceRefusal, manner: Manner) -> HttpResponse {
    let code = outcome.code();
    match refusal {
        PlaceRefusal::RequestIdReused => {
            let detail = if manner.english {
                "This request_id belongs to an order of something else: send a new one."
            } else {
                "该 request_id 已用于内容不同的订单，请换一个新的。"
            };
            problem(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
        PlaceRefusal::AlreadyGrabbed { goods, order } => {
            let detail = answer::ALREADY_GRABBED.message(manner);
            let problem = Problem::new(StatusCode::CONFLICT, code, detail);
            problem.with_goods(goods).with_order(order).response()
        }
        PlaceRefusal::Line { goods, refusal } => {
            let detail = answer::refusal_row(*refusal).message(manner);
            let problem = Problem::new(line_status(*refusal), code, detail);
            problem.with_goods(goods).response()
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
        | Refusal::WrongDoor => StatusCode::CONFLICT,
    }
}

fn faulty(fault: &PlacementFault, manner: Manner) -> HttpResponse {
    let detail = if manner.english {
        fault.english()
    } else {
        fault.chinese()
    };
    problem(fault.status(), fault.code(), &detail)
}

/// The answer when nothing was decided: not executed, or nobody knows.
fn failure(error: &Error, manner: Manner) -> HttpResponse {
    let (code, detail) = match (error, manner.english) {
        (Error::Busy(_), _) => ("busy", answer::BUSY_ROW.message(manner)),
        (_, true) => (
            "unknown",
            "The outcome is unknown; please send the same request, with its request_id, again.",
        ),
        (_, false) => ("unknown", "结果未知，请用同一 request_id 重新发送该请求。"),
    };
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}
