//! Who asks: a buyer, whose name is believed, or an operator, who shows a token. The one place where
//! a name becomes a caller.

pub mod operator;
pub mod token;

use actix_web::HttpRequest;
use serde_json::Value;

use self::token::{Door, Shown, Token};
use super::extract::body::is_form;
use super::extract::fault::Fault;
use super::extract::fields::Fields;
use super::extract::manner::Manner;
use super::extract::values::{required, text};
use super::respond::problem::Problem;
use super::respond::words::orders::NOBODY_NAMED;
use crate::domain::caller::Caller;
use crate::domain::ids::Username;

/// The name that a request gives for its buyer, as it came.
pub struct Claim(String);

impl Claim {
    /// Reads the field `username`.
    ///
    /// # Errors
    /// It is missing, or not a text.
    pub fn read(named: Option<Value>) -> Result<Self, Fault> {
        text(required(named, "username")?, "username").map(Self)
    }

    /// The buyer of this name.
    ///
    /// # Errors
    /// It breaks the rule of names.
    pub fn buyer(self) -> Result<Username, Fault> {
        Username::parse(self.0).map_err(|_| Fault::Username)
    }
}

/// Who asks about an order: an operator who shows the token, or else the buyer who is `named`.
///
/// # Errors
/// 401 for a wrong token, and for neither a token nor a name. It does not depend on the order. 400
/// for a name that cannot be read.
pub fn of_order(
    token: &Token,
    request: &HttpRequest,
    named: impl FnOnce() -> Result<Option<Username>, Fault>,
    manner: Manner,
) -> Result<Caller, Problem> {
    match token.shown(request) {
        Shown::Token => Ok(Caller::Operator),
        Shown::Wrong => Err(token.wrong(request, Door::Orders)),
        Shown::Nothing => {
            let named = named().map_err(|fault| Problem::of_fault(&fault, manner))?;
            let nobody = || Problem::unauthorized(NOBODY_NAMED.said(manner));
            named.map(Caller::Named).ok_or_else(nobody)
        }
    }
}

/// The address of the other end, for the log.
pub fn who(request: &HttpRequest) -> String {
    let address = request.peer_addr();
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// The buyer whom a body names; `None` for an empty body.
pub fn named_in_body(request: &HttpRequest, body: &[u8]) -> Result<Option<Username>, Fault> {
    if body.is_empty() {
        return Ok(None);
    }
    let [named] = Fields::parse(is_form(request), body, ["username"])?.into_values();
    Claim::read(named)?.buyer().map(Some)
}

/// The buyer whom a query names, if it names one.
pub fn named_in_query(query: &str) -> Result<Option<Username>, Fault> {
    let [named] = Fields::from_form(["username"], query.as_bytes())?.into_values();
    let claim = named.map(|named| Claim::read(Some(named))).transpose()?;
    claim.map(Claim::buyer).transpose()
}
