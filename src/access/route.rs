//! The ways from this browser to Crossview, best first.
//!
//! Found by reading the cluster; whether something answers there is asked afterwards ([`AppUrl::health`]), and only
//! then it is shown. A way that can't be used is listed too, with the reason.

use std::fmt;

use super::{
    app_url::{AppUrl, LOCAL_PORT},
    gateway::{Gateway, HttpRoute, http_route_ends},
};
use crate::{
    helm::{
        command::shell_line,
        release::{Namespace, ReleaseName},
    },
    installer::{Ingress, Service},
};

/// A kind of way to Crossview, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// An address that the user has set.
    Configured,
    /// An Ingress that leads to Crossview's Service.
    Ingress,
    /// An HTTPRoute of the Gateway API that leads to Crossview's Service.
    HttpRoute,
    /// Crossview's Service itself, of type LoadBalancer.
    LoadBalancer,
    /// Through the API server, with the user's own rights and nothing exposed.
    Tunnel,
    /// Headlamp's port-forward, on the desktop.
    PortForward,
    /// A `kubectl port-forward` that the user runs.
    Local,
}

/// One way to Crossview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which way.
    pub way: Way,
    /// The name of the object that makes it; empty where there is none.
    pub object: String,
    /// Where it leads, or why it doesn't.
    pub end: End,
}

/// Where a [`Route`] leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There, if something answers there.
    At(AppUrl),
    /// To this pod, through the API server.
    Tunnel {
        /// A pod of Crossview that is ready.
        pod: String,
    },
    /// To a port of this machine that Headlamp has to open first.
    OnRequest,
    /// Nowhere, for this reason.
    Blocked(Obstacle),
}

/// Why a way can't be used from here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// This page came over https, and browsers show nothing within it that comes over plain http. A tab of its own can.
    #[error(
        "this page is encrypted and {url} is not, so browsers refuse to show it here; it can be opened in a tab of its own"
    )]
    MixedContent {
        /// Where it leads.
        url: AppUrl,
    },
    /// No host name, and the load balancer or the Ingress controller has given it no address yet.
    #[error("it has no address yet")]
    NoAddress,
    /// A host name with a `*`: any name would do, and which one is meant isn't said.
    #[error("{host} stands for many names; set the address that is meant")]
    Wildcard {
        /// The host name.
        host: String,
    },
    /// Not at the root of its host, where alone Crossview works.
    #[error("it leads to {path}, and Crossview works at / only")]
    Path {
        /// The path.
        path: String,
    },
    /// A Gateway doesn't serve the route.
    #[error("the Gateway {gateway} does not serve it: {message}")]
    Gateway {
        /// The Gateway.
        gateway: String,
        /// Its words.
        message: String,
    },
    /// No pod of Crossview is ready.
    #[error("no pod of Crossview is ready")]
    NoPod,
    /// The cluster refuses a tunnel to this user.
    #[error("you may not forward ports to pods; ask for the verbs get and create on pods/portforward in {namespace}")]
    TunnelRefused {
        /// Crossview's namespace.
        namespace: String,
    },
    /// What the object calls a host is none.
    #[error("\"{host}\" is not a host name")]
    Host {
        /// What it says.
        host: String,
    },
}

/// What the browser can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Browser<'a> {
    /// The page's own host name; empty on the desktop, where it is a file.
    pub host: &'a str,
    /// The page came over https.
    pub is_https: bool,
    /// Headlamp's backend runs on this very machine and can forward ports to it.
    pub can_forward: bool,
    /// The page around can open a tunnel.
    pub can_tunnel: bool,
}

/// What is known of the cluster that bears on the ways; all but the Gateways is of Crossview's namespace.
#[derive(Debug, Clone, Copy)]
pub struct Exposed<'a> {
    /// Its namespace.
    pub namespace: &'a Namespace,
    /// Its Helm release.
    pub release: &'a ReleaseName,
    /// Services.
    pub services: &'a [&'a Service],
    /// Ingresses.
    pub ingresses: &'a [&'a Ingress],
    /// HTTPRoutes; none where the cluster serves none.
    pub routes: &'a [HttpRoute],
    /// Their Gateways, as far as they can be read.
    pub gateways: &'a [Gateway],
    /// A pod of Crossview that is ready.
    pub pod: Option<&'a str>,
    /// The cluster has said that the user may not forward ports.
    pub tunnel_refused: bool,
}

impl Way {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configured => "Your address",
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::LoadBalancer => "LoadBalancer",
            Self::Tunnel => "Tunnel through the API server",
            Self::PortForward => "Headlamp's port-forward",
            Self::Local => "kubectl port-forward",
        }
    }

    /// All of them, best first.
    pub const ALL: [Self; 7] = [
        Self::Configured,
        Self::Ingress,
        Self::HttpRoute,
        Self::LoadBalancer,
        Self::Tunnel,
        Self::PortForward,
        Self::Local,
    ];

    /// Whether it opens a port of the user's machine, which every website can then reach through the browser.
    #[must_use]
    pub const fn is_port_forward(self) -> bool {
        matches!(self, Self::PortForward | Self::Local)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What must be said beside every port-forward: Crossview lets everyone in, and its answers may be read from any
/// origin.
pub const PORT_FORWARD_WARNING: &str = "While it is open, any website you visit can read this cluster through Crossview, Secrets included. Close it when you are done.";

/// All ways to Crossview, the usable ones first, each group best first; `configured` is the user's own address.
#[must_use]
pub fn routes(browser: Browser<'_>, configured: Option<&AppUrl>, exposed: Exposed<'_>) -> Vec<Route> {
    let services = exposed.services.iter().filter(|service| leads_to_app(service, exposed.release));
    let services: Vec<&Service> = services.copied().collect();
    let mut routes = Vec::new();
    let mut add = |way, object: &str, end| routes.push(Route { way, object: object.to_owned(), end });
    if let Some(url) = configured {
        add(Way::Configured, "", shown(url.clone(), browser));
    }
    for ingress in exposed.ingresses {
        for end in ingress_ends(ingress, &services, browser) {
            add(Way::Ingress, &ingress.metadata.name, end);
        }
    }
    for route in exposed.routes {
        for end in http_route_ends(route, exposed.gateways, &services, browser) {
            add(Way::HttpRoute, &route.metadata.name, end);
        }
    }
    for service in &services {
        if service.spec.r#type == "LoadBalancer" {
            add(Way::LoadBalancer, &service.metadata.name, balanced_end(service, browser));
        }
    }
    if browser.can_tunnel {
        let end = match exposed.pod {
            _ if exposed.tunnel_refused => {
                End::Blocked(Obstacle::TunnelRefused { namespace: exposed.namespace.to_string() })
            }
            Some(pod) => End::Tunnel { pod: pod.to_owned() },
            None => End::Blocked(Obstacle::NoPod),
        };
        add(Way::Tunnel, "", end);
    }
    if browser.can_forward {
        add(Way::PortForward, "", End::OnRequest);
    }
    let service = services.first().map_or("", |service| &service.metadata.name);
    add(Way::Local, service, End::At(AppUrl::local(browser.host, LOCAL_PORT)));
    // They were added best first. A sort would cost the page a kilobyte.
    let (blocked, mut usable): (Vec<_>, Vec<_>) =
        routes.into_iter().partition(|route| matches!(route.end, End::Blocked(_)));
    usable.extend(blocked);
    usable
}

/// Whether `service` leads to Crossview itself: PostgreSQL beside it shares its name and instance, so the component
/// decides.
#[must_use]
pub fn leads_to_app(service: &Service, release: &ReleaseName) -> bool {
    let selects = |label: &str| service.spec.selector.get(label);
    selects("app.kubernetes.io/name") == Some("crossview")
        && selects("app.kubernetes.io/component") == Some("app")
        && selects("app.kubernetes.io/instance").is_none_or(|instance| instance == release.as_str())
}

/// The line that forwards [`LOCAL_PORT`] of the user's machine to `service`.
#[must_use]
pub fn port_forward_line(namespace: &Namespace, service: &Service) -> String {
    let port = web_port(service).map_or(80, |(port, _)| port);
    let args = [
        "port-forward".to_owned(),
        ["--namespace=", namespace.as_str()].concat(),
        ["service/", &service.metadata.name].concat(),
        [LOCAL_PORT.to_string(), port.to_string()].join(":"),
    ];
    shell_line("kubectl", &args)
}

/// `url`, unless it can't be shown within this page.
fn shown(url: AppUrl, browser: Browser<'_>) -> End {
    if url.is_mixed_content(browser.is_https) { End::Blocked(Obstacle::MixedContent { url }) } else { End::At(url) }
}

/// Where `ingress` leads, for each of its hosts that has a path to one of `services`.
fn ingress_ends(ingress: &Ingress, services: &[&Service], browser: Browser<'_>) -> Vec<End> {
    let mut ends = Vec::new();
    for rule in &ingress.spec.rules {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        let here =
            paths.filter(|path| services.iter().any(|service| service.metadata.name == path.backend.service.name));
        let Some(path) = here.min_by_key(|path| !is_root(&path.path)) else { continue };
        let end = if is_root(&path.path) {
            host_end(ingress, &rule.host, browser)
        } else {
            End::Blocked(Obstacle::Path { path: path.path.clone() })
        };
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    ends
}

/// Paths that mean a whole host: `/*` is the word of Google's and Amazon's controllers.
fn is_root(path: &str) -> bool {
    matches!(path, "" | "/" | "/*")
}

/// Where `ingress` leads by `host`, or by its own address where it is for any host.
fn host_end(ingress: &Ingress, host: &str, browser: Browser<'_>) -> End {
    if host.contains('*') {
        return End::Blocked(Obstacle::Wildcard { host: host.to_owned() });
    }
    let is_tls = ingress.spec.tls.iter().any(|tls| tls.hosts.is_empty() || tls.hosts.iter().any(|of| covers(of, host)));
    let scheme = if is_tls { "https://" } else { "http://" };
    let own = ingress.status.load_balancer.ingress.first().map(|address| host_of(&address.ip, &address.hostname));
    let host = if host.is_empty() { own.unwrap_or_default() } else { host.to_owned() };
    end_at(scheme, &host, "", browser)
}

/// Whether the host `pattern` of a certificate covers `host`; a `*` stands for one label.
fn covers(pattern: &str, host: &str) -> bool {
    let behind_star = pattern.strip_prefix("*.");
    let behind_label = host.split_once('.').map(|(_, rest)| rest);
    pattern == host || (behind_star.is_some() && behind_star == behind_label)
}

/// Where a Service of type LoadBalancer leads.
fn balanced_end(service: &Service, browser: Browser<'_>) -> End {
    let Some(address) = service.status.load_balancer.ingress.first() else {
        return End::Blocked(Obstacle::NoAddress);
    };
    let (port, is_tls) = web_port(service).unwrap_or((80, false));
    let (scheme, usual) = if is_tls { ("https://", 443) } else { ("http://", 80) };
    let port = if port == usual { String::new() } else { [":", &port.to_string()].concat() };
    end_at(scheme, &host_of(&address.ip, &address.hostname), &port, browser)
}

/// The port of `service` that browsers are meant for, and whether it speaks TLS.
fn web_port(service: &Service) -> Option<(u16, bool)> {
    let is_tls = |name: &str, port: u16| name == "https" || port == 443;
    let ports = &service.spec.ports;
    let named = ports.iter().find(|port| port.name == "http").or_else(|| ports.first())?;
    Some((named.port, is_tls(&named.name, named.port)))
}

/// An address as it stands in a URL.
pub(super) fn host_of(ip: &str, hostname: &str) -> String {
    match (ip, hostname) {
        ("", name) => name.to_owned(),
        (ip, _) if ip.contains(':') => ["[", ip, "]"].concat(),
        (ip, _) => ip.to_owned(),
    }
}

pub(super) fn end_at(scheme: &str, host: &str, port: &str, browser: Browser<'_>) -> End {
    if host.is_empty() {
        return End::Blocked(Obstacle::NoAddress);
    }
    match [scheme, host, port].concat().parse() {
        Ok(url) => shown(url, browser),
        Err(_) => End::Blocked(Obstacle::Host { host: host.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Narrow;
    use serde_json::{Value, json};

    const PLAIN: Browser<'_> =
        Browser { host: "headlamp.example", is_https: false, can_forward: false, can_tunnel: false };
    const ENCRYPTED: Browser<'_> =
        Browser { host: "headlamp.example", is_https: true, can_forward: false, can_tunnel: false };

    fn service(component: &str, kind: &str, ports: Value, addresses: Value) -> Service {
        service_of("crossview", component, kind, ports, addresses)
    }

    fn service_of(release: &str, component: &str, kind: &str, ports: Value, addresses: Value) -> Service {
        let selector = json!({"app.kubernetes.io/name": "crossview", "app.kubernetes.io/instance": release, "app.kubernetes.io/component": component});
        Service::read(&json!({
            "metadata": {"name": format!("crossview-{component}")},
            "spec": {"type": kind, "ports": ports, "selector": selector},
            "status": {"loadBalancer": {"ingress": addresses}},
        }))
    }

    fn app() -> Service {
        service("app", "ClusterIP", json!([{"name": "http", "port": 80}]), json!([]))
    }

    fn ingress(host: &str, path: &str, tls: Value, addresses: Value) -> Ingress {
        let backend = json!({"service": {"name": "crossview-app", "port": {"name": "http"}}});
        Ingress::read(&json!({
            "metadata": {"name": "crossview-ingress"},
            "spec": {"tls": tls, "rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}]},
            "status": {"loadBalancer": {"ingress": addresses}},
        }))
    }

    fn ways(
        browser: Browser,
        configured: Option<&AppUrl>,
        services: &[Service],
        ingresses: &[Ingress],
        change: impl FnOnce(&mut Exposed<'_>),
    ) -> Vec<Route> {
        let (namespace, release) = (Namespace::default(), ReleaseName::default());
        let services: Vec<&Service> = services.iter().collect();
        let ingresses: Vec<&Ingress> = ingresses.iter().collect();
        let mut exposed = Exposed {
            namespace: &namespace,
            release: &release,
            services: &services,
            ingresses: &ingresses,
            routes: &[],
            gateways: &[],
            pod: Some("crossview-1"),
            tunnel_refused: false,
        };
        change(&mut exposed);
        routes(browser, configured, exposed)
    }

    fn all(browser: Browser, services: &[Service], ingresses: &[Ingress]) -> Vec<Route> {
        ways(browser, None, services, ingresses, |_| ())
    }

    fn end(browser: Browser, ingress: Ingress) -> End {
        all(browser, &[app()], &[ingress]).into_iter().find(|route| route.way == Way::Ingress).unwrap().end
    }

    fn at(url: &str) -> End {
        End::At(url.parse().unwrap())
    }

    #[test]
    fn without_anything_exposed_the_line_to_copy_is_left() {
        let routes = all(PLAIN, &[app()], &[]);

        assert_eq!(
            routes,
            [Route { way: Way::Local, object: "crossview-app".to_owned(), end: at("http://localhost:3001") }]
        );
        assert_eq!(
            port_forward_line(&Namespace::default(), &app()),
            "kubectl port-forward --namespace=crossview service/crossview-app 3001:80"
        );
    }

    #[test]
    fn the_usable_ways_come_first_and_the_others_say_why_not() {
        let services =
            [service("app", "LoadBalancer", json!([{"name": "http", "port": 80}]), json!([{"ip": "10.0.0.7"}]))];
        let ingresses =
            [ingress("crossview.example.org", "/", json!([{"hosts": ["crossview.example.org"]}]), json!([]))];
        let own: AppUrl = "https://own.example.org".parse().unwrap();
        let browser = Browser { host: "", is_https: true, can_forward: true, can_tunnel: true };

        let routes = ways(browser, Some(&own), &services, &ingresses, |_| ());

        let ways: Vec<Way> = routes.iter().map(|route| route.way).collect();
        assert_eq!(ways, [Way::Configured, Way::Ingress, Way::Tunnel, Way::PortForward, Way::Local, Way::LoadBalancer]);
        assert_eq!(routes[2].end, End::Tunnel { pod: "crossview-1".to_owned() });
        assert_eq!(routes[5].end, End::Blocked(Obstacle::MixedContent { url: "http://10.0.0.7".parse().unwrap() }));
        assert_eq!(routes[3].end, End::OnRequest);
    }

    // Who may not forward ports was shown a frame that stayed blank.
    #[test]
    fn a_tunnel_that_is_refused_or_has_no_end_says_so_before_it_is_opened() {
        let browser = Browser { can_tunnel: true, ..PLAIN };
        let tunnel = |change: fn(&mut Exposed<'_>)| {
            let found = ways(browser, None, &[app()], &[], change).into_iter().find(|route| route.way == Way::Tunnel);
            found.unwrap().end
        };

        assert_eq!(tunnel(|exposed| exposed.pod = None), End::Blocked(Obstacle::NoPod));
        let refused = Obstacle::TunnelRefused { namespace: "crossview".to_owned() };
        assert_eq!(tunnel(|exposed| exposed.tunnel_refused = true), End::Blocked(refused));
        assert!(!all(PLAIN, &[app()], &[]).iter().any(|route| route.way == Way::Tunnel));
    }

    // The TypeScript plugin took every Ingress for https.
    #[test]
    fn an_ingress_is_https_only_where_its_tls_covers_the_host() {
        let host = "a.example.org";
        for (tls, scheme) in [
            (json!([]), "http"),
            (json!([{"hosts": ["a.example.org"]}]), "https"),
            (json!([{"hosts": ["*.example.org"], "secretName": "x"}]), "https"),
            (json!([{"secretName": "x"}]), "https"),
            (json!([{"hosts": ["b.example.org", "*.a.example.org", "*.org"]}]), "http"),
        ] {
            assert_eq!(
                end(PLAIN, ingress(host, "/", tls.clone(), json!([]))),
                at(&format!("{scheme}://{host}")),
                "{tls}"
            );
        }
    }

    #[test]
    fn an_ingress_for_any_host_is_reached_by_its_address() {
        assert_eq!(
            end(PLAIN, ingress("", "/", json!([]), json!([{"hostname": "lb.example.org"}]))),
            at("http://lb.example.org")
        );
        assert_eq!(end(PLAIN, ingress("", "/", json!([]), json!([{"ip": "fd00::7"}]))), at("http://[fd00::7]"));
        assert_eq!(end(PLAIN, ingress("", "/", json!([]), json!([]))), End::Blocked(Obstacle::NoAddress));
    }

    #[test]
    fn what_an_ingress_can_not_tell_is_said() {
        let wildcard = Obstacle::Wildcard { host: "*.example.org".to_owned() };
        assert_eq!(end(PLAIN, ingress("*.example.org", "/", json!([]), json!([]))), End::Blocked(wildcard));
        let path = Obstacle::Path { path: "/crossview".to_owned() };
        assert_eq!(end(PLAIN, ingress("example.org", "/crossview", json!([]), json!([]))), End::Blocked(path));
        let mixed = Obstacle::MixedContent { url: "http://example.org".parse().unwrap() };
        assert_eq!(end(ENCRYPTED, ingress("example.org", "/", json!([]), json!([]))), End::Blocked(mixed));
        let host = Obstacle::Host { host: "a b".to_owned() };
        assert_eq!(end(PLAIN, ingress("a b", "/", json!([]), json!([]))), End::Blocked(host));
    }

    // PostgreSQL carries the same name and instance.
    #[test]
    fn what_leads_to_the_database_or_to_another_release_is_no_way() {
        let other = service_of("other", "app", "LoadBalancer", json!([{"port": 80}]), json!([{"ip": "10.0.0.9"}]));
        let services =
            [service("postgres", "LoadBalancer", json!([{"port": 5432}]), json!([{"ip": "10.0.0.8"}])), other];
        let mut foreign = ingress("a.example.org", "/", json!([]), json!([]));
        foreign.spec.rules[0].http.as_mut().unwrap().paths[0].backend.service.name = "crossview-postgres".to_owned();

        let routes = all(PLAIN, &services, &[foreign]);

        assert_eq!(routes.iter().map(|route| route.way).collect::<Vec<_>>(), [Way::Local]);
    }

    #[test]
    fn a_load_balancer_is_reached_by_its_web_port() {
        for (ports, addresses, expected) in [
            (json!([{"name": "http", "port": 80}]), json!([{"ip": "10.0.0.7"}]), at("http://10.0.0.7")),
            (
                json!([{"name": "other", "port": 9}, {"name": "http", "port": 8080}]),
                json!([{"hostname": "lb.example.org"}]),
                at("http://lb.example.org:8080"),
            ),
            (json!([{"port": 443}]), json!([{"ip": "10.0.0.7"}]), at("https://10.0.0.7")),
            (json!([{"name": "https", "port": 8443}]), json!([{"ip": "10.0.0.7"}]), at("https://10.0.0.7:8443")),
            (json!([{"name": "http", "port": 80}]), json!([]), End::Blocked(Obstacle::NoAddress)),
        ] {
            let routes = all(PLAIN, &[service("app", "LoadBalancer", ports, addresses)], &[]);

            assert_eq!(routes.into_iter().find(|route| route.way == Way::LoadBalancer).unwrap().end, expected);
        }
    }
}
