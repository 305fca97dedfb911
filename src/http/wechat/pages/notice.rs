//! A page that says one thing: how it went, or what is wrong.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use super::page::{Loads, filled};
use crate::failure::Failure;
use crate::http::extract::fault::Fault;
use crate::http::respond::answer::RETRY_AFTER_SECONDS;
use crate::http::respond::words::faults;

/// Where good links are.
const REOPEN: &str = "请回到公众号，从消息里重新打开。";

/// How it went.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Good,
    Wrong,
    Waiting,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Wrong => "bad",
            Self::Waiting => "wait",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Wrong => "!",
            Self::Waiting => "…",
        }
    }
}

/// What the page says; displaying it renders it.
#[derive(Debug, Template)]
#[template(path = "wechat/notice.html")]
pub struct Notice {
    status: StatusCode,
    mood: Mood,
    title: &'static str,
    detail: String,
}

impl Notice {
    fn new(status: StatusCode, mood: Mood, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            mood,
            title,
            detail: detail.into(),
        }
    }

    /// The page.
    pub fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        filled(&mut response, self, Loads::Nothing)
    }

    /// 200: it is as the person wanted it.
    pub fn done(title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, Mood::Good, title, detail)
    }

    /// 400, 413 or 415: no link and no form of ours looks like this. `advice` says where to get
    /// one that does.
    pub fn faulty(fault: &Fault, advice: &str) -> Self {
        let detail = format!("{advice}（{}）", faults::fault(fault).zh);
        Self::new(fault.status(), Mood::Wrong, "链接不正确", detail)
    }

    /// 400: a parameter breaks its rule.
    pub fn wrong(parameter: &str) -> Self {
        let detail = format!("{REOPEN}（参数 {parameter} 不正确。）");
        Self::new(StatusCode::BAD_REQUEST, Mood::Wrong, "链接不正确", detail)
    }

    /// 403: the link is not for this person, or not any more.
    pub fn forbidden(title: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Mood::Wrong, title, detail)
    }

    /// 404: it is not there, or not for this person.
    pub fn missing(title: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, Mood::Wrong, title, detail)
    }

    /// 409: it is otherwise already.
    pub fn conflict(title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Mood::Wrong, title, detail)
    }

    /// 503: nothing is known now; or 500 when what is stored cannot be read.
    pub fn failed(error: &Failure) -> Self {
        tracing::warn!(%error, "a page could not be shown");
        match error {
            Failure::Busy(_) | Failure::Unknown(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Mood::Waiting,
                "请稍后再试",
                "对不起，服务器现在有点忙，暂时不能给您答复。请过几秒刷新本页，重复操作是安全的。",
            ),
            Failure::Unreadable(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                Mood::Wrong,
                "暂时无法显示",
                "对不起，服务器上的数据无法读取，请联系主办方。",
            ),
        }
    }
}

impl From<Fault> for Notice {
    fn from(fault: Fault) -> Self {
        Self::faulty(&fault, REOPEN)
    }
}

impl ResponseError for Notice {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.answer()
    }
}
