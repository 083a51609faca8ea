//! The two places that index.html has for us: the choices in its bar, and the page.

use std::rc::Rc;

use crossview_headlamp::{cluster::Transport, host::Surroundings, ui};
use leptos::{mount::mount_to, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// Where the page stands.
const PAGE: &str = "crossview";
/// Where the choices stand.
const CHOICES: &str = "choices";

/// The element of index.html with this id.
fn place(id: &str) -> Option<HtmlElement> {
    web_sys::window()?.document()?.get_element_by_id(id)?.dyn_into().ok()
}

/// Puts `choices` into the bar, for good.
pub fn choices<V: IntoView + 'static>(choices: impl FnOnce() -> V + 'static) {
    if let Some(place) = place(CHOICES) {
        mount_to(place, choices).forget();
    }
}

/// The page as it stands; dropping it takes the page away and frees what it holds.
pub struct Page(#[expect(dead_code, reason = "held for its end")] ui::Mounted);

/// Puts the page there, on the cluster behind `transport`.
pub fn page(surroundings: Rc<dyn Surroundings>, transport: Rc<dyn Transport>) -> Option<Page> {
    let parent = place(PAGE)?;
    Some(Page(ui::mount(&parent, surroundings, transport)))
}
