//! How a browser reaches Crossview.
//!
//! No I/O: the cluster's objects and the browser's circumstances come in, the ways come out.

mod app_url;
mod authentication;
mod gateway;
mod route;
mod url;

pub(crate) use self::url::{is_authority, strip_scheme};
pub use self::{
    app_url::{AppUrl, HEALTH_PATH, LOCAL_PORT, ParseAppUrlError, is_health},
    authentication::{auth_mode, lets_everyone_in},
    gateway::{GATEWAY, Gateway, HTTP_ROUTE, HttpRoute, gateways_of},
    route::{
        Browser, End, Exposed, Obstacle, PORT_FORWARD_WARNING, Route, Way, leads_to_app, port_forward_line, routes,
    },
    url::{HttpUrl, ParseHttpUrlError},
};
