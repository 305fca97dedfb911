//! All tests that need a Redis, in one binary. Folders mirror `src/http` and `lua/`. Every test has
//! a key prefix of its own, so all run in parallel on one private server.

mod support;

mod against;
mod archive;
mod audit;
mod backup;
mod browser;
mod clear;
mod cli;
mod data_dir;
mod embedded;
mod expirer;
mod external;
mod fault;
mod http;
mod login;
mod memory;
mod partition;
mod race;
mod readiness;
mod relay;
mod script;
mod secrets;
mod server_programs;
mod walk;
mod wechat;
mod wechat_pages;
