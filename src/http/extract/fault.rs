//! What can be wrong with a request at a buying door, said so that the sender can mend it.

use actix_web::http::StatusCode;

use crate::domain::ids::SaleId;

/// Largest body of an attempt, in bytes: a name of 128 bytes fits in every encoding.
pub const BODY_BYTES_MAX: usize = 4096;

/// A field of an attempt.
pub type FieldName = &'static str;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Neither form nor JSON.
    MediaType,
    /// More than so many bytes.
    TooLarge(usize),
    /// The body did not arrive in time, or not whole.
    Incomplete,
    /// A `%` without two hexadecimal digits.
    BrokenPercent,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// Not a JSON object; where and why.
    BrokenJson(String),
    /// A field that must be there.
    Missing(FieldName),
    /// A field that is there more than once.
    Repeated(FieldName),
    /// A JSON value of a type that this field cannot have.
    WrongType(FieldName),
    /// A username that breaks the rule.
    Username,
    /// A sale id that breaks the rule.
    Goods,
    /// A quantity that is no whole number from 1.
    Purchase,
    /// An amount that is no whole number of cents from 1.
    Amount,
    /// A request id that breaks the rule.
    RequestId,
}

impl Fault {
    /// The stable code of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Purchase => "invalid_purchase",
            Self::Amount => "invalid_amount",
            _ => "invalid_request",
        }
    }

    /// 400, 413 or 415.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A request that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct FaultyRequest {
    /// What is wrong.
    pub fault: Fault,
    /// The sale that was meant, as far as the request could be read.
    pub goods: Option<SaleId>,
}

impl From<Fault> for FaultyRequest {
    fn from(fault: Fault) -> Self {
        Self { fault, goods: None }
    }
}
