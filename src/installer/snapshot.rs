//! What is known of the cluster, and of what isn't known, why.

use serde_json::Value;

use super::objects::{Binding, ConfigMap, Deployment, Event, Ingress, Job, Lease, Namespace, Plain, Pod, Raw, Service};
use crate::cluster::{ApiError, Change, Narrow, Timestamp};

/// Why something isn't known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Why {
    /// The first answer is still to come.
    #[default]
    NotAsked,
    /// The cluster answered something else.
    Error(ApiError),
}

/// One thing as the cluster has it. "Not there" and "could not tell" are two answers: only the server's own word
/// makes something absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is there.
    Present(T),
    /// The server said that it isn't.
    Absent,
    /// Nobody knows, for this reason.
    Unknown(Why),
}

impl<T> Seen<T> {
    /// The thing, if it is there.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(thing) => Some(thing),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// The same, looked at.
    pub fn as_ref(&self) -> Seen<&T> {
        match self {
            Self::Present(thing) => Seen::Present(thing),
            Self::Absent => Seen::Absent,
            Self::Unknown(why) => Seen::Unknown(why.clone()),
        }
    }

    /// Changes what is there and leaves the rest.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Present(thing) => Seen::Present(change(thing)),
            Self::Absent => Seen::Absent,
            Self::Unknown(why) => Seen::Unknown(why),
        }
    }
}

/// A collection that a watch feeds, by name.
///
/// An event that is older than what is known (one that came twice) changes nothing; what a lost event left behind
/// is right again with the next list.
#[derive(Debug, Clone, PartialEq)]
pub struct Fed<T> {
    feed: Feed,
    /// In the order of the names; what was known stays when the cluster can't be asked.
    objects: Vec<T>,
}

/// What a [`Fed`] knows of any kind. The kinds share this code: a copy for each of them costs the page 4 kB.
#[derive(Debug, Clone, PartialEq, Default)]
struct Feed {
    /// Names in their order, each once.
    names: Vec<String>,
    /// Whether a list has ever come.
    listed: bool,
    /// The newest resource version that was taken in: within one collection they rise.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>
    newest: u64,
    /// Why it isn't known now.
    trouble: Option<ApiError>,
}

/// The objects beside a [`Feed`]'s names: all that depends on their kind.
trait Objects {
    fn clear(&mut self);
    fn insert(&mut self, at: usize, item: &Value);
    fn replace(&mut self, at: usize, item: &Value);
    fn remove(&mut self, at: usize);
}

impl<T: Narrow> Objects for Vec<T> {
    fn clear(&mut self) {
        self.clear();
    }

    fn insert(&mut self, at: usize, item: &Value) {
        self.insert(at, T::read(item));
    }

    fn replace(&mut self, at: usize, item: &Value) {
        self[at] = T::read(item);
    }

    fn remove(&mut self, at: usize) {
        self.remove(at);
    }
}

impl Feed {
    fn take(&mut self, objects: &mut dyn Objects, change: Change) {
        self.trouble = None;
        match change {
            Change::Listed(items) => {
                self.names.clear();
                objects.clear();
                self.newest = 0;
                for item in &items {
                    self.newest = self.newest.max(version(item));
                    self.put(objects, item);
                }
                self.listed = true;
            }
            Change::Applied(item) => {
                if self.is_new(&item) {
                    self.put(objects, &item);
                }
            }
            Change::Deleted(item) => {
                if self.is_new(&item)
                    && let Ok(at) = self.find(name(&item))
                {
                    self.names.remove(at);
                    objects.remove(at);
                }
            }
            Change::Failed(error) => self.trouble = Some(error),
        }
    }

    /// Whether nothing newer is known than this object of an event.
    fn is_new(&mut self, item: &Value) -> bool {
        let version = version(item);
        if version != 0 && version < self.newest {
            return false;
        }
        self.newest = self.newest.max(version);
        true
    }

    /// Puts an object in its place. A server lists by name, so this mostly adds at the end. One without a name is none,
    /// and must not lose the others.
    fn put(&mut self, objects: &mut dyn Objects, item: &Value) {
        let name = name(item);
        if name.is_empty() {
            return;
        }
        match self.find(name) {
            Ok(at) => objects.replace(at, item),
            Err(at) => {
                self.names.insert(at, name.to_owned());
                objects.insert(at, item);
            }
        }
    }

    /// Where the object of this name is, or belongs.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|known| known.as_str().cmp(name))
    }

    /// Why the objects aren't known, if they aren't.
    ///
    /// While the cluster can't be reached, what was known still stands; a refusal takes it away.
    fn unknown(&self) -> Option<Why> {
        match &self.trouble {
            Some(error @ (ApiError::Forbidden { .. } | ApiError::Unauthorized { .. })) => {
                Some(Why::Error(error.clone()))
            }
            Some(error) if !self.listed => Some(Why::Error(error.clone())),
            None if !self.listed => Some(Why::NotAsked),
            _ => None,
        }
    }
}

impl<T> Default for Fed<T> {
    fn default() -> Self {
        Self { feed: Feed::default(), objects: Vec::new() }
    }
}

impl<T: Narrow> Fed<T> {
    /// Takes in what a watch has told.
    pub fn take(&mut self, change: Change) {
        self.feed.take(&mut self.objects, change);
    }
}

impl<T> Fed<T> {
    /// All objects by name: present, even when there are none, or unknown.
    pub fn all(&self) -> Seen<std::slice::Iter<'_, T>> {
        self.feed.unknown().map_or_else(|| Seen::Present(self.objects.iter()), Seen::Unknown)
    }

    /// Whether the cluster has said anything of them: a list, or why there is none.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.feed.listed || self.feed.trouble.is_some()
    }

    /// The objects that are known; none where nothing is.
    pub fn known(&self) -> std::slice::Iter<'_, T> {
        if self.feed.unknown().is_none() { self.objects.iter() } else { [].iter() }
    }

    /// The first object: for a collection of which one name is watched.
    pub fn one(&self) -> Seen<&T> {
        self.seen(self.objects.first())
    }

    /// The object of this name.
    pub fn named(&self, name: &str) -> Seen<&T> {
        self.seen(self.feed.find(name).ok().and_then(|at| self.objects.get(at)))
    }

    fn seen<'a>(&self, object: Option<&'a T>) -> Seen<&'a T> {
        self.feed.unknown().map_or_else(|| object.map_or(Seen::Absent, Seen::Present), Seen::Unknown)
    }

    /// Why nothing new comes.
    #[must_use]
    pub fn trouble(&self) -> Option<&ApiError> {
        self.feed.trouble.as_ref()
    }
}

/// An object's name; empty where it has none.
fn name(item: &Value) -> &str {
    item["metadata"]["name"].as_str().unwrap_or_default()
}

/// An object's resource version as a number; 0 where a server writes them otherwise.
fn version(item: &Value) -> u64 {
    item["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Something the page may have to ask the cluster's leave for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Make the namespace.
    CreateNamespace,
    /// Make or change the ServiceAccount.
    ManageServiceAccount,
    /// Take the lock.
    ManageLease,
    /// Make Jobs.
    CreateJob,
    /// Let a held Job go.
    PatchJob,
    /// Make the values' Secret.
    CreateSecret,
    /// Bind cluster-admin to the ServiceAccount for the time of an operation.
    BindClusterAdmin,
    /// Take that binding away again.
    DeleteBinding,
    /// Open a port-forward to a pod, which is what a tunnel is made of.
    GetPortForward,
    /// What the API server asks for beside that since Kubernetes 1.35.
    CreatePortForward,
}

impl Permission {
    /// All of them, in the order in which an operation needs them; those that none needs come last.
    pub const ALL: [Self; 10] = [
        Self::CreateNamespace,
        Self::ManageServiceAccount,
        Self::ManageLease,
        Self::CreateJob,
        Self::PatchJob,
        Self::CreateSecret,
        Self::BindClusterAdmin,
        Self::DeleteBinding,
        Self::GetPortForward,
        Self::CreatePortForward,
    ];

    /// Whether an operation needs it.
    #[must_use]
    pub const fn is_for_operations(self) -> bool {
        !matches!(self, Self::GetPortForward | Self::CreatePortForward)
    }
}

/// What the user may do: `Some(words)` for what the cluster has said no to.
///
/// What was not asked yet, or could not be asked, is taken as allowed: the cluster decides in the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// Refused permissions with the cluster's reason, in the order of [`Permission::ALL`].
    pub refused: Vec<(Permission, String)>,
    /// How many questions for the right to a tunnel are on their way.
    pub unanswered: usize,
    /// Who the cluster says the user is; empty while unknown.
    pub user: String,
}

impl Rights {
    /// Notes what the cluster said of `permission`: its words if it said no.
    pub fn set(&mut self, permission: Permission, refusal: Option<String>) {
        if !permission.is_for_operations() {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        self.refused.retain(|(of, _)| *of != permission);
        if let Some(words) = refusal {
            let at = self.refused.partition_point(|(of, _)| *of < permission);
            self.refused.insert(at, (permission, words));
        }
    }
}

/// The last that a container printed before it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CrashLog {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// How often it had ended by then: the next end has another log.
    pub ends: i32,
    /// Its last lines.
    pub lines: Vec<String>,
}

/// All that is known of one target in one cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// The API server's clock when the snapshot was looked at.
    pub now: Timestamp,
    /// The target's Namespace.
    pub namespace: Fed<Namespace>,
    /// Helm's ServiceAccount.
    pub service_account: Fed<Plain>,
    /// The binding of cluster-admin.
    pub binding: Fed<Binding>,
    /// The lock.
    pub lease: Fed<Lease>,
    /// Our Jobs in the namespace.
    pub jobs: Fed<Job>,
    /// All pods of the namespace.
    pub pods: Fed<Pod>,
    /// Crossview's Deployments of the namespace (not its database's).
    pub deployments: Fed<Deployment>,
    /// The namespace's Services.
    pub services: Fed<Service>,
    /// The namespace's Ingresses.
    pub ingresses: Fed<Ingress>,
    /// The namespace's Events.
    pub events: Fed<Event>,
    /// Metadata of Helm's release Secrets.
    pub releases: Fed<Raw>,
    /// The ConfigMap with what the last Update Helm Repo found.
    pub versions: Fed<ConfigMap>,
    /// What the user may do.
    pub rights: Rights,
    /// The auth mode that Crossview runs with, where it could be read.
    pub auth_mode: Option<String>,
    /// A Crossview found in another namespace, looked for where there is none here: namespace and release.
    pub elsewhere: Option<(String, String)>,
    /// The API server's version; empty while unknown.
    pub kubernetes: String,
    /// What a container of Crossview that ends again and again said last.
    pub crash: CrashLog,
}

impl Snapshot {
    /// Whether the cluster has said that the user may not open a tunnel. A WebSocket is a GET; since Kubernetes 1.35 the
    /// API server wants `create` of whoever upgrades it to a port-forward, too:
    /// <https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/AuthorizePodWebsocketUpgradeCreatePermission/>.
    #[must_use]
    pub fn refuses_tunnel(&self) -> bool {
        let refused = |permission| self.rights.refused.iter().any(|(of, _)| *of == permission);
        refused(Permission::GetPortForward) || refused(Permission::CreatePortForward) && wants_create(&self.kubernetes)
    }
}

/// Whether this is 1.35 or newer: `v1.34.4`, `v1.35.0-gke.1`, `v1.36+`. Kubernetes has had minor versions of two digits
/// since 1.10, so their texts are in their order.
fn wants_create(kubernetes: &str) -> bool {
    kubernetes >= "v1.35"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_kubernetes_1_35_a_tunnel_wants_create_too() {
        let refuses = |kubernetes: &str, refused: &[Permission]| {
            let mut snapshot = Snapshot { kubernetes: kubernetes.to_owned(), ..Snapshot::default() };
            for permission in refused {
                snapshot.rights.set(*permission, Some("no".to_owned()));
            }
            snapshot.refuses_tunnel()
        };
        let (get, create) = (Permission::GetPortForward, Permission::CreatePortForward);

        for kubernetes in ["", "v1.25.3", "v1.34.4", "v1.35.0-gke.1", "v1.36+", "v2.0.0"] {
            assert!(!refuses(kubernetes, &[]), "{kubernetes}");
            assert!(!refuses(kubernetes, &[Permission::CreateJob]), "{kubernetes}");
            assert!(refuses(kubernetes, &[get]), "{kubernetes}");
        }
        // What isn't known refuses nothing: the API server has the last word.
        for kubernetes in ["", "v1.10.0", "v1.34.4", "1.35.0", "v1.3"] {
            assert!(!refuses(kubernetes, &[create]), "{kubernetes}");
        }
        for kubernetes in ["v1.35.0", "v1.35.0-gke.1", "v1.36+", "v1.40.0-alpha.0"] {
            assert!(refuses(kubernetes, &[create]), "{kubernetes}");
        }
    }
}
