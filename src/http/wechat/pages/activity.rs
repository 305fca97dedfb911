//! The page of an activity: what it is, when it can be booked, how many tickets are left.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::notice::Notice;
use super::page::{Loads, page};
use super::{OnShow, from_query, look, on_show, when};
use crate::domain::ids::SaleId;
use crate::domain::sale::Phase;
use crate::http::context::Context;
use crate::wechat::activities;

const UNKNOWN: &str = "待定";

#[derive(Template)]
#[template(path = "wechat/activity.html")]
struct ActivityPage<'a> {
    title: &'a str,
    keyword: &'a str,
    place: &'a str,
    picture: &'a str,
    description: &'a str,
    held: String,
    window: String,
    returnable: String,
    remaining: u64,
    booking: Booking,
    /// Another activity has the same keyword, so only the menu can name this one.
    is_ambiguous: bool,
}

/// The line above the title.
struct Booking {
    phase: Phase,
    sold_out: bool,
}

impl Booking {
    fn word(&self) -> &'static str {
        match self.phase {
            Phase::Upcoming => "抢票尚未开始",
            Phase::Open if self.sold_out => "票已抢光",
            Phase::Open => "正在抢票",
            Phase::Paused => "抢票暂停",
            Phase::Ended => "抢票已经结束",
        }
    }

    /// The start of the hint how to get a ticket; `None` if there is none to get.
    fn invitation(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Upcoming => Some("开始后"),
            Phase::Open if self.sold_out => None,
            Phase::Open => Some(""),
            Phase::Paused | Phase::Ended => None,
        }
    }

    fn class(&self) -> &'static str {
        match self.phase {
            Phase::Upcoming | Phase::Paused => "wait",
            Phase::Open if self.sold_out => "over",
            Phase::Open => "good",
            Phase::Ended => "over",
        }
    }
}

/// `GET /wechat/activity?id=SALE`
pub async fn show(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Notice> {
    let [id] = from_query(&request, ["id"])?;
    let id = SaleId::parse(&id).map_err(|_| missing())?;
    let reading = look(&context).await?;
    let OnShow { shown, left, now } = on_show(&reading, &id)?.ok_or_else(missing)?;
    let (sale, activity) = (shown.sale, shown.activity);
    let sales = reading.sales.iter().flatten().map(AsRef::as_ref);
    let bookable = activities::bookable(sales, now);
    let unknown = || UNKNOWN.to_owned();
    let template = ActivityPage {
        title: shown.name(),
        keyword: shown.keyword.as_str(),
        place: &activity.place,
        picture: &activity.picture,
        description: &activity.description,
        held: when::span(activity.starts_at, activity.ends_at).unwrap_or_else(unknown),
        window: when::span(sale.opens_at, sale.closes_at).unwrap_or_else(|| "不限".to_owned()),
        returnable: when::returnable(sale.cancel_until),
        remaining: left,
        booking: Booking {
            phase: sale.phase(now),
            sold_out: left == 0,
        },
        is_ambiguous: activities::shared_keywords(&bookable).contains(shown.keyword),
    };
    Ok(page(StatusCode::OK, &template, Loads::Picture))
}

fn missing() -> Notice {
    Notice::missing("活动不存在", "没有这个活动，或者它已经下线。")
}
