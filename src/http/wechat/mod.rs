//! The ticket office over HTTP: the endpoints for the platform, and the pages for users.

pub mod endpoint;
pub mod pages;
