//! Says outcomes, faults and failures: the closed table of codes, statuses and messages.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use serde::Serialize;

use super::attempt::FaultyRequest;
use super::negotiate::Manner;
use crate::domain::ids::SaleId;
use crate::domain::outcome::{Grant, Outcome, Refusal};
use crate::error::Error;

/// The header that names the code on every answer, so that tools need not read the body.
pub const RESULT_HEADER: &str = "x-seckill-result";
/// When a client that got 503 should ask again.
pub const RETRY_AFTER_SECONDS: &str = "1";

/// The body. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'a [String]>,
}

/// One row of the table.
struct Row {
    code: &'static str,
    status: StatusCode,
    strict_status: StatusCode,
    chinese: &'static str,
    english: &'static str,
}

impl Row {
    const fn new(
        code: &'static str,
        status: StatusCode,
        strict_status: StatusCode,
        chinese: &'static str,
        english: &'static str,
    ) -> Self {
        Self {
            code,
            status,
            strict_status,
            chinese,
            english,
        }
    }

    fn status(&self, manner: Manner) -> StatusCode {
        if manner.strict_status {
            self.strict_status
        } else {
            self.status
        }
    }

    fn message(&self, manner: Manner) -> &'static str {
        if manner.english {
            self.english
        } else {
            self.chinese
        }
    }
}

const GRABBED: Row = Row::new(
    "grabbed",
    StatusCode::OK,
    StatusCode::OK,
    "恭喜您，您已抢到。",
    "Congratulations, you got it.",
);
const ALREADY_GRABBED: Row = Row::new(
    "already_grabbed",
    StatusCode::OK,
    StatusCode::CONFLICT,
    "您已经抢到了，请勿重复请求。",
    "You have got it already; there is no need to ask again.",
);
const BUSY: Row = Row::new(
    "busy",
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::SERVICE_UNAVAILABLE,
    "系统繁忙，请稍后再试。",
    "The system is busy; please try again later.",
);
const UNKNOWN: Row = Row::new(
    "unknown",
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::SERVICE_UNAVAILABLE,
    "结果未知，请用同一用户重试。",
    "The outcome is unknown; please try again as the same user.",
);

fn refusal_row(refusal: Refusal) -> Row {
    use StatusCode as Status;
    let (status, strict, chinese, english) = match refusal {
        Refusal::SoldOut => (
            Status::OK,
            Status::GONE,
            "很遗憾，抢购已经结束。",
            "Sorry, everything is sold out.",
        ),
        Refusal::InsufficientStock => (
            Status::OK,
            Status::CONFLICT,
            "不好意思，库存不足了，请减少数量再次请求。",
            "Sorry, too few are left; please ask again for fewer.",
        ),
        Refusal::NotStarted => (
            Status::OK,
            too_early(),
            "抢购尚未开始。",
            "The sale has not started yet.",
        ),
        Refusal::Ended => (
            Status::OK,
            Status::GONE,
            "抢购已经结束。",
            "The sale has ended.",
        ),
        Refusal::Paused => (
            Status::OK,
            too_early(),
            "抢购暂停中。",
            "The sale is paused.",
        ),
        Refusal::InvalidPurchase => (
            Status::BAD_REQUEST,
            Status::BAD_REQUEST,
            "对不起，请选择正确的抢购数量！",
            "Sorry, please choose a valid quantity!",
        ),
        Refusal::NoSuchSale => (
            Status::NOT_FOUND,
            Status::NOT_FOUND,
            "没有这个抢购。",
            "There is no such sale.",
        ),
        Refusal::WrongDoor => (
            Status::CONFLICT,
            Status::CONFLICT,
            "该抢购不支持这种方式。",
            "This sale does not sell at this door.",
        ),
    };
    Row::new(refusal.code(), status, strict, chinese, english)
}

/// 425 Too Early, which the HTTP library does not name.
fn too_early() -> StatusCode {
    StatusCode::from_u16(425).unwrap_or(StatusCode::CONFLICT)
}

/// The answer to a decided attempt.
pub fn outcome(goods: &SaleId, outcome: &Outcome, manner: Manner) -> HttpResponse {
    match outcome {
        Outcome::Grabbed(grant) => with_order(&GRABBED, grant, manner),
        Outcome::AlreadyGrabbed(grant) => with_order(&ALREADY_GRABBED, grant, manner),
        Outcome::Refused(refusal) => plain_row(&refusal_row(*refusal), goods, manner).finish(),
    }
}

/// The answer when nothing was decided: not executed, or nobody knows.
pub fn failure(goods: &SaleId, error: &Error, manner: Manner) -> HttpResponse {
    let row = if matches!(error, Error::Busy(_)) {
        BUSY
    } else {
        UNKNOWN
    };
    let mut answer = plain_row(&row, goods, manner);
    answer.retry = true;
    answer.finish()
}

/// The answer to a request that is wrong.
pub fn faulty(request: &FaultyRequest, manner: Manner) -> HttpResponse {
    let fault = &request.fault;
    let message = if manner.english {
        fault.english()
    } else {
        fault.chinese()
    };
    let goods = request.goods.as_ref().map(SaleId::as_str);
    let body = Body {
        goods,
        ..body(fault.code(), &message)
    };
    Answer {
        status: fault.status(),
        body,
        plain: manner.plain,
        retry: false,
    }
    .finish()
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
    answer(row, body, manner).finish()
}

fn plain_row<'a>(row: &Row, goods: &'a SaleId, manner: Manner) -> Answer<'a> {
    let body = Body {
        goods: Some(goods.as_str()),
        ..body(row.code, row.message(manner))
    };
    answer(row, body, manner)
}

fn answer<'a>(row: &Row, body: Body<'a>, manner: Manner) -> Answer<'a> {
    Answer {
        status: row.status(manner),
        body,
        plain: manner.plain,
        retry: false,
    }
}

fn body<'a>(code: &'a str, message: &'a str) -> Body<'a> {
    Body {
        code,
        message,
        goods: None,
        purchase: None,
        order: None,
        units: None,
    }
}

struct Answer<'a> {
    status: StatusCode,
    body: Body<'a>,
    plain: bool,
    retry: bool,
}

impl Answer<'_> {
    fn finish(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((RESULT_HEADER, self.body.code));
        if self.retry {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if self.plain {
            response.content_type("text/plain; charset=utf-8");
            return response.body(self.body.message.to_owned());
        }
        response.content_type("application/json; charset=utf-8");
        // Strings and numbers always serialise.
        response.body(serde_json::to_vec(&self.body).unwrap_or_default())
    }
}
