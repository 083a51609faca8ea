//! One open page without its drawing: a session, and what it says.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use crossview_headlamp::{
    cluster::{ApiError, Client, Message, Reply, Request, Transport},
    helm::{
        command::Command,
        diagnosis::{Cause, Diagnosis, Place},
    },
    installer::{
        Action, JobSettings, Session, Status, Target, Update,
        driver::StartError,
        manifests::{BINDING_NAME, SERVICE_ACCOUNT_NAME},
    },
};
use futures::{
    future::{Either, LocalBoxFuture, select},
    stream::LocalBoxStream,
};
use tokio::sync::Notify;

use super::world::{PATIENCE, World};

/// A page that `user` has open.
pub struct Browser<'world> {
    pub session: Session,
    told: Rc<Notify>,
    /// Everything that the page has said, oldest first, without repetitions.
    said: Rc<RefCell<Vec<Status>>>,
    world: &'world dyn World,
    /// What the page's settings give to Helm's Jobs.
    pub settings: RefCell<JobSettings>,
}

impl<'world> Browser<'world> {
    /// Opens a page in `world`.
    pub fn open(world: &'world dyn World, user: &str) -> Self {
        Self::open_at(world, user, Target::default())
    }

    /// Opens a page on another target.
    pub fn open_at(world: &'world dyn World, user: &str, target: Target) -> Self {
        Self::open_over(world, world.transport(user), target)
    }

    /// Opens a page that hears of no answer to the first request that `loses` picks. Whether it `arrives` or not: in the
    /// one case the cluster carries it out.
    pub fn open_losing(world: &'world dyn World, user: &str, arrives: bool, loses: fn(&Request) -> bool) -> Self {
        let transport = Losing { over: world.transport(user), loses, arrives, lost: Rc::default() };
        Self::open_over(world, Rc::new(transport), Target::default())
    }

    fn open_over(world: &'world dyn World, transport: Rc<dyn Transport>, target: Target) -> Self {
        let (told, said) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::<Status>::new())));
        let (tell, keep) = (told.clone(), said.clone());
        let session = Session::open(Client::new(transport), target, move |update| {
            if let Update::Status(status) = update {
                let mut said = keep.borrow_mut();
                if said.last() != Some(&*status) {
                    said.push(*status);
                }
            }
            tell.notify_one();
        });
        let settings = JobSettings { image: world.helm_image(), ..JobSettings::default() };
        Self { session, told, said, world, settings: RefCell::new(settings) }
    }

    /// Waits until the page says what is wanted.
    ///
    /// # Panics
    /// When it doesn't in time; with the last that it said.
    pub async fn until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let wait = async {
            loop {
                let status = self.session.status();
                if holds(&status) {
                    return status;
                }
                self.told.notified().await;
            }
        };
        match self.within_patience(Box::pin(wait)).await {
            Some(status) => status,
            None => panic!("the page never said that {what}; it says {:#?}", self.session.status()),
        }
    }

    /// Waits until the page names `cause`, and returns what it says; each has words for people and lines to copy.
    ///
    /// # Panics
    /// When it doesn't in time.
    pub async fn until_named(&self, cause: Cause) -> Diagnosis {
        let names = |status: &Status| status.diagnoses().into_iter().find(|found| found.cause == cause);
        let status = self.until(&format!("it is {cause:?}"), |status| names(status).is_some()).await;
        let found = names(&status).expect("it was named");
        let place = Place {
            namespace: &status.target.namespace,
            release: &status.target.release,
            job: status.last.as_ref().map_or("", |last| &last.job),
            service_account: SERVICE_ACCOUNT_NAME,
            binding: BINDING_NAME,
        };
        assert!(!found.title().is_empty() && !found.cause().is_empty() && !found.next_step().is_empty(), "{found:?}");
        assert!(!found.cause.kubectl(place).is_empty(), "{found:?} has no line to copy");
        found
    }

    /// Waits until Helm's log has what is wanted.
    ///
    /// # Panics
    /// When it doesn't in time.
    pub async fn until_log(&self, part: &str) {
        let wait = async {
            while !self.session.log().lines.text().contains(part) {
                self.told.notified().await;
            }
        };
        let found = self.within_patience(Box::pin(wait)).await;
        assert!(found.is_some(), "the log never said {part:?}; it says {:?}", self.session.log().lines.text());
    }

    /// What `wait` comes to, if it does in time.
    async fn within_patience<T>(&self, wait: LocalBoxFuture<'_, T>) -> Option<T> {
        match select(wait, self.world.sleep(PATIENCE)).await {
            Either::Left((found, _)) => Some(found),
            Either::Right(_) => None,
        }
    }

    /// Clicks Install, Update, Uninstall and so on.
    pub async fn run(&self, command: Command, values: &str) -> Result<(), StartError> {
        let settings = self.settings.borrow().clone();
        self.run_with(settings, command, values).await
    }

    /// The same with another image of Helm.
    pub async fn run_in(&self, image: &str, command: Command, values: &str) -> Result<(), StartError> {
        let settings = JobSettings { image: image.parse().expect("an image"), ..self.settings.borrow().clone() };
        self.run_with(settings, command, values).await
    }

    async fn run_with(&self, settings: JobSettings, command: Command, values: &str) -> Result<(), StartError> {
        let action = Action { command, values: values.to_owned(), settings };
        let plan = self.session.plan(&action).expect("a plan");
        self.session.begin(plan).await
    }

    /// Everything that the page has said.
    pub fn said(&self) -> Vec<Status> {
        self.said.borrow().clone()
    }
}

/// See [`Browser::open_losing`].
struct Losing {
    over: Rc<dyn Transport>,
    loses: fn(&Request) -> bool,
    arrives: bool,
    lost: Rc<Cell<bool>>,
}

impl Transport for Losing {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, ApiError>> {
        let is_lost = (self.loses)(&request) && !self.lost.replace(true);
        let sent = (self.arrives || !is_lost).then(|| self.over.send(request));
        Box::pin(async move {
            let lost = Err(ApiError::Unreachable { reason: "lost".to_owned() });
            let Some(sent) = sent else { return lost };
            let reply = sent.await?;
            assert!(!is_lost || reply.status < 300, "what is lost was carried out");
            if is_lost { lost } else { Ok(reply) }
        })
    }

    fn socket(&self, path: String) -> LocalBoxStream<'static, Message> {
        self.over.socket(path)
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        self.over.sleep(duration)
    }

    fn elapsed(&self) -> Duration {
        self.over.elapsed()
    }

    fn jitter(&self) -> f64 {
        self.over.jitter()
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.over.spawn(task);
    }
}
