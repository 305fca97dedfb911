//! The ticket office over HTTP: where the platform asks, and the pages that replies lead to.

pub mod endpoint;
pub mod pages;
