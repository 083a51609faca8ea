//! The simulated Helm: what `helm` does and prints when a Job runs it.
//!
//! It acts through the simulated API server as its pod's ServiceAccount, so it can do what that may do and no more.
//! Words, orders and labels are those of Helm 4.3, as `tests/fixtures/helm-output` and runs on a real cluster have
//! them. A command that a page here never sends ends in Helm's words for one that it doesn't know.

use serde_json::{Value, json};

use super::{
    api::{self, Answer},
    chart::{self, CREATED, NEWEST, VERSIONS},
    defaults::{decode, encode},
    faults::Fault,
    kubelet::{Machine, Next},
    store::{EVENTS, Key, Resource, SECRETS, array, at, later, number, seconds, set, text},
    values,
};
use crate::cluster::{Request, Timestamp};

/// The DNS server that pods ask.
const DNS: &str = "10.96.0.10:53";
const REGISTRY: &str = "crossplane-contrib/crossview-chart/crossview";
const REPOSITORY: &str = "https://crossplane-contrib.github.io/crossview";
/// The same behind a login, as the tests' real cluster has it.
const PRIVATE: &str = "private.registry.test";
const PRIVATE_REPOSITORY: &str = "https://private.registry.test/charts";
const LOGIN: (&str, &str) = ("reader", "correct horse battery staple");
/// What is in the certificate of the authority that signs for the host `untrusted`.
pub(super) const UNKNOWN_AUTHORITY: &str = "Authority that nobody knows";
/// How long Helm waits for the index of a repository, in seconds.
const FETCH_TIMEOUT: u64 = 120;
/// Revisions of a release that are kept.
const HISTORY: usize = 10;

/// Words for people, after `Error: `.
type Words = String;

/// Helm at work.
#[derive(Debug, Default)]
pub(super) struct Helm {
    stage: Stage,
    options: Options,
    /// Whether a release is made, not changed.
    installs: bool,
    version: &'static str,
    values: Value,
    /// The revision that is written.
    revision: u64,
    /// What is deployed now, or was last.
    current: Option<Release>,
    deadline: Option<Timestamp>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    Query,
    Locate,
    Prepare,
    Apply,
    Wait,
    Finish,
    Delete,
    WaitForDelete,
    RollBack,
}

/// A command line taken apart as Helm does it.
#[derive(Debug, Default, Clone)]
struct Options {
    words: Vec<String>,
    flags: Vec<(String, String)>,
}

const SWITCHES: &[&str] = &[
    "install",
    "create-namespace",
    "reset-then-reuse-values",
    "reuse-values",
    "reset-values",
    "debug",
    "devel",
    "plain-http",
    "take-ownership",
    "wait",
    "wait-for-jobs",
    "rollback-on-failure",
    "atomic",
    "force-replace",
    "force-conflicts",
    "no-hooks",
    "skip-crds",
    "versions",
    "keep-history",
    "ignore-not-found",
    "force-update",
    "hide-notes",
    "cleanup-on-fail",
    "insecure-skip-tls-verify",
    "pass-credentials",
    "password-stdin",
];
const SETTINGS: &[&str] = &[
    "namespace",
    "version",
    "timeout",
    "values",
    "set",
    "set-string",
    "history-max",
    "output",
    "description",
    "server-side",
    "cascade",
    "ca-file",
    "repo",
    "username",
    "password",
    "cert-file",
    "key-file",
    "registry-config",
    "repository-config",
    "repository-cache",
];

impl Options {
    fn parse(args: &[String]) -> Result<Self, Words> {
        let mut options = Self::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let (name, value) = match arg {
                "-n" => ("namespace", None),
                "-f" => ("values", None),
                "-i" => ("install", None),
                "-o" => ("output", None),
                _ => match arg.strip_prefix("--") {
                    Some(flag) => flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value))),
                    None => {
                        options.words.push(arg.to_owned());
                        continue;
                    }
                },
            };
            let value = if SWITCHES.contains(&name) {
                value.unwrap_or("true")
            } else if SETTINGS.contains(&name) {
                match value.or_else(|| args.next()) {
                    Some(value) => value,
                    None => return Err(format!("flag needs an argument: --{name}")),
                }
            } else {
                return Err(format!("unknown flag: --{name}"));
            };
            options.flags.push((name.to_owned(), value.to_owned()));
        }
        Ok(options)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }

    fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// The words after the command, of which there must be `wanted`.
    fn expect(&self, skip: usize, wanted: usize, usage: &str) -> Result<(), Words> {
        if self.words.len() - skip.min(self.words.len()) == wanted {
            return Ok(());
        }
        let command = self.words.get(..skip).unwrap_or_default().join(" ");
        let plural = if wanted == 1 { "" } else { "s" };
        Err(format!("\"helm {command}\" requires {wanted} argument{plural}\n\nUsage:  helm {command} {usage} [flags]"))
    }

    /// `--timeout` in seconds; Go's durations.
    fn timeout(&self) -> Result<u64, Words> {
        let Some(text) = self.get("timeout") else { return Ok(300) };
        let invalid =
            |why: &str| Err(format!("invalid argument {text:?} for \"--timeout\" flag: time: {why} duration {text:?}"));
        let (mut total, mut digits) = (0, String::new());
        for c in text.chars() {
            let factor = match c {
                '0'..='9' => {
                    digits.push(c);
                    continue;
                }
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return invalid("unknown unit in"),
            };
            total += digits.parse::<u64>().unwrap_or(0).saturating_mul(factor);
            digits.clear();
        }
        if digits.is_empty() { Ok(total) } else { invalid("missing unit in") }
    }
}

/// One revision as Helm stores it.
#[derive(Debug, Clone)]
struct Release {
    secret: Key,
    revision: u64,
    status: String,
    payload: Value,
    /// Labels that go on into the next revision.
    modified_at: Value,
}

impl Release {
    fn version(&self) -> &'static str {
        let version = text(&self.payload, "/chart/metadata/version");
        VERSIONS.into_iter().find(|known| *known == version).unwrap_or(NEWEST)
    }
}

/// A request as the pod's ServiceAccount: the object, or the API server's words and its status.
fn call(machine: &mut Machine<'_>, request: &Request) -> Result<Value, (u16, Words)> {
    let who = machine.who.clone();
    match api::handle(machine.store, &who, "helm", request) {
        Answer::Json(status, body) if status < 400 => Ok(body),
        Answer::Json(status, body) => Err((status, text(&body, "/message").to_owned())),
        _ => Err((404, "the server could not find the requested resource".to_owned())),
    }
}

fn path(key: &Key) -> String {
    let resource = key.resource;
    let root =
        if resource.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}", resource.api_version()) };
    let namespace = if resource.namespaced { format!("/namespaces/{}", key.namespace) } else { String::new() };
    let name = if key.name.is_empty() { String::new() } else { format!("/{}", key.name) };
    format!("{root}{namespace}/{}{name}", resource.plural)
}

fn key_of(manifest: &Value) -> Key {
    let resource: &'static Resource = Resource::of(manifest).unwrap_or(&EVENTS);
    resource.key(text(manifest, "/metadata/namespace"), text(manifest, "/metadata/name"))
}

impl Helm {
    pub fn step(&mut self, machine: &mut Machine<'_>) -> Next {
        let outcome = match self.stage {
            Stage::Start => self.start(machine),
            Stage::Query => self.query(machine),
            Stage::Locate => self.locate(machine),
            Stage::Prepare => self.prepare(machine),
            Stage::Apply => self.apply(machine),
            Stage::Wait => self.wait(machine),
            Stage::Finish => self.finish(machine),
            Stage::Delete => self.delete(machine),
            Stage::WaitForDelete => self.wait_for_delete(machine),
            Stage::RollBack => self.roll_back(machine),
        };
        outcome.unwrap_or_else(|words| {
            machine.print(&format!("Error: {words}"));
            Next::Exit(1)
        })
    }

    /// SIGTERM: an upgrade that has begun ends in good order; anything else just ends.
    pub fn terminate(&mut self, machine: &mut Machine<'_>) -> Next {
        let is_upgrade = self.options.word(0) == "upgrade";
        if !is_upgrade || !matches!(self.stage, Stage::Prepare | Stage::Apply | Stage::Wait | Stage::Finish) {
            // The exit code of Go's runtime for a signal that kills it where it is process 1.
            return Next::Exit(2);
        }
        machine.print(&format!("Release {} has been cancelled.", self.options.word(1)));
        let words = self.fail(machine, "context canceled");
        machine.print(&format!("Error: {words}"));
        Next::Exit(1)
    }

    fn after(&mut self, machine: &Machine<'_>, stage: Stage, millis: u64) -> Next {
        self.stage = stage;
        Next::At(machine.store.now.after(std::time::Duration::from_millis(millis)))
    }

    fn namespace(&self, machine: &Machine<'_>) -> String {
        self.options.get("namespace").unwrap_or(machine.namespace).to_owned()
    }

    fn release(&self) -> String {
        self.options.word(1).to_owned()
    }

    fn start(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        self.options = Options::parse(machine.args)?;
        self.options.timeout()?;
        let options = self.options.clone();
        match (options.word(0), options.word(1)) {
            ("version", _) => {
                machine.print("v4.3.1");
                Ok(Next::Exit(0))
            }
            ("upgrade", _) => {
                options.expect(1, 2, "[RELEASE] [CHART]")?;
                Ok(self.after(machine, if options.has("install") { Stage::Query } else { Stage::Locate }, 300))
            }
            ("uninstall", _) => {
                options.expect(1, 1, "RELEASE_NAME [...]")?;
                Ok(self.after(machine, Stage::Delete, 300))
            }
            ("rollback", _) => Ok(self.after(machine, Stage::RollBack, 300)),
            ("repo", "add") => self.repo_add(machine),
            ("repo", "update") => Self::repo_update(machine, options.words.get(2..).unwrap_or_default()),
            ("search", "repo") => Ok(self.search(machine)),
            ("repo" | "search", other) => Err(format!(
                "unknown command {other:?} for \"helm {}\"\nRun 'helm {0} --help' for usage.",
                options.word(0)
            )),
            (other, _) => Err(format!("unknown command {other:?} for \"helm\"\nRun 'helm --help' for usage.")),
        }
    }

    /// All revisions of the release, by their labels; oldest first.
    fn history(&self, machine: &mut Machine<'_>) -> Result<Vec<Release>, Words> {
        let namespace = self.namespace(machine);
        let release = self.release();
        let request = Request::get(format!(
            "{}?labelSelector=name%3D{release}%2Cowner%3Dhelm",
            path(&SECRETS.key(&namespace, ""))
        ));
        let list =
            call(machine, &request).map_err(|(_, words)| format!("query: failed to query with labels: {words}"))?;
        let mut found: Vec<Release> = array(&list, "/items")
            .iter()
            .filter_map(|secret| {
                let stored = decode(text(secret, "/data/release"))?;
                let payload = serde_json::from_slice(&decode(&String::from_utf8(stored).ok()?)?).ok()?;
                Some(Release {
                    secret: SECRETS.key(&namespace, text(secret, "/metadata/name")),
                    revision: text(secret, "/metadata/labels/version").parse().ok()?,
                    status: text(&payload, "/info/status").to_owned(),
                    payload,
                    modified_at: secret["metadata"]["labels"]["modifiedAt"].clone(),
                })
            })
            .collect();
        found.sort_by_key(|release| release.revision);
        Ok(found)
    }

    fn query(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let history = self.history(machine)?;
        self.installs = history.last().is_none_or(|release| release.status == "uninstalled");
        if self.installs {
            machine.print(&format!("Release {:?} does not exist. Installing it now.", self.release()));
        }
        Ok(self.after(machine, Stage::Locate, 700))
    }

    /// Finds the chart, and rests where nothing ever answers; then reads the values.
    fn locate(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        writable(machine, "cache")?;
        let reference = self.options.word(2).to_owned();
        let asked = self.options.get("version").unwrap_or_default().to_owned();
        let Some(version) = find_chart(machine, &reference, &asked, self.options.has("devel"))? else {
            return Ok(Next::Rest);
        };
        self.version = version;
        let mut given = json!({});
        for file in self.options.all("values") {
            let content = machine.files.get(file).ok_or_else(|| format!("open {file}: no such file or directory"))?;
            let parsed = values::parse(content).map_err(|words| format!("failed to parse {file}: {words}"))?;
            values::merge(&mut given, &parsed);
        }
        self.options.all("set").for_each(|assignment| values::assign(&mut given, assignment, false));
        self.options.all("set-string").for_each(|assignment| values::assign(&mut given, assignment, true));
        self.values = given;
        Ok(self.after(machine, Stage::Prepare, 400))
    }

    /// The words with which this command fails.
    fn failed(&self, words: &str) -> Words {
        if self.installs || self.options.word(0) != "upgrade" {
            words.to_owned()
        } else {
            format!("UPGRADE FAILED: {words}")
        }
    }

    fn prepare(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let namespace = self.namespace(machine);
        let release = self.release();
        let history = self.history(machine).map_err(|words| self.failed(&words))?;
        let last = history.last().cloned();
        if !self.installs {
            let Some(last) = &last else { return Err(self.failed(&format!("{release:?} has no deployed releases"))) };
            if last.status.starts_with("pending-") {
                return Err(self.failed("another operation (install/upgrade/rollback) is in progress"));
            }
            let deployed = history.iter().rev().find(|release| release.status == "deployed");
            self.current =
                deployed.or(Some(last).filter(|last| matches!(last.status.as_str(), "failed" | "superseded"))).cloned();
            let Some(current) = &self.current else {
                return Err(self.failed(&format!("{release:?} has no deployed releases")));
            };
            let reuses = self.options.has("reset-then-reuse-values") || self.options.has("reuse-values");
            // Without any word about values, an upgrade that brings none keeps the old ones.
            let brings_none =
                self.values.as_object().is_none_or(serde_json::Map::is_empty) && !self.options.has("reset-values");
            if reuses || brings_none {
                let mut values = current.payload["config"].clone();
                let given = std::mem::take(&mut self.values);
                values::merge(&mut values, &given);
                self.values = values;
            }
        }
        self.revision = last.as_ref().map_or(1, |last| last.revision + 1);
        let rendered =
            chart::render(&release, &namespace, self.version, &self.values).map_err(|words| self.failed(&words))?;
        self.check_owners(machine, &rendered.objects, &release, &namespace)?;
        if self.installs && self.options.has("create-namespace") {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"name": namespace}}});
            let request = Request::apply(&format!("/api/v1/namespaces/{namespace}"), manifest);
            call(machine, &as_helm(request)).map_err(|(_, words)| {
                format!("server-side apply failed for object /{namespace} /v1, Kind=Namespace: {words}")
            })?;
        }
        let status = if self.installs { "pending-install" } else { "pending-upgrade" };
        let inherited = if self.installs { Value::Null } else { last.map_or(Value::Null, |last| last.modified_at) };
        self.store_new(machine, status, &inherited).map_err(|words| self.failed(&words))?;
        self.deadline = Some(later(machine.store.now, self.options.timeout()?));
        Ok(self.after(machine, Stage::Apply, 300))
    }

    /// Nothing that will be made may belong to anything else.
    fn check_owners(
        &self,
        machine: &mut Machine<'_>,
        objects: &[Value],
        release: &str,
        namespace: &str,
    ) -> Result<(), Words> {
        let deed = if self.installs { "unable to continue with install" } else { "unable to continue with update" };
        for manifest in objects {
            let key = key_of(manifest);
            let (kind, place) = (key.resource.kind, &key.namespace);
            let found = match call(machine, &Request::get(path(&key))) {
                Ok(found) => found,
                Err((404, _)) => continue,
                Err((_, words)) => {
                    return Err(self.failed(&format!("{deed}: could not get information about the resource {kind} {:?} in namespace {place:?}: {words}", key.name)));
                }
            };
            let mut complaints = Vec::new();
            for (what, map, name, wanted) in [
                ("label", "labels", "app.kubernetes.io/managed-by", "Helm"),
                ("annotation", "annotations", "meta.helm.sh/release-name", release),
                ("annotation", "annotations", "meta.helm.sh/release-namespace", namespace),
            ] {
                match found["metadata"][map].get(name).and_then(Value::as_str) {
                    Some(value) if value == wanted => {}
                    Some(value) => complaints.push(format!(
                        "{what} validation error: key {name:?} must equal {wanted:?}: current value is {value:?}"
                    )),
                    None => complaints
                        .push(format!("{what} validation error: missing key {name:?}: must be set to {wanted:?}")),
                }
            }
            if !complaints.is_empty() && !self.options.has("take-ownership") {
                return Err(self.failed(&format!(
                    "{deed}: {kind} {:?} in namespace {place:?} exists and cannot be imported into the current release: invalid ownership metadata; {}",
                    key.name,
                    complaints.join("; ")
                )));
            }
        }
        Ok(())
    }

    /// Stores a new revision, and drops those that are too old.
    fn store_new(&self, machine: &mut Machine<'_>, status: &str, modified_at: &Value) -> Result<(), Words> {
        let namespace = self.namespace(machine);
        let release = self.release();
        let kept = self.options.get("history-max").and_then(|max| max.parse().ok()).unwrap_or(HISTORY);
        let history = self.history(machine)?;
        let surplus = (history.len() + 1).saturating_sub(kept);
        for old in history.iter().filter(|old| old.status != "deployed").take(if kept == 0 { 0 } else { surplus }) {
            call(machine, &Request::delete(path(&old.secret), json!({}))).ok();
        }
        let now = machine.store.now;
        let mut labels = json!({
            "name": release, "owner": "helm", "status": status, "version": self.revision.to_string(), "createdAt": now.seconds().to_string(),
        });
        set(&mut labels, "modifiedAt", modified_at.clone());
        let payload = json!({
            "name": release, "namespace": namespace, "version": self.revision, "config": self.values,
            "info": {"status": status, "last_deployed": seconds(now)},
            "chart": {"metadata": {"name": "crossview", "version": self.version, "appVersion": format!("v{}", self.version)}},
        });
        let secret = json!({
            "metadata": {"name": secret_name(&release, self.revision), "labels": labels}, "type": "helm.sh/release.v1", "data": {"release": pack(&payload)},
        });
        let request = Request::create(path(&SECRETS.key(&namespace, "")), secret);
        match call(machine, &request) {
            Ok(_) => Ok(()),
            Err((409, _)) => Err("release: already exists".to_owned()),
            Err((_, words)) => Err(format!("create: failed to create: {words}")),
        }
    }

    /// Notes the status of a revision. Helm itself only logs it where this fails.
    fn record(&self, machine: &mut Machine<'_>, revision: u64, status: &str) {
        let key = SECRETS.key(&self.namespace(machine), &secret_name(&self.release(), revision));
        let Ok(mut secret) = call(machine, &Request::get(path(&key))) else { return };
        let stored = decode(text(&secret, "/data/release")).and_then(|stored| decode(&String::from_utf8(stored).ok()?));
        let Some(mut payload) = stored.and_then(|stored| serde_json::from_slice::<Value>(&stored).ok()) else { return };
        set(at(&mut payload, "info"), "status", json!(status));
        set(at(&mut secret, "data"), "release", json!(pack(&payload)));
        let modified = machine.store.now.seconds().to_string();
        let metadata = at(&mut secret, "metadata");
        set(metadata, "resourceVersion", Value::Null);
        let labels = at(metadata, "labels");
        set(labels, "status", json!(status));
        set(labels, "modifiedAt", json!(modified));
        set(labels, "createdAt", Value::Null);
        call(machine, &Request::replace(path(&key), secret)).ok();
    }

    /// Writes the release down as failed; answers the words to end with.
    fn fail(&self, machine: &mut Machine<'_>, words: &str) -> Words {
        self.record(machine, self.revision, "failed");
        if !self.installs {
            machine.print(&format!("level=WARN msg=\"upgrade failed\" name={} error={words:?}", self.release()));
        }
        self.failed(words)
    }

    /// Applies all objects and takes away those that are no longer wanted.
    fn apply_all(&self, machine: &mut Machine<'_>, objects: &[Value]) -> Result<(), Words> {
        let mut failures = Vec::new();
        for manifest in objects {
            let place = chart::place(manifest);
            let request = as_helm(Request::apply(&path(&key_of(manifest)), manifest.clone()));
            match call(machine, &request) {
                Ok(_) => {}
                Err((409, words)) => failures.push(format!("conflict occurred while applying object {place}: {words}")),
                Err((_, words)) => failures.push(format!("server-side apply failed for object {place}: {words}")),
            }
        }
        if !failures.is_empty() {
            return Err(failures.join("\n"));
        }
        if let Some(current) = &self.current {
            let wanted: Vec<Key> = objects.iter().map(key_of).collect();
            for manifest in self.rendered(machine, current.version(), &current.payload["config"]) {
                let key = key_of(&manifest);
                if !wanted.contains(&key) {
                    call(machine, &Request::delete(path(&key), json!({"propagationPolicy": "Background"}))).ok();
                }
            }
        }
        Ok(())
    }

    fn rendered(&self, machine: &Machine<'_>, version: &str, given: &Value) -> Vec<Value> {
        chart::render(&self.release(), &self.namespace(machine), version, given)
            .map(|rendered| rendered.objects)
            .unwrap_or_default()
    }

    fn apply(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let objects = self.rendered(machine, self.version, &self.values);
        self.apply_all(machine, &objects).map_err(|words| self.fail(machine, &words))?;
        let waits = self.options.has("wait") && self.options.get("wait") != Some("hookOnly");
        Ok(self.after(machine, if waits { Stage::Wait } else { Stage::Finish }, 500))
    }

    fn wait(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let objects = self.rendered(machine, self.version, &self.values);
        let unready = objects.iter().filter(|manifest| text(manifest, "/kind") == "Deployment").find_map(|manifest| {
            let key = key_of(manifest);
            let found = machine.store.get(&key)?;
            let (wanted, available) = (number(found, "/spec/replicas")?, number(found, "/status/availableReplicas").unwrap_or(0));
            let observed = number(found, "/status/observedGeneration") == number(found, "/metadata/generation");
            let updated = number(found, "/status/updatedReplicas").unwrap_or(0) >= wanted;
            let done = observed && updated && available >= wanted && number(found, "/status/unavailableReplicas").is_none();
            (!done).then(|| format!("resource Deployment/{}/{} not ready. status: InProgress, message: Available: {available}/{wanted}\ncontext deadline exceeded", key.namespace, key.name))
        });
        match unready {
            None => Ok(self.after(machine, Stage::Finish, 100)),
            Some(words) if self.deadline.is_some_and(|deadline| machine.store.now >= deadline) => {
                Err(self.fail(machine, &words))
            }
            Some(_) => Ok(self.after(machine, Stage::Wait, 1000)),
        }
    }

    fn finish(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let release = self.release();
        let namespace = self.namespace(machine);
        let is_rollback = self.options.word(0) == "rollback";
        let superseded: Vec<u64> = if is_rollback {
            let history = self.history(machine)?;
            history.iter().filter(|old| old.status == "deployed").map(|old| old.revision).collect()
        } else {
            self.current.iter().map(|current| current.revision).collect()
        };
        for revision in superseded {
            self.record(machine, revision, "superseded");
        }
        self.record(machine, self.revision, "deployed");
        if is_rollback {
            machine.print("Rollback was a success! Happy Helming!");
            return Ok(Next::Exit(0));
        }
        if !self.installs {
            machine.print(&format!("Release {release:?} has been upgraded. Happy Helming!"));
        }
        let done = if self.installs { "Install complete" } else { "Upgrade complete" };
        let port = chart::render(&release, &namespace, self.version, &self.values).map_or(80, |rendered| rendered.port);
        let service = if release.contains("crossview") {
            format!("{release}-service")
        } else {
            format!("{release}-crossview-service")
        };
        machine.print(&format!(
            "NAME: {release}\nLAST DEPLOYED: {}\nNAMESPACE: {namespace}\nSTATUS: deployed\nREVISION: {}\nDESCRIPTION: {done}\nTEST SUITE: None\nNOTES:\n\
             Crossview v{} is on its way. To open it:\n\n  kubectl --namespace {namespace} port-forward service/{service} 3001:{port}\n  http://localhost:3001",
            ansi_c(machine.store.now),
            self.revision,
            self.version
        ));
        Ok(Next::Exit(0))
    }

    fn roll_back(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let asked = match self.options.word(2) {
            "" => 0,
            number => number.parse().map_err(|_| {
                format!("could not convert revision to a number: strconv.Atoi: parsing {number:?}: invalid syntax")
            })?,
        };
        let history = self.history(machine)?;
        let Some(last) = history.last() else { return Err("release: not found".to_owned()) };
        let target = if asked == 0 { last.revision.saturating_sub(1) } else { asked };
        let Some(found) = history.iter().find(|release| release.revision == target) else {
            return Err(format!("release has no {target} version"));
        };
        self.version = found.version();
        self.values = found.payload["config"].clone();
        self.revision = last.revision + 1;
        // What is deployed is superseded in the end; a last revision that never got there stays as it is.
        self.current = Some(last.clone());
        self.store_new(machine, "pending-rollback", &found.modified_at)?;
        self.deadline = Some(later(machine.store.now, self.options.timeout()?));
        Ok(self.after(machine, Stage::Apply, 500))
    }

    fn delete(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let release = self.release();
        let loaded =
            self.history(machine).map_err(|words| format!("uninstall: Release not loaded: {release}: {words}"))?;
        let Some(last) = loaded.last() else {
            if self.options.has("ignore-not-found") {
                return Ok(Next::Exit(0));
            }
            return Err(format!("uninstall: Release not loaded: {release}: release: not found"));
        };
        self.record(machine, last.revision, "uninstalling");
        self.current = Some(last.clone());
        let mut objects = self.rendered(machine, last.version(), &last.payload["config"]);
        objects.reverse();
        for manifest in &objects {
            match call(machine, &Request::delete(path(&key_of(manifest)), json!({"propagationPolicy": "Background"}))) {
                Ok(_) | Err((404, _)) => {}
                Err(_) => return Err(format!("failed to delete release: {release}")),
            }
        }
        self.deadline = Some(later(machine.store.now, self.options.timeout()?));
        Ok(self.after(machine, Stage::WaitForDelete, 500))
    }

    fn wait_for_delete(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        let release = self.release();
        let objects = self
            .current
            .as_ref()
            .map(|last| self.rendered(machine, last.version(), &last.payload["config"]))
            .unwrap_or_default();
        let is_there = objects.iter().any(|manifest| machine.store.get(&key_of(manifest)).is_some());
        if self.options.has("wait") && is_there && self.deadline.is_some_and(|deadline| machine.store.now < deadline) {
            return Ok(self.after(machine, Stage::WaitForDelete, 1000));
        }
        for old in self.history(machine)? {
            if self.options.has("keep-history") {
                self.record(machine, old.revision, "uninstalled");
            } else {
                call(machine, &Request::delete(path(&old.secret), json!({}))).ok();
            }
        }
        machine.print(&format!("release {release:?} uninstalled"));
        Ok(Next::Exit(0))
    }

    fn repo_add(&mut self, machine: &mut Machine<'_>) -> Result<Next, Words> {
        self.options.expect(2, 2, "[NAME] [URL]")?;
        writable(machine, "config")?;
        let (name, url) = (self.options.word(2).to_owned(), self.options.word(3).trim_end_matches('/').to_owned());
        if let Some((_, known)) = machine.repositories.iter().find(|(known, _)| *known == name) {
            if *known == url {
                machine.print(&format!("{name:?} already exists with the same configuration, skipping"));
                return Ok(Next::Exit(0));
            }
            return Err(format!("repository name ({name}) already exists, please specify a different name"));
        }
        if self.deadline.is_none() && matches!(outside(machine, host_of(&url), None), Outside::Silent) {
            let end = later(machine.store.now, FETCH_TIMEOUT);
            self.deadline = Some(end);
            return Ok(Next::At(end));
        }
        fetch(machine, &format!("{url}/index.yaml"), is_repository(&url), None)
            .map_err(|why| format!("looks like {url:?} is not a valid chart repository or cannot be reached: {why}"))?;
        machine.print(&format!("{name:?} has been added to your repositories"));
        machine.repositories.push((name, url));
        Ok(Next::Exit(0))
    }

    fn repo_update(machine: &mut Machine<'_>, names: &[String]) -> Result<Next, Words> {
        let all = repositories(machine);
        if all.is_empty() {
            return Err("no repositories found. You must add one before updating".to_owned());
        }
        let known: Vec<String> = all.iter().map(|repository| repository.name.clone()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            return Err(format!("no repositories found matching '{unknown}'.  Nothing will be updated"));
        }
        machine.print("Hang tight while we grab the latest from your chart repositories...");
        let mut failed = Vec::new();
        for repository in all.iter().filter(|repository| names.is_empty() || names.contains(&repository.name)) {
            let Repository { name, url, login } = repository;
            match fetch(machine, &format!("{url}/index.yaml"), is_repository(url), login.as_ref()) {
                Ok(()) => machine.print(&format!("...Successfully got an update from the {name:?} chart repository")),
                Err(why) => {
                    let words =
                        format!("...Unable to get an update from the {name:?} chart repository ({url}):\n\t{why}");
                    machine.print(&words);
                    failed.push(url.clone());
                }
            }
        }
        if !failed.is_empty() {
            return Err(format!("failed to update the following repositories: [{}]", failed.join(" ")));
        }
        machine.print("Update Complete. ⎈Happy Helming!⎈");
        Ok(Next::Exit(0))
    }

    fn search(&self, machine: &mut Machine<'_>) -> Next {
        let chart = self.options.word(2);
        let known = repositories(machine).iter().any(|known| *chart == format!("{}/crossview", known.name));
        let versions =
            VERSIONS.into_iter().filter(|version| known && (self.options.has("devel") || !version.contains('-')));
        let versions = versions.take(if self.options.has("versions") { usize::MAX } else { 1 });
        let offers: Vec<Value> = versions
            .map(|version| json!({"name": chart, "version": version, "app_version": format!("v{version}"), "description": "Dashboard for Crossplane"}))
            .collect();
        machine.print(&Value::Array(offers).to_string());
        Next::Exit(0)
    }
}

/// A chart repository that Helm knows.
struct Repository {
    name: String,
    url: String,
    /// User name and password.
    login: Option<(String, String)>,
}

/// Helm's list of repositories: those that were added, or what the file says that the environment names.
fn repositories(machine: &Machine<'_>) -> Vec<Repository> {
    let Some(file) = machine.environment.get("HELM_REPOSITORY_CONFIG") else {
        let added = machine.repositories.iter();
        return added.map(|(name, url)| Repository { name: name.clone(), url: url.clone(), login: None }).collect();
    };
    let list = machine.files.get(file).and_then(|content| values::parse(content).ok()).unwrap_or_default();
    let part = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let read = |entry: &Value| Repository {
        name: part(entry, "name"),
        url: part(entry, "url").trim_end_matches('/').to_owned(),
        login: Some((part(entry, "username"), part(entry, "password"))).filter(|(user, _)| !user.is_empty()),
    };
    array(&list, "/repositories").iter().map(read).collect()
}

/// Whether Crossview's chart is at this URL, once one is let in.
fn is_repository(url: &str) -> bool {
    url == REPOSITORY || url == PRIVATE_REPOSITORY
}

/// `cat` of the index that Helm has fetched.
pub(super) fn print_index(machine: &mut Machine<'_>) -> Next {
    let path = machine.args.first().cloned().unwrap_or_default();
    let known = repositories(machine).iter().any(|known| path.ends_with(&format!("/{}-index.yaml", known.name)));
    if !known {
        machine.print(&format!("cat: can't open '{path}': No such file or directory"));
        return Next::Exit(1);
    }
    let entries: Vec<String> = VERSIONS
        .iter()
        .zip(CREATED)
        .map(|(version, created)| {
            format!("  - apiVersion: v2\n    appVersion: v{version}\n    created: \"{created}\"\n    name: crossview\n    version: {version}")
        })
        .collect();
    machine.print(&format!(
        "apiVersion: v1\nentries:\n  crossview:\n{}\ngenerated: \"{}\"",
        entries.join("\n"),
        CREATED[0]
    ));
    Next::Exit(0)
}

fn secret_name(release: &str, revision: u64) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// A release as Helm stores it, but for the compression, which Helm doesn't insist on:
/// <https://github.com/helm/helm/blob/main/pkg/storage/driver/util.go>.
fn pack(payload: &Value) -> String {
    encode(encode(payload.to_string().as_bytes()).as_bytes())
}

/// An apply of ours as Helm's.
fn as_helm(mut request: Request) -> Request {
    request.path = format!("{}?fieldManager=helm", request.path.split('?').next().unwrap_or_default());
    request
}

/// Whether Helm can make its folder of this kind (`cache`, `config`); its words where it can't.
fn writable(machine: &Machine<'_>, kind: &str) -> Result<(), Words> {
    let variable = |name: String| machine.environment.get(&name).cloned();
    let upper = kind.to_uppercase();
    let folder = variable(format!("HELM_{upper}_HOME"))
        .or_else(|| variable(format!("XDG_{upper}_HOME")).map(|folder| format!("{folder}/helm")))
        .unwrap_or_else(|| {
            format!("{}/.{kind}/helm", variable("HOME".to_owned()).unwrap_or_default().trim_end_matches('/'))
        });
    let below = |mount: &String| {
        folder.strip_prefix(mount.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !machine.is_read_only || machine.mounts.iter().any(below) {
        return Ok(());
    }
    let first = folder.trim_start_matches('/').split('/').next().unwrap_or_default();
    Err(format!("mkdir /{first}: read-only file system"))
}

/// The host in a URL.
fn host_of(url: &str) -> &str {
    url.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default()
}

/// Reads `url` from somewhere outside; the error is in Go's words.
fn fetch(machine: &Machine<'_>, url: &str, exists: bool, login: Option<&(String, String)>) -> Result<(), Words> {
    match outside(machine, host_of(url), login) {
        Outside::Here if exists => Ok(()),
        Outside::Here => Err(format!("failed to fetch {url} : 404 Not Found")),
        Outside::Broken(why) => Err(format!("Get {url:?}: {why}")),
        Outside::Answers(status, _) => Err(format!("failed to fetch {url} : {status}")),
        Outside::Silent => {
            Err(format!("Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))
        }
    }
}

/// What stands behind a host name. The names below `registry.test` are those of the tests' real cluster.
enum Outside {
    Here,
    /// No answer, and why.
    Broken(Words),
    /// An HTTP status, and the rest of the sentence that a registry client makes of it.
    Answers(&'static str, &'static str),
    Silent,
}

/// The login for `host` in Helm's registry configuration.
fn registry_login(machine: &Machine<'_>, host: &str) -> Option<(String, String)> {
    let file = machine.files.get(machine.environment.get("HELM_REGISTRY_CONFIG")?)?;
    let logins: Value = serde_json::from_str(file).ok()?;
    let auth = String::from_utf8(decode(logins["auths"][host]["auth"].as_str()?)?).ok()?;
    let (user, password) = auth.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Whether a certificate of the authority that nobody knows lies in a folder that Go reads them from.
fn knows_authority(machine: &Machine<'_>) -> bool {
    let folders = machine.environment.get("SSL_CERT_DIR").map_or("", String::as_str);
    machine.files.iter().any(|(path, content)| {
        folders.split(':').any(|folder| path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder))
            && content.contains(UNKNOWN_AUTHORITY)
    })
}

fn outside(machine: &Machine<'_>, host: &str, login: Option<&(String, String)>) -> Outside {
    let fault = machine.fault;
    // There is no proxy anywhere that one could ask.
    if let Some(proxy) = machine.environment.get("HTTPS_PROXY") {
        let name = host_of(proxy).split(':').next().unwrap_or_default();
        return Outside::Broken(format!("proxyconnect tcp: dial tcp: lookup {name} on {DNS}: no such host"));
    }
    let is_let_in = login.is_some_and(|(user, password)| (user.as_str(), password.as_str()) == LOGIN);
    let refused = || Outside::Broken("dial tcp 10.245.0.3:443: connect: connection refused".to_owned());
    let untrusted = |why: &str| Outside::Broken(format!("tls: failed to verify certificate: x509: {why}"));
    match (fault, host) {
        (Fault::RegistryRefuses, _) | (_, "refused.registry.test") => refused(),
        (Fault::RegistrySilent, _) | (_, "silent.registry.test" | "slow.registry.test") => Outside::Silent,
        (_, "ghcr.io" | "crossplane-contrib.github.io") => Outside::Here,
        (_, PRIVATE) if is_let_in => Outside::Here,
        (_, "untrusted.registry.test") if knows_authority(machine) => Outside::Here,
        (_, PRIVATE) => Outside::Answers("401 Unauthorized", "basic credential not found"),
        (_, "limited.registry.test") => Outside::Answers(
            "429 Too Many Requests",
            "response status code 429: toomanyrequests: You have reached your unauthenticated pull rate limit.",
        ),
        (_, "untrusted.registry.test") => untrusted("certificate signed by unknown authority"),
        (_, "expired.registry.test") => {
            untrusted("certificate has expired or is not yet valid: current time is after its end")
        }
        _ => Outside::Broken(format!("dial tcp: lookup {host} on {DNS}: no such host")),
    }
}

fn known_version(asked: &str, devel: bool) -> Option<&'static str> {
    match asked {
        "" if devel => VERSIONS.first().copied(),
        "" => Some(NEWEST),
        _ => VERSIONS.into_iter().find(|known| *known == asked),
    }
}

/// The version of the chart that `reference` and `--version` come to; `None` where nothing ever answers.
fn find_chart(
    machine: &mut Machine<'_>,
    reference: &str,
    asked: &str,
    devel: bool,
) -> Result<Option<&'static str>, Words> {
    let fault = machine.fault;
    if let Some(reference) = reference.strip_prefix("oci://") {
        return find_in_registry(machine, reference, asked, devel);
    }
    if reference.starts_with("https://") || reference.starts_with("http://") {
        let version = reference
            .strip_prefix(REPOSITORY)
            .and_then(|file| known_version(file.strip_prefix("/crossview-")?.strip_suffix(".tgz")?, false));
        let version = version.filter(|_| fault != Fault::WrongVersion);
        if fault == Fault::RegistrySilent {
            return Ok(None);
        }
        return fetch(machine, reference, version.is_some(), None).map(|()| version);
    }
    if let Some((name, chart)) =
        reference.split_once('/').filter(|(name, _)| !name.starts_with('.') && !name.is_empty())
    {
        if !repositories(machine).iter().any(|known| known.name == name) {
            return Err(format!("repo {name} not found"));
        }
        let missing = |why: &str| {
            Err(format!("chart {chart:?} matching {asked} not found in {name} index. (try 'helm repo update'): {why}"))
        };
        if chart != "crossview" {
            return missing("no chart name found");
        }
        return match known_version(asked, devel).filter(|_| fault != Fault::WrongVersion) {
            Some(version) => Ok(Some(version)),
            None => missing(&format!("no chart version found for {chart}-{asked}")),
        };
    }
    Err(format!("path {reference:?} not found"))
}

fn find_in_registry(
    machine: &mut Machine<'_>,
    reference: &str,
    asked: &str,
    devel: bool,
) -> Result<Option<&'static str>, Words> {
    let (reference, digest) =
        reference.split_once('@').map_or((reference, None), |(reference, digest)| (reference, Some(digest)));
    let (host, repository) = reference.split_once('/').unwrap_or((reference, ""));
    let (repository, tag) = repository.rsplit_once(':').unwrap_or((repository, ""));
    let asked = if asked.is_empty() { tag } else { asked };
    if repository.is_empty() || repository.contains(|c: char| c.is_ascii_uppercase() || c == ' ') {
        return Err(format!("invalid reference: invalid repository {repository:?}"));
    }
    let wanted = digest.unwrap_or(asked);
    let lists = wanted.is_empty();
    let url = if lists {
        format!("https://{host}/v2/{repository}/tags/list")
    } else {
        format!("https://{host}/v2/{repository}/manifests/{wanted}")
    };
    let say =
        |words: String| if lists { words } else { format!("failed to perform \"FetchReference\" on source: {words}") };
    let login = registry_login(machine, host);
    match outside(machine, host, login.as_ref()) {
        Outside::Here => {}
        Outside::Silent => return Ok(None),
        Outside::Broken(why) => return Err(say(format!("Get {url:?}: {why}"))),
        Outside::Answers(_, why) => return Err(say(format!("GET {url:?}: {why}"))),
    }
    if repository != REGISTRY {
        let scope = repository.replace('/', "%2F");
        let token = format!("https://{host}/token?scope=repository%3A{scope}%3Apull&service={host}");
        return Err(say(format!(
            "GET {url:?}: GET {token:?}: response status code 403: denied: requested access to the resource is denied"
        )));
    }
    let by_digest = digest.map(|digest| VERSIONS.into_iter().find(|version| digest_of(version) == digest));
    let found =
        by_digest.unwrap_or_else(|| known_version(asked, devel)).filter(|_| machine.fault != Fault::WrongVersion);
    let Some(version) = found else {
        let wanted = if lists { NEWEST } else { wanted };
        let place =
            if digest.is_some() { format!("{reference}@{wanted}") } else { format!("{host}/{repository}:{wanted}") };
        return Err(format!("failed to perform \"FetchReference\" on source: {place}: not found"));
    };
    machine.print(&format!("Pulled: {host}/{repository}:{version}\nDigest: {}", digest_of(version)));
    Ok(Some(version))
}

/// A digest for a version that doesn't change from run to run.
fn digest_of(version: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut digest = String::from("sha256:");
    for round in 0..4_u8 {
        for byte in version.bytes().chain([round]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        digest.push_str(&format!("{state:016x}"));
    }
    digest
}

/// `Mon Nov 23 01:55:40 2026`: Go's `time.ANSIC`.
fn ansi_c(time: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let written = seconds(time);
    let part = |range: std::ops::Range<usize>| written.get(range).unwrap_or_default();
    let day = usize::try_from(time.seconds().div_euclid(86_400).rem_euclid(7)).ok().and_then(|day| DAYS.get(day));
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    format!(
        "{} {} {:>2} {} {}",
        day.unwrap_or(&""),
        month.unwrap_or(&""),
        part(8..10).trim_start_matches('0'),
        part(11..19),
        part(0..4)
    )
}
