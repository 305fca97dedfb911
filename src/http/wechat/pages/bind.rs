//! The page where a person binds a student number.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::notice::Notice;
use super::page::{Loads, page};
use super::{OfAccount, from_query, openid, texts};
use crate::domain::ids::{Number, OpenId};
use crate::http::context::Context;
use crate::http::extract::fault::FieldName;
use crate::http::extract::fields::Fields;
use crate::http::standstill;
use crate::store::wechat::bindings::BindOutcome;
use crate::wechat::office::Account;
use crate::wechat::wording;

const FIELDS: [FieldName; 3] = ["openid", "seal", "number"];
/// Where to get a link with a seal.
const RENEW: &str = "请回到公众号，回复“绑定”，从新的消息里打开。";

/// What was typed, so that the user can correct it, and the parameters of the link.
#[derive(Template)]
#[template(path = "wechat/bind.html")]
struct Form<'a> {
    openid: &'a OpenId,
    seal: &'a str,
    number: &'a str,
    fault: Option<&'a str>,
}

impl Form<'_> {
    fn answer(&self, status: StatusCode) -> HttpResponse {
        page(status, self, Loads::Nothing)
    }
}

/// `GET /wechat/bind?openid=OPENID&seal=SEAL`
pub async fn show(
    context: Data<Context>,
    account: OfAccount,
    request: HttpRequest,
) -> Result<HttpResponse, Notice> {
    let asked = from_query(&request, ["openid", "seal"]);
    let [openid, seal] = asked.map_err(|fault| Notice::faulty(&fault, RENEW))?;
    let openid = sealed(&account, &openid, &seal)?;
    let bound = context.store.number_of(&openid).await;
    if let Some(number) = bound.map_err(|error| Notice::failed(&error))? {
        return Ok(bound_to(&number).answer());
    }
    let form = Form {
        openid: &openid,
        seal: &seal,
        number: "",
        fault: None,
    };
    Ok(form.answer(StatusCode::OK))
}

/// `POST /wechat/bind`: a form with `openid`, `seal` and `number`.
pub async fn bind(
    context: Data<Context>,
    account: OfAccount,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Notice> {
    let fields = Fields::read(&request, body, FIELDS).await;
    let typed = fields.and_then(|fields| texts(FIELDS, fields));
    let [openid, seal, typed] = typed.map_err(|fault| Notice::faulty(&fault, RENEW))?;
    let openid = sealed(&account, &openid, &seal)?;
    if context.standstill.held_up(&request) {
        return Err(Notice::failed(&standstill::busy()));
    }
    let again = |status, fault| {
        let form = Form {
            openid: &openid,
            seal: &seal,
            number: &typed,
            fault: Some(fault),
        };
        form.answer(status)
    };
    let Some(number) = account.number(typed.trim()) else {
        return Ok(again(StatusCode::BAD_REQUEST, wording::WRONG_NUMBER));
    };
    let outcome = context.store.number_bind(&openid, &number).await;
    Ok(match outcome.map_err(|error| Notice::failed(&error))? {
        BindOutcome::Bound | BindOutcome::Repeated => bound_to(&number).answer(),
        BindOutcome::Taken => again(StatusCode::CONFLICT, wording::NUMBER_TAKEN),
        BindOutcome::BoundOtherwise(other) => bound_otherwise(&other).answer(),
    })
}

/// The user who got this link in the chat.
fn sealed(account: &Account, openid: &str, seal: &str) -> Result<OpenId, Notice> {
    let openid = self::openid(openid)?;
    if account.links.is_sealed(&openid, seal) {
        return Ok(openid);
    }
    Err(Notice::forbidden("链接已失效", RENEW))
}

fn bound_to(number: &Number) -> Notice {
    Notice::done("已绑定学号", wording::already_bound(number))
}

/// A link can be passed on, so a page changes no binding. In the chat the platform knows the user.
fn bound_otherwise(number: &Number) -> Notice {
    Notice::conflict("不能重复绑定", wording::already_bound(number))
}
