//! The page's components in a real browser's DOM, on the simulated cluster: what a user sees and can do.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

use std::{rc::Rc, time::Duration};

use crossview_headlamp::{
    host::{Forward, Surroundings, sleep},
    preview::{BrowserTime, SimulatedCluster, User},
    ui,
};
use futures::future::LocalBoxFuture;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Element, HtmlElement, HtmlInputElement};

wasm_bindgen_test_configure!(run_in_browser);

/// A browser without settings and without a port-forward.
struct Plain;

impl Surroundings for Plain {
    fn cluster(&self) -> String {
        "test".to_owned()
    }

    fn load(&self, _: &str) -> String {
        String::new()
    }

    fn save(&self, _: &str, _: &str) {}

    fn can_forward(&self) -> bool {
        false
    }

    fn forward(&self, _: String, _: String, _: u16) -> LocalBoxFuture<'static, Result<Forward, String>> {
        Box::pin(async { Err("no port-forward here".to_owned()) })
    }

    fn stop_forward(&self, _: String) {}
}

/// A mounted page; dropping it unmounts it.
struct Mounted {
    root: HtmlElement,
    _mounted: ui::Mounted,
}

impl Mounted {
    fn new(user: User) -> Self {
        let document = web_sys::window().unwrap().document().unwrap();
        let root: HtmlElement = document.create_element("div").unwrap().unchecked_into();
        document.body().unwrap().append_child(&root).unwrap();
        let cluster = SimulatedCluster::new(Rc::new(BrowserTime::default()));
        let mounted = ui::mount(&root, Rc::new(Plain), cluster.transport_for(user));
        Self { root, _mounted: mounted }
    }

    fn text(&self) -> String {
        self.root.text_content().unwrap_or_default()
    }

    fn find(&self, selector: &str) -> Option<Element> {
        self.root.query_selector(selector).unwrap()
    }

    fn button(&self, label: &str) -> Option<HtmlElement> {
        let all = self.root.query_selector_all("button").unwrap();
        let buttons = (0..all.length()).filter_map(|index| all.get(index)).map(JsCast::unchecked_into::<HtmlElement>);
        buttons.into_iter().find(|button| button.text_content().as_deref() == Some(label))
    }

    fn type_into(&self, selector: &str, text: &str) {
        let input: HtmlInputElement = self.find(selector).unwrap().unchecked_into();
        input.set_value(text);
        let options = web_sys::EventInit::new();
        options.set_bubbles(true);
        input.dispatch_event(&web_sys::Event::new_with_event_init_dict("input", &options).unwrap()).unwrap();
    }

    /// Waits, bounded, until the page says what is wanted.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if holds(self) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: the page says {:?}", self.text());
    }
}

#[wasm_bindgen_test]
async fn a_wrong_reference_is_told_beside_its_field_and_what_was_typed_stays() {
    let page = Mounted::new(User::Admin);
    page.until("the form", |page| page.find("#cv-chart").is_some()).await;

    page.type_into("#cv-chart", "ghcr.io/somewhere");
    page.button("Install").unwrap().click();

    page.until("the error", |page| {
        page.find("#cv-chart-wrong").unwrap().text_content().unwrap_or_default().contains("oci://")
    })
    .await;
    let input: HtmlInputElement = page.find("#cv-chart").unwrap().unchecked_into();
    assert_eq!(input.value(), "ghcr.io/somewhere");
    assert_eq!(input.get_attribute("aria-invalid").as_deref(), Some("true"));
    assert!(!page.text().contains("Preparing"), "{}", page.text());
}

#[wasm_bindgen_test]
async fn an_install_ends_in_a_crossview_that_can_be_opened_and_uninstalled() {
    let page = Mounted::new(User::Admin);
    page.until("the form", |page| page.button("Install").is_some_and(|button| !button.has_attribute("disabled"))).await;

    page.button("Install").unwrap().click();

    page.until("the stages", |page| page.find("ol li[aria-current=step]").is_some()).await;
    page.until("Crossview is ready", |page| page.text().contains("Crossview is ready")).await;
    assert!(page.text().contains("crossview-4.6.0"), "{}", page.text());
    assert!(page.button("Open Crossview").is_some_and(|button| !button.has_attribute("disabled")));
    let confirm = page.root.query_selector("dialog button[type=submit]").unwrap().unwrap();
    assert!(confirm.has_attribute("disabled"), "Uninstall can be confirmed without the name");
    page.type_into("#cv-confirm", "crossview");
    page.until("the name is enough", |_| !confirm.has_attribute("disabled")).await;
}

#[wasm_bindgen_test]
async fn text_of_the_cluster_is_text_and_never_html() {
    let page = Mounted::new(User::Nobody);

    page.until("the refusal", |page| page.text().contains("forbidden")).await;

    assert!(page.find("script").is_none());
    assert!(!page.text().contains("Not installed"), "{}", page.text());
}

#[wasm_bindgen_test]
async fn an_unmounted_page_leaves_nothing_in_its_element() {
    let page = Mounted::new(User::Admin);
    page.until("the form", |page| page.find("#cv-chart").is_some()).await;
    let root = page.root.clone();

    drop(page);

    assert_eq!(root.child_element_count(), 0, "{}", root.inner_html());
}
