//! What the handlers of one worker need.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::buyer::listing::Listings;
use super::caller::token::Token;
use super::standstill::Standstill;
use super::turns::Turns;
use crate::admission::Admission;
use crate::catalogue::Catalogue;
use crate::config::Doors;
use crate::figures::Figures;
use crate::metrics::Metrics;
use crate::readiness::Asker;
use crate::store::Store;
use crate::wechat::office::Office;
use crate::wechat::signature::Guard;

/// Who uses an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// The only address: everyone.
    Everyone,
    /// Buyers and shops. The endpoints of operators are not there.
    Public,
    /// Operators, who have all endpoints.
    Operators,
}

/// The ticket office, and the check of signatures in front of it.
pub struct TicketOffice {
    /// Accepts requests of the platform only.
    pub guard: Guard,
    /// Answers messages.
    pub office: Office,
}

/// What the handlers of one worker need.
pub struct Context {
    pub admission: Arc<Admission>,
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub catalogue: Catalogue,
    pub listings: Listings,
    pub figures: Figures,
    pub readiness: Asker,
    pub doors: Doors,
    pub strict_status: bool,
    pub face: Face,
    pub token: Arc<Token>,
    pub draining: Arc<AtomicBool>,
    pub standstill: Arc<Standstill>,
    pub turns: Turns,
    /// `None` without a token of the platform.
    pub tickets: Option<TicketOffice>,
}
