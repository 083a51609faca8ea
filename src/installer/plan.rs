//! What a click will do, as a list of requests: shown before it is done, and the same for every browser.
//!
//! Order (the reasons are in ARCHITECTURE.md): Namespace, ServiceAccount; Lease; Job held back; values Secret; binding;
//! let the Job go. Rights exist only once everything else stands, and the lock is taken before anything that two
//! browsers could make twice.

use super::{
    Target,
    lock::{self, Lock},
    manifests::{self, JOB_ANNOTATION, JobSpec, USER_ANNOTATION, kinds},
    settings::JobSettings,
    snapshot::{Seen, Snapshot},
    yaml,
};
use crate::{
    cluster::{Kind, Request, Timestamp},
    helm::command::{Command, Invocation, Operation},
};

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Helm's part.
    pub command: Command,
    /// Text of the values file; empty for none.
    pub values: String,
    /// What the Job is given.
    pub settings: JobSettings,
}

/// One request of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which step it is.
    pub name: StepName,
    /// What is sent; where [`Step::owner`] is set, the owner's uid is still to be filled in.
    pub request: Request,
    /// The object that owns the one that is made, by the step that made it or by what was seen.
    pub owner: Option<Owner>,
}

/// The steps of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepName {
    /// The Namespace; somebody may make it at the same moment, which is as good.
    Namespace,
    /// Helm's ServiceAccount.
    ServiceAccount,
    /// The lock; a 409 means that somebody else has it.
    Lease,
    /// The Job, held back.
    Job,
    /// The values file.
    Values,
    /// Helm's rights.
    Binding,
    /// Lets the Job go.
    Start,
}

/// An owner reference whose uid the driver knows when the step is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Owner {
    /// The owner's kind.
    pub kind: Kind,
    /// The owner's name.
    pub name: String,
}

/// All that an operation sends until its Job runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where.
    pub target: Target,
    /// The Job's name; the lock's holder.
    pub job: String,
    /// What the Job does.
    pub operation: Operation,
    /// What Helm is told to do.
    pub command: Command,
    /// Helm's command lines.
    pub invocation: Invocation,
    /// Chart and version, for people and for the outcome.
    pub chart: String,
    /// Who asks.
    pub user: String,
    /// In this order.
    pub steps: Vec<Step>,
    /// The Namespace's uid, where it exists already and could be read.
    pub namespace_uid: Option<String>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another operation has the lock.
    #[error("another operation is under way: {job}")]
    Busy {
        /// Its Job.
        job: String,
        /// Who asked for it; empty while unknown.
        user: String,
    },
    /// The namespace is being deleted: nothing can be made in it.
    #[error("the namespace {namespace} is being deleted")]
    NamespaceTerminating {
        /// The namespace.
        namespace: String,
    },
    /// Helm's rights, which are one object for the whole cluster, are given to another namespace.
    #[error("Helm's rights are given to the namespace {namespace}")]
    RightsElsewhere {
        /// That namespace.
        namespace: String,
    },
    /// The cluster has not answered yet.
    #[error("the cluster has not answered yet")]
    NotReady,
}

/// What `action` will send to bring `target` from what is known to what is wanted.
///
/// # Errors
/// When it can't be begun now.
pub fn plan(target: &Target, action: &Action, snapshot: &Snapshot) -> Result<Plan, Refusal> {
    if snapshot.now == Timestamp::default() {
        return Err(Refusal::NotReady);
    }
    match Lock::of(snapshot) {
        Lock::Held { job } | Lock::Taken { job, .. } => {
            return Err(Refusal::Busy { job, user: lock::asker(snapshot) });
        }
        Lock::Free | Lock::Unknown => {}
    }
    let operation = action.command.operation();
    if operation.needs_rights()
        && let Some(binding) = snapshot.binding.one().present()
    {
        // To take them over would take them from a Helm that may be at work.
        if !binding.is_for(&target.namespace) {
            let namespace = binding.subjects.first().map(|subject| subject.namespace.clone()).unwrap_or_default();
            return Err(Refusal::RightsElsewhere { namespace });
        }
        let other = snapshot.jobs.named(binding.metadata.annotation(JOB_ANNOTATION)).present();
        if let Some(job) = other.filter(|job| job.end().is_none()) {
            let user = job.metadata.annotation(USER_ANNOTATION).to_owned();
            return Err(Refusal::Busy { job: job.metadata.name.clone(), user });
        }
    }
    let mut invocation = action.command.invocation(&target.namespace, &target.release);
    if action.settings.credentials.is_some() {
        invocation = invocation.with_known_repositories();
    }
    let spec = JobSpec {
        name: manifests::job_name(operation, snapshot.now),
        operation,
        invocation: invocation.clone(),
        has_values: !action.values.is_empty(),
        chart: action.command.subject(),
        user: snapshot.rights.user.clone(),
        source: action.command.source(),
        settings: action.settings.clone(),
    };
    let namespace = Some(target.namespace.as_str());
    let mut steps = Vec::new();
    let mut step = |name, request, owner| steps.push(Step { name, request, owner });
    let namespace_uid = match snapshot.namespace.one() {
        Seen::Present(seen) if seen.status.phase == "Terminating" => {
            return Err(Refusal::NamespaceTerminating { namespace: target.namespace.to_string() });
        }
        Seen::Present(seen) => Some(seen.metadata.uid.clone()),
        // Who may not look may still be allowed to work in it: making it again is then refused and that is no harm.
        Seen::Absent | Seen::Unknown(_) => {
            step(
                StepName::Namespace,
                Request::create(kinds::NAMESPACE.collection(None), manifests::namespace(target)),
                None,
            );
            None
        }
    };
    if operation.needs_rights() && snapshot.service_account.one().present().is_none() {
        let path = kinds::SERVICE_ACCOUNT.object(namespace, manifests::SERVICE_ACCOUNT_NAME);
        step(StepName::ServiceAccount, Request::apply(&path, manifests::service_account(target)), None);
    }
    step(StepName::Lease, lock::acquire(target, snapshot, &spec), None);
    step(StepName::Job, Request::create(kinds::JOB.collection(namespace), manifests::job(target, &spec)), None);
    if spec.has_values {
        let owner = Owner { kind: kinds::JOB, name: spec.name.clone() };
        let secret = manifests::values_secret(target, &spec.name, &action.values);
        step(StepName::Values, Request::create(kinds::SECRET.collection(namespace), secret), Some(owner));
    }
    if operation.needs_rights() {
        let owner = Owner { kind: kinds::NAMESPACE, name: target.namespace.to_string() };
        let path = kinds::BINDING.object(None, manifests::BINDING_NAME);
        let binding = manifests::binding(target, &spec.name);
        // Where there was none, nobody's may be taken over who is as quick.
        let request = match snapshot.binding.one() {
            Seen::Absent => Request::create(kinds::BINDING.collection(None), binding),
            Seen::Present(_) | Seen::Unknown(_) => Request::apply(&path, binding),
        };
        step(StepName::Binding, request, Some(owner));
    }
    let path = kinds::JOB.object(namespace, &spec.name);
    step(StepName::Start, start(&path), None);
    Ok(Plan {
        target: target.clone(),
        job: spec.name,
        operation,
        command: action.command.clone(),
        invocation,
        chart: spec.chart,
        user: spec.user,
        steps,
        namespace_uid,
    })
}

/// What stands for the values where a plan is shown: there may be passwords in them.
const VALUES_PLACEHOLDER: &str = "(the values that you typed)";
/// What follows the objects of a plan.
const THEN: &str = "# Then the Job is let go: its spec.suspend becomes false.\n";

impl Plan {
    /// All objects that will be sent, in their order, as YAML to be read and copied; but for the values.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let objects = self.steps.iter().filter(|step| step.name != StepName::Start).filter_map(|step| {
            let mut object = step.request.body()?.clone();
            if let Some(values) = object.pointer_mut("/stringData/values.yaml") {
                *values = VALUES_PLACEHOLDER.into();
            }
            Some(object)
        });
        let mut text = yaml::documents(&objects.collect::<Vec<_>>());
        text.push_str(THEN);
        text
    }

    /// The same for a terminal: Helm's command line, quoted for a POSIX shell, with `values.yaml` in the current folder.
    #[must_use]
    pub fn helm_line(&self) -> String {
        self.command.shell_line(&self.target.namespace, &self.target.release)
    }
}

/// Lets the Job at `path` go.
#[must_use]
pub fn start(path: &str) -> Request {
    Request::merge(path, manifests::manifest(r#"{"spec": {"suspend": false}}"#, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::Change as Told, helm::chart::Chart};
    use serde_json::json;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_395_723_000)
    }

    fn install() -> Action {
        let command = Command::Install { chart: Chart::default(), values: true };
        Action { command, values: "a: b".to_owned(), settings: JobSettings::default() }
    }

    fn empty_cluster() -> Snapshot {
        let mut snapshot = Snapshot { now: now(), ..Snapshot::default() };
        snapshot.namespace.take(Told::Listed(vec![]));
        snapshot.service_account.take(Told::Listed(vec![]));
        snapshot.lease.take(Told::Listed(vec![]));
        snapshot.jobs.take(Told::Listed(vec![]));
        snapshot
    }

    // The binding is one for the cluster, the lock one for each release: to write the binding would take Helm's rights
    // from another namespace in the middle of its operation.
    #[test]
    fn rights_that_another_namespace_has_are_not_taken_over() {
        let mut snapshot = empty_cluster();
        let binding = |namespace| {
            Told::Listed(vec![json!({
                "metadata": {"name": manifests::BINDING_NAME}, "subjects": [{"kind": "ServiceAccount", "namespace": namespace}],
            })])
        };
        snapshot.binding.take(binding("views"));
        let refresh = Command::UpdateRepo {
            url: "https://example.org/charts".parse().unwrap(),
            name: "crossview".parse().unwrap(),
        };

        let refused = plan(&Target::default(), &install(), &snapshot).unwrap_err();
        assert_eq!(refused, Refusal::RightsElsewhere { namespace: "views".to_owned() });
        assert!(plan(&Target::default(), &Action { command: refresh, ..install() }, &snapshot).is_ok());
        snapshot.binding.take(binding("crossview"));
        assert!(plan(&Target::default(), &install(), &snapshot).is_ok());
    }

    // Each release has a lock of its own, and both have Helm's rights from one binding.
    #[test]
    fn rights_that_another_release_needs_are_not_taken_over() {
        let mut snapshot = empty_cluster();
        let other = |ended: serde_json::Value| {
            Told::Listed(vec![json!({
                "metadata": {"name": "crossview-helm-update-7", "annotations": {manifests::USER_ANNOTATION: "jane"}},
                "status": {"conditions": ended},
            })])
        };
        snapshot.binding.take(Told::Listed(vec![json!({
            "metadata": {
                "name": manifests::BINDING_NAME,
                "annotations": {manifests::JOB_ANNOTATION: "crossview-helm-update-7"},
            },
            "subjects": [{"kind": "ServiceAccount", "namespace": "crossview"}],
        })]));
        snapshot.jobs.take(other(json!([])));

        let refused = plan(&Target::default(), &install(), &snapshot).unwrap_err();
        assert_eq!(refused, Refusal::Busy { job: "crossview-helm-update-7".to_owned(), user: "jane".to_owned() });
        snapshot.jobs.take(other(json!([{"type": "Complete", "status": "True"}])));
        assert!(plan(&Target::default(), &install(), &snapshot).is_ok());
    }

    fn lease(holder: &str, acquired: Timestamp) -> serde_json::Value {
        json!({
            "metadata": {"name": "crossview-helm-crossview", "resourceVersion": "7", "annotations": {manifests::USER_ANNOTATION: "jane"}},
            "spec": {"holderIdentity": holder, "acquireTime": acquired.to_string()},
        })
    }

    fn names(plan: &Plan) -> Vec<StepName> {
        plan.steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn the_lock_comes_before_the_job_and_the_rights_right_before_its_start() {
        use StepName::{Binding, Job, Lease, Namespace, ServiceAccount, Start, Values};

        let plan = plan(&Target::default(), &install(), &empty_cluster()).unwrap();

        assert_eq!(names(&plan), [Namespace, ServiceAccount, Lease, Job, Values, Binding, Start]);
    }

    #[test]
    fn a_namespace_that_is_there_is_never_written() {
        let mut snapshot = empty_cluster();
        snapshot.namespace.take(Told::Listed(vec![json!({"metadata": {"name": "crossview", "uid": "u"}})]));

        let plan = plan(&Target::default(), &install(), &snapshot).unwrap();

        assert!(!names(&plan).contains(&StepName::Namespace));
        assert_eq!(plan.namespace_uid.as_deref(), Some("u"));
    }

    #[test]
    fn a_lock_that_is_held_is_never_taken() {
        let mut snapshot = empty_cluster();
        snapshot.lease.take(Told::Listed(vec![lease("crossview-helm-update-1", now())]));
        snapshot.jobs.take(Told::Listed(vec![json!({"metadata": {"name": "crossview-helm-update-1"}})]));

        let refusal = plan(&Target::default(), &install(), &snapshot).unwrap_err();

        assert_eq!(refusal, Refusal::Busy { job: "crossview-helm-update-1".to_owned(), user: "jane".to_owned() });
    }

    #[test]
    fn a_holder_whose_job_never_came_is_replaced_after_the_grace_and_not_before() {
        let mut snapshot = empty_cluster();
        snapshot.lease.take(Told::Listed(vec![lease("crossview-helm-update-1", now())]));

        snapshot.now = now().after(lock::GRACE - std::time::Duration::from_secs(1));
        assert!(matches!(plan(&Target::default(), &install(), &snapshot), Err(Refusal::Busy { .. })));

        snapshot.now = now().after(lock::GRACE);
        let plan = plan(&Target::default(), &install(), &snapshot).unwrap();
        let taken = plan.steps.iter().find(|step| step.name == StepName::Lease).unwrap();
        assert_eq!(taken.request.method(), "PUT");
        assert_eq!(taken.request.body().unwrap()["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn refreshing_a_repository_asks_for_no_rights() {
        let url = "https://example.org/charts".parse().unwrap();
        let command = Command::UpdateRepo { url, name: "crossview".parse().unwrap() };
        let action = Action { command, values: String::new(), settings: JobSettings::default() };

        let plan = plan(&Target::default(), &action, &empty_cluster()).unwrap();

        assert!(!names(&plan).contains(&StepName::Binding), "{:?}", names(&plan));
    }

    #[test]
    fn a_plan_is_shown_as_objects_and_as_a_line_without_what_was_typed() {
        let action = Action { values: "password: hunter2".to_owned(), ..install() };
        let plan = plan(&Target::default(), &action, &empty_cluster()).unwrap();

        let yaml = plan.to_yaml();

        let kinds: Vec<&str> = yaml.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount", "Lease", "Job", "Secret", "ClusterRoleBinding"]);
        assert!(!yaml.contains("hunter2") && yaml.contains(VALUES_PLACEHOLDER), "{yaml}");
        assert!(yaml.contains("        - upgrade\n        - \"--install\"\n"), "{yaml}");
        assert_eq!(
            plan.helm_line(),
            "helm upgrade --install crossview oci://ghcr.io/crossplane-contrib/crossview-chart/crossview \
             --values=values.yaml --namespace=crossview --timeout=5m0s"
        );
    }

    #[test]
    fn values_never_stand_on_the_command_line() {
        let action = Action { values: "password: hunter2".to_owned(), ..install() };

        let plan = plan(&Target::default(), &action, &empty_cluster()).unwrap();

        let with_values = plan
            .steps
            .iter()
            .filter(|step| step.request.body().is_some_and(|body| body.to_string().contains("hunter2")));
        assert_eq!(with_values.map(|step| step.name).collect::<Vec<_>>(), [StepName::Values]);
    }
}
