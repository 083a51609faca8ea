//! The opening handshake: RFC 6455, 4.1, with what browsers add to it.

use super::sha1::sha1;
use crate::http::{joined, response::Head};

/// What stands behind the key before it is hashed: RFC 6455, 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that has been asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    key: String,
    protocols: Vec<String>,
}

/// Why an answer opens no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another status than 101.
    #[error("the app did not open the WebSocket")]
    Status,
    /// `Upgrade` or `Connection` say something else.
    #[error("the app upgraded to something else than a WebSocket")]
    Upgrade,
    /// `Sec-WebSocket-Accept` isn't the one of our key.
    #[error("the app's answer belongs to another WebSocket")]
    Accept,
    /// An extension that nobody has offered.
    #[error("the app wants an extension that was not offered")]
    Extension,
    /// A subprotocol that nobody has offered, or none where some were.
    #[error("the app chose no subprotocol that was offered")]
    Protocol,
}

impl Handshake {
    /// Asks for a WebSocket with one of `protocols` (tokens), or none where there are none. `nonce` is random.
    #[must_use]
    pub fn new(nonce: [u8; 16], protocols: Vec<String>) -> Self {
        Self { key: base64(&nonce), protocols }
    }

    /// The fields of the request, beside `Host`.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("sec-websocket-key", self.key.clone())];
        headers.extend([
            ("upgrade", "websocket".to_owned()),
            ("connection", "Upgrade".to_owned()),
            ("sec-websocket-version", "13".to_owned()),
        ]);
        if !self.protocols.is_empty() {
            let mut list = String::new();
            for protocol in &self.protocols {
                list = joined(&[&list, if list.is_empty() { "" } else { ", " }, protocol]);
            }
            headers.push(("sec-websocket-protocol", list));
        }
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The subprotocol that the answer has chosen; empty when there are none.
    ///
    /// That none may be chosen where some were offered is RFC 6455; that it fails then is what browsers do:
    /// <https://websockets.spec.whatwg.org/#websocket-opening-handshake>.
    ///
    /// # Errors
    /// The answer doesn't open this WebSocket.
    pub fn protocol(&self, answer: &Head) -> Result<String, HandshakeError> {
        let headers = &answer.headers;
        if answer.status != 101 {
            return Err(HandshakeError::Status);
        }
        if !headers.lists("upgrade", "websocket") || !headers.lists("connection", "upgrade") {
            return Err(HandshakeError::Upgrade);
        }
        let accept = base64(&sha1(joined(&[&self.key, GUID]).as_bytes()));
        if headers.get("sec-websocket-accept") != Some(&accept) {
            return Err(HandshakeError::Accept);
        }
        if headers.get("sec-websocket-extensions").is_some_and(|extensions| !extensions.is_empty()) {
            return Err(HandshakeError::Extension);
        }
        match headers.get("sec-websocket-protocol") {
            None if self.protocols.is_empty() => Ok(String::new()),
            Some(chosen) if self.protocols.iter().any(|offered| offered == chosen) => Ok(chosen.to_owned()),
            _ => Err(HandshakeError::Protocol),
        }
    }
}

/// RFC 4648, 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[bits >> (18 - 6 * place) & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use proptest::prelude::*;

    /// The nonce and the answer of RFC 6455, 1.3.
    fn of_the_standard(protocols: &[&str]) -> Handshake {
        Handshake::new(*b"the sample nonce", protocols.iter().map(|name| (*name).to_owned()).collect())
    }

    fn answer(status: u16, changes: &[(&str, &str)]) -> Head {
        let mut fields = vec![
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        for (name, value) in changes {
            fields.retain(|(own, _)| own != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Head { status, reason: String::new(), headers: fields.into() }
    }

    #[test]
    fn the_answer_of_the_standard_opens_it() {
        let handshake = of_the_standard(&[]);

        assert!(handshake.headers().contains(&("sec-websocket-key".into(), "dGhlIHNhbXBsZSBub25jZQ==".into())));
        assert_eq!(handshake.protocol(&answer(101, &[])), Ok(String::new()));
        assert_eq!(handshake.protocol(&answer(101, &[("connection", "keep-alive, UPGRADE")])), Ok(String::new()));
    }

    #[test]
    fn any_other_answer_opens_nothing() {
        let refused = |status, changes: &[_]| of_the_standard(&[]).protocol(&answer(status, changes));

        assert_eq!(refused(200, &[]), Err(HandshakeError::Status));
        assert_eq!(refused(101, &[("upgrade", "h2c")]), Err(HandshakeError::Upgrade));
        assert_eq!(refused(101, &[("connection", "")]), Err(HandshakeError::Upgrade));
        assert_eq!(refused(101, &[("sec-websocket-accept", "")]), Err(HandshakeError::Accept));
        let other = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=");
        assert_eq!(refused(101, &[other]), Err(HandshakeError::Accept));
        let extension = ("sec-websocket-extensions", "permessage-deflate");
        assert_eq!(refused(101, &[extension]), Err(HandshakeError::Extension));
        assert_eq!(refused(101, &[("sec-websocket-protocol", "chat")]), Err(HandshakeError::Protocol));
    }

    #[test]
    fn a_subprotocol_is_one_that_was_offered() {
        let handshake = of_the_standard(&["chat", "superchat"]);
        let chosen = |name| handshake.protocol(&answer(101, &[("sec-websocket-protocol", name)]));

        assert!(handshake.headers().contains(&("sec-websocket-protocol".into(), "chat, superchat".into())));
        assert_eq!(chosen("superchat"), Ok("superchat".to_owned()));
        assert_eq!(chosen("Chat"), Err(HandshakeError::Protocol));
        assert_eq!(chosen("chat, superchat"), Err(HandshakeError::Protocol));
        assert_eq!(chosen(""), Err(HandshakeError::Protocol), "browsers fail, too");
    }

    proptest! {
        #[test]
        fn base64_is_that_of_a_crate_that_many_use(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            prop_assert_eq!(base64(&bytes), ::base64::engine::general_purpose::STANDARD.encode(&bytes));
        }
    }
}
