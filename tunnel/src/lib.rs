//! Carries what a frame with Crossview in it asks for to Crossview's pod: through the API server, by a port-forward under
//! the rights of the person who looks at it, with nothing exposed.
//!
//! ```text
//! frame (opaque origin, hostile) ── port ──▶ edge ──▶ engine ──▶ edge ── WebSocket ──▶ API server ──▶ one port of one pod
//!                                                      policy, http, websocket, forward, cache: no I/O
//! ```
//!
//! Bytes in, events out; every input ends in events or in an error, in bounded memory. Only `edge` knows a browser, so all
//! the rest is tested natively, and fuzzed. With a nightly compiler and `cargo install cargo-fuzz`, in this folder:
//!
//! ```text
//! cargo +nightly fuzz run --sanitizer none response -- -max_total_time=600
//! ```
//!
//! The targets are `response`, `frames`, `forward`, `policy` and `engine`. There is no unsafe code, so no sanitizer is
//! needed. The same laws are properties in tests/laws.rs.

#![forbid(unsafe_code)]

pub mod cache;
pub mod engine;
pub mod forward;
pub mod http;
pub mod policy;
pub mod websocket;

#[cfg(target_arch = "wasm32")]
mod edge;
