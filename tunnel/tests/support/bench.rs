//! A frame, an API server and an app around an engine, all of them played by a test; time is virtual.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crossview_tunnel::engine::{Action, Engine, Order, Reply, SharedCache, Statistics, Told};

/// The port of the app.
pub const PORT: u16 = 3001;
/// What each channel begins with.
pub const PORT_BYTES: [u8; 2] = PORT.to_le_bytes();

pub struct Bench {
    pub engine: Engine,
    pub now: Duration,
    /// What the frame has been told, and nobody has looked at yet.
    pub replies: VecDeque<Reply>,
    /// Port-forwards that were asked for, and nobody has looked at yet: number and pod.
    pub connects: VecDeque<(u32, String)>,
    /// What has been sent on each, and nobody has looked at yet.
    pub sent: BTreeMap<u32, Vec<u8>>,
    /// Port-forwards that were closed by the engine.
    pub closed: Vec<u32>,
    /// How often the pods have been asked for.
    pub asked: usize,
    pub told: Vec<Told>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(SharedCache::default(), "app")
    }

    pub fn with(cache: SharedCache, scope: &str) -> Self {
        Self {
            engine: Engine::new(PORT, |bytes| bytes.fill(7), cache, scope),
            now: Duration::ZERO,
            replies: VecDeque::new(),
            connects: VecDeque::new(),
            sent: BTreeMap::new(),
            closed: Vec::new(),
            asked: 0,
            told: Vec::new(),
        }
    }

    pub fn order(&mut self, order: Order) {
        self.engine.receive(order, self.now);
        self.drain();
    }

    pub fn get(&mut self, id: u32, path: &str) {
        self.fetch(id, "GET", path, &[]);
    }

    pub fn fetch(&mut self, id: u32, method: &str, path: &str, headers: &[(&str, &str)]) {
        self.order(fetch(id, method, path, headers, None));
    }

    pub fn post(&mut self, id: u32, path: &str, body: &[u8]) {
        self.order(fetch(id, "POST", path, &[], Some(body.to_vec())));
    }

    pub fn pods(&mut self, pods: &[&str]) {
        self.engine.pods(Ok(pods.iter().map(|pod| (*pod).to_owned()).collect()), self.now);
        self.drain();
    }

    pub fn no_pods(&mut self, words: &str) {
        self.engine.pods(Err(words.to_owned()), self.now);
        self.drain();
    }

    pub fn open(&mut self, connection: u32) {
        self.engine.opened(connection, self.now);
        self.message(connection, &[&[0], &PORT_BYTES[..]].concat());
        self.message(connection, &[&[1], &PORT_BYTES[..]].concat());
    }

    /// The pods are named, where they are asked for, and each port-forward that was asked for opens; their numbers.
    pub fn connect(&mut self, pod: &str) -> Vec<u32> {
        self.pods(&[pod]);
        let mut numbers = Vec::new();
        while let Some((number, _)) = self.connects.pop_front() {
            self.open(number);
            numbers.push(number);
        }
        numbers
    }

    pub fn message(&mut self, connection: u32, message: &[u8]) {
        self.engine.received(connection, message, self.now);
        self.drain();
    }

    /// The app says something.
    pub fn app(&mut self, connection: u32, bytes: impl AsRef<[u8]>) {
        self.message(connection, &[&[0], bytes.as_ref()].concat());
    }

    /// Kubelet says something.
    pub fn kubelet(&mut self, connection: u32, words: &str) {
        self.message(connection, &[&[1], words.as_bytes()].concat());
    }

    /// A port-forward ends by itself.
    pub fn end(&mut self, connection: u32) {
        self.engine.closed(connection, 1006, "", self.now);
        self.drain();
    }

    /// Time passes; the engine is woken when it wants to be.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.engine.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.engine.tick(self.now);
            self.drain();
            assert!(self.engine.deadline() != Some(deadline), "a timer is no loop");
        }
        self.now = end;
    }

    /// What has been sent on a connection since this was last asked.
    pub fn taken(&mut self, connection: u32) -> String {
        String::from_utf8(self.sent.remove(&connection).unwrap_or_default()).unwrap()
    }

    /// What the frame was told since this was last asked, in short.
    pub fn heard(&mut self) -> Vec<String> {
        self.replies.drain(..).map(|reply| short(&reply)).collect()
    }

    pub fn statistics(&self) -> Statistics {
        self.engine.statistics()
    }

    pub fn drain(&mut self) {
        for action in self.engine.take_actions() {
            match action {
                Action::AskPods => self.asked += 1,
                Action::Connect { connection, pod } => self.connects.push_back((connection, pod)),
                Action::Send { connection, message } => {
                    assert_eq!(message[0], 0, "the channel of data");
                    self.sent.entry(connection).or_default().extend_from_slice(&message[1..]);
                }
                Action::Close { connection } => self.closed.push(connection),
                Action::Post(reply) => self.replies.push_back(reply),
                Action::Tell(told) => self.told.push(told),
            }
        }
    }
}

pub fn fetch(id: u32, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Order {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Order::Fetch { id, method: method.to_owned(), path: path.to_owned(), headers, body }
}

/// A reply in a line.
pub fn short(reply: &Reply) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match reply {
        Reply::Head { id, status, .. } => format!("{id} {status}"),
        Reply::Chunk { id, data } if data.len() > 40 => format!("{id} {} bytes", data.len()),
        Reply::Chunk { id, data } => format!("{id} {:?}", text(data)),
        Reply::End { id } => format!("{id} end"),
        Reply::Error { id, message } => {
            format!("{id} error: {}", message.trim_start_matches("Crossview in Headlamp: "))
        }
        Reply::SocketOpen { id, protocol } => format!("{id} open {protocol:?}"),
        Reply::SocketMessage { id, data } => format!("{id} {data:?}"),
        Reply::SocketClosed { id, code, reason, clean } => {
            let reason = reason.trim_start_matches("Crossview in Headlamp: ");
            format!("{id} closed {code} {reason:?}{}", if *clean { "" } else { " unclean" })
        }
    }
}
