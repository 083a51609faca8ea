//! Gateway API: where an HTTPRoute leads by the listeners of its Gateways.
//!
//! A route is reached where a listener takes it: by a host name that both know, at the listener's port, by its
//! protocol. Only a route that its Gateway has accepted is served.
//! <https://gateway-api.sigs.k8s.io/reference/spec/#gateway.networking.k8s.io/v1.HTTPRoute>

use super::route::{Browser, End, Obstacle, end_at, host_of};
use crate::{
    cluster::{Kind, narrow},
    installer::{Metadata, Service},
};

/// `gateway.networking.k8s.io/v1 HTTPRoute`.
pub const HTTP_ROUTE: Kind =
    Kind { api_version: "gateway.networking.k8s.io/v1", name: "HTTPRoute", plural: "httproutes" };
/// `gateway.networking.k8s.io/v1 Gateway`.
pub const GATEWAY: Kind = Kind { api_version: "gateway.networking.k8s.io/v1", name: "Gateway", plural: "gateways" };

narrow! {
    /// An HTTPRoute.
    pub struct HttpRoute {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// What it wants.
        pub spec: HttpRouteSpec = "spec",
        /// What became of that.
        pub status: HttpRouteStatus = "status",
    }

    /// `HTTPRouteSpec`.
    pub struct HttpRouteSpec {
        /// The Gateways that it wants to be served by.
        pub parent_refs: Vec<ParentRef> = "parentRefs",
        /// Its host names; none means those of the listeners.
        pub hostnames: Vec<String> = "hostnames",
        /// Paths and where they lead.
        pub rules: Vec<HttpRouteRule> = "rules",
    }

    /// `ParentReference`.
    pub struct ParentRef {
        /// `Gateway` where it is empty.
        pub kind: String = "kind",
        /// The route's own where it is empty.
        pub namespace: String = "namespace",
        /// Its name.
        pub name: String = "name",
        /// One listener of it; any where it is empty.
        pub section_name: String = "sectionName",
        /// Listeners of this port alone; any where it is 0.
        pub port: u16 = "port",
    }

    /// `HTTPRouteRule`.
    pub struct HttpRouteRule {
        /// Which requests; all where there are none.
        pub matches: Vec<HttpRouteMatch> = "matches",
        /// Where they lead.
        pub backend_refs: Vec<BackendRef> = "backendRefs",
    }

    /// `HTTPRouteMatch`.
    pub struct HttpRouteMatch {
        /// By its path; `/` where it is left out.
        pub path: Option<HttpPathMatch> = "path",
    }

    /// `HTTPPathMatch`.
    pub struct HttpPathMatch {
        /// The path.
        pub value: String = "value",
    }

    /// `HTTPBackendRef`.
    pub struct BackendRef {
        /// `Service` where it is empty.
        pub kind: String = "kind",
        /// The route's own where it is empty.
        pub namespace: String = "namespace",
        /// Its name.
        pub name: String = "name",
    }

    /// `HTTPRouteStatus`.
    pub struct HttpRouteStatus {
        /// What each Gateway says.
        pub parents: Vec<RouteParentStatus> = "parents",
    }

    /// `RouteParentStatus`.
    pub struct RouteParentStatus {
        /// Which Gateway.
        pub parent_ref: ParentRef = "parentRef",
        /// What it says.
        pub conditions: Vec<Accepted> = "conditions",
    }

    /// A condition.
    pub struct Accepted {
        /// Its type.
        pub r#type: String = "type",
        /// `True`, `False` or `Unknown`.
        pub status: String = "status",
        /// A sentence.
        pub message: String = "message",
    }

    /// A Gateway.
    pub struct Gateway {
        /// Metadata.
        pub metadata: Metadata = "metadata",
        /// What it listens to.
        pub spec: GatewaySpec = "spec",
        /// Where it is.
        pub status: GatewayStatus = "status",
    }

    /// `GatewaySpec`.
    pub struct GatewaySpec {
        /// Its listeners.
        pub listeners: Vec<Listener> = "listeners",
    }

    /// `Listener`.
    pub struct Listener {
        /// Its name.
        pub name: String = "name",
        /// Its host name; any where it is empty.
        pub hostname: String = "hostname",
        /// Its port.
        pub port: u16 = "port",
        /// `HTTP`, `HTTPS` or another.
        pub protocol: String = "protocol",
    }

    /// `GatewayStatus`.
    pub struct GatewayStatus {
        /// Where it can be reached.
        pub addresses: Vec<GatewayAddress> = "addresses",
    }

    /// `GatewayStatusAddress`.
    pub struct GatewayAddress {
        /// An IP address or a host name.
        pub value: String = "value",
    }
}

/// The Gateways that `route` wants to be served by: namespace and name.
#[must_use]
pub fn gateways_of(route: &HttpRoute) -> Vec<(&str, &str)> {
    let parents = route.spec.parent_refs.iter().filter(|parent| matches!(&*parent.kind, "" | "Gateway"));
    parents.map(|parent| (or(&parent.namespace, &route.metadata.namespace), parent.name.as_str())).collect()
}

/// Where `route` leads, for each listener that takes it; none where it doesn't lead to one of `services`, which are those
/// of the app in the route's namespace. `gateways` are those of [`gateways_of`] that could be read.
#[must_use]
pub fn http_route_ends(
    route: &HttpRoute,
    gateways: &[Gateway],
    services: &[&Service],
    browser: Browser<'_>,
) -> Vec<End> {
    let leads_here = |rule: &&HttpRouteRule| {
        rule.backend_refs.iter().any(|backend| {
            matches!(&*backend.kind, "" | "Service")
                && or(&backend.namespace, &route.metadata.namespace) == route.metadata.namespace
                && services.iter().any(|service| service.metadata.name == backend.name)
        })
    };
    let rules: Vec<&HttpRouteRule> = route.spec.rules.iter().filter(leads_here).collect();
    let Some(rule) = rules.iter().find(|rule| path(rule) == "/").or_else(|| rules.first()) else { return Vec::new() };
    if path(rule) != "/" {
        return vec![End::Blocked(Obstacle::Path { path: path(rule).to_owned() })];
    }
    let mut ends = Vec::new();
    for parent in route.spec.parent_refs.iter().filter(|parent| matches!(&*parent.kind, "" | "Gateway")) {
        for end in parent_ends(route, parent, gateways, browser) {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
    }
    ends
}

fn parent_ends(route: &HttpRoute, parent: &ParentRef, gateways: &[Gateway], browser: Browser<'_>) -> Vec<End> {
    let namespace = |parent: &ParentRef| or(&parent.namespace, &route.metadata.namespace).to_owned();
    let blocked = |message: &str| {
        vec![End::Blocked(Obstacle::Gateway { gateway: parent.name.clone(), message: message.to_owned() })]
    };
    let told = route.status.parents.iter().find(|told| {
        let of = &told.parent_ref;
        of.name == parent.name && namespace(of) == namespace(parent) && of.section_name == parent.section_name
    });
    let accepted = told.and_then(|told| told.conditions.iter().find(|condition| condition.r#type == "Accepted"));
    match accepted {
        Some(accepted) if accepted.status == "True" => {}
        Some(accepted) => return blocked(&accepted.message),
        None => return blocked("it has not accepted the route yet"),
    }
    let gateway = gateways
        .iter()
        .find(|gateway| gateway.metadata.name == parent.name && gateway.metadata.namespace == namespace(parent));
    let Some(gateway) = gateway else { return blocked("it can't be read") };
    let listeners = gateway.spec.listeners.iter().filter(|listener| {
        (parent.section_name.is_empty() || listener.name == parent.section_name)
            && (parent.port == 0 || listener.port == parent.port)
    });
    let mut ends: Vec<(bool, End)> = Vec::new();
    for listener in listeners {
        let (scheme, usual) = match listener.protocol.as_str() {
            "HTTP" => ("http://", 80),
            "HTTPS" => ("https://", 443),
            _ => continue,
        };
        let port = if listener.port == usual { String::new() } else { [":", &listener.port.to_string()].concat() };
        for host in hosts(route, listener, gateway) {
            let end = if host.starts_with('*') {
                End::Blocked(Obstacle::Wildcard { host })
            } else {
                end_at(scheme, &host, &port, browser)
            };
            ends.push((listener.protocol != "HTTPS", end));
        }
    }
    // Encrypted first.
    let (plain, encrypted): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(plain, _)| *plain);
    encrypted.into_iter().chain(plain).map(|(_, end)| end).collect()
}

/// The host names by which `listener` serves `route`; its Gateway's address where neither has one.
fn hosts(route: &HttpRoute, listener: &Listener, gateway: &Gateway) -> Vec<String> {
    let own = &listener.hostname;
    if route.spec.hostnames.is_empty() {
        if !own.is_empty() {
            return vec![own.clone()];
        }
        let address = gateway.status.addresses.first().map_or("", |address| &address.value);
        let is_ip = address.contains(':');
        return vec![if is_ip { host_of(address, "") } else { address.to_owned() }];
    }
    let wanted = route.spec.hostnames.iter();
    wanted
        .filter_map(|wanted| {
            if own.is_empty() || own == wanted || covers(own, wanted) {
                Some(wanted.clone())
            } else if covers(wanted, own) {
                Some(own.clone())
            } else {
                None
            }
        })
        .collect()
}

/// Whether the wildcard `pattern` covers `host`: `*.example.org` stands for one name or more in front.
fn covers(pattern: &str, host: &str) -> bool {
    pattern.strip_prefix('*').is_some_and(|suffix| host.len() > suffix.len() && host.ends_with(suffix))
}

/// The path that a rule is for.
fn path(rule: &HttpRouteRule) -> &str {
    let paths = rule.matches.iter().map(|found| found.path.as_ref().map_or("/", |path| or(&path.value, "/")));
    let mut paths = paths.peekable();
    let first = paths.peek().copied().unwrap_or("/");
    if paths.any(|path| path == "/") { "/" } else { first }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Narrow;
    use serde_json::{Value, json};

    const PLAIN: Browser<'_> =
        Browser { host: "headlamp.example", is_https: false, can_forward: false, can_tunnel: false };

    fn app() -> Service {
        Service::read(&json!({"metadata": {"name": "crossview-service", "namespace": "crossview"}}))
    }

    fn route(hostnames: Value, parents: Value, accepted: &str) -> HttpRoute {
        HttpRoute::read(&json!({
            "metadata": {"name": "crossview", "namespace": "crossview"},
            "spec": {
                "parentRefs": [parents],
                "hostnames": hostnames,
                "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"name": "crossview-service", "port": 80}]}],
            },
            "status": {"parents": [{"parentRef": parents, "conditions": [{"type": "Accepted", "status": accepted, "message": "not allowed by the listener"}]}]},
        }))
    }

    fn gateway(listeners: Value) -> Gateway {
        Gateway::read(&json!({
            "metadata": {"name": "public", "namespace": "gateways"},
            "spec": {"listeners": listeners},
            "status": {"addresses": [{"type": "IPAddress", "value": "10.0.0.7"}]},
        }))
    }

    fn parent() -> Value {
        json!({"name": "public", "namespace": "gateways"})
    }

    fn listener(name: &str, hostname: &str, port: u16, protocol: &str) -> Value {
        json!({"name": name, "hostname": hostname, "port": port, "protocol": protocol})
    }

    fn ends(route: &HttpRoute, gateway: Gateway) -> Vec<End> {
        http_route_ends(route, &[gateway], &[&app()], PLAIN)
    }

    fn at(url: &str) -> End {
        End::At(url.parse().unwrap())
    }

    #[test]
    fn a_route_is_reached_by_protocol_host_and_port_of_its_listeners_the_encrypted_first() {
        let listeners = json!([listener("web", "", 80, "HTTP"), listener("tls", "*.example.org", 8443, "HTTPS")]);

        let found = ends(&route(json!(["crossview.example.org"]), parent(), "True"), gateway(listeners));

        assert_eq!(found, [at("https://crossview.example.org:8443"), at("http://crossview.example.org")]);
    }

    #[test]
    fn a_section_name_means_one_listener() {
        let listeners = json!([listener("web", "", 80, "HTTP"), listener("tls", "", 443, "HTTPS")]);
        let mut parent = parent();
        parent["sectionName"] = json!("tls");

        let found = ends(&route(json!(["a.example.org"]), parent, "True"), gateway(listeners));

        assert_eq!(found, [at("https://a.example.org")]);
    }

    #[test]
    fn without_a_host_name_the_listeners_or_the_gateways_address_is_taken() {
        let named = json!([listener("web", "b.example.org", 80, "HTTP")]);
        assert_eq!(ends(&route(json!([]), parent(), "True"), gateway(named)), [at("http://b.example.org")]);

        let unnamed = json!([listener("web", "", 8080, "HTTP")]);
        assert_eq!(ends(&route(json!([]), parent(), "True"), gateway(unnamed)), [at("http://10.0.0.7:8080")]);
    }

    #[test]
    fn a_host_name_that_no_listener_knows_leads_nowhere() {
        let listeners = json!([listener("web", "b.example.org", 80, "HTTP"), listener("tcp", "", 5432, "TCP")]);

        assert_eq!(ends(&route(json!(["a.example.org"]), parent(), "True"), gateway(listeners)), []);
    }

    #[test]
    fn a_wildcard_does_not_say_which_name_is_meant() {
        let wildcard = Obstacle::Wildcard { host: "*.example.org".to_owned() };
        let listeners = json!([listener("web", "", 80, "HTTP")]);

        let found = ends(&route(json!(["*.example.org"]), parent(), "True"), gateway(listeners));

        assert_eq!(found, [End::Blocked(wildcard)]);
    }

    #[test]
    fn a_route_that_is_not_accepted_says_so_in_the_gateways_words() {
        let listeners = json!([listener("web", "", 80, "HTTP")]);

        let found = ends(&route(json!(["a.example.org"]), parent(), "False"), gateway(listeners));

        let message = "not allowed by the listener".to_owned();
        assert_eq!(found, [End::Blocked(Obstacle::Gateway { gateway: "public".to_owned(), message })]);
    }

    #[test]
    fn a_route_to_something_else_or_to_a_part_of_a_host_is_no_way() {
        let listeners = json!([listener("web", "", 80, "HTTP")]);
        let mut elsewhere = route(json!(["a.example.org"]), parent(), "True");
        elsewhere.spec.rules[0].backend_refs[0].name = "crossview-postgres".to_owned();
        assert_eq!(ends(&elsewhere, gateway(listeners.clone())), []);

        let mut below = route(json!(["a.example.org"]), parent(), "True");
        below.spec.rules[0].matches[0].path = Some(HttpPathMatch { value: "/crossview".to_owned() });
        let path = Obstacle::Path { path: "/crossview".to_owned() };
        assert_eq!(ends(&below, gateway(listeners)), [End::Blocked(path)]);
    }

    #[test]
    fn the_gateways_of_a_route_are_named_with_their_namespaces() {
        let route = HttpRoute::read(&json!({
            "metadata": {"name": "crossview", "namespace": "crossview"},
            "spec": {"parentRefs": [{"name": "near"}, {"name": "far", "namespace": "gateways"}, {"kind": "Service", "name": "mesh"}]},
        }));

        assert_eq!(gateways_of(&route), [("crossview", "near"), ("gateways", "far")]);
    }
}
