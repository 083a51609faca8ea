//! The stories of `scenarios` on a real cluster; see `scenarios/main.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

#[path = "scenarios/browser.rs"]
mod browser;
#[path = "scenarios/real.rs"]
mod real;
#[path = "scenarios/stories.rs"]
mod stories;
#[path = "scenarios/world.rs"]
mod world;
