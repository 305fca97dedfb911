//! The addresses of one server, run and stopped together.

use std::io;

use actix_web::dev::{Server, ServerHandle};
use futures_util::future::{join_all, try_join_all};

/// Runs a server at all its addresses.
pub struct Serving(Vec<Server>);

/// Stops it from elsewhere.
#[derive(Clone)]
pub struct Handle(Vec<ServerHandle>);

impl Serving {
    pub(super) fn of(servers: impl IntoIterator<Item = Server>) -> Self {
        Self(servers.into_iter().collect())
    }

    pub(super) fn handle(&self) -> Handle {
        Handle(self.0.iter().map(Server::handle).collect())
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// What ended it at one of the addresses.
    pub async fn run(self) -> io::Result<()> {
        try_join_all(self.0).await.map(drop)
    }
}

impl Handle {
    /// Stops it. `in_order`: open requests are answered first.
    pub async fn stop(&self, in_order: bool) {
        join_all(self.0.iter().map(|server| server.stop(in_order))).await;
    }
}
