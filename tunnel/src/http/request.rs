//! Requests as they are written: RFC 9112, 3.

use crate::policy::path::AppPath;

/// What stands in `Host`, whatever the pod is called: the name of the page's host is nobody's business but the page's.
pub const HOST: &str = "crossview";

/// A request whose parts can't end its head early: the method is one of [`Method`], the path an [`AppPath`], and the
/// policy has looked at every header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: &'a AppPath,
    /// Fields beside `Host` and `Content-Length`; no line break in any of them.
    pub headers: &'a [(String, String)],
    /// How long the body is that follows the head; [`None`] where there is none.
    pub length: Option<usize>,
}

/// The methods that a page may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 9110, 9 and RFC 5789 say what they are")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The method called `name`; case counts.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether the request may be sent a second time when nobody knows what became of the first. Narrower than RFC 9110,
    /// 9.2.1 and 9.2.2 allow: `OPTIONS`, `PUT` and `DELETE` aren't worth the doubt.
    #[must_use]
    pub const fn may_be_repeated(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    /// Whether a request with it may have a body here: RFC 9110, 9.3.
    #[must_use]
    pub const fn may_have_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch | Self::Delete)
    }
}

impl Request<'_> {
    /// The head, with the empty line that ends it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(512);
        let mut line = |parts: &[&str]| {
            for part in parts {
                head.extend_from_slice(part.as_bytes());
            }
            head.extend_from_slice(b"\r\n");
        };
        line(&[self.method.as_str(), " ", self.path.as_str(), " HTTP/1.1"]);
        line(&["host: ", HOST]);
        for (name, value) in self.headers {
            line(&[name, ": ", value]);
        }
        if let Some(length) = self.length {
            line(&["content-length: ", &length.to_string()]);
        }
        line(&[]);
        head
    }
}
