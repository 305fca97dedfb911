//! Writes the man pages and the completions of shells to a folder: `make dist` puts them beside the
//! binary.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use seckill::cli::Arguments;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("say which folder to write to"))?;
    std::fs::create_dir_all(&folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Arguments::command(), "seckill", &folder)?;
    }
    clap_mangen::generate_to(Arguments::command(), &folder)
}
