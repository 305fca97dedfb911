//! What one can say to the account.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;

use super::page::{Loads, page};
use crate::http::Context;

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage<'a> {
    name: &'a str,
}

/// `GET /wechat/help`
pub async fn show(context: Data<Context>) -> HttpResponse {
    let template = HelpPage {
        name: &context.account.name,
    };
    page(StatusCode::OK, &template, Loads::Nothing)
}
