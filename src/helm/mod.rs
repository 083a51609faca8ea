//! What Helm means: charts and their versions, releases and their history, command lines, and what its words tell.
//!
//! No I/O and no clock. Everything that reaches a command line was parsed here first.

pub mod chart;
pub mod command;
pub mod diagnosis;
pub mod log;
pub mod release;
pub mod repository;
pub mod values;
pub mod version;
