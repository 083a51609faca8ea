//! Paths that a frame may ask for: those below the root of the app, written so that no two readers disagree on them.

use std::str::FromStr;

use crate::http::{joined, request::HOST};

/// The longest path with its query.
pub const MAX_PATH: usize = 8 << 10;

/// How often a path is decoded to see whether a reader behind the app could find something else in it.
const MAX_DECODINGS: usize = 3;

/// Path and query of the app: visible ASCII, beginning with one `/`, without empty segments or those that lead up, however
/// they are written. So it can't end a request's first line, name another host or leave the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPath(String);

/// Why a text is no [`AppPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Doesn't begin with a `/`: another scheme, another host, or relative.
    #[error("expected a path of the app")]
    NotAPath,
    /// Over [`MAX_PATH`].
    #[error("it is too long")]
    TooLong,
    /// A space, a control character, a backslash, a fragment or a letter beyond ASCII.
    #[error("it has a character that may not be in it")]
    Character,
    /// A `%` without two digits, bytes that aren't UTF-8, an encoded separator or an encoded `%`.
    #[error("it is encoded ambiguously")]
    Encoding,
    /// `.`, `..` or nothing between two slashes, also encoded or before a `;`.
    #[error("it has a segment that leads elsewhere")]
    Segment,
}

impl AppPath {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its query.
    #[must_use]
    pub fn without_query(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// Where `reference`, a redirect of the app's answer to this path, leads: RFC 3986, 5.2, as far as servers write it.
    /// A fragment is kept from the server, so it isn't part of it.
    ///
    /// # Errors
    /// It leads out of the app, or isn't written plainly.
    pub fn join(&self, reference: &str) -> Result<Self, PathError> {
        let reference = reference.split('#').next().unwrap_or_default();
        if let Some(rest) = reference.strip_prefix("http://") {
            // The app knows itself by the name in `Host`.
            let path = rest.strip_prefix(HOST).ok_or(PathError::NotAPath)?;
            return if path.is_empty() { "/".parse() } else { path.parse() };
        }
        if reference.starts_with('/') {
            return reference.parse();
        }
        let path = self.without_query();
        if reference.is_empty() || reference.starts_with('?') {
            return joined(&[path, reference]).parse();
        }
        let first = reference.split(['/', '?']).next().unwrap_or_default();
        if first.contains(':') {
            return Err(PathError::NotAPath);
        }
        let folder = path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or("/");
        joined(&[folder, reference.strip_prefix("./").unwrap_or(reference)]).parse()
    }
}

impl FromStr for AppPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if !text.starts_with('/') {
            return Err(PathError::NotAPath);
        }
        if !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'\\' && byte != b'#') {
            return Err(PathError::Character);
        }
        let mut path = text.split('?').next().unwrap_or_default().to_owned();
        for _ in 0..MAX_DECODINGS {
            check_segments(&path)?;
            if !path.contains('%') {
                return Ok(Self(text.to_owned()));
            }
            path = decode(&path)?;
        }
        Err(PathError::Encoding)
    }
}

/// Whether an address that the frame says it is at can be kept and given to it again: a path, with a fragment or without.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let (path, fragment) = text.split_once('#').unwrap_or((text, ""));
    text.len() <= MAX_PATH
        && path.parse::<AppPath>().is_ok()
        && fragment.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
}

fn check_segments(path: &str) -> Result<(), PathError> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // What is behind a `;` is a parameter for some servers, so `..;` would lead up.
        let name = segment.split(';').next().unwrap_or_default();
        let is_root_or_folder = segment.is_empty() && segments.peek().is_none();
        if name.is_empty() && !is_root_or_folder || name == "." || name == ".." {
            return Err(PathError::Segment);
        }
    }
    Ok(())
}

/// Decodes once. What may not stand in a path may not be encoded in it either.
fn decode(path: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(PathError::Encoding);
            match u8::try_from(digit()? << 4 | digit()?) {
                Ok(b'/' | b'\\' | b'%' | 0..0x20 | 0x7f) | Err(_) => return Err(PathError::Encoding),
                Ok(byte) => byte,
            }
        } else {
            byte
        });
    }
    String::from_utf8(decoded).map_err(|_| PathError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader that decodes as often as it can, and takes every separator for one, makes of a path.
    fn leaves_the_root(path: &str) -> bool {
        let mut path = path.split('?').next().unwrap().to_owned();
        for _ in 0..10 {
            let bytes = path.replace('\\', "/");
            let segments = bytes.split('/').map(|segment| segment.split(';').next().unwrap());
            if segments.into_iter().any(|name| name == ".." || name == ".") || bytes.starts_with("//") {
                return true;
            }
            path = lenient_decode(&bytes);
        }
        false
    }

    fn lenient_decode(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, mut behind)) = rest.split_first() {
            let mut byte = *first;
            if byte == b'%' && behind.len() >= 2 {
                let digits = std::str::from_utf8(&behind[..2]).ok();
                if let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    (byte, behind) = (value, &behind[2..]);
                }
            }
            bytes.push(byte);
            rest = behind;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn paths_of_the_app_are_allowed() {
        for path in [
            "/",
            "/?",
            "/api/health",
            "/api/resource?apiVersion=apiextensions.crossplane.io%2Fv1&kind=..%2f..&x=//a/../b",
            "/api/watch?context=",
            "/assets/index-DfG3_x.js",
            "/images/logo%20dark.svg",
            "/composite-resources/",
            "/a;b=c/d",
            "/caf%C3%A9",
            "/.well-known/x",
            "/..a/b..",
            "/a...b/...",
            "/@fs/a:b,c~d",
            "/%41",
        ] {
            assert_eq!(path.parse().map(|path: AppPath| path.0), Ok(path.to_owned()), "{path}");
            assert!(is_address(path), "{path}");
        }
        assert!(is_address("/settings#theme"));
    }

    #[test]
    fn every_other_form_is_refused() {
        use PathError::{Character, Encoding, NotAPath, Segment, TooLong};
        let table: &[(&str, PathError)] = &[
            ("", NotAPath),
            ("api", NotAPath),
            ("../api", NotAPath),
            ("?a", NotAPath),
            ("http://evil.example/", NotAPath),
            ("https://crossview/api", NotAPath),
            ("javascript:alert(1)", NotAPath),
            ("data:text/html,x", NotAPath),
            (" /", NotAPath),
            ("\\\\evil.example/", NotAPath),
            ("//evil.example/", Segment),
            ("//", Segment),
            ("///", Segment),
            ("/a//b", Segment),
            ("/;a", Segment),
            ("/..", Segment),
            ("/../x", Segment),
            ("/./x", Segment),
            ("/.", Segment),
            ("/a/..", Segment),
            ("/a/../../b", Segment),
            ("/..?x", Segment),
            ("/..;/x", Segment),
            ("/.;a=b/x", Segment),
            ("/a/..;x=y/..;/b", Segment),
            ("/%2e%2e/x", Segment),
            ("/.%2e/x", Segment),
            ("/%2E./x", Segment),
            ("/%2e/x", Segment),
            ("/%2e%2e%3b/x", Segment),
            ("/..%3bx/y", Segment),
            ("/..%2fx", Encoding),
            ("/..%2Fx", Encoding),
            ("/..%5cx", Encoding),
            ("/%2fevil.example/", Encoding),
            ("/%5c%5cevil.example", Encoding),
            ("/%252e%252e/x", Encoding),
            ("/%25", Encoding),
            ("/%00", Encoding),
            ("/a%0d%0aHost:%20evil", Encoding),
            ("/%7f", Encoding),
            ("/%", Encoding),
            ("/%2", Encoding),
            ("/%zz", Encoding),
            ("/%+1", Encoding),
            ("/%ff", Encoding),
            ("/%c0%ae%c0%ae/x", Encoding),
            ("/\\..\\x", Character),
            ("/\\evil.example", Character),
            ("/a\\b", Character),
            ("/a b", Character),
            ("/a\tb", Character),
            ("/a\r\nHost: evil", Character),
            ("/a HTTP/1.1\r\n\r\nGET /b", Character),
            ("/a\0b", Character),
            ("/\u{7f}", Character),
            ("/é", Character),
            ("/\u{ff0e}\u{ff0e}/x", Character),
            ("/\u{202e}", Character),
            ("/a#b", Character),
            ("/?a\nb", Character),
        ];
        for (path, error) in table {
            assert_eq!(path.parse::<AppPath>(), Err(*error), "{path:?}");
            assert!(*path == "/a#b" || !is_address(path), "{path:?}");
        }
        assert_eq!(["/", &"a".repeat(MAX_PATH)].concat().parse::<AppPath>(), Err(TooLong));
        assert!(!is_address("/a#b c") && !is_address("/a#ä") && !is_address("#a"));
    }

    #[test]
    fn a_redirect_within_the_app_is_joined_as_browsers_do() {
        let from: AppPath = "/a/index.html?q=/x".parse().unwrap();
        for reference in [
            "/b?c",
            "./",
            ".//".trim_end_matches('/'),
            "c",
            "c/d?e",
            "?x",
            "",
            "http://crossview/z",
            "http://crossview",
            "d#e",
        ] {
            let expected = url::Url::parse("http://crossview/a/index.html?q=/x").unwrap().join(reference).unwrap();
            let Ok(path) = from.join(reference) else {
                assert_eq!(reference, ".", "refused");
                continue;
            };
            let mut whole = expected[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
            if reference.is_empty() {
                whole = "/a/index.html".to_owned(); // RFC 3986 keeps the query here; an empty Location says nothing
            }
            assert_eq!(path.as_str(), whole, "{reference}");
        }
    }

    #[test]
    fn a_redirect_elsewhere_is_refused() {
        let from: AppPath = "/a/b".parse().unwrap();
        for reference in [
            "//evil.example/",
            "https://evil.example/",
            "https://crossview/",
            "http://crossview.evil.example/",
            "http://crossview@evil.example/",
            "http://crossview:81/",
            "HTTP://evil.example",
            "javascript:alert(1)",
            "mailto:a",
            "../c",
            "./../c",
            "././c",
            "c/../../d",
            "/..",
            "\\\\evil.example",
            "/ä",
        ] {
            assert!(from.join(reference).is_err(), "{reference}");
        }
    }

    /// Texts made of what paths are attacked with.
    fn hostile() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%25", "%", "2e", "a", "api", "?",
            "#", ":", "@", "http:", "//", "\r\n", " ", "\0", "é", "\u{ff0e}", "%00", "%c0%ae", "%C3%A9", "=", "&",
            "\t",
        ]);
        prop::collection::vec(parts, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_accepted_path_leaves_the_root(path in prop_oneof![
            hostile(),
            hostile().prop_map(|path| ["/", &path].concat()),
            "[ -~]{0,20}",
            "/[!-~]{0,20}",
            any::<String>(),
        ]) {
            let Ok(accepted) = path.parse::<AppPath>() else { return Ok(()) };

            prop_assert!(!leaves_the_root(accepted.as_str()));
            prop_assert!(accepted.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            let url = url::Url::parse("http://crossview").unwrap().join(accepted.as_str()).unwrap();
            prop_assert_eq!(url.host_str(), Some("crossview"));
            prop_assert_eq!(url.port(), None);
            prop_assert_eq!(url.path().matches('/').count(), accepted.without_query().matches('/').count());
        }

        #[test]
        fn no_redirect_leaves_the_root(reference in prop_oneof![hostile(), any::<String>()]) {
            let from: AppPath = "/a/b/c?d".parse().unwrap();
            let Ok(path) = from.join(&reference) else { return Ok(()) };

            prop_assert!(!leaves_the_root(path.as_str()));
            let base = url::Url::parse("http://crossview/a/b/c?d").unwrap();
            let joined = base.join(&reference).unwrap();
            prop_assert_eq!(joined.host_str(), Some("crossview"));
        }
    }
}
