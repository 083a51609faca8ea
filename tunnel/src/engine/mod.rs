//! What answers a frame: its requests go to a pod over a few port-forwards that are kept and shared.
//!
//! No I/O: whatever happens is told to an [`Engine`] by one of its functions, with the time; what is to be done then comes
//! out of [`Engine::take_actions`]. [`Engine::deadline`] says when it wants to be woken by [`Engine::tick`].
//!
//! What always holds: each fetch that isn't cancelled ends in one [`Reply::End`] or [`Reply::Error`], each socket in one
//! [`Reply::SocketClosed`]; nothing of the frame reaches a connection but through [`crate::policy`]; what is kept for a frame
//! is bounded, whatever frame, pod and API server say.

mod connection;
mod exchange;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::cache::{Cache, Wish};
use crate::forward::ForwardError;
use crate::http::joined;
use crate::http::request::{Method, Request};
use crate::policy::path::AppPath;
use crate::policy::{self, Allowed, Refusal};
use crate::websocket::handshake::Handshake;
use crate::websocket::{ABNORMAL, Close, Data, frame};

use connection::{Connection, Pods, Work};
use exchange::{Cached, Exchange, Fetch, Kind, Stage};

/// How long a port-forward may take to open.
pub const OPENING: Duration = Duration::from_secs(10);
/// How long a connection without a request is kept.
pub const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for a connection that is busy before one more is opened. That takes three parties and some
/// 30 ms, and most answers of an app are there before.
pub const SPARED: Duration = Duration::from_millis(20);
/// How long a request waits for a pod that takes it, while others are tried.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How long the app may take to answer the end of a WebSocket.
pub const CLOSING: Duration = Duration::from_secs(3);

/// What a frame asks for; the messages of its port that concern the network. Identifiers are the frame's own, one row of
/// numbers for fetches and one for sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of fetch and WebSocket")]
pub enum Order {
    /// A request.
    Fetch { id: u32, method: String, path: String, headers: Vec<(String, String)>, body: Option<Vec<u8>> },
    /// A request that is too long, or too odd, to be read.
    Unreadable { id: u32 },
    /// Nothing more is wanted of a request.
    Cancel { id: u32 },
    /// So many bytes of a response's body have been used.
    Ack { id: u32, bytes: usize },
    /// A WebSocket.
    Socket { id: u32, path: String, protocols: Vec<String> },
    /// A message on it.
    SocketSend { id: u32, data: Data },
    /// Its end.
    SocketClose { id: u32, code: Option<u16>, reason: String },
}

/// What a frame is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of Response and WebSocket")]
pub enum Reply {
    /// A response begins.
    Head { id: u32, status: u16, reason: String, headers: Vec<(String, String)> },
    /// A piece of its body.
    Chunk { id: u32, data: Vec<u8> },
    /// It is whole.
    End { id: u32 },
    /// It failed, before or after its head.
    Error { id: u32, message: String },
    /// A WebSocket is open.
    SocketOpen { id: u32, protocol: String },
    /// A message on it.
    SocketMessage { id: u32, data: Data },
    /// It has ended, or never was. The reason of a code 1006 is ours.
    SocketClosed { id: u32, code: u16, reason: String, clean: bool },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask which pods are ready, and tell [`Engine::pods`].
    AskPods,
    /// Open a port-forward, and tell [`Engine::opened`], [`Engine::received`] and [`Engine::closed`].
    Connect {
        /// The engine's number of it.
        connection: u32,
        /// The name of the pod, as it was given.
        pod: String,
    },
    /// Send a message on a port-forward.
    Send {
        /// The engine's number of it.
        connection: u32,
        /// Its channel, and bytes.
        message: Vec<u8>,
    },
    /// Close a port-forward, and tell nothing of it any more.
    Close {
        /// The engine's number of it.
        connection: u32,
    },
    /// Tell the frame.
    Post(Reply),
    /// Tell the person.
    Tell(Told),
}

/// What a person may want to know; each holds until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The pod that has answered.
    Pod(String),
    /// Why no pod does. It is tried again by itself.
    Trouble(Trouble),
}

/// Why there is no connection to a pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The pods can't be listed; the words are those of whoever was asked.
    #[error("the pods can't be read: {0}")]
    Pods(String),
    /// There are none.
    #[error("no pod of Crossview is ready")]
    NoPod,
    /// A port-forward that didn't open, or ended before the app said anything.
    #[error("the port-forward to the pod {pod} ended ({code}){}{reason}", if reason.is_empty() { "" } else { ": " })]
    Closed {
        /// The pod.
        pod: String,
        /// The code of the WebSocket's end.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// Over [`OPENING`].
    #[error("the port-forward to the pod {0} does not open")]
    Slow(String),
    /// What kubelet says on the error channel, such as that nobody listens.
    #[error("the pod {pod} takes no connection: {words}")]
    Kubelet {
        /// The pod.
        pod: String,
        /// Kubelet's words.
        words: String,
    },
    /// The other side doesn't speak the protocol.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// Why a response is given up; the rest is in [`crate::http::response::HttpError`] and [`policy::AnswerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    /// A request that may have been carried out isn't sent twice.
    #[error("the connection ended before the app answered")]
    Unanswered,
    /// Over [`policy::MAX_HELD`].
    #[error("the page does not read the app's answer, and it is too long to be kept")]
    Unread,
    /// Over [`policy::MAX_UNSENT`] or [`policy::MAX_UNSENT_IN_ALL`].
    #[error("the app does not take what it is sent, and it is too much to be kept")]
    Unsent,
}

/// Figures of one tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Requests that were allowed, those answered from memory too.
    pub requests: u32,
    /// Requests that were answered from memory, without a question or after one.
    pub cached: u32,
    /// Bytes of bodies and messages from the app.
    pub bytes: u64,
    /// Orders that were not carried out.
    pub refused: u32,
    /// WebSockets of the app that are open.
    pub sockets: u32,
    /// Port-forwards that are open or being opened, those of the sockets too.
    pub connections: u32,
    /// Port-forwards that ever were.
    pub connected: u32,
}

/// Fills bytes with what nobody can guess.
pub type Random = fn(&mut [u8]);

/// A cache that several tunnels share, one after the other.
pub type SharedCache = Rc<RefCell<Cache>>;

/// The tunnel of one frame.
#[derive(Debug)]
pub struct Engine {
    port: u16,
    random: Random,
    cache: SharedCache,
    /// What stands before each key of the cache: apps don't share.
    scope: String,
    /// In the order in which they came.
    exchanges: Vec<Exchange>,
    connections: Vec<Connection>,
    pods: Pods,
    /// Numbers of exchanges and connections.
    last: u32,
    /// The bytes that are held for the frame, of all responses.
    held: usize,
    /// Of all port-forwards; see [`Engine::set_unsent`].
    unsent: usize,
    told: Option<Told>,
    statistics: Statistics,
    actions: Vec<Action>,
    over: bool,
}

impl Engine {
    /// A tunnel to `port` of the pods that it will be told of. `scope` names the app among those that share `cache`.
    #[must_use]
    pub fn new(port: u16, random: Random, cache: SharedCache, scope: &str) -> Self {
        Self {
            port,
            random,
            cache,
            scope: scope.to_owned(),
            exchanges: Vec::new(),
            connections: Vec::new(),
            pods: Pods::default(),
            last: 0,
            held: 0,
            unsent: 0,
            told: None,
            statistics: Statistics::default(),
            actions: Vec::new(),
            over: false,
        }
    }

    /// What is to be done, in order; to be asked for after each call that has a `now`, and after [`Engine::close`].
    #[must_use]
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The figures at this moment.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let sockets = self.connections.iter().filter(|connection| matches!(connection.work, Work::Socket { .. }));
        #[expect(clippy::cast_possible_truncation, reason = "their numbers are capped far below")]
        Statistics { sockets: sockets.count() as u32, connections: self.connections.len() as u32, ..self.statistics }
    }

    /// Whether a port-forward is still wanted.
    #[must_use]
    pub fn has(&self, connection: u32) -> bool {
        self.connections.iter().any(|own| own.number == connection)
    }

    /// How many bytes of what was sent are still in the browser, of all port-forwards; to be told before
    /// [`Engine::receive`] and [`Engine::received`]. A browser takes all that it is given to send, and an app that doesn't
    /// read would have it keep that for ever.
    ///
    /// `of_each` names port-forwards and their bytes; those that were closed count, too.
    pub fn set_unsent(&mut self, of_each: impl IntoIterator<Item = (u32, usize)>) {
        self.unsent = 0;
        for (number, bytes) in of_each {
            self.unsent = self.unsent.saturating_add(bytes);
            if let Some(connection) = self.connections.iter_mut().find(|own| own.number == number) {
                connection.unsent = bytes;
            }
        }
    }

    /// Something of the frame's that could not even be read as an order.
    pub fn refuse(&mut self) {
        self.statistics.refused = self.statistics.refused.saturating_add(1);
    }

    /// An order of the frame.
    pub fn receive(&mut self, order: Order, now: Duration) {
        if self.over {
            return;
        }
        match order {
            Order::Fetch { id, .. } if self.exchange_of(id, false).is_some() => self.refuse(),
            Order::Fetch { id, method, path, headers, body } => {
                if let Err(refusal) = self.fetch(id, &method, &path, &headers, body, now) {
                    self.refuse();
                    self.post(Reply::Error { id, message: words(&refusal) });
                }
            }
            Order::Unreadable { id } if self.exchange_of(id, false).is_some() => self.refuse(),
            Order::Unreadable { id } => {
                self.refuse();
                self.post(Reply::Error { id, message: words(&Refusal::Unreadable) });
            }
            Order::Cancel { id } => self.cancel(id),
            Order::Ack { id, bytes } => self.ack(id, bytes),
            Order::Socket { id, .. } if self.exchange_of(id, true).is_some() || self.socket_of(id).is_some() => {
                self.refuse();
            }
            Order::Socket { id, path, protocols } => {
                if let Err(refusal) = self.socket(id, &path, protocols, now) {
                    self.refuse();
                    self.post(Reply::SocketClosed { id, code: ABNORMAL, reason: words(&refusal), clean: false });
                }
            }
            Order::SocketSend { id, data } => self.socket_send(id, &data),
            Order::SocketClose { id, code, reason } => self.socket_close(id, code, reason, now),
        }
        self.schedule(now);
    }

    /// Ends everything. Nothing is posted or told any more, and nothing that is said is heard.
    pub fn close(&mut self) {
        self.over = true;
        self.exchanges.clear();
        self.actions.clear();
        self.pods = Pods::default();
        for connection in std::mem::take(&mut self.connections) {
            self.actions.push(Action::Close { connection: connection.number });
        }
    }

    fn fetch(
        &mut self,
        id: u32,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Option<Vec<u8>>,
        now: Duration,
    ) -> Result<(), Refusal> {
        let Allowed { method, path, asked } = policy::fetch(method, path, headers, body.as_ref().map(Vec::len))?;
        let body = body.unwrap_or_default();
        let waiting: usize = self.exchanges.iter().map(|exchange| exchange.body.len()).sum();
        let is_too_much = waiting + body.len() > policy::MAX_BODIES
            || self.unsent.saturating_add(body.len()) > policy::MAX_UNSENT_IN_ALL;
        if !body.is_empty() && is_too_much {
            return Err(Refusal::TooMuch);
        }
        if self.exchanges.iter().filter(|exchange| !exchange.is_socket()).count() >= policy::MAX_FETCHES {
            return Err(Refusal::TooMany);
        }
        self.statistics.requests = self.statistics.requests.saturating_add(1);

        let wish = if method == Method::Get { Wish::of(&asked.headers) } else { Wish::Nothing };
        let key = self.key(&path, asked.gzip);
        let known = if wish == Wish::Nothing { None } else { self.cache.borrow_mut().get(&key) };
        let mut fields = asked.to_send();
        fields.extend(known.iter().flat_map(|entry| entry.conditions()));
        let length = (method.may_have_body()).then_some(body.len());
        let head = Request { method, path: &path, headers: &fields, length }.to_bytes();
        let fresh = known.clone().filter(|entry| entry.is_fresh(wish, now));
        let cached = (wish != Wish::Nothing).then_some(Cached { key, known, keeping: None });
        let number = self.number();
        let fetch = Fetch::new(method, path, asked, cached);
        let repeatable = method.may_be_repeated();
        self.exchanges.push(Exchange::new(number, id, Kind::Fetch(Box::new(fetch)), head, body, repeatable, now));
        if let Some(entry) = fresh {
            self.answer_from_memory(number, &entry);
            self.end(number);
        }
        Ok(())
    }

    fn socket(&mut self, id: u32, path: &str, protocols: Vec<String>, now: Duration) -> Result<(), Refusal> {
        let path: AppPath = path.parse()?;
        policy::protocols(&protocols)?;
        let open = self.connections.iter().filter(|connection| matches!(connection.work, Work::Socket { .. })).count();
        let opening = self.exchanges.iter().filter(|exchange| exchange.is_socket()).count();
        if open + opening >= policy::MAX_SOCKETS {
            return Err(Refusal::TooMany);
        }
        let mut nonce = [0; 16];
        (self.random)(&mut nonce);
        let handshake = Handshake::new(nonce, protocols);
        let head = Request { method: Method::Get, path: &path, headers: &handshake.headers(), length: None }.to_bytes();
        let number = self.number();
        self.exchanges.push(Exchange::new(number, id, Kind::Socket(handshake), head, Vec::new(), true, now));
        Ok(())
    }

    fn cancel(&mut self, id: u32) {
        let Some(at) = self.exchange_of(id, false) else { return };
        let exchange = self.forget(at);
        self.drop_connection_of(&exchange);
    }

    fn socket_send(&mut self, id: u32, data: &Data) {
        let mask = self.mask();
        let bearable_in_all = self.unsent.saturating_add(data.len()) <= policy::MAX_UNSENT_IN_ALL;
        let Some(connection) = self.socket_of(id) else { return self.refuse() };
        let bearable = bearable_in_all && connection.unsent.saturating_add(data.len()) <= policy::MAX_UNSENT;
        let number = connection.number;
        match &connection.work {
            Work::Socket { closing: false, .. } if !bearable && data.len() <= frame::MAX_MESSAGE => {
                self.connections.retain(|own| own.number != number);
                self.actions.push(Action::Close { connection: number });
                self.post(Reply::SocketClosed { id, code: ABNORMAL, reason: words(&Lost::Unsent), clean: false });
            }
            Work::Socket { closing: false, .. } if data.len() <= frame::MAX_MESSAGE => {
                self.send(number, &frame::message(data, mask));
            }
            // Browsers, too, drop what comes after the end.
            Work::Socket { closing: true, .. } => {}
            _ => self.refuse(),
        }
    }

    fn socket_close(&mut self, id: u32, code: Option<u16>, reason: String, now: Duration) {
        if let Some(at) = self.exchange_of(id, true) {
            let exchange = self.forget(at);
            self.drop_connection_of(&exchange);
            self.post(Reply::SocketClosed {
                id,
                code: ABNORMAL,
                reason: "the page closed it before it was open".to_owned(),
                clean: false,
            });
            return;
        }
        // What a page may say: <https://websockets.spec.whatwg.org/#dom-websocket-close>.
        let close = code.filter(|code| matches!(code, 1000 | 3000..=4999)).map(|code| Close { code, reason });
        let mask = self.mask();
        let Some(connection) = self.socket_of(id) else { return };
        let number = connection.number;
        if let Work::Socket { closing: closing @ false, .. } = &mut connection.work {
            *closing = true;
            connection.since = now;
            self.send(number, &frame::closing(close.as_ref(), mask));
        }
    }

    fn key(&self, path: &AppPath, gzip: bool) -> String {
        joined(&[&self.scope, if gzip { " gzip " } else { " " }, path.as_str()])
    }

    fn number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    fn mask(&self) -> [u8; 4] {
        let mut mask = [0; 4];
        (self.random)(&mut mask);
        mask
    }

    fn post(&mut self, reply: Reply) {
        self.actions.push(Action::Post(reply));
    }

    fn tell(&mut self, told: Told) {
        if self.told.as_ref() != Some(&told) {
            self.told = Some(told.clone());
            self.actions.push(Action::Tell(told));
        }
    }

    /// Where the exchange is that the frame calls `id`.
    fn exchange_of(&self, id: u32, socket: bool) -> Option<usize> {
        self.exchanges.iter().position(|exchange| exchange.id == id && exchange.is_socket() == socket)
    }

    /// The connection of the open WebSocket that the frame calls `id`.
    fn socket_of(&mut self, id: u32) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|connection| matches!(connection.work, Work::Socket { id: own, .. } if own == id))
    }

    /// Takes an exchange away.
    fn forget(&mut self, at: usize) -> Exchange {
        let exchange = self.exchanges.remove(at);
        if let Kind::Fetch(fetch) = &exchange.kind {
            self.held -= fetch.held_bytes;
        }
        exchange
    }

    /// A connection whose response nobody wants can't be used for the next.
    fn drop_connection_of(&mut self, exchange: &Exchange) {
        if let Stage::Sent(number) = exchange.stage
            && let Some(connection) = self.take_connection(number)
        {
            self.actions.push(Action::Close { connection: connection.number });
        }
    }
}

/// The words for an app that meets with an error of the tunnel: they name who speaks.
fn words(error: &dyn fmt::Display) -> String {
    joined(&["Crossview in Headlamp: ", &error.to_string()])
}
