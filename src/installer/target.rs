//! Where Crossview is installed: a namespace and the name of a Helm release.

use crate::helm::release::{Namespace, ReleaseName};

/// Where Crossview is, or is to be; `crossview/crossview` unless the settings say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The namespace of the release, of its objects and of ours.
    pub namespace: Namespace,
    /// The Helm release.
    pub release: ReleaseName,
}
