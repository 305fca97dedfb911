//! The connections of clients.

use prometheus::{IntCounter, IntGauge, Registry};

use super::{counters, gauge_of, table};

/// Why the server closed a connection.
#[derive(Debug, Clone, Copy)]
pub enum Closed {
    /// Nothing was asked for a long time.
    Idle,
    /// The head of a request did not become whole in time.
    Head,
    /// No byte of an answer was taken for a long time.
    Stall,
    /// Others needed the place.
    Room,
    /// Its address had as many as it may.
    Address,
}

impl Closed {
    const ALL: [Self; 5] = [
        Self::Idle,
        Self::Head,
        Self::Stall,
        Self::Room,
        Self::Address,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Head => "head",
            Self::Stall => "stall",
            Self::Room => "room",
            Self::Address => "address",
        }
    }
}

/// How many connections there are, and what becomes of them.
pub struct Connections {
    open: IntGauge,
    closed: Vec<IntCounter>,
}

impl Connections {
    pub(super) fn registered(registry: &Registry) -> prometheus::Result<Self> {
        let open = gauge_of(registry, &table::CONNECTIONS)?;
        let closed = counters(registry, &table::CONNECTIONS_CLOSED)?;
        let closed = Closed::ALL.map(|why| closed.with_label_values(&[why.word()]));
        Ok(Self {
            open,
            closed: closed.to_vec(),
        })
    }

    /// A connection was opened.
    pub fn opened(&self) {
        self.open.inc();
    }

    /// A connection is gone.
    pub fn left(&self) {
        self.open.dec();
    }

    /// The server closes a connection, or refuses it.
    pub fn closed(&self, why: Closed) {
        self.closed[why as usize].inc();
    }
}
