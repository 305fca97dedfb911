//! The page where a person binds a student number.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::notice::Notice;
use super::page::{Loads, page};
use super::{from_query, openid, texts};
use crate::domain::ids::{Number, OpenId};
use crate::http::Context;
use crate::http::fault::FieldName;
use crate::http::fields::Fields;
use crate::store::bindings::BindOutcome;
use crate::wechat::wording;

const FIELDS: [FieldName; 2] = ["openid", "number"];

/// What was typed, so that it can be mended.
#[derive(Template)]
#[template(path = "bind.html")]
struct Form<'a> {
    openid: &'a OpenId,
    number: &'a str,
    fault: Option<&'a str>,
}

impl Form<'_> {
    fn answer(&self, status: StatusCode) -> HttpResponse {
        page(status, self, Loads::Nothing)
    }
}

/// `GET /wechat/bind?openid=OPENID`
pub async fn show(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Notice> {
    let [openid] = from_query(&request, ["openid"])?;
    let openid = self::openid(&openid)?;
    let bound = context.store.number_of(&openid).await;
    if let Some(number) = bound.map_err(|error| Notice::failed(&error))? {
        return Ok(bound_to(&number).answer());
    }
    let form = Form {
        openid: &openid,
        number: "",
        fault: None,
    };
    Ok(form.answer(StatusCode::OK))
}

/// `POST /wechat/bind`: a form with `openid` and `number`.
pub async fn bind(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Notice> {
    let fields = Fields::read(&request, body, FIELDS).await;
    let typed = fields.and_then(|fields| texts(FIELDS, fields));
    let [openid, typed] = typed.map_err(|fault| Notice::faulty(&fault))?;
    let openid = self::openid(&openid)?;
    let again = |status, fault| {
        let (openid, number, fault) = (&openid, typed.as_str(), Some(fault));
        let form = Form {
            openid,
            number,
            fault,
        };
        form.answer(status)
    };
    let Some(number) = context.account.number(typed.trim()) else {
        return Ok(again(StatusCode::BAD_REQUEST, wording::WRONG_NUMBER));
    };
    let outcome = context.store.number_bind(&openid, &number).await;
    Ok(match outcome.map_err(|error| Notice::failed(&error))? {
        BindOutcome::Bound | BindOutcome::Repeated => bound_to(&number).answer(),
        BindOutcome::Taken => again(StatusCode::CONFLICT, wording::NUMBER_TAKEN),
        BindOutcome::BoundOtherwise(other) => bound_otherwise(&other).answer(),
    })
}

fn bound_to(number: &Number) -> Notice {
    Notice::done("已绑定学号", wording::already_bound(number))
}

/// Whoever opens this page shows no proof of being the person; the chat has the platform's.
fn bound_otherwise(number: &Number) -> Notice {
    Notice::conflict("不能重复绑定", wording::already_bound(number))
}
