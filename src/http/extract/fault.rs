//! What can be wrong with a request at a buying door, said so that the sender can mend it.

use actix_web::http::StatusCode;

use crate::domain::ids::SaleId;
use crate::domain::money::CENTS_MAX;

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

    /// The sentence in Chinese.
    pub fn chinese(&self) -> String {
        match self {
            Self::MediaType => {
                "请求格式须为 application/x-www-form-urlencoded 或 application/json。".to_owned()
            }
            Self::TooLarge(most) => format!("请求内容过大，最多 {most} 字节。"),
            Self::Incomplete => "请求内容不完整或接收超时。".to_owned(),
            Self::BrokenPercent => "表单中的百分号编码不正确。".to_owned(),
            Self::NotUtf8 => "请求内容不是有效的 UTF-8。".to_owned(),
            Self::BrokenJson(why) => format!("请求内容不是有效的 JSON 对象：{why}。"),
            Self::Missing(field) => format!("缺少字段 {field}。"),
            Self::Repeated(field) => format!("字段 {field} 重复。"),
            Self::WrongType(field) => format!("字段 {field} 的类型不正确。"),
            Self::Username => "字段 username 须为 1–128 字节的 UTF-8，且不含控制字符。".to_owned(),
            Self::Goods => "字段 goods 不是有效的抢购编号。".to_owned(),
            Self::Purchase => "对不起，请选择正确的抢购数量！".to_owned(),
            Self::Amount => {
                format!("对不起，投标金额须为 1–{CENTS_MAX} 的整数（单位：分）。")
            }
            Self::RequestId => {
                "字段 request_id 须为 1–128 字节的 UTF-8，且不含控制字符。".to_owned()
            }
        }
    }

    /// The sentence in English.
    pub fn english(&self) -> String {
        match self {
            Self::MediaType => {
                "Send application/x-www-form-urlencoded or application/json.".to_owned()
            }
            Self::TooLarge(most) => format!("The body is too large: at most {most} bytes."),
            Self::Incomplete => "The body did not arrive whole and in time.".to_owned(),
            Self::BrokenPercent => "The form has a broken percent-encoding.".to_owned(),
            Self::NotUtf8 => "The body is not valid UTF-8.".to_owned(),
            Self::BrokenJson(why) => format!("The body is not a valid JSON object: {why}."),
            Self::Missing(field) => format!("The field {field} is missing."),
            Self::Repeated(field) => format!("The field {field} is repeated."),
            Self::WrongType(field) => format!("The field {field} has the wrong type."),
            Self::Username => {
                "The field username must be 1 to 128 bytes of UTF-8 without control characters."
                    .to_owned()
            }
            Self::Goods => "The field goods is not a valid sale id.".to_owned(),
            Self::Purchase => "Sorry, please choose a valid quantity!".to_owned(),
            Self::Amount => {
                format!("Sorry, the amount must be a whole number of cents from 1 to {CENTS_MAX}.")
            }
            Self::RequestId => {
                "The field request_id must be 1 to 128 bytes of UTF-8 without control characters."
                    .to_owned()
            }
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
