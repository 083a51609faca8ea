//! Frames: RFC 6455, 5 to 8. Bytes in, messages out.
//!
//! What always holds: every input ends in events or in a [`Fault`]; at most one message of [`MAX_MESSAGE`] bytes and one
//! control frame are kept; memory grows with what has come, not with what a length announces; the events don't depend on
//! how the bytes were split.

use super::{Close, Data, MAX_REASON};

/// The longest message, both ways.
pub const MAX_MESSAGE: usize = 16 << 20;

/// What can come out of a [`FrameDecoder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Data),
    /// To be answered by [`pong`] with the same bytes.
    Ping(Vec<u8>),
    /// The other side ends; nothing comes after it. [`None`] without a code.
    Close(Option<Close>),
}

/// Why the other side can't be listened to any more: RFC 6455, 7.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Anything that the standard forbids.
    #[error("the app broke the rules of WebSockets")]
    Protocol,
    /// Text that isn't UTF-8.
    #[error("the app sent text that is not UTF-8")]
    Text,
    /// Over [`MAX_MESSAGE`].
    #[error("the app sent a message that is too long")]
    TooLong,
}

impl Fault {
    /// The code to close with.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Text => 1007,
            Self::TooLong => 1009,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The frame that is being read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Opcode,
    is_last: bool,
    left: usize,
}

/// Reads what a server sends.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The beginning of a frame's head.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The type of the message whose fragments are being read.
    message_is_text: Option<bool>,
    message: Vec<u8>,
    control: Vec<u8>,
    over: bool,
}

impl FrameDecoder {
    /// Takes from the front of `input` what makes the next event; [`None`] when it is used up, or after the end.
    ///
    /// # Errors
    /// The other side has to be left, with [`Fault::code`]. Nothing is read after that.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Fault> {
        let result = self.step(input);
        self.over |= matches!(result, Err(_) | Ok(Some(Event::Close(_))));
        result
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Fault> {
        while !self.over {
            let Some(mut frame) = self.frame else {
                let Some((byte, rest)) = input.split_first() else { break };
                *input = rest;
                self.head.push(*byte);
                self.frame = self.read_head()?;
                if self.frame.is_some() {
                    self.head.clear();
                }
                continue;
            };
            let (payload, rest) = input.split_at(frame.left.min(input.len()));
            *input = rest;
            frame.left -= payload.len();
            if frame.opcode.is_control() { &mut self.control } else { &mut self.message }.extend_from_slice(payload);
            if frame.left > 0 {
                self.frame = Some(frame);
                break;
            }
            self.frame = None;
            if let Some(event) = self.frame_is_whole(frame)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The frame whose head has been read, once it is whole.
    fn read_head(&mut self) -> Result<Option<Frame>, Fault> {
        let (first, second, rest) = match *self.head.as_slice() {
            [first, second, ref rest @ ..] => (first, second, rest),
            // What can't become a frame is told at its first byte, before anything of it is kept.
            [first] => return opcode(first).map(|_| None),
            [] => return Ok(None),
        };
        let opcode = opcode(first)?;
        let is_last = first & 0x80 != 0;
        // The mask bit is the client's: RFC 6455, 5.1.
        if second & 0x80 != 0 || opcode.is_control() && (second > 125 || !is_last) {
            return Err(Fault::Protocol);
        }
        if !opcode.is_control() && (opcode == Opcode::Continuation) != self.message_is_text.is_some() {
            return Err(Fault::Protocol);
        }
        let (wanted, least) = match second {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        if rest.len() < wanted {
            return Ok(None);
        }
        let length = match second {
            126.. => rest.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            short => u64::from(short),
        };
        // As short as can be, and positive: RFC 6455, 5.2.
        if length < least || length >> 63 != 0 {
            return Err(Fault::Protocol);
        }
        let left = usize::try_from(length).unwrap_or(usize::MAX);
        if !opcode.is_control() {
            if left > MAX_MESSAGE - self.message.len() {
                return Err(Fault::TooLong);
            }
            if opcode != Opcode::Continuation {
                self.message_is_text = Some(opcode == Opcode::Text);
            }
        }
        Ok(Some(Frame { opcode, is_last, left }))
    }

    fn frame_is_whole(&mut self, frame: Frame) -> Result<Option<Event>, Fault> {
        match frame.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(std::mem::take(&mut self.control)))),
            Opcode::Pong => {
                self.control.clear();
                Ok(None)
            }
            Opcode::Close => Ok(Some(Event::Close(close(&std::mem::take(&mut self.control))?))),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if !frame.is_last => Ok(None),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let bytes = std::mem::take(&mut self.message);
                Ok(Some(Event::Message(if self.message_is_text.take() == Some(true) {
                    Data::Text(String::from_utf8(bytes).map_err(|_| Fault::Text)?)
                } else {
                    Data::Binary(bytes)
                })))
            }
        }
    }
}

/// Of the first byte of a frame. Its reserved bits belong to extensions, of which there are none.
fn opcode(first: u8) -> Result<Opcode, Fault> {
    match first & 0x7f {
        0 => Ok(Opcode::Continuation),
        1 => Ok(Opcode::Text),
        2 => Ok(Opcode::Binary),
        8 => Ok(Opcode::Close),
        9 => Ok(Opcode::Ping),
        10 => Ok(Opcode::Pong),
        _ => Err(Fault::Protocol),
    }
}

/// What the payload of a closing frame says: RFC 6455, 5.5.1.
fn close(payload: &[u8]) -> Result<Option<Close>, Fault> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(None) } else { Err(Fault::Protocol) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !may_be_sent(code) {
        return Err(Fault::Protocol);
    }
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| Fault::Text)?;
    Ok(Some(Close { code, reason }))
}

/// Whether a code may stand in a frame: RFC 6455, 7.4, and its registry
/// <https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number>.
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The frame of a message. `mask` is random: RFC 6455, 5.3.
#[must_use]
pub fn message(data: &Data, mask: [u8; 4]) -> Vec<u8> {
    match data {
        Data::Text(text) => frame(Opcode::Text, text.as_bytes(), mask),
        Data::Binary(bytes) => frame(Opcode::Binary, bytes, mask),
    }
}

/// The answer to [`Event::Ping`].
#[must_use]
pub fn pong(ping: &[u8], mask: [u8; 4]) -> Vec<u8> {
    frame(Opcode::Pong, ping, mask)
}

/// The end. A reason is cut to what fits into the frame.
#[must_use]
pub fn closing(close: Option<&Close>, mask: [u8; 4]) -> Vec<u8> {
    let mut payload = Vec::new();
    if let Some(Close { code, reason }) = close {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(cut(reason, MAX_REASON).as_bytes());
    }
    frame(Opcode::Close, &payload, mask)
}

/// The beginning of `text` that has at most `limit` bytes.
#[must_use]
pub fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn frame(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode as u8);
    let length = payload.len() as u64;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => frame.push(0x80 | short),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
