//! What the ticket office stores: bindings of student numbers, and replies to messages.

pub mod bindings;
pub mod claims;
