//! Says outcomes, faults and failures: the closed table of codes, statuses and messages.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Bytes;
use serde::Serialize;

use super::headers::{NO_STORE, NOSNIFF};
use super::words::{self, Text, faults, purchase};
use crate::domain::ids::SaleId;
use crate::domain::purchase::outcome::{Grant, Outcome, Refusal};
use crate::failure::Failure;
use crate::http::extract::fault::FaultyRequest;
use crate::http::extract::manner::Manner;

/// The header that names the code on every answer, so that tools need not read the body.
pub const RESULT_HEADER: HeaderName = HeaderName::from_static("x-seckill-result");
/// When a client that got 503 should ask again.
pub const RETRY_AFTER_SECONDS: &str = "1";
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The body. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// One row of the table.
pub struct Row {
    code: &'static str,
    status: StatusCode,
    strict_status: StatusCode,
    text: Text,
}

impl Row {
    /// A row; `strict_status` is for those who want refusals as 4xx.
    pub const fn new(
        code: &'static str,
        status: StatusCode,
        strict_status: StatusCode,
        text: Text,
    ) -> Self {
        Self {
            code,
            status,
            strict_status,
            text,
        }
    }

    /// The word for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The status, strict or not.
    pub fn status(&self, manner: Manner) -> StatusCode {
        if manner.strict_status {
            self.strict_status
        } else {
            self.status
        }
    }

    /// The sentence for people.
    pub fn message(&self, manner: Manner) -> &'static str {
        self.text.said(manner)
    }
}

const OK: StatusCode = StatusCode::OK;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const BUSY_STATUS: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
const UNREADABLE_STATUS: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

const GRABBED: Row = Row::new("grabbed", OK, OK, purchase::GRABBED);
const ALREADY_GRABBED: Row = Row::new("already_grabbed", OK, CONFLICT, purchase::ALREADY_GRABBED);
const BUSY_ROW: Row = Row::new("busy", BUSY_STATUS, BUSY_STATUS, words::BUSY);
const UNKNOWN_ROW: Row = Row::new("unknown", BUSY_STATUS, BUSY_STATUS, purchase::UNKNOWN);
const UNREADABLE_ROW: Row = Row::new(
    "unreadable",
    UNREADABLE_STATUS,
    UNREADABLE_STATUS,
    purchase::UNREADABLE,
);

/// The row of a refusal.
pub fn refusal_row(refusal: Refusal) -> Row {
    let (status, strict) = match refusal {
        Refusal::SoldOut | Refusal::Ended => (OK, StatusCode::GONE),
        Refusal::NotStarted | Refusal::Paused | Refusal::Forgot => (OK, too_early()),
        Refusal::InsufficientStock | Refusal::TooManyOrders => (OK, CONFLICT),
        Refusal::InvalidPurchase => (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        Refusal::NoSuchSale => (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
        Refusal::WrongDoor => (CONFLICT, CONFLICT),
    };
    Row::new(refusal.code(), status, strict, purchase::refusal(refusal))
}

/// 425 Too Early, which the HTTP library does not name.
fn too_early() -> StatusCode {
    StatusCode::from_u16(425).unwrap_or(StatusCode::CONFLICT)
}

/// A row whose answers differ in nothing but the goods. Most of a crowd gets one of these, so
/// their JSON is made once.
struct Constant {
    row: Row,
    /// The code as a header.
    result: HeaderValue,
    /// In Chinese and in English, up to the goods.
    json: [String; 2],
    /// What follows the goods.
    json_end: String,
}

static REFUSALS: LazyLock<[Constant; Refusal::ALL.len()]> = LazyLock::new(|| {
    Refusal::ALL.map(|refusal| Constant::new(refusal_row(refusal), refusal.reason()))
});
static BUSY: LazyLock<Constant> = LazyLock::new(|| Constant::new(BUSY_ROW, None));
static UNKNOWN: LazyLock<Constant> = LazyLock::new(|| Constant::new(UNKNOWN_ROW, None));
static UNREADABLE: LazyLock<Constant> = LazyLock::new(|| Constant::new(UNREADABLE_ROW, None));

impl Constant {
    fn new(row: Row, reason: Option<&str>) -> Self {
        let json = [row.text.zh, row.text.en].map(|message| {
            let mut json = json(&body(row.code, message));
            json.pop(); // the brace, which now comes after the goods
            json + ",\"goods\":\""
        });
        let json_end = match reason {
            Some(reason) => format!("\",\"reason\":\"{reason}\"}}"),
            None => "\"}".to_owned(),
        };
        Self {
            result: HeaderValue::from_static(row.code),
            row,
            json,
            json_end,
        }
    }

    fn answer(&self, goods: &SaleId, manner: Manner) -> Answer {
        let body = if manner.plain {
            Bytes::from_static(self.row.message(manner).as_bytes())
        } else {
            let start = &self.json[usize::from(manner.english)];
            // No character of a sale id needs an escape.
            Bytes::from([start, goods.as_str(), &self.json_end].concat())
        };
        Answer {
            status: self.row.status(manner),
            result: self.result.clone(),
            body,
            plain: manner.plain,
            retry: false,
        }
    }
}

/// The answer to a decided attempt.
pub fn outcome(goods: &SaleId, outcome: &Outcome, manner: Manner) -> HttpResponse {
    match outcome {
        Outcome::Grabbed(grant) => with_order(&GRABBED, grant, manner),
        Outcome::AlreadyGrabbed(grant) => with_order(&ALREADY_GRABBED, grant, manner),
        Outcome::Refused(refusal) => {
            let constant = &REFUSALS[refusal.index()];
            constant.answer(goods, manner).finish()
        }
    }
}

/// The answer when nothing was decided. What cannot be read stays so: there is nothing to retry.
pub fn failure(goods: &SaleId, failure: &Failure, manner: Manner) -> HttpResponse {
    match failure {
        Failure::Busy(_) => BUSY.answer(goods, manner).to_retry().finish(),
        Failure::Unknown(_) => UNKNOWN.answer(goods, manner).to_retry().finish(),
        Failure::Unreadable(_) => UNREADABLE.answer(goods, manner).finish(),
    }
}

/// The answer to a request that is wrong.
pub fn faulty(request: &FaultyRequest, manner: Manner) -> HttpResponse {
    let fault = &request.fault;
    let message = faults::fault(fault).said(manner);
    let body = Body {
        goods: request.goods.as_ref().map(SaleId::as_str),
        ..body(fault.code(), &message)
    };
    Answer::new(fault.status(), body.code, body.message, &body, manner).finish()
}

fn with_order(row: &Row, grant: &Grant, manner: Manner) -> HttpResponse {
    let line = &grant.line;
    let body = Body {
        goods: Some(line.goods.as_str()),
        purchase: Some(line.purchase),
        order: Some(grant.order.as_str()),
        units: (!line.units.is_empty()).then_some(&line.units),
        ..body(row.code, row.message(manner))
    };
    Answer::new(row.status(manner), body.code, body.message, &body, manner).finish()
}

fn body<'a>(code: &'static str, message: &'a str) -> Body<'a> {
    Body {
        code,
        message,
        goods: None,
        purchase: None,
        order: None,
        units: None,
        reason: None,
    }
}

fn json(body: &impl Serialize) -> String {
    // Strings and numbers always serialise.
    serde_json::to_string(body).unwrap_or_default()
}

/// An answer of a door, before it is sent.
pub struct Answer {
    status: StatusCode,
    result: HeaderValue,
    body: Bytes,
    plain: bool,
    retry: bool,
}

impl Answer {
    /// `message` for those who want it bare, `body` for others.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: &str,
        body: &impl Serialize,
        manner: Manner,
    ) -> Self {
        let text = if manner.plain {
            message.to_owned()
        } else {
            json(body)
        };
        Self {
            status,
            result: HeaderValue::from_static(code),
            body: Bytes::from(text),
            plain: manner.plain,
            retry: false,
        }
    }

    /// The same, and asks to try again.
    pub fn to_retry(self) -> Self {
        Self {
            retry: true,
            ..self
        }
    }

    /// The response.
    pub fn finish(self) -> HttpResponse {
        let mut response = HttpResponse::with_body(self.status, BoxBody::new(self.body));
        let headers = response.headers_mut();
        // There is none yet, so nothing need be replaced.
        headers.append(RESULT_HEADER, self.result);
        if self.retry {
            let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            headers.append(RETRY_AFTER, seconds);
        }
        headers.append(CONTENT_TYPE, if self.plain { PLAIN } else { JSON });
        headers.append(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.append(CACHE_CONTROL, NO_STORE);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_answer_is_what_the_serialiser_would_say() {
        let goods = SaleId::parse("spring-2026.tea_1").expect("valid");
        let reasons = Refusal::ALL.map(Refusal::reason);
        let others = [(&*BUSY, None), (&*UNKNOWN, None)];
        for (constant, reason) in REFUSALS.iter().zip(reasons).chain(others) {
            for english in [false, true] {
                let manner = Manner {
                    english,
                    plain: false,
                    strict_status: false,
                };
                let whole = Body {
                    goods: Some(goods.as_str()),
                    reason,
                    ..body(constant.row.code, constant.row.message(manner))
                };
                let answer = constant.answer(&goods, manner);
                assert_eq!(answer.body, json(&whole));
                assert_eq!(answer.result, constant.row.code);
            }
        }
    }
}
