//! From the bytes of a request to values of the domain, or to what is wrong with it.

pub mod body;
pub mod fault;
pub mod fields;
pub(super) mod form;
pub mod manner;
pub mod values;
