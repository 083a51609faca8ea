//! Responses as they are read: bytes in, events out. RFC 9112, 4 to 7.
//!
//! What always holds: every input ends in events or in an error; at most [`MAX_LINE`] bytes and the fields of one head are
//! kept, whatever comes; the events don't depend on how the bytes were split (but for where [`Event::Data`] is cut).
//!
//! Stricter than RFC 9112 wherever two readers could disagree on where a response ends: lines end in CR LF, a field is
//! not continued on the next line, there is one length, and no encoding but `chunked`.

use super::{Headers, is_token};

/// The longest line: a status line, a field, or a chunk's size with its extensions.
pub const MAX_LINE: usize = 16 << 10;
/// The longest head, and the longest trailers, with their line ends.
pub const MAX_HEAD: usize = 64 << 10;
/// The most fields of a head.
pub const MAX_FIELDS: usize = 100;
/// The most 1xx responses before the one that counts.
pub const MAX_INTERIM: u8 = 8;
/// The longest body that can be told to a page, whose numbers are exact up to here.
pub const MAX_LENGTH: u64 = (1 << 53) - 1;

/// What the request lets a response be: RFC 9112, 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A response with a body.
    Body,
    /// A response to `HEAD`: with the fields of a body, but without it.
    NoBody,
    /// A response to an upgrade: 101, or anything else with a body.
    Upgrade,
}

/// A response without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status, 101 or 200 to 599.
    pub status: u16,
    /// The words beside the status, as Latin-1 text; often empty.
    pub reason: String,
    /// The fields.
    pub headers: Headers,
}

/// What can come out of a [`ResponseDecoder`]: a head, data, an end, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The head of the final response. After a 101 nothing follows, and what is left of the input isn't HTTP.
    Head(Head),
    /// A piece of the body; never empty.
    Data(&'a [u8]),
    /// The response is whole.
    End {
        /// Whether the connection can take another request.
        reusable: bool,
    },
}

/// Why bytes are no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The first line.
    #[error("the app's answer is not HTTP/1.1")]
    StatusLine,
    /// A status outside of 100 to 599.
    #[error("the app answered with a status that does not exist")]
    Status,
    /// A line that doesn't end in CR LF.
    #[error("a line of the app's answer ends wrongly")]
    LineEnd,
    /// Over [`MAX_LINE`], [`MAX_HEAD`] or [`MAX_FIELDS`].
    #[error("the headers of the app's answer are too long")]
    TooLong,
    /// A name or value with what may not be in it.
    #[error("a header of the app's answer is malformed")]
    Field,
    /// Two lengths, a length that is none, or a transfer encoding beside a length.
    #[error("the app's answer is ambiguous about its length")]
    Length,
    /// A transfer encoding beside `chunked`.
    #[error("the app's answer has an unknown transfer encoding")]
    TransferEncoding,
    /// A chunk's size, extension or end.
    #[error("a chunk of the app's answer is malformed")]
    Chunk,
    /// 101 without having been asked, or more than [`MAX_INTERIM`] others.
    #[error("the app's answer has unexpected interim answers")]
    Interim,
    /// The connection ended first.
    #[error("the connection ended in the middle of the app's answer")]
    Truncated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StatusLine,
    Fields,
    /// So many bytes of the body are to come; zero ends it.
    Sized(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    /// Nothing more is read.
    Over,
}

/// Reads one response.
#[derive(Debug)]
pub struct ResponseDecoder {
    expect: Expect,
    state: State,
    line: Vec<u8>,
    /// How many bytes the head, or the trailers, may still have.
    budget: usize,
    interim: u8,
    begun: bool,
    reusable: bool,
    http_1_0: bool,
    head: Head,
}

impl ResponseDecoder {
    /// For the response to a request.
    #[must_use]
    pub fn new(expect: Expect) -> Self {
        Self {
            expect,
            state: State::StatusLine,
            line: Vec::new(),
            budget: MAX_HEAD,
            interim: 0,
            begun: false,
            reusable: false,
            http_1_0: false,
            head: Head { status: 0, reason: String::new(), headers: Headers::default() },
        }
    }

    /// Whether anything of the response has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes from the front of `input` what makes the next event; [`None`] when it is used up, or the response is over.
    ///
    /// # Errors
    /// The bytes are no response. The decoder reads nothing more then, nor after an end.
    pub fn decode<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, HttpError> {
        self.begun |= !input.is_empty();
        let result = self.step(input);
        if result.is_err() {
            self.state = State::Over;
        }
        result
    }

    /// The connection has ended. `true` when that is how the body ends, or the response was over; `false` when nothing
    /// has come at all.
    ///
    /// # Errors
    /// [`HttpError::Truncated`].
    pub fn close(&mut self) -> Result<bool, HttpError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::UntilClose | State::Over => Ok(true),
            _ if !self.begun => Ok(false),
            _ => Err(HttpError::Truncated),
        }
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, HttpError> {
        loop {
            match self.state {
                State::Over => return Ok(None),
                State::Sized(0) => return Ok(Some(self.end())),
                State::Sized(left) => {
                    return Ok(take(input, left).map(|(data, left)| {
                        self.state = State::Sized(left);
                        Event::Data(data)
                    }));
                }
                State::Chunk(left) => {
                    return Ok(take(input, left).map(|(data, left)| {
                        self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                        Event::Data(data)
                    }));
                }
                State::UntilClose => return Ok(take(input, u64::MAX).map(|(data, _)| Event::Data(data))),
                State::StatusLine | State::Fields | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    if !self.read_line(input)? {
                        return Ok(None);
                    }
                    let line = std::mem::take(&mut self.line);
                    let event = self.line(&line)?;
                    // The buffer is kept, so that a line costs no allocation.
                    self.line = line;
                    self.line.clear();
                    if event.is_some() {
                        return Ok(event);
                    }
                }
            }
        }
    }

    /// Moves bytes from `input` to the line until it is whole, without its end.
    fn read_line(&mut self, input: &mut &[u8]) -> Result<bool, HttpError> {
        // The CR is kept until its LF has come.
        let end = input.iter().position(|byte| *byte == b'\n');
        let (taken, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        *input = rest;
        // A chunk's line comes as often as there are chunks, so it isn't counted.
        if matches!(self.state, State::StatusLine | State::Fields | State::Trailers) {
            self.budget = self.budget.checked_sub(taken.len()).ok_or(HttpError::TooLong)?;
        }
        if self.line.len() + taken.len() > MAX_LINE {
            return Err(HttpError::TooLong);
        }
        let from = self.line.len().saturating_sub(1);
        self.line.extend_from_slice(taken);
        // A CR may only be the last byte but one of a line, or the last that has come.
        let text = self.line.get(from..).unwrap_or_default();
        let cr = text.iter().position(|byte| *byte == b'\r');
        match (cr, end) {
            (Some(cr), Some(_)) if cr + 2 == text.len() => {
                self.line.truncate(from + cr);
                Ok(true)
            }
            (None, None) => Ok(false),
            (Some(cr), None) if cr + 1 == text.len() => Ok(false),
            _ => Err(HttpError::LineEnd),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event<'static>>, HttpError> {
        match self.state {
            State::StatusLine => {
                (self.http_1_0, self.head.status, self.head.reason) = status_line(line)?;
                self.state = State::Fields;
            }
            State::Fields if line.is_empty() => return self.head_is_whole(),
            State::Fields => {
                let (name, value) = field(line)?;
                if self.head.headers.as_slice().len() == MAX_FIELDS {
                    return Err(HttpError::TooLong);
                }
                self.head.headers.push(name, value);
            }
            State::ChunkSize => {
                self.state = match chunk_size(line)? {
                    0 => {
                        self.budget = MAX_HEAD;
                        State::Trailers
                    }
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkSize,
            State::ChunkEnd => return Err(HttpError::Chunk),
            State::Trailers if line.is_empty() => return Ok(Some(self.end())),
            // What a server says after the body reaches nobody, but it has to be well-formed.
            State::Trailers => drop(field(line)?),
            State::Sized(_) | State::Chunk(_) | State::UntilClose | State::Over => {}
        }
        Ok(None)
    }

    fn end(&mut self) -> Event<'static> {
        self.state = State::Over;
        Event::End { reusable: self.reusable }
    }

    fn head_is_whole(&mut self) -> Result<Option<Event<'static>>, HttpError> {
        let empty = Head { status: 0, reason: String::new(), headers: Headers::default() };
        let head = std::mem::replace(&mut self.head, empty);
        if head.status == 101 {
            if self.expect != Expect::Upgrade || self.http_1_0 {
                return Err(HttpError::Interim);
            }
            self.state = State::Over;
            return Ok(Some(Event::Head(head)));
        }
        if head.status < 200 {
            self.interim += 1;
            self.state = State::StatusLine;
            return if self.interim > MAX_INTERIM { Err(HttpError::Interim) } else { Ok(None) };
        }
        let length = body_length(&head, self.http_1_0)?;
        // HTTP/1.0 has no connections that last, unless both sides say so; nobody needs that any more.
        self.reusable = !self.http_1_0 && !head.headers.lists("connection", "close");
        self.state = match length {
            _ if self.expect == Expect::NoBody || matches!(head.status, 204 | 304) => State::Sized(0),
            Length::Sized(size) => State::Sized(size),
            Length::Chunked => State::ChunkSize,
            Length::UntilClose => State::UntilClose,
        };
        Ok(Some(Event::Head(head)))
    }
}

/// Up to `limit` bytes from the front, and what is left of the limit; [`None`] when there are none.
fn take<'a>(input: &mut &'a [u8], limit: u64) -> Option<(&'a [u8], u64)> {
    let length = usize::try_from(limit).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at(length);
    *input = rest;
    (length > 0).then_some((taken, limit - length as u64))
}

/// Whether it is HTTP/1.0, the status, and its words.
fn status_line(line: &[u8]) -> Result<(bool, u16, String), HttpError> {
    let (version, rest) = line.split_at_checked(9).ok_or(HttpError::StatusLine)?;
    let http_1_0 = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return Err(HttpError::StatusLine),
    };
    let (digits, reason) = rest.split_at_checked(3).ok_or(HttpError::StatusLine)?;
    let mut status = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(HttpError::StatusLine);
        }
        status = status * 10 + u16::from(digit - b'0');
    }
    if !(100..600).contains(&status) {
        return Err(HttpError::Status);
    }
    // Some servers leave out the space where there are no words.
    let reason = match reason {
        [] => reason,
        [b' ', words @ ..] => words,
        _ => return Err(HttpError::StatusLine),
    };
    Ok((http_1_0, status, latin_1(reason).ok_or(HttpError::StatusLine)?))
}

/// The name in lower case, and the value.
fn field(line: &[u8]) -> Result<(String, String), HttpError> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(HttpError::Field)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(HttpError::Field);
    }
    let name = name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let mut value = value.get(1..).unwrap_or_default();
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Ok((name, latin_1(value).ok_or(HttpError::Field)?))
}

/// A text of RFC 9110's field-content: no control character but the tab.
fn latin_1(bytes: &[u8]) -> Option<String> {
    bytes.iter().map(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..).then_some(char::from(*byte))).collect()
}

/// Any chunk extension is passed over: RFC 9112, 7.1.1.
fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(digits);
    let extension = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t')).and_then(|start| rest.get(start..));
    if digits.is_empty() || extension.is_some_and(|text| text.first() != Some(&b';') || latin_1(text).is_none()) {
        return Err(HttpError::Chunk);
    }
    let mut size = 0;
    for digit in digits {
        size = size * 16 + u64::from(char::from(*digit).to_digit(16).unwrap_or_default());
        if size > MAX_LENGTH {
            return Err(HttpError::Chunk);
        }
    }
    Ok(size)
}

enum Length {
    Sized(u64),
    Chunked,
    UntilClose,
}

/// How the body is delimited: RFC 9112, 6.3.
fn body_length(head: &Head, http_1_0: bool) -> Result<Length, HttpError> {
    let mut fields = head.headers.as_slice().iter();
    let mut lengths = fields.clone().filter(|(name, _)| name == "content-length").map(|(_, value)| value);
    let mut encodings = fields.by_ref().filter(|(name, _)| name == "transfer-encoding").map(|(_, value)| value);
    match (lengths.next(), encodings.next()) {
        (None, None) => Ok(Length::UntilClose),
        (Some(digits), None) if lengths.next().is_none() => {
            let mut length = 0_u64;
            for digit in digits.bytes() {
                if !digit.is_ascii_digit() || length > MAX_LENGTH / 10 {
                    return Err(HttpError::Length);
                }
                length = length * 10 + u64::from(digit - b'0');
            }
            if digits.is_empty() || length > MAX_LENGTH { Err(HttpError::Length) } else { Ok(Length::Sized(length)) }
        }
        (None, Some(encoding)) if encodings.next().is_none() && !http_1_0 => {
            if encoding.eq_ignore_ascii_case("chunked") {
                Ok(Length::Chunked)
            } else {
                Err(HttpError::TransferEncoding)
            }
        }
        _ => Err(HttpError::Length),
    }
}
