//! Laws of the simulated cluster. Expected words and shapes are a real cluster's (Kubernetes 1.34.4, Helm 4.3.1); the
//! comments say by which command they were read.

use std::{cell::RefCell, rc::Rc, time::Duration};

use futures::StreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Fault, SimulatedCluster, User, VirtualTime, defaults, fields, store, values};
use crate::{
    cluster::{ApiError, Change, Client, Message, Request, Selector, Transport, Watch, follow},
    helm::{
        command::{Command, Operation},
        release::{Namespace, ReleaseName},
        values::INSTALL,
    },
    installer::{
        JobSettings, Target,
        manifests::{self, JobSpec},
    },
};

const JOBS: &str = "/apis/batch/v1/namespaces/crossview/jobs";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/crossview/leases";
const PODS: &str = "/api/v1/namespaces/crossview/pods";
const SECRETS: &str = "/api/v1/namespaces/crossview/secrets";
const ACCOUNTS: &str = "/api/v1/namespaces/crossview/serviceaccounts";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/crossview/deployments/crossview";

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(3600);

/// A cluster, and somebody who may do everything.
struct Bench {
    time: VirtualTime,
    cluster: SimulatedCluster,
    admin: Rc<dyn Transport>,
}

impl Bench {
    fn new() -> Self {
        let time = VirtualTime::default();
        let cluster = SimulatedCluster::new(Rc::new(time.clone()));
        let admin = cluster.transport_for(User::Admin);
        Self { time, cluster, admin }
    }

    /// With the namespace `crossview` and Helm's ServiceAccount in it.
    fn prepared() -> Self {
        let bench = Self::new();
        bench.ok(Request::create("/api/v1/namespaces", json!({"metadata": {"name": "crossview"}})));
        bench.ok(Request::create(ACCOUNTS, json!({"metadata": {"name": manifests::SERVICE_ACCOUNT_NAME}})));
        bench
    }

    fn run<T>(&self, task: impl Future<Output = T>) -> T {
        self.time.run(LIMIT, task).expect("it ends")
    }

    fn answer_to(&self, transport: &Rc<dyn Transport>, request: Request) -> (u16, String) {
        self.run(async {
            let reply = transport.send(request).await.expect("an answer");
            (reply.status, reply.text().await.expect("its body"))
        })
    }

    fn as_user(&self, user: User, request: Request) -> (u16, Value) {
        let (status, text) = self.answer_to(&self.cluster.transport_for(user), request);
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn ask(&self, request: Request) -> (u16, Value) {
        self.as_user(User::Admin, request)
    }

    fn ok(&self, request: Request) -> Value {
        let (status, body) = self.ask(request.clone());
        assert!(status < 300, "{request:?}: {body}");
        body
    }

    fn get(&self, path: &str) -> Value {
        self.ok(Request::get(path))
    }

    fn is_there(&self, path: &str) -> bool {
        self.ask(Request::get(path)).0 == 200
    }

    /// Lets time pass until something holds.
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..36_000 {
            if holds(self) {
                return;
            }
            self.time.pass(Duration::from_millis(100));
        }
        panic!("it never came that {what}");
    }

    fn refused(&self, user: User, request: Request) -> (u16, String) {
        let (status, body) = self.as_user(user, request);
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes a Job as the page does; it is held back as the page holds it.
    fn job(&self, command: &Command) -> String {
        let target = Target::default();
        let operation = command.operation();
        let name = format!("crossview-helm-{}-1", operation.name());
        let spec = JobSpec {
            name: name.clone(),
            operation,
            invocation: command.invocation(&Namespace::default(), &ReleaseName::default()),
            has_values: operation == Operation::Install,
            chart: String::new(),
            user: "admin".to_owned(),
            source: command.source(),
            settings: JobSettings::default(),
        };
        let job = self.ok(Request::create(JOBS, manifests::job(&target, &spec)));
        let uid = job["metadata"]["uid"].as_str().expect("a uid");
        if operation == Operation::Install {
            let mut secret = manifests::values_secret(&target, &name, INSTALL);
            manifests::set_owner(&mut secret, manifests::kinds::JOB, &name, uid);
            self.ok(Request::create(SECRETS, secret));
        }
        name
    }

    fn bind(&self) {
        self.ok(Request::create(BINDINGS, manifests::binding(&Target::default(), "")));
    }

    fn start(&self, job: &str) {
        self.ok(Request::merge(format!("{JOBS}/{job}"), json!({"spec": {"suspend": false}})));
    }

    /// Runs a Job to its end; answers its conditions that hold.
    fn run_job(&self, job: &str) -> Vec<String> {
        self.start(job);
        self.until("the Job ends", |bench| !ended(&bench.get(&format!("{JOBS}/{job}"))).is_empty());
        conditions(&self.get(&format!("{JOBS}/{job}")))
    }

    /// Installs Crossview and waits until it is ready.
    fn installed() -> Self {
        let bench = Self::prepared();
        bench.bind();
        let job = bench.job(&install("4.6.0"));
        bench.run_job(&job);
        bench.until("Crossview is ready", |bench| bench.get(DEPLOYMENT)["status"]["availableReplicas"] == 1);
        bench
    }

    fn pod_of(&self, job: &str) -> Value {
        let pods = self.get(&format!("{PODS}?labelSelector=job-name%3D{job}"));
        pods["items"][0].clone()
    }

    fn log_of(&self, job: &str) -> String {
        let pod = self.pod_of(job);
        let name = pod["metadata"]["name"].as_str().expect("a pod");
        self.answer_to(&self.admin, Request::get(format!("{PODS}/{name}/log?container=helm"))).1
    }

    fn release_labels(&self) -> Vec<Value> {
        let secrets = self.get(&format!("{SECRETS}?labelSelector=owner%3Dhelm"));
        secrets["items"].as_array().expect("a list").iter().map(|secret| secret["metadata"]["labels"].clone()).collect()
    }

    fn events_of(&self, name: &str) -> Vec<String> {
        let events = self.get("/api/v1/namespaces/crossview/events");
        let events = events["items"].as_array().expect("a list").iter();
        let mine =
            events.filter(|event| event["involvedObject"]["name"].as_str().is_some_and(|of| of.starts_with(name)));
        mine.map(|event| {
            format!(
                "{}: {}",
                event["reason"].as_str().unwrap_or_default(),
                event["message"].as_str().unwrap_or_default()
            )
        })
        .collect()
    }
}

fn install(version: &str) -> Command {
    let chart = format!("oci://ghcr.io/crossplane-contrib/crossview-chart/crossview:{version}");
    Command::Install { chart: chart.parse().expect("a chart"), values: true }
}

fn update(version: &str) -> Command {
    let chart = format!("oci://ghcr.io/crossplane-contrib/crossview-chart/crossview:{version}");
    Command::Update { chart: chart.parse().expect("a chart"), values: false }
}

fn conditions(object: &Value) -> Vec<String> {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    let holding = all.filter(|condition| condition["status"] == "True");
    holding
        .map(|condition| {
            format!(
                "{} {}",
                condition["type"].as_str().unwrap_or_default(),
                condition["reason"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

fn ended(job: &Value) -> Vec<String> {
    conditions(job)
        .into_iter()
        .filter(|condition| condition.starts_with("Complete") || condition.starts_with("Failed"))
        .collect()
}

// --- the API server --------------------------------------------------------------------------------

// curl -X GET|POST|... as user viewer, nobody, operator and admin
#[test]
fn refusals_are_in_the_api_servers_words() {
    let bench = Bench::prepared();
    let new = json!({"metadata": {"name": "x"}});
    let binding = manifests::binding(&Target::default(), "");
    let cases = [
        (
            User::Viewer,
            Request::create(JOBS, new.clone()),
            403,
            r#"jobs.batch is forbidden: User "viewer" cannot create resource "jobs" in API group "batch" in the namespace "crossview""#,
        ),
        (
            User::Viewer,
            Request::create(BINDINGS, binding.clone()),
            403,
            r#"clusterrolebindings.rbac.authorization.k8s.io is forbidden: User "viewer" cannot create resource "clusterrolebindings" in API group "rbac.authorization.k8s.io" at the cluster scope"#,
        ),
        (
            User::Viewer,
            Request::get(SECRETS),
            403,
            r#"secrets is forbidden: User "viewer" cannot list resource "secrets" in API group "" in the namespace "crossview""#,
        ),
        (
            User::Nobody,
            Request::get(format!("{JOBS}?fieldSelector=metadata.name%3Dx")),
            403,
            r#"jobs.batch "x" is forbidden: User "nobody" cannot list resource "jobs" in API group "batch" in the namespace "crossview""#,
        ),
        (
            User::Nobody,
            Request::get(format!("{JOBS}?watch=1")),
            403,
            r#"jobs.batch is forbidden: User "nobody" cannot watch resource "jobs" in API group "batch" in the namespace "crossview""#,
        ),
        (
            User::Nobody,
            Request::get("/api/v1/namespaces/crossview"),
            403,
            r#"namespaces "crossview" is forbidden: User "nobody" cannot get resource "namespaces" in API group "" in the namespace "crossview""#,
        ),
        (
            User::Nobody,
            Request::get(format!("{PODS}/x/log")),
            403,
            r#"pods "x" is forbidden: User "nobody" cannot get resource "pods/log" in API group "" in the namespace "crossview""#,
        ),
        (
            User::Nobody,
            Request::get("/apis/gateway.networking.k8s.io/v1/httproutes"),
            403,
            r#"httproutes.gateway.networking.k8s.io is forbidden: User "nobody" cannot list resource "httproutes" in API group "gateway.networking.k8s.io" at the cluster scope"#,
        ),
        (
            User::Operator,
            Request::create(BINDINGS, binding).dry_run(),
            403,
            "clusterrolebindings.rbac.authorization.k8s.io \"crossview-helm-installer-admin\" is forbidden: user \"operator\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}",
        ),
        (User::Admin, Request::get(format!("{JOBS}/x")), 404, r#"jobs.batch "x" not found"#),
        (
            User::Admin,
            Request::create("/api/v1/namespaces/nope/configmaps", new.clone()),
            404,
            r#"namespaces "nope" not found"#,
        ),
        (
            User::Admin,
            Request::create("/api/v1/namespaces", json!({"metadata": {"name": "crossview"}})),
            409,
            r#"namespaces "crossview" already exists"#,
        ),
        (
            User::Admin,
            Request::create("/api/v1/namespaces", json!({"metadata": {"name": "Foo"}})),
            422,
            r#"Namespace "Foo" is invalid: metadata.name: Invalid value: "Foo": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"#,
        ),
        (
            User::Admin,
            Request::create(LEASES, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}})),
            400,
            "Secret in version \"v1\" cannot be handled as a Lease: converting (v1.Secret) to (coordination.Lease): unknown conversion",
        ),
        (
            User::Admin,
            Request::create(LEASES, json!({"metadata": {}})),
            422,
            "Lease.coordination.k8s.io \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            User::Admin,
            Request::create(LEASES, json!({"metadata": {"name": "x", "namespace": "y"}})),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ];
    for (user, request, status, words) in cases {
        assert_eq!(bench.refused(user, request.clone()), (status, words.to_owned()), "{request:?}");
    }
    assert_eq!(
        bench.as_user(User::Admin, Request::get("/apis/gateway.networking.k8s.io/v1/httproutes")),
        (404, json!("404 page not found\n"))
    );
}

#[test]
fn a_lease_is_taken_once_and_lost_when_it_has_changed() {
    let bench = Bench::prepared();
    let lease = json!({"metadata": {"name": "lock"}, "spec": {"holderIdentity": "a"}});
    let made = bench.ok(Request::create(LEASES, lease.clone()));
    let path = format!("{LEASES}/lock");

    let taken = bench.refused(User::Admin, Request::create(LEASES, lease));
    let blind = bench.refused(User::Admin, Request::replace(&*path, json!({"metadata": {"name": "lock"}})));
    let first =
        bench.ok(Request::replace(&*path, json!({"metadata": made["metadata"], "spec": {"holderIdentity": "b"}})));
    let second = bench.refused(
        User::Admin,
        Request::replace(&*path, json!({"metadata": made["metadata"], "spec": {"holderIdentity": "c"}})),
    );

    assert_eq!(taken, (409, "leases.coordination.k8s.io \"lock\" already exists".to_owned()));
    assert_eq!(blind.0, 422, "{}", blind.1);
    assert_eq!(first["spec"]["holderIdentity"], "b");
    let stale = "Operation cannot be fulfilled on leases.coordination.k8s.io \"lock\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!(second, (409, stale.to_owned()));
    assert_eq!(bench.get(&path)["spec"]["holderIdentity"], "b");
}

// Who replaces leases may not expect it: a Lease that is gone comes back by a PUT, unless its uid is sent with it.
#[test]
fn a_lease_that_is_gone_comes_back_by_a_put_that_names_no_uid() {
    let bench = Bench::prepared();
    let made = bench.ok(Request::create(LEASES, json!({"metadata": {"name": "lock"}})));
    bench.ok(Request::delete(format!("{LEASES}/lock"), json!({})));

    let known = bench.ask(Request::replace(format!("{LEASES}/lock"), json!({"metadata": made["metadata"]}))).0;
    let version = &made["metadata"]["resourceVersion"];
    let metadata = json!({"name": "lock", "resourceVersion": version});
    let nameless = bench.ask(Request::replace(format!("{LEASES}/lock"), json!({"metadata": metadata}))).0;

    assert_eq!((known, nameless), (409, 201));
}

#[test]
fn a_delete_goes_by_its_preconditions() {
    let bench = Bench::prepared();
    bench.bind();
    let path = format!("{BINDINGS}/{}", manifests::BINDING_NAME);
    let seen = bench.get(&path);
    let version = seen["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let uid = seen["metadata"]["uid"].as_str().unwrap_or_default();

    let stale = bench.refused(User::Admin, Request::delete(&*path, manifests::delete_exactly(uid, "1")));
    let other = bench.refused(User::Admin, Request::delete(&*path, manifests::delete_exactly("u", version)));

    let words = "Operation cannot be fulfilled on ClusterRoleBinding.rbac.authorization.k8s.io \"crossview-helm-installer-admin\": the ";
    assert_eq!(
        stale,
        (
            409,
            format!(
                "{words}ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). The object might have been modified"
            )
        )
    );
    assert_eq!(
        other,
        (
            409,
            format!(
                "{words}UID in the precondition (u) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            )
        )
    );
    let done = bench.ok(Request::delete(&*path, manifests::delete_exactly(uid, version)));
    assert_eq!(
        (&done["kind"], &done["status"], &done["details"]["kind"]),
        (&json!("Status"), &json!("Success"), &json!("clusterrolebindings"))
    );
}

#[test]
fn a_dry_run_is_checked_and_changes_nothing() {
    let bench = Bench::prepared();
    let before = bench.get(BINDINGS)["metadata"]["resourceVersion"].clone();

    let (status, _) = bench.ask(Request::create(BINDINGS, manifests::binding(&Target::default(), "")).dry_run());

    assert_eq!(status, 201);
    assert_eq!(bench.get(BINDINGS)["metadata"]["resourceVersion"], before);
}

// kubectl apply --server-side of a ServiceAccount, twice, with a kubectl label in between
#[test]
fn an_apply_takes_back_its_own_fields_and_refuses_to_take_others() {
    let bench = Bench::prepared();
    let path = format!("{ACCOUNTS}/x");
    let account = |labels: Value| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "crossview", "labels": labels}});
    assert_eq!(bench.ask(Request::apply(&path, account(json!({"a": "1", "b": "2"})))).0, 201);
    bench.ok(Request::merge(format!("{path}?fieldManager=other"), json!({"metadata": {"labels": {"b": "3"}}})));

    let conflict = bench.refused(User::Admin, Request::apply(&path, account(json!({"a": "1", "b": "2"}))));
    let less = bench.ok(Request::apply(&path, account(json!({}))));
    let same = bench.ok(Request::apply(&path, account(json!({}))));

    assert_eq!(
        conflict,
        (409, "Apply failed with 1 conflict: conflict with \"other\" using v1: .metadata.labels.b".to_owned())
    );
    assert_eq!(less["metadata"]["labels"], json!({"b": "3"}), "our own label goes, the other's stays");
    assert_eq!(same["metadata"]["resourceVersion"], less["metadata"]["resourceVersion"], "the same again is no change");
}

#[test]
fn lists_leave_the_kind_out_and_metadata_alone_has_no_payload() {
    let bench = Bench::installed();

    let whole = bench.get(SECRETS);
    let metadata = bench.ok(Request { metadata_only: true, ..Request::get(SECRETS) });

    assert_eq!((&whole["kind"], &whole["items"][0]["kind"]), (&json!("SecretList"), &Value::Null));
    assert_eq!(
        (&metadata["kind"], &metadata["items"][0]["kind"]),
        (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata"))
    );
    assert!(
        metadata["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty() && items.iter().all(|item| item.get("data").is_none()))
    );
}

#[test]
fn who_one_is_and_what_one_may_do() {
    let bench = Bench::prepared();
    let review = |verb: &str| {
        let wanted = json!({"verb": verb, "group": "batch", "resource": "jobs", "namespace": "crossview"});
        Request::create(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"spec": {"resourceAttributes": wanted}}),
        )
    };

    let (_, me) =
        bench.as_user(User::Viewer, Request::create("/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({})));
    let (_, list) = bench.as_user(User::Viewer, review("list"));
    let (_, create) = bench.as_user(User::Viewer, review("create"));

    assert_eq!(
        me["status"]["userInfo"],
        json!({"username": "viewer", "uid": "viewer", "groups": ["system:authenticated"]})
    );
    let reason =
        "RBAC: allowed by ClusterRoleBinding \"test-viewer\" of ClusterRole \"test-viewer\" to User \"viewer\"";
    assert_eq!(list["status"], json!({"allowed": true, "reason": reason}));
    assert_eq!(create["status"], json!({"allowed": false}));
}

// --- watches ---------------------------------------------------------------------------------------

/// What a page knows that follows a collection: names and versions.
fn followed(bench: &Bench, client: Client, path: &str, selector: Selector) -> Rc<RefCell<Vec<(String, String)>>> {
    let known = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&known);
    let name = |object: &Value| {
        let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        (part("name"), part("resourceVersion"))
    };
    let tell = move |change: Change| {
        let mut kept = kept.borrow_mut();
        match change {
            Change::Listed(all) => *kept = all.iter().map(name).collect(),
            Change::Applied(object) => {
                let (name, version) = name(&object);
                kept.retain(|(known, _)| *known != name);
                kept.push((name, version));
            }
            Change::Deleted(object) => kept.retain(|(known, _)| *known != name(&object).0),
            Change::Failed(_) => {}
        }
        kept.sort();
    };
    let watch = Watch { path: path.to_owned(), selector, metadata_only: false };
    bench.admin.spawn(Box::pin(follow(client, watch, Box::new(tell))));
    known
}

fn listed(bench: &Bench, path: &str) -> Vec<(String, String)> {
    let list = bench.get(path);
    let part = |object: &Value, name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|object| (part(object, "name"), part(object, "resourceVersion")))
        .collect();
    all.sort();
    all
}

#[derive(Debug, Clone)]
enum Deed {
    Write(u8, bool),
    Delete(u8),
    Compact,
    Break,
    Pass(u8),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0..4_u8, any::<bool>()).prop_map(|(which, labelled)| Deed::Write(which, labelled)),
        2 => (0..4_u8).prop_map(Deed::Delete),
        1 => Just(Deed::Compact),
        1 => Just(Deed::Break),
        1 => (0..100_u8).prop_map(Deed::Pass),
    ];
    proptest::collection::vec(deed, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_page_that_watches_ends_up_knowing_what_is_there(deeds in deeds()) {
        let bench = Bench::prepared();
        let path = "/api/v1/namespaces/crossview/configmaps";
        let selected = format!("{path}?labelSelector=a%3Db");
        let everything = followed(&bench, Client::new(Rc::clone(&bench.admin)), path, Selector::All);
        let labelled = followed(&bench, Client::new(Rc::clone(&bench.admin)), path, Selector::Labels("a=b".to_owned()));
        bench.time.pass(Duration::from_secs(1));

        for (turn, deed) in deeds.iter().enumerate() {
            match deed {
                Deed::Write(which, labelled) => {
                    let labels = if *labelled { json!({"a": "b"}) } else { json!({}) };
                    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{which}"), "labels": labels}, "data": {"turn": turn.to_string()}});
                    bench.ok(Request::apply(&format!("{path}/m{which}"), map));
                }
                Deed::Delete(which) => drop(bench.ask(Request::delete(format!("{path}/m{which}"), json!({})))),
                Deed::Compact => bench.cluster.compact(),
                Deed::Break => {
                    bench.cluster.set_fault(Fault::Unreachable);
                    bench.time.pass(Duration::from_secs(5));
                    bench.cluster.set_fault(Fault::None);
                }
                Deed::Pass(seconds) => bench.time.pass(Duration::from_secs(u64::from(*seconds))),
            }
        }
        // Longer than the longest pause between two tries.
        bench.time.pass(Duration::from_secs(60));

        prop_assert_eq!(&*everything.borrow(), &listed(&bench, path));
        prop_assert_eq!(&*labelled.borrow(), &listed(&bench, &selected));
    }

    #[test]
    fn no_values_file_makes_it_panic(text in "(\\PC|\n|  |: |- |[\\[{,}\\]]){0,60}") {
        let _ = values::parse(&text);
    }

    #[test]
    fn base64_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
        prop_assert_eq!(defaults::decode(&defaults::encode(&bytes)), Some(bytes));
    }
}

fn socket_messages(bench: &Bench, path: &str, seconds: u64) -> Vec<Message> {
    let mut socket = bench.admin.socket(path.to_owned());
    let mut messages = Vec::new();
    let collect = async {
        while let Some(message) = socket.next().await {
            messages.push(message);
        }
    };
    let _ = bench.time.run(Duration::from_secs(seconds), collect);
    messages
}

#[test]
fn a_watch_ends_in_good_order_after_its_time_and_tells_its_version_before() {
    let bench = Bench::prepared();
    let version = bench.get(JOBS)["metadata"]["resourceVersion"].clone();
    let path = format!(
        "{JOBS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion={}",
        version.as_str().unwrap_or_default()
    );

    let messages = socket_messages(&bench, &path, 100);

    let kinds: Vec<String> = messages
        .iter()
        .map(|message| match message {
            Message::Text(text) => serde_json::from_str::<Value>(text)
                .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
                .unwrap_or_default(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["Open", "BOOKMARK", "BOOKMARK", "Closed { code: 1000, reason: \"\" }"]);
}

#[test]
fn a_watch_from_before_a_compaction_is_told_to_list_again() {
    let bench = Bench::prepared();
    bench.cluster.compact();

    let messages = socket_messages(&bench, &format!("{JOBS}?watch=1&resourceVersion=1"), 5);

    let Some(Message::Text(text)) = messages.get(1) else { panic!("{messages:?}") };
    let event: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(
        (&event["type"], &event["object"]["code"], &event["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
}

#[test]
fn a_refused_socket_says_nothing_but_1006() {
    let bench = Bench::prepared();
    let nobody = bench.cluster.transport_for(User::Nobody);

    let messages: Vec<Message> = bench.run(nobody.socket(format!("{JOBS}?watch=1")).collect());

    assert_eq!(messages, [Message::Closed { code: 1006, reason: String::new() }]);
}

#[test]
fn an_unreachable_cluster_closes_its_sockets_and_comes_back() {
    let bench = Bench::prepared();
    let mut socket = bench.admin.socket(format!("{JOBS}?watch=1"));
    assert_eq!(bench.run(socket.next()), Some(Message::Open));

    bench.cluster.set_fault(Fault::Unreachable);

    assert_eq!(bench.run(socket.next()), Some(Message::Closed { code: 1006, reason: String::new() }));
    let failed = bench.run(bench.admin.send(Request::get(JOBS)));
    assert!(matches!(failed.err(), Some(ApiError::Unreachable { .. })));
    bench.cluster.set_fault(Fault::None);
    assert!(bench.is_there(JOBS));
}

// --- owners ----------------------------------------------------------------------------------------

#[test]
fn what_a_job_owns_goes_with_it_and_a_wrong_uid_owns_nothing() {
    let bench = Bench::prepared();
    let job = bench.job(&install("4.6.0"));
    let path = format!("{JOBS}/{job}");
    assert!(bench.is_there(&format!("{SECRETS}/{job}")));
    let wrong = json!({"metadata": {"name": "wrong", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": "no"}]}});
    bench.ok(Request::create(SECRETS, wrong));
    bench.time.pass(Duration::from_secs(1));
    assert!(!bench.is_there(&format!("{SECRETS}/wrong")), "an owner that isn't there");

    bench.ok(Request::delete(&*path, manifests::delete_foreground()));
    bench.time.pass(Duration::from_secs(1));

    assert!(!bench.is_there(&path) && !bench.is_there(&format!("{SECRETS}/{job}")));
}

// curl -X DELETE of a Job without options: the finalizer `orphan`, and its pods stay.
#[test]
fn a_job_deleted_without_a_word_leaves_its_pods() {
    let bench = Bench::prepared();
    bench.bind();
    let job = bench.job(&install("4.6.0"));
    bench.start(&job);
    bench.time.pass(Duration::from_secs(3));

    bench.ok(Request::delete(format!("{JOBS}/{job}"), json!({})));
    bench.time.pass(Duration::from_secs(1));

    assert!(!bench.is_there(&format!("{JOBS}/{job}")));
    assert_eq!(bench.pod_of(&job)["metadata"]["ownerReferences"], Value::Null);
    assert!(bench.is_there(&format!("{SECRETS}/{job}")), "its Secret stays, too");
}

#[test]
fn a_binding_owned_by_a_namespace_does_not_outlive_it() {
    let bench = Bench::prepared();
    let uid = bench.get("/api/v1/namespaces/crossview")["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let mut binding = manifests::binding(&Target::default(), "");
    manifests::set_owner(&mut binding, manifests::kinds::NAMESPACE, "crossview", &uid);
    bench.ok(Request::create(BINDINGS, binding));

    bench.ok(Request::delete("/api/v1/namespaces/crossview", json!({})));
    let words = bench.refused(User::Admin, Request::create(JOBS, json!({"metadata": {"name": "late"}}))).1;
    bench.time.pass(Duration::from_secs(10));

    assert_eq!(
        words,
        "jobs.batch \"late\" is forbidden: unable to create new content in namespace crossview because it is being terminated"
    );
    assert!(!bench.is_there("/api/v1/namespaces/crossview"));
    assert!(!bench.is_there(&format!("{BINDINGS}/{}", manifests::BINDING_NAME)));
}

// --- Jobs and Helm ---------------------------------------------------------------------------------

#[test]
fn an_install_runs_from_a_suspended_job_to_a_ready_crossview() {
    let bench = Bench::prepared();
    bench.bind();
    let job = bench.job(&install("4.6.0"));
    bench.time.pass(Duration::from_secs(30));
    assert_eq!(
        conditions(&bench.get(&format!("{JOBS}/{job}"))),
        ["Suspended JobSuspended"],
        "held back until it is told to go"
    );

    let reached = bench.run_job(&job);

    assert_eq!(reached, ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]);
    let log = bench.log_of(&job);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.first(), Some(&"Release \"crossview\" does not exist. Installing it now."));
    assert!(
        log.contains("Pulled: ghcr.io/crossplane-contrib/crossview-chart/crossview:4.6.0\nDigest: sha256:"),
        "{log}"
    );
    assert!(
        log.contains("STATUS: deployed\nREVISION: 1\nDESCRIPTION: Install complete\nTEST SUITE: None\nNOTES:\n"),
        "{log}"
    );
    bench.until("Crossview is ready", |bench| bench.get(DEPLOYMENT)["status"]["availableReplicas"] == 1);
    let deployment = bench.get(DEPLOYMENT);
    assert_eq!(deployment["status"]["observedGeneration"], deployment["metadata"]["generation"]);
    assert_eq!(deployment["metadata"]["labels"]["helm.sh/chart"], "crossview-4.6.0");
    assert_eq!(conditions(&deployment), ["Available MinimumReplicasAvailable", "Progressing NewReplicaSetAvailable"]);
    assert_eq!(bench.get("/api/v1/namespaces/crossview/configmaps/crossview-config")["data"]["AUTH_MODE"], "none");
    assert!(!bench.is_there(&format!("{DEPLOYMENT}-postgres")));
    bench.time.pass(Duration::from_secs(91));
    assert!(
        !bench.is_there(&format!("{JOBS}/{job}")) && !bench.is_there(&format!("{SECRETS}/{job}")),
        "90 seconds are over"
    );
}

#[test]
fn without_the_binding_helm_fails_in_the_words_of_the_api_server() {
    let bench = Bench::prepared();
    let job = bench.job(&install("4.6.0"));

    let conditions = bench.run_job(&job);

    assert_eq!(conditions, ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]);
    let words = "Error: query: failed to query with labels: secrets is forbidden: User \"system:serviceaccount:crossview:crossview-helm-installer\" cannot list resource \"secrets\" in API group \"\" in the namespace \"crossview\"\n";
    assert_eq!(bench.log_of(&job), words);
    let end = bench.pod_of(&job)["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    assert_eq!((&end["exitCode"], &end["reason"], &end["message"]), (&json!(1), &json!("Error"), &json!(words)));
    assert!(bench.release_labels().is_empty());
}

/// Each fixture's command, run here, prints the fixture's last line.
#[test]
fn helm_fails_in_the_words_of_the_fixtures() {
    let cases = [
        ("version-not-found", install("9.9.9")),
        (
            "chart-denied",
            Command::Install {
                chart: "oci://ghcr.io/crossplane-contrib/no-such-chart".parse().expect("a chart"),
                values: true,
            },
        ),
        (
            "archive-not-found",
            Command::Install {
                chart: "https://crossplane-contrib.github.io/crossview/crossview-9.9.9.tgz".parse().expect("a chart"),
                values: true,
            },
        ),
    ];
    for (name, command) in cases {
        let fixture = std::fs::read_to_string(format!(
            "{}/tests/fixtures/helm-output/{name}.helm4.txt",
            env!("CARGO_MANIFEST_DIR")
        ))
        .expect("a fixture");
        let bench = Bench::prepared();
        bench.bind();
        let job = bench.job(&command);

        bench.run_job(&job);

        let expected: Vec<&str> = fixture.lines().skip(1).collect();
        assert_eq!(bench.log_of(&job).lines().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn a_repository_is_known_to_the_main_container_by_the_shared_volume() {
    let bench = Bench::prepared();
    bench.bind();
    let chart = "https://crossplane-contrib.github.io/crossview crossview".parse().expect("a chart");
    let job = bench.job(&Command::Install { chart, values: true });

    let conditions = bench.run_job(&job);

    assert_eq!(conditions.last().map(String::as_str), Some("Complete CompletionsReached"), "{}", bench.log_of(&job));
    let pod = bench.pod_of(&job);
    assert_eq!(pod["status"]["initContainerStatuses"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        bench.get(DEPLOYMENT)["metadata"]["labels"]["app.kubernetes.io/version"],
        "v4.6.0",
        "the newest that is no pre-release"
    );
}

// The labels of a real release: kubectl get secret -l owner=helm -o json | jq '.items[].metadata.labels'
#[test]
fn revisions_carry_the_labels_that_helm_writes() {
    let bench = Bench::installed();
    bench.time.pass(Duration::from_secs(100));
    let job = bench.job(&update("4.5.0"));
    bench.run_job(&job);

    let labels = bench.release_labels();

    let of = |index: usize, name: &str| labels[index][name].as_str().map(str::to_owned);
    assert_eq!((of(0, "status").as_deref(), of(1, "status").as_deref()), (Some("superseded"), Some("deployed")));
    assert_eq!(
        (of(1, "version").as_deref(), of(1, "name").as_deref(), of(1, "owner").as_deref()),
        (Some("2"), Some("crossview"), Some("helm"))
    );
    assert!(of(1, "modifiedAt").is_some() && of(1, "createdAt").is_none(), "{labels:?}");
    assert_eq!(
        bench.get("/api/v1/namespaces/crossview/configmaps/crossview-config")["data"]["AUTH_MODE"],
        "none",
        "an update keeps what was set"
    );
    let log = bench.log_of(&job);
    assert!(log.contains("Release \"crossview\" has been upgraded. Happy Helming!\nNAME: crossview\n"), "{log}");
}

#[test]
fn a_job_deleted_in_the_middle_leaves_a_failed_release_and_is_gone_with_its_pod() {
    let bench = Bench::prepared();
    bench.bind();
    let job = bench.job(&install("4.6.0"));
    bench.start(&job);
    bench.until("Helm writes its release", |bench| !bench.release_labels().is_empty());
    assert_eq!(bench.release_labels()[0]["status"], "pending-install");
    assert!(bench.release_labels()[0].get("createdAt").is_some());

    bench.ok(Request::delete(format!("{JOBS}/{job}"), manifests::delete_foreground()));
    let log = bench.log_of(&job);
    bench.until("the Job is gone", |bench| !bench.is_there(&format!("{JOBS}/{job}")));

    assert!(log.ends_with("Release crossview has been cancelled.\nError: context canceled\n"), "{log}");
    assert_eq!(bench.pod_of(&job), Value::Null, "the pod went first");
    assert_eq!(bench.release_labels()[0]["status"], "failed");
}

#[test]
fn without_its_rights_a_cancelled_helm_leaves_the_release_pending() {
    let bench = Bench::prepared();
    bench.bind();
    let job = bench.job(&install("4.6.0"));
    bench.start(&job);
    bench.until("Helm writes its release", |bench| !bench.release_labels().is_empty());

    bench.ok(Request::delete(format!("{BINDINGS}/{}", manifests::BINDING_NAME), json!({})));
    bench.ok(Request::delete(format!("{JOBS}/{job}"), manifests::delete_foreground()));
    bench.until("the Job is gone", |bench| !bench.is_there(&format!("{JOBS}/{job}")));

    assert_eq!(bench.release_labels()[0]["status"], "pending-install");
    bench.bind();
    let again = bench.job(&update("4.6.0"));
    bench.run_job(&again);
    assert!(
        bench
            .log_of(&again)
            .ends_with("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n")
    );
}

#[test]
fn a_rollback_makes_a_new_revision_of_an_old_one() {
    let bench = Bench::installed();
    let up = bench.job(&update("4.5.0"));
    bench.run_job(&up);

    let back = bench.job(&Command::Rollback { revision: 1 });
    bench.run_job(&back);

    assert_eq!(bench.log_of(&back), "Rollback was a success! Happy Helming!\n");
    let statuses: Vec<Value> = bench.release_labels().iter().map(|labels| labels["status"].clone()).collect();
    assert_eq!(statuses, [json!("superseded"), json!("superseded"), json!("deployed")]);
    assert_eq!(bench.get(DEPLOYMENT)["metadata"]["labels"]["helm.sh/chart"], "crossview-4.6.0");
}

#[test]
fn an_uninstall_takes_everything_of_the_release_and_nothing_else() {
    let bench = Bench::installed();
    let job = bench.job(&Command::Uninstall);

    bench.run_job(&job);

    assert_eq!(bench.log_of(&job), "release \"crossview\" uninstalled\n");
    assert!(bench.release_labels().is_empty());
    assert!(!bench.is_there(DEPLOYMENT));
    assert!(!bench.is_there("/apis/rbac.authorization.k8s.io/v1/clusterroles/crossview-role"));
    assert!(bench.is_there(&format!("{ACCOUNTS}/{}", manifests::SERVICE_ACCOUNT_NAME)));
    bench.until("its pods are gone", |bench| {
        let pods = bench.get(&format!("{PODS}?labelSelector=app.kubernetes.io%2Fcomponent%3Dapp"));
        pods["items"].as_array().is_some_and(Vec::is_empty)
    });
}

// --- faults ----------------------------------------------------------------------------------------

fn faulty(fault: Fault) -> (Bench, String) {
    let bench = Bench::prepared();
    bench.bind();
    bench.cluster.set_fault(fault);
    let job = bench.job(&install("4.6.0"));
    bench.start(&job);
    (bench, job)
}

fn waiting(pod: &Value) -> (String, String) {
    let state = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    let part = |name: &str| state[name].as_str().unwrap_or_default().to_owned();
    (part("reason"), part("message"))
}

#[test]
fn an_image_that_is_not_there_is_told_and_tried_again() {
    let (bench, job) = faulty(Fault::HelmImage);
    let image = manifests::HELM_IMAGE;
    let why = format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
    );

    bench.until("the pull fails", |bench| waiting(&bench.pod_of(&job)).0 == "ErrImagePull");
    assert_eq!(waiting(&bench.pod_of(&job)).1, why);
    bench.until("it waits", |bench| waiting(&bench.pod_of(&job)).0 == "ImagePullBackOff");
    assert_eq!(waiting(&bench.pod_of(&job)).1, format!("Back-off pulling image \"{image}\": ErrImagePull: {why}"));
    let name = bench.pod_of(&job)["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let words = bench.refused(User::Admin, Request::get(format!("{PODS}/{name}/log"))).1;
    assert_eq!(
        words,
        format!("container \"helm\" in pod \"{name}\" is waiting to start: trying and failing to pull image")
    );

    bench.cluster.set_fault(Fault::None);
    bench.until("the Job ends", |bench| !ended(&bench.get(&format!("{JOBS}/{job}"))).is_empty());
    assert_eq!(ended(&bench.get(&format!("{JOBS}/{job}"))), ["Complete CompletionsReached"]);
}

#[test]
fn a_pod_without_a_node_has_the_schedulers_words() {
    let (bench, job) = faulty(Fault::Unschedulable);

    bench.until("the scheduler has said no", |bench| !bench.pod_of(&job)["status"]["conditions"].is_null());

    let condition = &bench.pod_of(&job)["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("PodScheduled"), &json!("Unschedulable")));
    assert!(
        bench
            .events_of(&job)
            .iter()
            .any(|event| event.starts_with("FailedScheduling: 0/1 nodes are available: 1 Insufficient memory."))
    );
}

#[test]
fn a_used_up_quota_leaves_a_job_without_a_pod_and_an_event() {
    let (bench, job) = faulty(Fault::Quota);

    bench.time.pass(Duration::from_secs(10));

    assert_eq!(bench.pod_of(&job), Value::Null);
    let told = format!(
        "FailedCreate: Error creating: pods \"{job}-\" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4"
    );
    assert!(bench.events_of(&job).contains(&told), "{:?}", bench.events_of(&job));
}

#[test]
fn a_missing_service_account_leaves_a_job_without_a_pod_and_an_event() {
    let bench = Bench::prepared();
    bench.ok(Request::delete(format!("{ACCOUNTS}/{}", manifests::SERVICE_ACCOUNT_NAME), json!({})));
    let job = bench.job(&install("4.6.0"));
    bench.start(&job);

    bench.time.pass(Duration::from_secs(5));

    let told = format!(
        "FailedCreate: Error creating: pods \"{job}-\" is forbidden: error looking up service account crossview/crossview-helm-installer: serviceaccount \"crossview-helm-installer\" not found"
    );
    assert!(bench.events_of(&job).contains(&told), "{:?}", bench.events_of(&job));
}

#[test]
fn a_missing_values_secret_keeps_the_container_from_being_made() {
    let bench = Bench::prepared();
    bench.bind();
    let job = bench.job(&install("4.6.0"));
    bench.ok(Request::delete(format!("{SECRETS}/{job}"), json!({})));
    bench.start(&job);

    bench.time.pass(Duration::from_secs(10));

    assert_eq!(waiting(&bench.pod_of(&job)).0, "ContainerCreating");
    let told = format!("FailedMount: MountVolume.SetUp failed for volume \"values\" : secret \"{job}\" not found");
    assert!(bench.events_of(&job).contains(&told), "{:?}", bench.events_of(&job));
}

#[test]
fn helm_that_needs_too_much_memory_is_killed() {
    let (bench, job) = faulty(Fault::OutOfMemory);

    bench.until("the Job ends", |bench| !ended(&bench.get(&format!("{JOBS}/{job}"))).is_empty());

    let end = bench.pod_of(&job)["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    assert_eq!((&end["exitCode"], &end["reason"]), (&json!(137), &json!("OOMKilled")));
}

#[test]
fn a_registry_that_never_answers_ends_at_the_jobs_deadline() {
    let (bench, job) = faulty(Fault::RegistrySilent);

    bench.time.pass(Duration::from_secs(600));
    assert!(ended(&bench.get(&format!("{JOBS}/{job}"))).is_empty());
    bench.until("the Job ends", |bench| !ended(&bench.get(&format!("{JOBS}/{job}"))).is_empty());

    assert_eq!(
        conditions(&bench.get(&format!("{JOBS}/{job}"))),
        ["FailureTarget DeadlineExceeded", "Failed DeadlineExceeded"]
    );
    assert_eq!(bench.pod_of(&job), Value::Null, "the deadline takes the pod and its log");
}

#[test]
fn a_crossview_that_crashes_is_restarted_ever_later_and_keeps_its_last_words() {
    let (bench, job) = faulty(Fault::CrashLoop);
    bench.until("Helm is done", |bench| !ended(&bench.get(&format!("{JOBS}/{job}"))).is_empty());
    let app = |bench: &Bench| {
        bench.get(&format!("{PODS}?labelSelector=app.kubernetes.io%2Fcomponent%3Dapp"))["items"][0].clone()
    };

    bench.until("it waits before the next start", |bench| waiting(&app(bench)).0 == "CrashLoopBackOff");

    let pod = app(&bench);
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    assert_eq!(
        waiting(&pod).1,
        format!("back-off 10s restarting failed container=crossview pod={name}_crossview({uid})")
    );
    assert_eq!(pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
    let log = bench.answer_to(&bench.admin, Request::get(format!("{PODS}/{name}/log"))).1;
    assert!(log.contains("fatal:"), "{log}");
    assert_eq!(conditions(&bench.get(DEPLOYMENT)), ["Progressing ReplicaSetUpdated"]);
    bench.cluster.set_fault(Fault::None);
    bench.until("it recovers", |bench| bench.get(DEPLOYMENT)["status"]["availableReplicas"] == 1);
}

#[test]
fn a_crossview_that_never_gets_ready_runs_into_its_deadline_while_the_old_one_serves() {
    let bench = Bench::installed();
    bench.cluster.set_fault(Fault::NeverReady);
    let job = bench.job(&update("4.5.0"));
    bench.run_job(&job);

    bench.time.pass(Duration::from_secs(700));

    let deployment = bench.get(DEPLOYMENT);
    assert_eq!(deployment["status"]["availableReplicas"], 1, "the old pod still serves");
    let progress = deployment["status"]["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|condition| condition["type"] == "Progressing"))
        .cloned();
    assert_eq!(progress.map(|progress| progress["reason"].clone()), Some(json!("ProgressDeadlineExceeded")));
}

#[test]
fn every_fault_is_found_by_its_name() {
    for fault in Fault::ALL {
        assert_eq!(Fault::named(fault.name()), Some(fault));
        assert!(!fault.label().is_empty());
    }
    assert_eq!(Fault::named("no such fault"), None);
}

// --- logs ------------------------------------------------------------------------------------------

#[test]
fn a_followed_log_comes_while_helm_runs_and_ends_with_it() {
    let bench = Bench::prepared();
    bench.bind();
    let job = bench.job(&install("4.6.0"));
    bench.start(&job);
    bench.until("Helm runs", |bench| {
        !bench.pod_of(&job)["status"]["containerStatuses"][0]["state"]["running"].is_null()
    });
    let name = bench.pod_of(&job)["metadata"]["name"].as_str().unwrap_or_default().to_owned();

    let pieces: Vec<String> = bench.run(async {
        let reply = bench
            .admin
            .send(Request::get(format!("{PODS}/{name}/log?container=helm&follow=true")))
            .await
            .expect("an answer");
        reply.body.map(|piece| String::from_utf8(piece.expect("a piece")).expect("text")).collect().await
    });

    assert!(pieces.len() >= 3, "it comes bit by bit: {pieces:?}");
    assert_eq!(pieces.concat(), bench.log_of(&job));
}

// --- parts -----------------------------------------------------------------------------------------

// helm upgrade with each of these as values file
#[test]
fn bad_values_fail_in_helms_words() {
    let start = "cannot unmarshal yaml document: error ";
    let cases = [
        ("a: b\n c: d\n", "converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context"),
        ("\ta: b\n", "converting YAML to JSON: yaml: found character that cannot start any token"),
        (
            "just text\n",
            "unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (
            "- a\n",
            "unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ];
    for (text, words) in cases {
        assert_eq!(values::parse(text), Err(format!("{start}{words}")), "{text:?}");
    }
}

#[test]
fn values_are_read_as_yaml() {
    let text = "# comment\nconfig:\n  server:\n    auth: {\"mode\": \"none\"}\n    port: 3001 # more\n  name: 'it''s'\ningress:\n  hosts:\n    - host: a.b\n      paths:\n      - path: /\n    - host: c.d\ntags: [\"x\", y]\ntest: {crash: boom, deep: {a: [1, true]}}\nempty:\n";

    let read = values::parse(text);

    let expected = json!({
        "config": {"server": {"auth": {"mode": "none"}, "port": 3001}, "name": "it's"},
        "ingress": {"hosts": [{"host": "a.b", "paths": [{"path": "/"}]}, {"host": "c.d"}]},
        "tags": ["x", "y"],
        "test": {"crash": "boom", "deep": {"a": [1, true]}},
        "empty": null,
    });
    assert_eq!(read, Ok(expected));
}

#[test]
fn a_merge_patch_is_rfc_7386() {
    let mut target = json!({"a": "b", "c": {"d": "e", "f": "g"}});

    fields::merge_patch(&mut target, &json!({"a": "z", "c": {"f": null}}));

    assert_eq!(target, json!({"a": "z", "c": {"d": "e"}}));
}

#[test]
fn virtual_time_ends_a_wait_that_nobody_will_end() {
    let time = VirtualTime::default();

    assert_eq!(time.run(LIMIT, std::future::pending::<()>()), None);
}

#[test]
fn an_object_that_is_written_as_it_was_is_no_change() {
    let mut store = store::Store::new(crate::cluster::Timestamp::default());
    let key = store::CONFIG_MAPS.key("a", "b");
    store.create(&key, json!({"data": {"x": "y"}}));
    let version = store.version();

    store.update(&key, |_| {});

    assert_eq!(store.version(), version);
}

#[test]
fn a_values_file_without_a_bottom_is_refused_or_kept_as_text() {
    assert!(values::parse(&"- ".repeat(100_000)).is_err());
    assert!(values::parse(&format!("a: {}", "[".repeat(100_000))).is_ok());
}
