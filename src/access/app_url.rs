//! Where Crossview answers: an http or https origin.

use std::{fmt, str::FromStr};

use super::url::{HttpUrl, ParseHttpUrlError};
use crate::cluster::json;

/// The path at which Crossview says that it is well.
pub const HEALTH_PATH: &str = "/api/health";

/// The port on the user's machine that a port-forward to Crossview takes, here and in the line to copy.
pub const LOCAL_PORT: u16 = 3001;

/// The address of a Crossview: scheme, host and port.
///
/// No path: Crossview asks for `/assets` and `/api` at the root of its host, so it works nowhere else.
/// [`FromStr`] and [`fmt::Display`] undo each other, but for a `/` at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AppUrl(HttpUrl);

/// Why a text is no [`AppUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAppUrlError {
    /// No http or https address.
    #[error(transparent)]
    Url(#[from] ParseHttpUrlError),
    /// Something behind host and port.
    #[error("expected an address without a path, as Crossview works at the root of its host only, got \"{got}\"")]
    Path {
        /// The text.
        got: String,
    },
}

impl AppUrl {
    /// A port of the user's own machine, where a port-forward listens; on `host`, which is the page's own, where that is
    /// this machine by its address.
    ///
    /// For browsers `localhost` and `127.0.0.1` are two sites, and some deny a frame of another site its storage,
    /// without which Crossview doesn't start. Port-forwards listen on both.
    #[must_use]
    pub fn local(host: &str, port: u16) -> Self {
        let host = if host == "127.0.0.1" { host } else { "localhost" };
        let text = ["http://", host, ":", &port.to_string()].concat();
        // The text is fixed but for the port; were it ever wrong, the address without a port leads nowhere else.
        Self(text.parse().unwrap_or_else(|_| HttpUrl::localhost()))
    }

    /// Scheme, host and port, without a `/` at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.origin()
    }

    /// What to ask for Crossview's health; see [`is_health`].
    #[must_use]
    pub fn health(&self) -> String {
        [self.as_str(), HEALTH_PATH].concat()
    }

    /// Whether a browser forbids it inside a page that came over https: mixed content. Its own machine it trusts.
    /// <https://w3c.github.io/webappsec-mixed-content/#should-block-fetch>
    #[must_use]
    pub fn is_mixed_content(&self, page_is_https: bool) -> bool {
        page_is_https && !self.0.is_https() && !self.0.is_loopback()
    }
}

impl FromStr for AppUrl {
    type Err = ParseAppUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: HttpUrl = text.parse()?;
        if !matches!(url.rest(), "" | "/") {
            return Err(ParseAppUrlError::Path { got: text.trim().to_owned() });
        }
        Ok(Self(url.origin().parse()?))
    }
}

impl fmt::Display for AppUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `body`, which came with HTTP 200 from [`HEALTH_PATH`], is Crossview saying that it is well.
///
/// The status alone says nothing: Crossview answers every unknown path with its index.html, and so do other apps.
#[must_use]
pub fn is_health(body: &str) -> bool {
    json::read(body).is_some_and(|health| health["status"] == "ok")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_an_origin() {
        let url: AppUrl = " https://crossview.example.org:8443/ ".parse().unwrap();

        assert_eq!(url.as_str(), "https://crossview.example.org:8443");
        assert_eq!(url.health(), "https://crossview.example.org:8443/api/health");
        assert_eq!(AppUrl::local("", LOCAL_PORT).as_str(), "http://localhost:3001");
        assert_eq!(AppUrl::local("headlamp.example", LOCAL_PORT).as_str(), "http://localhost:3001");
        assert_eq!(AppUrl::local("127.0.0.1", LOCAL_PORT).as_str(), "http://127.0.0.1:3001");
    }

    #[test]
    fn a_path_and_a_script_are_refused() {
        for text in [
            "https://example.org/crossview",
            "https://example.org/?a",
            "https://example.org/#/",
            "https://example.org//",
        ] {
            assert!(matches!(text.parse::<AppUrl>(), Err(ParseAppUrlError::Path { .. })), "{text}");
        }
        for text in
            ["", "javascript:alert(1)//https://a", "data:text/html,a", "example.org", "https://me:secret@example.org"]
        {
            assert!(matches!(text.parse::<AppUrl>(), Err(ParseAppUrlError::Url(_))), "{text}");
        }
    }

    #[test]
    fn only_a_foreign_http_address_is_mixed_content() {
        let is_mixed = |text: &str| text.parse::<AppUrl>().unwrap().is_mixed_content(true);

        assert!(is_mixed("http://crossview.example.org"));
        assert!(!is_mixed("https://crossview.example.org"));
        assert!(!is_mixed("http://localhost:3001"));
        assert!(!"http://crossview.example.org".parse::<AppUrl>().unwrap().is_mixed_content(false));
    }

    #[test]
    fn a_page_with_status_200_is_no_health() {
        assert!(is_health("{\"status\":\"ok\"}\n"));
        assert!(is_health("{\"status\":\"ok\",\"version\":\"4.6.0\"}"));
        for body in [
            "",
            "ok",
            "<!doctype html><div id=root></div>",
            "{\"status\":\"degraded\"}",
            "{\"status\":true}",
            "[\"status\",\"ok\"]",
            "\"ok\"",
        ] {
            assert!(!is_health(body), "{body}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_address_reads_as_itself(text in "https?://[a-z]{1,3}(\\.[a-z]{1,3})?(:[1-9][0-9]{0,3})?/?") {
            let url: AppUrl = text.parse().unwrap();

            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }
    }
}
