//! A simulated cluster: the preview page runs on it in the browser, and the scenarios run on it natively.
//!
//! What always holds: it says nothing that a real cluster would not. Whoever uses it gets a [`Transport`] and sees
//! an API server, with controllers, a kubelet and Helm behind it; they go by the same rights, the same order of
//! events and the same words as the tests' real cluster, off which they were read.
//!
//! The parts: `store` remembers, `api` answers, `rbac` permits, `fields` and `defaults` are what the API server does
//! to an object, `controllers` and `kubelet` act in time, `helm`, `chart` and `app` run in containers. All but this
//! file and [`Clock`] are pure: they take the time from the store and do no waiting.

mod admission;
mod api;
mod app;
mod chart;
mod clock;
mod controllers;
mod defaults;
mod events;
mod faults;
mod fields;
mod helm;
mod kubelet;
mod rbac;
mod store;
#[cfg(test)]
mod tests;
mod values;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::{Rc, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, select},
    stream::{self, LocalBoxStream},
};
use serde_json::Value;

#[cfg(target_arch = "wasm32")]
pub use self::clock::BrowserTime;
use self::{
    api::{Answer, Watching},
    kubelet::{Node, Reading},
    store::{NAMESPACES, NODES, Store},
};
pub use self::{
    clock::{Clock, VirtualTime},
    faults::Fault,
    rbac::User,
};
use crate::cluster::{ApiError, Message, Reply, Request, Timestamp, Transport};

/// The way to an API server near by and back.
const LATENCY: Duration = Duration::from_millis(4);
/// The same with [`Fault::Slow`].
const SLOW_LATENCY: Duration = Duration::from_millis(2500);
/// How often a watch tells its version: about a minute, as the API server's watch cache.
const BOOKMARK: Duration = Duration::from_secs(60);
/// What a browser says of a fetch that nobody answered.
const NO_ANSWER: &str = "Failed to fetch";
/// More rounds than any chain of controllers needs to come to rest.
const ROUNDS: usize = 50;

/// Everything in the cluster.
struct World {
    store: Store,
    node: Node,
    fault: Fault,
}

impl World {
    fn new(now: Timestamp) -> Self {
        let mut store = Store::new(now);
        rbac::seed(&mut store);
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let key = NAMESPACES.key("", name);
            let mut namespace = store.born(&key, serde_json::json!({}));
            defaults::fill(&mut store, &key, &mut namespace);
            store.replace(&key, namespace);
        }
        store.create(&NODES.key("", kubelet::NODE), serde_json::json!({"spec": {}}));
        Self { store, node: Node::default(), fault: Fault::None }
    }

    /// Lets controllers and kubelet act until all is quiet; answers when there will be more.
    fn settle(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.store.now = now;
        let mut due = None;
        for _ in 0..ROUNDS {
            let before = (self.store.version(), self.node.version);
            due = store::earlier(controllers::step(self), kubelet::step(self));
            if before == (self.store.version(), self.node.version) {
                break;
            }
        }
        due
    }
}

struct Inner {
    world: RefCell<World>,
    clock: Rc<dyn Clock>,
    changed: Rc<Signal>,
    jitter: Cell<u32>,
}

/// Wakes whoever waits for a change.
#[derive(Default)]
struct Signal {
    count: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    fn raise(&self) {
        self.count.set(self.count.get() + 1);
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until it has been raised since it stood at `seen`.
    async fn since(&self, seen: u64) {
        poll_fn(|context| {
            if self.count.get() != seen {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A simulated cluster. Clones are the same cluster; it ends with the last of them and of its transports.
#[derive(Clone)]
pub struct SimulatedCluster(Rc<Inner>);

impl SimulatedCluster {
    /// A new, empty cluster: the namespaces and roles that every cluster has, and the people of [`User`].
    #[must_use]
    pub fn new(clock: Rc<dyn Clock>) -> Self {
        let now = clock.started().after(clock.elapsed());
        let inner = Rc::new(Inner {
            world: RefCell::new(World::new(now)),
            clock,
            changed: Rc::default(),
            jitter: Cell::new(1),
        });
        inner.clock.spawn(Box::pin(control(Rc::downgrade(&inner), Rc::clone(&inner.changed))));
        Self(inner)
    }

    /// How `user` reaches the cluster: a browser, or one of several.
    #[must_use]
    pub fn transport_for(&self, user: User) -> Rc<dyn Transport> {
        Rc::new(Connection { inner: Rc::clone(&self.0), user })
    }

    /// What goes wrong at present.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.0.world.borrow().fault
    }

    /// Makes `fault` happen from now on, in the place of the one before; [`Fault::None`] ends it.
    pub fn set_fault(&self, fault: Fault) {
        {
            let mut world = self.0.world.borrow_mut();
            let now = self.0.now();
            world.fault = fault;
            world.store.now = now;
            world.node.stir(now);
        }
        self.0.changed.raise();
    }

    /// Forgets past changes, as etcd does now and then: watches from before must list again.
    pub fn compact(&self) {
        self.0.world.borrow_mut().store.compact();
        self.0.changed.raise();
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.clock.started().after(self.clock.elapsed())
    }

    fn is_unreachable(&self) -> bool {
        self.world.borrow().fault == Fault::Unreachable
    }

    /// The way there, and half of the way back.
    fn latency(&self) -> LocalBoxFuture<'static, ()> {
        let slow = self.world.borrow().fault == Fault::Slow;
        self.clock.sleep(if slow { SLOW_LATENCY } else { LATENCY })
    }

    fn answer(&self, user: User, request: &Request) -> Answer {
        let mut world = self.world.borrow_mut();
        world.store.now = self.now();
        let user = if world.fault == Fault::NoRights { User::Viewer } else { user };
        let before = world.store.version();
        let answer = api::handle(&mut world.store, &user.subject(), BROWSER, request);
        let is_changed = world.store.version() != before;
        drop(world);
        if is_changed {
            self.changed.raise();
        }
        answer
    }

    /// What has come of a watch by now.
    fn watched(&self, watching: &mut Watching) -> Option<Value> {
        watching.next(&self.world.borrow().store)
    }

    /// Waits for a change, at most `limit`.
    async fn change_or(&self, seen: u64, limit: Duration) {
        let changed = std::pin::pin!(self.changed.since(seen));
        select(changed, self.clock.sleep(limit)).await;
    }
}

/// Whose the fields are that a page writes, but for server-side apply: the API server takes the name from the
/// user agent.
const BROWSER: &str = "Mozilla";

/// The control plane and the node, at work until the cluster is dropped.
async fn control(inner: Weak<Inner>, changed: Rc<Signal>) {
    loop {
        let (seen, pause) = {
            let Some(inner) = inner.upgrade() else { return };
            let now = inner.now();
            let (before, due, after) = {
                let mut world = inner.world.borrow_mut();
                let before = (world.store.version(), world.node.version);
                let due = world.settle(now);
                (before, due, (world.store.version(), world.node.version))
            };
            if before != after {
                changed.raise();
            }
            (changed.count.get(), due.map(|due| inner.clock.sleep(now.age(due).max(Duration::from_millis(1)))))
        };
        let changed = std::pin::pin!(changed.since(seen));
        match pause {
            Some(pause) => drop(select(changed, pause).await),
            None => changed.await,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.changed.raise();
    }
}

/// One user's way to the cluster.
struct Connection {
    inner: Rc<Inner>,
    user: User,
}

/// A watch that is being listened to.
struct Listening {
    inner: Rc<Inner>,
    watching: Watching,
    end: Duration,
    bookmark: Duration,
    is_over: bool,
}

/// What comes of a watch.
enum Told {
    Event(Value),
    /// Its time is over.
    End,
    /// The way to it broke.
    Broken,
}

impl Listening {
    fn new(inner: Rc<Inner>, watching: Watching) -> Self {
        let now = inner.clock.elapsed();
        let end = now + Duration::from_secs(watching.seconds);
        Self { inner, watching, end, bookmark: now + BOOKMARK, is_over: false }
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            if self.is_over {
                return None;
            }
            if self.inner.is_unreachable() {
                self.is_over = true;
                return Some(Told::Broken);
            }
            let seen = self.inner.changed.count.get();
            let is_slow = self.inner.world.borrow().fault == Fault::Slow;
            if let Some(event) = self.inner.watched(&mut self.watching) {
                if is_slow {
                    self.inner.clock.sleep(SLOW_LATENCY).await;
                }
                return Some(Told::Event(event));
            }
            let now = self.inner.clock.elapsed();
            if self.watching.is_over() || now >= self.end {
                self.is_over = true;
                return Some(Told::End);
            }
            // The last bookmark comes shortly before the end.
            let shortly = self.end.saturating_sub(Duration::from_secs(2));
            if self.watching.bookmarks && now >= self.bookmark.min(shortly) {
                self.bookmark = if now >= shortly { Duration::MAX } else { now + BOOKMARK };
                if self.bookmark == Duration::MAX {
                    self.watching.bookmarks = false;
                }
                return Some(Told::Event(self.watching.bookmark()));
            }
            let next = if self.watching.bookmarks { self.bookmark.min(shortly) } else { self.end };
            self.inner.change_or(seen, next.saturating_sub(now)).await;
        }
    }
}

fn closed(code: u16) -> Message {
    Message::Closed { code, reason: String::new() }
}

fn unreachable() -> ApiError {
    ApiError::Unreachable { reason: NO_ANSWER.to_owned() }
}

impl Connection {
    fn reply(inner: &Rc<Inner>, status: u16, body: LocalBoxStream<'static, Result<Vec<u8>, ApiError>>) -> Reply {
        let date = Timestamp::from_millis(inner.now().seconds() * 1000);
        Reply { status, date: Some(date), retry_after: None, body }
    }

    fn whole(inner: &Rc<Inner>, status: u16, body: String) -> Reply {
        Self::reply(inner, status, stream::iter([Ok(body.into_bytes())]).boxed_local())
    }

    fn watch_body(inner: Rc<Inner>, watching: Watching) -> LocalBoxStream<'static, Result<Vec<u8>, ApiError>> {
        stream::unfold(Listening::new(inner, watching), |mut listening| async move {
            let piece = match listening.next().await? {
                Told::Event(event) => Ok(format!("{event}\n").into_bytes()),
                Told::End => return None,
                Told::Broken => Err(unreachable()),
            };
            Some((piece, listening))
        })
        .boxed_local()
    }

    fn log_body(inner: Rc<Inner>, reading: Reading) -> LocalBoxStream<'static, Result<Vec<u8>, ApiError>> {
        stream::unfold(Some((inner, reading)), |state| async move {
            let (inner, mut reading) = state?;
            loop {
                if inner.is_unreachable() {
                    return Some((Err(unreachable()), None));
                }
                let seen = inner.changed.count.get();
                let (text, goes_on) = inner.world.borrow().node.read(&mut reading);
                match (text, goes_on) {
                    (Some(text), true) => return Some((Ok(text.into_bytes()), Some((inner, reading)))),
                    (Some(text), false) => return Some((Ok(text.into_bytes()), None)),
                    (None, false) => return None,
                    (None, true) => inner.changed.since(seen).await,
                }
            }
        })
        .boxed_local()
    }
}

impl Transport for Connection {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, ApiError>> {
        let (inner, user) = (Rc::clone(&self.inner), self.user);
        async move {
            inner.latency().await;
            if inner.is_unreachable() {
                return Err(unreachable());
            }
            let reply = match inner.answer(user, &request) {
                Answer::Json(status, body) => Self::whole(&inner, status, body.to_string()),
                Answer::Text(status, body) => Self::whole(&inner, status, body.to_owned()),
                Answer::Watch(watching) => {
                    let body = Self::watch_body(Rc::clone(&inner), watching);
                    Self::reply(&inner, 200, body)
                }
                Answer::Log(request) => {
                    let opened = {
                        let world = inner.world.borrow();
                        world.node.open(&world.store, &request).map_err(|answer| *answer)
                    };
                    match opened {
                        Ok(reading) => Self::reply(&inner, 200, Self::log_body(Rc::clone(&inner), reading)),
                        Err(Answer::Json(status, body)) => Self::whole(&inner, status, body.to_string()),
                        Err(_) => Self::whole(&inner, 500, String::new()),
                    }
                }
            };
            Ok(reply)
        }
        .boxed_local()
    }

    fn socket(&self, path: String) -> LocalBoxStream<'static, Message> {
        let (inner, user) = (Rc::clone(&self.inner), self.user);
        let opening = async move {
            inner.latency().await;
            let refused = || stream::iter([closed(1006)]).boxed_local();
            if inner.is_unreachable() {
                return refused();
            }
            // A handshake that is refused tells a page nothing but the code.
            let Answer::Watch(watching) = inner.answer(user, &Request::get(path)) else { return refused() };
            let events = stream::unfold(Listening::new(inner, watching), |mut listening| async move {
                let message = match listening.next().await? {
                    Told::Event(event) => Message::Text(event.to_string()),
                    Told::End => closed(1000),
                    Told::Broken => closed(1006),
                };
                Some((message, listening))
            });
            stream::iter([Message::Open]).chain(events).boxed_local()
        };
        opening.into_stream().flatten().boxed_local()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        self.inner.clock.sleep(duration)
    }

    fn elapsed(&self) -> Duration {
        self.inner.clock.elapsed()
    }

    fn jitter(&self) -> f64 {
        // A row of numbers that is the same in every run.
        let next = self.inner.jitter.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.inner.jitter.set(next);
        f64::from(next >> 8) / f64::from(1_u32 << 24)
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.inner.clock.spawn(task);
    }
}
