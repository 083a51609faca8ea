//! Stories of people and their clusters, told on the simulated cluster.
//!
//! Each story is one function over a [`world::World`]; `scenarios_real.rs` tells the same ones, with the same
//! assertions, on a real cluster. Here time is virtual: an hour passes in milliseconds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

mod browser;
mod simulated;
mod stories;
mod world;
