//! Reads the bytes of a request into values of the domain, or finds what is wrong with it.

pub mod body;
pub mod fault;
pub mod fields;
pub(super) mod form;
pub mod manner;
pub mod values;
