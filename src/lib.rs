//! Crossview for Headlamp: installs, follows and opens Crossview in a Kubernetes cluster.
//!
//! `ARCHITECTURE.md` is the map of the rooms. The page enters by [`mount`] and by nothing else.

pub mod access;
pub mod cluster;
pub mod helm;
pub mod host;
pub mod installer;
pub mod preview;
pub mod ui;

use std::rc::Rc;

use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::HtmlElement;

use host::{Host, HostTransport};

/// A page that stands in an element until it is unmounted.
#[wasm_bindgen]
pub struct Mounted(Option<ui::Mounted>);

#[wasm_bindgen]
impl Mounted {
    /// Takes the page out of its element and frees all that it holds: watches, timers, listeners. An operation that
    /// it has begun is still seen to its end.
    pub fn unmount(&mut self) {
        self.0 = None;
    }
}

/// Puts the page into `element`; `host` is its way to the cluster.
#[wasm_bindgen]
#[must_use]
pub fn mount(element: HtmlElement, host: Host) -> Mounted {
    let transport = HostTransport::new(host.clone());
    Mounted(Some(ui::mount(&element, Rc::new(host), transport)))
}

/// The page's memory; what it weighs is the reason (`Cargo.toml`).
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
