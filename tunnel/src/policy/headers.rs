//! Headers, by allowlist both ways.
//!
//! Nothing about the person, Headlamp or the browser goes to the pod unless the page itself says it; nothing that acts on a
//! browser or on Headlamp (`Set-Cookie`, `X-Reload`, hop-by-hop fields) comes back.

use super::path::AppPath;
use super::{AnswerError, Refusal};
use crate::http::{Headers, trim};

/// How many bytes the headers of a request may have together, beside those of the tunnel itself.
pub const MAX_BYTES: usize = 16 << 10;

/// What a page may send, in lower case. `Accept-Encoding` is apart: see [`Asked::gzip`].
const SENT: [&str; 11] = [
    "accept",
    "accept-language",
    "cache-control",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "last-event-id",
    "pragma",
    "range",
    "x-requested-with",
];

/// What a page gets to see, in lower case. `Location` and `Content-Encoding` are apart: see [`passed_on`].
const RECEIVED: [&str; 17] = [
    "accept-ranges",
    "age",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "retry-after",
    "server-timing",
    "vary",
    "x-request-id",
    "x-total-count",
];

/// The headers of a request that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Those that are passed on, names in lower case, without `Accept-Encoding`.
    pub headers: Headers,
    /// Whether the frame has said `Accept-Encoding: gzip`, and so undoes it: no page can send that header by itself.
    pub gzip: bool,
}

impl Asked {
    /// Of what a page would send, that which it may. The others are left out in silence, as pages set what they like.
    ///
    /// # Errors
    /// [`Refusal::Header`]: one that it may send has a value that could be read as something else.
    pub fn allowed(sent: &[(String, String)]) -> Result<Self, Refusal> {
        let mut asked = Self { headers: Headers::default(), gzip: false };
        let mut left = MAX_BYTES;
        for (name, value) in sent {
            let name = name.to_ascii_lowercase();
            if name == "accept-encoding" {
                asked.gzip |= value == "gzip";
            } else if SENT.contains(&name.as_str()) {
                if !value.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e)) {
                    return Err(Refusal::Header);
                }
                left = left.checked_sub(name.len() + value.len() + 4).ok_or(Refusal::Header)?;
                asked.headers.push(name, trim(value).to_owned());
            }
        }
        Ok(asked)
    }

    /// The fields to send, beside `Host` and `Content-Length`.
    #[must_use]
    pub fn to_send(&self) -> Vec<(String, String)> {
        let mut fields = self.headers.as_slice().to_vec();
        let mut add = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        if self.headers.get("accept").is_none() {
            add("accept", "*/*");
        }
        add("accept-encoding", if self.gzip { "gzip" } else { "identity" });
        fields
    }
}

/// Of the headers of an answer, those that the frame gets to see.
///
/// A redirect is an answer like any other, and is passed on with the path that it leads to: whoever follows it asks
/// anew, and is checked anew.
///
/// # Errors
/// A redirect that leads out of the app, or a compression that wasn't asked for.
pub fn passed_on(status: u16, headers: &Headers, path: &AppPath, asked: &Asked) -> Result<Headers, AnswerError> {
    let mut passed = Headers::default();
    for (name, value) in headers.as_slice() {
        match name.as_str() {
            // Beside a redirect and 201 it means nothing.
            "location" if (300..400).contains(&status) || status == 201 => match path.join(value) {
                Ok(path) => passed.push(name.clone(), path.as_str().to_owned()),
                Err(_) if status == 201 => {}
                Err(_) => return Err(AnswerError::Redirect),
            },
            "content-encoding" => {
                if value.eq_ignore_ascii_case("gzip") && asked.gzip {
                    passed.push(name.clone(), "gzip".to_owned());
                } else if !value.eq_ignore_ascii_case("identity") {
                    return Err(AnswerError::Encoding);
                }
            }
            known if RECEIVED.contains(&known) => passed.push(name.clone(), value.clone()),
            _ => {}
        }
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn names(headers: &Headers) -> Vec<&str> {
        headers.as_slice().iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_page_can_send_nothing_that_steers_the_connection_or_names_somebody() {
        let sent = fields(&[
            ("Accept", " text/html "),
            ("Host", "kubernetes.default"),
            ("Connection", "close"),
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("TE", "trailers"),
            ("Expect", "100-continue"),
            ("Cookie", "a=b"),
            ("Authorization", "Bearer x"),
            ("Proxy-Authorization", "x"),
            ("Origin", "https://headlamp"),
            ("Referer", "https://headlamp/"),
            ("User-Agent", "x"),
            ("X-Forwarded-For", "x"),
            ("Sec-WebSocket-Key", "x"),
            ("accept ", "x"),
            ("accept\r\nx", "x"),
            ("x-bad\r\n", "a\r\nb"),
            ("IF-NONE-MATCH", "\"x\""),
        ]);

        let asked = Asked::allowed(&sent).unwrap();

        assert_eq!(asked.headers.as_slice(), fields(&[("accept", "text/html"), ("if-none-match", "\"x\"")]));
        assert_eq!(asked.to_send().last().unwrap(), &("accept-encoding".to_owned(), "identity".to_owned()));
    }

    #[test]
    fn a_value_that_could_end_its_line_is_refused() {
        for value in ["a\r\nHost: x", "a\nb", "a\rb", "a\0", "\u{7f}", "ä", "a\u{2028}"] {
            assert_eq!(Asked::allowed(&fields(&[("accept", value)])), Err(Refusal::Header), "{value:?}");
        }
        let long = "a".repeat(MAX_BYTES);
        assert_eq!(Asked::allowed(&fields(&[("accept", &long)])), Err(Refusal::Header));
    }

    #[test]
    fn only_the_frame_can_ask_for_gzip_and_for_nothing_else() {
        let gzip = |value| Asked::allowed(&fields(&[("Accept-Encoding", value)])).unwrap().gzip;

        assert!(gzip("gzip"));
        assert!(!gzip("br") && !gzip("gzip, br") && !gzip("identity"));
    }

    #[test]
    fn an_answer_comes_without_what_acts_on_browsers() {
        let answer = fields(&[
            ("content-type", "text/html"),
            ("set-cookie", "a=b"),
            ("x-reload", "1"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authenticate", "x"),
            ("www-authenticate", "Basic"),
            ("clear-site-data", "*"),
            ("refresh", "0; url=https://evil.example"),
            ("link", "<https://evil.example>; rel=preload"),
            ("service-worker-allowed", "/"),
            ("access-control-allow-origin", "*"),
            ("location", "https://evil.example"),
            ("etag", "\"x\""),
        ]);

        let path = "/".parse().unwrap();
        let asked = Asked { headers: Headers::default(), gzip: false };
        let passed = passed_on(200, &answer.into(), &path, &asked).unwrap();

        assert_eq!(names(&passed), ["content-type", "etag"]);
    }

    #[test]
    fn a_redirect_is_passed_on_within_the_app_only() {
        let path = "/login/x".parse().unwrap();
        let asked = Asked { headers: Headers::default(), gzip: false };
        let to = |status, place| {
            passed_on(status, &fields(&[("location", place)]).into(), &path, &asked)
                .map(|passed| passed.get("location").map(str::to_owned))
        };

        assert_eq!(to(302, "/home"), Ok(Some("/home".to_owned())));
        assert_eq!(to(301, "./"), Ok(Some("/login/".to_owned())));
        assert_eq!(to(302, "https://login.example/"), Err(AnswerError::Redirect));
        assert_eq!(to(302, "//evil.example"), Err(AnswerError::Redirect));
        assert_eq!(to(307, "/../x"), Err(AnswerError::Redirect));
        assert_eq!(to(201, "https://login.example/"), Ok(None));
        assert_eq!(to(201, "/things/1"), Ok(Some("/things/1".to_owned())));
    }

    #[test]
    fn an_encoding_that_nobody_can_undo_is_an_error() {
        let path = "/".parse().unwrap();
        let to = |gzip, encoding| {
            let asked = Asked { headers: Headers::default(), gzip };
            passed_on(200, &fields(&[("content-encoding", encoding)]).into(), &path, &asked)
                .map(|passed| names(&passed).len())
        };

        assert_eq!(to(true, "gzip"), Ok(1));
        assert_eq!(to(false, "gzip"), Err(AnswerError::Encoding));
        assert_eq!(to(true, "br"), Err(AnswerError::Encoding));
        assert_eq!(to(true, "gzip, gzip"), Err(AnswerError::Encoding));
        assert_eq!(to(false, "identity"), Ok(0));
    }
}
