//! Who sends a request: a buyer, whose name is believed, or an operator, who has a token.

pub mod operator;
pub mod token;

use actix_web::HttpRequest;

use super::extract::body::is_form;
use super::extract::fault::Fault;
use super::extract::fields::Fields;
use super::extract::values::username;
use crate::domain::ids::Username;

/// The address of the sender, for the log.
pub fn who(request: &HttpRequest) -> String {
    let address = request.peer_addr();
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// The buyer in a body, for endpoints that read no other field.
pub fn username_in_body(request: &HttpRequest, body: &[u8]) -> Result<Username, Fault> {
    let [named] = Fields::parse(is_form(request), body, ["username"])?.into_values();
    username(named)
}

/// The buyer in a query, if it names one.
pub fn username_in_query(query: &str) -> Result<Option<Username>, Fault> {
    let [named] = Fields::from_form(["username"], query.as_bytes())?.into_values();
    named.map(|named| username(Some(named))).transpose()
}
