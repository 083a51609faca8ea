//! Where the engine meets the browser: messages of the frame's port, the host's sockets, the clock, chance.
//!
//! Declares the little that it needs of JavaScript by itself: js-sys brings a function for each type of closure that it
//! knows, used or not (2 kB compressed).
//!
//! Decides nothing. What comes from the frame is read as an [`Order`] or not at all; before anything of it is copied, its
//! length has been looked at. Each action of the engine is carried out after the engine has been let go, so whoever is
//! called may call back at once.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

use crate::cache::Cache;
use crate::engine::{Action, Engine, Order, Reply, SharedCache, Told};
use crate::forward::{self, Destination};
use crate::policy;
use crate::websocket::{ABNORMAL, Data, frame};

/// One type for all that JavaScript calls: each costs glue.
type Callback = Closure<dyn Fn(JsValue, JsValue)>;

#[wasm_bindgen]
extern "C" {
    /// What the page lends; its TypeScript type is in plugin-shim/src/tunnel/.
    pub type Connector;

    /// A WebSocket to the API server, as `Host.socket` in plugin-shim/src/page/host.ts.
    #[wasm_bindgen(method, catch)]
    fn socket(
        this: &Connector,
        path: &str,
        protocols: &Array,
        on_open: &Callback,
        on_message: &Callback,
        on_close: &Callback,
    ) -> Result<HostSocket, JsValue>;

    /// The names of the app's ready pods, the best first.
    #[wasm_bindgen(method, catch)]
    fn pods(this: &Connector) -> Result<Array, JsValue>;

    /// As setTimeout; whatever comes out of the call is the page's to hear of.
    #[wasm_bindgen(method)]
    fn later(this: &Connector, callback: &Callback, milliseconds: f64) -> JsValue;

    #[wasm_bindgen(method, getter)]
    fn namespace(this: &Connector) -> String;

    #[wasm_bindgen(method, getter, js_name = containerPort)]
    fn container_port(this: &Connector) -> u16;

    /// The app's name among all that this page ever opens (cluster, namespace and release); tunnels with the same one
    /// share what is kept. Without one, nothing is shared.
    #[wasm_bindgen(method, getter)]
    fn app(this: &Connector) -> Option<String>;

    /// Hears of the pod that answers, and of trouble.
    #[wasm_bindgen(method, catch)]
    fn told(this: &Connector, state: &Object) -> Result<(), JsValue>;

    type HostSocket;

    #[wasm_bindgen(method, catch)]
    fn send(this: &HostSocket, message: &Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &HostSocket) -> Result<(), JsValue>;

    /// Bytes that were sent and have not left the browser.
    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    fn buffered_amount(this: &HostSocket) -> f64;

    /// The page's end of the frame's port.
    pub type Port;

    #[wasm_bindgen(method, catch, js_name = postMessage)]
    fn post(this: &Port, message: &Object, transfer: &Array) -> Result<(), JsValue>;

    /// Any object, by the names of its fields.
    type Object;

    #[wasm_bindgen(constructor)]
    fn new() -> Object;

    #[wasm_bindgen(method, structural, indexing_getter)]
    fn get(this: &Object, name: &str) -> JsValue;

    #[wasm_bindgen(method, structural, indexing_setter)]
    fn set(this: &Object, name: &str, value: &JsValue);

    type Array;

    #[wasm_bindgen(constructor)]
    fn new() -> Array;

    #[wasm_bindgen(method, getter)]
    fn length(this: &Array) -> u32;

    #[wasm_bindgen(method, structural, indexing_getter)]
    fn get(this: &Array, index: u32) -> JsValue;

    #[wasm_bindgen(method)]
    fn push(this: &Array, item: &JsValue) -> u32;

    type ArrayBuffer;

    #[wasm_bindgen(method, getter, js_name = byteLength)]
    fn byte_length(this: &ArrayBuffer) -> usize;

    type Uint8Array;

    #[wasm_bindgen(constructor)]
    fn of(buffer: &ArrayBuffer) -> Uint8Array;

    /// With a copy of the bytes.
    #[wasm_bindgen(constructor)]
    fn copy_of(bytes: &[u8]) -> Uint8Array;

    #[wasm_bindgen(method, getter)]
    fn buffer(this: &Uint8Array) -> JsValue;

    #[wasm_bindgen(js_namespace = ["Uint8Array", "prototype", "set"], js_name = call)]
    fn copy(to: &mut [u8], from: &Uint8Array);

    /// A primitive string, by its length in UTF-16 units.
    #[wasm_bindgen(is_type_of = JsValue::is_string)]
    type Text;

    #[wasm_bindgen(method, getter)]
    fn length(this: &Text) -> u32;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn random(bytes: &mut [u8]);
}

std::thread_local! {
    /// Outlives the tunnels, so that returning is fast; it never outlives the page.
    static CACHE: SharedCache = Rc::new(RefCell::new(Cache::default()));
    /// Sockets that were closed and may have something to send, of all tunnels.
    static ENDED: RefCell<Vec<HostSocket>> = const { RefCell::new(Vec::new()) };
}

/// No connection of any engine has this number.
const NOBODY: u32 = 0;
/// The longest text of an order that is looked at; what is longer than it may be, but not longer than this, is refused with
/// a reply.
const MAX_TEXT: u32 = 64 << 10;
/// The most headers that are looked at.
const MAX_HEADERS: u32 = 256;

/// The tunnel of one frame.
#[wasm_bindgen]
pub struct Tunnel(Rc<Shell>);

struct Shell {
    me: Weak<Self>,
    engine: RefCell<Engine>,
    connector: Connector,
    port: Port,
    links: RefCell<Vec<Link>>,
    /// When the timer goes off that runs, and what stops it.
    timer: RefCell<Option<(Duration, JsValue)>>,
    on_time: Callback,
    acting: Cell<bool>,
}

/// A port-forward and what it calls, which end together.
struct Link {
    connection: u32,
    socket: HostSocket,
    _callbacks: [Callback; 3],
}

#[wasm_bindgen]
impl Tunnel {
    /// Answers what comes out of `port`'s other end over `connector`; [`Tunnel::receive`] has to be given it.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(connector: Connector, port: Port) -> Self {
        let (cache, scope) = match connector.app() {
            Some(app) => (CACHE.with(Rc::clone), app),
            None => (SharedCache::default(), String::new()),
        };
        let fill: fn(&mut [u8]) = |bytes| random(bytes);
        let engine = Engine::new(connector.container_port(), fill, cache, &scope);
        Self(Rc::new_cyclic(|me| Shell {
            me: me.clone(),
            engine: RefCell::new(engine),
            connector,
            port,
            links: RefCell::default(),
            timer: RefCell::default(),
            on_time: Call::Time.by(me),
            acting: Cell::new(false),
        }))
    }

    /// One message of the frame. What can't be read is dropped and counted.
    pub fn receive(&self, message: &JsValue) {
        let mut order = read_order(message);
        let unsent = self.0.unsent();
        self.0.act(&mut |engine, now| match order.take() {
            Some(order) => {
                engine.set_unsent(unsent.iter().copied());
                engine.receive(order, now);
            }
            None => engine.refuse(),
        });
    }

    /// Ends every connection. Nothing is posted or told any more.
    pub fn close(&self) {
        self.0.act(&mut |engine, _| engine.close());
        if let Some((_, timer)) = self.0.timer.take() {
            clear_timeout(&timer);
        }
    }

    /// `{requests, cached, bytes, refused, sockets, connections, connected}`: see
    /// [`Statistics`](crate::engine::Statistics).
    #[must_use]
    pub fn statistics(&self) -> JsValue {
        let statistics = self.0.engine.borrow().statistics();
        #[expect(clippy::cast_precision_loss, reason = "a page that has got 2^53 bytes is not to be expected")]
        let bytes = statistics.bytes as f64;
        object(&[
            ("requests", statistics.requests.into()),
            ("cached", statistics.cached.into()),
            ("bytes", bytes.into()),
            ("refused", statistics.refused.into()),
            ("sockets", statistics.sockets.into()),
            ("connections", statistics.connections.into()),
            ("connected", statistics.connected.into()),
        ])
        .into()
    }

    /// Whether the frame can be at this address of the app: see [`policy::path::is_address`].
    #[wasm_bindgen(js_name = isPath)]
    #[must_use]
    pub fn is_path(path: &JsValue) -> bool {
        text(path, MAX_TEXT).is_some_and(|path| policy::path::is_address(&path))
    }

    /// Whether the app may keep `value` as `key`, where it keeps `stored` UTF-16 units under other keys. `null` removes.
    #[must_use]
    pub fn storable(key: &JsValue, value: &JsValue, stored: f64) -> bool {
        let length = |text: &JsValue| text.dyn_ref::<Text>().map(|text| text.length() as usize);
        let Some(key) = length(key) else { return false };
        let stored_is_known = stored >= 0.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast to an integer saturates")]
        let stored = stored as usize;
        value.is_null()
            || stored_is_known && length(value).is_some_and(|value| policy::storable(key.saturating_add(value), stored))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shell {
    /// Tells the engine something, and does what follows.
    fn act(&self, tell: &mut dyn FnMut(&mut Engine, Duration)) {
        tell(&mut self.engine.borrow_mut(), now());
        // Called from within an action: whoever carries it out goes on.
        if self.acting.replace(true) {
            return;
        }
        loop {
            let actions = self.engine.borrow_mut().take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.perform(action);
            }
        }
        self.acting.set(false);
        self.set_timer();
    }

    fn perform(&self, action: Action) {
        match action {
            Action::AskPods => self.ask_pods(),
            Action::Connect { connection, pod } => {
                if let Err(words) = self.connect(connection, &pod) {
                    self.act(&mut |engine, now| engine.closed(connection, ABNORMAL, &words, now));
                }
            }
            Action::Send { connection, message } => {
                if let Some(link) = self.links.borrow().iter().find(|link| link.connection == connection) {
                    // A socket that can't send ends, and says so.
                    let _ = link.socket.send(&Uint8Array::copy_of(&message));
                }
            }
            Action::Close { connection } => {
                if let Some(link) = self.unlink(connection) {
                    let _ = link.socket.close();
                    ENDED.with_borrow_mut(|ended| ended.push(link.socket));
                }
            }
            Action::Post(reply) => {
                let (message, transfer) = write_reply(reply);
                let _ = self.port.post(&message, &transfer);
            }
            Action::Tell(told) => {
                let _ = self.connector.told(&match told {
                    Told::Pod(pod) => object(&[("pod", pod.into())]),
                    Told::Trouble(trouble) => object(&[("trouble", trouble.to_string().into())]),
                });
            }
        }
    }

    fn connect(&self, connection: u32, pod: &str) -> Result<(), String> {
        let namespace = self.connector.namespace();
        let destination = Destination { namespace: &namespace, pod, port: self.connector.container_port() };
        let path = destination.path().ok_or("expected the name of a pod of Kubernetes")?;
        let callbacks = [Call::Open(connection), Call::Message(connection), Call::Close(connection)];
        let callbacks = callbacks.map(|call| call.by(&self.me));
        let [on_open, on_message, on_close] = &callbacks;
        let protocols = list([forward::PROTOCOL.into()]);
        let socket = self
            .connector
            .socket(&path, &protocols, on_open, on_message, on_close)
            .map_err(|thrown| words_of(&thrown))?;
        if self.engine.borrow().has(connection) {
            self.links.borrow_mut().push(Link { connection, socket, _callbacks: callbacks });
        } else {
            // It ended before it was there.
            let _ = socket.close();
        }
        Ok(())
    }

    fn called(&self, call: Call, first: &JsValue, second: &JsValue) {
        match call {
            Call::Open(connection) => self.act(&mut |engine, now| engine.opened(connection, now)),
            Call::Message(connection) => {
                // Text can't belong to this protocol, nor can nothing.
                let message = bytes(first, usize::MAX).unwrap_or_default();
                let unsent = self.unsent();
                self.act(&mut |engine, now| {
                    engine.set_unsent(unsent.iter().copied());
                    engine.received(connection, &message, now);
                });
            }
            Call::Close(connection) => {
                let link = self.unlink(connection);
                let code = whole(first).and_then(|code| u16::try_from(code).ok()).unwrap_or(ABNORMAL);
                let reason = text(second, MAX_TEXT).unwrap_or_default();
                self.act(&mut |engine, now| engine.closed(connection, code, &reason, now));
                drop(link);
            }
            Call::Time => {
                self.timer.take();
                self.act(&mut |engine, now| engine.tick(now));
            }
        }
    }

    fn unlink(&self, connection: u32) -> Option<Link> {
        let mut links = self.links.borrow_mut();
        let at = links.iter().position(|link| link.connection == connection)?;
        Some(links.swap_remove(at))
    }

    fn ask_pods(&self) {
        let names = self.connector.pods().map_err(|thrown| words_of(&thrown));
        let mut pods = Some(names.map(|names| names.items().filter_map(|name| text(&name, MAX_TEXT)).collect()));
        self.act(&mut |engine, now| {
            if let Some(pods) = pods.take() {
                engine.pods(pods, now);
            }
        });
    }

    /// Bytes that were sent and have not left the browser, by connection.
    fn unsent(&self) -> Vec<(u32, usize)> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast to an integer saturates")]
        let of = |socket: &HostSocket| socket.buffered_amount() as usize;
        let mut unsent: Vec<_> = self.links.borrow().iter().map(|link| (link.connection, of(&link.socket))).collect();
        ENDED.with_borrow_mut(|ended| {
            ended.retain(|socket| of(socket) > 0);
            unsent.extend(ended.iter().map(|socket| (NOBODY, of(socket))));
        });
        unsent
    }

    /// A timer that goes off no later than the engine wants to be woken; too early does no harm.
    fn set_timer(&self) {
        let Some(deadline) = self.engine.borrow().deadline() else { return };
        let mut timer = self.timer.borrow_mut();
        if let Some((at, running)) = timer.as_ref() {
            if *at <= deadline {
                return;
            }
            clear_timeout(running);
        }
        let wait = deadline.saturating_sub(now()).as_secs_f64() * 1000.0 + 1.0;
        *timer = Some((deadline, self.connector.later(&self.on_time, wait)));
    }
}

/// What JavaScript calls. One function for all: each closure of its own costs a quarter of a kilobyte.
#[derive(Clone, Copy)]
enum Call {
    Open(u32),
    Message(u32),
    Close(u32),
    Time,
}

impl Call {
    /// A function for JavaScript that does nothing once the tunnel is gone.
    fn by(self, shell: &Weak<Shell>) -> Callback {
        let shell = shell.clone();
        Closure::new(move |first, second| {
            if let Some(shell) = shell.upgrade() {
                shell.called(self, &first, &second);
            }
        })
    }
}

fn now() -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is positive and small")]
    Duration::from_millis(milliseconds() as u64)
}

/// An error's message, or a text.
fn words_of(thrown: &JsValue) -> String {
    let message = if thrown.is_object() { get(thrown, "message") } else { thrown.clone() };
    text(&message, MAX_TEXT).unwrap_or_else(|| "no reason given".to_owned())
}

/// A field of what is an object; messages come as plain data, so nothing of theirs is called.
fn get(object: &JsValue, name: &str) -> JsValue {
    object.unchecked_ref::<Object>().get(name)
}

impl Array {
    fn items(&self) -> impl Iterator<Item = JsValue> {
        (0..self.length()).map(|index| self.get(index))
    }
}

fn list<const LENGTH: usize>(items: [JsValue; LENGTH]) -> Array {
    let list = Array::new();
    for item in &items {
        list.push(item);
    }
    list
}

/// A text of at most so many UTF-16 units.
fn text(value: &JsValue, limit: u32) -> Option<String> {
    value.dyn_ref::<Text>().filter(|text| text.length() <= limit).and_then(|text| text.as_string())
}

/// A whole number of the frame's.
fn whole(value: &JsValue) -> Option<u32> {
    let number = value.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and is compared")]
    let whole = number as u32;
    (f64::from(whole).to_bits() == number.to_bits()).then_some(whole)
}

/// Bytes of at most so many.
fn bytes(value: &JsValue, limit: usize) -> Option<Vec<u8>> {
    let buffer = value.dyn_ref::<ArrayBuffer>().filter(|buffer| buffer.byte_length() <= limit)?;
    let mut bytes = vec![0; buffer.byte_length()];
    copy(&mut bytes, &Uint8Array::of(buffer));
    Some(bytes)
}

fn texts(value: &JsValue, most: u32) -> Option<Vec<String>> {
    let list = value.dyn_ref::<Array>().filter(|list| list.length() <= most)?;
    list.items().map(|item| text(&item, MAX_TEXT)).collect()
}

/// [`None`] for what isn't of the frame's messages to the tunnel.
fn read_order(message: &JsValue) -> Option<Order> {
    if !message.is_object() {
        return None;
    }
    let get = |name| get(message, name);
    let id = whole(&get("id"))?;
    match text(&get("t"), 20)?.as_str() {
        "fetch" => Some(read_fetch(id, &get).unwrap_or(Order::Unreadable { id })),
        "cancel" => Some(Order::Cancel { id }),
        "ack" => Some(Order::Ack { id, bytes: whole(&get("bytes"))? as usize }),
        "socket" => {
            let protocols = texts(&get("protocols"), MAX_HEADERS)?;
            Some(Order::Socket { id, path: text(&get("path"), MAX_TEXT)?, protocols })
        }
        "socket-send" => Some(Order::SocketSend { id, data: read_data(&get("data"))? }),
        "socket-close" => {
            let code = whole(&get("code")).and_then(|code| u16::try_from(code).ok());
            Some(Order::SocketClose { id, code, reason: text(&get("reason"), MAX_TEXT).unwrap_or_default() })
        }
        _ => None,
    }
}

fn read_fetch(id: u32, get: &dyn Fn(&'static str) -> JsValue) -> Option<Order> {
    let headers = get("headers");
    let headers = headers.dyn_ref::<Array>().filter(|headers| headers.length() <= MAX_HEADERS)?;
    let headers = headers.items().map(|header| {
        let [name, value] = texts(&header, 2)?.try_into().ok()?;
        Some((name, value))
    });
    let body = get("body");
    Some(Order::Fetch {
        id,
        method: text(&get("method"), MAX_TEXT)?,
        path: text(&get("path"), MAX_TEXT)?,
        headers: headers.collect::<Option<_>>()?,
        body: if body.is_undefined() || body.is_null() { None } else { Some(bytes(&body, policy::MAX_BODIES)?) },
    })
}

fn read_data(value: &JsValue) -> Option<Data> {
    if value.is_string() {
        #[expect(clippy::cast_possible_truncation, reason = "it is far below")]
        return text(value, frame::MAX_MESSAGE as u32).map(Data::Text);
    }
    bytes(value, frame::MAX_MESSAGE).map(Data::Binary)
}

/// The message, and what of it goes over without a copy.
fn write_reply(reply: Reply) -> (Object, Array) {
    let transfer = Array::new();
    let buffer = |bytes: &[u8]| -> JsValue {
        let buffer = Uint8Array::copy_of(bytes).buffer();
        transfer.push(&buffer);
        buffer
    };
    let message = match reply {
        Reply::Head { id, status, reason, headers } => {
            let fields = Array::new();
            for (name, value) in headers {
                fields.push(&list([name.into(), value.into()]));
            }
            object(&[
                ("t", "head".into()),
                ("id", id.into()),
                ("status", status.into()),
                ("statusText", reason.into()),
                ("headers", fields.into()),
            ])
        }
        Reply::Chunk { id, data } => object(&[("t", "chunk".into()), ("id", id.into()), ("data", buffer(&data))]),
        Reply::End { id } => object(&[("t", "end".into()), ("id", id.into())]),
        Reply::Error { id, message } => {
            object(&[("t", "error".into()), ("id", id.into()), ("message", message.into())])
        }
        Reply::SocketOpen { id, protocol } => {
            object(&[("t", "socket-open".into()), ("id", id.into()), ("protocol", protocol.into())])
        }
        Reply::SocketMessage { id, data } => {
            let data = match data {
                Data::Text(text) => text.into(),
                Data::Binary(bytes) => buffer(&bytes),
            };
            object(&[("t", "socket-message".into()), ("id", id.into()), ("data", data)])
        }
        Reply::SocketClosed { id, code, reason, clean } => object(&[
            ("t", "socket-closed".into()),
            ("id", id.into()),
            ("code", code.into()),
            ("reason", reason.into()),
            ("clean", clean.into()),
        ]),
    };
    (message, transfer)
}

fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        object.set(name, value);
    }
    object
}
