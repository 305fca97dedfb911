//! Errors outside the buying doors: `application/problem+json` (RFC 9457) with a stable code.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;

use super::answer::{RESULT_HEADER, RETRY_AFTER_SECONDS};
use super::headers::guarded;
use crate::domain::ids::{OrderId, SaleId};
use crate::domain::time::EpochMs;
use crate::failure::Failure;
use crate::http::extract::body::discard;
use crate::http::extract::fault::Fault;
use crate::http::extract::manner::Manner;
use crate::store::recount::NoVerdict;

/// What kept a request from being done, and what the sender may conclude.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: More,
    hint: Hint,
}

/// What some problems say besides.
#[derive(Debug)]
enum More {
    Nothing,
    /// The sale that it is about.
    Goods(SaleId),
    /// The sale that it is about, and the order of it that the buyer holds.
    Order(Box<(SaleId, OrderId)>),
    /// Money that was paid must go back.
    RefundDue,
    /// The target that it is about, and its smallest bid.
    BidMin(Box<(SaleId, u64)>),
    /// The sale that it is about, and when it opens.
    OpensAt(Box<(SaleId, EpochMs)>),
    Reason(Box<(SaleId, &'static str)>),
    /// Units that are left.
    Left(i64),
    /// Units that were added all the same.
    Added(u64),
    /// Cents that the account has.
    Balance(u64),
}

/// How to do better, as a header.
#[derive(Debug)]
enum Hint {
    None,
    /// Ask again later.
    Retry,
    /// Show a bearer token.
    Challenge,
    /// Use one of these methods.
    Allow(String),
}

/// The body.
#[derive(Serialize)]
struct Body<'a> {
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_due: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Problem {
    /// A problem with a stable `code`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            more: More::Nothing,
            hint: Hint::None,
        }
    }

    /// 400: the request is wrong; `detail` names the field.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// 400, 413 or 415, in the language of the sender.
    pub fn of_fault(fault: &Fault, manner: Manner) -> Self {
        let detail = if manner.english {
            fault.english()
        } else {
            fault.chinese()
        };
        Self::new(fault.status(), fault.code(), detail)
    }

    /// 503: later it may work.
    pub fn later(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).hinting(Hint::Retry)
    }

    /// 503 for a request that lay unread while this process stood still.
    pub fn held_up() -> Self {
        Self::later(
            "busy",
            "the server stood still when this came: it was not executed",
        )
    }

    /// 503: nobody knows whether it was done, and asking again might do it twice.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unknown", detail)
    }

    /// 401: the operators' token is missing or wrong.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).hinting(Hint::Challenge)
    }

    /// 404 for a sale.
    pub fn no_such_sale(id: &str) -> Self {
        let detail = format!("There is no sale {id:?}.");
        Self::new(StatusCode::NOT_FOUND, "no_such_sale", detail)
    }

    /// 404 for a path that is not in the table.
    pub fn not_found(request: &HttpRequest) -> Self {
        let (method, path) = (request.method(), request.path());
        let detail = match path {
            "" => format!("There is nothing for {method}."),
            path => format!("There is nothing at {path}."),
        };
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Reading failed: nothing was to be changed, so asking again is always right.
    pub fn of_reading(error: &Failure) -> Self {
        let detail = error.to_string();
        match error {
            Failure::Busy(_) | Failure::Unknown(_) => Self::later("busy", detail),
            Failure::Unreadable(_) => Self::unreadable(detail),
        }
    }

    /// An audit gave no verdict.
    pub fn of_audit(no_verdict: &NoVerdict) -> Self {
        match no_verdict {
            NoVerdict::Moved(why) => Self::new(StatusCode::CONFLICT, "refused", why),
            NoVerdict::Failed(failure) => Self::of_reading(failure),
        }
    }

    /// What is in Redis cannot be read: trying again does not help.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
    }

    /// Changing failed: it was not done, or nobody knows.
    pub fn of_changing(error: &Failure) -> Self {
        match error {
            Failure::Busy(_) => Self::later("busy", error.to_string()),
            Failure::Unknown(_) => Self::later("unknown", error.to_string()),
            Failure::Unreadable(_) => Self::unreadable(error.to_string()),
        }
    }

    /// Says which sale it is about.
    pub fn with_goods(mut self, goods: &SaleId) -> Self {
        self.more = More::Goods(goods.clone());
        self
    }

    /// Says of which sale the buyer holds an order, and which one.
    pub fn with_order(mut self, goods: &SaleId, order: &OrderId) -> Self {
        self.more = More::Order(Box::new((goods.clone(), order.clone())));
        self
    }

    /// Says that money that was paid must go back.
    pub fn with_refund_due(mut self) -> Self {
        self.more = More::RefundDue;
        self
    }

    /// Says which target it is about, and the smallest bid in cents.
    pub fn with_bid_min(mut self, goods: &SaleId, cents: u64) -> Self {
        self.more = More::BidMin(Box::new((goods.clone(), cents)));
        self
    }

    /// Says which sale it is about, and when that opens.
    pub fn with_opens_at(mut self, goods: &SaleId, opens_at: EpochMs) -> Self {
        self.more = More::OpensAt(Box::new((goods.clone(), opens_at)));
        self
    }

    /// Says which sale it is about, and why that refuses.
    pub fn with_reason(mut self, goods: &SaleId, reason: &'static str) -> Self {
        self.more = More::Reason(Box::new((goods.clone(), reason)));
        self
    }

    /// Says how many units are left.
    pub fn with_left(mut self, left: i64) -> Self {
        self.more = More::Left(left);
        self
    }

    /// Says how many units were added all the same.
    pub fn with_added(mut self, added: u64) -> Self {
        self.more = More::Added(added);
        self
    }

    /// Says how many cents the account has.
    pub fn with_balance(mut self, cents: u64) -> Self {
        self.more = More::Balance(cents);
        self
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    fn hinting(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }

    fn body(&self) -> Body<'_> {
        let mut body = Body {
            status: self.status.as_u16(),
            code: self.code,
            title: self.status.canonical_reason().unwrap_or("Error"),
            detail: &self.detail,
            goods: None,
            order: None,
            refund_due: None,
            bid_min: None,
            opens_at: None,
            left: None,
            added: None,
            balance: None,
            reason: None,
        };
        match &self.more {
            More::Nothing => {}
            More::Goods(goods) => body.goods = Some(goods.as_str()),
            More::Order(named) => {
                let (goods, order) = &**named;
                body.goods = Some(goods.as_str());
                body.order = Some(order.as_str());
            }
            More::RefundDue => body.refund_due = Some(true),
            More::BidMin(named) => {
                let (goods, cents) = &**named;
                body.goods = Some(goods.as_str());
                body.bid_min = Some(*cents);
            }
            More::OpensAt(named) => {
                let (goods, opens_at) = &**named;
                body.goods = Some(goods.as_str());
                body.opens_at = Some(*opens_at);
            }
            More::Reason(named) => {
                let (goods, reason) = &**named;
                body.goods = Some(goods.as_str());
                body.reason = Some(reason);
            }
            More::Left(units) => body.left = Some(*units),
            More::Added(units) => body.added = Some(*units),
            More::Balance(cents) => body.balance = Some(*cents),
        }
        body
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        guarded(&mut response)
            .insert_header((CONTENT_TYPE, "application/problem+json"))
            .insert_header((RESULT_HEADER, self.code));
        match &self.hint {
            Hint::None => &mut response,
            Hint::Retry => response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS)),
            Hint::Challenge => response.insert_header((WWW_AUTHENTICATE, "Bearer")),
            Hint::Allow(methods) => response.insert_header((ALLOW, methods.as_str())),
        };
        // Strings and numbers always serialise.
        response.body(serde_json::to_vec(&self.body()).unwrap_or_default())
    }
}

/// 404 for every path that is not in the table.
pub async fn not_found(request: HttpRequest, body: Payload) -> HttpResponse {
    discard(body).await;
    Problem::not_found(&request).error_response()
}

/// 405 for a method that a path does not have; `allowed` are those that it has.
pub async fn method_not_allowed(
    request: HttpRequest,
    body: Payload,
    allowed: String,
) -> HttpResponse {
    discard(body).await;
    let detail = format!(
        "{} takes {allowed}, not {}.",
        request.path(),
        request.method()
    );
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, "method_not_allowed", detail);
    problem.hinting(Hint::Allow(allowed)).error_response()
}
