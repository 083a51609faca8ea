//! What is known of the cluster, and of what isn't known, why.

use serde_json::Value;

use super::objects::{Binding, Deployment, Event, Ingress, Job, Lease, Namespace, Object, Plain, Pod, Raw, Service};
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
    /// By name, each name once; what was known stays when the cluster can't be asked.
    objects: Vec<T>,
    /// Whether a list has ever come.
    listed: bool,
    /// The newest resource version that was taken in: within one collection they rise.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>
    newest: u64,
    /// Why it isn't known now.
    trouble: Option<ApiError>,
}

impl<T> Default for Fed<T> {
    fn default() -> Self {
        Self { objects: Vec::new(), listed: false, newest: 0, trouble: None }
    }
}

impl<T: Object + Narrow> Fed<T> {
    /// Takes in what a watch has told.
    pub fn take(&mut self, change: Change) {
        self.trouble = None;
        match change {
            Change::Listed(items) => {
                self.objects.clear();
                self.newest = 0;
                for object in items.iter().filter_map(read) {
                    self.newest = self.newest.max(version(&object));
                    self.put(object);
                }
                self.listed = true;
            }
            Change::Applied(item) => {
                if let Some(object) = self.read_newer(&item) {
                    self.put(object);
                }
            }
            Change::Deleted(item) => {
                if let Some(object) = self.read_newer(&item)
                    && let Ok(at) = self.find(&object.metadata().name)
                {
                    self.objects.remove(at);
                }
            }
            Change::Failed(error) => self.trouble = Some(error),
        }
    }

    /// The object of an event, unless something newer is known.
    fn read_newer(&mut self, item: &Value) -> Option<T> {
        let object = read::<T>(item)?;
        let version = version(&object);
        if version != 0 && version < self.newest {
            return None;
        }
        self.newest = self.newest.max(version);
        Some(object)
    }

    /// Puts an object in its place. A server lists by name, so this mostly adds at the end; eleven sorts, one for each
    /// kind, would cost the page 9 kB.
    fn put(&mut self, object: T) {
        match self.find(&object.metadata().name) {
            Ok(at) => self.objects[at] = object,
            Err(at) => self.objects.insert(at, object),
        }
    }

    /// Where the object of this name is, or belongs.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.objects.binary_search_by(|object| object.metadata().name.as_str().cmp(name))
    }

    /// All objects by name: present, even when there are none, or unknown.
    ///
    /// While the cluster can't be reached, what was known still stands; a refusal takes it away.
    pub fn all(&self) -> Seen<impl Iterator<Item = &T> + Clone> {
        match &self.trouble {
            Some(error @ (ApiError::Forbidden { .. } | ApiError::Unauthorized { .. })) => {
                Seen::Unknown(Why::Error(error.clone()))
            }
            Some(error) if !self.listed => Seen::Unknown(Why::Error(error.clone())),
            None if !self.listed => Seen::Unknown(Why::NotAsked),
            _ => Seen::Present(self.objects.iter()),
        }
    }

    /// The objects that are known; none where nothing is.
    pub fn known(&self) -> impl Iterator<Item = &T> {
        self.all().present().into_iter().flatten()
    }

    /// The first object: for a collection of which one name is watched.
    pub fn one(&self) -> Seen<&T> {
        match self.all() {
            Seen::Present(mut all) => all.next().map_or(Seen::Absent, Seen::Present),
            Seen::Absent => Seen::Absent,
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    /// The object of this name.
    pub fn named(&self, name: &str) -> Seen<&T> {
        match self.all() {
            Seen::Present(_) => self.find(name).map_or(Seen::Absent, |at| Seen::Present(&self.objects[at])),
            Seen::Absent => Seen::Absent,
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    /// Why nothing new comes.
    #[must_use]
    pub fn trouble(&self) -> Option<&ApiError> {
        self.trouble.as_ref()
    }
}

/// One object of a list; one without a name is none, and must not lose the others.
fn read<T: Object + Narrow>(item: &Value) -> Option<T> {
    Some(T::read(item)).filter(|object| !object.metadata().name.is_empty())
}

/// An object's resource version as a number; 0 where a server writes them otherwise.
fn version<T: Object>(object: &T) -> u64 {
    object.metadata().resource_version.parse().unwrap_or(0)
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
}

impl Permission {
    /// All of them, in the order in which an operation needs them.
    pub const ALL: [Self; 8] = [
        Self::CreateNamespace,
        Self::ManageServiceAccount,
        Self::ManageLease,
        Self::CreateJob,
        Self::PatchJob,
        Self::CreateSecret,
        Self::BindClusterAdmin,
        Self::DeleteBinding,
    ];
}

/// What the user may do: `Some(words)` for what the cluster has said no to.
///
/// What was not asked yet, or could not be asked, is taken as allowed: the cluster decides in the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// Refused permissions with the cluster's reason, in the order of [`Permission::ALL`].
    pub refused: Vec<(Permission, String)>,
    /// Who the cluster says the user is; empty while unknown.
    pub user: String,
}

impl Rights {
    /// Notes what the cluster said of `permission`: its words if it said no.
    pub fn set(&mut self, permission: Permission, refusal: Option<String>) {
        self.refused.retain(|(of, _)| *of != permission);
        if let Some(words) = refusal {
            let at = self.refused.partition_point(|(of, _)| *of < permission);
            self.refused.insert(at, (permission, words));
        }
    }
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
    /// What the user may do.
    pub rights: Rights,
    /// The auth mode that Crossview runs with, where it could be read.
    pub auth_mode: Option<String>,
    /// A Crossview found in another namespace, looked for where there is none here: namespace and release.
    pub elsewhere: Option<(String, String)>,
}
