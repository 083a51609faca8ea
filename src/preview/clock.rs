//! The time that passes in the simulated cluster: the browser's, or one that tests move.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};

use crate::cluster::Timestamp;

/// Waits, and runs tasks meanwhile.
pub trait Clock {
    /// The time of day when [`Clock::elapsed`] was zero.
    fn started(&self) -> Timestamp;

    /// Time since then; never runs backwards.
    fn elapsed(&self) -> Duration;

    /// Waits; a dropped wait leaves nothing behind.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;

    /// Runs a task on its own until it ends.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
}

/// Time that passes only when nothing else is left to do, and then at once: hours cost milliseconds, and the same
/// test always takes the same course.
#[derive(Clone, Default)]
pub struct VirtualTime(Rc<Virtual>);

#[derive(Default)]
struct Virtual {
    now: Cell<Duration>,
    /// Who waits, by when; the number tells those apart that wait for the same moment.
    sleepers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    count: Cell<u64>,
    spawned: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    tasks: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
}

impl Virtual {
    fn next_sleeper(&self) -> Option<Duration> {
        self.sleepers.borrow().first_key_value().map(|((at, _), _)| *at)
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl VirtualTime {
    /// Runs `main`, and the tasks beside it, until it ends. `None` when `limit` has passed before, or when
    /// everything waits for something that nobody will do. Tasks that are left go on with the next run.
    pub fn run<T>(&self, limit: Duration, main: impl Future<Output = T>) -> Option<T> {
        let mut main = std::pin::pin!(main);
        let end = self.0.now.get() + limit;
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(result) = main.as_mut().poll(&mut context) {
                return Some(result);
            }
            self.work(&mut context);
            if flag.0.swap(false, Ordering::AcqRel) {
                continue;
            }
            let Some(next) = self.0.next_sleeper().filter(|next| *next <= end) else {
                self.0.now.set(end);
                return None;
            };
            self.0.now.set(next.max(self.0.now.get()));
            let waking: Vec<Waker> = {
                let mut sleepers = self.0.sleepers.borrow_mut();
                let later = sleepers.split_off(&(next, u64::MAX));
                std::mem::replace(&mut *sleepers, later).into_values().collect()
            };
            waking.into_iter().for_each(Waker::wake);
        }
    }

    /// Lets `duration` pass.
    pub fn pass(&self, duration: Duration) {
        let _: Option<()> = self.run(duration, std::future::pending());
    }

    fn work(&self, context: &mut Context<'_>) {
        loop {
            let spawned = std::mem::take(&mut *self.0.spawned.borrow_mut());
            let mut tasks = self.0.tasks.borrow_mut();
            let is_new = !spawned.is_empty();
            tasks.extend(spawned);
            let ended = matches!(tasks.poll_next_unpin(context), Poll::Ready(Some(())));
            if !ended && !is_new && self.0.spawned.borrow().is_empty() {
                return;
            }
        }
    }
}

struct Sleep {
    time: Rc<Virtual>,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= self.time.now.get() {
            return Poll::Ready(());
        }
        self.time.sleepers.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.time.sleepers.borrow_mut().remove(&self.key);
    }
}

/// 2026-11-23T01:02:03Z: any moment will do, as long as it is the same in every run.
const VIRTUAL_START: Timestamp = Timestamp::from_millis(1_795_395_723_000);

impl Clock for VirtualTime {
    fn started(&self) -> Timestamp {
        VIRTUAL_START
    }

    fn elapsed(&self) -> Duration {
        self.0.now.get()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        self.0.count.set(self.0.count.get() + 1);
        Box::pin(Sleep {
            time: Rc::clone(&self.0),
            key: (self.0.now.get().saturating_add(duration), self.0.count.get()),
        })
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.spawned.borrow_mut().push(task);
    }
}

#[cfg(target_arch = "wasm32")]
pub use self::browser::BrowserTime;

#[cfg(target_arch = "wasm32")]
mod browser {
    use std::{cell::Cell, time::Duration};

    use futures::future::LocalBoxFuture;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;

    use super::Clock;
    use crate::cluster::Timestamp;

    /// The browser's clock and its timers.
    pub struct BrowserTime {
        started: f64,
        latest: Cell<f64>,
    }

    impl Default for BrowserTime {
        fn default() -> Self {
            let now = js_sys::Date::now();
            Self { started: now, latest: Cell::new(now) }
        }
    }

    /// Takes its timer back when it is dropped.
    struct Timer(i32);

    impl Drop for Timer {
        fn drop(&mut self) {
            if let Some(window) = web_sys::window() {
                window.clear_timeout_with_handle(self.0);
            }
        }
    }

    impl Clock for BrowserTime {
        fn started(&self) -> Timestamp {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of our days fit")]
            Timestamp::from_millis(self.started as i64)
        }

        fn elapsed(&self) -> Duration {
            // Somebody may set the computer's clock back.
            let now = js_sys::Date::now().max(self.latest.get());
            self.latest.set(now);
            Duration::from_secs_f64((now - self.started).max(0.0) / 1000.0)
        }

        fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
            let millis = i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
            let mut timer = None;
            let promise = js_sys::Promise::new(&mut |resolve, _| {
                let window = web_sys::window();
                timer = window
                    .and_then(|window| {
                        window
                            .set_timeout_with_callback_and_timeout_and_arguments_0(resolve.unchecked_ref(), millis)
                            .ok()
                    })
                    .map(Timer);
            });
            Box::pin(async move {
                let _: Result<JsValue, JsValue> = JsFuture::from(promise).await;
                drop(timer);
            })
        }

        fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
            wasm_bindgen_futures::spawn_local(task);
        }
    }
}
