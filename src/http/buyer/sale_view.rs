//! A sale as JSON for buyers.

use serde::Serialize;

use crate::domain::sale::activity::Activity;
use crate::domain::sale::offer::Target;
use crate::domain::time::EpochMs;
use crate::operation::sale::stop_reason;
use crate::store::sales::snapshot::Snapshot;

/// A sale for buyers. The order of the fields is part of the contract; times are epoch
/// milliseconds, `hold` is milliseconds. Targets have a smallest bid and a bonus instead of a
/// limit, and `remaining` cents. Only activities on show have a keyword and what comes with it.
#[derive(Serialize)]
pub(super) struct SaleView<'a> {
    goods: &'a str,
    title: &'a str,
    kind: &'static str,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    remaining: u64,
    remaining_at: EpochMs,
    opens_at: Option<EpochMs>,
    closes_at: Option<EpochMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus_bp: Option<u32>,
    hold: Option<u64>,
    #[serde(flatten)]
    activity: Option<ActivityView<'a>>,
    server_time: EpochMs,
}

#[derive(Serialize)]
struct ActivityView<'a> {
    keyword: &'a str,
    place: &'a str,
    starts_at: Option<EpochMs>,
    ends_at: Option<EpochMs>,
    picture: &'a str,
    description: &'a str,
}

impl<'a> ActivityView<'a> {
    /// `None` for an activity that is not on show.
    fn new(activity: &'a Activity) -> Option<Self> {
        Some(Self {
            keyword: activity.keyword.as_ref()?.as_str(),
            place: &activity.place,
            starts_at: activity.starts_at,
            ends_at: activity.ends_at,
            picture: &activity.picture,
            description: &activity.description,
        })
    }
}

impl<'a> SaleView<'a> {
    /// The sale at this time.
    pub(super) fn new(snapshot: &'a Snapshot, server_time: EpochMs) -> Self {
        let sale = &snapshot.sale;
        let target = sale.target();
        Self {
            goods: sale.id.as_str(),
            title: &sale.title,
            kind: sale.kind().as_str(),
            phase: snapshot.phase_word(server_time),
            reason: stop_reason(sale),
            remaining: snapshot.figures.for_sale(),
            remaining_at: snapshot.now,
            opens_at: sale.opens_at,
            closes_at: sale.closes_at,
            purchase_max: sale.units().map(|units| units.purchase_max),
            bid_min: target.map(Target::smallest_bid),
            bonus_bp: target.map(|target| target.bonus_bp),
            hold: sale.hold,
            activity: sale.activity().and_then(ActivityView::new),
            server_time,
        }
    }
}
