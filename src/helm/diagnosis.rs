//! What went wrong, from the words of Helm: a cause, and what to do about it.
//!
//! `RULES` is the table of Helm's words, [`Cause::words`] the table of ours. The words of Helm 3 and Helm 4 are
//! kept as they came from a real cluster in `tests/fixtures/helm-output`, and a test holds the table to each of them.
//! Whatever the cause, Helm's own line is kept and shown; a cause that isn't known is said to be unknown.

use super::{
    chart::{CROSSVIEW_REPOSITORY, Chart, ChartRef},
    log::Log,
    release::{Namespace, ReleaseName},
};

/// Why an operation failed, as far as anybody can do something about it.
///
/// The last group is never read out of Helm's words: there was no Helm, or it had no part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The registry or repository answered, and has no such chart or version.
    ChartNotFound,
    /// Nothing answered at the registry's or repository's address.
    RegistryUnreachable,
    /// The host name of registry or repository means nothing to the cluster.
    HostNotFound,
    /// No trusted connection: an unknown certificate authority, a wrong name, an old certificate, or no TLS at all.
    Tls,
    /// The registry or repository wants a login, or refuses the one it got (401, 403).
    RegistryDenied,
    /// The registry has had too many requests from this address (429).
    RateLimited,
    /// Helm knows no repository, or not this one.
    NoRepositories,
    /// What was fetched is no chart, or no index of a repository.
    NotAChart,
    /// The digest in the reference is not that of the version beside it.
    DigestMismatch,
    /// Helm could not make sense of its own command line.
    Usage,
    /// The release is pending: Helm is at work on it, or was killed at it.
    InProgress,
    /// There is no such release, or no such revision.
    ReleaseNotFound,
    /// Kubernetes says 403: a right is missing.
    Forbidden,
    /// An admission webhook or policy refused an object, or could not be asked.
    Admission,
    /// A ResourceQuota is used up.
    Quota,
    /// The namespace's Pod Security level forbids a pod.
    PodSecurity,
    /// A field was changed that can't be.
    Immutable,
    /// Another field manager holds a field that Helm 4 wants to set.
    Conflict,
    /// An object of that name is there, and Helm didn't make it for this release.
    Owned,
    /// The chart has objects of a kind that this cluster doesn't serve.
    MissingKind,
    /// The chart wants another version of Kubernetes.
    KubernetesVersion,
    /// The values are no YAML, the chart doesn't take them, or Kubernetes doesn't take what comes of them.
    Values,
    /// Something was waited for and did not come in time.
    TimedOut,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The namespace isn't there.
    NamespaceNotFound,
    /// Helm could not reach the API server from its pod.
    ApiServerUnreachable,
    /// Helm was told to stop.
    Cancelled,
    /// Helm could not write where it must.
    ReadOnly,

    /// Helm's own image can't be pulled.
    HelmImage,
    /// No node takes Helm's pod.
    Unschedulable,
    /// Helm's pod was killed: out of memory, evicted, or its node was lost.
    PodKilled,
    /// The Job's deadline passed.
    Deadline,
    /// Somebody deleted the Job while it ran.
    JobDeleted,
    /// A Job of ours is gone, and nobody saw how it ended.
    Unseen,
    /// The kubelet can't make a container: a Secret or ConfigMap is missing, or a rule forbids it.
    CantCreate,
    /// No pod can be made, for a reason that is none of those above.
    NoPod,
    /// Crossview's image can't be pulled.
    AppImage,
    /// Crossview starts and ends again and again.
    AppCrash,
    /// Crossview runs, but never says that it is ready.
    AppNotReady,
    /// Crossview takes more memory than it may.
    AppOutOfMemory,
    /// Crossview's node has thrown it out.
    AppEvicted,
    /// No pod of Crossview is wanted.
    ScaledToZero,
    /// Crossview is installed under another name or in another namespace.
    OtherRelease,
    /// Flux or Argo CD looks after Crossview.
    Managed,
    /// Helm's rights stand although nothing needs them.
    LeftoverBinding,

    /// None of these.
    Unknown,
}

/// What people read about a [`Cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// A few words.
    pub title: &'static str,
    /// What has happened, in a sentence.
    pub cause: &'static str,
    /// What to do next, in a sentence or two.
    pub next: &'static str,
    /// `kubectl` lines that show more, names still to be filled in: [`Cause::kubectl`].
    lines: &'static [&'static str],
}

/// What went wrong, and Helm's words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why.
    pub cause: Cause,
    /// The line of Helm that says it, without its opening noise; empty where it said nothing.
    pub line: String,
}

impl Diagnosis {
    /// A few words about the cause.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.cause.words().title
    }

    /// What has happened, in a sentence.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        self.cause.words().cause
    }

    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        self.cause.words().next
    }
}

/// The repository of Crossview's chart, where `cause` says that the project's own registry does not give it away.
///
/// Also for the reference without the chart's name, which older instructions have and which knows old versions alone.
#[must_use]
pub fn offers_repository(chart: &Chart, cause: Cause) -> Option<ChartRef> {
    let ChartRef::Oci { registry, repository } = ChartRef::default() else { return None };
    let ChartRef::Oci { registry: asked, repository: path } = chart.reference() else { return None };
    let is_ours =
        *asked == registry && (*path == repository || repository.strip_prefix(path.as_str()) == Some("/crossview"));
    let would_help = matches!(
        cause,
        Cause::ChartNotFound
            | Cause::RegistryDenied
            | Cause::RegistryUnreachable
            | Cause::HostNotFound
            | Cause::RateLimited
    );
    if is_ours && would_help { CROSSVIEW_REPOSITORY.parse().ok() } else { None }
}

/// Where something went wrong, for the lines to copy.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The namespace of Job and release.
    pub namespace: &'a Namespace,
    /// The release.
    pub release: &'a ReleaseName,
    /// The Job's name.
    pub job: &'a str,
    /// Helm's ServiceAccount.
    pub service_account: &'a str,
    /// The binding that gives it its rights.
    pub binding: &'a str,
}

/// What `output`, a log of Helm or the message that its container left, says about a failure.
#[must_use]
pub fn diagnose(output: &str) -> Diagnosis {
    let mut log = Log::default();
    log.push(output.as_bytes());
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let (from, line) = telling_line(&lines);
    let error = lines.get(from..).unwrap_or_default().join("\n").to_ascii_lowercase();
    Diagnosis { cause: cause_of(&error), line }
}

/// What Helm puts in front of an error, in this order, and what says nothing to people.
const NOISE: [&str; 8] = [
    "Error: ",
    "INSTALLATION FAILED: ",
    "UPGRADE FAILED: ",
    "failed to perform \"FetchReference\" on source: ",
    "create: failed to create: ",
    "query: failed to query with labels: ",
    "1 error occurred: ",
    "* ",
];
/// Helm's advice for people at a terminal, behind an error.
const ADVICE: &str = "Use --debug flag";
/// What `helm repo update` says at the end; the reason stands above it.
const REPOSITORIES_FAILED: &str = "Error: failed to update the following repositories";
const REPOSITORY_FAILED: &str = "...Unable to get an update from";

/// Where Helm's error begins in `lines`, and the line of it that matters.
fn telling_line(lines: &[&str]) -> (usize, String) {
    let last_with = |start: &str| lines.iter().rposition(|line| line.starts_with(start));
    let mut from = match last_with(NOISE[0]) {
        Some(index) => index,
        None => match lines.iter().rposition(|line| !is_warning(line)) {
            Some(index) => index,
            None => return (lines.len(), String::new()),
        },
    };
    if lines.get(from).is_some_and(|line| line.starts_with(REPOSITORIES_FAILED)) {
        // The reason is the line below the one that names the repository.
        from = last_with(REPOSITORY_FAILED).filter(|index| index + 1 < from).map_or(from, |index| index + 1);
    }
    let mut words = String::new();
    for line in lines.iter().skip(from) {
        // Helm goes on below where it ends with a colon, and where it indents.
        let goes_on = words.is_empty() || words.ends_with(':') || line.starts_with([' ', '\t']);
        if !goes_on || line.starts_with(ADVICE) {
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(line.trim_start());
    }
    let mut telling = words.as_str();
    for noise in NOISE {
        telling = telling.strip_prefix(noise).unwrap_or(telling);
    }
    (from, telling.to_owned())
}

/// Lines that may stand in a log that ends well: klog's, slog's, and Helm 3's.
fn is_warning(line: &str) -> bool {
    let is_klog = |letter: char| {
        line.strip_prefix(letter).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    is_klog('W')
        || is_klog('I')
        || line.starts_with("level=WARN")
        || line.starts_with("level=INFO")
        || line.starts_with("WARNING: ")
}

/// Helm's words, small, the telling ones first: what comes from a webhook or a quota is also forbidden. A `*` stands
/// for any text between.
const RULES: &[(Cause, &[&str])] = &[
    (Cause::InProgress, &["another operation (install/upgrade/rollback) is in progress"]),
    (Cause::Cancelled, &["context canceled", "has been cancelled"]),
    (Cause::NamespaceTerminating, &["because it is being terminated"]),
    (Cause::Admission, &["admission webhook", "failed calling webhook", "validatingadmissionpolicy"]),
    (Cause::Quota, &["exceeded quota", "failed quota"]),
    (Cause::PodSecurity, &["violates podsecurity"]),
    (
        Cause::Owned,
        &[
            "cannot be imported into the current release",
            "invalid ownership metadata",
            "cannot reuse a name",
            "cannot re-use a name",
        ],
    ),
    (Cause::Immutable, &["field is immutable", "forbidden: updates to"]),
    (Cause::Conflict, &["apply failed with", "conflict occurred while applying", "the object has been modified"]),
    (
        Cause::MissingKind,
        &["no matches for kind", "ensure crds are installed first", "could not find the requested resource"],
    ),
    (Cause::DigestMismatch, &["digest mismatch"]),
    (Cause::KubernetesVersion, &["chart requires kubeversion"]),
    (Cause::ApiServerUnreachable, &["kubernetes cluster unreachable"]),
    (Cause::NamespaceNotFound, &["namespaces \"*\" not found", "namespace * not found"]),
    (
        Cause::ReleaseNotFound,
        &["release: not found", "has no deployed releases", "has no * version", "no revision for release"],
    ),
    (
        Cause::Forbidden,
        &["is forbidden", "attempting to grant rbac permissions", "cannot list resource", "cannot get resource"],
    ),
    (Cause::HostNotFound, &["no such host", "dial tcp: lookup"]),
    (Cause::Tls, &["x509:", "tls: ", "http response to https client"]),
    (Cause::RateLimited, &["status code 429", "failed to fetch * : 429", "toomanyrequests"]),
    (
        Cause::RegistryDenied,
        &[
            "credential not found",
            "unauthorized",
            "status code 401",
            "status code 403",
            "failed to fetch * : 401",
            "failed to fetch * : 403",
            "denied:",
            "is denied",
        ],
    ),
    (
        Cause::NoRepositories,
        &["no repositories found", "no repositories configured", "no repo named", "error: repo * not found"],
    ),
    (
        Cause::ChartNotFound,
        &[
            "fetchreference*not found",
            "could not locate a version",
            "improper constraint",
            "unable to locate any tags",
            "matching * not found",
            "failed to fetch * : 404",
            "status code 404",
            "not found in * index",
            "not found in * repository",
            "name unknown",
            "name_unknown",
            "no chart name found",
            "no chart version found",
            "the repository has no chart",
            "path * not found",
        ],
    ),
    (
        Cause::RegistryUnreachable,
        &[
            "connection refused",
            "i/o timeout",
            "no route to host",
            "network is unreachable",
            "connection reset",
            "handshake timeout",
            "client.timeout",
            "get \"http*: eof",
            "get \"http*context deadline exceeded",
            "status code 5",
            "failed to fetch * : 5",
        ],
    ),
    (
        Cause::NotAChart,
        &[
            "gzipped archive",
            "valid chart repository",
            "chart.yaml file is missing",
            "invalid chart",
            "unmarshaling json",
        ],
    ),
    (Cause::ReadOnly, &["read-only file system", "permission denied"]),
    (
        Cause::TimedOut,
        &[
            "timed out",
            "context deadline exceeded",
            "not ready. status",
            "still exists. status",
            "would exceed context deadline",
        ],
    ),
    (
        Cause::Usage,
        &[
            "unknown flag",
            "unknown command",
            "invalid argument",
            "requires * argument",
            "invalid reference",
            "release name is invalid",
        ],
    ),
    (
        Cause::Values,
        &[
            "execution error at",
            "error calling",
            "parse error",
            "converting yaml",
            "failed to parse",
            "failed parsing",
            "error parsing",
            "the specifications of the schema",
            "unmarshal",
            "typed patch",
            "can't evaluate field",
            "nil pointer evaluating",
            "wrong type for value",
            "error validating",
            "is invalid",
            "values file",
            "values.yaml",
            "yaml:",
            "template:",
        ],
    ),
];

/// The first rule that fits `error`, which is in small letters.
fn cause_of(error: &str) -> Cause {
    let fits = |patterns: &[&str]| patterns.iter().any(|pattern| contains(error, pattern));
    RULES.iter().find(|(_, patterns)| fits(patterns)).map_or(Cause::Unknown, |(cause, _)| *cause)
}

/// Whether the parts of `pattern` between its stars stand in `text` in that order.
fn contains(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('*').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// What Helm said, as long as its pod is there.
const LOG: &str = "kubectl logs --namespace={n} job/{j} --all-containers";
/// Helm's pod and what happened to it.
const POD: &str = "kubectl describe pods --namespace={n} --selector=batch.kubernetes.io/job-name={j}";
const EVENTS: &str = "kubectl get events --namespace={n} --sort-by=.lastTimestamp";
/// What Helm has recorded of the release.
const REVISIONS: &str =
    "kubectl get secrets --namespace={n} --selector=owner=helm,name={r} --label-columns=version,status";
/// Crossview's own pods.
const APP: &str =
    "kubectl describe pods --namespace={n} --selector=app.kubernetes.io/instance={r},app.kubernetes.io/component=app";
const APP_LOG: &str =
    "kubectl logs --namespace={n} --selector=app.kubernetes.io/instance={r},app.kubernetes.io/component=app --tail=50";
/// What Crossview said before it ended.
const APP_LOG_BEFORE: &str = "kubectl logs --namespace={n} --selector=app.kubernetes.io/instance={r},app.kubernetes.io/component=app --tail=50 --previous";
const PODS: &str = "kubectl describe pods --namespace={n}";
/// Crossview's Deployment, with the marks of whoever applies it.
const DEPLOYMENT: &str =
    "kubectl get deployments --namespace={n} --selector=app.kubernetes.io/instance={r} --output=yaml";
const INSTALLS: &str = "kubectl get deployments --all-namespaces --selector=app.kubernetes.io/name=crossview";
const RIGHTS: &str = "kubectl auth can-i --list --namespace={n} --as=system:serviceaccount:{n}:{s}";
const BINDING: &str = "kubectl get clusterrolebinding {b} --output=yaml";
const NAMESPACE: &str = "kubectl get namespace {n} --output=yaml";
const QUOTA: &str = "kubectl describe resourcequotas --namespace={n}";
const WEBHOOKS: &str = "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations";
const POLICIES: &str = "kubectl get validatingadmissionpolicies";
const KINDS: &str = "kubectl api-resources";
const CRDS: &str = "kubectl get customresourcedefinitions";
const DNS: &str = "kubectl get pods --namespace=kube-system --selector=k8s-app=kube-dns";
const NODES: &str = "kubectl describe nodes";
const VERSION: &str = "kubectl version";

impl Cause {
    /// All of them, in the order of their declaration.
    const ALL: [Self; 46] = [
        Self::ChartNotFound,
        Self::RegistryUnreachable,
        Self::HostNotFound,
        Self::Tls,
        Self::RegistryDenied,
        Self::RateLimited,
        Self::NoRepositories,
        Self::NotAChart,
        Self::DigestMismatch,
        Self::Usage,
        Self::InProgress,
        Self::ReleaseNotFound,
        Self::Forbidden,
        Self::Admission,
        Self::Quota,
        Self::PodSecurity,
        Self::Immutable,
        Self::Conflict,
        Self::Owned,
        Self::MissingKind,
        Self::KubernetesVersion,
        Self::Values,
        Self::TimedOut,
        Self::NamespaceTerminating,
        Self::NamespaceNotFound,
        Self::ApiServerUnreachable,
        Self::Cancelled,
        Self::ReadOnly,
        Self::HelmImage,
        Self::Unschedulable,
        Self::PodKilled,
        Self::Deadline,
        Self::JobDeleted,
        Self::Unseen,
        Self::CantCreate,
        Self::NoPod,
        Self::AppImage,
        Self::AppCrash,
        Self::AppNotReady,
        Self::AppOutOfMemory,
        Self::AppEvicted,
        Self::ScaledToZero,
        Self::OtherRelease,
        Self::Managed,
        Self::LeftoverBinding,
        Self::Unknown,
    ];

    /// What people read about it.
    #[must_use]
    pub const fn words(self) -> Words {
        match self {
            Self::ChartNotFound => Words {
                title: "Chart or version not found",
                cause: "The registry or repository answered, but has no chart of this name in this version.",
                next: "Check the chart reference and the version; an empty version means the newest stable one.",
                lines: &[LOG],
            },
            Self::RegistryUnreachable => Words {
                title: "Registry can't be reached",
                cause: "The registry or repository didn't answer Helm's pod, or only with an error of its own.",
                next: "Check that the server is well and that the cluster may reach it: firewall, network policies, or a proxy that Helm has to be told.",
                lines: &[LOG, "kubectl get networkpolicies --namespace={n}"],
            },
            Self::HostNotFound => Words {
                title: "Host name can't be resolved",
                cause: "The cluster's DNS has no address for the host in the chart reference.",
                next: "Check the reference for a misspelt host, then the cluster's DNS.",
                lines: &[LOG, DNS],
            },
            Self::Tls => Words {
                title: "No trusted connection to the registry",
                cause: "The certificate of the registry or repository isn't trusted by Helm's image, or it doesn't speak TLS.",
                next: "Give Helm the certificate authority of that server, or use one with a public certificate.",
                lines: &[LOG],
            },
            Self::RegistryDenied => Words {
                title: "The registry refused access",
                cause: "The registry or repository wants a login, or refuses the one it got. Some registries answer so for a chart that doesn't exist.",
                next: "Check the reference first; for a private chart, name a Secret with the credentials.",
                lines: &[LOG],
            },
            Self::RateLimited => Words {
                title: "Too many requests to the registry",
                cause: "The registry has had too many requests from the cluster's address lately.",
                next: "Wait a while and try again, or log in to the registry: that mostly raises the limit.",
                lines: &[LOG],
            },
            Self::NoRepositories => Words {
                title: "No repository to update",
                cause: "Helm was asked for a repository that had not been added in the same pod.",
                next: "Give the chart as the repository's address with the chart's name behind it.",
                lines: &[LOG],
            },
            Self::NotAChart => Words {
                title: "That is no chart",
                cause: "What the address returned is neither a chart nor the index of a repository.",
                next: "Check the address: a repository's is the folder of its index.yaml, a chart's ends in .tgz.",
                lines: &[LOG],
            },
            Self::DigestMismatch => Words {
                title: "Version and digest differ",
                cause: "The registry's chart of this version has another digest than the reference says.",
                next: "Leave one of the two out, or look up which of them is right.",
                lines: &[LOG],
            },
            Self::Usage => Words {
                title: "Helm doesn't know this command",
                cause: "Helm refused its own command line, so its version is too old or too new for it.",
                next: "Use Helm's image in version 3.14 or later, or 4.",
                lines: &[LOG],
            },
            Self::InProgress => Words {
                title: "Another operation is in progress",
                cause: "Helm's record of the release is pending: Helm is at work on it somewhere, or was killed in the middle.",
                next: "If nobody is at work on it, roll back to an earlier revision or uninstall the release.",
                lines: &[REVISIONS, "kubectl get jobs --namespace={n}"],
            },
            Self::ReleaseNotFound => Words {
                title: "Release or revision not found",
                cause: "Helm has no record of this release, or not of this revision, or none that was ever deployed.",
                next: "Check the release's name and namespace; a release that was never deployed has to be uninstalled first.",
                lines: &[REVISIONS, "kubectl get secrets --all-namespaces --selector=owner=helm"],
            },
            Self::Forbidden => Words {
                title: "Kubernetes refused: a right is missing",
                cause: "Helm's ServiceAccount lacks the right that Kubernetes names below; the binding may have been removed while Helm ran.",
                next: "Try again; if it stays, ask someone who may bind cluster-admin to run the operation.",
                lines: &[BINDING, RIGHTS],
            },
            Self::Admission => Words {
                title: "An admission check refused an object",
                cause: "A webhook or policy of this cluster refused what the chart makes, or could not be asked.",
                next: "Follow its words below, by values for instance, or ask whoever keeps that check.",
                lines: &[WEBHOOKS, POLICIES, EVENTS],
            },
            Self::Quota => Words {
                title: "The namespace's quota is used up",
                cause: "A ResourceQuota of the namespace leaves no room for what the chart makes.",
                next: "Raise the quota, make room, or use another namespace.",
                lines: &[QUOTA],
            },
            Self::PodSecurity => Words {
                title: "Pod Security forbids this pod",
                cause: "The namespace's Pod Security level doesn't allow the pod that the chart asks for.",
                next: "Change the values so that the pod complies with the level, or the level on the namespace's labels.",
                lines: &[NAMESPACE, EVENTS],
            },
            Self::Immutable => Words {
                title: "A field can't be changed",
                cause: "This version changes a field that Kubernetes doesn't allow to change in an object that exists.",
                next: "Uninstall and install again, or delete the object that Helm names and update again.",
                lines: &[EVENTS],
            },
            Self::Conflict => Words {
                title: "Somebody else manages a field",
                cause: "Another tool has set a field that Helm wants to set, an autoscaler or kubectl for instance.",
                next: "Leave that field out of the values, or let the other tool give it up.",
                lines: &["kubectl get deployments --namespace={n} --output=yaml --show-managed-fields"],
            },
            Self::Owned => Words {
                title: "An object of that name exists already",
                cause: "An object of the chart is there already and belongs to another release, or to none.",
                next: "Remove that object or that release, or use its release name and namespace. Only one Crossview fits into a cluster.",
                lines: &["helm list --all-namespaces --all", INSTALLS],
            },
            Self::MissingKind => Words {
                title: "The cluster doesn't know a kind of object",
                cause: "The chart makes an object of a kind that this cluster doesn't serve: its CRD is missing.",
                next: "Install what brings that CRD, or switch the feature off by values.",
                lines: &[CRDS, KINDS],
            },
            Self::KubernetesVersion => Words {
                title: "The chart needs another Kubernetes",
                cause: "This version of the chart doesn't support the cluster's version of Kubernetes.",
                next: "Choose another version of the chart, or upgrade the cluster.",
                lines: &[VERSION],
            },
            Self::Values => Words {
                title: "The values don't fit the chart",
                cause: "The values aren't valid YAML, the chart doesn't take them, or Kubernetes doesn't take what they lead to.",
                next: "Correct the value that Helm names below and try again.",
                lines: &[LOG],
            },
            Self::TimedOut => Words {
                title: "It took too long",
                cause: "Helm waited for something that did not come about in time.",
                next: "Look at what holds it up: the pods and the events say it mostly.",
                lines: &[APP, EVENTS],
            },
            Self::NamespaceTerminating => Words {
                title: "The namespace is being deleted",
                cause: "Kubernetes makes nothing in a namespace that is being deleted.",
                next: "Wait until it is gone and install again; if it stays, its conditions name what it waits for.",
                lines: &[NAMESPACE],
            },
            Self::NamespaceNotFound => Words {
                title: "The namespace doesn't exist",
                cause: "The namespace was deleted while Helm ran, or never made.",
                next: "Install again: the namespace is made first.",
                lines: &["kubectl get namespaces"],
            },
            Self::ApiServerUnreachable => Words {
                title: "Helm can't reach the API server",
                cause: "Helm's pod got no answer from the cluster's own API server.",
                next: "Check the network policies of the namespace and the health of the node that Helm's pod ran on.",
                lines: &["kubectl get networkpolicies --namespace={n}", POD],
            },
            Self::Cancelled => Words {
                title: "Cancelled",
                cause: "Helm was told to stop before it was done.",
                next: "Look at the release's state: roll back, update or uninstall from there.",
                lines: &[REVISIONS],
            },
            Self::ReadOnly => Words {
                title: "Helm can't write its files",
                cause: "Helm has no folder in its container that it may write to.",
                next: "Use Helm's own image or one laid out like it.",
                lines: &[LOG, POD],
            },
            Self::HelmImage => Words {
                title: "Helm's image can't be pulled",
                cause: "The node can't get the image that Helm runs from.",
                next: "Check the image and its pull secret in the settings, and whether the nodes reach that registry. Cancel the operation meanwhile.",
                lines: &[POD, EVENTS],
            },
            Self::Unschedulable => Words {
                title: "No node takes the pod",
                cause: "The scheduler finds no node with room for the pod that the pod tolerates.",
                next: "Make room or add a node; it starts by itself then.",
                lines: &[EVENTS, NODES],
            },
            Self::PodKilled => Words {
                title: "Helm's pod was killed",
                cause: "The pod ran out of memory, was evicted, or its node was lost, so Helm could not finish.",
                next: "Look at the release's state and try again; a release that stays pending has to be rolled back or uninstalled.",
                lines: &[POD, EVENTS, REVISIONS],
            },
            Self::Deadline => Words {
                title: "The operation ran out of time",
                cause: "Helm was not done when the Job's deadline came, and was ended.",
                next: "Look at what held it up, then at the release's state.",
                lines: &[POD, EVENTS, REVISIONS],
            },
            Self::JobDeleted => Words {
                title: "Somebody deleted the Job",
                cause: "The Job was deleted while Helm ran, so Helm was ended.",
                next: "Look at the release's state and start again.",
                lines: &[REVISIONS, EVENTS],
            },
            Self::AppImage => Words {
                title: "Crossview's image can't be pulled",
                cause: "The node can't get the image that the chart names.",
                next: "Check image and pull secret in the values, and whether the nodes reach that registry.",
                lines: &[APP, EVENTS],
            },
            Self::AppCrash => Words {
                title: "Crossview ends right after its start",
                cause: "Crossview's container ends again and again; its last lines say why.",
                next: "Correct what they name, by values for instance, or roll back.",
                lines: &[APP_LOG_BEFORE, APP],
            },
            Self::AppNotReady => Words {
                title: "Crossview doesn't get ready",
                cause: "Crossview runs, but its health check doesn't answer.",
                next: "Look at its log and its events.",
                lines: &[APP_LOG, APP],
            },
            Self::AppOutOfMemory => Words {
                title: "Crossview runs out of memory",
                cause: "Crossview's container took more memory than its limit allows, and was killed for it.",
                next: "Raise its memory limit by the value resources.limits.memory.",
                lines: &[APP, APP_LOG_BEFORE],
            },
            Self::AppEvicted => Words {
                title: "Crossview's node has thrown it out",
                cause: "The node was short of memory or disk, and ended Crossview's pod.",
                next: "Another pod takes its place as soon as a node has room: look at the nodes if none does.",
                lines: &[APP, NODES],
            },
            Self::ScaledToZero => Words {
                title: "Crossview is scaled to zero",
                cause: "Its Deployment wants no pod, so nothing runs.",
                next: "Scale the Deployment up again, or update the release with the value replicaCount.",
                lines: &[DEPLOYMENT],
            },
            Self::OtherRelease => Words {
                title: "Crossview is installed under another name",
                cause: "A Crossview of another release or namespace is there, and its cluster-wide objects have fixed names.",
                next: "Look after that one, or uninstall it before another is installed.",
                lines: &[INSTALLS, "helm list --all-namespaces --all"],
            },
            Self::Managed => Words {
                title: "A GitOps controller looks after Crossview",
                cause: "Flux or Argo CD applies Crossview's Deployment, and would undo what is changed here.",
                next: "Change it in the object that is named here, or in the Git repository behind it.",
                lines: &[DEPLOYMENT],
            },
            Self::LeftoverBinding => Words {
                title: "Helm's ServiceAccount still has cluster-admin",
                cause: "The page that should have taken Helm's rights away was closed before it could.",
                next: "Remove the binding: whoever can start a pod in the namespace can use it.",
                lines: &[BINDING],
            },
            Self::Unseen => Words {
                title: "Nobody saw how it ended",
                cause: "The Job is gone, and no page was open when it ended, so its reason isn't known.",
                next: "Look at what Helm has recorded of the release; if that isn't what you wanted, start again.",
                lines: &[REVISIONS, EVENTS],
            },
            Self::CantCreate => Words {
                title: "A container can't be made",
                cause: "The kubelet lacks something that the pod names, a Secret or ConfigMap mostly, or a rule forbids it.",
                next: "Make what the kubelet names below; the pod goes on by itself then.",
                lines: &[EVENTS, PODS],
            },
            Self::NoPod => Words {
                title: "No pod can be made",
                cause: "Kubernetes refuses the pod that the Job or the Deployment asks for.",
                next: "Its words below name what is missing or forbidden.",
                lines: &[EVENTS],
            },
            Self::Unknown => Words {
                title: "Helm failed",
                cause: "Helm ended with words that aren't known here.",
                next: "The whole log and the events say more.",
                lines: &[LOG, EVENTS, REVISIONS],
            },
        }
    }

    /// The cause whose title this is: so a Lease keeps it in words.
    #[must_use]
    pub fn titled(title: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.words().title == title)
    }

    /// Lines to copy into a terminal that show more, with the names of `place`.
    #[must_use]
    pub fn kubectl(self, place: Place<'_>) -> Vec<String> {
        let names = [
            ("{n}", place.namespace.as_str()),
            ("{r}", place.release.as_str()),
            ("{j}", place.job),
            ("{s}", place.service_account),
            ("{b}", place.binding),
        ];
        let fill = |line: &&str| names.iter().fold((*line).to_owned(), |line, (mark, name)| line.replace(mark, name));
        self.words().lines.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_repository_is_offered_where_the_projects_own_registry_does_not_give_the_chart_away() {
        let offered =
            |chart: &str, cause| offers_repository(&chart.parse().unwrap(), cause).map(|chart| chart.to_string());
        let ours = "oci://ghcr.io/crossplane-contrib/crossview-chart/crossview:4.6.0";

        assert_eq!(offered(ours, Cause::ChartNotFound).as_deref(), Some(CROSSVIEW_REPOSITORY));
        let old = "oci://ghcr.io/crossplane-contrib/crossview-chart";
        assert_eq!(offered(old, Cause::RegistryDenied).as_deref(), Some(CROSSVIEW_REPOSITORY));
        assert_eq!(offered(ours, Cause::Quota), None);
        assert_eq!(offered("oci://ghcr.io/somebody/crossview", Cause::ChartNotFound), None);
        assert_eq!(offered(CROSSVIEW_REPOSITORY, Cause::ChartNotFound), None);
    }

    /// What each file of `tests/fixtures/helm-output` is about, by the name in front of its first dot.
    const CASES: &[(&str, Cause)] = &[
        ("admission-denied", Cause::Admission),
        ("admission-policy-denied", Cause::Admission),
        ("admission-unreachable", Cause::Admission),
        ("api-server-unreachable", Cause::ApiServerUnreachable),
        ("archive-is-no-chart", Cause::NotAChart),
        ("archive-not-found", Cause::ChartNotFound),
        ("cancelled", Cause::Cancelled),
        ("certificate-expired", Cause::Tls),
        ("certificate-unknown-authority", Cause::Tls),
        ("certificate-wrong-name", Cause::Tls),
        ("chart-denied", Cause::RegistryDenied),
        ("chart-not-found", Cause::ChartNotFound),
        ("chart-not-found-with-version", Cause::ChartNotFound),
        ("chart-path-not-found", Cause::NoRepositories),
        ("chart-reference-malformed", Cause::Usage),
        ("field-conflict", Cause::Conflict),
        ("forbidden", Cause::Forbidden),
        ("forbidden-cluster-scoped", Cause::Forbidden),
        ("forbidden-create-namespace", Cause::Forbidden),
        ("forbidden-escalation", Cause::Forbidden),
        ("host-not-found", Cause::HostNotFound),
        ("http-answer-to-https", Cause::Tls),
        ("image-not-found-in-time", Cause::TimedOut),
        ("immutable-field", Cause::Immutable),
        ("kind-missing", Cause::MissingKind),
        ("kubernetes-too-old", Cause::KubernetesVersion),
        ("login-required", Cause::RegistryDenied),
        ("login-wrong", Cause::RegistryDenied),
        ("manifest-wrong-type", Cause::Values),
        ("name-in-use", Cause::Owned),
        ("namespace-missing", Cause::NamespaceNotFound),
        ("namespace-terminating", Cause::NamespaceTerminating),
        ("no-repositories", Cause::NoRepositories),
        ("no-writable-home", Cause::ReadOnly),
        ("not-ready-in-time", Cause::TimedOut),
        ("object-exists", Cause::Owned),
        ("object-invalid", Cause::Values),
        ("object-of-another-release", Cause::Owned),
        ("operation-in-progress", Cause::InProgress),
        ("quota-exceeded", Cause::Quota),
        ("rate-limited", Cause::RateLimited),
        ("refused", Cause::RegistryUnreachable),
        ("release-name-invalid", Cause::Usage),
        ("release-not-found", Cause::ReleaseNotFound),
        ("repository-certificate-unknown-authority", Cause::Tls),
        ("repository-chart-not-found", Cause::ChartNotFound),
        ("repository-host-not-found", Cause::HostNotFound),
        ("repository-login-required", Cause::RegistryDenied),
        ("repository-not-found", Cause::ChartNotFound),
        ("repository-refused", Cause::RegistryUnreachable),
        ("repository-timeout", Cause::RegistryUnreachable),
        ("repository-unknown", Cause::NoRepositories),
        ("repository-version-not-found", Cause::ChartNotFound),
        ("revision-not-found", Cause::ReleaseNotFound),
        ("set-malformed", Cause::Values),
        ("template-fails", Cause::Values),
        ("template-wrong-type", Cause::Values),
        ("timeout", Cause::RegistryUnreachable),
        ("unknown-flag", Cause::Usage),
        ("values-file-missing", Cause::Values),
        ("values-malformed", Cause::Values),
        ("version-constraint-unmet", Cause::ChartNotFound),
        ("version-malformed", Cause::ChartNotFound),
        ("version-not-found", Cause::ChartNotFound),
    ];

    /// Files of what went well, whatever the case was meant to show: Helm 3 overwrites fields that others manage and
    /// falls back to plain http, and both build on a release that never was deployed.
    const SUCCESSES: &[&str] = &[
        "field-conflict.helm3",
        "http-answer-to-https.helm3",
        "installed",
        "no-deployed-release",
        "pod-security-warning",
        "repository-updated",
        "uninstalled",
        "upgraded",
        "versions-listed",
    ];

    /// Every kept output: its name and what Helm printed, without the first line, which is the command.
    fn outputs() -> Vec<(String, String)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/helm-output");
        let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut outputs: Vec<(String, String)> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                let output = text.split_once('\n').map_or("", |(_, output)| output);
                (path.file_name().unwrap().to_string_lossy().into_owned(), output.to_owned())
            })
            .collect();
        outputs.sort();
        outputs
    }

    #[test]
    fn every_kept_output_of_a_failure_has_its_cause() {
        let outputs = outputs();
        assert!(!outputs.is_empty());
        let mut wrong = Vec::new();
        for (file, output) in &outputs {
            let (name, _) = file.split_once('.').unwrap();
            if SUCCESSES.iter().any(|success| *success == name || file.strip_suffix(".txt") == Some(success)) {
                continue;
            }
            let Some((_, expected)) = CASES.iter().find(|(case, _)| *case == name) else {
                wrong.push(format!("{file} is in no table"));
                continue;
            };
            let diagnosis = diagnose(output);
            if diagnosis.cause != *expected || diagnosis.line.is_empty() || diagnosis.line.starts_with("Error") {
                wrong.push(format!("{file}: expected {expected:?}, got {diagnosis:?}\n{output}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
    }

    // A message that its container left begins anywhere: Kubernetes keeps the last 2 kB.
    #[test]
    fn the_end_of_an_output_says_as_much_as_the_whole() {
        for (file, output) in outputs() {
            let keep = output.char_indices().rev().map(|(index, _)| index).find(|index| output.len() - index >= 2040);

            assert_eq!(diagnose(&output[keep.unwrap_or(0)..]).cause, diagnose(&output).cause, "{file}");
        }
    }

    #[test]
    fn the_line_that_matters_comes_without_its_noise() {
        let output = "Pulled: ghcr.io/a\nW1123 01:02:03.4 warnings.go:70] would violate PodSecurity\n\u{1b}[31mError: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\u{1b}[0m\n";

        let expected = "another operation (install/upgrade/rollback) is in progress".to_owned();
        assert_eq!(diagnose(output), Diagnosis { cause: Cause::InProgress, line: expected });
    }

    #[test]
    fn a_line_that_ends_with_a_colon_goes_on_below() {
        let output = "Error: UPGRADE FAILED: values don't meet the specifications of the schema(s) in the following chart(s):\ncrossview:\n- at '/replicaCount': got string, want integer\n";

        let Diagnosis { cause, line } = diagnose(output);
        assert_eq!(cause, Cause::Values);
        assert!(line.ends_with("crossview: - at '/replicaCount': got string, want integer"), "{line}");
    }

    #[test]
    fn of_a_failed_refresh_the_reason_is_shown_not_the_sum() {
        let output = "Hang tight while we grab the latest from your chart repositories...\n...Unable to get an update from the \"crossview\" chart repository (https://a.test):\n\tGet \"https://a.test/index.yaml\": dial tcp: lookup a.test on 10.0.0.10:53: no such host\nError: failed to update the following repositories: [https://a.test]\n";

        let Diagnosis { cause, line } = diagnose(output);
        assert_eq!(cause, Cause::HostNotFound);
        assert!(line.starts_with("Get \"https://a.test/index.yaml\""), "{line}");
    }

    // Helm 4 prints where it was, from the outside in, and the reason last.
    #[test]
    fn a_template_error_of_helm_4_is_shown_with_its_reason() {
        let (_, output) = outputs().into_iter().find(|(file, _)| file == "template-wrong-type.helm4.txt").unwrap();

        let line = diagnose(&output).line;
        assert!(line.starts_with("crossview/templates/deployment.yaml:43:20 executing"), "{line}");
        assert!(line.ends_with("can't evaluate field repository in type interface {}"), "{line}");
    }

    // Warnings of an operation that goes on say "forbidden" and "PodSecurity" as well.
    #[test]
    fn a_warning_is_no_cause() {
        let output = "W1123 01:02:03.4 warnings.go:70] would violate PodSecurity \"restricted\": is forbidden\nError: something new\n";

        assert_eq!(diagnose(output), Diagnosis { cause: Cause::Unknown, line: "something new".to_owned() });
        assert_eq!(
            diagnose("level=WARN msg=\"exceeded quota\"\n"),
            Diagnosis { cause: Cause::Unknown, line: String::new() }
        );
        assert_eq!(diagnose(""), Diagnosis { cause: Cause::Unknown, line: String::new() });
    }

    // What Helm 4.3.1 and 3.22.0 print for a repository that was added; the phrase behind 404 is the server's own.
    #[test]
    fn a_repository_without_the_chart_or_the_file_is_named_so() {
        for output in [
            "Error: chart \"crossview\" matching 9.9.9 not found in crossview index. (try 'helm repo update'): no chart version found for crossview-9.9.9",
            "Error: chart \"nope\" matching  not found in crossview index. (try 'helm repo update'): no chart name found",
            "Error: failed to fetch http://127.0.0.1:18081/gone/crossview-0.1.0.tgz : 404 File not found",
        ] {
            assert_eq!(diagnose(output).cause, Cause::ChartNotFound, "{output}");
        }
        assert_eq!(
            diagnose("Error: failed to fetch https://a.test/index.yaml : 502 Bad Gateway").cause,
            Cause::RegistryUnreachable
        );
    }

    // `helm template oci://…/crossview@sha256:db22… --version=4.5.0`, Helm 4.3.1 and 3.22.0.
    #[test]
    fn a_digest_of_another_version_is_named() {
        let output = "Error: chart reference digest mismatch: sha256:f28a57bb04299e5a060672fdc08abf6a12347b2c76ae8b4db761cfdf068f5d5b is not sha256:db225c0f776095d907c88c80ef2abd7b6ea3a14553ac3c56261258e7a3eddfc4\n";

        assert_eq!(diagnose(output).cause, Cause::DigestMismatch);
    }

    // A digest has every number in it sooner or later.
    #[test]
    fn numbers_alone_are_no_status() {
        let output = "Error: layer sha256:401403429aa does not match\n";

        assert_eq!(diagnose(output).cause, Cause::Unknown);
    }

    // A Lease keeps a cause by its title.
    #[test]
    fn every_cause_has_a_title_of_its_own_and_is_found_by_it() {
        assert_eq!(Cause::ALL.len(), Cause::Unknown as usize + 1);
        for (place, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
            assert_eq!(Cause::titled(cause.words().title), Some(cause));
        }
        assert_eq!(Cause::titled("Something else"), None);
    }

    #[test]
    fn lines_to_copy_have_all_their_names() {
        let (namespace, release) = (Namespace::default(), "my-release".parse().unwrap());
        let place = Place {
            namespace: &namespace,
            release: &release,
            job: "crossview-helm-install-1",
            service_account: "account",
            binding: "binding",
        };

        let lines = Cause::Unknown.kubectl(place);
        assert_eq!(lines[0], "kubectl logs --namespace=crossview job/crossview-helm-install-1 --all-containers");
        for cause in Cause::ALL {
            assert!(
                !cause.kubectl(place).is_empty() && cause.kubectl(place).iter().all(|line| !line.contains(['{', '}'])),
                "{cause:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic_and_the_line_is_plain(output in "(\\PC|\n|\u{1b}|Error: |...Unable to get an update from|Error: failed to update the following repositories){0,20}") {
            prop_assert!(diagnose(&output).line.chars().all(|character| !character.is_control() || character == '\t'));
        }
    }
}
