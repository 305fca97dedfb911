//! Crowds at the real endpoints, and the gates in front of them.

mod backlog;
mod bids;
mod cancel;
mod gate;
mod never_oversells;
mod order_life;
mod orders_max;
mod payments;
mod place;
mod unreadable;
