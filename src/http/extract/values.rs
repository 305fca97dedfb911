//! The values of fields: from what was sent to types of the domain.

use serde_json::Value;

use super::fault::{Fault, FieldName};
use crate::domain::ids::SaleId;

/// The sale that a field names.
pub fn sale(goods: Value) -> Result<SaleId, Fault> {
    SaleId::parse(&text(goods, "goods")?).map_err(|_| Fault::Goods)
}

/// The text of a field that may also be a number.
pub fn digits(value: Option<Value>, name: FieldName) -> Result<String, Fault> {
    match required(value, name)? {
        Value::Number(number) => Ok(number.to_string()),
        other => text(other, name),
    }
}

/// A field that must be there.
pub fn required(value: Option<Value>, name: FieldName) -> Result<Value, Fault> {
    let value = value.filter(|value| !value.is_null());
    value.ok_or(Fault::Missing(name))
}

/// A field that must be a text.
pub fn text(value: Value, name: FieldName) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Fault::WrongType(name)),
    }
}
