//! Errors outside the buying doors: `application/problem+json` (RFC 9457) with a stable code.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;

use super::answer::{RESULT_HEADER, RETRY_AFTER_SECONDS};
use super::headers::guarded;
use super::words::faults;
use crate::domain::ids::SaleId;
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
    more: Option<Box<More>>,
    hint: Hint,
}

/// What some problems say beyond what all say. The order of the fields is part of the contract.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum More {
    /// The sale that it is about.
    Goods {
        /// Its id.
        goods: String,
    },
    /// The buyer holds an order of this sale.
    Order {
        /// The sale.
        goods: String,
        /// The order.
        order: String,
    },
    /// Money that was paid must go back.
    RefundDue {
        /// True.
        refund_due: bool,
    },
    /// The smallest bid of a target.
    BidMin {
        /// The target.
        goods: String,
        /// In cents.
        bid_min: u64,
    },
    /// The sale has not opened.
    OpensAt {
        /// The sale.
        goods: String,
        /// When it opens.
        opens_at: EpochMs,
    },
    /// Why a sale refuses.
    Reason {
        /// The sale.
        goods: String,
        /// A word.
        reason: &'static str,
    },
    /// Units that are left.
    Left {
        /// How many.
        left: i64,
    },
    /// Units that were added all the same.
    Added {
        /// How many.
        added: u64,
    },
    /// What an account has.
    Balance {
        /// In cents.
        balance: u64,
    },
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
    #[serde(flatten)]
    more: Option<&'a More>,
}

impl Problem {
    /// A problem with a stable `code`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            more: None,
            hint: Hint::None,
        }
    }

    /// 400: the request is wrong; `detail` names the field.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// 400, 413 or 415, in the language of the sender.
    pub fn of_fault(fault: &Fault, manner: Manner) -> Self {
        let detail = faults::fault(fault).said(manner);
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
    pub fn about(self, goods: &SaleId) -> Self {
        let goods = goods.to_string();
        self.with(More::Goods { goods })
    }

    /// Says more.
    pub fn with(mut self, more: More) -> Self {
        self.more = Some(Box::new(more));
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
        Body {
            status: self.status.as_u16(),
            code: self.code,
            title: self.status.canonical_reason().unwrap_or("Error"),
            detail: &self.detail,
            more: self.more.as_deref(),
        }
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
