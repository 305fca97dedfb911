//! The endpoints of operators: every path below `/admin`, with the operators' token.

pub mod account;
pub mod export;
pub mod payment;
pub mod sale;
pub mod stock;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::caller::who;
use super::extract::body::is_form;
use super::extract::fault::Fault;
use super::extract::fields::Object;
use super::extract::form;
use super::extract::manner::Manner;
use super::respond::answer::RESULT_HEADER;
use super::respond::headers::guarded;
use super::respond::problem::Problem;
use crate::domain::ids::SaleId;

/// Largest JSON body of an operator, in bytes. Longer lists of units come as text.
pub const JSON_BYTES_MAX: usize = 1 << 20;

/// Operators are answered in English, as on the command line.
const MANNER: Manner = Manner {
    english: true,
    plain: false,
    strict_status: false,
};

/// The sale that the path names.
fn sale_id(request: &HttpRequest) -> Result<SaleId, Problem> {
    let id = request.match_info().get("id").unwrap_or_default();
    SaleId::parse(id).map_err(|invalid| Problem::invalid(format!("id: {invalid}")))
}

fn fault(fault: &Fault) -> Problem {
    Problem::of_fault(fault, MANNER)
}

/// 415 if the body is not JSON.
fn must_be_json(request: &HttpRequest) -> Result<(), Problem> {
    let not_json = || {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Problem::new(status, "invalid_request", "Send application/json.")
    };
    (is_form(request) == Some(false))
        .then_some(())
        .ok_or_else(not_json)
}

/// Reads the fields that `T` knows, and refuses others by name. `T` takes any value: [`field`]
/// checks it, and its error names the field.
fn fields<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    let read = serde_json::from_slice(body).map(|Object(fields)| fields);
    read.map_err(|e| {
        let wrong = if e.is_data() {
            "the body"
        } else {
            "the body is not a valid JSON object"
        };
        Problem::invalid(format!("{wrong}: {e}"))
    })
}

/// A field as a domain value, or what is wrong with it.
fn field<T>(
    name: &str,
    value: Option<Value>,
    read: impl FnOnce(Value) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    let read = value.map(read).transpose();
    read.map_err(|why| Problem::invalid(format!("{name}: {why}")))
}

fn whole(value: Value) -> Result<u64, String> {
    let Value::Number(number) = value else {
        return Err("it must be a number".to_owned());
    };
    let wrong = || format!("it must be a whole number from 0, and is {number}");
    number.as_u64().ok_or_else(wrong)
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("it must be a text".to_owned()),
    }
}

/// A field that is present, `null` or not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The one parameter that a query may have. Others are refused by name.
fn parameter(request: &HttpRequest, known: &str) -> Result<Option<String>, Problem> {
    let mut found = None;
    for field in form::fields(request.query_string().as_bytes()) {
        let (name, value) = field.map_err(|e| fault(&e))?;
        if name != known {
            let detail = format!("there is no parameter {name:?} here, only {known}");
            return Err(Problem::invalid(detail));
        }
        if found.replace(value.into_owned()).is_some() {
            return Err(Problem::invalid(format!("{known} is repeated")));
        }
    }
    Ok(found)
}

/// Refuses every query parameter by name.
fn no_parameter(request: &HttpRequest) -> Result<(), Problem> {
    match form::fields(request.query_string().as_bytes()).next() {
        None => Ok(()),
        Some(field) => {
            let (name, _) = field.map_err(|e| fault(&e))?;
            let detail = format!("there is no parameter {name:?} here, nor any other");
            Err(Problem::invalid(detail))
        }
    }
}

fn answer(status: StatusCode, code: &'static str, body: &impl Serialize) -> HttpResponse {
    guarded(&mut HttpResponse::build(status))
        .content_type("application/json; charset=utf-8")
        .insert_header((RESULT_HEADER, code))
        // Strings and numbers always serialise.
        .body(serde_json::to_vec(body).unwrap_or_default())
}
