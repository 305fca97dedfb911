//! The archive of an event that is over: what is exported and then dropped, and what prevents it.

use super::ids::SaleId;
use super::order::Order;
use super::time::EpochMs;

/// One thing that is exported before it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// An entry of the feed, as it is in Redis.
    Entry(Row),
    /// An entry of the feed that could not be delivered, as it is in Redis.
    DeadLetter(Row),
    /// A cancelled or expired order. The request that made it goes with it.
    Order(Order),
    /// The request that made a living order.
    Request(Field),
    /// A payment of an operator.
    Payment(Field),
}

/// An entry of a stream: its id, and names and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
}

/// A field of a hash that belongs to a person and a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The buyer.
    pub username: String,
    /// The request id.
    pub request: String,
    /// For a request, its order. For a payment, the signed amount, a tab and the balance after it.
    pub value: String,
}

/// The result of archiving an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveOutcome {
    /// It is done.
    Done(Archived),
    /// Nothing more was dropped. What had been dropped before is in the export.
    Refused(ArchiveRefusal),
}

/// What was exported and dropped, and what is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Archived {
    /// Entries of the feed.
    pub entries: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Dead orders.
    pub orders: u64,
    /// Requests, except those of the dead orders.
    pub requests: u64,
    /// Payments.
    pub payments: u64,
    /// Orders, requests and payments that stay because they cannot be read.
    pub unreadable: u64,
    /// Persons whose names were replaced; `None`: not requested.
    pub erased: Option<Erased>,
}

/// How many names of persons were replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Persons whose names were replaced.
    pub persons: u64,
    /// Persons who keep their names: an order of them is held or cannot be read.
    pub kept: u64,
}

/// The replacement of a name: this, and [`ERASED_CHARS`] random letters and digits.
const ERASED: &str = "erased-";
const ERASED_CHARS: usize = 26;

/// True for the replacement of a name.
pub fn is_erased(name: &str) -> bool {
    let random = name.strip_prefix(ERASED);
    let is_random = |c: u8| matches!(c, b'a'..=b'z' | b'2'..=b'7');
    random.is_some_and(|text| text.len() == ERASED_CHARS && text.bytes().all(is_random))
}

/// Why an event cannot be archived now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveRefusal {
    /// It has no sales.
    NoSuchEvent,
    /// A sale of it has not ended.
    NotEnded {
        /// The sale.
        sale: SaleId,
        /// When it ends; `None`: never.
        closes_at: Option<EpochMs>,
    },
    /// A consumer group has not read and acknowledged all entries of the feed.
    FeedNeeded {
        /// The group.
        group: String,
    },
    /// Another command that resets or deletes sales of it has begun and must end first.
    BeingCleared {
        /// `reset` or `delete`, and the ids of its sales.
        command: String,
    },
    /// It was deleted meanwhile.
    Deleted,
}
