//! `POST /bids`: an amount towards a target, the last one cut to what is left.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::Context;
use super::answer::{self, Answer, Row};
use super::attempt::FaultyRequest;
use super::bid_request::BidRequest;
use super::negotiate::Manner;
use super::place::failed;
use super::problem::Problem;
use super::standstill;
use crate::domain::bid::{BidOutcome, BidRefusal};
use crate::domain::ids::SaleId;
use crate::domain::order::Order;
use crate::domain::outcome::Refusal;
use crate::domain::sale::EpochMs;
use crate::operation::orders::BidView;

/// The body. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'a str,
    goods: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(flatten)]
    bid: Option<BidView>,
    /// Only of a bid that was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// Only of a bid that came too early, in epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<EpochMs>,
    /// Why the target is paused, when no operator did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

const ACCEPTED: Row = Row::new(
    "bid_accepted",
    StatusCode::OK,
    StatusCode::OK,
    "投标成功。",
    "Your bid was accepted.",
);
const ACCEPTED_IN_PART: Row = Row::new(
    "bid_accepted",
    StatusCode::OK,
    StatusCode::OK,
    "投标成功，已按剩余额度接受部分金额。",
    "Your bid was accepted in part: no more was left to the target.",
);
const ALREADY_BID: Row = Row::new(
    "already_bid",
    StatusCode::OK,
    StatusCode::OK,
    "该请求已投标成功，请勿重复请求。",
    "This request was accepted already; there is no need to ask again.",
);
const BID_CANCELLED: Row = Row::new(
    "already_bid",
    StatusCode::OK,
    StatusCode::OK,
    "该请求的投标已取消。",
    "This request was accepted before, and its bid was cancelled.",
);

/// What the door says to a refusal. What the buying doors say, too, it says like them.
fn refusal_row(refusal: BidRefusal) -> Row {
    use StatusCode as Status;
    let (status, strict, chinese, english) = match refusal {
        BidRefusal::NoSuchSale => return answer::refusal_row(Refusal::NoSuchSale),
        BidRefusal::WrongDoor => return answer::refusal_row(Refusal::WrongDoor),
        BidRefusal::Paused => return answer::refusal_row(Refusal::Paused),
        BidRefusal::Forgot => return answer::refusal_row(Refusal::Forgot),
        BidRefusal::NotStarted { .. } => return answer::refusal_row(Refusal::NotStarted),
        BidRefusal::Ended => return answer::refusal_row(Refusal::Ended),
        BidRefusal::RequestIdReused => (
            Status::UNPROCESSABLE_ENTITY,
            Status::UNPROCESSABLE_ENTITY,
            "该 request_id 已用于内容不同的请求，请换一个新的。",
            "This request_id belongs to a request for something else: send a new one.",
        ),
        BidRefusal::TargetReached => (
            Status::OK,
            Status::GONE,
            "现在已满标",
            "The target is full.",
        ),
        BidRefusal::BelowMinimum { .. } => (
            Status::BAD_REQUEST,
            Status::BAD_REQUEST,
            "对不起，投标金额低于最低金额。",
            "Sorry, the amount is less than the smallest bid.",
        ),
        BidRefusal::NoSuchAccount => (
            Status::NOT_FOUND,
            Status::NOT_FOUND,
            "没有这个账户。",
            "There is no such account.",
        ),
        BidRefusal::InsufficientBalance => (
            Status::OK,
            Status::CONFLICT,
            "余额不足",
            "The balance is too low.",
        ),
    };
    Row::new(refusal.code(), status, strict, chinese, english)
}

/// `POST /bids`
pub async fn bid(
    context: web::Data<Context>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let manner = Manner::of(&request, context.strict_status);
    let asked = BidRequest::read(&request, body).await;
    let asked = asked.map_err(|wrong| {
        context.metrics.wrong_bid(wrong.fault.code());
        faulty(&wrong, manner)
    })?;
    let goods = asked.goods.clone();
    if context.standstill.held_up(&request) {
        return Err(failed(&standstill::busy(), manner).with_goods(&goods));
    }
    let admission = &context.admission;
    let decided = admission
        .bid(asked.username, asked.request, asked.goods, asked.amount)
        .await;
    let outcome = decided.map_err(|error| failed(&error, manner).with_goods(&goods))?;
    answer(&goods, &outcome, manner)
}

fn faulty(wrong: &FaultyRequest, manner: Manner) -> Problem {
    let problem = Problem::of_fault(&wrong.fault, manner);
    match &wrong.goods {
        Some(goods) => problem.with_goods(goods),
        None => problem,
    }
}

fn answer(goods: &SaleId, outcome: &BidOutcome, manner: Manner) -> Result<HttpResponse, Problem> {
    let body = body_of(goods);
    let answer = match outcome {
        BidOutcome::Accepted(order) if is_whole(order) => {
            say(&ACCEPTED, with_order(body, order), manner)
        }
        BidOutcome::Accepted(order) => say(&ACCEPTED_IN_PART, with_order(body, order), manner),
        BidOutcome::Repeated(order) if order.state.is_alive() => {
            say(&ALREADY_BID, with_order(body, order), manner)
        }
        BidOutcome::Repeated(order) => {
            let state = Some(order.state.as_str());
            let body = Body {
                state,
                ..with_order(body, order)
            };
            say(&BID_CANCELLED, body, manner)
        }
        BidOutcome::Refused(refusal) => refused(goods, *refusal, manner)?,
    };
    Ok(answer.finish())
}

/// What a bidder comes too late or too poor for is an answer; what the sender must mend is a
/// problem.
fn refused(goods: &SaleId, refusal: BidRefusal, manner: Manner) -> Result<Answer, Problem> {
    let row = refusal_row(refusal);
    let problem = || Problem::new(row.status(manner), row.code(), row.message(manner));
    match refusal {
        BidRefusal::NotStarted { opens_at } => {
            let opens_at = Some(opens_at);
            let body = Body {
                opens_at,
                ..body_of(goods)
            };
            Ok(say(&row, body, manner))
        }
        BidRefusal::Forgot => {
            let reason = Refusal::Forgot.reason();
            let body = Body {
                reason,
                ..body_of(goods)
            };
            Ok(say(&row, body, manner))
        }
        BidRefusal::Paused
        | BidRefusal::Ended
        | BidRefusal::TargetReached
        | BidRefusal::InsufficientBalance => Ok(say(&row, body_of(goods), manner)),
        BidRefusal::NoSuchSale
        | BidRefusal::WrongDoor
        | BidRefusal::RequestIdReused
        | BidRefusal::NoSuchAccount => Err(problem().with_goods(goods)),
        BidRefusal::BelowMinimum { bid_min } => Err(problem().with_bid_min(goods, bid_min)),
    }
}

fn is_whole(order: &Order) -> bool {
    order
        .bid()
        .is_some_and(|(line, accepted)| line.purchase == accepted.requested)
}

fn with_order<'a>(body: Body<'a>, order: &'a Order) -> Body<'a> {
    Body {
        order: Some(order.id.as_str()),
        bid: order.lines.first().and_then(BidView::of),
        ..body
    }
}

/// A body that names its target and nothing else.
fn body_of(goods: &SaleId) -> Body<'_> {
    Body {
        code: "",
        message: "",
        goods: goods.as_str(),
        order: None,
        bid: None,
        state: None,
        opens_at: None,
        reason: None,
    }
}

fn say(row: &Row, body: Body<'_>, manner: Manner) -> Answer {
    let (code, message) = (row.code(), row.message(manner));
    let body = Body {
        code,
        message,
        ..body
    };
    Answer::new(row.status(manner), code, message, &body, manner)
}
