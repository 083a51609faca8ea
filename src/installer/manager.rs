//! Whether a GitOps controller looks after Crossview, told by the marks that it leaves on what it applies.
//!
//! What somebody changed past such a controller would be changed back within minutes, so the page then opens and
//! reports, and leaves changes to it.

use super::objects::Metadata;

/// What looks after Crossview in the page's stead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// The product.
    pub tool: ManagerTool,
    /// The kind of the object to change: `HelmRelease`, `Kustomization` or `Application`.
    pub kind: String,
    /// Its namespace; empty where the mark doesn't tell: Argo CD's own, then.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The products that are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerTool {
    /// <https://fluxcd.io>
    Flux,
    /// <https://argo-cd.readthedocs.io>
    ArgoCd,
}

impl ManagerTool {
    /// Its name, as its makers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flux => "Flux",
            Self::ArgoCd => "Argo CD",
        }
    }
}

/// Labels of Flux: its helm-controller's (`internal/postrender/build.go`, added since 0.9) and its
/// kustomize-controller's (<https://fluxcd.io/flux/faq/#what-labels-does-flux-add>).
const FLUX: [(&str, &str, &str); 2] = [
    ("HelmRelease", "helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"),
    ("Kustomization", "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"),
];
/// `APPLICATION:GROUP/KIND:NAMESPACE/NAME`, with `NAMESPACE_` in front where the Application isn't in Argo CD's own:
/// <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>.
const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// The label that Argo CD's handbook tells to use instead of the one that Helm charts set themselves.
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";

/// Who looks after the Deployment with this `metadata`; `None` where nobody has left a mark.
#[must_use]
pub fn manager(metadata: &Metadata) -> Option<Manager> {
    let found = |tool, kind: &str, namespace: &str, name: &str| {
        let text = str::to_owned;
        Some(Manager { tool, kind: text(kind), namespace: text(namespace), name: text(name) })
    };
    for (kind, name, namespace) in FLUX {
        let name = metadata.label(name);
        if !name.is_empty() {
            return found(ManagerTool::Flux, kind, metadata.label(namespace), name);
        }
    }
    // An id that names another object came with a copy and means nothing, as to Argo CD itself.
    let mut tracked = metadata.annotation(ARGO_TRACKING).splitn(3, ':');
    let application = tracked.next().filter(|_| {
        tracked.next() == Some("apps/Deployment")
            && tracked.next().is_some_and(|of| of.split_once('/') == Some((&*metadata.namespace, &*metadata.name)))
    });
    let application = application.unwrap_or_else(|| metadata.label(ARGO_INSTANCE));
    if application.is_empty() {
        return None;
    }
    let (namespace, name) = application.split_once('_').unwrap_or(("", application));
    found(ManagerTool::ArgoCd, "Application", namespace, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Narrow;
    use serde_json::{Value, json};

    fn seen(labels: &Value, annotations: &Value) -> Option<(ManagerTool, String, String, String)> {
        let metadata = json!({"name": "crossview", "namespace": "tools", "labels": labels, "annotations": annotations});
        manager(&Metadata::read(&metadata)).map(|found| (found.tool, found.kind, found.namespace, found.name))
    }

    fn expected(
        tool: ManagerTool,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<(ManagerTool, String, String, String)> {
        Some((tool, kind.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    #[test]
    fn both_controllers_of_flux_are_known_by_their_labels() {
        let helm =
            json!({"helm.toolkit.fluxcd.io/name": "crossview", "helm.toolkit.fluxcd.io/namespace": "flux-system"});
        let plain =
            json!({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});

        assert_eq!(seen(&helm, &json!({})), expected(ManagerTool::Flux, "HelmRelease", "flux-system", "crossview"));
        assert_eq!(seen(&plain, &json!({})), expected(ManagerTool::Flux, "Kustomization", "flux-system", "apps"));
    }

    #[test]
    fn argo_cd_is_known_by_its_tracking_id_and_by_its_label() {
        let id = |id: &str| json!({"argocd.argoproj.io/tracking-id": id});

        assert_eq!(
            seen(&json!({}), &id("crossview:apps/Deployment:tools/crossview")),
            expected(ManagerTool::ArgoCd, "Application", "", "crossview")
        );
        assert_eq!(
            seen(&json!({}), &id("team-a_views:apps/Deployment:tools/crossview")),
            expected(ManagerTool::ArgoCd, "Application", "team-a", "views")
        );
        assert_eq!(
            seen(&json!({"argocd.argoproj.io/instance": "views"}), &json!({})),
            expected(ManagerTool::ArgoCd, "Application", "", "views")
        );
    }

    // A Deployment that was copied with all its annotations is nobody's.
    #[test]
    fn a_tracking_id_of_another_object_means_nothing() {
        for id in ["crossview:apps/Deployment:tools/other", "crossview:/Service:tools/crossview", "crossview", ":::"] {
            assert_eq!(seen(&json!({}), &json!({"argocd.argoproj.io/tracking-id": id})), None, "{id}");
        }
        assert_eq!(seen(&json!({"app.kubernetes.io/managed-by": "Helm"}), &json!({})), None);
    }
}
