//! Whether a namespace holds anything but what is ours, so that it may go with Crossview.
//!
//! Every namespaced kind that discovery lists is looked through, custom ones too, by the metadata of its objects alone.
//! What can't be seen isn't taken for nothing: one kind that can't be listed means that nobody may be offered to
//! delete the namespace.

use super::{
    Target,
    manifests::{MANAGED_BY, US, VERSIONS_NAME, kinds},
    objects::Plain,
    status::Withheld,
};
use crate::cluster::{ApiError, Client, Narrow, Request, narrow};

/// An object that would be lost with the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Its kind, as manifests have it.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Why it can't be told what a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {error}")]
pub struct ForeignError {
    /// The kind that can't be listed, or the API group whose kinds can't be told.
    pub kind: String,
    /// The cluster's answer.
    pub error: ApiError,
}

/// Why a namespace was not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// Crossview is installed, or an operation runs.
    #[error("the namespace is in use")]
    Withheld(Withheld),
    /// It holds things that would be lost.
    #[error("{} objects would be lost", .0.len())]
    Foreign(Vec<Foreign>),
    /// It can't be told what it holds.
    #[error("{0}")]
    Unseen(#[from] ForeignError),
    /// The cluster refused; a Conflict means that it is another namespace by now.
    #[error("{0}")]
    Api(#[from] ApiError),
}

narrow! {
    /// `APIGroupList`.
    struct Groups {
        groups: Vec<Group> = "groups",
    }

    /// `APIGroup`.
    struct Group {
        versions: Vec<GroupVersion> = "versions",
    }

    /// `GroupVersionForDiscovery`.
    struct GroupVersion {
        group_version: String = "groupVersion",
    }

    /// `APIResourceList`.
    struct Resources {
        resources: Vec<Resource> = "resources",
    }

    /// `APIResource`.
    struct Resource {
        name: String = "name",
        kind: String = "kind",
        namespaced: bool = "namespaced",
        verbs: Vec<String> = "verbs",
    }

    /// Any list of metadata.
    struct List {
        metadata: ListMeta = "metadata",
        items: Vec<Plain> = "items",
    }

    /// `ListMeta`.
    struct ListMeta {
        r#continue: String = "continue",
    }
}

/// How many objects are asked for at a time.
const PAGE: u32 = 250;
/// A kind of which this many foreign objects are known isn't looked through any further.
const ENOUGH: usize = 10;
/// Kinds that come and go with others: reports, and the addresses of Services.
const REPORTS: [&str; 3] = ["events", "endpoints", "endpointslices"];

/// What `target`'s namespace holds beside what is ours and what every namespace has.
///
/// # Errors
/// Where a kind can't be listed, or discovery can't be read in full.
pub(super) async fn foreign(client: &Client, target: &Target) -> Result<Vec<Foreign>, ForeignError> {
    let kinds = kinds_of(client).await?;
    let mut found = Vec::new();
    // One after the other: it is asked for by a click, and many at a time would weigh 3 kB and take every connection.
    for (root, kind) in &kinds {
        found.extend(list(client, target, root, kind).await?);
    }
    Ok(found)
}

/// Every namespaced kind whose objects can be listed and lost, once each: its group version's path and itself.
///
/// What can't be deleted (the metrics of pods, the catalogue of an operator's packages) is a view and no object.
/// <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>
async fn kinds_of(client: &Client) -> Result<Vec<(String, Resource)>, ForeignError> {
    let failed = |kind: &str| {
        let kind = kind.to_owned();
        move |error| ForeignError { kind, error }
    };
    let groups = client.read::<Groups>(Request::get("/apis")).await.map_err(failed("/apis"))?;
    let versions = groups.groups.iter().flat_map(|group| &group.versions);
    let mut roots: Vec<String> = versions.map(|version| ["/apis/", &version.group_version].concat()).collect();
    roots.insert(0, "/api/v1".to_owned());
    let mut kinds: Vec<(String, Resource)> = Vec::new();
    for root in &roots {
        let answer = client.read::<Resources>(Request::get(&**root)).await;
        let group = group_of(root);
        for resource in answer.map_err(failed(root))?.resources {
            let can = |verb: &str| resource.verbs.iter().any(|known| known == verb);
            let wanted = resource.namespaced
                && can("list")
                && can("delete")
                && !resource.name.contains('/')
                && !REPORTS.contains(&&*resource.name);
            // One kind is often served in several versions.
            let known = kinds.iter().any(|(root, known)| group_of(root) == group && known.name == resource.name);
            if wanted && !known {
                kinds.push((root.clone(), resource));
            }
        }
    }
    Ok(kinds)
}

/// The group of a group version's path.
fn group_of(root: &str) -> &str {
    root.rsplit_once('/').map_or(root, |(group, _)| group)
}

/// The foreign objects of one kind.
async fn list(client: &Client, target: &Target, root: &str, kind: &Resource) -> Result<Vec<Foreign>, ForeignError> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("{root}/namespaces/{}/{}?limit={PAGE}{after}", target.namespace, kind.name);
        let page = client.object(Request { metadata_only: true, ..Request::get(path) }).await;
        let page = match page {
            Ok(page) => List::read(&page),
            // The kind has gone meanwhile.
            Err(ApiError::NotFound { .. }) => return Ok(found),
            // The list has grown too old to go on with: from the start.
            Err(ApiError::Gone) if !after.is_empty() => {
                found.clear();
                after.clear();
                continue;
            }
            Err(error) => return Err(ForeignError { kind: kind.kind.clone(), error }),
        };
        let foreign = page.items.into_iter().filter(|object| is_foreign(&kind.kind, object));
        found.extend(foreign.map(|object| Foreign { kind: kind.kind.clone(), name: object.metadata.name }));
        if page.metadata.r#continue.is_empty() || found.len() >= ENOUGH {
            return Ok(found);
        }
        after = ["&continue=", &page.metadata.r#continue].concat();
    }
}

/// Whether an object would be lost: not ours, not in every namespace, and not on its way out already.
fn is_foreign(kind: &str, object: &Plain) -> bool {
    let everywhere = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"), ("ConfigMap", VERSIONS_NAME)];
    object.metadata.deletion_timestamp.is_none()
        && object.metadata.label(MANAGED_BY) != US
        && !everywhere.contains(&(kind, &*object.metadata.name))
}

/// Deletes exactly the Namespace that was seen.
pub(super) async fn remove(client: &Client, target: &Target, uid: &str) -> Result<(), RemoveError> {
    let found = foreign(client, target).await?;
    if !found.is_empty() {
        return Err(RemoveError::Foreign(found));
    }
    let path = kinds::NAMESPACE.object(None, target.namespace.as_str());
    client.object(Request::delete(path, super::manifests::delete_this(uid))).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn foreign(kind: &str, metadata: serde_json::Value) -> bool {
        is_foreign(kind, &Plain::read(&json!({"metadata": metadata})))
    }

    #[test]
    fn what_every_namespace_has_and_what_is_ours_is_not_foreign() {
        assert!(!foreign("ConfigMap", json!({"name": "kube-root-ca.crt"})));
        assert!(!foreign("ServiceAccount", json!({"name": "default"})));
        assert!(!foreign("ConfigMap", json!({"name": VERSIONS_NAME})));
        assert!(!foreign("Lease", json!({"name": "l", "labels": {MANAGED_BY: US}})));
        assert!(!foreign("Pod", json!({"name": "p", "deletionTimestamp": "2026-11-23T01:02:03Z"})));
    }

    #[test]
    fn whatever_else_is_there_would_be_lost() {
        assert!(foreign("Secret", json!({"name": "default"})));
        assert!(foreign("PersistentVolumeClaim", json!({"name": "data", "labels": {MANAGED_BY: "Helm"}})));
    }

    #[test]
    fn versions_of_one_group_share_it() {
        assert_eq!(group_of("/apis/batch/v1"), group_of("/apis/batch/v1beta1"));
        assert_ne!(group_of("/api/v1"), group_of("/apis/apps/v1"));
    }
}
