//! The ticket office, from the view of the platform and its users. Signatures are checked, and
//! every message has a number of its own.

mod binding;
mod booking;
mod door;
mod in_time;
mod race;
mod redelivery;
mod start;
mod talk;
mod tickets;
