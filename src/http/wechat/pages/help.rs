//! The help page: what users can send to the account.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::OfAccount;
use super::page::{Loads, page};

#[derive(Template)]
#[template(path = "wechat/help.html")]
struct HelpPage<'a> {
    name: &'a str,
}

/// `GET /wechat/help`
pub async fn show(account: OfAccount) -> HttpResponse {
    let template = HelpPage {
        name: &account.name,
    };
    page(StatusCode::OK, &template, Loads::Nothing)
}
