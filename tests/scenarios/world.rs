//! What a story needs of a cluster.

use std::{rc::Rc, time::Duration};

use crossview_headlamp::cluster::Transport;
use futures::future::LocalBoxFuture;
use serde_json::Value;

/// How long a story waits for one thing: bounded, and generous, since machines can be slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster in which a story is told.
pub trait World {
    /// The way of `user` to the cluster: `admin`, `viewer`, `nobody`, `operator`.
    fn transport(&self, user: &str) -> Rc<dyn Transport>;

    /// An object as the administrator reads it; `None` when it isn't there.
    fn read<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Option<Value>>;

    /// Deletes an object as the administrator, its pods with it.
    fn delete<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, ()>;

    /// Waits by the world's own clock.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;
}
