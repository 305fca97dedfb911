//! What is measured, how often and how long.

use std::time::Duration;

/// Connections at which the contract is judged.
pub const JUDGED: [u32; 2] = [64, 256];
/// Connections of the picture.
pub const CURVE: [u32; 4] = [1, 8, 64, 256];

/// A server under a kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// The limit: reads the request and answers a constant.
    Bare,
    /// One connection and one `EVALSHA` for each request.
    PerRequest,
    /// Every attempt is granted, without hold and feed; Redis keeps nothing on disk.
    Grab,
    /// The same in a sale with a hold and a feed.
    Held,
    /// That, and Redis syncs its log before it answers.
    HeldFsync,
    /// Nothing is left, and every buyer is new.
    SoldOut,
}

impl Path {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::PerRequest,
        Self::Grab,
        Self::Held,
        Self::HeldFsync,
        Self::SoldOut,
    ];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::PerRequest => "per-request",
            Self::Grab => "seckill, grab",
            Self::Held => "seckill, hold + feed",
            Self::HeldFsync => "seckill, hold + feed, fsync",
            Self::SoldOut => "seckill, sold out",
        }
    }

    /// True for the project's own server.
    pub fn is_seckill(self) -> bool {
        match self {
            Self::Bare | Self::PerRequest => false,
            Self::Grab | Self::Held | Self::HeldFsync | Self::SoldOut => true,
        }
    }

    /// What the sale of its runs promises.
    pub fn terms(self) -> Terms {
        match self {
            Self::Bare | Self::PerRequest | Self::Grab | Self::SoldOut => Terms::Plain,
            Self::Held | Self::HeldFsync => Terms::Full,
        }
    }

    /// True for the three lines of the picture.
    pub fn is_drawn(self) -> bool {
        matches!(self, Self::Bare | Self::PerRequest | Self::Grab)
    }
}

/// What a sale promises beside its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// Orders are confirmed at once, and no feed tells of them.
    Plain,
    /// Orders are held for a quarter of an hour, and the feed tells of them.
    Full,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// What is asked.
    pub path: Path,
    /// By how many connections.
    pub connections: u32,
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The command that does the same again.
    pub command: &'static str,
    /// Every case is measured once in each round.
    pub rounds: u32,
    /// Seconds of wrk for each case.
    pub seconds: u32,
    /// Time of the open loop for each server and round.
    pub steady: Duration,
    /// Orders of the direct script calls.
    pub orders: u32,
}

impl Plan {
    /// `make bench-quick`: does it work, and roughly how well?
    pub const QUICK: Self = Self {
        command: "make bench-quick",
        rounds: 2,
        seconds: 2,
        steady: Duration::from_secs(2),
        orders: 100_000,
    };
    /// `make bench`.
    pub const FULL: Self = Self {
        command: "make bench",
        rounds: 5,
        seconds: 3,
        steady: Duration::from_secs(5),
        orders: 200_000,
    };

    /// The cases of one round. Every other round goes backwards, so that a machine that slows
    /// down or speeds up favours nobody.
    pub fn round(round: u32) -> Vec<Case> {
        let mut cases = Vec::new();
        for connections in CURVE {
            for path in Path::ALL {
                if path.is_drawn() || JUDGED.contains(&connections) {
                    cases.push(Case { path, connections });
                }
            }
        }
        if round % 2 == 1 {
            cases.reverse();
        }
        cases
    }
}
