//! Copying and saving text, and lines that are there to be copied.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::{Node, Page, button, classed, element, row};

/// Said beside what was copied.
const COPIED: &str = "Copied";
const REFUSED: &str = "The browser does not allow copying; select the text instead.";

/// What was copied last, and what came of it.
#[derive(Default)]
pub(super) struct Copied {
    what: String,
    words: &'static str,
}

/// A button that copies what `text` gives at the click, and beside it what came of that; `what` tells one such button
/// from another.
pub(super) fn copy(page: &Page, label: &str, what: &str, text: Box<dyn Fn(&Page) -> String>) -> [Node; 2] {
    let copied = {
        let copied = &page.model().copied;
        if copied.what == what { copied.words } else { "" }
    };
    let what = what.to_owned();
    let click = page.click_with(Box::new(move |page| copy_text(page, what.clone(), &text(page))));
    [button("", label, click).into(), classed("span", "cv-muted").with("role", "status").child(copied).into()]
}

fn copy_text(page: &Page, what: String, text: &str) {
    let Some(window) = web_sys::window() else { return };
    // Over plain http, but for this machine, there is no clipboard.
    let clipboard: JsValue = window.navigator().clipboard().into();
    let asked = (!clipboard.is_undefined()).then(|| clipboard.unchecked_into::<web_sys::Clipboard>().write_text(text));
    let page = page.clone();
    wasm_bindgen_futures::spawn_local(async move {
        let done = match asked {
            Some(asked) => JsFuture::from(asked).await.is_ok(),
            None => false,
        };
        page.change(|model| model.copied = Copied { what, words: if done { COPIED } else { REFUSED } });
    });
}

/// A line for a terminal, with its button.
pub(super) fn line(page: &Page, line: &str) -> Node {
    let text = line.to_owned();
    let [button, copied] = copy(page, "Copy", line, Box::new(move |_| text.clone()));
    row(vec![element("code").child(line).into(), button, copied])
}

/// Lines for a terminal, one below the other.
pub(super) fn lines(page: &Page, lines: &[String]) -> Node {
    classed("div", "cv-lines").children(lines.iter().map(|each| line(page, each)).collect()).into()
}

/// Saves `text` as a file of this name.
pub(super) fn save(name: &str, text: &str) {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let saved = || -> Option<()> {
        let blob = web_sys::Blob::new_with_str_sequence(&parts).ok()?;
        let url = web_sys::Url::create_object_url_with_blob(&blob).ok()?;
        let link = web_sys::window()?.document()?.create_element("a").ok()?;
        link.set_attribute("href", &url).ok()?;
        link.set_attribute("download", name).ok()?;
        link.unchecked_ref::<web_sys::HtmlElement>().click();
        web_sys::Url::revoke_object_url(&url).ok()
    };
    // A browser that refuses has said so to its user.
    let _ = saved();
}
