//! Users of the chat platform for tests.

use seckill::domain::ids::{Number, OpenId};

pub fn openid(text: &str) -> OpenId {
    OpenId::parse(text).expect("a valid openid")
}

pub fn number(text: &str) -> Number {
    Number::parse(text).expect("a valid number")
}
