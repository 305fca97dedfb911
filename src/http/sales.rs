//! `GET /sales` and `GET /sales/{id}`: what buyers may know about sales, countdowns included.
//!
//! Anybody may ask, as often as he likes: answers come from the catalogue, not from Redis. The
//! time and with it the phase are those of this very moment; only `remaining` is as old as
//! `remaining_at` says.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::Context;
use super::headers::guarded;
use super::problem::Problem;
use crate::catalogue::Reading;
use crate::domain::activity::Activity;
use crate::domain::ids::SaleId;
use crate::domain::sale::{EpochMs, StockKind};
use crate::error::{Error, Result as Read};
use crate::operation::sale::stop_reason;
use crate::store::reply::Snapshot;

/// A sale for buyers. The order of the fields is part of the contract; times are epoch
/// milliseconds, `hold` is milliseconds. Targets have a smallest bid and a bonus instead of a
/// limit, and `remaining` cents. Only activities on show have a keyword and what comes with it.
#[derive(Serialize)]
struct SaleView<'a> {
    goods: &'a str,
    title: &'a str,
    kind: &'static str,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    remaining: u64,
    remaining_at: EpochMs,
    opens_at: Option<EpochMs>,
    closes_at: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus_bp: Option<u32>,
    hold: Option<u64>,
    #[serde(flatten)]
    activity: Option<ActivityView<'a>>,
    server_time: EpochMs,
}

#[derive(Serialize)]
struct ActivityView<'a> {
    keyword: &'a str,
    place: &'a str,
    starts_at: Option<EpochMs>,
    ends_at: Option<EpochMs>,
    picture: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct SalesView<'a> {
    server_time: Option<EpochMs>,
    sales: Vec<SaleView<'a>>,
}

impl<'a> ActivityView<'a> {
    /// `None` of one that is not on show.
    fn new(activity: &'a Activity) -> Option<Self> {
        Some(Self {
            keyword: activity.keyword.as_ref()?.as_str(),
            place: &activity.place,
            starts_at: activity.starts_at,
            ends_at: activity.ends_at,
            picture: &activity.picture,
            description: &activity.description,
        })
    }
}

impl<'a> SaleView<'a> {
    fn new(snapshot: &'a Snapshot, server_time: EpochMs) -> Self {
        let sale = &snapshot.sale;
        let is_target = sale.kind == StockKind::Target;
        Self {
            goods: sale.id.as_str(),
            title: &sale.title,
            kind: sale.kind.as_str(),
            phase: snapshot.phase_word(server_time),
            reason: stop_reason(sale),
            remaining: snapshot.figures.for_sale(),
            remaining_at: snapshot.now,
            opens_at: sale.opens_at,
            closes_at: sale.closes_at,
            purchase_max: (!is_target).then_some(sale.purchase_max),
            bid_min: is_target.then(|| sale.smallest_bid()),
            bonus_bp: is_target.then_some(sale.bonus_bp),
            hold: sale.hold,
            activity: sale.activity.as_ref().and_then(ActivityView::new),
            server_time,
        }
    }
}

/// `GET /sales`
pub async fn list(context: Data<Context>) -> Result<HttpResponse, Problem> {
    let reading = read(&context).await?;
    let server_time = reading.server_time();
    let sales = known(&reading)?.iter();
    // A sale that cannot be read has nothing to show; `seckill sale list` says why.
    let readable = sales.filter_map(|(_, read)| read.as_ref().ok());
    let sales = readable
        .zip(server_time.into_iter().cycle())
        .map(|(snapshot, now)| SaleView::new(snapshot, now))
        .collect();
    Ok(json(&SalesView { server_time, sales }))
}

/// `GET /sales/{id}`
pub async fn show(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asked = request.match_info().get("id").unwrap_or_default();
    let reading = read(&context).await?;
    let sales = known(&reading)?;
    let found = sales.binary_search_by(|(id, _)| id.as_str().cmp(asked));
    let (_, read) = found
        .map(|place| &sales[place])
        .map_err(|_| Problem::no_such_sale(asked))?;
    let snapshot = read.as_ref().map_err(unseen)?;
    let now = reading.server_time().unwrap_or(snapshot.now);
    Ok(json(&SaleView::new(snapshot, now)))
}

async fn read(context: &Context) -> Result<Arc<Reading>, Problem> {
    let reading = context.catalogue.look().await;
    reading.map_err(|error| unseen(&error))
}

fn known(reading: &Reading) -> Result<&[(SaleId, Read<Snapshot>)], Problem> {
    let sales = reading.sales.as_deref();
    sales.map_err(unseen)
}

/// Where Redis is, and what is wrong in it, is nothing for buyers.
fn unseen(error: &Error) -> Problem {
    match error {
        Error::Busy(_) | Error::Unknown(_) => Problem::later(
            "busy",
            "The sales cannot be read now; please try again later.",
        ),
        Error::Contract(_) | Error::Config(_) | Error::Embedded(_) | Error::Refused(_) => {
            let detail = "The sale cannot be read; `seckill sale list` says why.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
        }
    }
}

/// No cache may keep it: the time in it would be wrong.
fn json(body: &impl Serialize) -> HttpResponse {
    guarded(&mut HttpResponse::Ok())
        .content_type("application/json; charset=utf-8")
        // Strings and numbers always serialise.
        .body(serde_json::to_vec(body).unwrap_or_default())
}
