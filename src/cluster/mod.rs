//! One Kubernetes cluster over whatever carries requests to it.
//!
//! [`Transport`] is all that the rest knows of the outside: Headlamp's host in the page, a proxy in the preview
//! and in native tests, the simulated cluster, or a script. Nothing here knows a browser, and no clock is read
//! but the transport's.

mod error;
pub mod json;
mod narrow;
mod request;
mod time;
mod watch;

use std::{cell::Cell, rc::Rc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, LocalBoxFuture, abortable},
    stream::LocalBoxStream,
};
use serde_json::Value;

pub(crate) use self::narrow::narrow;
pub use self::{
    error::ApiError,
    narrow::{Narrow, Texts},
    request::{FIELD_MANAGER, Kind, Request, Selector, Verb},
    time::Timestamp,
    watch::{Change, Watch, follow},
};

/// What carries requests to one cluster, and the time that passes meanwhile.
///
/// Everything a transport hands out stops when it is dropped: a future cancels its request, a stream closes its
/// socket.
pub trait Transport {
    /// Sends a request. An error means that nothing answered; every HTTP status is a [`Reply`].
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, ApiError>>;

    /// Opens a WebSocket at `path` (a watch: one text message an event).
    fn socket(&self, path: String) -> LocalBoxStream<'static, Message>;

    /// Waits.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;

    /// Time since any fixed moment; never runs backwards.
    fn elapsed(&self) -> Duration;

    /// Between 0 and 1: spreads retries of many pages.
    fn jitter(&self) -> f64;

    /// Runs a task on its own until it ends.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
}

/// An HTTP answer, its body still to come.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Date` header: the API server's clock. Absent where the host hides headers (Headlamp does on errors).
    pub date: Option<Timestamp>,
    /// The `Retry-After` header.
    pub retry_after: Option<Duration>,
    /// The body in pieces as they come; an error ends it.
    pub body: LocalBoxStream<'static, Result<Vec<u8>, ApiError>>,
}

impl Reply {
    /// The whole body as text; what isn't UTF-8 is replaced.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn text(mut self) -> Result<String, ApiError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.body.next().await {
            bytes.extend(piece?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What comes out of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The handshake went well.
    Open,
    /// One text frame.
    Text(String),
    /// The end; nothing follows.
    Closed {
        /// RFC 6455, section 7.4; 1006 where the browser says nothing more.
        code: u16,
        /// The peer's words, often none.
        reason: String,
    },
}

/// Ends its task when it is dropped.
#[must_use = "dropping it ends the task"]
#[derive(Debug)]
pub struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One cluster: a transport, and what was learnt of the server's clock on the way.
#[derive(Clone)]
pub struct Client {
    transport: Rc<dyn Transport>,
    /// The server's time when [`Transport::elapsed`] was zero, by its last answer.
    clock: Rc<Cell<Option<i64>>>,
    /// When the server last answered anything, by [`Transport::elapsed`].
    heard: Rc<Cell<Option<Duration>>>,
}

impl Client {
    /// A client on `transport`.
    #[must_use]
    pub fn new(transport: Rc<dyn Transport>) -> Self {
        Self { transport, clock: Rc::default(), heard: Rc::default() }
    }

    /// The API server's clock; `None` until it has answered once.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        let at_zero = self.clock.get()?;
        Some(Timestamp::from_millis(at_zero).after(self.transport.elapsed()))
    }

    /// How long ago the cluster was last heard; `None` before the first time.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.heard.get().map(|at| self.transport.elapsed().saturating_sub(at))
    }

    /// Notes that the cluster has just spoken.
    pub fn mark_heard(&self) {
        self.heard.set(Some(self.transport.elapsed()));
    }

    /// Sends `request`; the answer's status says that it went well, its body is still to come.
    ///
    /// # Errors
    /// What the server, or the way to it, answered instead.
    pub async fn open(&self, request: Request) -> Result<Reply, ApiError> {
        let reply = self.transport.send(request).await?;
        if let Some(date) = reply.date {
            let elapsed = i64::try_from(self.transport.elapsed().as_millis()).unwrap_or(0);
            self.clock.set(Some(date.millis() - elapsed));
        }
        if (200..300).contains(&reply.status) {
            self.mark_heard();
            return Ok(reply);
        }
        let (status, retry_after) = (reply.status, reply.retry_after);
        let body = reply.text().await.unwrap_or_default();
        let error = ApiError::from_reply(status, &body, retry_after);
        if !matches!(error, ApiError::Unreachable { .. }) {
            self.mark_heard();
        }
        Err(error)
    }

    /// Sends `request` and reads the answer as an object of any kind.
    ///
    /// # Errors
    /// As [`Client::open`], and where the body is no JSON.
    pub async fn object(&self, request: Request) -> Result<Value, ApiError> {
        let text = self.open(request).await?.text().await?;
        json::read(&text).ok_or_else(|| ApiError::Unreadable { reason: "expected JSON".to_owned() })
    }

    /// Sends `request` and reads what is wanted out of the answer.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn read<T: Narrow>(&self, request: Request) -> Result<T, ApiError> {
        Ok(T::read(&self.object(request).await?))
    }

    /// Time since any fixed moment.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.transport.elapsed()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.transport.sleep(duration).await;
    }

    /// Runs a task until it ends or its handle is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Task {
        self.spawn_boxed(Box::pin(task))
    }

    /// The same for one that is boxed already.
    pub fn spawn_boxed(&self, task: LocalBoxFuture<'static, ()>) -> Task {
        let (task, handle) = abortable(task);
        self.transport.spawn(Box::pin(task.map(|_| ())));
        Task(handle)
    }

    /// Runs a task until it ends, whatever else goes away: an operation's driver outlives the page.
    pub fn detach(&self, task: impl Future<Output = ()> + 'static) {
        self.transport.spawn(Box::pin(task));
    }
}
