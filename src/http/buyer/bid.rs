//! `POST /bids`: an amount towards a target, the last one cut to what is left.

use actix_web::http::StatusCode;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

use super::place::failed;
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::domain::money::Amount;
use crate::domain::order::Order;
use crate::domain::purchase::bid::{BidOutcome, BidRefusal};
use crate::domain::purchase::outcome::Refusal;
use crate::domain::time::EpochMs;
use crate::http::caller::Claim;
use crate::http::context::Context;
use crate::http::extract::fault::{Fault, FaultyRequest, FieldName};
use crate::http::extract::fields::Fields;
use crate::http::extract::manner::Manner;
use crate::http::extract::values::{digits, required, sale, text};
use crate::http::respond::answer::{self, Answer, Row};
use crate::http::respond::problem::{More, Problem};
use crate::http::respond::words::purchase;
use crate::http::standstill;
use crate::operation::orders::BidView;

/// What the door knows.
const FIELDS: [FieldName; 4] = ["username", "goods", "amount", "request_id"];

/// What a buyer offered.
#[derive(Debug, PartialEq, Eq)]
pub struct BidRequest {
    /// Who bids.
    pub username: Username,
    /// For which target.
    pub goods: SaleId,
    /// How much.
    pub amount: Amount,
    /// The client's name for this request.
    pub request: RequestId,
}

impl BidRequest {
    /// Reads and checks a whole request.
    pub async fn read(request: &HttpRequest, body: Payload) -> Result<Self, FaultyRequest> {
        Self::of(Fields::read(request, body, FIELDS).await?)
    }

    fn of(fields: Fields<4>) -> Result<Self, FaultyRequest> {
        let [username, goods, amount, request] = fields.into_values();
        let goods = sale(required(goods, "goods")?)?;
        match bidder(username, amount, request) {
            Ok((username, amount, request)) => Ok(Self {
                username,
                goods,
                amount,
                request,
            }),
            Err(fault) => Err(FaultyRequest {
                fault,
                goods: Some(goods),
            }),
        }
    }
}

fn bidder(
    username: Option<Value>,
    amount: Option<Value>,
    request: Option<Value>,
) -> Result<(Username, Amount, RequestId), Fault> {
    let claim = Claim::read(username)?;
    let amount = digits(amount, "amount")?;
    let request = text(required(request, "request_id")?, "request_id")?;
    Ok((
        claim.buyer()?,
        Amount::parse(&amount).map_err(|_| Fault::Amount)?,
        RequestId::parse(request).map_err(|_| Fault::RequestId)?,
    ))
}

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

const OK: StatusCode = StatusCode::OK;
const ACCEPTED: Row = Row::new("bid_accepted", OK, OK, purchase::BID_ACCEPTED);
const ACCEPTED_IN_PART: Row = Row::new("bid_accepted", OK, OK, purchase::BID_ACCEPTED_IN_PART);
const ALREADY_BID: Row = Row::new("already_bid", OK, OK, purchase::ALREADY_BID);
const BID_CANCELLED: Row = Row::new("already_bid", OK, OK, purchase::BID_CANCELLED);

/// The row of a refusal. What sales say, too, has the row of a sale.
fn refusal_row(refusal: BidRefusal) -> Row {
    let (status, strict) = match refusal {
        BidRefusal::NoSuchSale => return answer::refusal_row(Refusal::NoSuchSale),
        BidRefusal::WrongDoor => return answer::refusal_row(Refusal::WrongDoor),
        BidRefusal::Paused => return answer::refusal_row(Refusal::Paused),
        BidRefusal::Forgot => return answer::refusal_row(Refusal::Forgot),
        BidRefusal::NotStarted { .. } => return answer::refusal_row(Refusal::NotStarted),
        BidRefusal::Ended => return answer::refusal_row(Refusal::Ended),
        BidRefusal::RequestIdReused => {
            let reused = StatusCode::UNPROCESSABLE_ENTITY;
            (reused, reused)
        }
        BidRefusal::TargetReached => (OK, StatusCode::GONE),
        BidRefusal::BelowMinimum { .. } => (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        BidRefusal::NoSuchAccount => (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
        BidRefusal::InsufficientBalance => (OK, StatusCode::CONFLICT),
    };
    Row::new(
        refusal.code(),
        status,
        strict,
        purchase::bid_refusal(refusal),
    )
}

/// `POST /bids`
pub async fn bid(
    context: web::Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let manner = Manner::of(&request, context.strict_status);
    let asked = BidRequest::read(&request, body).await;
    let asked = asked.map_err(|wrong| {
        context.metrics.wrong_bid(wrong.fault.code());
        faulty(&wrong, manner)
    })?;
    let goods = asked.goods.clone();
    if context.standstill.held_up(&request) {
        return Err(failed(&standstill::busy(), manner).about(&goods));
    }
    let admission = &context.admission;
    let decided = admission
        .bid(asked.username, asked.request, asked.goods, asked.amount)
        .await;
    let outcome = decided.map_err(|error| failed(&error, manner).about(&goods))?;
    answer(&goods, &outcome, manner)
}

fn faulty(wrong: &FaultyRequest, manner: Manner) -> Problem {
    let problem = Problem::of_fault(&wrong.fault, manner);
    match &wrong.goods {
        Some(goods) => problem.about(goods),
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
        | BidRefusal::NoSuchAccount => Err(problem().about(goods)),
        BidRefusal::BelowMinimum { bid_min } => {
            let goods = goods.to_string();
            Err(problem().with(More::BidMin { goods, bid_min }))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Result<BidRequest, FaultyRequest> {
        BidRequest::of(Fields::from_json(FIELDS, body.as_bytes())?)
    }

    fn form(body: &str) -> Result<BidRequest, FaultyRequest> {
        BidRequest::of(Fields::from_form(FIELDS, body.as_bytes())?)
    }

    #[test]
    fn form_and_json_say_the_same() {
        for read in [
            form("username=%E7%A7%92&goods=p2p.loan&amount=300&request_id=r+1&csrf=1"),
            json(r#"{"username":"秒","goods":"p2p.loan","amount":300,"request_id":"r 1","x":{}}"#),
            json(r#"{"username":"秒","goods":"p2p.loan","amount":"300","request_id":"r 1"}"#),
        ] {
            let read = read.expect("well formed");
            assert_eq!(read.username.as_str(), "秒");
            assert_eq!(read.goods.as_str(), "p2p.loan");
            assert_eq!((read.amount.get(), read.request.as_str()), (300, "r 1"));
        }
    }

    #[test]
    fn each_fault_is_named_with_the_sale_if_it_can_be_read() {
        use Fault::{Amount, Goods, Missing, Repeated, RequestId, Username};
        let good = "username=x&goods=p&amount=1&request_id=r";
        let goods = SaleId::parse("p").ok();
        for (wrong, fault, goods) in [
            (good.replace("username=x", ""), Missing("username"), &goods),
            (good.replace("goods=p", ""), Missing("goods"), &None),
            (good.replace("amount=1", ""), Missing("amount"), &goods),
            (
                good.replace("request_id=r", ""),
                Missing("request_id"),
                &goods,
            ),
            (good.replace("=x", "="), Username, &goods),
            (good.replace("=p", "=P"), Goods, &None),
            (good.replace("=1", "=0"), Amount, &goods),
            (good.replace("=1", "=1.5"), Amount, &goods),
            (good.replace("=1", "=100000000000001"), Amount, &goods),
            (good.replace("=r", "="), RequestId, &goods),
            (good.replace("=r", "=r&amount=1"), Repeated("amount"), &None),
        ] {
            let faulty = form(&wrong).expect_err(&wrong);
            assert_eq!((&faulty.fault, &faulty.goods), (&fault, goods), "{wrong}");
        }
        let number = json(r#"{"username":"x","goods":"p","amount":1,"request_id":7}"#);
        let fault = number.expect_err("a number").fault;
        assert_eq!(fault, Fault::WrongType("request_id"));
        let fraction = json(r#"{"username":"x","goods":"p","amount":1.0,"request_id":"r"}"#);
        assert_eq!(fraction.expect_err("a fraction").fault, Amount);
    }
}
