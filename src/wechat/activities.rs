//! Which sales are activities on show: those with a keyword.

use crate::domain::activity::Activity;
use crate::domain::ids::SaleId;
use crate::domain::sale::{EpochMs, Sale};
use crate::error::Result;
use crate::store::reply::Snapshot;

/// An activity, and the sale of its tickets.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The sale.
    pub sale: &'a Sale,
    /// What it is about.
    pub activity: &'a Activity,
}

impl<'a> Shown<'a> {
    /// What people call it.
    pub fn name(&self) -> &'a str {
        match self.sale.title.as_str() {
            "" => self.activity.keyword.as_str(),
            title => title,
        }
    }
}

/// The activities on show among these sales, in the order of their ids. A sale that cannot be read
/// has nothing to show.
pub fn on_show(sales: &[(SaleId, Result<Snapshot>)]) -> Vec<Shown<'_>> {
    let readable = sales.iter().filter_map(|(_, read)| read.as_ref().ok());
    let shown = readable.filter_map(|snapshot| {
        let sale = &snapshot.sale;
        let activity = sale.activity.as_ref()?;
        Some(Shown { sale, activity })
    });
    shown.collect()
}

/// Those whose booking is not over at `now`, first those that close first.
pub fn bookable<'a>(sales: &'a [(SaleId, Result<Snapshot>)], now: EpochMs) -> Vec<Shown<'a>> {
    let mut shown = on_show(sales);
    shown.retain(|shown| shown.sale.closes_at.is_none_or(|closes| now <= closes));
    shown.sort_by_key(|shown| {
        let closes = shown.sale.closes_at.unwrap_or(EpochMs::MAX);
        (closes, shown.sale.opens_at)
    });
    shown
}
