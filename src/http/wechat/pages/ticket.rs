//! The page of a ticket: its QR code while it is valid, or why it is not.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::notice::Notice;
use super::page::{Loads, page};
use super::{OnShow, from_query, look, on_show, openid, qr, when};
use crate::domain::ids::{OpenId, OrderId};
use crate::domain::order::{Order, OrderState};
use crate::http::context::Context;

#[derive(Template)]
#[template(path = "wechat/ticket.html")]
struct TicketPage<'a> {
    title: &'a str,
    keyword: &'a str,
    place: &'a str,
    held: String,
    /// Until when it can be cancelled, for a ticket that is not used or cancelled.
    returnable: Option<String>,
    number: &'a str,
    /// Its units, if they have names.
    units: String,
    ticket: &'a str,
    standing: Standing,
    /// The QR code as SVG, only for a valid ticket.
    code: Option<String>,
}

/// The state of the ticket now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// Not used, and the activity is over.
    Over,
    Used,
    Cancelled,
    /// A state that a ticket never has, because it is granted confirmed.
    Strange,
}

impl Standing {
    fn of(order: &Order, over: bool) -> Self {
        match order.state {
            OrderState::Confirmed if over => Self::Over,
            OrderState::Confirmed => Self::Good,
            OrderState::Used => Self::Used,
            OrderState::Cancelled => Self::Cancelled,
            OrderState::Held | OrderState::Expired => Self::Strange,
        }
    }

    fn is_unused(self) -> bool {
        match self {
            Self::Good | Self::Over => true,
            Self::Used | Self::Cancelled | Self::Strange => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Good => "有效",
            Self::Over => "活动已结束",
            Self::Used => "已使用",
            Self::Cancelled => "已退票",
            Self::Strange => "无效",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Cancelled | Self::Strange => "bad",
            Self::Over | Self::Used => "over",
        }
    }

    /// Why there is no QR code.
    fn why(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Over => "活动已经结束，这张票没有使用过。",
            Self::Used => "这张票已经检票入场，不能再次使用。",
            Self::Cancelled => "这张票已经退掉，不能入场。",
            Self::Strange => "这张票不能入场，请联系主办方。",
        }
    }
}

/// `GET /wechat/ticket?openid=OPENID&ticket=ORDER`
pub async fn show(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Notice> {
    let [openid, ticket] = from_query(&request, ["openid", "ticket"])?;
    let openid = self::openid(&openid)?;
    let ticket = OrderId::parse(&ticket).map_err(|_| missing())?;
    let order = own(&context, &openid, &ticket).await?;
    let reading = look(&context).await?;
    let line = order.lines.first().ok_or_else(missing)?;
    let OnShow { shown, now, .. } = on_show(&reading, &line.goods)?.ok_or_else(missing)?;
    let activity = shown.activity;
    let standing = Standing::of(&order, activity.is_over(now));
    let held = when::span(activity.starts_at, activity.ends_at);
    let template = TicketPage {
        title: shown.name(),
        keyword: shown.keyword.as_str(),
        place: &activity.place,
        held: held.unwrap_or_else(|| "待定".to_owned()),
        returnable: standing
            .is_unused()
            .then(|| when::returnable(shown.sale.cancel_until)),
        number: order.username.as_str(),
        units: line.units.join("、"),
        ticket: order.id.as_str(),
        standing,
        code: (standing == Standing::Good).then(|| qr::svg(&order.id)),
    };
    Ok(page(StatusCode::OK, &template, Loads::Nothing))
}

/// The ticket, if it belongs to the number of this person.
async fn own(context: &Context, openid: &OpenId, ticket: &OrderId) -> Result<Order, Notice> {
    let failed = |error| Notice::failed(&error);
    let number = context.store.number_of(openid).await.map_err(failed)?;
    let number = number.ok_or_else(|| {
        let detail = "电子票属于学号。请先在公众号里回复“绑定”，绑定学号后再打开。";
        Notice::missing("尚未绑定学号", detail)
    })?;
    let order = context.store.order_kept(ticket).await.map_err(failed)?;
    let buyer = number.username();
    let own = order.filter(|order| order.username == buyer);
    own.ok_or_else(missing)
}

fn missing() -> Notice {
    Notice::missing(
        "没有这张票",
        "您绑定的学号没有这张票。请在公众号里回复“查票”查看您的票。",
    )
}
