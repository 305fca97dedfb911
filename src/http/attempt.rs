//! Reads a request at a buying door into domain types. After this nothing is checked again.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use super::fault::{Fault, FieldName};
use super::fields::Fields;
use crate::domain::attempt::Purchase;
use crate::domain::ids::{SaleId, Username};

/// Longest wait for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// A body that is too large is read and thrown away up to this size, so that its sender, who is
/// still writing, sees the answer instead of a reset connection.
const DISCARDED_BYTES_MAX: usize = 4 << 20;

/// What a buying door knows.
const FIELDS: [FieldName; 3] = ["username", "purchase", "goods"];

/// What a buyer asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct AttemptRequest {
    /// Who asks.
    pub username: Username,
    /// For how many units.
    pub purchase: Purchase,
    /// From which sale.
    pub goods: SaleId,
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

impl AttemptRequest {
    /// Reads and checks a whole request. `default_goods` is the door's sale.
    pub async fn read(
        request: &HttpRequest,
        body: Payload,
        default_goods: &SaleId,
    ) -> Result<Self, FaultyRequest> {
        let fields = Fields::read(request, body, FIELDS).await?;
        Self::of(fields, default_goods)
    }
}

/// Who asks in a body, for doors that need to know nothing else.
pub(super) fn username_in_body(request: &HttpRequest, body: &[u8]) -> Result<Username, Fault> {
    let [named] = Fields::parse(is_form(request), body, ["username"])?.into_values();
    username(named)
}

/// Who asks in a query, if it says so.
pub(super) fn username_in_query(query: &str) -> Result<Option<Username>, Fault> {
    let [named] = Fields::from_form(["username"], query.as_bytes())?.into_values();
    named.map(|named| username(Some(named))).transpose()
}

/// What the body is, without its parameters; `None` for a body that is packed.
pub(super) fn media_type(request: &HttpRequest) -> Option<&[u8]> {
    let header = |name| request.headers().get(name).map(|value| value.as_bytes());
    if header(CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return None;
    }
    let media_type = header(CONTENT_TYPE)?.split(|&byte| byte == b';').next()?;
    Some(media_type.trim_ascii())
}

/// Form, JSON, or neither.
pub(super) fn is_form(request: &HttpRequest) -> Option<bool> {
    let media_type = media_type(request)?;
    if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Some(true)
    } else if media_type.eq_ignore_ascii_case(b"application/json") {
        Some(false)
    } else {
        None
    }
}

/// Reads a body that nobody wants, up to a bound of size and time, so that its sender, who is
/// still writing, sees the answer and may go on with the next request.
pub async fn discard(body: Payload) {
    let _ = read_body(body, 0).await;
}

/// Reads a whole body of at most so many bytes.
pub(super) async fn read_body(body: Payload, bytes_max: usize) -> Result<BytesMut, Fault> {
    let read = timeout(BODY_TIMEOUT, read_whole(body, bytes_max)).await;
    read.map_err(|_| Fault::Incomplete)?
}

async fn read_whole(mut body: Payload, bytes_max: usize) -> Result<BytesMut, Fault> {
    let mut bytes = BytesMut::new();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Fault::Incomplete)?;
        length += chunk.len();
        if length <= bytes_max {
            bytes.extend_from_slice(&chunk);
        } else if length > bytes_max.max(DISCARDED_BYTES_MAX) {
            break;
        }
    }
    if length > bytes_max {
        return Err(Fault::TooLarge(bytes_max));
    }
    Ok(bytes)
}

/// The next piece of a body that is read as it comes, within the time for a whole one.
pub(super) async fn next_piece(body: &mut Payload) -> Result<Option<Bytes>, Fault> {
    let next = timeout(BODY_TIMEOUT, body.next()).await;
    let next = next.map_err(|_| Fault::Incomplete)?;
    next.transpose().map_err(|_| Fault::Incomplete)
}

impl AttemptRequest {
    fn of(fields: Fields<3>, default_goods: &SaleId) -> Result<Self, FaultyRequest> {
        let [username, purchase, goods] = fields.into_values();
        let goods = match goods.filter(|goods| !goods.is_null()) {
            None => default_goods.clone(),
            Some(goods) => sale(goods)?,
        };
        match buyer(username, purchase) {
            Ok((username, purchase)) => Ok(Self {
                username,
                purchase,
                goods,
            }),
            Err(fault) => Err(FaultyRequest {
                fault,
                goods: Some(goods),
            }),
        }
    }
}

/// The sale that a field names.
pub(super) fn sale(goods: Value) -> Result<SaleId, Fault> {
    SaleId::parse(&text(goods, "goods")?).map_err(|_| Fault::Goods)
}

fn buyer(named: Option<Value>, purchase: Option<Value>) -> Result<(Username, Purchase), Fault> {
    // What is missing or of a wrong type is named before what breaks a rule.
    let named = text(required(named, "username")?, "username")?;
    let purchase = digits(purchase, "purchase")?;
    let username = Username::parse(named).map_err(|_| Fault::Username)?;
    let purchase = Purchase::parse(&purchase).map_err(|_| Fault::Purchase)?;
    Ok((username, purchase))
}

/// Who asks.
pub(super) fn username(value: Option<Value>) -> Result<Username, Fault> {
    let named = text(required(value, "username")?, "username")?;
    Username::parse(named).map_err(|_| Fault::Username)
}

/// The text of a field that may also be a number.
pub(super) fn digits(value: Option<Value>, name: FieldName) -> Result<String, Fault> {
    match required(value, name)? {
        Value::Number(number) => Ok(number.to_string()),
        other => text(other, name),
    }
}

/// A field that must be there.
pub(super) fn required(value: Option<Value>, name: FieldName) -> Result<Value, Fault> {
    let value = value.filter(|value| !value.is_null());
    value.ok_or(Fault::Missing(name))
}

/// A field that must be a text.
pub(super) fn text(value: Value, name: FieldName) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Fault::WrongType(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(id: &str) -> SaleId {
        SaleId::parse(id).expect("valid")
    }

    fn json(body: &str) -> Result<AttemptRequest, FaultyRequest> {
        AttemptRequest::of(Fields::from_json(FIELDS, body.as_bytes())?, &sale("a"))
    }

    fn form(body: &str) -> Result<AttemptRequest, FaultyRequest> {
        AttemptRequest::of(Fields::from_form(FIELDS, body.as_bytes())?, &sale("a"))
    }

    fn fault(read: Result<AttemptRequest, FaultyRequest>) -> Option<Fault> {
        read.err().map(|faulty| faulty.fault)
    }

    #[test]
    fn form_and_json_say_the_same() {
        let expected = AttemptRequest {
            username: Username::parse("秒 a".to_owned()).expect("valid"),
            purchase: Purchase::parse("2").expect("valid"),
            goods: sale("spring.tea"),
        };
        for read in [
            form("username=%E7%A7%92+a&purchase=2&goods=spring.tea&csrf=1"),
            json(r#"{"username":"秒 a","purchase":2,"goods":"spring.tea","x":[{}]}"#),
            json(r#" {"goods":"spring.tea","purchase":"2","username":"\u79d2 a"} "#),
        ] {
            assert_eq!(read.as_ref(), Ok(&expected));
        }
        assert_eq!(
            json(r#"{"username":"x","purchase":1,"goods":null}"#).map(|r| r.goods),
            Ok(sale("a"))
        );
    }

    #[test]
    fn each_fault_is_named() {
        use Fault::{Goods, Missing, NotUtf8, Purchase, Repeated, Username, WrongType};
        for (body, expected) in [
            ("purchase=1", Missing("username")),
            ("username=x", Missing("purchase")),
            ("username=x&username=x&purchase=1", Repeated("username")),
            ("username=x&purchase=1&purchase=1", Repeated("purchase")),
            ("username=x&purchase=1&goods=a&goods=a", Repeated("goods")),
            ("username=&purchase=1", Username),
            ("username=a%00&purchase=1", Username),
            ("username=x&purchase=", Purchase),
            ("username=x&purchase=%EF%BC%91", Purchase),
            ("username=x&purchase=1&goods=", Goods),
            ("username=x&purchase=1&goods={b}", Goods),
            ("username=%ff&purchase=1", NotUtf8),
        ] {
            assert_eq!(fault(form(body)), Some(expected), "{body}");
        }
        for (body, expected) in [
            (r#"{"username":1,"purchase":1}"#, WrongType("username")),
            (r#"{"username":"x","purchase":[1]}"#, WrongType("purchase")),
            (r#"{"username":"x","purchase":true}"#, WrongType("purchase")),
            (
                r#"{"username":"x","purchase":1,"goods":7}"#,
                WrongType("goods"),
            ),
            (r#"{"username":null,"purchase":1}"#, Missing("username")),
            (
                r#"{"username":"x","username":"x","purchase":1}"#,
                Repeated("username"),
            ),
            (r#"{"username":"x","purchase":1.0}"#, Purchase),
            (r#"{"username":"x","purchase":1e0}"#, Purchase),
            (r#"{"username":"x","purchase":-1}"#, Purchase),
            (r#"{"username":"x","purchase":"01"}"#, Purchase),
        ] {
            assert_eq!(fault(json(body)), Some(expected), "{body}");
        }
        for body in [
            "",
            "[]",
            "1",
            "{",
            r#"{"username":"x"}}"#,
            r#"{"username":"\ud800"}"#,
        ] {
            assert!(
                matches!(fault(json(body)), Some(Fault::BrokenJson(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_faulty_request_still_names_its_sale_when_it_can_be_read() {
        let goods = |read: Result<AttemptRequest, FaultyRequest>| read.err().and_then(|f| f.goods);
        assert_eq!(
            goods(form("username=x&purchase=0&goods=b")),
            Some(sale("b"))
        );
        assert_eq!(goods(form("username=x&purchase=0")), Some(sale("a")));
        assert_eq!(goods(form("username=x&purchase=1&goods=B")), None);
        assert_eq!(goods(form("username=%")), None);
    }
}
