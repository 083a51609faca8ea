//! The commands of this project, so that a fresh machine needs no other set-up than `cargo xtask <command>`.
//!
//! What always holds: nothing is installed outside the checkout and the project's cache folder, but for the
//! `wasm32-unknown-unknown` target (by rustup) and, where the user is root or `CI=true`, packages by apt.
//! A missing prerequisite is named together with how to get it. What was started is ended, on ctrl-C too.

pub mod bench;
pub mod cluster;
pub mod command;
pub mod front_door;
pub mod lint;
pub mod lockfile;
pub mod npm;
pub mod plugin;
pub mod prerequisites;
pub mod preview;
pub mod process;
pub mod project;
pub mod summary;
pub mod test;
pub mod tools;
pub mod wasm;

use std::ffi::OsString;

use crate::command::{ClusterCommand, Command};
use crate::project::Project;

/// Runs the command that `arguments` (without the program's name) ask for.
///
/// # Errors
/// A sentence for the user: what did not work, and where it can be said, what to do about it.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let command = Command::parse(arguments)?;
    let project = Project::find()?;
    process::handle_interrupts()?;
    match command {
        Command::Help => {
            print!("{}", command::HELP);
            Ok(())
        }
        Command::Preview(options) => preview::run(&project, &options),
        Command::Wasm => wasm::build(&project),
        Command::Build => plugin::build(&project),
        Command::Install => plugin::install(&project),
        Command::Package => plugin::package(&project),
        Command::Test(options) => test::run(&project, &options),
        Command::Lint => lint::run(&project),
        Command::Bench => bench::run(&project),
        Command::Cluster(ClusterCommand::Up) => cluster::up(&project),
        Command::Cluster(ClusterCommand::Down) => cluster::down(&project),
        Command::Tools => tools::install_all(&project),
    }
}
