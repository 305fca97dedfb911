//! One file for each part of `src/http`.

mod admin;
mod doors;
mod export;
mod guard;
mod orders;
mod place;
mod probes;
mod sales;
mod wrong_requests;
