//! The values of flags.

use clap::builder::RangedI64ValueParser;

use crate::domain::ids::Username;
use crate::domain::sale::PURCHASE_MAX_LIMIT;
use crate::domain::time::EpochMs;
use crate::operation::{self, times};

pub(super) fn purchase_max() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(PURCHASE_MAX_LIMIT))
}

/// A bound of the window; `None` inside is no bound. (clap takes an `Option` for an absent flag.)
#[derive(Debug, Clone, Copy)]
pub struct WindowBound(pub(super) Option<EpochMs>);

pub(super) fn window_bound(text: &str) -> Result<WindowBound, String> {
    times::parse(text).map(WindowBound)
}

/// A hold in ms; `None` inside is none.
#[derive(Debug, Clone, Copy)]
pub struct Hold(pub(super) Option<u64>);

pub(super) fn hold(text: &str) -> Result<Hold, String> {
    operation::sale::hold(text).map(Hold)
}

/// A limit of orders; `None` inside is none.
#[derive(Debug, Clone, Copy)]
pub struct OrdersMax(pub(super) Option<u32>);

pub(super) fn orders_max(text: &str) -> Result<OrdersMax, String> {
    if text == "none" {
        return Ok(OrdersMax(None));
    }
    let orders = text
        .parse()
        .map_err(|_| "it must be a number or `none`".to_owned())?;
    operation::sale::orders_max(orders).map(|orders| OrdersMax(Some(orders)))
}

pub(super) fn feed(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is neither `on` nor `off`")),
    }
}

pub(super) fn username(text: &str) -> Result<Username, String> {
    Username::parse(text.to_owned()).map_err(|e| e.to_string())
}
