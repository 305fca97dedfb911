//! Errors outside the buying doors: `application/problem+json` (RFC 9457) with a stable code.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Serialize, Serializer};

use super::answer::RESULT_HEADER;
use super::attempt;
use crate::domain::ids::{OrderId, SaleId};

/// The body. The order of the fields is part of the contract.
#[derive(Serialize)]
pub struct Problem<'a> {
    #[serde(serialize_with = "number")]
    status: StatusCode,
    code: &'a str,
    title: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
}

fn number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl<'a> Problem<'a> {
    /// A problem with a stable `code`.
    pub fn new(status: StatusCode, code: &'a str, detail: &'a str) -> Self {
        Self {
            status,
            code,
            title: status.canonical_reason().unwrap_or("Error"),
            detail,
            goods: None,
            order: None,
        }
    }

    /// The same, about this sale.
    pub fn with_goods(mut self, goods: &'a SaleId) -> Self {
        self.goods = Some(goods.as_str());
        self
    }

    /// The same, about this order.
    pub fn with_order(mut self, order: &'a OrderId) -> Self {
        self.order = Some(order.as_str());
        self
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        HttpResponse::build(self.status)
            .insert_header((CONTENT_TYPE, "application/problem+json"))
            .insert_header((RESULT_HEADER, self.code))
            .body(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The answer to a problem that is about no sale and no order.
pub fn problem(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    Problem::new(status, code, detail).response()
}

/// 404 for every path that is not in the table.
pub async fn not_found(request: HttpRequest, body: Payload) -> HttpResponse {
    attempt::discard(body).await;
    let detail = format!("There is nothing at {}.", request.path());
    problem(StatusCode::NOT_FOUND, "not_found", &detail)
}

/// 405 for a method that a path does not have.
pub async fn method_not_allowed(request: HttpRequest, body: Payload) -> HttpResponse {
    attempt::discard(body).await;
    let allowed = match request.path() {
        "/seckill" | "/incr" | "/orders" => "POST",
        _ => "GET",
    };
    let detail = format!(
        "{} takes {allowed}, not {}.",
        request.path(),
        request.method()
    );
    let mut response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &detail,
    );
    let allowed = actix_web::http::header::HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
