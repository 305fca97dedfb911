//! One file for each part of `src/http`.

mod accounts;
mod admin;
mod bids;
mod connections;
mod doors;
mod export;
mod faces;
mod guard;
mod lookers;
mod orders;
mod orders_max;
mod payments;
mod place;
mod probes;
mod sales;
mod wrong_requests;
