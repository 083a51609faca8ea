//! What the scheduler and the kubelet do: pods are placed, images pulled, containers run and end; their logs.
//!
//! What containers did lives here, in the node, as on a real one; the store gets what the kubelet reports. Statuses,
//! reasons, events and words are those of Kubernetes 1.34 with containerd, read off a real node as in `controllers`.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use serde_json::{Value, json};

use super::{
    World,
    api::{Answer, LogRequest, failure},
    app::App,
    defaults::decode,
    events::Happening,
    faults::Fault,
    helm::Helm,
    rbac::Subject,
    store::{
        CONFIG_MAPS, Key, NODES, PODS, SECRETS, Store, array, at, earlier, is_deleting, later, seconds, set, text, time,
    },
};
use crate::cluster::Timestamp;

/// The only node.
pub(super) const NODE: &str = "node-1";
const NODE_ADDRESS: &str = "10.0.0.11";

/// How long things take on the simulated node. The figures are of the tests' real one, rounded.
const SCHEDULE: Duration = Duration::from_millis(50);
const SANDBOX: Duration = Duration::from_millis(800);
const PULL: Duration = Duration::from_millis(1500);
const SLOW_PULL: Duration = Duration::from_secs(15);
const START: Duration = Duration::from_millis(200);
const TEARDOWN: Duration = Duration::from_secs(1);

/// What a program does next.
pub(super) enum Next {
    /// It goes on at this time.
    At(Timestamp),
    /// It waits for a signal.
    Rest,
    /// It ends with this exit code.
    Exit(u8),
}

/// What a program in a container can reach.
pub(super) struct Machine<'a> {
    pub store: &'a mut Store,
    pub fault: Fault,
    pub who: Subject,
    pub namespace: &'a str,
    pub args: &'a [String],
    /// Environment of the container.
    pub environment: &'a BTreeMap<String, String>,
    /// Mounted files by their path.
    pub files: &'a BTreeMap<String, String>,
    /// Folders that volumes are mounted at.
    pub mounts: &'a [String],
    /// Whether nothing but those can be written to.
    pub is_read_only: bool,
    /// Chart repositories that Helm knows in this place: name and URL.
    pub repositories: &'a mut Vec<(String, String)>,
    log: &'a mut Vec<Line>,
}

impl Machine<'_> {
    /// Prints one line or several.
    pub fn print(&mut self, text: &str) {
        let now = self.store.now;
        self.log.extend(text.trim_end_matches('\n').split('\n').map(|line| Line { at: now, text: line.to_owned() }));
    }
}

/// One line of a log.
#[derive(Debug, Clone)]
pub(super) struct Line {
    at: Timestamp,
    text: String,
}

enum Program {
    Helm(Box<Helm>),
    /// `cat` of Helm's image.
    Cat,
    App(App),
    /// Runs until it is told to end.
    Server,
}

impl Program {
    /// What runs in a container: its image's own program, or the one that its spec names.
    fn of(image: &str, command: &str) -> Self {
        if is_helm(image) && command == "cat" {
            Self::Cat
        } else if is_helm(image) {
            Self::Helm(Box::default())
        } else if image.starts_with(APP_IMAGE) {
            Self::App(App::default())
        } else {
            Self::Server
        }
    }

    fn step(&mut self, machine: &mut Machine<'_>) -> Next {
        match self {
            Self::Helm(helm) => helm.step(machine),
            Self::Cat => super::helm::print_index(machine),
            Self::App(app) => app.step(machine),
            Self::Server => Next::Rest,
        }
    }

    /// SIGTERM.
    fn terminate(&mut self, machine: &mut Machine<'_>) -> Next {
        match self {
            Self::Helm(helm) => helm.terminate(machine),
            Self::Cat | Self::App(_) | Self::Server => Next::Exit(0),
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Self::App(app) => app.is_ready(),
            Self::Helm(_) | Self::Cat | Self::Server => true,
        }
    }
}

/// Any Helm 4: the simulated one speaks as Helm 4 does.
fn is_helm(image: &str) -> bool {
    image.strip_prefix("docker.io/").unwrap_or(image).starts_with("alpine/helm:4.")
}

const APP_IMAGE: &str = "ghcr.io/crossplane-contrib/crossview:v4.";
const POSTGRES_IMAGE: &str = "docker.io/library/postgres:17";

enum Stage {
    /// Not its turn yet.
    Waiting,
    Pulling {
        until: Timestamp,
    },
    /// The image isn't there: told at first, then waited over.
    NoImage {
        until: Timestamp,
        backing_off: bool,
        failures: u32,
    },
    Starting {
        until: Timestamp,
    },
    Running {
        since: Timestamp,
        program: Program,
        next: Option<Timestamp>,
    },
    Ended {
        state: Value,
        code: u8,
    },
    /// Ended, and to be started again.
    Backoff {
        until: Timestamp,
        seconds: u64,
        state: Value,
    },
}

struct Container {
    name: String,
    image: String,
    is_init: bool,
    stage: Stage,
    restarts: u32,
    last: Value,
    log: Vec<Line>,
    previous: Vec<Line>,
    id: String,
}

/// The part of a pod that an event is about.
fn container_field(name: &str, is_init: bool) -> String {
    format!("spec.{}{{{name}}}", if is_init { "initContainers" } else { "containers" })
}

impl Container {
    fn field(&self) -> String {
        container_field(&self.name, self.is_init)
    }

    fn has_succeeded(&self) -> bool {
        matches!(self.stage, Stage::Ended { code: 0, .. })
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    fn is_ready(&self) -> bool {
        match &self.stage {
            Stage::Running { program, .. } => program.is_ready(),
            Stage::Ended { code, .. } => self.is_init && *code == 0,
            _ => false,
        }
    }
}

enum Sandbox {
    Preparing { until: Timestamp },
    Ready,
    Gone,
}

/// A pod on the node.
struct Pod {
    key: Key,
    address: String,
    started: Timestamp,
    sandbox: Sandbox,
    mount_failures: u32,
    containers: Vec<Container>,
    /// Helm's list of repositories, by the volume it lies in (or the container, where in none).
    homes: BTreeMap<String, Vec<(String, String)>>,
    /// When it was told to end.
    told: Option<Timestamp>,
    /// When the last container ended for good.
    over: Option<Timestamp>,
}

/// The node: what runs on it, and the images it has.
#[derive(Default)]
pub(super) struct Node {
    pods: BTreeMap<String, Pod>,
    images: Vec<String>,
    addresses: u8,
    /// Counts changes of logs.
    pub version: u64,
}

/// Does all that can be done now; answers when there is more to do.
pub(super) fn step(world: &mut World) -> Option<Timestamp> {
    let pods = world.store.list(&PODS, None);
    world.node.pods.retain(|uid, _| pods.iter().any(|(_, pod)| text(pod, "/metadata/uid") == uid));
    pods.into_iter()
        .filter_map(|(key, pod)| {
            if text(&pod, "/spec/nodeName").is_empty() { schedule(world, &key, &pod) } else { run(world, &key, &pod) }
        })
        .min()
}

fn note(store: &mut Store, to: &Key, field: Option<String>, is_warning: bool, reason: &'static str, message: String) {
    Happening { to, field, from: "kubelet", is_warning, reason, message }.note(store);
}

fn schedule(world: &mut World, key: &Key, pod: &Value) -> Option<Timestamp> {
    let store = &mut world.store;
    let at_earliest = time(pod, "/metadata/creationTimestamp")?.after(SCHEDULE);
    if is_deleting(pod) {
        return None;
    }
    if at_earliest > store.now {
        return Some(at_earliest);
    }
    let now = seconds(store.now);
    let is_helm = array(pod, "/spec/containers").iter().any(|container| is_helm(text(container, "/image")));
    let say = |store: &mut Store, is_warning, reason, message: String| {
        Happening { to: key, field: None, from: "default-scheduler", is_warning, reason, message }.note(store)
    };
    let cordoned = store.get(&NODES.key("", NODE)).is_some_and(|node| node["spec"]["unschedulable"] == true);
    if cordoned || (world.fault == Fault::Unschedulable && is_helm) {
        let why = if cordoned { "node(s) were unschedulable" } else { "Insufficient memory" };
        let message = format!(
            "0/1 nodes are available: 1 {why}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
        let told = super::controllers::condition(pod, "PodScheduled").is_some();
        if !told {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
                "lastProbeTime": null, "lastTransitionTime": now, "observedGeneration": 1,
            });
            store.update(key, |pod| set(at(pod, "status"), "conditions", json!([condition])));
            say(store, true, "FailedScheduling", message);
        }
        return None;
    }
    store.update(key, |pod| {
        set(at(pod, "spec"), "nodeName", json!(NODE));
        let condition =
            json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
        set(at(pod, "status"), "conditions", json!([condition]));
    });
    say(store, false, "Scheduled", format!("Successfully assigned {}/{} to {NODE}", key.namespace, key.name));
    let pod = store.get(key).cloned()?;
    run(world, key, &pod)
}

/// The pod's turn on its node.
fn run(world: &mut World, key: &Key, object: &Value) -> Option<Timestamp> {
    let uid = text(object, "/metadata/uid").to_owned();
    let now = world.store.now;
    let mut pod = match world.node.pods.remove(&uid) {
        Some(pod) => pod,
        None if matches!(text(object, "/status/phase"), "Succeeded" | "Failed") => return None,
        None => {
            world.node.addresses = world.node.addresses.wrapping_add(1);
            Pod::new(key.clone(), object, format!("10.244.0.{}", world.node.addresses), now)
        }
    };
    let due = pod.advance(world, object);
    pod.report(&mut world.store, object);
    if pod.over.is_some_and(|over| over.after(TEARDOWN) <= now) && is_deleting(object) {
        world.store.update(key, |object| {
            let metadata = at(object, "metadata");
            set(metadata, "deletionTimestamp", json!(seconds(now)));
            set(metadata, "deletionGracePeriodSeconds", json!(0));
        });
    }
    world.node.pods.insert(uid, pod);
    due
}

impl Pod {
    fn new(key: Key, object: &Value, address: String, now: Timestamp) -> Self {
        let of = |list: &str, is_init: bool| -> Vec<Container> {
            let containers = array(object, list).iter();
            let new = |spec: &Value| Container {
                name: text(spec, "/name").to_owned(),
                image: text(spec, "/image").to_owned(),
                is_init,
                stage: Stage::Waiting,
                restarts: 0,
                last: json!({}),
                log: Vec::new(),
                previous: Vec::new(),
                id: String::new(),
            };
            containers.map(new).collect()
        };
        let mut containers = of("/spec/initContainers", true);
        containers.extend(of("/spec/containers", false));
        let sandbox = Sandbox::Preparing { until: now.after(SANDBOX) };
        Self {
            key,
            address,
            started: now,
            sandbox,
            mount_failures: 0,
            containers,
            homes: BTreeMap::new(),
            told: None,
            over: None,
        }
    }

    fn advance(&mut self, world: &mut World, object: &Value) -> Option<Timestamp> {
        let now = world.store.now;
        let mut due = None;
        if is_deleting(object) && self.told.is_none() {
            self.told = Some(now);
            for index in 0..self.containers.len() {
                self.stop(world, object, index);
            }
        }
        let kill = time(object, "/metadata/deletionTimestamp");
        if self.told.is_none()
            && let Sandbox::Preparing { until } = self.sandbox
        {
            if until > now {
                return Some(until);
            }
            if let Some(missing) = missing_volume(&world.store, object) {
                self.mount_failures += 1;
                note(&mut world.store, &self.key, None, true, "FailedMount", missing);
                // 0.5 s, doubled up to two minutes.
                let until = now.after(Duration::from_millis(500 << self.mount_failures.min(8)));
                self.sandbox = Sandbox::Preparing { until };
                return Some(until);
            }
            self.sandbox = Sandbox::Ready;
        }
        for index in 0..self.containers.len() {
            due = earlier(due, self.advance_container(world, object, index));
            let container = &self.containers[index];
            if container.is_init && !container.has_succeeded() {
                break;
            }
        }
        if self.over.is_none() && self.is_over(object) {
            self.over = Some(now);
        }
        if let Some(over) = self.over {
            let end = over.after(TEARDOWN);
            if end > now {
                due = earlier(due, Some(end));
            } else {
                self.sandbox = Sandbox::Gone;
            }
        } else if self.told.is_some() {
            due = earlier(due, kill.filter(|kill| *kill > now));
        }
        due
    }

    /// Nothing will run here any more.
    fn is_over(&self, object: &Value) -> bool {
        if self.told.is_some() {
            return self.containers.iter().all(|container| !matches!(container.stage, Stage::Running { .. }));
        }
        let failed = |container: &Container| container.is_over() && !container.has_succeeded();
        let never = text(object, "/spec/restartPolicy") == "Never";
        (never && self.containers.iter().any(|container| container.is_init && failed(container)))
            || self.containers.iter().filter(|container| !container.is_init).all(Container::is_over)
    }

    /// Sends SIGTERM.
    fn stop(&mut self, world: &mut World, object: &Value, index: usize) {
        let is_running = matches!(self.containers[index].stage, Stage::Running { .. });
        if is_running {
            let (field, name) = (self.containers[index].field(), self.containers[index].name.clone());
            note(&mut world.store, &self.key, Some(field), false, "Killing", format!("Stopping container {name}"));
            self.work(world, object, index, true);
        }
    }

    fn advance_container(&mut self, world: &mut World, object: &Value, index: usize) -> Option<Timestamp> {
        let now = world.store.now;
        let is_told = self.told.is_some();
        loop {
            let slow = world.fault == Fault::Slow;
            let container = &mut self.containers[index];
            let field = Some(container.field());
            let image = container.image.clone();
            match &mut container.stage {
                Stage::Waiting if is_told => return None,
                Stage::Waiting => {
                    if is_there(&image, world.fault) && world.node.images.contains(&image) {
                        note(
                            &mut world.store,
                            &self.key,
                            field,
                            false,
                            "Pulled",
                            format!("Container image {image:?} already present on machine"),
                        );
                        container.stage = Stage::Starting { until: now.after(START) };
                    } else {
                        note(&mut world.store, &self.key, field, false, "Pulling", format!("Pulling image {image:?}"));
                        container.stage = Stage::Pulling { until: now.after(if slow { SLOW_PULL } else { PULL }) };
                    }
                }
                Stage::Pulling { until } if *until > now => return Some(*until).filter(|_| !is_told),
                Stage::Pulling { .. } if is_there(&image, world.fault) => {
                    let took = if slow { "15s" } else { "1.5s" };
                    note(
                        &mut world.store,
                        &self.key,
                        field,
                        false,
                        "Pulled",
                        format!(
                            "Successfully pulled image {image:?} in {took} ({took} including waiting). Image size: 31457280 bytes."
                        ),
                    );
                    world.node.images.push(image);
                    container.stage = Stage::Starting { until: now.after(START) };
                }
                Stage::Pulling { .. } => {
                    let why = pull_error(&image);
                    note(
                        &mut world.store,
                        &self.key,
                        field.clone(),
                        true,
                        "Failed",
                        format!("Failed to pull image {image:?}: {why}"),
                    );
                    note(&mut world.store, &self.key, field, true, "Failed", "Error: ErrImagePull".to_owned());
                    container.stage =
                        Stage::NoImage { until: later(now, 10), backing_off: false, failures: container.restarts + 1 };
                }
                Stage::NoImage { until, .. } if *until > now => return Some(*until).filter(|_| !is_told),
                Stage::NoImage { until, backing_off, failures } => {
                    if *backing_off {
                        *backing_off = false;
                        note(
                            &mut world.store,
                            &self.key,
                            field.clone(),
                            false,
                            "Pulling",
                            format!("Pulling image {image:?}"),
                        );
                        if is_there(&image, world.fault) {
                            container.stage = Stage::Pulling { until: now.after(PULL) };
                        } else {
                            *failures += 1;
                            *until = later(now, 10);
                            let why = pull_error(&image);
                            note(
                                &mut world.store,
                                &self.key,
                                field.clone(),
                                true,
                                "Failed",
                                format!("Failed to pull image {image:?}: {why}"),
                            );
                            note(&mut world.store, &self.key, field, true, "Failed", "Error: ErrImagePull".to_owned());
                        }
                    } else {
                        *backing_off = true;
                        *until = later(now, (10 << (*failures).min(5)).min(300));
                        note(
                            &mut world.store,
                            &self.key,
                            field.clone(),
                            false,
                            "BackOff",
                            format!("Back-off pulling image {image:?}"),
                        );
                        note(&mut world.store, &self.key, field, true, "Failed", "Error: ImagePullBackOff".to_owned());
                    }
                }
                Stage::Starting { until } if *until > now => return Some(*until).filter(|_| !is_told),
                Stage::Starting { .. } => {
                    container.id = format!(
                        "containerd://{:016x}{:016x}{:016x}{:016x}",
                        world.store.random(),
                        world.store.random(),
                        world.store.random(),
                        world.store.random()
                    );
                    container.previous = std::mem::take(&mut container.log);
                    note(
                        &mut world.store,
                        &self.key,
                        field.clone(),
                        false,
                        "Created",
                        format!("Created container: {}", container.name),
                    );
                    note(
                        &mut world.store,
                        &self.key,
                        field,
                        false,
                        "Started",
                        format!("Started container {}", container.name),
                    );
                    let command = text(&container_spec(object, container), "/command/0").to_owned();
                    let program = Program::of(&image, &command);
                    container.stage = Stage::Running { since: now, program, next: Some(now) };
                }
                Stage::Running { next, .. } => {
                    let killed = is_told && time(object, "/metadata/deletionTimestamp").is_some_and(|kill| kill <= now);
                    if killed {
                        self.end(world, object, index, 137, "Error");
                        continue;
                    }
                    match *next {
                        Some(at) if at <= now => self.work(world, object, index, false),
                        at => return at,
                    }
                }
                Stage::Backoff { until, .. } if *until > now => return Some(*until).filter(|_| !is_told),
                Stage::Backoff { state, .. } => {
                    container.last = json!({"terminated": state["terminated"]});
                    container.restarts += 1;
                    let image = &container.image;
                    note(
                        &mut world.store,
                        &self.key,
                        field,
                        false,
                        "Pulled",
                        format!("Container image {image:?} already present on machine"),
                    );
                    container.stage = Stage::Starting { until: now.after(START) };
                }
                Stage::Ended { .. } => return None,
            }
        }
    }

    /// Lets the program go on, or tells it to end.
    fn work(&mut self, world: &mut World, object: &Value, index: usize, terminate: bool) {
        let spec = container_spec(object, &self.containers[index]);
        let files = files(&world.store, object, &spec);
        let environment = environment(&world.store, object, &spec);
        let words = array(&spec, "/command").iter().skip(1).chain(array(&spec, "/args"));
        let args: Vec<String> = words.filter_map(Value::as_str).map(str::to_owned).collect();
        let mounts: Vec<String> = array(&spec, "/volumeMounts")
            .iter()
            .map(|mount| text(mount, "/mountPath").trim_end_matches('/').to_owned())
            .collect();
        let who = Subject::service_account(&self.key.namespace, text(object, "/spec/serviceAccountName"));
        let container = &mut self.containers[index];
        if world.fault == Fault::OutOfMemory
            && matches!(&container.stage, Stage::Running { program: Program::Helm(_), .. })
        {
            return self.end(world, object, index, 137, "OOMKilled");
        }
        let Stage::Running { program, next, .. } = &mut container.stage else { return };
        let home = home(object, &spec, &environment, &container.name);
        let field = container_field(&container.name, container.is_init);
        let printed = container.log.len();
        let mut machine = Machine {
            store: &mut world.store,
            fault: world.fault,
            who,
            namespace: &self.key.namespace,
            args: &args,
            environment: &environment,
            files: &files,
            mounts: &mounts,
            is_read_only: spec.pointer("/securityContext/readOnlyRootFilesystem") == Some(&json!(true)),
            repositories: self.homes.entry(home).or_default(),
            log: &mut container.log,
        };
        let outcome = if terminate { program.terminate(&mut machine) } else { program.step(&mut machine) };
        world.node.version += u64::from(container.log.len() > printed);
        let is_unhealthy = matches!(program, Program::App(app) if app.is_failing_its_probe());
        if is_unhealthy {
            let words = "Readiness probe failed: HTTP probe failed with statuscode: 503";
            note(&mut world.store, &self.key, Some(field), true, "Unhealthy", words.to_owned());
        }
        match outcome {
            Next::At(at) => *next = Some(at),
            Next::Rest => *next = None,
            Next::Exit(code) => self.end(world, object, index, code, if code == 0 { "Completed" } else { "Error" }),
        }
    }

    /// The program has ended.
    fn end(&mut self, world: &mut World, object: &Value, index: usize, code: u8, reason: &str) {
        let now = world.store.now;
        world.node.version += 1;
        let spec = container_spec(object, &self.containers[index]);
        let container = &mut self.containers[index];
        let since = if let Stage::Running { since, .. } = container.stage { since } else { now };
        let mut terminated = json!({
            "exitCode": code, "reason": reason, "startedAt": seconds(since), "finishedAt": seconds(now), "containerID": container.id,
        });
        if code != 0 && text(&spec, "/terminationMessagePolicy") == "FallbackToLogsOnError" {
            let message = last_words(&container.log);
            set(&mut terminated, "message", if message.is_empty() { Value::Null } else { json!(message) });
        }
        let state = json!({"terminated": terminated});
        let policy = text(object, "/spec/restartPolicy");
        let again =
            self.told.is_none() && (policy == "Always" && !container.is_init || policy == "OnFailure" && code != 0);
        container.stage = if again {
            // The first restart comes at once.
            let delay = if container.restarts == 0 { 0 } else { (10_u64 << (container.restarts - 1).min(5)).min(300) };
            if delay > 0 {
                let message = format!(
                    "Back-off restarting failed container {} in pod {}_{}({})",
                    container.name,
                    self.key.name,
                    self.key.namespace,
                    text(object, "/metadata/uid")
                );
                note(&mut world.store, &self.key, Some(container.field()), true, "BackOff", message);
            }
            Stage::Backoff { until: later(now, delay), seconds: delay, state }
        } else {
            Stage::Ended { state, code }
        };
    }

    /// Writes the pod's status as it is now.
    fn report(&self, store: &mut Store, object: &Value) {
        let now = seconds(store.now);
        let init: Vec<Value> = self
            .containers
            .iter()
            .filter(|container| container.is_init)
            .map(|container| self.container_status(object, container))
            .collect();
        let main: Vec<Value> = self
            .containers
            .iter()
            .filter(|container| !container.is_init)
            .map(|container| self.container_status(object, container))
            .collect();
        let is_gone = matches!(self.sandbox, Sandbox::Gone);
        let initialized = self.containers.iter().filter(|container| container.is_init).all(Container::has_succeeded);
        let mains = || self.containers.iter().filter(|container| !container.is_init);
        let all_succeeded = initialized && mains().all(Container::has_succeeded);
        let has_run = mains().any(|container| !container.id.is_empty());
        let phase = match (is_gone, all_succeeded) {
            (true, true) => "Succeeded",
            (true, false) => "Failed",
            _ if has_run && !(mains().all(Container::is_over) && text(object, "/status/phase") == "Pending") => {
                "Running"
            }
            _ => "Pending",
        };
        let ended = self.over.is_some() && mains().all(Container::is_over);
        let unready: Vec<&str> =
            mains().filter(|container| !container.is_ready()).map(|container| container.name.as_str()).collect();
        let uninitialized: Vec<&str> = self
            .containers
            .iter()
            .filter(|container| container.is_init && !container.has_succeeded())
            .map(|container| container.name.as_str())
            .collect();
        let not = |reason: &str, text: String| (false, reason.to_owned(), text);
        let is_failed_init = self.over.is_some() && !initialized;
        let ready = if ended && all_succeeded {
            not("PodCompleted", String::new())
        } else if (ended || is_failed_init) && (is_gone || text(object, "/spec/restartPolicy") == "Never") {
            not("PodFailed", String::new())
        } else if unready.is_empty() {
            (true, String::new(), String::new())
        } else {
            not("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
        };
        let init_condition = if uninitialized.is_empty() {
            (true, if ended && all_succeeded { "PodCompleted".to_owned() } else { String::new() }, String::new())
        } else {
            not("ContainersNotInitialized", format!("containers with incomplete status: [{}]", uninitialized.join(" ")))
        };
        let sandboxed = (matches!(self.sandbox, Sandbox::Ready), String::new(), String::new());
        let wanted = [
            ("PodReadyToStartContainers", sandboxed),
            ("Initialized", init_condition),
            ("Ready", ready.clone()),
            ("ContainersReady", ready),
            ("PodScheduled", (true, String::new(), String::new())),
        ];
        let generation = object["metadata"]["generation"].clone();
        let conditions: Vec<Value> = wanted
            .into_iter()
            .map(|(kind, (holds, reason, message))| {
                let value = if holds { "True" } else { "False" };
                let old = super::controllers::condition(object, kind);
                let since = old.filter(|old| text(old, "/status") == value).map_or_else(|| json!(now), |old| old["lastTransitionTime"].clone());
                let mut condition = json!({"type": kind, "status": value, "lastTransitionTime": since, "lastProbeTime": null, "observedGeneration": generation});
                set(&mut condition, "reason", if reason.is_empty() { Value::Null } else { json!(reason) });
                set(&mut condition, "message", if message.is_empty() { Value::Null } else { json!(message) });
                condition
            })
            .collect();
        let mut status = json!({
            "phase": phase, "qosClass": object["status"]["qosClass"], "observedGeneration": generation, "conditions": conditions,
            "startTime": seconds(self.started), "hostIP": NODE_ADDRESS, "hostIPs": [{"ip": NODE_ADDRESS}], "containerStatuses": main,
        });
        if !init.is_empty() {
            set(&mut status, "initContainerStatuses", Value::Array(init));
        }
        if !matches!(self.sandbox, Sandbox::Preparing { .. }) {
            set(&mut status, "podIP", json!(self.address));
            set(&mut status, "podIPs", json!([{"ip": self.address}]));
        }
        store.update(&self.key, |pod| set(pod, "status", status));
    }

    fn container_status(&self, object: &Value, container: &Container) -> Value {
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let not_begun = if self.containers.iter().any(|container| container.is_init) {
            "PodInitializing"
        } else {
            "ContainerCreating"
        };
        let state = match &container.stage {
            _ if self.told.is_some()
                && matches!(self.sandbox, Sandbox::Gone)
                && container.id.is_empty()
                && !container.is_init =>
            {
                json!({"terminated": {
                    "exitCode": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located when the pod was terminated",
                    "startedAt": null, "finishedAt": null,
                }})
            }
            Stage::Waiting | Stage::Pulling { .. } | Stage::Starting { .. } if container.restarts == 0 => {
                waiting(not_begun)
            }
            Stage::Waiting | Stage::Pulling { .. } | Stage::Starting { .. } => container.last.clone(),
            Stage::NoImage { backing_off, .. } => {
                let why = pull_error(&container.image);
                let (reason, message) = if *backing_off {
                    ("ImagePullBackOff", format!("Back-off pulling image {:?}: ErrImagePull: {why}", container.image))
                } else {
                    ("ErrImagePull", why)
                };
                json!({"waiting": {"reason": reason, "message": message}})
            }
            Stage::Running { since, .. } => json!({"running": {"startedAt": seconds(*since)}}),
            Stage::Ended { state, .. } => state.clone(),
            Stage::Backoff { seconds: 0, state, .. } => state.clone(),
            Stage::Backoff { seconds, .. } => {
                let pod = format!("{}_{}({})", self.key.name, self.key.namespace, text(object, "/metadata/uid"));
                let message = format!("back-off {seconds}s restarting failed container={} pod={pod}", container.name);
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
            }
        };
        let last = match &container.stage {
            Stage::Backoff { seconds: 1.., state, .. } => json!({"terminated": state["terminated"]}),
            _ => container.last.clone(),
        };
        let mut status = json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": container.is_ready(), "restartCount": container.restarts,
            "started": matches!(container.stage, Stage::Running { .. }), "state": state, "lastState": last,
        });
        if !container.id.is_empty() {
            set(&mut status, "containerID", json!(container.id));
            set(
                &mut status,
                "imageID",
                json!("sha256:978aeae6efba1efe8052e5c9e17f809ef849889b3e38b48c85fbbb9f6fa10c8f"),
            );
        }
        status
    }
}

/// The end of a log, as the kubelet keeps it: 80 lines and 2048 bytes at most.
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
fn last_words(log: &[Line]) -> String {
    let text: String =
        log.iter().skip(log.len().saturating_sub(80)).flat_map(|line| [line.text.as_str(), "\n"]).collect();
    let start = (text.len().saturating_sub(2048)..=text.len()).find(|&start| text.is_char_boundary(start)).unwrap_or(0);
    text.get(start..).unwrap_or_default().to_owned()
}

fn is_there(image: &str, fault: Fault) -> bool {
    match fault {
        Fault::HelmImage if is_helm(image) => false,
        Fault::AppImage if image.starts_with(APP_IMAGE) => false,
        _ => {
            let known = super::chart::VERSIONS
                .iter()
                .any(|version| image.strip_prefix("ghcr.io/crossplane-contrib/crossview:v") == Some(version));
            known || is_helm(image) || image.starts_with(POSTGRES_IMAGE)
        }
    }
}

fn pull_error(image: &str) -> String {
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image {image:?}: failed to resolve reference {image:?}: {image}: not found"
    )
}

fn container_spec(object: &Value, container: &Container) -> Value {
    let list = if container.is_init { "/spec/initContainers" } else { "/spec/containers" };
    array(object, list).iter().find(|spec| text(spec, "/name") == container.name).cloned().unwrap_or_default()
}

/// A volume that can't be mounted, in the kubelet's words.
fn missing_volume(store: &Store, object: &Value) -> Option<String> {
    let namespace = text(object, "/metadata/namespace");
    array(object, "/spec/volumes").iter().find_map(|volume| {
        let (source, kind, name) = match (volume.get("secret"), volume.get("configMap")) {
            (Some(secret), _) => (secret, "secret", SECRETS.key(namespace, text(secret, "/secretName"))),
            (_, Some(map)) => (map, "configmap", CONFIG_MAPS.key(namespace, text(map, "/name"))),
            _ => return None,
        };
        let missing = source["optional"] != true && store.get(&name).is_none();
        missing.then(|| {
            format!(
                "MountVolume.SetUp failed for volume {:?} : {kind} {:?} not found",
                text(volume, "/name"),
                name.name
            )
        })
    })
}

/// The files of mounted Secrets and ConfigMaps.
fn files(store: &Store, object: &Value, spec: &Value) -> BTreeMap<String, String> {
    let namespace = text(object, "/metadata/namespace");
    let volume = |name: &str| array(object, "/spec/volumes").iter().find(|volume| text(volume, "/name") == name);
    let mut files = BTreeMap::new();
    for mount in array(spec, "/volumeMounts") {
        let Some(volume) = volume(text(mount, "/name")) else { continue };
        let source = match (volume.get("secret"), volume.get("configMap")) {
            (Some(secret), _) => store.get(&SECRETS.key(namespace, text(secret, "/secretName"))),
            (_, Some(map)) => store.get(&CONFIG_MAPS.key(namespace, text(map, "/name"))),
            _ => None,
        };
        let folder = text(mount, "/mountPath").trim_end_matches('/');
        let sub = text(mount, "/subPath");
        for (name, value) in source.and_then(|source| source["data"].as_object()).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            let content = if volume.get("secret").is_some() {
                String::from_utf8_lossy(&decode(value).unwrap_or_default()).into_owned()
            } else {
                value.to_owned()
            };
            if sub.is_empty() {
                files.insert(format!("{folder}/{name}"), content);
            } else if sub == name {
                files.insert(folder.to_owned(), content);
            }
        }
    }
    files
}

/// The container's environment: literal values, and whole ConfigMaps.
fn environment(store: &Store, object: &Value, spec: &Value) -> BTreeMap<String, String> {
    let namespace = text(object, "/metadata/namespace");
    let mut environment = BTreeMap::new();
    for from in array(spec, "/envFrom") {
        let map = store.get(&CONFIG_MAPS.key(namespace, text(from, "/configMapRef/name")));
        let data = map.and_then(|map| map["data"].as_object()).into_iter().flatten();
        environment.extend(data.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())));
    }
    let literal = array(spec, "/env")
        .iter()
        .map(|variable| (text(variable, "/name").to_owned(), text(variable, "/value").to_owned()));
    environment.extend(literal);
    environment
}

/// Where Helm keeps its repositories: the volume that its configuration folder lies in, or the container itself.
fn home(object: &Value, spec: &Value, environment: &BTreeMap<String, String>, container: &str) -> String {
    let folder = environment
        .get("HELM_REPOSITORY_CONFIG")
        .or_else(|| environment.get("HELM_CONFIG_HOME"))
        .cloned()
        .unwrap_or_else(|| {
            format!("{}/.config/helm", environment.get("HOME").map_or("", String::as_str).trim_end_matches('/'))
        });
    let mounts = array(spec, "/volumeMounts").iter().filter(|mount| {
        let path = text(mount, "/mountPath").trim_end_matches('/');
        folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let deepest = mounts.max_by_key(|mount| text(mount, "/mountPath").len());
    let is_scratch = |name: &str| {
        array(object, "/spec/volumes")
            .iter()
            .any(|volume| text(volume, "/name") == name && volume.get("emptyDir").is_some())
    };
    match deepest.map(|mount| text(mount, "/name")).filter(|name| is_scratch(name)) {
        Some(volume) => format!("volume {volume}"),
        None => format!("container {container}"),
    }
}

/// A log that is being read.
pub(super) struct Reading {
    uid: String,
    container: String,
    restarts: u32,
    sent: usize,
    follow: bool,
    timestamps: bool,
}

impl Node {
    /// Opens a log, or says why there is none.
    pub fn open(&self, store: &Store, request: &LogRequest) -> Result<Reading, Box<Answer>> {
        let refuse = |message: String| Err(Box::new(failure(400, "BadRequest", &message, Value::Null)));
        let name = &request.pod.name;
        let object: Rc<Value> = store.get(&request.pod).cloned().unwrap_or_default();
        let names = |list: &str| -> Vec<String> {
            array(&object, list).iter().map(|container| text(container, "/name").to_owned()).collect()
        };
        let (main, init) = (names("/spec/containers"), names("/spec/initContainers"));
        let container = match (request.container.as_str(), main.as_slice()) {
            ("", [only]) => only.clone(),
            ("", _) => {
                return refuse(format!(
                    "a container name must be specified for pod {name}, choose one of: [{}]",
                    main.join(" ")
                ));
            }
            (container, _) if main.iter().chain(&init).any(|known| known == container) => container.to_owned(),
            (container, _) => return refuse(format!("container {container} is not valid for pod {name}")),
        };
        let uid = text(&object, "/metadata/uid").to_owned();
        let found = self.pods.get(&uid).and_then(|pod| pod.containers.iter().find(|known| known.name == container));
        let waiting = |why: &str| refuse(format!("container {container:?} in pod {name:?} is waiting to start: {why}"));
        let not_begun = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        match found.map(|container| &container.stage) {
            Some(Stage::NoImage { backing_off: false, .. }) => return waiting("image can't be pulled"),
            Some(Stage::NoImage { backing_off: true, .. }) => return waiting("trying and failing to pull image"),
            Some(Stage::Waiting | Stage::Pulling { .. } | Stage::Starting { .. })
                if found.is_some_and(|container| container.restarts == 0) =>
            {
                return waiting(not_begun);
            }
            None if !text(&object, "/spec/nodeName").is_empty() => return waiting(not_begun),
            _ => {}
        }
        let mut restarts = found.map_or(0, |found| found.restarts);
        let mut log = found.map_or(0, |found| found.log.len());
        if request.previous {
            // What waits to be started again has its last run behind it already.
            let waits = found.is_some_and(|found| matches!(found.stage, Stage::Backoff { .. }));
            let begins = found.is_some_and(|found| matches!(found.stage, Stage::Starting { .. }));
            match (restarts.checked_sub(1), waits) {
                (_, true) => {}
                (Some(before), false) => {
                    restarts = before;
                    log = if begins { log } else { found.map_or(0, |found| found.previous.len()) };
                }
                (None, false) => {
                    return refuse(format!("previous terminated container {container:?} in pod {name:?} not found"));
                }
            }
        }
        let sent = request.tail.map_or(0, |tail| log.saturating_sub(tail));
        Ok(Reading { uid, container, restarts, sent, follow: request.follow, timestamps: request.timestamps })
    }

    /// What is new in a log; and whether it goes on.
    pub fn read(&self, reading: &mut Reading) -> (Option<String>, bool) {
        let pod = self.pods.get(&reading.uid);
        let Some(container) =
            pod.and_then(|pod| pod.containers.iter().find(|container| container.name == reading.container))
        else {
            return (None, false);
        };
        let is_same = container.restarts == reading.restarts;
        let log = if is_same || matches!(container.stage, Stage::Starting { .. }) {
            &container.log
        } else {
            &container.previous
        };
        let new: String =
            log.iter()
                .skip(reading.sent)
                .map(|line| {
                    if reading.timestamps { format!("{} {}\n", line.at, line.text) } else { format!("{}\n", line.text) }
                })
                .collect();
        reading.sent = reading.sent.max(log.len());
        let goes_on = reading.follow && is_same && matches!(container.stage, Stage::Running { .. });
        (Some(new).filter(|new| !new.is_empty()), goes_on)
    }

    /// Lets every program look around: something outside has changed.
    pub fn stir(&mut self, now: Timestamp) {
        for container in self.pods.values_mut().flat_map(|pod| &mut pod.containers) {
            if let Stage::Running { next: next @ None, .. } = &mut container.stage {
                *next = Some(now);
            }
        }
    }
}
