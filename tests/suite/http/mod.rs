//! One file for each part of `src/http`.

mod doors;
mod place;
mod probes;
mod wrong_requests;
