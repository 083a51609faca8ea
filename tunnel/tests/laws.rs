//! What holds for any bytes, tried on bytes made of what breaks parsers. `cargo xtask test --long` tries a hundred thousand
//! of each, the fuzz targets go on as long as they are let.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

#[path = "support/exercise.rs"]
mod exercise;

use proptest::prelude::*;

/// Pieces of HTTP, right and wrong.
fn http() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 304 Not Modified\r\n",
        "HTTP/1.0 200\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n",
        "HTTP/1.1 099 X\r\n",
        "HTTP/1.1 600 X\r\n",
        "HTTP/2 200 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 200\tOK\r\n",
        "content-length: 5\r\n",
        "Content-Length: 0\r\n",
        "content-length: 5, 5\r\n",
        "content-length: +5\r\n",
        "content-length: 9007199254740992\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length:\r\n",
        "transfer-encoding: chunked\r\n",
        "Transfer-Encoding: CHUNKED\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding : chunked\r\n",
        "connection: close\r\n",
        "connection: keep-alive, Close\r\n",
        " folded\r\n",
        "a: \tb \t\r\n",
        "a:\r\n",
        ": b\r\n",
        "a b: c\r\n",
        "a: b\nc: d\r\n",
        "a: b\rc\r\n",
        "a: \0\r\n",
        "é: b\r\n",
        "a: é\r\n",
        "x",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "hello",
        "5\r\nhello\r\n",
        "5;a=b\r\nhello\r\n",
        "5 ; a\r\nhello\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "0;x\r\ntrailer: y\r\n\r\n",
        "00000000000000000000005\r\nhello\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "-1\r\n",
        "0x5\r\n",
        "g\r\n",
        "5\nhello\r\n",
        "5\r\nhelloworld\r\n",
    ]);
    prop::collection::vec(parts, 0..10).prop_map(|parts| parts.concat().into_bytes())
}

/// A response that begins well.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 2]>(), prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n"]), http())
        .prop_map(|(start, line, rest)| [&start, line.as_bytes(), &rest].concat())
}

/// Frames of a server, right and wrong.
fn websocket() -> impl Strategy<Value = Vec<u8>> {
    let heads = prop::sample::select(vec![
        vec![0x81, 2],
        vec![0x82, 3],
        vec![0x01, 1],
        vec![0x80, 1],
        vec![0x00, 0],
        vec![0x89, 0],
        vec![0x89, 4],
        vec![0x8a, 1],
        vec![0x88, 0],
        vec![0x88, 2, 0x03, 0xe8],
        vec![0x88, 4, 0x03, 0xe9],
        vec![0x88, 1],
        vec![0x88, 2, 0x03, 0xed],
        vec![0x81, 126, 0, 200],
        vec![0x81, 126, 0, 5],
        vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0],
        vec![0x82, 127, 0, 0, 0, 0, 0, 0, 0, 9],
        vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 9],
        vec![0x82, 127, 0, 0, 0, 9],
        vec![0x81, 0x82],
        vec![0xc1, 1],
        vec![0x83, 1],
        vec![0x09, 1],
        vec![0x89, 126, 0, 126],
        vec![],
    ]);
    let frame = (heads, prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..6));
    (any::<u8>(), prop::collection::vec(frame, 0..8)).prop_map(|(cut, frames)| {
        let frames = frames.into_iter().flat_map(|(head, payload)| [head, payload].concat());
        std::iter::once(cut).chain(frames).collect()
    })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

proptest! {
    #[test]
    fn any_bytes_end_in_the_events_of_a_response_or_in_an_error(input in prop_oneof![4 => plausible(), 1 => bytes(200)]) {
        exercise::response(&input);
    }

    #[test]
    fn any_bytes_end_in_the_events_of_a_websocket_or_in_a_fault(input in prop_oneof![4 => websocket(), 1 => bytes(200)]) {
        exercise::frames(&input);
    }

    #[test]
    fn any_messages_are_those_of_a_port_forward_or_not(input in bytes(200)) {
        exercise::forward(&input);
    }

    #[test]
    fn any_texts_are_allowed_or_refused(input in bytes(200)) {
        exercise::policy(&input);
    }

    #[test]
    fn any_events_leave_an_engine_that_keeps_its_word(input in bytes(1500)) {
        exercise::engine(&input);
    }
}
