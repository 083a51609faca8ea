//! Crossview itself, in an iframe, by the best way that answers; where none does, the ways that exist and why not.

use std::time::Duration;

use futures::future::{AbortHandle, abortable};
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::{
    Page, button,
    install::Field,
    paragraph, row,
    words::{Tone, Words},
};
use crate::{
    access::{
        AppUrl, Browser, End, Obstacle, PORT_FORWARD_WARNING, Route, Way, is_health, leads_to_app, port_forward_line,
        routes,
    },
    host::sleep,
    installer::Seen,
};

/// The setting that keeps the user's own address.
const URL_SETTING: &str = "url";
/// An address that says nothing for so long doesn't answer.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at a port-forward that is to come.
const RETRY: Duration = Duration::from_secs(2);
/// The port that Crossview's container listens on.
const APP_PORT: u16 = 3001;

/// A frame can't be seen to be blank from outside, and some browsers deny a frame of another site its storage, which
/// Crossview reads as it starts.
const BLANK_HINT: &str =
    "If it stays blank, your browser denies storage to a frame of another site: open it in a new tab.";

/// A way that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    way: Way,
    url: AppUrl,
}

/// What the viewer does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum View {
    /// Asks the ways for Crossview's health, one after the other.
    Looking,
    /// Waits for a port-forward to answer.
    Waiting(AppUrl),
    /// Nothing answered by itself: the user chooses. Ways that were asked and did not answer, with the words.
    Choosing(Vec<(AppUrl, String)>),
    /// One answered.
    Showing(Shown),
}

/// The viewer's state.
#[derive(Clone, Copy)]
struct Viewer {
    page: Page,
    view: RwSignal<View>,
    running: StoredValue<Running>,
}

/// What has to be ended with the viewer.
#[derive(Default)]
struct Running {
    /// The task that looks; a newer one ends the older.
    looking: Option<AbortHandle>,
    /// A port-forward of Headlamp's.
    forward: Option<String>,
}

/// Crossview, or how to reach it.
pub(super) fn viewer() -> AnyView {
    let viewer =
        Viewer { page: Page::get(), view: RwSignal::new(View::Looking), running: StoredValue::new(Running::default()) };
    viewer.look();
    on_cleanup(move || viewer.close());
    let shown = move || {
        match viewer.view.get() {
        View::Showing(shown) => frame(viewer, &shown),
        View::Looking => {
            view! { <section class="cv-card"><p class="cv-state" data-tone="busy" role="status">"Looking for a way to Crossview"</p></section> }.into_any()
        }
        View::Waiting(url) => waiting(viewer, &url),
        View::Choosing(silent) => choice(viewer, &silent),
    }
    };
    shown.into_any()
}

impl Viewer {
    /// The ways as the cluster and the browser have them now.
    fn routes(self) -> Vec<Route> {
        let behind = self.page.behind();
        let (saved, can_forward) = (behind.surroundings.load(URL_SETTING), behind.surroundings.can_forward());
        let host = location(web_sys::Location::hostname);
        let browser = Browser { host: &host, is_https: location(web_sys::Location::protocol) == "https:", can_forward };
        let snapshot = behind.session.snapshot();
        routes(
            browser,
            saved.parse().ok().as_ref(),
            &behind.target.release,
            snapshot.services.known(),
            snapshot.ingresses.known(),
        )
    }

    /// Asks the ways that need nothing to be opened; the first that answers is shown.
    fn look(self) {
        self.view.set(View::Looking);
        let candidates = self.routes().into_iter().filter_map(|route| match route.end {
            End::At(url) if !route.way.is_port_forward() => Some(Shown { way: route.way, url }),
            _ => None,
        });
        let candidates: Vec<_> = candidates.collect();
        self.run(async move {
            let mut silent = Vec::new();
            for shown in candidates {
                match ask_health(&shown.url).await {
                    Ok(()) => return self.view.set(View::Showing(shown)),
                    Err(words) => silent.push((shown.url, words)),
                }
            }
            self.view.set(View::Choosing(silent));
        });
    }

    /// Waits until a port-forward answers, for as long as the viewer is open.
    fn wait_for(self, way: Way, url: AppUrl) {
        self.view.set(View::Waiting(url.clone()));
        self.run(async move {
            while ask_health(&url).await.is_err() {
                sleep(RETRY).await;
            }
            self.view.set(View::Showing(Shown { way, url }));
        });
    }

    /// Opens Headlamp's port-forward to a ready pod.
    fn forward(self) {
        let pod = self.page.status.with_untracked(|status| match &status.app {
            Seen::Present(app) => app.pod.clone(),
            Seen::Absent | Seen::Unknown(_) => None,
        });
        let (page, behind) = (self.page, self.page.behind());
        let namespace = behind.target.namespace.to_string();
        self.run(async move {
            let refused = |text: String| {
                page.wrong.set(Words {
                    tone: Tone::Bad,
                    title: "The port-forward could not be opened".to_owned(),
                    text,
                })
            };
            let Some(pod) = pod else { return refused("No pod of Crossview is ready.".to_owned()) };
            match behind.surroundings.forward(namespace, pod, APP_PORT).await {
                Ok(forward) => {
                    self.running.update_value(|running| running.forward = Some(forward.id));
                    self.wait_for(
                        Way::PortForward,
                        AppUrl::local(&location(web_sys::Location::hostname), forward.port),
                    );
                }
                Err(words) => {
                    refused(words);
                    page.viewing.set(false);
                }
            }
        });
    }

    fn run(self, task: impl Future<Output = ()> + 'static) {
        let (task, handle) = abortable(task);
        if let Some(Some(older)) = self.running.try_update_value(|running| running.looking.replace(handle)) {
            older.abort();
        }
        leptos::task::spawn_local(async move {
            // Ended by a newer look or by the viewer's end; both have said what comes next.
            let _ = task.await;
        });
    }

    fn close(self) {
        let Some(running) = self.running.try_update_value(std::mem::take) else { return };
        if let Some(task) = running.looking {
            task.abort();
        }
        if let Some(id) = running.forward {
            self.page.behind().surroundings.stop_forward(id);
        }
    }
}

/// A part of the page's own address.
fn location(part: fn(&web_sys::Location) -> Result<String, wasm_bindgen::JsValue>) -> String {
    web_sys::window().and_then(|window| part(&window.location()).ok()).unwrap_or_default()
}

/// Asks `url` for Crossview's health: an index.html with 200, which Crossview gives on any path, isn't one.
async fn ask_health(url: &AppUrl) -> Result<(), String> {
    let asked = async {
        let silent = || {
            "no answer: nothing listens there, the browser may not reach it, or it denied this page the local network"
                .to_owned()
        };
        let window = web_sys::window().ok_or_else(silent)?;
        let reply = JsFuture::from(window.fetch_with_str(&url.health())).await.map_err(|_| silent())?;
        let reply: web_sys::Response = reply.dyn_into().map_err(|_| silent())?;
        let body = JsFuture::from(reply.text().map_err(|_| silent())?).await;
        let body = body.ok().and_then(|text| text.as_string()).ok_or_else(|| "its answer broke off".to_owned())?;
        if is_health(&body) {
            Ok(())
        } else {
            Err(format!("it answers HTTP {}, but it is not a healthy Crossview", reply.status()))
        }
    };
    match futures::future::select(Box::pin(asked), sleep(HEALTH_TIMEOUT)).await {
        futures::future::Either::Left((answer, _)) => answer,
        futures::future::Either::Right(_) => Err(format!("no answer within {} s", HEALTH_TIMEOUT.as_secs())),
    }
}

/// Back to the details of the installation.
fn back(viewer: Viewer) -> AnyView {
    button("", "Back to details", move || viewer.page.viewing.set(false))
}

/// Crossview in its frame, below a slim bar.
fn frame(viewer: Viewer, shown: &Shown) -> AnyView {
    // A frame of this page's own origin with its scripts could act as this page.
    let is_own = location(web_sys::Location::origin) == shown.url.as_str();
    let sandbox = if is_own {
        "allow-scripts allow-forms allow-downloads"
    } else {
        "allow-scripts allow-same-origin allow-forms allow-downloads allow-popups"
    };
    let frame = NodeRef::<html::Iframe>::new();
    let url = shown.url.to_string();
    let source = url.clone();
    let reload = move || {
        if let Some(frame) = frame.get_untracked() {
            frame.set_src(&source);
        }
    };
    view! {
        <section class="cv-viewer">
            <div class="cv-head">
                <span class="cv-row">{back(viewer)} <span class="cv-muted">{shown.way.name()}": "<code>{url.clone()}</code></span></span>
                {button("", "Reload", reload)}
                <a class="cv-button" href=url.clone() target="_blank" rel="noopener noreferrer">"Open in a new tab"</a>
            </div>
            {paragraph("cv-wrong", if shown.way.is_port_forward() { PORT_FORWARD_WARNING } else { "" })}
            {paragraph("cv-muted", BLANK_HINT)}
            <iframe
                title="Crossview"
                node_ref=frame
                src=url
                sandbox=sandbox
                allow="clipboard-write; local-network-access"
                referrerpolicy="no-referrer"
            ></iframe>
        </section>
    }
    .into_any()
}

/// While a port-forward is to come.
fn waiting(viewer: Viewer, url: &AppUrl) -> AnyView {
    view! {
        <section class="cv-card" data-tone="busy">
            <div role="status"><h2 class="cv-state" data-tone="busy">"Waiting for an answer at "{url.to_string()}</h2></div>
            <p>"It is shown as soon as it answers. If it doesn't: is the port-forward running, and may this page reach the local network? The browser asks for that once."</p>
            {paragraph("cv-wrong", PORT_FORWARD_WARNING)}
            {local_line(viewer)}
            {row(vec![button("", "Other ways", move || viewer.look()), back(viewer)])}
        </section>
    }
    .into_any()
}

/// The line that opens a port-forward in the user's own terminal.
fn local_line(viewer: Viewer) -> Option<AnyView> {
    let behind = viewer.page.behind();
    let snapshot = behind.session.snapshot();
    let service = snapshot.services.known().find(|service| leads_to_app(service, &behind.target.release))?;
    let line = port_forward_line(&behind.target.namespace, service);
    let copied = RwSignal::new(String::new());
    let text = line.clone();
    let copy = move || {
        if let Some(window) = web_sys::window() {
            let promise = window.navigator().clipboard().write_text(&text);
            leptos::task::spawn_local(async move {
                let done = JsFuture::from(promise).await;
                let words = if done.is_ok() {
                    "Copied"
                } else {
                    "The browser does not allow copying; select the line instead."
                };
                let _ = copied.try_set(words.to_owned());
            });
        }
    };
    Some(
        view! {
            <div class="cv-row">
                <code>{line}</code>
                {button("", "Copy", copy)}
                <span class="cv-muted" role="status">{copied}</span>
            </div>
        }
        .into_any(),
    )
}

/// The ways that exist, each with what it needs.
fn choice(viewer: Viewer, silent: &[(AppUrl, String)]) -> AnyView {
    let ways: Vec<_> = viewer.routes().into_iter().map(|route| way(viewer, &route, silent)).collect();
    let behind = viewer.page.behind();
    let address = Field::new(behind.surroundings.load(URL_SETTING));
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let typed = address.text();
        let parsed = if typed.is_empty() { Ok(typed) } else { typed.parse::<AppUrl>().map(|url| url.to_string()) };
        if let Some(url) = address.check(parsed) {
            behind.surroundings.save(URL_SETTING, &url);
            viewer.look();
        }
    };
    view! {
        <section class="cv-card">
            <h2>"No way to Crossview answers by itself"</h2>
            <p>"Crossview runs in the cluster; your browser has to reach it. These are the ways:"</p>
            <ul class="cv-ways">{ways}</ul>
            <form on:submit=save novalidate>
                {address.view("cv-url", "Its address, where it has one", "https://crossview.example.com")}
                <div class="cv-row">
                    <button type="submit" class="cv-button">"Use this address"</button>
                    {button("", "Look again", move || viewer.look())}
                    {back(viewer)}
                </div>
            </form>
        </section>
    }
    .into_any()
}

/// One way, with its state and what can be done to use it.
fn way(viewer: Viewer, route: &Route, silent: &[(AppUrl, String)]) -> AnyView {
    let name = match route.object.as_str() {
        "" => route.way.name().to_owned(),
        object => format!("{} {object}", route.way.name()),
    };
    let state = match (&route.end, route.way) {
        (End::Blocked(Obstacle::MixedContent { url }), _) => view! {
            {Obstacle::MixedContent { url: url.clone() }.to_string()}" "
            <a href=url.to_string() target="_blank" rel="noopener noreferrer">"Open in a new tab"</a>
        }
        .into_any(),
        (End::Blocked(obstacle), _) => obstacle.to_string().into_any(),
        (End::OnRequest, _) => {
            let open = button("", "Open a port-forward", move || viewer.forward());
            vec![paragraph("cv-wrong", PORT_FORWARD_WARNING), open].into_any()
        }
        (End::At(url), Way::Local) => {
            let url = url.clone();
            let mut parts = vec![paragraph("", "Run this in a terminal, then choose Connect:")];
            parts.extend(local_line(viewer));
            parts.push(paragraph("cv-wrong", PORT_FORWARD_WARNING));
            parts.push(button("", "Connect", move || viewer.wait_for(Way::Local, url.clone())));
            parts.into_any()
        }
        (End::At(url), _) => {
            let words = silent.iter().find(|(of, _)| of == url).map(|(_, words)| words.clone());
            format!("{url}: {}", words.unwrap_or_default()).into_any()
        }
    };
    view! { <li><b>{name}</b><div>{state}</div></li> }.into_any()
}
