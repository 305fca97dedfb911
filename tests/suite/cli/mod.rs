//! The operators' commands, as operators run them.

mod account;
mod audit;
mod data_dir;
mod doctor;
mod errors;
mod order;
mod sale;
mod stock;
mod target;

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{Ended, program};
use crate::support::redis::World;

/// A folder where operators run commands.
struct Shop {
    folder: TempDir,
    /// What each command is told of its Redis.
    settings: Vec<String>,
}

impl Shop {
    /// With a private Redis of its own, in that folder.
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("folder"),
            settings: Vec::new(),
        }
    }

    /// On the part of a Redis that a test can break by hand.
    fn of(world: &World) -> Self {
        Self {
            settings: world.arguments(&[]),
            ..Self::new()
        }
    }

    async fn with_world() -> (Self, World) {
        let world = World::new().await;
        (Self::of(&world), world)
    }

    /// Puts a file into the folder.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn command(&self, line: &str) -> Command {
        let mut command = program();
        command
            .args(line.split_whitespace())
            .args(&self.settings)
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, line: &str) -> Ended {
        Ended::of(&mut self.command(line))
    }

    /// Runs a command that must end with this exit code.
    fn ends(&self, line: &str, code: i32) -> Ended {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        ended
    }

    /// Runs a command that must succeed, and gives back what it printed.
    fn ok(&self, line: &str) -> String {
        self.ends(line, 0).printed
    }

    fn json(&self, line: &str) -> Value {
        self.ends(&format!("{line} --json"), 0).json()
    }

    /// Runs a command that must fail with this exit code, and gives back what it said.
    fn fails(&self, line: &str, code: i32) -> String {
        self.ends(line, code).said
    }
}
