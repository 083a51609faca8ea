//! The page on a simulated cluster, with what goes wrong and who looks at it to choose from.
//!
//! `?fault=...&user=...` chooses, too, and follows what is chosen, so a reload and a test begin where they want to.

use std::{cell::RefCell, rc::Rc};

use crossview_headlamp::preview::{BrowserTime, Fault, SimulatedCluster, User};
use leptos::prelude::*;

use crate::{settings::Settings, shown};

/// Where the demo Crossview is: see index.html.
const DEMO_HOST: &str = "crossview.localhost";
/// The page's setting that holds Crossview's address.
const URL_SETTING: &str = "url";

/// Who can look at the page: the name in the address, and in words.
const USERS: [(User, &str, &str); 4] = [
    (User::Admin, "admin", "admin, may do everything"),
    (User::Operator, "operator", "operator, may not bind cluster-admin"),
    (User::Viewer, "viewer", "viewer, reads all but Secrets"),
    (User::Nobody, "nobody", "nobody, has no rights"),
];

/// A part of the preview's own address.
fn location(part: fn(&web_sys::Location) -> Result<String, wasm_bindgen::JsValue>) -> String {
    web_sys::window().and_then(|window| part(&window.location()).ok()).unwrap_or_default()
}

/// The value of `name` in the address, names being plain words.
fn asked(name: &str) -> Option<String> {
    let search = location(web_sys::Location::search);
    search
        .trim_start_matches('?')
        .split('&')
        .find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// Notes in the address what is chosen.
fn note(fault: Fault, user: User) {
    let user = USERS.iter().find(|(known, ..)| *known == user).map_or("", |(_, name, _)| name);
    let address = format!("?fault={}&user={user}", fault.name());
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        // Where it can't be noted, a reload begins anew.
        let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&address));
    }
}

/// Shows the page on a new simulated cluster, and the choices above it.
pub fn show() {
    let fault = asked("fault").and_then(|name| Fault::named(&name)).unwrap_or_default();
    let user = asked("user").and_then(|name| USERS.into_iter().find(|(_, known, _)| *known == name));
    let user = user.map_or(User::Admin, |(user, ..)| user);
    let cluster = SimulatedCluster::new(Rc::new(BrowserTime::default()));
    cluster.set_fault(fault);

    let page = Rc::new(RefCell::new(None));
    let show_to = {
        let cluster = cluster.clone();
        move |user| {
            // The page of the user before is gone first: there is one at a time.
            drop(page.take());
            let demo = match location(web_sys::Location::port).as_str() {
                "" => format!("http://{DEMO_HOST}"),
                port => format!("http://{DEMO_HOST}:{port}"),
            };
            let settings = Settings { cluster: "simulated", preset: vec![(URL_SETTING, demo)] };
            page.replace(shown::page(Rc::new(settings), cluster.transport_for(user)));
        }
    };
    show_to(user);
    shown::choices(move || choices(cluster, fault, user, show_to));
}

/// A list for the fault and one for the user; what is chosen holds at once.
fn choices(cluster: SimulatedCluster, fault: Fault, user: User, show_to: impl Fn(User) + 'static) -> impl IntoView {
    let chosen = Rc::new(std::cell::Cell::new((fault, user)));
    let choose_fault = {
        let chosen = Rc::clone(&chosen);
        move |event| {
            let fault = Fault::named(&event_target_value(&event)).unwrap_or_default();
            chosen.set((fault, chosen.get().1));
            cluster.set_fault(fault);
            note(fault, chosen.get().1);
        }
    };
    let choose_user = move |event| {
        let name = event_target_value(&event);
        let Some((user, ..)) = USERS.into_iter().find(|(_, known, _)| *known == name) else { return };
        chosen.set((chosen.get().0, user));
        show_to(user);
        note(chosen.get().0, user);
    };
    let faults =
        Fault::ALL.map(|each| view! { <option value=each.name() selected=each == fault>{each.label()}</option> });
    let users = USERS.map(|(each, name, words)| view! { <option value=name selected=each == user>{words}</option> });
    view! {
        <label>"Simulated cluster" <select on:change=choose_fault>{faults.collect_view()}</select></label>
        <label>"You are" <select on:change=choose_user>{users.collect_view()}</select></label>
    }
}
