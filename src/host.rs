//! What the surrounding page lends: its authenticated way to the Kubernetes API, settings, a port-forward.
//!
//! The same JavaScript shape comes from Headlamp (plugin-shim/src/page/host.ts) and from nowhere else; the preview brings a
//! Rust transport of its own. Everything that the host throws is turned into a value here.

use std::{rc::Rc, time::Duration};

use futures::{
    StreamExt,
    channel::mpsc,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};
use js_sys::{ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, HtmlElement, ReadableStreamDefaultReader, Response};

use crate::cluster::{ApiError, Message, Reply, Request, Timestamp, Transport};

#[wasm_bindgen]
extern "C" {
    /// The host of one mounted page; its TypeScript type is `Host` in plugin-shim/src/page/host.ts.
    #[derive(Clone)]
    pub type Host;

    #[wasm_bindgen(method, getter, js_name = cluster)]
    fn cluster_name(this: &Host) -> String;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &Host,
        method: &str,
        path: &str,
        headers: &Object,
        body: Option<String>,
        signal: &AbortSignal,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn socket(
        this: &Host,
        path: &str,
        protocols: &js_sys::Array,
        on_open: &Closure<dyn FnMut()>,
        on_message: &Closure<dyn FnMut(JsValue)>,
        on_close: &Closure<dyn FnMut(u16, String)>,
    ) -> Result<HostSocket, JsValue>;

    #[wasm_bindgen(method, js_name = load)]
    fn load_setting(this: &Host, key: &str) -> String;

    #[wasm_bindgen(method, js_name = save)]
    fn save_setting(this: &Host, key: &str, value: &str);

    #[wasm_bindgen(method, getter, js_name = portForward)]
    fn port_forward(this: &Host) -> Option<PortForward>;

    type PortForward;

    #[wasm_bindgen(method, catch)]
    fn start(this: &PortForward, namespace: &str, pod: &str, port: u16) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn stop(this: &PortForward, id: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = openTunnel)]
    fn open_host_tunnel(
        this: &Host,
        element: &HtmlElement,
        options: &Object,
        listeners: &Object,
    ) -> Result<HostTunnel, JsValue>;

    // None of these throws: what goes wrong is said by the tunnel's state.
    #[wasm_bindgen(method, js_name = prepareTunnel)]
    fn prepare_host_tunnel(this: &Host, element: &HtmlElement);

    type HostTunnel;

    #[wasm_bindgen(method)]
    fn show(this: &HostTunnel);

    #[wasm_bindgen(method)]
    fn reload(this: &HostTunnel);

    #[wasm_bindgen(method)]
    fn close(this: &HostTunnel);

    type HostSocket;

    #[wasm_bindgen(method, catch)]
    fn close(this: &HostSocket) -> Result<(), JsValue>;
}

/// A port-forward of Headlamp's backend; its port is on this machine's loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Headlamp's name for it.
    pub id: String,
    /// The local port.
    pub port: u16,
    /// It was opened for this page, which stops it; else it ran already, and is somebody else's to stop.
    pub is_ours: bool,
}

/// Where a tunnel leads, and how Crossview begins there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelOptions {
    /// The pods' namespace.
    pub namespace: String,
    /// The Helm release; what Crossview stores in the browser is kept for each of them.
    pub release: String,
    /// The port that Crossview's container listens on.
    pub port: u16,
    /// Where Crossview begins: path, query and fragment.
    pub path: String,
}

/// What is known of a tunnel; each variant is a kind of `TunnelState` in plugin-shim/src/tunnel/open.ts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TunnelState {
    /// The frame or Crossview is being loaded.
    Starting,
    /// Crossview runs.
    Ready,
    /// Connected to this pod.
    Pod(String),
    /// What is wrong with the connection, in words; it tries on.
    Trouble(String),
    /// What Crossview asked for and the frame hasn't; it goes on without.
    Unsupported(String),
    /// Not ready after a while; what is being waited for.
    Slow(String),
    /// It has stopped, with the reason.
    Failed(String),
    /// Crossview leads elsewhere again and again, so it was stopped.
    Leaving,
}

impl TunnelState {
    fn read(kind: &str, text: String) -> Self {
        match kind {
            "starting" => Self::Starting,
            "ready" => Self::Ready,
            "pod" => Self::Pod(text),
            "trouble" => Self::Trouble(text),
            "unsupported" => Self::Unsupported(text),
            "slow" => Self::Slow(text),
            "leaving" => Self::Leaving,
            _ => Self::Failed(text),
        }
    }
}

/// What a tunnel tells, and asks for.
pub struct TunnelListeners {
    /// What is newly known of it.
    pub state: Box<dyn Fn(TunnelState)>,
    /// Crossview is at this path now.
    pub navigated: Box<dyn Fn(String)>,
    /// Names of Crossview's ready pods, best first.
    pub pods: Box<dyn Fn() -> Vec<String>>,
}

/// An open tunnel; dropping it ends all of it.
pub trait Tunnel {
    /// Lets Crossview begin, once: its element can be seen.
    fn show(&self);

    /// Starts Crossview again where it is.
    fn reload(&self);
}

/// What the page has of its surroundings beside the way to the cluster.
pub trait Surroundings {
    /// The cluster's name, for people.
    fn cluster(&self) -> String;

    /// A setting of this plugin for this cluster; empty when it isn't set.
    fn load(&self, key: &str) -> String;

    /// Keeps a setting of this plugin for this cluster.
    fn save(&self, key: &str, value: &str);

    /// Whether [`Surroundings::forward`] is of use here (in Headlamp's desktop app).
    fn can_forward(&self) -> bool;

    /// Forwards a local port to `port` of `pod`; one that runs is reused. The error is in words.
    fn forward(&self, namespace: String, pod: String, port: u16) -> LocalBoxFuture<'static, Result<Forward, String>>;

    /// Whether [`Surroundings::open_tunnel`] is of use here.
    fn can_tunnel(&self) -> bool {
        false
    }

    /// Has ready what [`Surroundings::open_tunnel`] needs in `element`, ahead of its use.
    fn prepare_tunnel(&self, _element: &HtmlElement) {}

    /// Gets Crossview ready in `element`, by a tunnel through the API server; `None` where there is none. It begins with
    /// [`Tunnel::show`].
    fn open_tunnel(
        &self,
        _element: &HtmlElement,
        _options: &TunnelOptions,
        _listeners: TunnelListeners,
    ) -> Option<Box<dyn Tunnel>> {
        None
    }

    /// Stops a port-forward; what goes wrong with that is of no use to anybody.
    fn stop_forward(&self, id: String);
}

impl Surroundings for Host {
    fn cluster(&self) -> String {
        self.cluster_name()
    }

    fn load(&self, key: &str) -> String {
        self.load_setting(key)
    }

    fn save(&self, key: &str, value: &str) {
        self.save_setting(key, value);
    }

    fn can_forward(&self) -> bool {
        self.port_forward().is_some()
    }

    fn forward(&self, namespace: String, pod: String, port: u16) -> LocalBoxFuture<'static, Result<Forward, String>> {
        let host = self.clone();
        Box::pin(async move { host.start_forward(&namespace, &pod, port).await })
    }

    fn can_tunnel(&self) -> bool {
        true
    }

    fn prepare_tunnel(&self, element: &HtmlElement) {
        self.prepare_host_tunnel(element);
    }

    fn open_tunnel(
        &self,
        element: &HtmlElement,
        options: &TunnelOptions,
        listeners: TunnelListeners,
    ) -> Option<Box<dyn Tunnel>> {
        let TunnelListeners { state, navigated, pods } = listeners;
        let on_state = Closure::<dyn FnMut(String, String)>::new(move |kind: String, text| {
            state(TunnelState::read(&kind, text));
        });
        let on_navigated = Closure::<dyn FnMut(String)>::new(navigated);
        let pods = Closure::<dyn FnMut() -> JsValue>::new(move || {
            pods().iter().map(|name| JsValue::from_str(name)).collect::<js_sys::Array>().into()
        });
        let port = JsValue::from(options.port);
        let given = object(&[
            ("namespace", &JsValue::from_str(&options.namespace)),
            ("release", &JsValue::from_str(&options.release)),
            ("port", &port),
            ("path", &JsValue::from_str(&options.path)),
        ]);
        let told =
            object(&[("onState", on_state.as_ref()), ("onNavigated", on_navigated.as_ref()), ("pods", pods.as_ref())]);
        let tunnel = self.open_host_tunnel(element, &given, &told).ok()?;
        Some(Box::new(OpenTunnel { tunnel, _on_state: on_state, _on_navigated: on_navigated, _pods: pods }))
    }

    fn stop_forward(&self, id: String) {
        if let Some(Ok(promise)) = self.port_forward().map(|forward| forward.stop(&id)) {
            wasm_bindgen_futures::spawn_local(async move {
                let _ = JsFuture::from(promise).await;
            });
        }
    }
}

impl Host {
    async fn start_forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Forward, String> {
        let forward = self.port_forward().ok_or_else(|| "Headlamp offers no port-forward here".to_owned())?;
        let promise = forward.start(namespace, pod, port).map_err(|thrown| words(&thrown))?;
        let made = JsFuture::from(promise).await.map_err(|thrown| words(&thrown))?;
        let field = |name: &str| Reflect::get(&made, &JsValue::from_str(name)).unwrap_or_default();
        let (id, port) = (field("id").as_string(), field("port").as_f64());
        match (id, port) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a port's number"
            )]
            (Some(id), Some(port)) if (1.0..=65535.0).contains(&port) => {
                Ok(Forward { id, port: port as u16, is_ours: field("isOurs") == JsValue::TRUE })
            }
            _ => Err("Headlamp did not say which port it forwards".to_owned()),
        }
    }
}

/// A plain object.
fn object(properties: &[(&str, &JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        // Setting a property of a fresh plain object can't fail.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object
}

/// A tunnel of the host and the closures that it calls, ended together.
struct OpenTunnel {
    tunnel: HostTunnel,
    _on_state: Closure<dyn FnMut(String, String)>,
    _on_navigated: Closure<dyn FnMut(String)>,
    _pods: Closure<dyn FnMut() -> JsValue>,
}

impl Tunnel for OpenTunnel {
    fn show(&self) {
        self.tunnel.show();
    }

    fn reload(&self) {
        self.tunnel.reload();
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.tunnel.close();
    }
}

/// The words of whatever was thrown: an Error's message, or the thing itself as text.
fn words(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &JsValue::from_str("message")).ok().and_then(|message| message.as_string());
    message.or_else(|| thrown.as_string()).unwrap_or_else(|| "something went wrong without a word".to_owned())
}

/// [`Transport`] by the host.
pub struct HostTransport(Host);

impl HostTransport {
    /// A transport by `host`.
    #[must_use]
    pub fn new(host: Host) -> Rc<Self> {
        Rc::new(Self(host))
    }
}

/// Aborts the fetch, and with it its body, when it is dropped.
struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn unreachable(thrown: &JsValue) -> ApiError {
    ApiError::Unreachable { reason: words(thrown) }
}

impl Transport for HostTransport {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, ApiError>> {
        let host = self.0.clone();
        Box::pin(async move {
            let headers = Object::new();
            let header = |name: &str, value: &str| {
                // Setting a property of a fresh plain object can't fail.
                let _ = Reflect::set(&headers, &JsValue::from_str(name), &JsValue::from_str(value));
            };
            header("Accept", request.accept());
            if let Some(media_type) = request.content_type() {
                header("Content-Type", media_type);
            }
            let body = request.body_text();
            let abort = AbortOnDrop(AbortController::new().map_err(|thrown| unreachable(&thrown))?);
            let promise = host.request(request.method(), &request.path, &headers, body, &abort.0.signal());
            let answer = JsFuture::from(promise.map_err(|thrown| unreachable(&thrown))?).await;
            let response: Response = answer.and_then(JsCast::dyn_into).map_err(|thrown| unreachable(&thrown))?;
            let header = |name: &str| response.headers().get(name).ok().flatten();
            Ok(Reply {
                status: response.status(),
                date: header("Date")
                    .and_then(|date| Timestamp::parse_http_date(&date))
                    .or_else(|| own_clock(&response)),
                retry_after: header("Retry-After").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
                body: body_of(&response, abort),
            })
        })
    }

    fn socket(&self, path: String) -> LocalBoxStream<'static, Message> {
        let (tell, told) = mpsc::unbounded();
        let say = |message: fn(JsValue) -> Option<Message>| {
            let tell = tell.clone();
            move |data: JsValue| {
                if let Some(message) = message(data) {
                    let _ = tell.unbounded_send(message);
                }
            }
        };
        let opened = say(|_| Some(Message::Open));
        let on_open = Closure::<dyn FnMut()>::new(move || opened(JsValue::UNDEFINED));
        let on_message = Closure::<dyn FnMut(JsValue)>::new(say(|data| data.as_string().map(Message::Text)));
        let ended = tell.clone();
        let on_close = Closure::<dyn FnMut(u16, String)>::new(move |code, reason| {
            let _ = ended.unbounded_send(Message::Closed { code, reason });
            ended.close_channel();
        });
        let socket = self.0.socket(&path, &js_sys::Array::new(), &on_open, &on_message, &on_close);
        if let Err(thrown) = &socket {
            let _ = tell.unbounded_send(Message::Closed { code: 1006, reason: words(thrown) });
            tell.close_channel();
        }
        let open = OpenSocket { socket: socket.ok(), _on_open: on_open, _on_message: on_message, _on_close: on_close };
        stream::unfold((told, open), |(mut told, open)| async move { Some((told.next().await?, (told, open))) })
            .boxed_local()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        sleep(duration)
    }

    fn elapsed(&self) -> Duration {
        elapsed()
    }

    fn jitter(&self) -> f64 {
        js_sys::Math::random()
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }
}

/// The browser's clock, for an answer of the server that doesn't show the server's: on the desktop the page is a file,
/// and CORS hides `Date` from it. What Headlamp makes of an error has no `Date` anywhere and says nothing of the time.
fn own_clock(response: &Response) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and far from i64's end")]
    let now = Timestamp::from_millis(js_sys::Date::now() as i64);
    response.ok().then_some(now)
}

/// A socket and the closures that it calls, closed together.
struct OpenSocket {
    socket: Option<HostSocket>,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(JsValue)>,
    _on_close: Closure<dyn FnMut(u16, String)>,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = socket.close();
        }
    }
}

/// The body in the pieces in which it comes; dropping it cancels the fetch.
fn body_of(response: &Response, abort: AbortOnDrop) -> LocalBoxStream<'static, Result<Vec<u8>, ApiError>> {
    let Some(body) = response.body() else { return stream::empty().boxed_local() };
    let Ok(reader) = body.get_reader().dyn_into::<ReadableStreamDefaultReader>() else {
        return stream::empty().boxed_local();
    };
    stream::unfold(Some((reader, abort)), |open| async move {
        let (reader, abort) = open?;
        match JsFuture::from(reader.read()).await {
            Ok(result) => {
                let value = Reflect::get(&result, &JsValue::from_str("value")).unwrap_or_default();
                let bytes = value
                    .dyn_ref::<Uint8Array>()
                    .map(Uint8Array::to_vec)
                    .or_else(|| value.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec()))?;
                Some((Ok(bytes), Some((reader, abort))))
            }
            Err(thrown) => Some((Err(unreachable(&thrown)), None)),
        }
    })
    .boxed_local()
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &Closure<dyn FnMut()>, millis: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// A timer that is cleared when it is dropped.
pub struct Timer {
    id: JsValue,
    _handler: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `handler` once, after `duration`.
    #[must_use = "dropping it clears the timer"]
    pub fn once(duration: Duration, handler: impl FnOnce() + 'static) -> Self {
        let handler = Closure::once(handler);
        let id = set_timeout(&handler, i32::try_from(duration.as_millis()).unwrap_or(i32::MAX));
        Self { id, _handler: handler }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

/// Waits by the browser's timer; dropping it clears the timer.
#[must_use]
pub fn sleep(duration: Duration) -> LocalBoxFuture<'static, ()> {
    let (say, said) = futures::channel::oneshot::channel();
    let timer = Timer::once(duration, move || {
        let _ = say.send(());
    });
    Box::pin(async move {
        let _ = said.await;
        drop(timer);
    })
}

/// Time since the page was opened.
#[must_use]
pub fn elapsed() -> Duration {
    Duration::from_secs_f64((performance_now() / 1000.0).max(0.0))
}
