//! What `preview --cluster` lets through, with a real `kubectl proxy` and a real API server behind it.
//!
//! Needs `CROSSVIEW_TEST_CLUSTER`, the path of a cluster.json; `cargo xtask test --only cluster` sets it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what surprises a test ends it")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use xtask::cluster;
use xtask::command::ClusterChoice;
use xtask::front_door::FrontDoor;
use xtask::preview::{self, KubectlProxy};

const LIMIT: Duration = Duration::from_secs(30);

/// The door in front of the test cluster, and the `kubectl proxy` that lives as long as it.
struct Preview {
    _kubectl: KubectlProxy,
    host: String,
    prefix: String,
}

impl Preview {
    fn start() -> Self {
        let path = std::env::var_os("CROSSVIEW_TEST_CLUSTER").expect("CROSSVIEW_TEST_CLUSTER is not set");
        let access = cluster::access(Path::new(&path)).unwrap();
        let choice = ClusterChoice { context: None, kubeconfig: Some(access.kubeconfig.into()) };
        let kubectl = KubectlProxy::start(&access.kubectl, &choice).unwrap();
        let door = FrontDoor::listen(0).unwrap();
        let host = door.address().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let prefix = door.prefix().to_owned();
        let _address = preview::open(door, &kubectl, page());
        Self { _kubectl: kubectl, host, prefix }
    }

    /// Sends a request with these fields after Host; the connection, and what came until the end of the head.
    fn send(&self, target: &str, fields: &[(&str, &str)]) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut request = format!("GET {target} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.host));
        }
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        (stream, String::from_utf8(head).unwrap())
    }

    fn get(&self, target: &str, fields: &[(&str, &str)]) -> String {
        let (mut stream, mut answer) = self.send(target, fields);
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn watch(&self, prefix: &str, origin: &str) -> (TcpStream, String) {
        let fields = [
            ("Origin", origin),
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        self.send(&format!("{prefix}api/v1/namespaces?watch=1"), &fields)
    }
}

/// A page's server: it answers everything with the same words.
fn page() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _whatever = stream.read(&mut head);
            let _client_gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe page");
        }
    });
    address
}

/// The payload of the first text frame (RFC 6455 section 5.2) of a server.
fn first_message(stream: &mut TcpStream) -> String {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81, "one whole text frame");
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            usize::from(u16::from_be_bytes(length))
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

#[test]
fn the_page_reaches_the_cluster_by_its_secret_path_alone() {
    let preview = Preview::start();

    let with_prefix = preview.get(&format!("{}version", preview.prefix), &[]);
    let without = preview.get("/version", &[]);
    let wrong = preview.get("/00000000000000000000000000000000/version", &[]);

    assert!(with_prefix.starts_with("HTTP/1.1 200 ") && with_prefix.contains("\"gitVersion\""), "{with_prefix}");
    assert!(without.ends_with("the page"), "{without}");
    assert!(wrong.ends_with("the page"), "{wrong}");
}

#[test]
fn another_origin_or_a_rebound_name_gets_nothing_of_the_cluster() {
    let preview = Preview::start();
    let version = format!("{}version", preview.prefix);

    for fields in [[("Origin", "https://evil.example")], [("Host", "evil.example")], [("Sec-Fetch-Site", "cross-site")]]
    {
        let answer = preview.get(&version, &fields);

        assert!(answer.starts_with("HTTP/1.1 403 "), "{fields:?}: {answer}");
        assert!(!answer.contains("gitVersion"), "{fields:?}: {answer}");
    }
}

#[test]
fn a_watch_over_a_web_socket_is_for_the_page_alone() {
    let preview = Preview::start();
    let own = format!("http://{}", preview.host);

    let (mut stream, accepted) = preview.watch(&preview.prefix, &own);
    assert!(accepted.starts_with("HTTP/1.1 101 "), "{accepted}");
    let event: Value = serde_json::from_str(&first_message(&mut stream)).unwrap();
    assert_eq!(event["type"], "ADDED");
    assert_eq!(event["object"]["kind"], "Namespace");

    let (_stream, foreign) = preview.watch(&preview.prefix, "https://evil.example");
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    let (_stream, unprefixed) = preview.watch("/", &own);
    assert!(!unprefixed.starts_with("HTTP/1.1 101 "), "{unprefixed}");
}

// A watch that nobody reads any more must not stay open at the API server.
#[test]
fn a_closed_watch_is_closed_behind_the_door_too() {
    let preview = Preview::start();
    let (mut stream, accepted) = preview.send(&format!("{}api/v1/namespaces?watch=1", preview.prefix), &[]);
    assert!(accepted.starts_with("HTTP/1.1 200 "), "{accepted}");
    let mut first = [0; 64];
    stream.read_exact(&mut first).unwrap();

    stream.shutdown(std::net::Shutdown::Write).unwrap();

    // The API server ends the response once it learns that the client is gone; without that this times out.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}
