//! What is read of the cluster when Crossview is opened, and not before: routes of the Gateway API.

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
}

narrow! {
    /// A list of HTTPRoutes.
    struct HttpRoutes {
        items: Vec<HttpRoute> = "items",
    }
}

/// Reads it. What can't be read is no way.
pub async fn read_reach(client: &Client, namespace: &Namespace) -> Reach {
    let routes = Request::get(HTTP_ROUTE.collection(Some(namespace.as_str())));
    let routes = client.read::<HttpRoutes>(routes).await.map(|list| list.items).unwrap_or_default();
    let mut names: Vec<(&str, &str)> = routes.iter().flat_map(gateways_of).collect();
    names.dedup();
    let mut gateways = Vec::new();
    for (namespace, name) in names {
        if let Ok(gateway) = client.read::<Gateway>(Request::get(GATEWAY.object(Some(namespace), name))).await {
            gateways.push(gateway);
        }
    }
    Reach { gateways, routes }
}
