//! WebSockets as a client speaks them: RFC 6455, without I/O.

pub mod frame;
pub mod handshake;
mod sha1;

/// The payload of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Data {
    /// How many bytes it has on the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an end says: RFC 6455, 7.1.5 and 7.1.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code; one that may stand in a frame.
    pub code: u16,
    /// The words, at most [`MAX_REASON`] bytes.
    pub reason: String,
}

/// The longest reason of an end: a control frame has 125 bytes, and the code takes two.
pub const MAX_REASON: usize = 123;

/// An end that came without a code: RFC 6455, 7.4.1. It never stands in a frame, nor does the next.
pub const NO_CODE: u16 = 1005;
/// An end without a closing frame.
pub const ABNORMAL: u16 = 1006;
