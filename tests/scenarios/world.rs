//! What a story needs of a cluster.

use std::{rc::Rc, time::Duration};

use crossview_headlamp::{cluster::Transport, installer::ImageRef};
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

    /// Makes an object in the collection at `path` as the administrator.
    fn create<'a>(&'a self, path: &'a str, object: Value) -> LocalBoxFuture<'a, ()>;

    /// Merges `patch` into an object as the administrator.
    fn patch<'a>(&'a self, path: &'a str, patch: Value) -> LocalBoxFuture<'a, ()>;

    /// `clientConfig` of a webhook that denies whatever it is asked.
    fn denying_webhook(&self) -> Value;

    /// Helm's image that this world's stories are told with.
    fn helm_image(&self) -> ImageRef;

    /// The certificate, in PEM, of the authority that nobody knows, which has signed for `untrusted.registry.test`.
    fn unknown_authority(&self) -> String;

    /// Makes Helm's writes of ConfigMaps take so long that there is time to do something meanwhile.
    fn hold_config_maps(&self) -> LocalBoxFuture<'_, ()>;

    /// Waits by the world's own clock.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;
}
