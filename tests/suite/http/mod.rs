//! One file for each part of `src/http`.

mod doors;
mod probes;
mod wrong_requests;
