//! `GET /admin/sales/{id}/orders`: every order of a sale, page by page, in bounded memory.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use super::{parameter, sale_id};
use crate::domain::ids::SaleId;
use crate::failure::Result as Read;
use crate::http::context::Context;
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::Problem;
use crate::http::turns::{EXPORTS_MAX, Turn};
use crate::operation::orders::Format;
use crate::store::OrderPages;

/// The pages that are still to come.
struct Pages {
    orders: OrderPages,
    goods: SaleId,
    format: Format,
    ready: Vec<u8>,
    /// Held until the last page is sent, or the client has left.
    _turn: Turn,
}

impl Pages {
    /// The next piece of the body.
    async fn next(mut self) -> Read<Option<(Bytes, Self)>> {
        loop {
            // An empty piece would end the body.
            if !self.ready.is_empty() {
                let piece = std::mem::take(&mut self.ready);
                return Ok(Some((piece.into(), self)));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads one page; false when there is none.
    async fn read(&mut self) -> Read<bool> {
        let Some(orders) = self.orders.next().await? else {
            return Ok(false);
        };
        let readable = orders.iter().flatten();
        self.ready.extend(self.format.page(&self.goods, readable));
        for error in orders.iter().filter_map(|read| read.as_ref().err()) {
            self.ready.extend(self.format.unreadable(error));
        }
        Ok(true)
    }
}

fn format(request: &HttpRequest) -> Result<Format, Problem> {
    let Some(text) = parameter(request, "format")? else {
        return Ok(Format::Ndjson);
    };
    let wrong = |why| Problem::invalid(format!("format is {text:?}: {why}"));
    Format::parse(&text).map_err(wrong)
}

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8; header=present",
    }
}

/// `GET /admin/sales/{id}/orders?format=ndjson|csv`
pub async fn orders(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let goods = sale_id(&request)?;
    let format = format(&request)?;
    let busy = || Problem::later("busy", format!("{EXPORTS_MAX} exports are running"));
    let turn = context.turns.exporting.take().ok_or_else(busy)?;
    let found = context.store.sale_snapshot(&goods).await;
    found
        .map_err(|error| Problem::of_reading(&error))?
        .ok_or_else(|| Problem::no_such_sale(goods.as_str()))?;
    let orders = context.store.orders(goods.event()).await;
    let mut pages = Pages {
        orders: orders.map_err(|error| Problem::of_reading(&error))?,
        goods,
        format,
        ready: format.head(),
        _turn: turn,
    };
    // What fails before the first page is a problem; after it, only a cut connection says so.
    let read = pages.read().await;
    read.map_err(|error| Problem::of_reading(&error))?;
    let body = stream::try_unfold(pages, |pages| async {
        let piece = pages.next().await;
        piece.inspect_err(|error| tracing::warn!(%error, "orders cut off in the middle"))
    });
    Ok(guarded(&mut HttpResponse::Ok())
        .content_type(media_type(format))
        .streaming(body))
}
