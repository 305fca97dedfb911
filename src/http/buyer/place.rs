//! `POST /orders`: several sales of one event in one order, all of them or nothing.
//!
//! Strict, unlike the doors: whoever orders several things at once is a program, and a field that
//! it misspells must not be passed over.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;

use super::orders::with_order;
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::domain::order::Order;
use crate::domain::purchase::attempt::Purchase;
use crate::domain::purchase::outcome::Refusal;
use crate::domain::purchase::place::{Basket, PlaceOutcome, PlaceRefusal, Wish, WrongBasket};
use crate::failure::Failure;
use crate::http::caller::Claim;
use crate::http::context::Context;
use crate::http::extract::body::{is_form, read_body};
use crate::http::extract::fault::Fault;
use crate::http::extract::fields::Object;
use crate::http::extract::manner::Manner;
use crate::http::extract::values::{digits, required, text};
use crate::http::respond::problem::{More, Problem};
use crate::http::respond::words::{self, Text, faults, purchase};
use crate::http::standstill;

/// Largest body, in bytes: the longest names and 20 lines fit in every encoding.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What a buyer asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct PlacementRequest {
    /// Who asks.
    pub username: Username,
    /// The client's name for this request.
    pub request: RequestId,
    /// For what.
    pub basket: Basket,
}

/// One thing that is wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum PlacementFault {
    /// No JSON.
    MediaType,
    /// As at the doors.
    Whole(Fault),
    /// Something in the line at this place.
    Line(usize, Fault),
    /// Lines that make no basket.
    Basket(WrongBasket),
}

impl From<Fault> for PlacementFault {
    fn from(fault: Fault) -> Self {
        Self::Whole(fault)
    }
}

impl PlacementFault {
    /// The stable code of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Whole(fault) | Self::Line(_, fault) => fault.code(),
            Self::MediaType | Self::Basket(_) => "invalid_request",
        }
    }

    /// 400, 413 or 415.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Whole(fault) | Self::Line(_, fault) => fault.status(),
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Basket(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// What is wrong, in words.
    fn text(&self) -> Text<String> {
        match self {
            Self::MediaType => faults::JSON.owned(),
            Self::Whole(fault) => faults::fault(fault),
            Self::Line(place, fault) => faults::in_line(*place, fault),
            Self::Basket(wrong) => faults::basket(*wrong),
        }
    }
}

/// The fields as they came.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    username: Option<Value>,
    request_id: Option<Value>,
    lines: Option<Vec<Object<LineFields>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineFields {
    goods: Option<Value>,
    purchase: Option<Value>,
}

impl PlacementRequest {
    /// Reads and checks a whole request.
    pub async fn read(request: &HttpRequest, body: Payload) -> Result<Self, PlacementFault> {
        let json = is_form(request) == Some(false);
        let body = read_body(body, BODY_BYTES_MAX).await?;
        if !json {
            return Err(PlacementFault::MediaType);
        }
        Self::from_json(&body)
    }

    fn from_json(body: &[u8]) -> Result<Self, PlacementFault> {
        if std::str::from_utf8(body).is_err() {
            return Err(Fault::NotUtf8.into());
        }
        let broken = |e: serde_json::Error| Fault::BrokenJson(e.to_string());
        let Object::<Fields>(fields) = serde_json::from_slice(body).map_err(broken)?;
        let username = Claim::read(fields.username)?.buyer()?;
        let request = text(required(fields.request_id, "request_id")?, "request_id")?;
        let lines = fields.lines.ok_or(Fault::Missing("lines"))?;
        let wishes = lines.into_iter().enumerate().map(|(place, Object(line))| {
            line.checked()
                .map_err(|fault| PlacementFault::Line(place, fault))
        });
        let wishes = wishes.collect::<Result<_, _>>()?;
        Ok(Self {
            username,
            request: RequestId::parse(request).map_err(|_| Fault::RequestId)?,
            basket: Basket::new(wishes).map_err(PlacementFault::Basket)?,
        })
    }
}

impl LineFields {
    fn checked(self) -> Result<Wish, Fault> {
        let goods = text(required(self.goods, "goods")?, "goods")?;
        let purchase = digits(self.purchase, "purchase")?;
        Ok(Wish {
            goods: SaleId::parse(&goods).map_err(|_| Fault::Goods)?,
            purchase: Purchase::parse(&purchase).map_err(|_| Fault::Purchase)?,
        })
    }
}

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
            let message = purchase::GRABBED.said(manner);
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
        return purchase::ALREADY_GRABBED.said(manner);
    }
    purchase::ORDER_DIED.said(manner)
}

fn refused(code: &'static str, refusal: &PlaceRefusal, manner: Manner) -> Problem {
    match refusal {
        PlaceRefusal::RequestIdReused => {
            let detail = purchase::ORDER_REQUEST_REUSED.said(manner);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
        PlaceRefusal::AlreadyGrabbed { goods, order } => {
            let detail = purchase::ALREADY_GRABBED.said(manner);
            let (goods, order) = (goods.to_string(), order.to_string());
            Problem::new(StatusCode::CONFLICT, code, detail).with(More::Order { goods, order })
        }
        PlaceRefusal::NotStarted { goods, opens_at } => {
            let detail = purchase::refusal(Refusal::NotStarted).said(manner);
            let (goods, opens_at) = (goods.to_string(), *opens_at);
            Problem::new(StatusCode::CONFLICT, code, detail).with(More::OpensAt { goods, opens_at })
        }
        PlaceRefusal::Line { goods, refusal } => {
            let detail = purchase::refusal(*refusal).said(manner);
            let problem = Problem::new(line_status(*refusal), code, detail);
            match refusal.reason() {
                Some(reason) => problem.with(More::Reason {
                    goods: goods.to_string(),
                    reason,
                }),
                None => problem.about(goods),
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
    Problem::new(fault.status(), fault.code(), fault.text().said(manner))
}

/// Nothing was decided: not executed, or nobody knows.
pub(super) fn failed(error: &Failure, manner: Manner) -> Problem {
    match error {
        Failure::Busy(_) => Problem::later("busy", words::BUSY.said(manner)),
        Failure::Unknown(_) => Problem::later("unknown", purchase::REQUEST_UNKNOWN.said(manner)),
        Failure::Unreadable(_) => Problem::unreadable(purchase::UNREADABLE.said(manner)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::purchase::place::LINES_MAX;

    fn read(body: &str) -> Result<PlacementRequest, PlacementFault> {
        PlacementRequest::from_json(body.as_bytes())
    }

    #[test]
    fn a_request_is_read_as_it_is() {
        let body = r#" {"lines":[{"purchase":"2","goods":"e.a"},{"goods":"e.b","purchase":1}],
            "request_id":" 1","username":"秒"} "#;
        let request = read(body).expect("well formed");
        assert_eq!(request.username.as_str(), "秒");
        assert_eq!(request.request.as_str(), " 1");
        let wishes = request.basket.wishes().iter();
        let wishes: Vec<_> = wishes
            .map(|w| (w.goods.as_str(), w.purchase.get()))
            .collect();
        assert_eq!(wishes, [("e.a", 2), ("e.b", 1)]);
    }

    #[test]
    fn each_fault_is_named() {
        use Fault::{Goods, Missing, Purchase, RequestId, Username, WrongType};
        use PlacementFault::{Basket, Line, Whole};
        let line = r#"{"goods":"e","purchase":1}"#;
        let many = vec![line; LINES_MAX + 1].join(",");
        for (username, request, lines, expected) in [
            ("null", "\"r\"", line, Whole(Missing("username"))),
            ("1", "\"r\"", line, Whole(WrongType("username"))),
            ("\"\"", "\"r\"", line, Whole(Username)),
            ("\"x\"", "null", line, Whole(Missing("request_id"))),
            ("\"x\"", "7", line, Whole(WrongType("request_id"))),
            ("\"x\"", "\"\"", line, Whole(RequestId)),
            ("\"x\"", "\"a\\tb\"", line, Whole(RequestId)),
            ("\"x\"", "\"r\"", "", Basket(WrongBasket::LineCount)),
            ("\"x\"", "\"r\"", &many, Basket(WrongBasket::LineCount)),
            (
                "\"x\"",
                "\"r\"",
                r#"{"goods":"e","purchase":1},{"goods":"f","purchase":1}"#,
                Basket(WrongBasket::SeveralEvents),
            ),
            (
                "\"x\"",
                "\"r\"",
                r#"{"purchase":1}"#,
                Line(0, Missing("goods")),
            ),
            (
                "\"x\"",
                "\"r\"",
                r#"{"goods":"e"}"#,
                Line(0, Missing("purchase")),
            ),
            (
                "\"x\"",
                "\"r\"",
                r#"{"goods":"e","purchase":1},{"goods":"E","purchase":1}"#,
                Line(1, Goods),
            ),
            (
                "\"x\"",
                "\"r\"",
                r#"{"goods":"e","purchase":0}"#,
                Line(0, Purchase),
            ),
            (
                "\"x\"",
                "\"r\"",
                r#"{"goods":"e","purchase":1.0}"#,
                Line(0, Purchase),
            ),
            (
                "\"x\"",
                "\"r\"",
                r#"{"goods":"e","purchase":[1]}"#,
                Line(0, WrongType("purchase")),
            ),
        ] {
            let body =
                format!(r#"{{"username":{username},"request_id":{request},"lines":[{lines}]}}"#);
            assert_eq!(read(&body), Err(expected), "{body}");
        }
        let missing = read(r#"{"username":"x","request_id":"r"}"#);
        assert_eq!(missing, Err(Whole(Missing("lines"))));
    }

    #[test]
    fn unknown_and_repeated_fields_are_named() {
        for (body, named) in [
            (r#"{"user":"x"}"#, "`user`"),
            (r#"{"lines":[{"good":"e"}]}"#, "`good`"),
            (r#"{"username":"x","username":"x"}"#, "`username`"),
            (r#"{"lines":[{"goods":"e","goods":"e"}]}"#, "`goods`"),
            (r#"{"lines":{}}"#, "sequence"),
            (r#"{} {}"#, "trailing"),
            ("[]", "expected a JSON object"),
            (r#"["x","r",[{"goods":"e","purchase":1}]]"#, "a JSON object"),
            (r#"{"lines":[["e",1]]}"#, "a JSON object"),
            (r#"{"lines":["e"]}"#, "a JSON object"),
            ("", "EOF"),
        ] {
            let Err(PlacementFault::Whole(Fault::BrokenJson(why))) = read(body) else {
                panic!("{body} is read");
            };
            assert!(why.contains(named), "{body}: {why}");
        }
    }
}
