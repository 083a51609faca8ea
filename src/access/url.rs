//! Absolute http and https URLs, as strictly as a page and a command line need them.
//!
//! Holds once parsed: the scheme is `http://` or `https://`, there is a host, and the text is printable ASCII
//! without user name, password, blanks, quotes, `\` or `$`. So it can't be a script, can't be read as an option,
//! can't be split, and Kubernetes finds no `$(VARIABLE)` in it to expand.
//! Grammar: <https://www.rfc-editor.org/rfc/rfc3986#appendix-A>; names outside ASCII in their punycode form.

use std::{fmt, str::FromStr};

/// An absolute http or https URL.
///
/// [`FromStr`] and [`fmt::Display`] undo each other, but for blanks around it and the case of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    text: String,
    /// Where host and port end in `text`.
    authority_end: usize,
}

/// Why a text is no [`HttpUrl`]; each variant keeps the text, but for a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseHttpUrlError {
    /// No scheme, or another one.
    #[error("expected an address that starts with https:// or http://, got \"{got}\"")]
    Scheme {
        /// The text.
        got: String,
    },
    /// User name or password in front of the host. The text is left out: it may hold a password.
    #[error("expected an address without a user name or password; keep those in a Secret")]
    Credentials,
    /// Host or port is missing or not one.
    #[error("expected a host after ://, as in https://example.org or https://example.org:8443, got \"{got}\"")]
    Host {
        /// The text.
        got: String,
    },
    /// A blank, a control character, or one that has no place in a URL.
    #[error("expected an address without {character:?}, got \"{got}\"")]
    Character {
        /// The text.
        got: String,
        /// The first such character.
        character: char,
    },
}

impl HttpUrl {
    /// `http://localhost`.
    pub(crate) fn localhost() -> Self {
        let text = [HTTP, "localhost"].concat();
        Self { authority_end: text.len(), text }
    }

    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is an https URL.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with(HTTPS)
    }

    /// Scheme, host and port, without a `/` at the end.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.text.get(..self.authority_end).unwrap_or_default()
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.origin().split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Path, query and fragment; empty, or it starts with `/`, `?` or `#`.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.text.get(self.authority_end..).unwrap_or_default()
    }

    /// Whether the host is this very machine, which browsers trust without https.
    /// <https://w3c.github.io/webappsec-secure-contexts/#is-origin-trustworthy>
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let authority = self.authority();
        if authority.starts_with("[::1]") {
            return true;
        }
        let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
        host == "localhost" || host.ends_with(".localhost") || (is_ipv4(&host) && host.starts_with("127."))
    }
}

const HTTPS: &str = "https://";
const HTTP: &str = "http://";

impl FromStr for HttpUrl {
    type Err = ParseHttpUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let got = || text.to_owned();
        let (scheme, rest) = [HTTPS, HTTP]
            .into_iter()
            .find_map(|scheme| Some((scheme, strip_scheme(text, scheme)?)))
            .ok_or_else(|| ParseHttpUrlError::Scheme { got: got() })?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, after) = rest.split_at(end);
        // Browsers take `\` for `/`, so an `@` behind one may still part credentials from the host.
        if authority.contains('@') {
            return Err(ParseHttpUrlError::Credentials);
        }
        if let Some(character) = rest.chars().find(|&character| !is_url_character(character)) {
            return Err(ParseHttpUrlError::Character { got: got(), character });
        }
        if !is_authority(authority) {
            return Err(ParseHttpUrlError::Host { got: got() });
        }
        let text = [scheme, authority, after].concat();
        Ok(Self { text, authority_end: scheme.len() + end })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What follows `scheme`, whatever the case it is written in.
pub(crate) fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Whether `character` may stand in a URL here: RFC 3986 without what shells, Kubernetes or HTML give a meaning.
fn is_url_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~%!&*+,;=:@/?#()[]".contains(character)
}

/// Whether `text` is a host name, an IPv4 address or a bracketed IPv6 address, with a port or without one.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            return is_ipv6(address) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    host.len() <= 253 && host.split('.').all(is_host_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Four numbers up to 255. The standard library's parsers of both kinds of address weigh 3 kB.
fn is_ipv4(text: &str) -> bool {
    let is_byte = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok();
    text.split('.').count() == 4 && text.split('.').all(is_byte)
}

/// Eight groups of hexadecimal digits, or fewer with one `::` for the rest (RFC 4291, 2.2, without embedded IPv4).
fn is_ipv6(text: &str) -> bool {
    let groups = |part: &str| {
        let is_group =
            |group: &str| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if part.is_empty() {
            return Some(0);
        }
        part.split(':').all(is_group).then(|| part.split(':').count())
    };
    match text.split_once("::") {
        Some((before, after)) => groups(before).zip(groups(after)).is_some_and(|(before, after)| before + after < 8),
        None => groups(text) == Some(8),
    }
}

/// A label of a host name: letters, digits, `-` and `_` (not in RFC 1123, but met), no `-` at either end.
fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<HttpUrl, ParseHttpUrlError> {
        text.parse()
    }

    #[test]
    fn a_url_is_cut_into_origin_and_rest() {
        let url = parse(" HTTPS://example.org:8443/a/b?c=d#e ").unwrap();

        assert_eq!(url.as_str(), "https://example.org:8443/a/b?c=d#e");
        assert_eq!((url.origin(), url.rest()), ("https://example.org:8443", "/a/b?c=d#e"));
        assert_eq!(url.authority(), "example.org:8443");
        assert!(url.is_https());
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for text in ["https://me:secret@example.org/", "http://token@example.org", r"https://example.org\@evil.org"] {
            let error = parse(text).unwrap_err();

            assert_eq!(error, ParseHttpUrlError::Credentials, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
        // Behind the host, an @ is a part of the path.
        assert!(parse("https://example.org/@scope/app").is_ok());
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        for text in
            ["", "javascript:alert(1)", "//example.org", "example.org", "data:text/html,x", "oci://a/b", "-https://a"]
        {
            assert!(matches!(parse(text), Err(ParseHttpUrlError::Scheme { .. })), "{text}");
        }
        for text in [
            "https://",
            "https:///a",
            "http://:80",
            "http://a:0",
            "http://a:+80",
            "http://a:65536",
            "http://a:",
            "http://-a.b",
            "http://a..b",
            "http://[::g]/",
            "http://[::1]x",
        ] {
            assert!(matches!(parse(text), Err(ParseHttpUrlError::Host { .. })), "{text}");
        }
        for text in [
            "https://a/b c",
            "https://a/\n",
            "https://a/$(TOKEN)",
            "https://ä.org",
            "https://a/\"",
            "https://a/`b`",
            "https://a\\b",
        ] {
            let parsed = parse(text);
            let trimmed_away = text.ends_with('\n') && parsed.is_ok();
            assert!(trimmed_away || matches!(parsed, Err(ParseHttpUrlError::Character { .. })), "{text:?}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names_alone() {
        for text in [
            "http://localhost:3001",
            "http://LOCALHOST",
            "http://a.localhost/",
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:80",
        ] {
            assert!(parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
            "http://128.0.0.1",
            "http://notlocalhost",
            "http://[::2]",
        ] {
            assert!(!parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_url_reads_as_itself(text in "https?://[a-z0-9.:\\[\\]@-]{0,20}(/[ -~]{0,10})?") {
            if let Ok(url) = parse(&text) {
                prop_assert_eq!([url.origin(), url.rest()].concat(), url.as_str());
                prop_assert_eq!(parse(&url.to_string()), Ok(url));
            }
        }

        #[test]
        fn no_text_makes_it_panic_and_none_that_passes_can_be_split_or_expanded(text in "(https?://)?\\PC*") {
            if let Ok(url) = parse(&text) {
                prop_assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'$' && byte != b'\\'));
                prop_assert!(!url.authority().contains('@'));
            }
        }
    }
}
