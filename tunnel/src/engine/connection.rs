//! Port-forwards: when one is opened, to which pod, what it carries, and what becomes of that when it ends.

use std::time::Duration;

use super::exchange::{Exchange, Kind, Stage};
use super::{Action, CLOSING, Engine, IDLE, Lost, OPENING, PATIENCE, Reply, SPARED, Told, Trouble};
use crate::forward::{self, ForwardDecoder, Piece};
use crate::http::response::{Event, ResponseDecoder};
use crate::policy::{MAX_CONNECTIONS, MAX_UNSENT};
use crate::websocket::frame::{self, FrameDecoder};
use crate::websocket::{ABNORMAL, Close, NO_CODE};

/// How long the answer which pods are ready is good for: the connections of one page that opens come together.
const ROUND: Duration = Duration::from_secs(2);
/// How long the answer may take.
const ASKING: Duration = Duration::from_secs(15);
/// The wait after all pods have been tried in vain; it doubles from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// See [`FIRST_WAIT`].
const LAST_WAIT: Duration = Duration::from_secs(4);
/// The most pods that are tried.
const MAX_PODS: usize = 32;

#[derive(Debug)]
pub(super) struct Connection {
    pub number: u32,
    pod: String,
    forward: ForwardDecoder,
    pub work: Work,
    /// When it was asked for, or its work began.
    pub since: Duration,
    /// See [`Engine::set_unsent`].
    pub unsent: usize,
    /// Whether it has carried a whole response: the app may end such a connection when it likes.
    used: bool,
    /// Whether the app has said anything on it.
    heard: bool,
    /// What kubelet said of its end.
    words: Option<String>,
}

#[derive(Debug)]
pub(super) enum Work {
    Opening,
    Idle,
    Answer {
        exchange: u32,
        decoder: ResponseDecoder,
    },
    Socket {
        /// The frame's number of it.
        id: u32,
        frames: FrameDecoder,
        /// Whether the frame has ended it.
        closing: bool,
    },
}

/// What is known of the pods.
#[derive(Debug, Default)]
pub(super) struct Pods {
    asked: Asked,
    /// Those that took no connection since one did.
    tried: Vec<String>,
    /// The last wait, since a pod answered.
    wait: Option<Duration>,
    /// When it is over; [`None`] once it is.
    until: Option<Duration>,
    trouble: Option<Trouble>,
}

#[derive(Debug, Default)]
enum Asked {
    #[default]
    Not,
    /// Since then.
    Asking(Duration),
    /// The answer, and when it came.
    Known(Vec<String>, Duration),
}

impl Engine {
    /// The answer to [`Action::AskPods`]: names of ready pods, the best first, or why there is no answer.
    pub fn pods(&mut self, pods: Result<Vec<String>, String>, now: Duration) {
        if self.over || !matches!(self.pods.asked, Asked::Asking(_)) {
            return;
        }
        match pods {
            Ok(mut pods) => {
                pods.truncate(MAX_PODS);
                self.pods.asked = Asked::Known(pods, now);
            }
            Err(words) => {
                self.pods.trouble = Some(Trouble::Pods(words));
                self.wait(now);
            }
        }
        self.schedule(now);
    }

    /// A port-forward is open.
    pub fn opened(&mut self, connection: u32, now: Duration) {
        if let Some(connection) = self.connections.iter_mut().find(|own| own.number == connection)
            && matches!(connection.work, Work::Opening)
        {
            connection.work = Work::Idle;
            connection.since = now;
            self.schedule(now);
        }
    }

    /// A message came on a port-forward.
    pub fn received(&mut self, connection: u32, message: &[u8], now: Duration) {
        let Some(mut connection) = self.take_connection(connection) else { return };
        match connection.forward.decode(message) {
            Ok(Piece::Data([])) => {
                let number = connection.number;
                self.connections.push(connection);
                self.opened(number, now);
            }
            Ok(Piece::Data(bytes)) => {
                let number = connection.number;
                match self.carry(connection, bytes, now) {
                    Some(connection) => self.connections.push(connection),
                    None => self.actions.push(Action::Close { connection: number }),
                }
            }
            Ok(Piece::Error(words)) => {
                let trouble = Trouble::Kubelet { pod: connection.pod.clone(), words: words.clone() };
                connection.words = Some(words);
                self.actions.push(Action::Close { connection: connection.number });
                self.lost(connection, trouble, now);
            }
            Err(error) => {
                self.actions.push(Action::Close { connection: connection.number });
                connection.words = Some(String::new());
                self.lost(connection, error.into(), now);
            }
        }
        self.schedule(now);
    }

    /// A port-forward has ended, or couldn't be opened.
    pub fn closed(&mut self, connection: u32, code: u16, reason: &str, now: Duration) {
        let Some(connection) = self.take_connection(connection) else { return };
        let reason = frame::cut(reason, 200).to_owned();
        let trouble = Trouble::Closed { pod: connection.pod.clone(), code, reason };
        self.lost(connection, trouble, now);
        self.schedule(now);
    }

    /// When [`Engine::tick`] is wanted; [`None`] when nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let connections = self.connections.iter().filter_map(deadline_of);
        let asking = match self.pods.asked {
            Asked::Asking(since) => Some(since.saturating_add(ASKING)),
            _ => None,
        };
        let waits = self.exchanges.iter().any(|exchange| exchange.stage == Stage::Queued);
        let wait = self.pods.until.filter(|_| waits);
        let is_spared = |exchange: &&Exchange| exchange.stage == Stage::Queued && !exchange.hurried;
        let spared = self.exchanges.iter().filter(is_spared).map(spared_until);
        connections.chain(asking).chain(wait).chain(spared).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        let is_due = |connection: &Connection| deadline_of(connection).is_some_and(|at| at <= now);
        while let Some(at) = self.connections.iter().position(is_due) {
            let connection = self.connections.swap_remove(at);
            self.actions.push(Action::Close { connection: connection.number });
            let trouble = Trouble::Slow(connection.pod.clone());
            self.lost(connection, trouble, now);
        }
        if let Asked::Asking(since) = self.pods.asked
            && since.saturating_add(ASKING) <= now
        {
            self.pods.trouble = Some(Trouble::Pods("no answer".to_owned()));
            self.wait(now);
        }
        self.schedule(now);
    }

    pub(super) fn take_connection(&mut self, number: u32) -> Option<Connection> {
        let at = self.connections.iter().position(|own| own.number == number)?;
        Some(self.connections.swap_remove(at))
    }

    pub(super) fn send(&mut self, connection: u32, bytes: &[u8]) {
        let messages = forward::messages(bytes).map(|message| Action::Send { connection, message });
        self.actions.extend(messages);
    }

    /// Gives what waits to connections that don't carry anything, and opens more where there is need.
    pub(super) fn schedule(&mut self, now: Duration) {
        if self.over {
            return;
        }
        for at in 0..self.exchanges.len() {
            self.assign(at, now);
        }
        let is_busy = self.connections.iter().any(|own| matches!(own.work, Work::Answer { .. }));
        for exchange in &mut self.exchanges {
            exchange.hurried |= !is_busy || exchange.unanswered > 0 || spared_until(exchange) <= now;
        }
        let is_waiting = |exchange: &&Exchange| exchange.stage == Stage::Queued && exchange.hurried;
        let waiting = self.exchanges.iter().filter(is_waiting).count();
        let count = |is: fn(&Work) -> bool| self.connections.iter().filter(|own| is(&own.work)).count();
        let opening = count(|work| matches!(work, Work::Opening));
        let carrying = count(|work| !matches!(work, Work::Socket { .. }));
        let mut wanted = waiting.saturating_sub(opening).min(MAX_CONNECTIONS.saturating_sub(carrying));
        if waiting > opening
            && wanted == 0
            && let Some(at) = self.connections.iter().position(|own| matches!(own.work, Work::Idle))
        {
            // A request that needs a new connection: one that idles isn't good enough for it, or it would have it.
            let connection = self.connections.swap_remove(at);
            self.actions.push(Action::Close { connection: connection.number });
            wanted = 1;
        }
        self.pods.until = self.pods.until.filter(|until| now < *until);
        if wanted == 0 || self.pods.until.is_some() {
            return;
        }
        match self.best_pod(now) {
            Ok(pod) => {
                for _ in 0..wanted {
                    self.connect(pod.clone(), now);
                }
            }
            Err(true) => {
                self.pods.asked = Asked::Asking(now);
                self.actions.push(Action::AskPods);
            }
            Err(false) => {}
        }
    }

    /// Gives a request that waits to a connection that is free: the one that was used last, since an app ends those that
    /// weren't.
    fn assign(&mut self, at: usize, now: Duration) {
        let Some(exchange) = self.exchanges.get_mut(at).filter(|exchange| exchange.stage == Stage::Queued) else {
            return;
        };
        let free = self.connections.iter_mut().filter(|connection| {
            matches!(connection.work, Work::Idle) && !(connection.used && exchange.unanswered > 0)
        });
        let Some(connection) = free.max_by_key(|connection| connection.since) else { return };
        let decoder = ResponseDecoder::new(exchange.expect());
        connection.work = Work::Answer { exchange: exchange.number, decoder };
        connection.since = now;
        let number = connection.number;
        exchange.stage = Stage::Sent(number);
        let mut request = exchange.head.clone();
        request.append(&mut exchange.body);
        self.send(number, &request);
    }

    /// Where the next connection goes; the error says whether the pods have to be asked for.
    fn best_pod(&mut self, now: Duration) -> Result<String, bool> {
        let untried = |pod: &&String| !self.pods.tried.contains(pod);
        let heard = self.connections.iter().filter(|own| own.heard).map(|own| &own.pod);
        if let Some(pod) = heard.rev().find(untried) {
            return Ok(pod.clone());
        }
        match &self.pods.asked {
            Asked::Asking(_) => Err(false),
            Asked::Known(pods, at) if now.saturating_sub(*at) < ROUND => {
                if let Some(pod) = pods.iter().find(untried) {
                    return Ok(pod.clone());
                }
                if pods.is_empty() {
                    self.pods.trouble = Some(Trouble::NoPod);
                }
                self.wait(now);
                Err(false)
            }
            Asked::Not | Asked::Known(..) => Err(true),
        }
    }

    fn connect(&mut self, pod: String, now: Duration) {
        let number = self.number();
        self.statistics.connected = self.statistics.connected.saturating_add(1);
        self.connections.push(Connection {
            number,
            pod: pod.clone(),
            forward: ForwardDecoder::new(self.port),
            work: Work::Opening,
            since: now,
            unsent: 0,
            used: false,
            heard: false,
            words: None,
        });
        self.actions.push(Action::Connect { connection: number, pod });
    }

    /// Every pod has been tried: later again, and those that have waited for long wait no more.
    fn wait(&mut self, now: Duration) {
        let wait = self.pods.wait.map_or(FIRST_WAIT, |last| (last * 2).min(LAST_WAIT));
        self.pods.wait = Some(wait);
        self.pods.until = Some(now.saturating_add(wait));
        self.pods.asked = Asked::Not;
        self.pods.tried.clear();
        let Some(trouble) = self.pods.trouble.clone() else { return };
        self.tell(Told::Trouble(trouble.clone()));
        let impatient =
            |exchange: &&Exchange| exchange.stage == Stage::Queued && exchange.since.saturating_add(PATIENCE) <= now;
        while let Some(number) = self.exchanges.iter().find(impatient).map(|exchange| exchange.number) {
            self.fail(number, &trouble);
        }
    }

    /// A pod takes no connection.
    fn avoid(&mut self, pod: String, trouble: Trouble) {
        self.tell(Told::Trouble(trouble.clone()));
        self.pods.trouble = Some(trouble);
        if !self.pods.tried.contains(&pod) {
            self.pods.tried.push(pod);
        }
        if matches!(self.pods.asked, Asked::Known(..)) {
            self.pods.asked = Asked::Not;
        }
    }

    /// The bytes of the app on a connection, which is given back unless it is to be closed.
    fn carry(&mut self, mut connection: Connection, mut bytes: &[u8], now: Duration) -> Option<Connection> {
        if !connection.heard {
            connection.heard = true;
            self.pods.tried.clear();
            self.pods.wait = None;
            self.pods.until = None;
            self.pods.trouble = None;
            self.tell(Told::Pod(connection.pod.clone()));
        }
        loop {
            match &mut connection.work {
                // Nobody has asked: what comes now could be taken for the answer to the next request.
                Work::Opening | Work::Idle => return None,
                Work::Socket { id, frames, closing } => {
                    let (id, closing) = (*id, *closing);
                    let own = (connection.number, connection.unsent);
                    let goes_on = self.listen(own, id, frames, closing, bytes);
                    return goes_on.then_some(connection);
                }
                Work::Answer { exchange, decoder } => {
                    let exchange = *exchange;
                    match decoder.decode(&mut bytes) {
                        Ok(None) => return Some(connection),
                        Ok(Some(Event::Head(head))) => {
                            let handshake = self.exchange(exchange).and_then(|own| match &own.kind {
                                Kind::Socket(handshake) => Some((own.id, handshake.protocol(&head))),
                                Kind::Fetch(_) => None,
                            });
                            match handshake {
                                None => {
                                    if let Err(error) = self.answer(exchange, head, now) {
                                        self.fail(exchange, &error);
                                        return None;
                                    }
                                }
                                Some((id, Ok(protocol))) => {
                                    self.exchanges.retain(|own| own.number != exchange);
                                    self.post(Reply::SocketOpen { id, protocol });
                                    connection.work =
                                        Work::Socket { id, frames: FrameDecoder::default(), closing: false };
                                }
                                Some((_, Err(error))) => {
                                    self.fail(exchange, &error);
                                    return None;
                                }
                            }
                        }
                        Ok(Some(Event::Data(data))) => {
                            if let Err(error) = self.body(exchange, data) {
                                self.fail(exchange, &error);
                                return None;
                            }
                        }
                        Ok(Some(Event::End { reusable })) => {
                            self.end(exchange);
                            connection.used = true;
                            connection.work = Work::Idle;
                            connection.since = now;
                            // What comes behind an answer, nobody has asked for.
                            return if reusable && bytes.is_empty() { Some(connection) } else { None };
                        }
                        Err(error) => {
                            self.fail(exchange, &error);
                            return None;
                        }
                    }
                }
            }
        }
    }

    /// The bytes of the app on a WebSocket, of which so many of ours wait to be sent; whether it goes on.
    fn listen(
        &mut self,
        (connection, unsent): (u32, usize),
        id: u32,
        frames: &mut FrameDecoder,
        closing: bool,
        mut bytes: &[u8],
    ) -> bool {
        loop {
            match frames.decode(&mut bytes) {
                Ok(None) => return true,
                // After it has closed it a page hears no more messages.
                Ok(Some(frame::Event::Message(_))) if closing => {}
                Ok(Some(frame::Event::Message(data))) => {
                    self.statistics.bytes += data.len() as u64;
                    self.post(Reply::SocketMessage { id, data });
                }
                // An app that asks and doesn't listen gets no answer.
                Ok(Some(frame::Event::Ping(_))) if unsent > MAX_UNSENT => {}
                Ok(Some(frame::Event::Ping(payload))) => {
                    let pong = frame::pong(&payload, self.mask());
                    self.send(connection, &pong);
                }
                Ok(Some(frame::Event::Close(close))) => {
                    if !closing {
                        let echo = close.as_ref().map(|close| Close { code: close.code, reason: String::new() });
                        let echo = frame::closing(echo.as_ref(), self.mask());
                        self.send(connection, &echo);
                    }
                    let Close { code, reason } = close.unwrap_or(Close { code: NO_CODE, reason: String::new() });
                    self.post(Reply::SocketClosed { id, code, reason, clean: true });
                    return false;
                }
                Err(fault) => {
                    let close = Close { code: fault.code(), reason: String::new() };
                    let closing = frame::closing(Some(&close), self.mask());
                    self.send(connection, &closing);
                    let reason = super::words(&fault);
                    self.post(Reply::SocketClosed { id, code: ABNORMAL, reason, clean: false });
                    return false;
                }
            }
        }
    }

    /// A connection is no more; what becomes of what it carried.
    fn lost(&mut self, connection: Connection, trouble: Trouble, now: Duration) {
        let failed = connection.words.is_some();
        match connection.work {
            Work::Opening => self.avoid(connection.pod, trouble),
            // The app may end what isn't used. That it never took the connection is worth knowing.
            Work::Idle if !connection.heard && failed => self.avoid(connection.pod, trouble),
            Work::Idle => {}
            Work::Socket { id, closing, .. } => {
                // Who has closed it already knows why.
                let reason = if closing { String::new() } else { super::words(&trouble) };
                self.post(Reply::SocketClosed { id, code: ABNORMAL, reason, clean: false });
            }
            Work::Answer { exchange, decoder } if decoder.has_begun() => {
                let mut decoder = decoder;
                match decoder.close() {
                    _ if failed => self.fail(exchange, &trouble),
                    Ok(_) => self.end(exchange),
                    Err(error) => self.fail(exchange, &error),
                }
            }
            Work::Answer { exchange: number, .. } => {
                if !connection.used {
                    self.avoid(connection.pod, trouble.clone());
                }
                let Some(exchange) = self.exchange(number) else { return };
                exchange.unanswered += 1;
                // Where kubelet has said that nobody took the connection, the app hasn't seen the request; else it is
                // sent a second time, on a new connection, and no third time.
                let again = if failed && !connection.used {
                    exchange.since.saturating_add(PATIENCE) > now
                } else {
                    exchange.unanswered < 2
                };
                if exchange.repeatable && again {
                    exchange.stage = Stage::Queued;
                } else if connection.used {
                    self.fail(number, &Lost::Unanswered);
                } else {
                    self.fail(number, &trouble);
                }
            }
        }
    }
}

/// When a request is worth a connection of its own.
fn spared_until(exchange: &Exchange) -> Duration {
    exchange.since.saturating_add(SPARED)
}

fn deadline_of(connection: &Connection) -> Option<Duration> {
    let limit = match connection.work {
        Work::Opening => OPENING,
        Work::Idle => IDLE,
        Work::Socket { closing: true, .. } => CLOSING,
        Work::Answer { .. } | Work::Socket { closing: false, .. } => return None,
    };
    Some(connection.since.saturating_add(limit))
}
