//! One page's view of one target: the watches that feed the snapshot, and what is done on what they tell.
//!
//! Dropping a session ends its watches; an operation that it has begun goes on (see [`super::driver`]).

use std::{
    cell::{Ref, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

use futures::{StreamExt, channel::oneshot};

use super::{
    Target, derive,
    driver::{self, Sighting, StartError},
    lock::Lock,
    manifests::{self, BINDING_NAME, HELM_CONTAINER, SERVICE_ACCOUNT_NAME, VERSIONS_NAME, kinds, lease_name, manifest},
    namespace::{self, Foreign, ForeignError, RemoveError},
    objects::{ConfigMap, Deployment, Job},
    plan::{self, Action, Plan, Refusal},
    reach::{Reach, read_reach},
    snapshot::{CrashLog, Fed, Permission, Seen, Snapshot},
    status::{App, Notice, Offer, Phase, Stage, Status, Withheld},
    values_check::{self, ValuesError},
};
use crate::{
    access,
    cluster::{ApiError, Change, Client, Kind, Narrow, Request, Selector, Task, Watch, follow, narrow},
    helm::log::Log,
};

/// What the kubelet gives with HTTP 200 in place of the log of a container that it has cleared away
/// (`pkg/kubelet/kuberuntime/kuberuntime_container.go`, `GetContainerLogs`).
const LOG_IS_GONE: &str = "unable to retrieve container logs for ";
/// How long a page leaves the end of an operation to the page that has begun it.
const DRIVER_GRACE: Duration = Duration::from_secs(5);
/// While something is under way, ages and deadlines are looked at this often.
const TICK: Duration = Duration::from_secs(1);

/// What is new.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// What is to be said now; it may be what was said before.
    Status(Box<Status>),
    /// [`Session::log`] has more.
    Log,
}

/// One page's view of one target; the last clone that is dropped ends it.
#[derive(Clone)]
pub struct Session {
    shared: Rc<Shared>,
}

/// The log of one operation, kept after its Job is gone for as long as the page is open.
#[derive(Debug, Default)]
pub struct OperationLog {
    /// The Job; empty before the first.
    pub job: String,
    /// Its lines.
    pub lines: Log,
}

/// Why a revision was not forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// An operation is under way.
    #[error("an operation is under way")]
    Busy,
    /// It is not the current revision, not pending, or there is no earlier one to fall back to.
    #[error("revision {revision} is not a pending one with an earlier one before it")]
    NotPending {
        /// Its number.
        revision: u32,
    },
    /// The cluster's refusal.
    #[error(transparent)]
    Api(#[from] ApiError),
}

struct Shared {
    client: Client,
    target: Target,
    snapshot: RefCell<Snapshot>,
    log: RefCell<OperationLog>,
    tell: Box<dyn Fn(Update)>,
    /// What runs while the session is open.
    tasks: RefCell<Tasks>,
    /// Jobs whose end this module sees to already.
    driven: RefCell<Vec<String>>,
    /// The lock's holder as it was last seen to exist.
    holder: RefCell<Option<Sighting>>,
}

#[derive(Default)]
struct Tasks {
    watches: Vec<Task>,
    log: Option<Task>,
    ticking: Option<Task>,
    rights: Vec<Task>,
    elsewhere: Option<Task>,
    auth_mode: Option<(String, Task)>,
    crash: Option<(CrashLog, Task)>,
}

/// Takes in what a watch tells.
trait Sink {
    fn take(&mut self, change: Change);
}

impl<T: Narrow> Sink for Fed<T> {
    fn take(&mut self, change: Change) {
        Fed::take(self, change);
    }
}

type Pick = fn(&mut Snapshot) -> &mut dyn Sink;

impl Session {
    /// Opens the watches on `target`; `tell` is called on everything new.
    pub fn open(client: Client, target: Target, tell: impl Fn(Update) + 'static) -> Self {
        let shared = Rc::new(Shared {
            client,
            target,
            snapshot: RefCell::default(),
            log: RefCell::default(),
            tell: Box::new(tell),
            tasks: RefCell::default(),
            driven: RefCell::default(),
            holder: RefCell::default(),
        });
        let session = Self { shared };
        session.check();
        session
    }

    /// Reads everything again: what is known stays until the answers come.
    pub fn check(&self) {
        let shared = &self.shared;
        let namespace = Some(shared.target.namespace.as_str());
        let name = |name: &str| Selector::Name(name.to_owned());
        let here = |kind: Kind| kind.collection(namespace);
        let app = Selector::Labels("app.kubernetes.io/name=crossview".to_owned());
        let releases = Selector::Labels(manifests::releases(&shared.target));
        // In the order of what the page needs first: a browser has six connections, and lists come by fetch.
        let all: [(String, Selector, Pick); 12] = [
            (here(kinds::DEPLOYMENT), app, |s| &mut s.deployments),
            (here(kinds::SECRET), releases, |s| &mut s.releases),
            (here(kinds::LEASE), name(&lease_name(&shared.target)), |s| &mut s.lease),
            (here(kinds::JOB), Selector::Labels(manifests::our_jobs()), |s| &mut s.jobs),
            (here(kinds::POD), Selector::All, |s| &mut s.pods),
            (kinds::NAMESPACE.collection(None), name(shared.target.namespace.as_str()), |s| &mut s.namespace),
            (kinds::BINDING.collection(None), name(BINDING_NAME), |s| &mut s.binding),
            (here(kinds::SERVICE_ACCOUNT), name(SERVICE_ACCOUNT_NAME), |s| &mut s.service_account),
            (here(kinds::SERVICE), Selector::All, |s| &mut s.services),
            (here(kinds::INGRESS), Selector::All, |s| &mut s.ingresses),
            (here(kinds::EVENT), Selector::All, |s| &mut s.events),
            (here(kinds::CONFIG_MAP), name(VERSIONS_NAME), |s| &mut s.versions),
        ];
        let watches = all.into_iter().map(|(path, selector, pick)| {
            let metadata_only = path.ends_with("/secrets");
            let weak = Rc::downgrade(shared);
            let tell = move |change| {
                if let Some(shared) = weak.upgrade() {
                    pick(&mut shared.snapshot.borrow_mut()).take(change);
                    shared.changed();
                }
            };
            shared.client.spawn(follow(shared.client.clone(), Watch { path, selector, metadata_only }, Box::new(tell)))
        });
        let watches = watches.collect();
        // Those that were asked before go unheard.
        shared.snapshot.borrow_mut().rights.unanswered = 2;
        let mut rights = vec![shared.client.spawn(ask_user(Rc::downgrade(shared), shared.client.clone()))];
        rights.push(shared.client.spawn(ask_version(Rc::downgrade(shared), shared.client.clone())));
        for permission in Permission::ALL {
            rights.push(shared.client.spawn(ask_permission(shared, permission)));
        }
        let mut tasks = shared.tasks.borrow_mut();
        tasks.watches = watches;
        tasks.rights = rights;
        tasks.elsewhere = None;
        tasks.auth_mode = None;
    }

    /// What is to be said now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Ref<'_, Snapshot> {
        self.shared.look();
        self.shared.snapshot.borrow()
    }

    /// The newest operation's log.
    #[must_use]
    pub fn log(&self) -> Ref<'_, OperationLog> {
        self.shared.log.borrow()
    }

    /// How long ago the cluster last spoke; `None` before its first word.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.shared.client.silence()
    }

    /// What `action` would send.
    ///
    /// # Errors
    /// When it can't be begun now.
    pub fn plan(&self, action: &Action) -> Result<Plan, Refusal> {
        plan::plan(&self.shared.target, action, &self.snapshot())
    }

    /// Begins what `plan` says and sees to its end, even when the session is gone by then.
    ///
    /// # Errors
    /// When it did not begin.
    pub async fn begin(&self, plan: Plan) -> Result<(), StartError> {
        let (client, weak) = (self.shared.client.clone(), Rc::downgrade(&self.shared));
        self.shared.driven.borrow_mut().push(plan.job.clone());
        let (say, begun) = oneshot::channel();
        self.shared.client.detach(async move {
            let result = driver::begin(&client, &plan).await;
            let followed = match &result {
                Ok(()) => Some(None),
                Err(StartError::Unanswered { job, .. }) => Some(job.clone()),
                Err(_) => None,
            };
            let _ = say.send(result);
            if let Some(job) = followed {
                let seen = job.map(|job| Sighting { job: *job, at: client.elapsed() });
                driver::finish(&client, &plan.target, &plan.job, seen).await;
            }
            if let Some(shared) = weak.upgrade() {
                shared.driven.borrow_mut().retain(|driven| *driven != plan.job);
            }
        });
        // The task lives as long as the module, so it always says something.
        begun.await.unwrap_or(Ok(()))
    }

    /// Reads what bears on the ways to Crossview beside what is watched, and asks again for the right to a tunnel.
    pub async fn reach(&self) -> Reach {
        for permission in [Permission::GetPortForward, Permission::CreatePortForward] {
            self.shared.snapshot.borrow_mut().rights.unanswered += 1;
            self.shared.client.detach(ask_permission(&self.shared, permission));
        }
        read_reach(&self.shared.client, &self.shared.target.namespace).await
    }

    /// Takes away rights that nothing needs any more, exactly as they were seen.
    ///
    /// # Errors
    /// The cluster's refusal; a Conflict means that they have changed meanwhile.
    pub async fn remove_leftover(&self) -> Result<(), ApiError> {
        let seen = match self.shared.snapshot.borrow().binding.one() {
            Seen::Present(binding) => binding.metadata.clone(),
            Seen::Absent | Seen::Unknown(_) => return Ok(()),
        };
        let options = manifests::delete_exactly(&seen.uid, &seen.resource_version);
        let path = kinds::BINDING.object(None, BINDING_NAME);
        self.shared.client.object(Request::delete(path, options)).await.map(drop)
    }

    /// What the namespace holds beside what is ours and what every namespace has: it would be lost with it.
    ///
    /// # Errors
    /// Where a kind can't be listed; then it isn't known, and the namespace has to stay.
    pub async fn foreign(&self) -> Result<Vec<Foreign>, ForeignError> {
        namespace::foreign(&self.shared.client, &self.shared.target).await
    }

    /// Deletes the namespace as it was seen, and our objects outside of it, where nothing is installed in it, nothing
    /// runs, and nothing foreign would be lost: that is looked at once more.
    ///
    /// # Errors
    /// When it has to stay, or the cluster refuses.
    pub async fn remove_namespace(&self) -> Result<(), RemoveError> {
        let status = self.status();
        if let Offer::Withheld(why) = status.remove_namespace {
            return Err(RemoveError::Withheld(why));
        }
        let seen = self.shared.snapshot.borrow().namespace.one().present().map(|seen| seen.metadata.uid.clone());
        let uid = seen.ok_or(RemoveError::Withheld(Withheld::NotApplicable))?;
        namespace::remove(&self.shared.client, &self.shared.target, &uid).await?;
        if status.leftovers.binding {
            self.remove_leftover().await?;
        }
        Ok(())
    }

    /// Lets a Job go whose page is gone, and sees to its end.
    ///
    /// # Errors
    /// The cluster's refusal.
    pub async fn resume(&self, job: &str) -> Result<(), ApiError> {
        let path = kinds::JOB.object(Some(self.shared.target.namespace.as_str()), job);
        self.shared.client.object(plan::start(&path)).await?;
        self.shared.see_to_end(job, Duration::ZERO, None);
        Ok(())
    }

    /// Asks the cluster whether Helm can read `text` as a values file; nothing is kept of it.
    ///
    /// # Errors
    /// When it can't, or nobody could say.
    pub async fn check_values(&self, text: &str) -> Result<(), ValuesError> {
        values_check::check(&self.shared.client, &self.shared.target, text).await
    }

    /// Deletes Helm's record of a pending revision, exactly as it was seen, so that Helm takes the release for what the
    /// revision before says. Nothing that Helm has made by then is touched.
    ///
    /// # Errors
    /// When an operation is under way, the revision is none that can be forgotten, or the cluster refuses; a Conflict
    /// means that it has changed meanwhile.
    pub async fn forget(&self, revision: u32) -> Result<(), ForgetError> {
        let status = self.status();
        if status.operating.as_ref().is_some_and(|operating| operating.stage != Stage::Starting) {
            return Err(ForgetError::Busy);
        }
        let record = match &status.history {
            Seen::Present(history) if status.forget == Some(revision) => history.forgettable(),
            _ => None,
        };
        let Some(record) = record else { return Err(ForgetError::NotPending { revision }) };
        let path = kinds::SECRET.object(Some(self.shared.target.namespace.as_str()), &record.secret.name);
        let options = manifests::delete_exactly(&record.secret.uid, &record.secret.resource_version);
        self.shared.client.open(Request::delete(path, options)).await?;
        Ok(())
    }

    /// Ends a Job: in the foreground, then its rights go, then the lock.
    ///
    /// # Errors
    /// The cluster's refusal.
    pub async fn cancel(&self, job: &str) -> Result<(), ApiError> {
        let path = kinds::JOB.object(Some(self.shared.target.namespace.as_str()), job);
        let known = self.shared.snapshot.borrow().jobs.named(job).present().cloned();
        match self.shared.client.object(Request::delete(path, manifests::delete_foreground())).await {
            Ok(_) => self.shared.see_to_end(job, Duration::ZERO, known),
            // Gone already; a Job that is still to come is its own page's.
            Err(ApiError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Shared {
    fn look(&self) {
        if let Some(now) = self.client.now() {
            self.snapshot.borrow_mut().now = now;
        }
    }

    fn status(&self) -> Status {
        self.look();
        derive(&self.target, &self.snapshot.borrow())
    }

    /// Does what follows from something new, and passes it on.
    fn changed(self: &Rc<Self>) {
        let status = self.status();
        self.follow_log(&status);
        self.see_to_others();
        self.tick(&status);
        self.look_elsewhere(&status);
        self.read_auth_mode();
        self.read_crash(&status);
        (self.tell)(Update::Status(Box::new(status)));
    }

    /// Reads Helm's log from its first line as soon as there is one.
    fn follow_log(self: &Rc<Self>, status: &Status) {
        let Some(operating) = &status.operating else { return };
        let Some(pod) = &operating.pod else { return };
        if self.log.borrow().job == operating.job {
            return;
        }
        *self.log.borrow_mut() = OperationLog { job: operating.job.clone(), lines: Log::default() };
        let path = kinds::POD.object(Some(self.target.namespace.as_str()), pod);
        let request = Request::get(format!("{path}/log?container={HELM_CONTAINER}&follow=true"));
        let (client, weak) = (self.client.clone(), Rc::downgrade(self));
        let task = self.client.spawn(async move {
            let Ok(mut reply) = client.open(request).await else {
                // Gone already, or not allowed: the termination message still tells why Helm failed.
                return;
            };
            while let Some(Ok(piece)) = reply.body.next().await {
                let Some(shared) = weak.upgrade() else { return };
                shared.log.borrow_mut().lines.push(&piece);
                (shared.tell)(Update::Log);
            }
        });
        self.tasks.borrow_mut().log = Some(task);
    }

    /// Ends operations whose own page is gone.
    fn see_to_others(self: &Rc<Self>) {
        let holder = {
            let snapshot = self.snapshot.borrow();
            let Some(holder) = snapshot.lease.one().present().and_then(|lease| lease.spec.holder_identity.clone())
            else {
                return;
            };
            let mut seen = self.holder.borrow_mut();
            let over = match snapshot.jobs.named(&holder) {
                Seen::Present(job) => {
                    // Known is not told just now: a watch may have died without a word.
                    let at = self.client.elapsed().saturating_sub(self.client.silence().unwrap_or_default());
                    *seen = Some(Sighting { job: job.clone(), at });
                    job.end().is_some()
                }
                // Gone while we looked on.
                Seen::Absent => seen.as_ref().is_some_and(|seen| seen.job.metadata.name == holder),
                Seen::Unknown(_) => false,
            };
            if !over {
                return;
            }
            holder
        };
        self.see_to_end(&holder, DRIVER_GRACE, None);
    }

    fn see_to_end(self: &Rc<Self>, job: &str, after: Duration, known: Option<Job>) {
        if self.driven.borrow().iter().any(|driven| driven == job) {
            return;
        }
        self.driven.borrow_mut().push(job.to_owned());
        let seen = self.holder.borrow().clone().filter(|seen| seen.job.metadata.name == job);
        let seen = seen.or_else(|| known.map(|job| Sighting { job, at: self.client.elapsed() }));
        let (client, target, job, weak) =
            (self.client.clone(), self.target.clone(), job.to_owned(), Rc::downgrade(self));
        self.client.detach(async move {
            client.sleep(after).await;
            let still = |shared: &Rc<Self>| {
                let snapshot = shared.snapshot.borrow();
                let lease = snapshot.lease.one().present();
                lease.is_some_and(|lease| lease.spec.holder_identity.as_deref() == Some(&*job))
            };
            // A page that has been left in the grace leaves it to the others; one that was asked to sees it through.
            if after.is_zero() || weak.upgrade().is_some_and(|shared| still(&shared)) {
                driver::finish(&client, &target, &job, seen).await;
            }
            if let Some(shared) = weak.upgrade() {
                shared.driven.borrow_mut().retain(|driven| *driven != job);
            }
        });
    }

    /// Looks again every second while something under way has an age.
    fn tick(self: &Rc<Self>, status: &Status) {
        let aging = status.operating.is_some()
            || status
                .notices
                .iter()
                .any(|notice| matches!(notice, Notice::LeftoverBinding { .. } | Notice::Held { .. }))
            || matches!(Lock::of(&self.snapshot.borrow()), Lock::Taken { .. });
        let mut tasks = self.tasks.borrow_mut();
        if !aging {
            tasks.ticking = None;
        } else if tasks.ticking.is_none() {
            let (client, weak) = (self.client.clone(), Rc::downgrade(self));
            tasks.ticking = Some(self.client.spawn(async move {
                loop {
                    client.sleep(TICK).await;
                    let Some(shared) = weak.upgrade() else { return };
                    shared.changed();
                }
            }));
        }
    }

    /// Where nothing is here, looks once whether Crossview is in another namespace.
    fn look_elsewhere(self: &Rc<Self>, status: &Status) {
        let mut tasks = self.tasks.borrow_mut();
        if status.phase != Phase::NotInstalled || tasks.elsewhere.is_some() {
            return;
        }
        let (client, weak) = (self.client.clone(), Rc::downgrade(self));
        tasks.elsewhere = Some(self.client.spawn(async move {
            let selector = Selector::Labels("app.kubernetes.io/name=crossview".to_owned()).to_string();
            let path = format!("{}?{}", kinds::DEPLOYMENT.collection(None), selector.trim_start_matches('&'));
            // Refused: the settings can still name the place.
            let Ok(list) = client.read::<Deployments>(Request::get(path)).await else { return };
            let Some(shared) = weak.upgrade() else { return };
            let here = shared.target.namespace.as_str();
            let found = list.items.iter().find(|found| found.is_app() && found.metadata.namespace != here);
            if let Some(found) = found {
                let place = (found.metadata.namespace.clone(), found.release().to_owned());
                shared.snapshot.borrow_mut().elsewhere = Some(place);
                shared.changed();
            }
        }));
    }

    /// Reads the last words of a container that ends again and again, once for each end.
    fn read_crash(self: &Rc<Self>, status: &Status) {
        let Seen::Present(App { trouble: Some(trouble), .. }) = &status.app else { return };
        if !trouble.has_log() {
            return;
        }
        let (pod, container, ends) = (trouble.pod.clone(), trouble.container.clone(), trouble.ends);
        let wanted = CrashLog { pod, container, ends, lines: Vec::new() };
        let mut tasks = self.tasks.borrow_mut();
        if tasks.crash.as_ref().is_some_and(|(asked, _)| *asked == wanted) {
            return;
        }
        let path = kinds::POD.object(Some(self.target.namespace.as_str()), &wanted.pod);
        let which = if trouble.previous { "previous=true&" } else { "" };
        let path = [&*path, "/log?", which, "tailLines=20&limitBytes=65536&container=", &wanted.container].concat();
        let (client, weak, mut crash) = (self.client.clone(), Rc::downgrade(self), wanted.clone());
        let task = self.client.spawn(async move {
            // Not allowed, or gone by now: the kubelet's words still stand.
            let Ok(reply) = client.open(Request::get(path)).await else { return };
            let Ok(text) = reply.text().await else { return };
            if text.starts_with(LOG_IS_GONE) {
                return;
            }
            let mut log = Log::default();
            log.push(text.as_bytes());
            crash.lines = log.lines().map(str::to_owned).collect();
            let Some(shared) = weak.upgrade() else { return };
            shared.snapshot.borrow_mut().crash = crash;
            shared.changed();
        });
        tasks.crash = Some((wanted, task));
    }

    /// Reads how Crossview authenticates, again with each change of its Deployment's template.
    fn read_auth_mode(self: &Rc<Self>) {
        let generation = {
            let snapshot = self.snapshot.borrow();
            let Some(found) = snapshot.deployments.known().find(|found| found.is_app()) else { return };
            format!("{}/{}", found.metadata.uid, found.metadata.generation)
        };
        let mut tasks = self.tasks.borrow_mut();
        if tasks.auth_mode.as_ref().is_some_and(|(of, _)| *of == generation) {
            return;
        }
        let (client, weak) = (self.client.clone(), Rc::downgrade(self));
        let path = kinds::CONFIG_MAP.object(Some(self.target.namespace.as_str()), "crossview-config");
        let task = self.client.spawn(async move {
            let Ok(map) = client.read::<ConfigMap>(Request::get(path)).await else { return };
            let Some(shared) = weak.upgrade() else { return };
            shared.snapshot.borrow_mut().auth_mode = access::auth_mode(&map.data);
            shared.changed();
        });
        tasks.auth_mode = Some((generation, task));
    }
}

narrow! {
    /// A list of Deployments.
    struct Deployments {
        items: Vec<Deployment> = "items",
    }

    /// The answer of a SelfSubjectAccessReview or SelfSubjectReview.
    struct Review {
        status: ReviewStatus = "status",
    }

    /// Its status.
    struct ReviewStatus {
        allowed: bool = "allowed",
        user_info: UserInfo = "userInfo",
    }

    /// `version.Info`.
    struct Version {
        git_version: String = "gitVersion",
    }

    /// Who the user is.
    struct UserInfo {
        username: String = "username",
    }
}

/// Asks the cluster who the user is.
async fn ask_user(weak: Weak<Shared>, client: Client) {
    let body = manifest(r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}"#, &[]);
    let answer =
        client.read::<Review>(Request::create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)).await;
    if let (Ok(review), Some(shared)) = (answer, weak.upgrade()) {
        shared.snapshot.borrow_mut().rights.user = review.status.user_info.username;
        shared.changed();
    }
}

/// Asks the cluster for its version.
async fn ask_version(weak: Weak<Shared>, client: Client) {
    let answer = client.read::<Version>(Request::get("/version")).await;
    if let (Ok(version), Some(shared)) = (answer, weak.upgrade()) {
        shared.snapshot.borrow_mut().kubernetes = version.git_version;
        shared.changed();
    }
}

/// Asks the cluster whether the user has one permission.
fn ask_permission(shared: &Rc<Shared>, permission: Permission) -> impl Future<Output = ()> + use<> {
    let (weak, client, target) = (Rc::downgrade(shared), shared.client.clone(), shared.target.clone());
    async move {
        let refusal = ask(&client, &target, permission).await;
        let Some(shared) = weak.upgrade() else { return };
        shared.snapshot.borrow_mut().rights.set(permission, refusal);
        shared.changed();
    }
}

/// The cluster's words if it says no to `permission`.
async fn ask(client: &Client, target: &Target, permission: Permission) -> Option<String> {
    let (kind, verb) = match permission {
        Permission::CreateNamespace => (kinds::NAMESPACE, "create"),
        Permission::ManageServiceAccount => (kinds::SERVICE_ACCOUNT, "patch"),
        Permission::ManageLease => (kinds::LEASE, "update"),
        Permission::CreateJob => (kinds::JOB, "create"),
        Permission::PatchJob => (kinds::JOB, "patch"),
        Permission::CreateSecret => (kinds::SECRET, "create"),
        Permission::DeleteBinding => (kinds::BINDING, "delete"),
        Permission::GetPortForward => (kinds::POD, "get"),
        Permission::CreatePortForward => (kinds::POD, "create"),
        // Access reviews know nothing of escalation: try the very write.
        // https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
        Permission::BindClusterAdmin => {
            let path = kinds::BINDING.object(None, BINDING_NAME);
            let trial = Request::apply(&path, manifests::binding(target, "")).dry_run();
            return match client.object(trial).await {
                Err(ApiError::Forbidden { message }) => Some(message),
                _ => None,
            };
        }
    };
    let subresource = if kind == kinds::POD { "portforward" } else { "" };
    let namespaced = kind != kinds::NAMESPACE && kind != kinds::BINDING;
    let namespace = if namespaced { target.namespace.as_str() } else { "" };
    let fields = [
        ("/spec/resourceAttributes/group", kind.group()),
        ("/spec/resourceAttributes/resource", kind.plural),
        ("/spec/resourceAttributes/subresource", subresource),
        ("/spec/resourceAttributes/verb", verb),
        ("/spec/resourceAttributes/namespace", namespace),
    ];
    let body = manifest(include_str!("manifests/access-review.json"), &fields);
    let answer =
        client.read::<Review>(Request::create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)).await;
    let place = if namespaced { format!(" in the namespace {namespace}") } else { String::new() };
    let of = if subresource.is_empty() { "" } else { "/" };
    let refusal = |_| format!("{verb} {}{of}{subresource}{place}", kind.plural);
    answer.ok().filter(|review| !review.status.allowed).map(refusal)
}
