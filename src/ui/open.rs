//! Crossview itself, in an iframe, by the best way that answers; where none does, the ways that exist and why not.

use std::{rc::Rc, time::Duration};

use futures::future::{Either, LocalBoxFuture};
use js_sys::Reflect;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::{
    Node, Page, button, classed, clipboard, element,
    field::{Field, field},
    nothing, paragraph, row, section, state,
    words::{self, Tone, Words},
};
use crate::{
    access::{
        AppUrl, Browser, End, Exposed, Obstacle, PORT_FORWARD_WARNING, Route, Way, is_health, leads_to_app,
        port_forward_line, routes,
    },
    cluster::{Client, Task},
    host::{Surroundings, Tunnel, TunnelListeners, TunnelOptions, TunnelState, sleep},
    installer::{Reach, Seen},
};

/// The setting that keeps the user's own address.
const URL_SETTING: &str = "url";
/// The setting that keeps the way that the user has chosen, by its name.
const WAY_SETTING: &str = "way";
/// An address that says nothing for so long doesn't answer.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at a port-forward that is to come.
const RETRY: Duration = Duration::from_secs(2);
/// How many things are named that Crossview misses: the frame is hostile, and could name new ones for ever.
const MOST_UNSUPPORTED: usize = 20;
/// The frame that shows Crossview.
const FRAME: &str = "cv-frame";
/// Where a tunnel shows it.
const PLACE: &str = "cv-place";
/// How long the page may take to read the cluster, where it is opened at Crossview, and pause between two looks.
const READING_TIMEOUT: Duration = Duration::from_secs(10);
const READING_PAUSE: Duration = Duration::from_millis(50);
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
    /// The button is held down: the tunnel gets ready where it is likely to be taken, and the details stay.
    Pressed,
    /// Asks the ways for Crossview's health, one after the other.
    Looking,
    /// Has Headlamp open a port-forward.
    Forwarding,
    /// Waits for a port-forward to answer.
    Waiting(AppUrl),
    /// The user chooses: nothing answered by itself, or another way is wanted.
    Choosing,
    /// One answered.
    Showing(Shown),
    /// Crossview comes through the API server.
    Tunnel,
}

/// What shows Crossview, while it is shown; dropping it ends all that it has opened.
pub(super) struct Viewer {
    view: View,
    /// Ways that were asked and did not answer, with the words.
    silent: Vec<(AppUrl, String)>,
    /// The one that answered last.
    answered: Option<AppUrl>,
    /// The tunnel, where Crossview comes by one.
    tunnel: Option<Rc<dyn Tunnel>>,
    /// What is known of it.
    tunnel_state: TunnelState,
    /// The pod at its end.
    pod: String,
    /// What Crossview asked for and did not get there, each once.
    unsupported: Vec<String>,
    /// The task that looks; a newer one ends the older.
    looking: Option<Task>,
    /// A port-forward of Headlamp's, and who can stop it.
    forward: Option<(String, Rc<dyn Surroundings>)>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if let Some((id, surroundings)) = self.forward.take() {
            surroundings.stop_forward(id);
        }
    }
}

/// Shows Crossview again where a reload or a link has led to it.
pub(super) fn resume(page: &Page) {
    if let Some(path) = linked(page) {
        page.0.model.borrow_mut().path = path;
        open(page);
    }
}

/// Where a tunnel shows Crossview. It stands on the page all the time, as what is in it can't be moved to another place.
pub(super) fn place(page: &Page) -> Node {
    let is_shown = page.model().viewer.as_ref().is_some_and(|viewer| viewer.view == View::Tunnel);
    classed("div", PLACE).with("id", PLACE).with_if(!is_shown, "hidden").into()
}

/// An element of the page.
fn find_element(id: &str) -> Option<web_sys::HtmlElement> {
    Some(web_sys::window()?.document()?.get_element_by_id(id)?.unchecked_into())
}

/// Has ready what a tunnel needs, where one is likely to be opened.
pub(super) fn prepare(page: &Page) {
    if let Some(place) = find_element(PLACE).filter(|_| is_likely(page)) {
        page.surroundings().prepare_tunnel(&place);
    }
}

/// Where the tunnel is the best way as far as is known now.
fn is_likely(page: &Page) -> bool {
    let by_itself = |route: &Route| !matches!(route.end, End::Blocked(_)) && !route.way.is_port_forward();
    matches!(ways(page).into_iter().find(by_itself), Some(Route { end: End::Tunnel { .. }, .. }))
}

/// What keeps this user from a tunnel, said before one is wanted.
pub(super) fn refused(page: &Page) -> Node {
    if !page.surroundings().can_tunnel() || !page.session().snapshot().refuses_tunnel() {
        return nothing();
    }
    let obstacle = Obstacle::TunnelRefused { namespace: page.target().namespace.to_string() };
    paragraph("cv-muted", &format!("A tunnel can't be opened: {obstacle}."))
}

/// Shows Crossview, or how to reach it.
pub(super) fn open(page: &Page) {
    begin(page);
    let path = page.model().path.clone();
    link(page, &path);
    find(page);
}

/// The button is pressed; a tunnel opens while it is held down. One that nothing is asked of closes its connections.
pub(super) fn pressed(page: &Page, event: &web_sys::Event) {
    // Any other than the main one means something else.
    if Reflect::get(event, &"button".into()) == Ok(0.into()) {
        begin(page);
    }
}

/// Gets ready to show Crossview.
fn begin(page: &Page) {
    if page.model().viewer.is_some() {
        return;
    }
    prepare(page);
    let address = Field::new(page.surroundings().load(URL_SETTING));
    {
        let mut model = page.0.model.borrow_mut();
        model.address = address;
        model.viewer = Some(Viewer {
            view: View::Pressed,
            silent: Vec::new(),
            answered: None,
            tunnel: None,
            tunnel_state: TunnelState::Starting,
            pod: String::new(),
            unsupported: Vec::new(),
            looking: None,
            forward: None,
        });
    }
    guess(page);
}

/// The pointer has left the button: it was not meant.
pub(super) fn release(page: &Page) {
    if !is_shown(page) {
        close(page);
    }
}

/// Whether Crossview stands in the place of the details.
pub(super) fn is_shown(page: &Page) -> bool {
    page.model().viewer.as_ref().is_some_and(|viewer| viewer.view != View::Pressed)
}

/// Crossview, or how to reach it.
pub(super) fn viewer(page: &Page) -> Node {
    let view = page.model().viewer.as_ref().map(|viewer| viewer.view.clone());
    let shown = match view {
        Some(View::Showing(shown)) => frame(page, &shown),
        Some(View::Waiting(url)) => waiting(page, &url),
        Some(View::Choosing) => choice(page),
        Some(View::Tunnel) => tunnel(page),
        Some(View::Forwarding) => {
            let state = state(Tone::Busy, "Headlamp opens a port-forward").with("role", "status");
            section(Tone::Busy).child(state).child(row(vec![back(page)])).into()
        }
        Some(View::Looking | View::Pressed) | None => {
            section(Tone::Busy).child(state(Tone::Busy, "Looking for a way to Crossview").with("role", "status")).into()
        }
    };
    classed("div", "cv-shown").child(super::notices::wrong(page)).child(shown).into()
}

/// Where Crossview is, by the fragment of the page's address. On the desktop that is Headlamp's own path.
fn linked(page: &Page) -> Option<String> {
    if page.surroundings().can_forward() {
        return None;
    }
    let address = location(web_sys::Location::href);
    address.split_once('#').map(|(_, path)| path.to_owned()).filter(|path| path.starts_with('/'))
}

/// Has a reload or a link lead to Crossview at `path`; to the details for an empty one.
fn link(page: &Page, path: &str) {
    if page.surroundings().can_forward() {
        return;
    }
    let here = location(web_sys::Location::href);
    let address = match path {
        "" => here.split('#').next().unwrap_or_default().to_owned(),
        path => format!("#{path}"),
    };
    // No entry of its own in the browser's history: Crossview makes those. The state is Headlamp's.
    if let Some(history) = web_sys::window().and_then(|window| window.history().ok()) {
        let state = history.state().unwrap_or_default();
        // A browser that refuses leaves the address as it is.
        let _ = history.replace_state_with_url(&state, "", Some(&address));
    }
}

/// Changes the viewer, while there is one.
fn change(page: &Page, change: impl FnOnce(&mut Viewer)) {
    page.change(|model| {
        if let Some(viewer) = &mut model.viewer {
            change(viewer);
        }
    });
}

fn set_view(page: &Page, view: View) {
    let is_tunnel = view == View::Tunnel;
    if !is_tunnel {
        close_tunnel(page);
    }
    change(page, |viewer| viewer.view = view);
    if is_tunnel {
        open_tunnel(page);
        if let Some(tunnel) = tunnel_of(page) {
            tunnel.show();
        }
    }
}

/// The tunnel that is open. It tells of its states at once, so the model has to be free when it is called.
#[inline(never)]
fn tunnel_of(page: &Page) -> Option<Rc<dyn Tunnel>> {
    page.model().viewer.as_ref()?.tunnel.clone()
}

/// Ends the look that goes on, so that it takes no view away that the user has chosen.
fn stop_looking(page: &Page) {
    change(page, |viewer| viewer.looking = None);
}

/// Ends the tunnel, if there is one. It may tell of that at once, so the model has to be free.
fn close_tunnel(page: &Page) {
    let tunnel = page.0.model.borrow_mut().viewer.as_mut().and_then(|viewer| viewer.tunnel.take());
    drop(tunnel);
}

/// Shows a way that the user has chosen, and keeps the choice for the cluster.
fn choose(page: &Page, way: Way, view: View) {
    page.surroundings().save(WAY_SETTING, way.name());
    stop_looking(page);
    set_view(page, view);
}

/// Runs `task` in place of the one before, for as long as the viewer is there.
fn run(page: &Page, task: LocalBoxFuture<'static, ()>) {
    let looking = Client::new(page.0.transport.clone()).spawn_boxed(task);
    change(page, |viewer| viewer.looking = Some(looking));
}

/// The ways as the cluster and the browser have them now; the one that the user has chosen comes first.
fn ways(page: &Page) -> Vec<Route> {
    let surroundings = page.surroundings();
    let host = location(web_sys::Location::hostname);
    let browser = Browser {
        host: &host,
        is_https: location(web_sys::Location::href).starts_with("https:"),
        can_forward: surroundings.can_forward(),
        can_tunnel: surroundings.can_tunnel(),
    };
    let (target, session, status) = (page.target(), page.session(), page.status());
    let snapshot = session.snapshot();
    let (services, ingresses): (Vec<_>, Vec<_>) =
        (snapshot.services.known().collect(), snapshot.ingresses.known().collect());
    let model = page.model();
    let none = Reach::default();
    let reach = model.reach.as_ref().unwrap_or(&none);
    let pod = match &status.app {
        Seen::Present(app) => app.pod.as_deref(),
        Seen::Absent | Seen::Unknown(_) => None,
    };
    let exposed = Exposed {
        namespace: &target.namespace,
        release: &target.release,
        services: &services,
        ingresses: &ingresses,
        routes: &reach.routes,
        gateways: &reach.gateways,
        pod,
        tunnel_refused: snapshot.refuses_tunnel(),
    };
    let mut routes = routes(browser, surroundings.load(URL_SETTING).parse().ok().as_ref(), exposed);
    let chosen = surroundings.load(WAY_SETTING);
    let is_chosen = |route: &Route| route.way.name() == chosen && !matches!(route.end, End::Blocked(_));
    if let Some(at) = routes.iter().position(is_chosen) {
        let first = routes.remove(at);
        routes.insert(0, first);
    }
    routes
}

/// Reads what bears on the ways, then takes the first that answers without being asked for.
fn look(page: &Page) {
    page.0.model.borrow_mut().reach = None;
    find(page);
}

/// The same by what was read before, where something was: it is read again behind that.
fn find(page: &Page) {
    change(page, |viewer| viewer.view = View::Looking);
    guess(page);
    let (looking, session) = (page.clone(), page.session());
    run(
        page,
        Box::pin(async move {
            let was_read = looking.model().reach.is_some();
            if !was_read {
                let reach = session.reach().await;
                looking.change(|model| model.reach = Some(reach));
            }
            let mut waited = Duration::ZERO;
            while !is_read(&looking) && waited < READING_TIMEOUT {
                sleep(READING_PAUSE).await;
                waited += READING_PAUSE;
            }
            let view = best(&looking).await;
            set_view(&looking, view);
            if was_read {
                let reach = session.reach().await;
                looking.change(|model| model.reach = Some(reach));
            }
        }),
    );
}

/// Gets the tunnel ready while the rest is read, where it is likely to be taken.
fn guess(page: &Page) {
    if is_likely(page) {
        open_tunnel(page);
    }
}

/// The best way that answers.
async fn best(page: &Page) -> View {
    change(page, |viewer| viewer.silent.clear());
    for route in ways(page) {
        match route.end {
            // A port-forward is opened by choice alone, each time: it lets every website in.
            End::At(_) | End::OnRequest if route.way.is_port_forward() => {}
            End::At(url) => match ask_health(&url).await {
                Ok(()) => {
                    change(page, |viewer| viewer.answered = Some(url.clone()));
                    return View::Showing(Shown { way: route.way, url });
                }
                Err(words) => {
                    change(page, |viewer| viewer.silent.push((url, words)));
                    // Who has set an address wants that one, or to know what is wrong with it.
                    if route.way == Way::Configured {
                        break;
                    }
                }
            },
            End::Tunnel { .. } => return View::Tunnel,
            End::OnRequest | End::Blocked(_) => {}
        }
    }
    View::Choosing
}

/// Whether all that the ways are found by was read, or was refused: just after a reload it wasn't.
fn is_read(page: &Page) -> bool {
    let session = page.session();
    let snapshot = session.snapshot();
    snapshot.deployments.is_answered()
        && snapshot.pods.is_answered()
        && snapshot.services.is_answered()
        && snapshot.ingresses.is_answered()
        && snapshot.rights.unanswered == 0
}

/// Asks a way that the user has chosen, and keeps the choice where it answers.
fn try_way(page: &Page, way: Way, url: AppUrl) {
    set_view(page, View::Looking);
    let asking = page.clone();
    run(
        page,
        Box::pin(async move {
            match ask_health(&url).await {
                Ok(()) => {
                    change(&asking, |viewer| viewer.answered = Some(url.clone()));
                    choose(&asking, way, View::Showing(Shown { way, url }));
                }
                Err(words) => {
                    change(&asking, |viewer| viewer.silent.push((url, words)));
                    set_view(&asking, View::Choosing);
                }
            }
        }),
    );
}

/// Waits until a port-forward answers, for as long as the viewer is open.
fn wait_for(page: &Page, way: Way, url: AppUrl) {
    set_view(page, View::Waiting(url.clone()));
    let asking = page.clone();
    run(
        page,
        Box::pin(async move {
            while ask_health(&url).await.is_err() {
                sleep(RETRY).await;
            }
            set_view(&asking, View::Showing(Shown { way, url }));
        }),
    );
}

/// Opens Headlamp's port-forward to a ready pod.
fn forward(page: &Page) {
    let pod = match &page.status().app {
        Seen::Present(app) => app.pod.clone(),
        Seen::Absent | Seen::Unknown(_) => None,
    };
    let surroundings = page.0.surroundings.clone();
    let namespace = page.target().namespace.to_string();
    let asking = page.clone();
    set_view(page, View::Forwarding);
    // Seen to its end whatever the user does meanwhile: a port that nobody waits for any more is closed again.
    wasm_bindgen_futures::spawn_local(async move {
        let page = asking;
        let forwarded = match pod {
            Some(pod) => surroundings.forward(namespace, pod, APP_PORT).await,
            None => Err("No pod of Crossview is ready.".to_owned()),
        };
        let is_awaited = page.model().viewer.as_ref().is_some_and(|viewer| viewer.view == View::Forwarding);
        match forwarded {
            Ok(forward) if is_awaited => {
                if forward.is_ours {
                    let mut model = page.0.model.borrow_mut();
                    let ours = (forward.id, surroundings.clone());
                    let older = model.viewer.as_mut().and_then(|viewer| viewer.forward.replace(ours));
                    drop(model);
                    if let Some((id, _)) = older {
                        surroundings.stop_forward(id);
                    }
                }
                let url = AppUrl::local(&location(web_sys::Location::hostname), forward.port);
                wait_for(&page, Way::PortForward, url);
            }
            Ok(forward) if forward.is_ours => surroundings.stop_forward(forward.id),
            Err(text) if is_awaited => {
                set_view(&page, View::Choosing);
                page.change(|model| {
                    let title = "The port-forward could not be opened".to_owned();
                    model.wrong = Words { tone: Tone::Bad, title, text };
                });
            }
            Ok(_) | Err(_) => {}
        }
    });
}

/// A part of the page's own address.
fn location(part: fn(&web_sys::Location) -> Result<String, wasm_bindgen::JsValue>) -> String {
    web_sys::window().and_then(|window| part(&window.location()).ok()).unwrap_or_default()
}

/// Asks `url` for Crossview's health: an index.html with 200, which Crossview gives on any path, isn't one.
async fn ask_health(url: &AppUrl) -> Result<(), String> {
    let asked = async {
        let asked = web_sys::window()?.fetch_with_str(&url.health());
        let reply: web_sys::Response = JsFuture::from(asked).await.ok()?.unchecked_into();
        let body = JsFuture::from(reply.text().ok()?).await.ok()?.as_string()?;
        Some(if is_health(&body) { Ok(()) } else { Err(reply.status()) })
    };
    let words = match futures::future::select(Box::pin(asked), sleep(HEALTH_TIMEOUT)).await {
        Either::Left((Some(Ok(())), _)) => return Ok(()),
        Either::Left((Some(Err(status)), _)) => format!("it answers HTTP {status}, but it is not a healthy Crossview"),
        Either::Left((None, _)) => {
            "no answer: nothing listens there, the browser may not reach it, or it denied this page the local network"
                .to_owned()
        }
        Either::Right(_) => format!("no answer within {} s", HEALTH_TIMEOUT.as_secs()),
    };
    Err(words)
}

/// Back to the details of the installation.
fn back(page: &Page) -> Node {
    button("", "Back to details", page.click(leave)).into()
}

fn leave(page: &Page) {
    link(page, "");
    // Who has seen it comes back. Before the old one goes, whose process the next can share.
    prepare(page);
    close(page);
    page.change(|_| ());
}

/// Ends the viewer and all that it has opened. That may tell of itself at once, so the model has to be free.
pub(super) fn close(page: &Page) {
    let viewer = page.0.model.borrow_mut().viewer.take();
    drop(viewer);
}

/// The ways there are, to take another.
fn other_ways(page: &Page) -> Node {
    let choose = page.click(|page| {
        stop_looking(page);
        set_view(page, View::Choosing);
    });
    button("", "Other ways", choose).into()
}

/// A link that opens in a tab of its own, which learns nothing of this page.
fn new_tab(url: &AppUrl) -> super::Element {
    element("a")
        .with("href", &url.to_string())
        .with("target", "_blank")
        .with("rel", "noopener noreferrer")
        .child("Open in a new tab")
}

/// Crossview in its frame, below a slim bar.
fn frame(page: &Page, shown: &Shown) -> Node {
    // A frame of this page's own origin with its scripts could act as this page.
    let here = location(web_sys::Location::href);
    let is_own = here.strip_prefix(shown.url.as_str()).is_some_and(|path| path.starts_with('/'));
    let sandbox = if is_own {
        "allow-scripts allow-forms allow-downloads"
    } else {
        "allow-scripts allow-same-origin allow-forms allow-downloads allow-popups"
    };
    let url = shown.url.to_string();
    let source = url.clone();
    let reload = page.click_with(Box::new(move |_| {
        if let Some(frame) = find_element(FRAME) {
            frame.unchecked_ref::<web_sys::HtmlIFrameElement>().set_src(&source);
        }
    }));
    let bar = classed("div", "cv-head")
        .child(
            classed("span", "cv-row").child(back(page)).child(
                classed("span", "cv-muted")
                    .child(format!("{}: ", shown.way.name()))
                    .child(element("code").child(url.as_str())),
            ),
        )
        .child(button("", "Reload", reload))
        .child(other_ways(page))
        .child(new_tab(&shown.url).with("class", "cv-button"));
    let frame = element("iframe")
        .with("id", FRAME)
        .with("title", "Crossview")
        .with("sandbox", sandbox)
        .with("allow", "clipboard-write; local-network-access")
        .with("referrerpolicy", "no-referrer")
        .with("src", &url);
    classed("section", "cv-viewer")
        .child(bar)
        .child(paragraph("cv-wrong", if shown.way.is_port_forward() { PORT_FORWARD_WARNING } else { "" }))
        .child(paragraph("cv-muted", BLANK_HINT))
        .child(frame)
        .into()
}

/// Crossview by a tunnel through the API server, below a slim bar.
fn tunnel(page: &Page) -> Node {
    let model = page.model();
    let Some(viewer) = &model.viewer else { return nothing() };
    let reload = page.click(|page| {
        change(page, |viewer| viewer.unsupported.clear());
        if let Some(tunnel) = tunnel_of(page) {
            tunnel.reload();
        }
    });
    let mut bar = classed("div", "cv-head")
        .child(
            classed("span", "cv-row")
                .child(back(page))
                .child(classed("span", "cv-muted").child(words::of_tunnel(&viewer.pod))),
        )
        .child(button("", "Reload", reload))
        .child(other_ways(page));
    if let Some(url) = viewer_url(page) {
        bar = bar.child(new_tab(&url).with("class", "cv-button"));
    }
    let state = words::of_tunnel_state(&viewer.tunnel_state);
    let unsupported = viewer.unsupported.iter().map(|text| element("li").child(text.as_str()).into()).collect();
    classed("section", "cv-viewer")
        .child(bar)
        .child(
            classed("p", "cv-note")
                .with("role", "status")
                .with("data-tone", state.tone.as_str())
                .child([state.title.as_str(), if state.text.is_empty() { "" } else { " " }, &state.text].concat()),
        )
        .child(if viewer.unsupported.is_empty() {
            nothing()
        } else {
            super::more("What Crossview misses here", classed("ul", "cv-list").children(unsupported).into())
        })
        .into()
}

/// An address of Crossview's own, where a tab of its own would find it.
fn viewer_url(page: &Page) -> Option<AppUrl> {
    ways(page).into_iter().find_map(|route| match route.end {
        End::At(url) if !route.way.is_port_forward() => Some(url),
        _ => None,
    })
}

/// Opens the tunnel in its place, once.
fn open_tunnel(page: &Page) {
    if page.model().viewer.as_ref().is_none_or(|viewer| viewer.tunnel.is_some()) {
        return;
    }
    let Some(place) = find_element(PLACE) else { return };
    let target = page.target();
    let options = TunnelOptions {
        namespace: target.namespace.to_string(),
        release: target.release.to_string(),
        port: APP_PORT,
        path: page.model().path.clone(),
    };
    let (telling, leading, asked) = (Rc::downgrade(&page.0), Rc::downgrade(&page.0), Rc::downgrade(&page.0));
    let listeners = TunnelListeners {
        state: Box::new(move |state| {
            if let Some(page) = telling.upgrade().map(Page) {
                change(&page, |viewer| match state {
                    TunnelState::Pod(pod) => {
                        viewer.pod = pod;
                        if matches!(viewer.tunnel_state, TunnelState::Trouble(_)) {
                            viewer.tunnel_state = TunnelState::Ready;
                        }
                    }
                    TunnelState::Unsupported(text) => {
                        if viewer.unsupported.len() < MOST_UNSUPPORTED && !viewer.unsupported.contains(&text) {
                            viewer.unsupported.push(text);
                        }
                    }
                    state => viewer.tunnel_state = state,
                });
            }
        }),
        navigated: Box::new(move |path| {
            if let Some(page) = leading.upgrade() {
                // Nothing that is drawn depends on it: coming back is where Crossview was.
                let page = Page(page);
                link(&page, &path);
                page.0.model.borrow_mut().path = path;
            }
        }),
        pods: Box::new(move || {
            let page = asked.upgrade().map(Page);
            page.map(|page| ready_pods(&page)).unwrap_or_default()
        }),
    };
    change(page, |viewer| viewer.unsupported.clear());
    let tunnel = page.surroundings().open_tunnel(&place, &options, listeners);
    change(page, |viewer| match tunnel {
        Some(tunnel) => viewer.tunnel = Some(Rc::from(tunnel)),
        None if viewer.view == View::Tunnel => viewer.view = View::Choosing,
        None => {}
    });
}

/// Crossview's pods that take traffic, as the cluster has them now.
fn ready_pods(page: &Page) -> Vec<String> {
    page.status().pods.iter().filter(|pod| pod.ready).map(|pod| pod.name.clone()).collect()
}

/// While a port-forward is to come.
fn waiting(page: &Page, url: &AppUrl) -> Node {
    let title = format!("Waiting for an answer at {url}");
    let others = button("", "Other ways", page.click(look));
    section(Tone::Busy)
        .child(element("div").with("role", "status").child(state(Tone::Busy, &title)))
        .child(paragraph("", "It is shown as soon as it answers. If it doesn't: is the port-forward running, and may this page reach the local network? The browser asks for that once."))
        .child(paragraph("cv-wrong", PORT_FORWARD_WARNING))
        .child(local_line(page))
        .child(row(vec![others.into(), back(page)]))
        .into()
}

/// The line that opens a port-forward in the user's own terminal.
fn local_line(page: &Page) -> Node {
    let line = {
        let session = page.session();
        let snapshot = session.snapshot();
        let found = snapshot.services.known().find(|service| leads_to_app(service, &page.target().release));
        let Some(service) = found else { return nothing() };
        port_forward_line(&page.target().namespace, service)
    };
    clipboard::line(page, &line)
}

/// The ways that exist, each with what it needs.
fn choice(page: &Page) -> Node {
    let all = ways(page).iter().map(|route| way(page, route)).collect();
    let save = page.submit(|page| {
        let mut saved = None;
        page.change(|model| {
            let typed = model.address.text().to_owned();
            let parsed = if typed.is_empty() { Ok(typed) } else { typed.parse::<AppUrl>().map(|url| url.to_string()) };
            saved = model.address.check(parsed);
        });
        if let Some(url) = saved {
            page.surroundings().save(URL_SETTING, &url);
            look(page);
        }
    });
    let label = "Its address, where it has one";
    let address = field(page, |model| &mut model.address, "cv-url", label, "https://crossview.example.com");
    let form = element("form").with("novalidate", "").on("submit", save).child(address).child(
        classed("div", "cv-row")
            .child(super::submit("", "Use this address", true))
            .child(button("", "Look again", page.click(look)))
            .child(back(page)),
    );
    section(Tone::Plain)
        .child(element("h2").child("Ways to Crossview"))
        .child(paragraph("", "Crossview runs in the cluster; your browser has to reach it."))
        .child(classed("ul", "cv-ways").children(all))
        .child(form)
        .into()
}

/// One way, with its state and what can be done to use it.
fn way(page: &Page, route: &Route) -> Node {
    let name = match route.object.as_str() {
        "" => route.way.name().to_owned(),
        object => format!("{} {object}", route.way.name()),
    };
    let what = element("div");
    let what = match (&route.end, route.way) {
        (End::Blocked(obstacle @ Obstacle::MixedContent { url }), _) => {
            what.child(words::sentence(&obstacle.to_string())).child(" ").child(new_tab(url))
        }
        (End::Blocked(obstacle), _) => what.child(words::sentence(&obstacle.to_string())),
        (End::Tunnel { pod }, _) => {
            let through = page.click(|page| choose(page, Way::Tunnel, View::Tunnel));
            what.child(paragraph("", &format!("To the pod {pod}, under your own rights; nothing is exposed.")))
                .child(button("", "Open the tunnel", through))
        }
        (End::OnRequest, _) => what.child(paragraph("cv-wrong", PORT_FORWARD_WARNING)).child(button(
            "",
            "Open a port-forward",
            page.click(forward),
        )),
        (End::At(url), Way::Local) => {
            let url = url.clone();
            let connect = page.click_with(Box::new(move |page| wait_for(page, Way::Local, url.clone())));
            what.child(paragraph("", "Run this in a terminal, then choose Connect:"))
                .child(local_line(page))
                .child(paragraph("cv-wrong", PORT_FORWARD_WARNING))
                .child(button("", "Connect", connect))
        }
        (End::At(url), _) => {
            let model = page.model();
            let silent = model.viewer.as_ref().map_or(&[][..], |viewer| &viewer.silent);
            match silent.iter().find(|(of, _)| of == url) {
                Some((_, words)) => what.child(format!("{url}: {words}")),
                // It is not the first choice, so it was not asked.
                None => {
                    let (way, to) = (route.way, url.clone());
                    let ask = page.click_with(Box::new(move |page| try_way(page, way, to.clone())));
                    let answered = model.viewer.as_ref().and_then(|viewer| viewer.answered.as_ref());
                    let (why, label) = if answered == Some(url) {
                        ("it answers.", "Show it")
                    } else {
                        ("not asked, as another way was taken.", "Try it")
                    };
                    what.child(paragraph("", &format!("{url}: {why}"))).child(button("", label, ask))
                }
            }
        }
    };
    let is_chosen = route.way.name() == page.surroundings().load(WAY_SETTING);
    let chosen = if is_chosen { "Your choice in this cluster: it comes first while it can be used." } else { "" };
    element("li").child(element("b").child(name)).child(paragraph("cv-muted", chosen)).child(what).into()
}
