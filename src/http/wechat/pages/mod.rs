//! The pages of the ticket office, for phones: plain HTML and forms, and one script for the
//! check-in.
//!
//! A page knows its user only by its address: the `openid` is known to the user and the platform
//! only. So it shows the tickets of the number that is bound to the openid, and nothing else. It
//! binds a number only if the address has the seal that the chat gives.

pub mod activity;
pub mod bind;
pub mod checkin;
pub mod files;
pub mod help;
mod notice;
mod page;
mod qr;
pub mod ticket;
mod when;

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::middleware::Next;
use actix_web::web::{Data, Payload, ReqData};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};

use self::notice::Notice;
use crate::catalogue::Reading;
use crate::domain::ids::{OpenId, SaleId};
use crate::domain::time::EpochMs;
use crate::http::context::Context;
use crate::http::extract::body::discard;
use crate::http::extract::fault::{Fault, FieldName};
use crate::http::extract::fields::Fields;
use crate::http::extract::values::{required, text};
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::Problem;
use crate::wechat::activities::Shown;
use crate::wechat::office::Account;

/// The account that a page belongs to.
type OfAccount = ReqData<Arc<Account>>;

/// Checks every page: without an office there are none.
pub async fn guard(
    context: Data<Context>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(tickets) = &context.tickets {
        let account = tickets.office.account.clone();
        request.extensions_mut().insert(account);
        return next.call(request).await;
    }
    discard(request.extract::<Payload>().await?).await;
    let problem = Problem::not_found(request.request());
    Ok(request.into_response(problem.error_response()))
}

/// Redirects a page with a slash at the end of its path to the one without: only there its relative
/// links are right.
pub async fn without_slash(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.path().strip_suffix('/');
    let page = path.and_then(|path| path.rsplit('/').next());
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(page) = page.filter(|_| looks) else {
        return next.call(request).await;
    };
    let query = match request.query_string() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let page = format!("../{page}{query}");
    let response = guarded(&mut HttpResponse::PermanentRedirect())
        .insert_header((LOCATION, page))
        .finish();
    Ok(request.into_response(response))
}

/// Texts of the query, each of which must be there once.
fn from_query<const N: usize>(
    request: &HttpRequest,
    names: [FieldName; N],
) -> Result<[String; N], Fault> {
    let query = request.query_string().as_bytes();
    let fields = Fields::from_form(names, query);
    fields.and_then(|fields| texts(names, fields))
}

/// Fields that must all be texts.
fn texts<const N: usize>(names: [FieldName; N], fields: Fields<N>) -> Result<[String; N], Fault> {
    let mut texts = names.map(|_| String::new());
    for ((place, name), value) in texts.iter_mut().zip(names).zip(fields.into_values()) {
        *place = text(required(value, name)?, name)?;
    }
    Ok(texts)
}

fn openid(text: &str) -> Result<OpenId, Notice> {
    OpenId::parse(text).map_err(|_| Notice::wrong("openid"))
}

/// The public facts, at one time.
async fn look(context: &Context) -> Result<Arc<Reading>, Notice> {
    let reading = context.catalogue.look().await;
    reading.map_err(|error| Notice::failed(&error))
}

/// An activity on a page.
struct OnShow<'a> {
    shown: Shown<'a>,
    /// Tickets left.
    left: u64,
    /// The clock of Redis now.
    now: EpochMs,
}

/// An activity, if it is on show.
fn on_show<'a>(reading: &'a Reading, id: &SaleId) -> Result<Option<OnShow<'a>>, Notice> {
    let failed = |error: &_| Notice::failed(error);
    let sales = reading.sales.as_ref().map_err(failed)?;
    let Ok(place) = sales.binary_search_by(|sale| sale.0.cmp(id)) else {
        return Ok(None);
    };
    let snapshot = sales[place].1.as_ref().map_err(failed)?;
    let left = snapshot.figures.for_sale();
    let now = reading.server_time().unwrap_or(snapshot.now);
    Ok(Shown::of(&snapshot.sale).map(|shown| OnShow { shown, left, now }))
}
