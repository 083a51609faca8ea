//! The simulated cluster, in virtual time.

use std::{rc::Rc, time::Duration};

use crossview_headlamp::{
    cluster::{ApiError, Client, Request, Transport},
    installer::ImageRef,
    preview::{Clock, SimulatedCluster, User, VirtualTime},
};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::world::World;

struct Simulated {
    cluster: SimulatedCluster,
    time: VirtualTime,
}

impl Simulated {
    fn admin(&self) -> Client {
        Client::new(self.cluster.transport_for(User::Admin))
    }
}

impl World for Simulated {
    fn transport(&self, user: &str) -> Rc<dyn Transport> {
        let users =
            [("admin", User::Admin), ("operator", User::Operator), ("viewer", User::Viewer), ("nobody", User::Nobody)];
        let (_, user) = users.into_iter().find(|(name, _)| *name == user).expect("a user of the cluster");
        self.cluster.transport_for(user)
    }

    fn read<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Option<Value>> {
        Box::pin(async move {
            match self.admin().object(Request::get(path)).await {
                Ok(object) => Some(object),
                Err(ApiError::NotFound { .. }) => None,
                Err(error) => panic!("{path}: {error}"),
            }
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, ()> {
        Box::pin(async move {
            let done = self.admin().object(Request::delete(path, json!({"propagationPolicy": "Foreground"}))).await;
            assert!(done.is_ok(), "{path}: {done:?}");
        })
    }

    fn create<'a>(&'a self, path: &'a str, object: Value) -> LocalBoxFuture<'a, ()> {
        let admin = self.admin();
        Box::pin(async move {
            let done = admin.object(Request::create(path, object)).await;
            assert!(done.is_ok(), "{path}: {done:?}");
        })
    }

    fn patch<'a>(&'a self, path: &'a str, patch: Value) -> LocalBoxFuture<'a, ()> {
        let admin = self.admin();
        Box::pin(async move {
            let done = admin.object(Request::merge(path, patch)).await;
            assert!(done.is_ok(), "{path}: {done:?}");
        })
    }

    fn denying_webhook(&self) -> Value {
        json!({"url": "https://admission.test/deny"})
    }

    fn helm_image(&self) -> ImageRef {
        ImageRef::default()
    }

    fn unknown_authority(&self) -> String {
        "Authority that nobody knows".to_owned()
    }

    fn hold_config_maps(&self) -> LocalBoxFuture<'_, ()> {
        // A page here is told of each step before the next one is taken.
        Box::pin(async {})
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        self.time.sleep(duration)
    }
}

fn tell(story: impl AsyncFnOnce(&dyn World)) {
    let time = VirtualTime::default();
    let world = Simulated { cluster: SimulatedCluster::new(Rc::new(time.clone())), time: time.clone() };
    let told = time.run(Duration::from_secs(3600), story(&world));
    assert!(told.is_some(), "the story stands still");
}

super::stories::stories!(tell);
