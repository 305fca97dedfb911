//! The `seckill` program: reads the command line, runs one command, exits with its verdict.

use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::umask;
use seckill::app;
use seckill::cli::{self, Arguments, Command};
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

/// Messages of libraries are of no use here, and malformed HTTP must not fill the log.
const LOG_DEFAULT: &str = "info,actix_http=off,actix_server=warn";

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Files that this program and its private Redis write are for their user only.
    umask(Mode::RWXG | Mode::RWXO);
    let arguments = Arguments::of_process();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let done = match arguments.config() {
        Ok(config) => match &arguments.command {
            Command::Serve(serve) => app::serve(config, serve.demo)
                .await
                .map(|()| ExitCode::SUCCESS),
            Command::Relay(_) => app::relay(config).await.map(|()| ExitCode::SUCCESS),
            Command::Operate(operation) => cli::run(operation, &arguments, config).await,
        },
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| cli::report(&arguments.command, &error))
}
