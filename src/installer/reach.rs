//! What is read of the cluster when Crossview is opened, and not before: routes of the Gateway API, and whether the user
//! may open a tunnel.

use super::manifests::{kinds, manifest};
use crate::{
    access::{GATEWAY, Gateway, HTTP_ROUTE, HttpRoute, gateways_of},
    cluster::{Client, Request, narrow},
    helm::release::Namespace,
};

/// What bears on the ways to Crossview beside what is watched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reach {
    /// The namespace's HTTPRoutes; none where the cluster serves none, or they can't be read.
    pub routes: Vec<HttpRoute>,
    /// Their Gateways, as far as they can be read.
    pub gateways: Vec<Gateway>,
    /// The cluster says that the user may not forward ports to pods.
    pub tunnel_refused: bool,
}

narrow! {
    /// A list of HTTPRoutes.
    struct HttpRoutes {
        items: Vec<HttpRoute> = "items",
    }

    /// The answer of a SelfSubjectAccessReview.
    struct Review {
        status: ReviewStatus = "status",
    }

    /// Its status.
    struct ReviewStatus {
        allowed: bool = "allowed",
    }
}

/// Reads it. What can't be read is no way, and no tunnel is refused that the cluster did not refuse.
pub async fn read_reach(client: &Client, namespace: &Namespace) -> Reach {
    let review = Box::pin(client.read::<Review>(review(namespace)));
    let routes = Request::get(HTTP_ROUTE.collection(Some(namespace.as_str())));
    let routes = Box::pin(client.read::<HttpRoutes>(routes));
    let (review, routes) = futures::future::join(review, routes).await;
    let routes = routes.map(|list| list.items).unwrap_or_default();
    let mut names: Vec<(&str, &str)> = routes.iter().flat_map(gateways_of).collect();
    names.dedup();
    let mut gateways = Vec::new();
    for (namespace, name) in names {
        if let Ok(gateway) = client.read::<Gateway>(Request::get(GATEWAY.object(Some(namespace), name))).await {
            gateways.push(gateway);
        }
    }
    Reach { gateways, tunnel_refused: review.is_ok_and(|review| !review.status.allowed), routes }
}

/// Asks for `get` on `pods/portforward`: what a WebSocket to it is to the API server. Since Kubernetes 1.35 it asks for
/// `create`, too: <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>.
fn review(namespace: &Namespace) -> Request {
    let fields = [
        ("/spec/resourceAttributes/group", ""),
        ("/spec/resourceAttributes/resource", kinds::POD.plural),
        ("/spec/resourceAttributes/verb", "get"),
        ("/spec/resourceAttributes/namespace", namespace.as_str()),
    ];
    let mut body = manifest(include_str!("manifests/access-review.json"), &fields);
    body["spec"]["resourceAttributes"]["subresource"] = "portforward".into();
    Request::create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
}
