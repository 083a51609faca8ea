//! The page on a real cluster, by the way that `cargo xtask preview --cluster` opens.
//!
//! That way is a secret path of the preview's own origin: whoever knows it acts with the user's rights. It comes in
//! the fragment of the address, which browsers send to nobody, and is taken out of the address bar and the history at
//! once. This tab alone keeps it, so that a reload finds it again.

use std::{pin::Pin, rc::Rc, time::Duration};

use crossview_headlamp::{
    cluster::{ApiError, Message, Reply, Request, Timestamp, Transport},
    host,
};
use futures::{
    Sink, StreamExt,
    future::{LocalBoxFuture, poll_fn},
    stream::{self, LocalBoxStream},
};
use gloo_net::{
    http::{Method, RequestBuilder},
    websocket::{self, State, WebSocketError, futures::WebSocket},
};
use js_sys::{Reflect, Uint8Array};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStream, ReadableStreamDefaultReader, Window};

use crate::{settings::Settings, shown};

/// What the fragment begins with.
const FRAGMENT: &str = "#api=";
/// Under which name the tab keeps the way.
const KEPT: &str = "preview-api";
/// `/`, 128 bits as hexadecimal digits, `/`.
const PREFIX_LENGTH: usize = 34;
/// What a browser says of a WebSocket that it could not open (RFC 6455, section 7.1.5).
const ABNORMAL: u16 = 1006;

/// The way to a real cluster.
pub struct Proxy {
    /// The preview's origin with the secret path, without a `/` at the end.
    http: String,
    /// The same for WebSockets.
    web_socket: String,
}

/// Whether `text` can be the way, and can't lead to another origin.
fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
    text.len() == PREFIX_LENGTH && digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn storage(window: &Window) -> Option<web_sys::Storage> {
    window.session_storage().ok()?
}

/// Takes the way out of the address, if it is there.
fn take_from_address(window: &Window) -> Option<String> {
    let location = window.location();
    let fragment = location.hash().ok()?;
    let prefix = fragment.strip_prefix(FRAGMENT).filter(|text| is_prefix(text))?;
    let rest = [location.pathname().ok()?, location.search().ok()?].concat();
    // Were it left in the address, the page would work all the same.
    let _ = window.history().ok()?.replace_state_with_url(&JsValue::NULL, "", Some(&rest));
    Some(prefix.to_owned())
}

impl Proxy {
    /// The way that the address tells, or told this tab before.
    pub fn announced() -> Option<Self> {
        let window = web_sys::window()?;
        // Another address in the same tab changes nothing but the fragment.
        window_event_listener(leptos::ev::hashchange, |_| {
            if let Some(window) = web_sys::window() {
                let _ = window.location().reload();
            }
        });
        let kept = storage(&window).and_then(|storage| storage.get_item(KEPT).ok()?);
        let told = take_from_address(&window);
        if let (Some(prefix), Some(storage)) = (&told, storage(&window)) {
            // Without it a reload asks for the address again.
            let _ = storage.set_item(KEPT, prefix);
        }
        let prefix = told.or(kept).filter(|text| is_prefix(text))?;
        let location = window.location();
        let scheme = if location.protocol().ok()? == "https:" { "wss://" } else { "ws://" };
        let path = prefix.trim_end_matches('/');
        Some(Self {
            http: [&location.origin().ok()?, path].concat(),
            web_socket: [scheme, &location.host().ok()?, path].concat(),
        })
    }

    /// Shows the page on this cluster.
    pub fn show(self) {
        let leave = |_| {
            let Some(window) = web_sys::window() else { return };
            if let Some(storage) = storage(&window) {
                let _ = storage.remove_item(KEPT);
            }
            let _ = window.location().reload();
        };
        shown::choices(move || {
            view! {
                <span>"Your cluster, through kubectl"</span>
                <button type="button" on:click=leave>"Simulated cluster instead"</button>
            }
        });
        let settings = Settings { cluster: "kubectl", preset: Vec::new() };
        // Stays for as long as the document.
        std::mem::forget(shown::page(Rc::new(settings), Rc::new(self)));
    }
}

/// Aborts the fetch, and with it its body, when it is dropped.
struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn unreachable(reason: impl ToString) -> ApiError {
    ApiError::Unreachable { reason: reason.to_string() }
}

/// The words of an Error, or of whatever else was thrown.
fn broken_off(thrown: &JsValue) -> ApiError {
    let message = thrown.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    unreachable(message.unwrap_or_else(|| "the answer broke off".to_owned()))
}

/// The body in the pieces in which it comes; dropping it ends the fetch.
fn pieces(body: Option<ReadableStream>, abort: AbortOnDrop) -> LocalBoxStream<'static, Result<Vec<u8>, ApiError>> {
    let reader = body.and_then(|body| body.get_reader().dyn_into::<ReadableStreamDefaultReader>().ok());
    stream::unfold(reader.map(|reader| (reader, abort)), |open| async move {
        let (reader, abort) = open?;
        match JsFuture::from(reader.read()).await {
            Ok(result) => {
                let value = Reflect::get(&result, &JsValue::from_str("value")).ok()?;
                let bytes = value.dyn_into::<Uint8Array>().ok()?.to_vec();
                Some((Ok(bytes), Some((reader, abort))))
            }
            Err(thrown) => Some((Err(broken_off(&thrown)), None)),
        }
    })
    .boxed_local()
}

/// How far a socket has come.
enum Course {
    Opening(WebSocket),
    Open(WebSocket),
    Over,
}

async fn next_message(course: Course) -> Option<(Message, Course)> {
    let mut socket = match course {
        Course::Opening(mut socket) => {
            // It says why it closed as a message.
            let _ = poll_fn(|context| Pin::new(&mut socket).poll_ready(context)).await;
            if matches!(socket.state(), State::Open) {
                return Some((Message::Open, Course::Open(socket)));
            }
            socket
        }
        Course::Open(socket) => socket,
        Course::Over => return None,
    };
    let (code, reason) = loop {
        match socket.next().await {
            Some(Ok(websocket::Message::Text(text))) => return Some((Message::Text(text), Course::Open(socket))),
            Some(Err(WebSocketError::ConnectionClose(end))) => break (end.code, end.reason),
            // Kubernetes sends watch events as text; after an error comes the close.
            Some(_) => {}
            None => break (ABNORMAL, String::new()),
        }
    };
    Some((Message::Closed { code, reason }, Course::Over))
}

impl Transport for Proxy {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, ApiError>> {
        let url = [self.http.as_str(), &request.path].concat();
        Box::pin(async move {
            let abort = AbortOnDrop(AbortController::new().map_err(|thrown| broken_off(&thrown))?);
            let method = Method::from_bytes(request.method().as_bytes()).map_err(unreachable)?;
            let mut builder = RequestBuilder::new(&url).method(method).header("Accept", request.accept());
            builder = builder.abort_signal(Some(&abort.0.signal()));
            if let Some(media_type) = request.content_type() {
                builder = builder.header("Content-Type", media_type);
            }
            let built = match request.body_text() {
                Some(body) => builder.body(body),
                None => builder.build(),
            };
            let response = built.map_err(unreachable)?.send().await.map_err(unreachable)?;
            let headers = response.headers();
            let retry_after = headers.get("Retry-After").and_then(|seconds| seconds.parse().ok());
            Ok(Reply {
                status: response.status(),
                date: headers.get("Date").and_then(|date| Timestamp::parse_http_date(&date)),
                retry_after: retry_after.map(Duration::from_secs),
                body: pieces(response.body(), abort),
            })
        })
    }

    fn socket(&self, path: String) -> LocalBoxStream<'static, Message> {
        match WebSocket::open(&[self.web_socket.as_str(), &path].concat()) {
            Ok(socket) => stream::unfold(Course::Opening(socket), next_message).boxed_local(),
            Err(error) => stream::iter([Message::Closed { code: ABNORMAL, reason: error.to_string() }]).boxed_local(),
        }
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        host::sleep(duration)
    }

    fn elapsed(&self) -> Duration {
        host::elapsed()
    }

    fn jitter(&self) -> f64 {
        js_sys::Math::random()
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }
}
