//! What the ticket office keeps: who has which student number, and which reply a message got.

pub mod bindings;
pub mod claims;
