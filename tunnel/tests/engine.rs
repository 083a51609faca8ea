//! What a frame sees of the tunnel, whatever its pods do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

#[path = "support/bench.rs"]
mod bench;

use std::time::Duration;

use bench::{Bench, PORT_BYTES, fetch};
use crossview_tunnel::engine::{CLOSING, IDLE, OPENING, Order, PATIENCE, Reply, SPARED, SharedCache, Told, Trouble};
use crossview_tunnel::policy::{
    MAX_CONNECTIONS, MAX_FETCHES, MAX_HELD, MAX_HELD_IN_ALL, MAX_SOCKETS, MAX_UNSENT, MAX_UNSENT_IN_ALL, WINDOW,
};
use crossview_tunnel::websocket::{Data, frame};

const SECOND: Duration = Duration::from_secs(1);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A bench with one connection to the pod `a` that has answered once.
fn connected() -> (Bench, u32) {
    let mut bench = Bench::new();
    bench.get(0, "/first");
    let connection = bench.connect("a")[0];
    bench.app(connection, OK);
    bench.heard();
    bench.taken(connection);
    (bench, connection)
}

/// A bench with an open WebSocket of the frame's number 1.
fn socket() -> (Bench, u32) {
    let mut bench = Bench::new();
    bench.order(Order::Socket { id: 1, path: "/api/watch".to_owned(), protocols: Vec::new() });
    let connection = bench.connect("a")[0];
    bench.app(connection, SWITCH);
    assert_eq!(bench.heard(), ["1 open \"\""]);
    bench.taken(connection);
    (bench, connection)
}

/// The answer to the key of sixteen sevens.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n\r\n";

/// A frame of ours as the app reads it; the test's mask is sevens.
fn unmasked(sent: &[u8]) -> (u8, Vec<u8>) {
    assert!(sent[1] & 0x80 != 0 && sent[1] & 0x7f < 126, "a short frame, masked");
    (sent[0], sent[6..].iter().map(|byte| byte ^ 7).collect())
}

#[test]
fn a_request_reaches_the_first_pod_with_nothing_but_its_own_words() {
    let mut bench = Bench::new();

    bench.fetch(1, "GET", "/api/config?a=b", &[("Accept", "application/json"), ("Cookie", "x"), ("Host", "evil")]);
    assert_eq!(bench.asked, 1);
    bench.pods(&["a", "b"]);
    let (connection, pod) = bench.connects.pop_front().unwrap();
    assert_eq!(pod, "a");
    bench.open(connection);

    assert_eq!(
        bench.taken(connection),
        "GET /api/config?a=b HTTP/1.1\r\nhost: crossview\r\naccept: application/json\r\naccept-encoding: identity\r\n\r\n"
    );
    bench.app(
        connection,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\n{}",
    );
    let headers =
        vec![("content-type".to_owned(), "application/json".to_owned()), ("content-length".to_owned(), "2".to_owned())];
    assert_eq!(bench.replies.pop_front(), Some(Reply::Head { id: 1, status: 200, reason: "OK".to_owned(), headers }));
    assert_eq!(bench.heard(), ["1 \"{}\"", "1 end"]);
    assert_eq!(bench.told, [Told::Pod("a".to_owned())]);
}

#[test]
fn a_body_goes_with_its_length() {
    let (mut bench, connection) = connected();
    let body = vec![b'x'; 100_000];

    bench.post(1, "/api/things", &body);

    let sent = bench.taken(connection);
    assert!(sent.starts_with("POST /api/things HTTP/1.1\r\n") && sent.contains("\r\ncontent-length: 100000\r\n\r\nx"));
    assert!(sent.len() > 100_000);
    bench.app(connection, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(bench.heard(), ["1 204", "1 end"]);
}

#[test]
fn connections_are_kept_and_shared() {
    let (mut bench, connection) = connected();

    bench.get(1, "/a");
    bench.get(2, "/b");
    assert!(bench.taken(connection).starts_with("GET /a "));
    bench.wait(SPARED);
    let second = bench.connect("a")[0];
    assert!(bench.taken(second).starts_with("GET /b "));
    assert_eq!(bench.asked, 1, "where one pod answers, nobody is asked again");
    bench.app(connection, OK);
    bench.get(3, "/c");

    assert!(bench.taken(connection).starts_with("GET /c "));
    assert_eq!(bench.statistics().connections, 2);
}

#[test]
fn an_answer_that_comes_at_once_spares_a_connection() {
    let (mut bench, connection) = connected();

    bench.get(1, "/a");
    bench.get(2, "/b");
    bench.taken(connection);
    bench.wait(SPARED - Duration::from_millis(1));
    bench.app(connection, OK);

    assert!(bench.taken(connection).starts_with("GET /b "));
    bench.wait(SPARED);
    assert_eq!(bench.statistics().connected, 1);
}

#[test]
fn requests_beyond_the_connections_wait_and_far_beyond_are_refused() {
    let mut bench = Bench::new();
    for id in 0..MAX_FETCHES as u32 {
        bench.get(id, "/a");
    }
    let connections = bench.connect("a");
    assert_eq!(connections.len(), MAX_CONNECTIONS);

    bench.get(MAX_FETCHES as u32, "/b");

    assert_eq!(bench.heard(), ["256 error: too many requests at a time"]);
    assert_eq!(bench.statistics().refused, 1);
    for round in 0..MAX_FETCHES {
        let connection = connections[round % MAX_CONNECTIONS];
        if !bench.taken(connection).is_empty() {
            bench.app(connection, OK);
        }
    }
    assert_eq!(bench.heard().iter().filter(|line| line.ends_with("end")).count(), MAX_FETCHES);
}

#[test]
fn idle_connections_end_after_a_while() {
    let (mut bench, connection) = connected();

    bench.wait(IDLE - SECOND);
    assert!(bench.closed.is_empty());
    bench.wait(2 * SECOND);

    assert_eq!(bench.closed, [connection]);
    assert_eq!(bench.engine.deadline(), None, "nothing is left to wait for");
}

#[test]
fn what_the_app_wants_closed_is_closed() {
    for head in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let (mut bench, connection) = connected();

        bench.get(1, "/");
        bench.app(connection, head);

        assert_eq!(bench.heard(), ["1 200", "1 \"ok\"", "1 end"]);
        assert_eq!(bench.closed, [connection]);
    }
}

#[test]
fn a_response_of_unknown_length_ends_with_its_connection() {
    let (mut bench, connection) = connected();
    bench.get(1, "/");
    bench.app(connection, "HTTP/1.1 200 OK\r\n\r\nhel");
    bench.app(connection, "lo");
    bench.end(connection);

    assert_eq!(bench.heard(), ["1 200", "1 \"hel\"", "1 \"lo\"", "1 end"]);
}

#[test]
fn a_response_that_breaks_off_is_an_error() {
    let (mut bench, connection) = connected();
    bench.get(1, "/");
    bench.app(connection, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel");
    bench.end(connection);

    let heard = bench.heard();
    assert_eq!(heard[2..], ["1 error: the connection ended in the middle of the app's answer"], "{heard:?}");
}

// A server that sends two answers to one question could answer the next one for somebody else.
#[test]
fn nothing_that_comes_unasked_is_taken_for_an_answer() {
    let (mut bench, connection) = connected();
    bench.get(1, "/");
    bench.app(connection, [OK, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"].concat());
    assert_eq!(bench.heard(), ["1 200", "1 \"ok\"", "1 end"]);
    assert_eq!(bench.closed, [connection]);

    let (mut bench, connection) = connected();
    bench.app(connection, "HTTP/1.1 200 OK\r\n");
    bench.get(1, "/");
    assert_eq!(bench.closed, [connection]);
    assert_eq!(bench.taken(connection), "");

    let mut bench = Bench::new();
    bench.get(1, "/");
    bench.pods(&["a"]);
    let (connection, _) = bench.connects.pop_front().unwrap();
    bench.message(connection, &[&[0], &PORT_BYTES[..], OK.as_bytes()].concat());
    assert_eq!(bench.closed, [connection]);
    assert!(bench.heard().is_empty());
}

// The app ends connections that idle when it likes, so the first request after a while may meet a closed door.
#[test]
fn a_safe_request_is_repeated_once_on_a_new_connection() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.taken(connection);

    bench.end(connection);
    let second = bench.connect("a")[0];

    assert!(bench.taken(second).starts_with("GET /a "));
    bench.end(second);
    assert_eq!(bench.heard(), ["1 error: the port-forward to the pod a ended (1006)"]);
    assert!(bench.connects.is_empty());
}

#[test]
fn a_request_that_is_repeated_takes_no_other_old_connection() {
    let (mut bench, first) = connected();
    bench.get(1, "/a");
    bench.get(2, "/b");
    bench.wait(SPARED);
    let second = bench.connect("a")[0];
    bench.app(second, OK);
    bench.taken(second);

    bench.end(first);

    assert_eq!(bench.taken(second), "", "it may be as dead");
    let third = bench.connect("a")[0];
    assert!(bench.taken(third).starts_with("GET /a "));
}

#[test]
fn a_request_that_may_have_been_carried_out_is_not_repeated() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let (mut bench, connection) = connected();
        bench.fetch(1, method, "/a", &[]);

        bench.end(connection);

        assert_eq!(bench.heard(), ["1 error: the connection ended before the app answered"], "{method}");
        assert!(bench.connects.is_empty());
    }
}

#[test]
fn a_response_that_has_begun_is_not_repeated() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(connection, "H");

    bench.end(connection);

    assert_eq!(bench.heard(), ["1 error: the connection ended in the middle of the app's answer"]);
}

#[test]
fn when_a_pod_goes_the_next_one_is_taken() {
    let (mut bench, connection) = connected();
    bench.end(connection);
    bench.wait(5 * SECOND);

    bench.get(1, "/a");
    bench.pods(&["a", "b"]);
    let (connection, pod) = bench.connects.pop_front().unwrap();
    assert_eq!(pod, "a");
    bench.end(connection);
    bench.pods(&["a", "b"]);
    let (connection, pod) = bench.connects.pop_front().unwrap();
    assert_eq!(pod, "b");
    bench.open(connection);
    bench.app(connection, OK);

    assert_eq!(bench.heard(), ["1 200", "1 \"ok\"", "1 end"]);
    assert_eq!(bench.asked, 3);
    let closed = Trouble::Closed { pod: "a".to_owned(), code: 1006, reason: String::new() };
    assert_eq!(bench.told, [Told::Pod("a".to_owned()), Told::Trouble(closed), Told::Pod("b".to_owned())]);
}

#[test]
fn what_kubelet_says_is_told_and_the_request_tried_again() {
    let mut bench = Bench::new();
    bench.get(1, "/a");
    let connection = bench.connect("a")[0];

    bench.kubelet(connection, "connection refused");

    assert_eq!(bench.closed, [connection]);
    assert_eq!(bench.told.last().map(told), Some("the pod a takes no connection: connection refused".to_owned()));
    bench.pods(&["a"]);
    assert!(bench.connects.is_empty(), "not before a while");
    bench.wait(SECOND);
    let connection = bench.connect("a")[0];
    bench.app(connection, OK);
    assert_eq!(bench.heard(), ["1 200", "1 \"ok\"", "1 end"]);
    assert_eq!(bench.told.last(), Some(&Told::Pod("a".to_owned())));
}

fn told(told: &Told) -> String {
    match told {
        Told::Pod(pod) => pod.clone(),
        Told::Trouble(trouble) => trouble.to_string(),
    }
}

#[test]
fn who_finds_no_pod_waits_and_is_told_in_the_end() {
    let mut bench = Bench::new();
    bench.get(1, "/a");
    let mut asked = 0;
    while bench.replies.is_empty() {
        assert!(bench.now < PATIENCE * 3, "it ends");
        if bench.asked > asked {
            asked = bench.asked;
            bench.pods(&[]);
        }
        bench.wait(SECOND / 10);
    }

    assert!(bench.now >= PATIENCE);
    assert!((4..12).contains(&asked), "it backs off: {asked}");
    assert_eq!(bench.heard(), ["1 error: no pod of Crossview is ready"]);
    assert_eq!(bench.told, [Told::Trouble(Trouble::NoPod)]);
    assert_eq!(bench.engine.deadline(), None, "nobody asks where nobody waits");
}

// The timer of a wait went off again and again while the request had a connection in sight.
#[test]
fn a_wait_that_is_over_wakes_nobody_again() {
    let mut bench = Bench::new();
    bench.get(1, "/a");
    bench.pods(&["a"]);
    bench.wait(3 * SECOND);
    bench.get(2, "/b");
    bench.no_pods("forbidden");
    bench.order(Order::Cancel { id: 1 });

    bench.wait(SECOND);

    assert_eq!(bench.engine.deadline(), Some(OPENING));
}

#[test]
fn why_the_pods_cannot_be_read_is_told() {
    let mut bench = Bench::new();
    bench.get(1, "/a");
    bench.no_pods("forbidden");
    assert_eq!(bench.told.last().map(told), Some("the pods can't be read: forbidden".to_owned()));

    bench.wait(SECOND);
    bench.wait(20 * SECOND);

    assert_eq!(bench.told.last().map(told), Some("the pods can't be read: no answer".to_owned()));
}

#[test]
fn a_port_forward_that_does_not_open_is_given_up() {
    let mut bench = Bench::new();
    bench.get(1, "/a");
    bench.pods(&["a", "b"]);
    let (connection, _) = bench.connects.pop_front().unwrap();

    bench.wait(OPENING);
    bench.pods(&["a", "b"]);

    assert_eq!(bench.closed, [connection]);
    assert_eq!(bench.connects.pop_front().unwrap().1, "b");
    assert_eq!(bench.told.last().map(told), Some("the port-forward to the pod a does not open".to_owned()));
}

#[test]
fn another_port_than_the_one_asked_for_is_not_listened_to() {
    let mut bench = Bench::new();
    bench.get(1, "/a");
    bench.pods(&["a"]);
    let (connection, _) = bench.connects.pop_front().unwrap();

    bench.engine.opened(connection, bench.now);
    bench.message(connection, &[0, 1, 2]);

    assert_eq!(bench.closed, [connection]);
    assert_eq!(bench.told.last().map(told), Some("the API server forwards another port".to_owned()));
}

#[test]
fn a_cancelled_request_frees_its_connection_and_says_nothing() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(connection, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx");
    bench.heard();

    bench.order(Order::Cancel { id: 1 });

    assert_eq!(bench.closed, [connection]);
    assert!(bench.heard().is_empty());
    bench.taken(connection);
    bench.get(2, "/b");
    bench.order(Order::Cancel { id: 2 });
    assert_eq!(bench.connect("a").len(), 1, "it was on its way");
    assert!(bench.sent.is_empty(), "but nobody asks for anything any more");
}

#[test]
fn a_frame_that_does_not_read_is_sent_no_more_than_a_window() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(connection, "HTTP/1.1 200 OK\r\ncontent-length: 4194304\r\n\r\n");
    for _ in 0..64 {
        bench.app(connection, vec![b'x'; 65536]);
    }

    assert_eq!(bench.heard().len(), 1 + WINDOW / 65536);
    bench.taken(connection);
    bench.get(2, "/b");
    assert!(bench.taken(connection).starts_with("GET /b "), "the connection is free, the answer kept");
    let mut heard = Vec::new();
    for _ in 0..48 {
        bench.order(Order::Ack { id: 1, bytes: 65536 });
        heard.extend(bench.heard());
    }
    let mut expected = vec!["1 262144 bytes"; 12];
    expected.push("1 end");
    assert_eq!(heard, expected);
}

// An app that flushed after each letter cost the frame a message for each, and the tunnel an allocation.
#[test]
fn an_answer_in_crumbs_is_handed_over_in_pieces() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(
        connection,
        ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &"1\r\nx\r\n".repeat(5000)].concat(),
    );
    bench.app(connection, "1\r\ny\r\n0\r\n\r\n");

    assert_eq!(bench.heard(), ["1 200", "1 5000 bytes", "1 \"y\"", "1 end"]);
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(connection, "HTTP/1.1 200 OK\r\n\r\n");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..=MAX_HELD >> 20 {
        bench.app(connection, &piece);
    }
    assert!(bench.closed.is_empty());

    bench.app(connection, &piece);

    let last = bench.heard().pop();
    assert_eq!(
        last.as_deref(),
        Some("1 error: the page does not read the app's answer, and it is too long to be kept")
    );
    assert_eq!(bench.closed, [connection]);
}

// A frame that asked again and again for what is kept, and took none of it, had it copied each time.
#[test]
fn answers_from_memory_that_nobody_reads_are_given_up_too() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(
        connection,
        format!("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: {}\r\n\r\n", 7 << 20),
    );
    bench.app(connection, vec![b'x'; 7 << 20]);
    bench.order(Order::Ack { id: 1, bytes: 7 << 20 });
    bench.heard();

    for id in 2..20 {
        bench.get(id, "/a");
    }

    let words = "error: the page does not read the app's answer, and it is too long to be kept";
    let heard = bench.heard();
    let failed = heard.iter().filter(|line| line.ends_with(words)).count();
    assert_eq!(failed, 18 - MAX_HELD_IN_ALL / (6 << 20), "{heard:?}");
}

#[test]
fn what_the_policy_refuses_reaches_nobody() {
    let (mut bench, connection) = connected();
    let long = "a".repeat(20_000);
    let refused = [
        fetch(1, "CONNECT", "/", &[], None),
        fetch(1, "get", "/", &[], None),
        fetch(1, "GET", "/../secrets", &[], None),
        fetch(1, "GET", "http://evil.example/", &[], None),
        fetch(1, "GET", "/ HTTP/1.1\r\nHost: evil\r\n\r\n", &[], None),
        fetch(1, "GET", "/", &[("accept", "a\r\nhost: evil")], None),
        fetch(1, "GET", "/", &[("accept", &long)], None),
        fetch(1, "GET", "/", &[], Some(vec![1])),
        fetch(1, "POST", "/", &[], Some(vec![0; (32 << 20) + 1])),
        Order::Unreadable { id: 1 },
    ];
    for (at, order) in refused.into_iter().enumerate() {
        bench.order(order);

        let heard = bench.heard();
        assert!(matches!(heard.as_slice(), [one] if one.starts_with("1 error: ")), "{at}: {heard:?}");
    }
    for protocols in [vec!["a b".to_owned()], vec![String::new()], vec!["a".to_owned(), "a".to_owned()]] {
        bench.order(Order::Socket { id: 1, path: "/".to_owned(), protocols });
        assert_eq!(bench.heard(), ["1 closed 1006 \"a subprotocol is not allowed\" unclean"]);
    }
    bench.order(Order::Socket { id: 1, path: "//evil".to_owned(), protocols: Vec::new() });
    assert!(bench.heard()[0].starts_with("1 closed 1006 "));
    assert_eq!(bench.taken(connection), "");
    assert_eq!(bench.statistics().refused, 14);
    assert_eq!(bench.statistics().requests, 1);
}

#[test]
fn bodies_that_wait_are_bounded_together() {
    let mut bench = Bench::new();
    let body = vec![0; 20 << 20];
    bench.post(1, "/a", &body);
    bench.post(2, "/a", &body);

    assert_eq!(bench.heard(), ["2 error: too much is being sent at a time"]);
}

#[test]
fn a_number_that_is_in_use_is_not_used_again() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.get(1, "/b");
    bench.app(connection, OK);

    assert_eq!(bench.heard(), ["1 200", "1 \"ok\"", "1 end"]);
    assert_eq!(bench.statistics().refused, 1);
}

#[test]
fn a_redirect_is_passed_on_within_the_app_and_never_followed() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(connection, "HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n");
    let Some(Reply::Head { status: 302, headers, .. }) = bench.replies.pop_front() else { panic!() };
    assert!(headers.contains(&("location".to_owned(), "/login".to_owned())));
    assert_eq!(bench.heard(), ["1 end"]);

    bench.get(2, "/a");
    bench.taken(connection);
    bench.app(connection, "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\n\r\n");

    let words = "2 error: the app redirects to another place, which the tunnel does not follow";
    assert_eq!(bench.heard(), [words]);
    assert_eq!(bench.closed, [connection]);
    assert!(bench.connects.is_empty() && bench.sent.is_empty());
}

#[test]
fn what_the_app_lets_be_kept_is_asked_for_once() {
    let cache = SharedCache::default();
    let mut bench = Bench::with(cache.clone(), "app");
    bench.get(1, "/assets/a.js");
    let connection = bench.connect("a")[0];
    bench.app(connection, "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 5\r\n\r\nhello");
    bench.heard();

    let mut again = Bench::with(cache.clone(), "app");
    again.get(7, "/assets/a.js");
    assert_eq!(again.heard(), ["7 200", "7 \"hello\"", "7 end"]);
    assert_eq!((again.asked, again.statistics().cached), (0, 1));

    let mut other = Bench::with(cache, "another app");
    other.get(1, "/assets/a.js");
    assert_eq!(other.asked, 1, "apps don't share");
    again.now = 60 * SECOND;
    again.get(8, "/assets/a.js");
    assert_eq!(again.asked, 1, "too old");
    again.get(9, "/assets/a.js?b");
    assert!(again.heard().is_empty());
}

#[test]
fn what_may_have_changed_is_asked_about() {
    let (mut bench, connection) = connected();
    bench.get(1, "/");
    bench.app(connection, "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 5\r\n\r\nhello");
    bench.taken(connection);
    bench.heard();

    bench.get(2, "/");
    assert!(bench.taken(connection).contains("\r\nif-none-match: \"1\"\r\n"));
    bench.app(connection, "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n");
    assert_eq!(bench.heard(), ["2 200", "2 \"hello\"", "2 end"]);

    bench.get(3, "/");
    bench.app(connection, "HTTP/1.1 200 OK\r\netag: \"2\"\r\ncontent-length: 3\r\n\r\nnew");
    assert_eq!(bench.heard(), ["3 200", "3 \"new\"", "3 end"]);
    bench.taken(connection);
    bench.get(4, "/");
    assert!(bench.taken(connection).contains("\r\nif-none-match: \"2\"\r\n"));
}

#[test]
fn a_frame_with_a_cache_of_its_own_gets_its_own_304() {
    let (mut bench, connection) = connected();
    bench.fetch(1, "GET", "/", &[("if-none-match", "\"9\"")]);
    bench.app(connection, "HTTP/1.1 304 Not Modified\r\n\r\n");

    assert_eq!(bench.heard(), ["1 304", "1 end"]);
}

#[test]
fn what_was_changed_is_forgotten() {
    let (mut bench, connection) = connected();
    bench.get(1, "/thing");
    bench.app(connection, "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 3\r\n\r\nold");
    bench.post(2, "/thing", b"new");
    bench.app(connection, OK);
    bench.taken(connection);

    bench.get(3, "/thing");

    assert!(bench.taken(connection).starts_with("GET /thing "));
}

#[test]
fn half_an_answer_is_not_kept() {
    let (mut bench, connection) = connected();
    bench.get(1, "/a");
    bench.app(connection, "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 9\r\n\r\nhal");
    bench.end(connection);
    bench.heard();

    bench.get(2, "/a");

    assert!(bench.heard().is_empty());
}

#[test]
fn compressed_and_plain_answers_are_kept_apart() {
    let (mut bench, connection) = connected();
    bench.fetch(1, "GET", "/a", &[("accept-encoding", "gzip")]);
    assert!(bench.taken(connection).contains("\r\naccept-encoding: gzip\r\n"));
    let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\nvary: accept-encoding\r\ncontent-encoding: gzip\r\n";
    bench.app(connection, [head, "content-length: 3\r\n\r\nzip"].concat());
    bench.heard();

    bench.fetch(2, "GET", "/a", &[("accept-encoding", "gzip")]);
    assert_eq!(bench.heard(), ["2 200", "2 \"zip\"", "2 end"]);
    bench.get(3, "/a");
    assert!(bench.taken(connection).contains("\r\naccept-encoding: identity\r\n"));
}

#[test]
fn a_websocket_of_the_app_carries_messages_both_ways() {
    let (mut bench, connection) = socket();

    bench.order(Order::SocketSend { id: 1, data: Data::Text("hi".to_owned()) });
    assert_eq!(unmasked(&bench.sent.remove(&connection).unwrap()), (0x81, b"hi".to_vec()));
    bench.app(connection, [0x81, 2, b'y', b'o', 0x02, 1, 1, 0x89, 1, b'?', 0x80, 1, 2]);

    let text = format!("1 {:?}", Data::Text("yo".to_owned()));
    let binary = format!("1 {:?}", Data::Binary(vec![1, 2]));
    assert_eq!(bench.heard(), [text, binary]);
    assert_eq!(unmasked(&bench.sent.remove(&connection).unwrap()), (0x8a, b"?".to_vec()), "pong");
    assert_eq!(bench.statistics().sockets, 1);
}

#[test]
fn the_first_messages_may_come_with_the_handshake() {
    let mut bench = Bench::new();
    bench.order(Order::Socket { id: 1, path: "/api/watch".to_owned(), protocols: vec!["v1".to_owned()] });
    let connection = bench.connect("a")[0];
    let request = bench.taken(connection);
    assert!(request.starts_with("GET /api/watch HTTP/1.1\r\nhost: crossview\r\n"), "{request}");
    assert!(request.contains("sec-websocket-protocol: v1\r\n") && !request.to_lowercase().contains("origin"));
    let answer = SWITCH.replace("Upgrade: web", "Sec-WebSocket-Protocol: v1\r\nUpgrade: web");

    bench.app(connection, [answer.as_bytes(), &[0x81, 1, b'a']].concat());

    assert_eq!(bench.heard(), ["1 open \"v1\"", &format!("1 {:?}", Data::Text("a".to_owned()))]);
}

#[test]
fn an_answer_that_opens_no_websocket_closes_it() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 403 Forbidden\r\n\r\n".to_owned(),
        SWITCH.replace("CdXS", "XXXX"),
        "nonsense\r\n".to_owned(),
    ] {
        let mut bench = Bench::new();
        bench.order(Order::Socket { id: 1, path: "/".to_owned(), protocols: Vec::new() });
        let connection = bench.connect("a")[0];
        bench.app(connection, &answer);

        let heard = bench.heard();
        assert!(heard[0].starts_with("1 closed 1006 ") && heard[0].ends_with(" unclean"), "{heard:?}");
        assert_eq!(bench.closed, [connection]);
    }
}

#[test]
fn the_app_ends_a_websocket() {
    let (mut bench, connection) = socket();
    bench.app(connection, [&[0x88, 5, 0x0f, 0xa1][..], b"bye"].concat());

    assert_eq!(bench.heard(), ["1 closed 4001 \"bye\""]);
    assert_eq!(unmasked(&bench.sent.remove(&connection).unwrap()), (0x88, vec![0x0f, 0xa1]), "the answer");
    assert_eq!(bench.closed, [connection]);

    let (mut bench, connection) = socket();
    bench.app(connection, [0x88, 0]);
    assert_eq!(bench.heard(), ["1 closed 1005 \"\""]);
    let (mut bench, connection) = socket();
    bench.end(connection);
    assert_eq!(bench.heard(), ["1 closed 1006 \"the port-forward to the pod a ended (1006)\" unclean"]);
}

#[test]
fn the_frame_ends_a_websocket() {
    let (mut bench, connection) = socket();
    bench.order(Order::SocketClose { id: 1, code: Some(4000), reason: "done".to_owned() });
    let closing = [&4000_u16.to_be_bytes()[..], b"done"].concat();
    assert_eq!(unmasked(&bench.sent.remove(&connection).unwrap()), (0x88, closing));
    bench.app(connection, [0x81, 1, b'a']);
    bench.order(Order::SocketSend { id: 1, data: Data::Text("late".to_owned()) });
    assert!(bench.heard().is_empty() && bench.sent.is_empty());

    bench.app(connection, [0x88, 2, 0x0f, 0xa0]);

    assert_eq!(bench.heard(), ["1 closed 4000 \"\""]);
    assert_eq!(bench.closed, [connection]);
    assert!(bench.sent.is_empty(), "one end from each side");
}

#[test]
fn an_app_that_does_not_answer_the_end_is_left() {
    let (mut bench, connection) = socket();
    bench.order(Order::SocketClose { id: 1, code: None, reason: String::new() });

    bench.wait(CLOSING);

    assert_eq!(bench.heard(), ["1 closed 1006 \"\" unclean"]);
    assert_eq!(bench.closed, [connection]);
}

#[test]
fn a_websocket_that_breaks_the_rules_is_ended_with_the_code_for_it() {
    for (bytes, code) in [
        (&[0x83, 0][..], 1002),
        (&[0x81, 0x81], 1002),
        (&[0x81, 1, 0xff], 1007),
        (&[0x82, 127, 0, 0, 0, 0, 1, 0, 0, 1], 1009),
    ] {
        let (mut bench, connection) = socket();
        bench.app(connection, bytes);

        let (opcode, payload) = unmasked(&bench.sent.remove(&connection).unwrap());
        assert_eq!((opcode, u16::from_be_bytes([payload[0], payload[1]])), (0x88, code));
        assert!(bench.heard()[0].starts_with("1 closed 1006 "));
        assert_eq!(bench.closed, [connection]);
    }
}

// A browser takes all that it is given to send, and says only how much of it is left.
#[test]
fn what_the_app_does_not_take_is_not_kept_for_ever() {
    let (mut bench, connection) = socket();
    let message = || Order::SocketSend { id: 1, data: Data::Text("m".to_owned()) };

    bench.engine.set_unsent([(connection, MAX_UNSENT - 1)]);
    bench.order(message());
    assert_eq!(unmasked(&bench.sent.remove(&connection).unwrap()), (0x81, b"m".to_vec()));
    bench.engine.set_unsent([(connection, MAX_UNSENT + 1)]);
    bench.app(connection, [0x89, 1, b'p']);
    assert_eq!(bench.taken(connection), "", "no answer to a ping of whom doesn't listen");
    bench.order(message());

    let closed = "1 closed 1006 \"the app does not take what it is sent, and it is too much to be kept\" unclean";
    assert_eq!(bench.heard(), [closed]);
    assert_eq!(bench.closed, [connection]);
    assert_eq!(bench.statistics().sockets, 0);
}

#[test]
fn one_that_does_not_take_what_it_is_sent_is_no_harm_to_the_others_but_for_the_most_there_may_be() {
    let (mut bench, connection) = socket();
    let message = || Order::SocketSend { id: 1, data: Data::Text("m".to_owned()) };
    let closed_before = connection + 100;

    bench.engine.set_unsent([(connection, 0), (closed_before, MAX_UNSENT_IN_ALL - 1)]);
    bench.order(message());
    assert_eq!(unmasked(&bench.sent.remove(&connection).unwrap()), (0x81, b"m".to_vec()));
    bench.engine.set_unsent([(connection, 0), (closed_before, MAX_UNSENT_IN_ALL)]);
    bench.get(2, "/api/health");
    bench.post(3, "/api/things", b"x");
    bench.order(message());

    let closed = "1 closed 1006 \"the app does not take what it is sent, and it is too much to be kept\" unclean";
    assert_eq!(bench.heard(), ["3 error: too much is being sent at a time", closed]);
}

#[test]
fn only_so_many_websockets_are_open_and_requests_go_on_beside_them() {
    let mut bench = Bench::new();
    let mut connections = Vec::new();
    for id in 0..MAX_SOCKETS as u32 {
        bench.order(Order::Socket { id, path: "/w".to_owned(), protocols: Vec::new() });
        let connection = bench.connect("a")[0];
        bench.app(connection, SWITCH);
        connections.push(connection);
    }
    bench.heard();

    bench.order(Order::Socket { id: 99, path: "/w".to_owned(), protocols: Vec::new() });
    assert_eq!(bench.heard(), ["99 closed 1006 \"too many requests at a time\" unclean"]);
    bench.get(1, "/a");
    let connection = bench.connect("a")[0];
    bench.app(connection, OK);

    assert_eq!(bench.heard(), ["1 200", "1 \"ok\"", "1 end"]);
    assert_eq!(bench.statistics().sockets as usize, MAX_SOCKETS);
}

#[test]
fn a_message_that_is_too_long_is_not_sent() {
    let (mut bench, _) = socket();
    bench.order(Order::SocketSend { id: 1, data: Data::Binary(vec![0; frame::MAX_MESSAGE + 1]) });

    assert!(bench.sent.is_empty());
    assert_eq!(bench.statistics().refused, 1);
}

#[test]
fn closing_the_tunnel_leaves_nothing() {
    let (mut bench, connection) = socket();
    bench.get(1, "/a");
    bench.pods(&["a"]);
    let (opening, _) = bench.connects.pop_front().unwrap();

    bench.engine.close();
    bench.drain();
    bench.get(2, "/b");
    bench.open(opening);
    bench.app(connection, [0x81, 1, b'a']);
    bench.pods(&["a"]);

    bench.closed.sort_unstable();
    assert_eq!(bench.closed, [connection, opening]);
    assert!(bench.heard().is_empty() && bench.sent.is_empty() && bench.connects.is_empty());
    assert_eq!(bench.engine.deadline(), None);
    assert_eq!(bench.statistics().connections, 0);
}
