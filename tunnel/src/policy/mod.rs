//! What a frame may ask for, and what it gets to see. The frame is hostile: it runs a page that nobody here has written,
//! and which owns the port that its orders come from.
//!
//! Whatever it says, it reaches one port of one pod, by a request that is made here, and what comes back is passed on
//! field by field. Nothing here knows a browser.

pub mod headers;
pub mod path;

use crate::http::request::Method;
use crate::http::{Headers, is_token};
use headers::Asked;
use path::{AppPath, PathError};

/// What may wait to be sent on one WebSocket of the app, in bytes: browsers take all that they are given to send.
pub const MAX_UNSENT: usize = 16 << 20;
/// The same on all connections, those too that are closed and not yet rid of it.
pub const MAX_UNSENT_IN_ALL: usize = 64 << 20;
/// Requests under way or waiting, beyond which more are refused: a page that has a thousand has gone wrong.
pub const MAX_FETCHES: usize = 256;
/// Connections that carry requests at a time; what browsers allow themselves for a host.
pub const MAX_CONNECTIONS: usize = 6;
/// WebSockets at a time, those that are being opened too. Each has a connection of its own.
pub const MAX_SOCKETS: usize = 16;
/// The longest body of a request, and of all that wait together.
pub const MAX_BODIES: usize = 32 << 20;
/// How many bytes of a response the frame may have without having said that it has used them.
pub const WINDOW: usize = 1 << 20;
/// How many bytes are kept for a frame that doesn't use them: of one response, and of all. The WebSocket to the API server
/// can't be told to wait, so a response that would be over is given up.
pub const MAX_HELD: usize = 32 << 20;
/// See [`MAX_HELD`].
pub const MAX_HELD_IN_ALL: usize = 64 << 20;
/// The most and the longest subprotocols of a WebSocket.
pub const MAX_PROTOCOLS: usize = 16;
/// See [`MAX_PROTOCOLS`].
pub const MAX_PROTOCOL: usize = 128;
/// How much the app may keep in its localStorage, in UTF-16 units as browsers count them, keys and values together.
pub const MAX_STORED: usize = 256 << 10;

/// Why an order of the frame isn't carried out. The page's own code sees the words, as those of a failed fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// See [`Method::ALL`].
    #[error("the method is not allowed")]
    Method,
    /// See [`AppPath`].
    #[error("the address is not allowed: {0}")]
    Path(#[from] PathError),
    /// A line break or another control character in a value, or more than [`headers::MAX_BYTES`].
    #[error("a header of the request is not allowed")]
    Header,
    /// A body where none can be, or over [`MAX_BODIES`].
    #[error("the request's body is not allowed or too long")]
    Body,
    /// Over [`MAX_BODIES`] or [`MAX_UNSENT_IN_ALL`], with what waits to be sent.
    #[error("too much is being sent at a time")]
    TooMuch,
    /// Over [`MAX_FETCHES`] or [`MAX_SOCKETS`].
    #[error("too many requests at a time")]
    TooMany,
    /// Parts that aren't what they should be, or so long that nobody looks at them.
    #[error("the request can't be read, or is too long")]
    Unreadable,
    /// A subprotocol that can't be one.
    #[error("a subprotocol is not allowed")]
    Protocol,
}

/// Why an answer of the app isn't passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A redirect to where the tunnel doesn't lead.
    #[error("the app redirects to another place, which the tunnel does not follow")]
    Redirect,
    /// A `Content-Encoding` that nobody has asked for.
    #[error("the app's answer is compressed, although nobody asked for it")]
    Encoding,
}

/// A request of the frame that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: AppPath,
    /// The headers that are passed on.
    pub asked: Asked,
}

/// What becomes of a fetch of the frame. `body` is its length.
///
/// # Errors
/// Why it may not be made.
pub fn fetch(method: &str, path: &str, headers: &[(String, String)], body: Option<usize>) -> Result<Allowed, Refusal> {
    let method = Method::parse(method).ok_or(Refusal::Method)?;
    let path = path.parse()?;
    if body.is_some_and(|length| length > MAX_BODIES || length > 0 && !method.may_have_body()) {
        return Err(Refusal::Body);
    }
    Ok(Allowed { method, path, asked: Asked::allowed(headers)? })
}

/// Whether a page may offer these subprotocols: distinct tokens, as browsers want them
/// (<https://websockets.spec.whatwg.org/#dom-websocket-websocket>).
///
/// # Errors
/// [`Refusal::Protocol`].
pub fn protocols(protocols: &[String]) -> Result<(), Refusal> {
    let good = protocols.len() <= MAX_PROTOCOLS
        && protocols.iter().enumerate().all(|(at, name)| {
            (1..=MAX_PROTOCOL).contains(&name.len())
                && name.bytes().all(is_token)
                && !protocols.iter().take(at).any(|earlier| earlier == name)
        });
    if good { Ok(()) } else { Err(Refusal::Protocol) }
}

/// The headers of the app's answer to `request` that the frame gets to see.
///
/// # Errors
/// The answer must not be passed on at all.
pub fn answer(status: u16, headers: &Headers, path: &AppPath, asked: &Asked) -> Result<Headers, AnswerError> {
    headers::passed_on(status, headers, path, asked)
}

/// Whether the app may keep `units` more UTF-16 units where it keeps `stored`.
#[must_use]
pub fn storable(units: usize, stored: usize) -> bool {
    units.checked_add(stored).is_some_and(|all| all <= MAX_STORED)
}
