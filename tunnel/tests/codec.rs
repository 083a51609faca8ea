//! What is read of real servers' bytes, and of those that no real server sends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

#[allow(dead_code, reason = "it serves the laws, too")]
#[path = "support/exercise.rs"]
mod exercise;

use std::io::{self, Read, Write};

use crossview_tunnel::http::response::{self, Expect, HttpError};
use crossview_tunnel::websocket::frame::{self, Event, Fault, FrameDecoder};
use crossview_tunnel::websocket::{Close, Data};
use exercise::{Heard, hear};
use proptest::prelude::*;
use tungstenite::protocol::{Role, WebSocket};

/// Status, body, and whether the connection is good for another request.
fn read(expect: Expect, answer: impl AsRef<[u8]>) -> Result<(u16, String, bool), HttpError> {
    let (heard, error) = hear(expect, answer.as_ref(), &[], true);
    match (error, heard) {
        (Some(error), _) => Err(error),
        (None, Heard { head: Some(head), body, end: Some(reusable), .. }) => {
            Ok((head.status, String::from_utf8(body).unwrap(), reusable))
        }
        (None, heard) => panic!("{heard:?}"),
    }
}

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("recorded/", $name, ".http"))
    };
}

// Recorded by tests/recorded/record.go.
#[test]
fn what_gos_server_sends_is_read() {
    let threes = ["one two ", &"three ".repeat(10)].concat();
    let ok = r#"{"status":"ok"}"#.to_owned();

    assert_eq!(read(Expect::Body, recorded!("sized")), Ok((200, ok.clone(), false)));
    assert_eq!(read(Expect::Body, recorded!("chunked")), Ok((200, threes.clone(), false)));
    assert_eq!(read(Expect::Body, recorded!("until-close")), Ok((200, threes, false)));
    assert_eq!(read(Expect::NoBody, recorded!("head")), Ok((200, String::new(), false)));
    assert_eq!(read(Expect::Body, recorded!("early-hints")), Ok((204, String::new(), false)));
    assert_eq!(read(Expect::Body, recorded!("not-modified")), Ok((304, String::new(), false)));
    assert_eq!(read(Expect::Body, recorded!("part")), Ok((206, "file".to_owned(), false)));
    assert_eq!(read(Expect::Body, recorded!("redirect")).unwrap().0, 302);
    assert_eq!(read(Expect::Upgrade, recorded!("bad-request")).unwrap().0, 400);

    let (heard, error) = hear(Expect::Body, recorded!("kept"), &[], false);
    assert_eq!((heard.end, error), (Some(true), None));
    assert_eq!(heard.body, ok.as_bytes());
    assert!(heard.left.starts_with(b"HTTP/1.0 200 OK\r\n"), "the next answer is left where it is");
}

#[test]
fn how_a_body_ends_is_said_by_its_head() {
    let table: &[(Expect, &str, (u16, &str, bool))] = &[
        (Expect::Body, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, "ok", true)),
        (Expect::Body, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", (200, "", true)),
        (Expect::Body, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", (200, "", true)),
        (Expect::Body, "HTTP/1.1 200 OK\r\n\r\nall of it", (200, "all of it", false)),
        (Expect::Body, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: x, CLOSE\r\n\r\nok", (200, "ok", false)),
        (Expect::Body, "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok", (200, "ok", false)),
        (Expect::Body, "HTTP/1.1 204 No\r\n\r\n", (204, "", true)),
        (Expect::Body, "HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n", (204, "", true)),
        (Expect::Body, "HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n", (304, "", true)),
        (Expect::NoBody, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", (200, "", true)),
        (Expect::NoBody, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", (200, "", true)),
        (
            Expect::Body,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (200, "ok", true),
        ),
        (
            Expect::Body,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n00a ;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
            (200, "ok0123456789", true),
        ),
        (
            Expect::Body,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a;b\r\nx\r\n000\r\nTrailer: y\r\nz:\r\n\r\n",
            (200, "x", true),
        ),
        (Expect::Upgrade, "HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\nno", (400, "no", true)),
    ];
    for (expect, answer, (status, body, reusable)) in table {
        assert_eq!(read(*expect, answer), Ok((*status, (*body).to_owned(), *reusable)), "{answer:?}");
    }
}

#[test]
fn after_an_upgrade_nothing_is_read() {
    let (heard, error) =
        hear(Expect::Upgrade, b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n\x81\x01a", &[1], false);

    assert_eq!((heard.head.unwrap().status, heard.left.as_slice(), error), (101, &b"\x81\x01a"[..], None));
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_an_error() {
    use HttpError::{Chunk, Field, Interim, Length, LineEnd, Status, StatusLine, TooLong, TransferEncoding, Truncated};
    let with = |fields: &str| ["HTTP/1.1 200 OK\r\n", fields, "\r\n\r\n"].concat();
    let chunked = |rest: &str| ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", rest].concat();
    let table = [
        ("HTTP/1.1 200 OK\n\n".to_owned(), LineEnd),
        ("HTTP/1.1 200 OK\r\na: b\n\r\n".to_owned(), LineEnd),
        ("HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n".to_owned(), LineEnd),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/1.2 200 OK\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/2 200 OK\r\n\r\n".to_owned(), StatusLine),
        ("http/1.1 200 OK\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/1.1 200 O\0K\r\n\r\n".to_owned(), StatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n".to_owned(), Status),
        ("HTTP/1.1 600 OK\r\n\r\n".to_owned(), Status),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), StatusLine),
        (with(" folded: a"), Field),
        (with("a: b\r\n c"), Field),
        (with("a : b"), Field),
        (with(": b"), Field),
        (with("a"), Field),
        (with("a\u{e9}: b"), Field),
        (with("a: b\0c"), Field),
        (with("a: b\x7f"), Field),
        (with("content-length: 5\r\ncontent-length: 5"), Length),
        (with("content-length: 5, 5"), Length),
        (with("content-length: +5"), Length),
        (with("content-length: -5"), Length),
        (with("content-length: 0x5"), Length),
        (with("content-length: 5 5"), Length),
        (with("content-length:"), Length),
        (with("content-length: 9007199254740992"), Length),
        (with("content-length: 99999999999999999999999999"), Length),
        (with("content-length: 5\r\ntransfer-encoding: chunked"), Length),
        (with("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), Length),
        (with("transfer-encoding: gzip, chunked"), TransferEncoding),
        (with("transfer-encoding: identity"), TransferEncoding),
        (with("transfer-encoding: chunked, chunked"), TransferEncoding),
        (with("transfer-encoding: \"chunked\""), TransferEncoding),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), Length),
        ("HTTP/1.1 101 Switching\r\n\r\n".to_owned(), Interim),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(9), Interim),
        (chunked("x\r\n"), Chunk),
        (chunked("\r\n"), Chunk),
        (chunked("-1\r\n"), Chunk),
        (chunked("0x1\r\n"), Chunk),
        (chunked(" 1\r\n"), Chunk),
        (chunked("1 1\r\n"), Chunk),
        (chunked("1;\0\r\n"), Chunk),
        (chunked("ffffffffffffffffff\r\n"), Chunk),
        (chunked("1\r\nxx\r\n"), Chunk),
        (chunked("1\r\nx\n0\r\n\r\n"), LineEnd),
        (chunked("1\nx\r\n"), LineEnd),
        (chunked("0\r\n bad\r\n\r\n"), Field),
        (chunked("1\r\nx"), Truncated),
        (chunked("1\r\nx\r\n0\r\n"), Truncated),
        (with("content-length: 5") + "hell", Truncated),
        ("HTTP/1.1 200 OK\r\na: b".to_owned(), Truncated),
        (["HTTP/1.1 200 ", &"x".repeat(response::MAX_LINE)].concat(), TooLong),
        (with(&["a: ", &"x".repeat(response::MAX_LINE)].concat()), TooLong),
        (with(&["a: ", &"x".repeat(1000), "\r\n"].concat().repeat(70)), TooLong),
        (with(&"a: b\r\n".repeat(101)), TooLong),
        (chunked(&["1;", &"x".repeat(response::MAX_LINE)].concat()), TooLong),
        (chunked(&["0\r\n", &"a: b\r\n".repeat(20_000)].concat()), TooLong),
    ];
    for (answer, error) in table {
        assert_eq!(read(Expect::Body, &answer), Err(error), "{:?}", &answer[..answer.len().min(100)]);
    }
}

/// A stream that has what was put into it.
#[derive(Default)]
struct Pipe {
    to_read: io::Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.to_read.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn server(to_read: Vec<u8>) -> WebSocket<Pipe> {
    WebSocket::from_raw_socket(Pipe { to_read: io::Cursor::new(to_read), written: Vec::new() }, Role::Server, None)
}

fn theirs(data: &Data) -> tungstenite::Message {
    match data {
        Data::Text(text) => tungstenite::Message::text(text.clone()),
        Data::Binary(bytes) => tungstenite::Message::binary(bytes.clone()),
    }
}

fn data() -> impl Strategy<Value = Data> {
    let length = prop_oneof![0..10_usize, 120..130_usize, 65_530..65_540_usize];
    prop_oneof![
        ".{0,40}".prop_map(Data::Text),
        (length, any::<u8>()).prop_map(|(length, byte)| Data::Binary(vec![byte; length])),
    ]
}

proptest! {
    #[test]
    fn tungstenites_server_reads_what_is_written(messages in prop::collection::vec(data(), 0..4), mask: [u8; 4], ping: [u8; 3]) {
        let mut bytes: Vec<u8> = messages.iter().flat_map(|data| frame::message(data, mask)).collect();
        bytes.extend(frame::pong(&ping, mask));
        bytes.extend(frame::closing(Some(&Close { code: 4000, reason: "bye".to_owned() }), mask));
        let mut server = server(bytes);

        for data in &messages {
            prop_assert_eq!(server.read().unwrap(), theirs(data));
        }
        prop_assert_eq!(server.read().unwrap(), tungstenite::Message::Pong(ping.to_vec().into()));
        let tungstenite::Message::Close(Some(close)) = server.read().unwrap() else { panic!() };
        prop_assert_eq!((u16::from(close.code), close.reason.as_str()), (4000, "bye"));
    }

    #[test]
    fn what_tungstenites_server_writes_is_read(messages in prop::collection::vec(data(), 0..4), cut in 1..100_usize) {
        let mut server = server(Vec::new());
        for data in &messages {
            server.send(theirs(data)).unwrap();
        }
        server.send(tungstenite::Message::Ping(vec![1, 2].into())).unwrap();
        server.close(None).unwrap();
        let written = server.get_ref().written.clone();

        let mut decoder = FrameDecoder::default();
        let mut events = Vec::new();
        for mut piece in written.chunks(cut) {
            while let Some(event) = decoder.decode(&mut piece).unwrap() {
                events.push(event);
            }
        }

        let mut expected: Vec<_> = messages.into_iter().map(Event::Message).collect();
        expected.extend([Event::Ping(vec![1, 2]), Event::Close(None)]);
        prop_assert_eq!(events, expected);
    }
}

fn events(bytes: &[u8]) -> (Vec<Event>, Option<Fault>) {
    let mut decoder = FrameDecoder::default();
    let mut input = bytes;
    let mut events = Vec::new();
    loop {
        match decoder.decode(&mut input) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(fault) => return (events, Some(fault)),
        }
    }
}

#[test]
fn fragments_are_put_together_around_control_frames() {
    let text = |text: &str| Event::Message(Data::Text(text.to_owned()));
    let bytes =
        [&[0x01, 2][..], b"he", &[0x89, 1, b'p'], &[0x00, 2], b"ll", &[0x8a, 0], &[0x80, 1], b"o", &[0x81, 0]].concat();

    assert_eq!(events(&bytes), (vec![Event::Ping(b"p".to_vec()), text("hello"), text("")], None));
    let split = "é".as_bytes();
    let bytes = [&[0x01, 1, split[0]][..], &[0x80, 1, split[1]]].concat();
    assert_eq!(events(&bytes).0, [text("é")], "a letter may be split");
}

#[test]
fn what_the_standard_forbids_is_a_fault() {
    let table: &[(&[u8], Fault)] = &[
        (&[0xc1, 0], Fault::Protocol),                // a reserved bit
        (&[0x83, 0], Fault::Protocol),                // a reserved opcode
        (&[0x8b, 0], Fault::Protocol),                // a reserved control frame
        (&[0x81, 0x80, 0, 0, 0, 0], Fault::Protocol), // masked
        (&[0x09, 0], Fault::Protocol),                // a control frame in fragments
        (&[0x89, 126, 0, 126], Fault::Protocol),      // a control frame that is too long
        (&[0x80, 0], Fault::Protocol),                // nothing to continue
        (&[0x01, 0, 0x81, 0], Fault::Protocol),       // a message within a message
        (&[0x82, 126, 0, 125], Fault::Protocol),      // longer than need be
        (&[0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255], Fault::Protocol),
        (&[0x82, 127, 255, 0, 0, 0, 0, 1, 0, 0], Fault::Protocol), // negative
        (&[0x88, 1, 3], Fault::Protocol),                          // half a code
        (&[0x88, 2, 3, 237], Fault::Protocol),                     // 1005
        (&[0x88, 2, 3, 238], Fault::Protocol),                     // 1006
        (&[0x88, 2, 0, 0], Fault::Protocol),
        (&[0x88, 2, 0x13, 0x88], Fault::Protocol), // 5000
        (&[0x88, 3, 3, 232, 0xff], Fault::Text),
        (&[0x81, 1, 0xff], Fault::Text),
        (&[0x81, 3, 0xed, 0xa0, 0x80], Fault::Text), // half a surrogate pair
        (&[0x82, 127, 0, 0, 0, 0, 1, 0, 0, 1], Fault::TooLong),
        (&[0x02, 1, 0, 0x80, 127, 0, 0, 0, 0, 1, 0, 0, 0], Fault::TooLong),
    ];
    for (bytes, fault) in table {
        assert_eq!(events(bytes), (Vec::new(), Some(*fault)), "{bytes:?}");
    }
}

#[test]
fn nothing_is_read_after_the_end() {
    let (events, fault) = events(&[0x88, 2, 3, 232, 0x81, 1, b'a', 0xff]);

    assert_eq!((events, fault), (vec![Event::Close(Some(Close { code: 1000, reason: String::new() }))], None));
}

#[test]
fn a_reason_is_cut_between_letters() {
    let frame = frame::closing(Some(&Close { code: 1000, reason: "é".repeat(100) }), [0; 4]);

    assert_eq!(usize::from(frame[1] & 0x7f), 2 + 122);
    assert_eq!(std::str::from_utf8(&frame[8..]), Ok("é".repeat(61).as_str()));
}
