//! The preview: the page in a frame of its own (index.html) instead of Headlamp's.
//!
//! It runs on a simulated cluster, or, where the address says the way to one, on the cluster of
//! `cargo xtask preview --cluster`. Trunk builds it for the browser; natively there is nothing to preview.

#[cfg(target_arch = "wasm32")]
mod proxy;
#[cfg(target_arch = "wasm32")]
mod settings;
#[cfg(target_arch = "wasm32")]
mod shown;
#[cfg(target_arch = "wasm32")]
mod simulation;

fn main() {
    #[cfg(target_arch = "wasm32")]
    match proxy::Proxy::announced() {
        Some(proxy) => proxy.show(),
        None => simulation::show(),
    }
}
