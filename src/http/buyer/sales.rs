//! `GET /sales` and `GET /sales/{id}`: what buyers may know about sales, countdowns included.
//!
//! Anybody may ask, as often as they like: answers come from the catalogue, not from Redis. The
//! phase belongs to `server_time`, which is this moment (in the list a little before it);
//! `remaining` is as old as `remaining_at` says.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use super::sale_view::SaleView;
use crate::domain::ids::SaleId;
use crate::failure::Failure;
use crate::http::context::Context;
use crate::http::extract::form;
use crate::http::extract::manner::Manner;
use crate::http::respond::headers::guarded;
use crate::http::respond::pieces::Pieces;
use crate::http::respond::problem::Problem;

/// Most sales of one answer.
const PAGE_SALES_MAX: usize = 1000;

/// Which page is asked for.
struct Asked {
    after: String,
    limit: usize,
}

impl Asked {
    /// Reads `after` and `limit`; what else stands in a query is not ours.
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let (mut after, mut limit) = (None, None);
        for field in form::fields(request.query_string().as_bytes()) {
            let (name, value) =
                field.map_err(|fault| Problem::of_fault(&fault, Manner::of(request, false)))?;
            let place = match &*name {
                "after" => &mut after,
                "limit" => &mut limit,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Problem::invalid(format!("{name} is repeated")));
            }
        }
        let after = after.map(|id| SaleId::parse(&id).map_err(|e| format!("after: {e}")));
        let after = after.transpose().map_err(Problem::invalid)?;
        let limit = limit.map_or(Ok(PAGE_SALES_MAX), |text| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
            let number = text.parse().ok().filter(|_| is_plain);
            let fits = number.filter(|number| (1..=PAGE_SALES_MAX).contains(number));
            let wrong = || format!("limit is {text:?}: it must be from 1 to {PAGE_SALES_MAX}");
            fits.ok_or_else(|| Problem::invalid(wrong()))
        })?;
        let after = after.map_or_else(String::new, |id| id.to_string());
        Ok(Self { after, limit })
    }
}

/// `GET /sales?after=ID&limit=N`
pub async fn list(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Asked { after, limit } = Asked::read(&request)?;
    let listing = context.listings.look().await;
    let listing = listing.map_err(|error| unseen(&error))?;
    let page = listing.as_ref().as_ref().map_err(unseen)?;
    let page = page.page(&after, limit);
    let time = page.server_time.map(|time| time.to_string());
    let time = time.as_deref().unwrap_or("null");
    // An id needs no escapes.
    let next = page.next.map(|id| format!(r#","next":"{id}""#));
    let head = format!(r#"{{"server_time":{time},"sales":["#);
    let tail = format!("]{}}}", next.unwrap_or_default());
    Ok(json().body(Pieces::of([head.into(), page.sales, tail.into()])))
}

/// `GET /sales/{id}`
pub async fn show(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asked = request.match_info().get("id").unwrap_or_default();
    let reading = context.catalogue.look().await;
    let reading = reading.map_err(|error| unseen(&error))?;
    let sales = reading.sales.as_deref().map_err(unseen)?;
    let found = sales.binary_search_by(|sale| sale.0.as_str().cmp(asked));
    let (_, read) = &**found
        .map(|place| &sales[place])
        .map_err(|_| Problem::no_such_sale(asked))?;
    let snapshot = read.as_ref().map_err(unseen)?;
    let now = reading.server_time().unwrap_or(snapshot.now);
    // Strings and numbers always serialise.
    let body = serde_json::to_vec(&SaleView::new(snapshot, now)).unwrap_or_default();
    Ok(json().body(body))
}

/// Where Redis is, and what is wrong in it, is nothing for buyers.
fn unseen(error: &Failure) -> Problem {
    match error {
        Failure::Busy(_) | Failure::Unknown(_) => Problem::later(
            "busy",
            "The sales cannot be read now; please try again later.",
        ),
        Failure::Unreadable(_) => {
            Problem::unreadable("The sale cannot be read; `seckill sale list` says why.")
        }
    }
}

/// No cache may keep it: the time in it would be wrong.
fn json() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    guarded(&mut response).content_type("application/json; charset=utf-8");
    response
}
