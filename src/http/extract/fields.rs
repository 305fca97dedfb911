//! The fields of a form or a JSON object, as they came.

use std::fmt;
use std::marker::PhantomData;

use actix_web::HttpRequest;
use actix_web::web::Payload;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::body::{is_form, read_body};
use super::fault::{BODY_BYTES_MAX, Fault, FieldName};
use super::form;

/// The fields that an endpoint reads. Others are ignored: shops add their own.
pub struct Fields<const N: usize> {
    names: [FieldName; N],
    values: [Option<Value>; N],
}

impl<const N: usize> Fields<N> {
    fn new(names: [FieldName; N]) -> Self {
        Self {
            names,
            values: std::array::from_fn(|_| None),
        }
    }

    /// Reads the fields of these names from a whole request.
    pub async fn read(
        request: &HttpRequest,
        body: Payload,
        names: [FieldName; N],
    ) -> Result<Self, Fault> {
        let form = is_form(request);
        let body = read_body(body, BODY_BYTES_MAX).await?;
        Self::parse(form, &body, names)
    }

    /// The fields of a form, of a JSON object, or of neither.
    pub fn parse(form: Option<bool>, body: &[u8], names: [FieldName; N]) -> Result<Self, Fault> {
        match form {
            Some(true) => Self::from_form(names, body),
            Some(false) => Self::from_json(names, body),
            None => Err(Fault::MediaType),
        }
    }

    /// The fields of a form.
    pub fn from_form(names: [FieldName; N], body: &[u8]) -> Result<Self, Fault> {
        let mut fields = Self::new(names);
        for field in form::fields(body) {
            let (name, value) = field?;
            fields.set(&name, Value::String(value.into_owned()))?;
        }
        Ok(fields)
    }

    /// The fields of a JSON object.
    pub fn from_json(names: [FieldName; N], body: &[u8]) -> Result<Self, Fault> {
        if std::str::from_utf8(body).is_err() {
            return Err(Fault::NotUtf8);
        }
        let broken = |e: serde_json::Error| Fault::BrokenJson(e.to_string());
        let mut reader = serde_json::Deserializer::from_slice(body);
        let visitor = FieldsVisitor(Self::new(names));
        let fields = reader.deserialize_map(visitor).map_err(broken)?;
        reader.end().map_err(broken)?;
        fields
    }

    /// The values, in the order of the names.
    pub fn into_values(self) -> [Option<Value>; N] {
        self.values
    }

    fn set(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        let Some(place) = self.names.iter().position(|known| *known == name) else {
            return Ok(());
        };
        match self.values[place].replace(value) {
            None => Ok(()),
            Some(_) => Err(Fault::Repeated(self.names[place])),
        }
    }
}

/// Reads a JSON object itself, because a map would silently keep the last of repeated fields.
struct FieldsVisitor<const N: usize>(Fields<N>);

impl<'de, const N: usize> Visitor<'de> for FieldsVisitor<N> {
    type Value = Result<Fields<N>, Fault>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Ok(self.0);
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            fields = fields.and_then(|mut fields: Fields<N>| {
                fields.set(&name, value)?;
                Ok(fields)
            });
        }
        Ok(fields)
    }
}

/// A JSON object, for a `T` that knows every field. Serde alone would also accept a list as the
/// values in the order of the fields of `T`, which no client means.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
