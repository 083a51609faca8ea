//! One request with its answer, from the frame's order to the last byte that the frame has taken.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::{Action, Engine, Lost, Reply, words};
use crate::cache::{Entry, MAX_ENTRY};
use crate::http::joined;
use crate::http::request::Method;
use crate::http::response::{Expect, Head};
use crate::policy::headers::Asked;
use crate::policy::path::AppPath;
use crate::policy::{self, MAX_HELD, MAX_HELD_IN_ALL, WINDOW};
use crate::websocket::ABNORMAL;
use crate::websocket::handshake::Handshake;

/// How large a piece of an answer gets by what comes behind it: apps that speak in crumbs cost the frame no message for
/// each.
const PIECE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Exchange {
    /// The engine's number of it.
    pub number: u32,
    /// The frame's.
    pub id: u32,
    pub kind: Kind,
    pub stage: Stage,
    pub head: Vec<u8>,
    /// Empty once it has been sent.
    pub body: Vec<u8>,
    /// Whether it may be sent again when nobody knows what became of it.
    pub repeatable: bool,
    /// How often it has been sent without an answer.
    pub unanswered: u8,
    /// When it came.
    pub since: Duration,
    /// Whether it is worth a connection of its own.
    pub hurried: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Fetch(Box<Fetch>),
    /// It becomes the work of a connection once it is open.
    Socket(Handshake),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for a connection.
    Queued,
    /// On the connection of this number.
    Sent(u32),
    /// The response is whole; the frame hasn't taken all of it.
    Whole,
}

#[derive(Debug)]
pub(super) struct Fetch {
    pub method: Method,
    path: AppPath,
    asked: Asked,
    cached: Option<Cached>,
    /// How many bytes the frame has, but hasn't used.
    unacked: usize,
    held: Vec<Vec<u8>>,
    pub held_bytes: usize,
}

/// What the cache has to do with a fetch.
#[derive(Debug)]
pub(super) struct Cached {
    pub key: String,
    /// What was known, and is asked about.
    pub known: Option<Rc<Entry>>,
    /// What may be kept, and the body so far.
    pub keeping: Option<(Entry, Vec<u8>)>,
}

impl Exchange {
    pub fn new(
        number: u32,
        id: u32,
        kind: Kind,
        head: Vec<u8>,
        body: Vec<u8>,
        repeatable: bool,
        since: Duration,
    ) -> Self {
        Self { number, id, kind, stage: Stage::Queued, head, body, repeatable, unanswered: 0, since, hurried: false }
    }

    pub fn is_socket(&self) -> bool {
        matches!(self.kind, Kind::Socket(_))
    }

    pub fn expect(&self) -> Expect {
        match &self.kind {
            Kind::Socket(_) => Expect::Upgrade,
            Kind::Fetch(fetch) if fetch.method == Method::Head => Expect::NoBody,
            Kind::Fetch(_) => Expect::Body,
        }
    }
}

impl Fetch {
    pub fn new(method: Method, path: AppPath, asked: Asked, cached: Option<Cached>) -> Self {
        Self { method, path, asked, cached, unacked: 0, held: Vec::new(), held_bytes: 0 }
    }
}

impl Engine {
    pub(super) fn exchange(&mut self, number: u32) -> Option<&mut Exchange> {
        self.exchanges.iter_mut().find(|exchange| exchange.number == number)
    }

    /// The head of the answer to a fetch. An error is the end of it.
    pub(super) fn answer(&mut self, number: u32, head: Head, now: Duration) -> Result<(), policy::AnswerError> {
        let cache = self.cache.clone();
        let scope = joined(&[&self.scope, " "]);
        let Some(Exchange { id, kind: Kind::Fetch(fetch), .. }) = self.exchange(number) else { return Ok(()) };
        let passed_on = policy::answer(head.status, &head.headers, &fetch.path, &fetch.asked)?;
        let mut cache = cache.borrow_mut();
        if let Some(cached) = &mut fetch.cached {
            if let (304, Some(known)) = (head.status, &cached.known) {
                let entry = Rc::new(known.confirmed(&head.headers, &passed_on, now));
                cache.put(std::mem::take(&mut cached.key), entry.clone());
                drop(cache);
                self.answer_from_memory(number, &entry);
                return Ok(());
            }
            cache.remove(&cached.key);
            cached.keeping = Entry::of(&head, &passed_on, now).map(|entry| (entry, Vec::new()));
        } else if fetch.method.may_have_body() && head.status < 400 {
            // RFC 9111, 4.4: what was changed isn't what was kept.
            for mark in ["", "gzip "] {
                cache.remove(&joined(&[&scope, mark, fetch.path.as_str()]));
            }
        }
        let id = *id;
        drop(cache);
        let headers = passed_on.as_slice().to_vec();
        self.post(Reply::Head { id, status: head.status, reason: head.reason, headers });
        Ok(())
    }

    /// Head and body of what was kept; the end is the caller's.
    pub(super) fn answer_from_memory(&mut self, number: u32, entry: &Entry) {
        self.statistics.cached = self.statistics.cached.saturating_add(1);
        let Some(exchange) = self.exchange(number) else { return };
        let id = exchange.id;
        let headers = entry.headers.as_slice().to_vec();
        self.post(Reply::Head { id, status: 200, reason: entry.reason.clone(), headers });
        for piece in entry.body.chunks(PIECE) {
            if !self.hand_over(number, piece) {
                return self.fail(number, &Lost::Unread);
            }
        }
    }

    /// A piece of the body from the app.
    pub(super) fn body(&mut self, number: u32, data: &[u8]) -> Result<(), Lost> {
        self.statistics.bytes += data.len() as u64;
        let Some(Exchange { kind: Kind::Fetch(fetch), .. }) = self.exchange(number) else { return Ok(()) };
        if let Some(cached) = &mut fetch.cached {
            match &mut cached.keeping {
                Some((_, body)) if body.len() + data.len() <= MAX_ENTRY => body.extend_from_slice(data),
                keeping => *keeping = None,
            }
        }
        if self.hand_over(number, data) { Ok(()) } else { Err(Lost::Unread) }
    }

    /// Gives a piece to the frame, or keeps it until the frame wants it; `false` when that is more than may be kept.
    fn hand_over(&mut self, number: u32, data: &[u8]) -> bool {
        let held_in_all = self.held;
        let Some(Exchange { id, kind: Kind::Fetch(fetch), .. }) = self.exchange(number) else { return true };
        let id = *id;
        if fetch.held.is_empty() && fetch.unacked < WINDOW {
            fetch.unacked += data.len();
            match self.actions.last_mut() {
                Some(Action::Post(Reply::Chunk { id: last, data: before }))
                    if *last == id && before.len() + data.len() <= PIECE =>
                {
                    before.extend_from_slice(data);
                }
                _ => self.post(Reply::Chunk { id, data: data.to_vec() }),
            }
            return true;
        }
        match fetch.held.last_mut() {
            Some(before) if before.len() + data.len() <= PIECE => before.extend_from_slice(data),
            _ => fetch.held.push(data.to_vec()),
        }
        fetch.held_bytes += data.len();
        let bearable = fetch.held_bytes <= MAX_HELD && held_in_all + data.len() <= MAX_HELD_IN_ALL;
        self.held += data.len();
        bearable
    }

    /// The frame has used so many bytes.
    pub(super) fn ack(&mut self, id: u32, bytes: usize) {
        let Some(at) = self.exchange_of(id, false) else { return };
        let Some(Exchange { number, stage, kind: Kind::Fetch(fetch), .. }) = self.exchanges.get_mut(at) else { return };
        fetch.unacked = fetch.unacked.saturating_sub(bytes);
        while fetch.unacked < WINDOW && !fetch.held.is_empty() {
            let data = fetch.held.remove(0);
            fetch.unacked += data.len();
            fetch.held_bytes -= data.len();
            self.held -= data.len();
            self.actions.push(Action::Post(Reply::Chunk { id, data }));
        }
        if *stage == Stage::Whole && fetch.held.is_empty() {
            let number = *number;
            self.end(number);
        }
    }

    /// The answer is whole.
    pub(super) fn end(&mut self, number: u32) {
        let cache = self.cache.clone();
        let Some(exchange) = self.exchange(number) else { return };
        exchange.stage = Stage::Whole;
        let Kind::Fetch(fetch) = &mut exchange.kind else { return };
        if let Some(Cached { key, keeping, .. }) = &mut fetch.cached
            && let Some((entry, body)) = keeping.take()
        {
            cache.borrow_mut().put(std::mem::take(key), Rc::new(entry.with_body(body.into())));
        }
        if fetch.held.is_empty()
            && let Some(at) = self.exchanges.iter().position(|exchange| exchange.number == number)
        {
            let Exchange { id, .. } = self.forget(at);
            self.post(Reply::End { id });
        }
    }

    /// It comes to nothing.
    pub(super) fn fail(&mut self, number: u32, error: &dyn fmt::Display) {
        let Some(at) = self.exchanges.iter().position(|exchange| exchange.number == number) else { return };
        let exchange = self.forget(at);
        let (id, message) = (exchange.id, words(error));
        self.post(match exchange.kind {
            Kind::Fetch(_) => Reply::Error { id, message },
            Kind::Socket(_) => Reply::SocketClosed { id, code: ABNORMAL, reason: message, clean: false },
        });
    }
}
