//! The ticket office of a `WeChat` official account: it answers the messages of users. It stores
//! nothing of its own kind: an activity is a sale with a keyword, a ticket is an order, and a
//! booking is an attempt like any other.
//!
//! ```text
//! request → signature → message (xml) → command → office → reply (xml)
//!                                                   ├ desk: help, bindings, activities
//!                                                   └ tickets: book, show, return
//! ```

pub mod activities;
pub mod checkin;
pub mod command;
mod desk;
pub mod links;
pub mod menu;
pub mod message;
pub mod office;
pub mod reply;
pub mod seal;
pub mod signature;
mod tickets;
pub mod wording;
pub mod xml;
