//! A port of a pod over a WebSocket to the API server: the subprotocol [`PROTOCOL`].
//!
//! One WebSocket is one TCP connection. The first byte of each message names the channel: 0 has the connection's bytes,
//! 1 what kubelet says when it fails. Each channel begins with two bytes, the port, little-endian:
//! <https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go>.

use crate::http::joined;

/// The WebSocket's subprotocol.
pub const PROTOCOL: &str = "v4.channel.k8s.io";

/// How many bytes a message of ours carries at most; kubelet copies with a buffer of as many.
const MESSAGE: usize = 32 << 10;

/// How much of the error channel's words is kept, in bytes.
const MAX_WORDS: usize = 500;

/// A pod and its port: the only place that a tunnel leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The port of its container.
    pub port: u16,
}

impl Destination<'_> {
    /// Path and query of the WebSocket; [`None`] where namespace or pod can't be names of Kubernetes
    /// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>) and so could name
    /// something else of the API.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        if !is_name(self.namespace) || !is_name(self.pod) || self.port == 0 {
            return None;
        }
        let port = self.port.to_string();
        Some(joined(&["/api/v1/namespaces/", self.namespace, "/pods/", self.pod, "/portforward?ports=", &port]))
    }
}

/// Whether it can be the name of a pod or a namespace.
fn is_name(name: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.first().is_some_and(alphanumeric)
                && bytes.last().is_some_and(alphanumeric)
                && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
        })
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the connection; none where the message had only a port.
    Data(&'a [u8]),
    /// Kubelet's words: the connection can't be, or has ended.
    Error(String),
}

/// Why a message can't belong to a port-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// A message without a channel, or of one that nobody has asked for.
    #[error("the API server sent something else than a port-forward")]
    Channel,
    /// A channel of another port.
    #[error("the API server forwards another port")]
    Port,
}

/// Reads the messages of one port-forward.
#[derive(Debug)]
pub struct ForwardDecoder {
    port: [u8; 2],
    /// How many bytes of the port each channel has named.
    named: [usize; 2],
}

impl ForwardDecoder {
    /// For the one port that was asked for.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port: port.to_le_bytes(), named: [0; 2] }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It isn't one of this port-forward.
    pub fn decode<'a>(&mut self, message: &'a [u8]) -> Result<Piece<'a>, ForwardError> {
        let (channel, mut bytes) = message.split_first().ok_or(ForwardError::Channel)?;
        let named = self.named.get_mut(usize::from(*channel)).ok_or(ForwardError::Channel)?;
        while let (Some(expected), [byte, rest @ ..]) = (self.port.get(*named), bytes) {
            if byte != expected {
                return Err(ForwardError::Port);
            }
            *named += 1;
            bytes = rest;
        }
        if *channel == 0 || bytes.is_empty() {
            // The error channel's port is no error.
            return Ok(Piece::Data(bytes));
        }
        let bytes = bytes.get(..MAX_WORDS).unwrap_or(bytes);
        let is_text = |byte: &u8| matches!(byte, 0x20..=0x7e);
        // Kubelet speaks ASCII; whatever else is in what it passes on is of no use to a person.
        Ok(Piece::Error(bytes.iter().map(|byte| if is_text(byte) { char::from(*byte) } else { ' ' }).collect()))
    }
}

/// Messages that carry `bytes` to the pod, in order.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(MESSAGE).map(|piece| [&[0], piece].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_destination_leads_to_its_port_and_nowhere_else() {
        fn path(namespace: &str, pod: &str, port: u16) -> Option<String> {
            Destination { namespace, pod, port }.path()
        }

        assert_eq!(
            path("crossview", "crossview-6d5f-x2x", 3001).as_deref(),
            Some("/api/v1/namespaces/crossview/pods/crossview-6d5f-x2x/portforward?ports=3001")
        );
        assert!(path("a", "web-0.example", 1).is_some());
        for pod in
            ["", "..", ".", "a/b", "a?b", "a%2fb", "A", "a_b", "-a", "a-", "a..b", "a b", "ä", "a\n", "a#b", "a;b"]
        {
            assert_eq!(path("crossview", pod, 3001), None, "{pod:?}");
            assert_eq!(path(pod, "crossview", 3001), None, "{pod:?}");
        }
        assert_eq!(path("crossview", &"a".repeat(254), 3001), None);
        assert_eq!(path("crossview", "a", 0), None);
    }

    #[test]
    fn a_channel_begins_with_its_port() {
        let mut forward = ForwardDecoder::new(3001);

        assert_eq!(forward.decode(&[0, 0xb9, 0x0b]), Ok(Piece::Data(b"")));
        assert_eq!(forward.decode(&[1, 0xb9, 0x0b]), Ok(Piece::Data(b"")));
        assert_eq!(forward.decode(b"\0HTTP/1.1"), Ok(Piece::Data(b"HTTP/1.1")));
        assert_eq!(forward.decode(b"\0"), Ok(Piece::Data(b"")));
        assert_eq!(forward.decode(b"\x01no\nway"), Ok(Piece::Error("no way".to_owned())));
    }

    #[test]
    fn a_port_may_come_in_two_messages_or_with_data() {
        let mut forward = ForwardDecoder::new(3001);

        assert_eq!(forward.decode(&[0, 0xb9]), Ok(Piece::Data(b"")));
        assert_eq!(forward.decode(&[0, 0x0b, b'H']), Ok(Piece::Data(b"H")));
        assert_eq!(forward.decode(&[1, 0xb9, 0x0b, b'n', b'o']), Ok(Piece::Error("no".to_owned())));
    }

    #[test]
    fn what_is_no_port_forward_is_an_error() {
        assert_eq!(ForwardDecoder::new(3001).decode(b""), Err(ForwardError::Channel));
        assert_eq!(ForwardDecoder::new(3001).decode(&[2, 0xb9, 0x0b]), Err(ForwardError::Channel));
        assert_eq!(ForwardDecoder::new(3001).decode(&[0, 0xba, 0x0b]), Err(ForwardError::Port));
        assert_eq!(ForwardDecoder::new(3001).decode(&[0, 0x0b, 0xb9]), Err(ForwardError::Port));
    }

    proptest! {
        #[test]
        fn what_was_split_into_messages_is_the_same_bytes(length in 0..100_000_usize) {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut back = Vec::new();
            for message in messages(&bytes) {
                prop_assert_eq!(message[0], 0);
                back.extend_from_slice(&message[1..]);
            }
            prop_assert_eq!(back, bytes);
        }
    }
}
