//! The feed: one entry for each change of an order of an event.

use std::borrow::Cow;

use super::ids::OrderId;
use super::order::{Order, OrderState};
use super::time::EpochMs;

/// A consumer group: one reader of the feeds, with a place of its own in each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group(Cow<'static, str>);

impl Group {
    /// The group of the webhook. Consumers and operators know its name.
    pub const RELAY: Self = Self::new("relay");

    /// The group of a sink.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The group that gave a dead letter up: [`Group::RELAY`] when the letter names none.
    pub fn of_dead_letter(name: String) -> Self {
        match name.is_empty() {
            true => Self::RELAY,
            false => Self(Cow::Owned(name)),
        }
    }

    /// Its name in Redis.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its name where people must tell it from others, in logs, figures and lists; `None` for
    /// [`Group::RELAY`], which is meant where no group is named.
    pub fn label(&self) -> Option<&str> {
        (*self != Self::RELAY).then_some(&self.0)
    }
}

/// The feed of an event, as one group reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Feed {
    /// Whose orders it tells of.
    pub event: String,
    /// Who reads it.
    pub group: Group,
}

impl Feed {
    /// The feed of `event` for `group`.
    pub fn new(event: impl Into<String>, group: Group) -> Self {
        let event = event.into();
        Self { event, group }
    }
}

/// One thing that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Numbers the entries of the event from 1 without gaps. Receivers recognise a repeated
    /// delivery by the event and this number.
    pub seq: u64,
    /// The new state of the order.
    pub what: OrderState,
    /// Which order.
    pub order: OrderId,
    /// When, by the clock of Redis.
    pub at: EpochMs,
}

/// An entry that is ready for delivery, with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub entry: Entry,
    /// The order as it is now. Only the parts that never change belong to the entry.
    pub order: Order,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_relay_goes_without_saying() {
        assert_eq!(Group::RELAY.label(), None);
        assert_eq!(Group::new("books").label(), Some("books"));
        for name in ["", "relay"] {
            assert_eq!(Group::of_dead_letter(name.to_owned()), Group::RELAY);
        }
        let books = Group::of_dead_letter("books".to_owned());
        assert_eq!(books, Group::new("books"));
    }
}
