//! The activities on show: the sales that have a keyword now.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::domain::sale::Sale;
use crate::domain::sale::activity::{Activity, Keyword};
use crate::domain::time::EpochMs;
use crate::store::sales::SaleRead;

/// An activity, and the sale of its tickets.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The sale.
    pub sale: &'a Sale,
    /// What it is about.
    pub activity: &'a Activity,
    /// The word that users type for it.
    pub keyword: &'a Keyword,
}

impl<'a> Shown<'a> {
    /// The activity of a sale, if it is on show.
    pub fn of(sale: &'a Sale) -> Option<Self> {
        let activity = sale.activity()?;
        let keyword = activity.keyword.as_ref()?;
        Some(Self {
            sale,
            activity,
            keyword,
        })
    }

    /// True unless booking has ended at `now`.
    pub fn is_bookable(&self, now: EpochMs) -> bool {
        self.sale.closes_at.is_none_or(|closes| now <= closes)
    }

    /// Its name for users.
    pub fn name(&self) -> &'a str {
        match self.sale.title.trim() {
            "" => self.keyword.as_str(),
            title => title,
        }
    }
}

/// The activities on show among these sales, sorted by id. A sale that cannot be read is left out.
pub fn on_show<'a>(sales: impl IntoIterator<Item = &'a SaleRead>) -> Vec<Shown<'a>> {
    let sales = sales.into_iter();
    let readable = sales.filter_map(|(_, read)| read.as_ref().ok());
    let shown = readable.filter_map(|snapshot| Shown::of(&snapshot.sale));
    shown.collect()
}

/// The keywords that several of these activities have, so that they name none of them.
pub fn shared_keywords<'a>(activities: &[Shown<'a>]) -> HashSet<&'a Keyword> {
    let mut seen = HashSet::new();
    let keywords = activities.iter().map(|shown| shown.keyword);
    keywords.filter(|keyword| !seen.insert(*keyword)).collect()
}

/// Those whose booking has not ended at `now`, sorted by the end of booking.
pub fn bookable<'a>(sales: impl IntoIterator<Item = &'a SaleRead>, now: EpochMs) -> Vec<Shown<'a>> {
    let mut shown = on_show(sales);
    shown.retain(|shown| shown.is_bookable(now));
    shown.sort_by_key(|shown| {
        let closes = shown.sale.closes_at.unwrap_or(EpochMs::MAX);
        (closes, shown.sale.opens_at)
    });
    shown
}

/// Those on show, in the order for users at `now`: first those that are not over, by their start,
/// and last those without a start; then those that are over, the latest end first.
pub fn by_time<'a>(sales: impl IntoIterator<Item = &'a SaleRead>, now: EpochMs) -> Vec<Shown<'a>> {
    let is_over = |shown: &Shown<'_>| shown.activity.is_over(now);
    let (mut over, mut shown): (Vec<_>, Vec<_>) = on_show(sales).into_iter().partition(is_over);
    shown.sort_by_key(|shown| shown.activity.starts_at.unwrap_or(EpochMs::MAX));
    over.sort_by_key(|over| Reverse(over.activity.ends_at));
    shown.append(&mut over);
    shown
}
