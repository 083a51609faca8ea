//! Laws that hold for any bytes; the properties of tests/laws.rs and the fuzz targets of fuzz/ hold the tunnel to them.

use std::time::Duration;

use crossview_tunnel::engine::{Action, Engine, Order, Reply, SharedCache};
use crossview_tunnel::forward::{ForwardDecoder, Piece};
use crossview_tunnel::http::response::{self, Event, Expect, HttpError, ResponseDecoder};
use crossview_tunnel::policy::{self, path};
use crossview_tunnel::websocket::{Data, frame};

/// Takes pieces off the front; what is missing is zero.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte());
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}

/// What a decoder says in the end, without where its data was cut.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub head: Option<response::Head>,
    pub body: Vec<u8>,
    /// Whether it was whole, and the connection is good for another.
    pub end: Option<bool>,
    pub failed: bool,
    /// What was left of the input.
    pub left: Vec<u8>,
}

/// Reads `input` in pieces of these lengths, over and over.
pub fn hear(expect: Expect, input: &[u8], pieces: &[usize], close: bool) -> (Heard, Option<HttpError>) {
    let mut decoder = ResponseDecoder::new(expect);
    let mut heard = Heard::default();
    let mut lengths = pieces.iter().copied().cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(lengths.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        rest = behind;
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(Event::Head(head))) => assert!(heard.head.replace(head).is_none(), "one head"),
                Ok(Some(Event::Data(data))) => {
                    assert!(heard.head.is_some() && heard.end.is_none() && !data.is_empty());
                    heard.body.extend_from_slice(data);
                }
                Ok(Some(Event::End { reusable })) => assert!(heard.end.replace(reusable).is_none(), "one end"),
                Ok(None) => break,
                Err(error) => {
                    heard.failed = true;
                    assert_eq!(decoder.decode(&mut &b"HTTP/1.1 200 OK\r\n\r\n"[..]), Ok(None), "it is over");
                    return (heard, Some(error));
                }
            }
        }
        heard.left.extend_from_slice(piece);
    }
    if close && heard.end.is_none() {
        match decoder.close() {
            Ok(true) => heard.end = Some(false),
            Ok(false) => assert!(input.is_empty()),
            Err(error) => {
                heard.failed = true;
                return (heard, Some(error));
            }
        }
    }
    (heard, None)
}

/// The first two bytes say what is expected and how the rest is cut.
pub fn response(input: &[u8]) {
    let mut input = Bytes(input);
    let expect = [Expect::Body, Expect::NoBody, Expect::Upgrade][usize::from(input.byte() % 3)];
    let cut = usize::from(input.byte());
    let input = input.0;

    let (whole, _) = hear(expect, input, &[], true);
    let (split, _) = hear(expect, input, &[cut % 7 + 1, cut % 31 + 1, 1], true);

    assert_eq!(whole.failed, split.failed);
    if whole.failed {
        // Nothing is claimed before its time.
        assert!(whole.end.is_none() && split.end.is_none());
    } else {
        assert_eq!(whole, split);
    }
    let Some(head) = &whole.head else { return };
    assert!(head.status == 101 || (200..600).contains(&head.status));
    for (name, value) in head.headers.as_slice() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(!value.contains(['\r', '\n', '\0']) && value.trim_matches([' ', '\t']) == value);
    }
    // Whoever reads a head differently finds another end.
    let mut headers = [httparse::EMPTY_HEADER; response::MAX_FIELDS];
    let mut other = httparse::Response::new(&mut headers);
    let start = final_head(input);
    if let Ok(status) = other.parse(start) {
        assert!(status.is_complete());
        assert_eq!(other.code, Some(head.status));
        assert_eq!(other.headers.len(), head.headers.as_slice().len());
        for (theirs, (name, value)) in other.headers.iter().zip(head.headers.as_slice()) {
            assert_eq!(theirs.name.to_ascii_lowercase(), *name);
            assert_eq!(theirs.value, value.chars().map(|letter| letter as u8).collect::<Vec<_>>());
        }
    } else {
        panic!("httparse doesn't accept what we do: {:?}", String::from_utf8_lossy(start));
    }
}

/// What is behind the interim responses.
fn final_head(mut input: &[u8]) -> &[u8] {
    while let Some(b'1') = input.get(9)
        && !input[9..].starts_with(b"101")
    {
        let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else { break };
        input = &input[end + 4..];
    }
    input
}

/// The first byte says how the rest is cut.
pub fn frames(input: &[u8]) {
    let mut input = Bytes(input);
    let cut = usize::from(input.byte()) + 1;
    let read = |pieces: std::slice::Chunks<'_, u8>| {
        let mut decoder = frame::FrameDecoder::default();
        let mut events = Vec::new();
        for mut piece in pieces {
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(fault) => return (events, Some(fault)),
                }
            }
        }
        (events, None)
    };
    let whole = read(input.0.chunks(usize::MAX));
    assert_eq!(whole, read(input.0.chunks(cut)));
    assert_eq!(whole, read(input.0.chunks(1)));
    for (at, event) in whole.0.iter().enumerate() {
        match event {
            frame::Event::Close(close) => {
                assert_eq!(at + 1, whole.0.len(), "nothing after the end");
                assert!(close.as_ref().is_none_or(|close| frame::may_be_sent(close.code)));
            }
            frame::Event::Ping(payload) => assert!(payload.len() <= 125),
            frame::Event::Message(_) => {}
        }
    }
}

/// Texts, as paths, as redirects, as headers and as protocols.
pub fn policy(input: &[u8]) {
    let mut input = Bytes(input);
    let (text, other) = (input.text(), input.text());
    if let Ok(path) = text.parse::<path::AppPath>() {
        assert_eq!(path.as_str(), text);
        assert!(text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|byte| byte.is_ascii_graphic()));
        let url = url::Url::parse("http://crossview").unwrap().join(&text).unwrap();
        assert_eq!((url.host_str(), url.port()), (Some("crossview"), None));
        assert_eq!(url.path().matches('/').count(), path.without_query().matches('/').count());
        if let Ok(joined) = path.join(&other) {
            assert_eq!(joined.as_str().parse(), Ok(joined.clone()));
        }
    }
    if let Ok(allowed) = policy::fetch("POST", "/", &[(text.clone(), other.clone()), ("accept".into(), other)], None) {
        for (name, value) in allowed.asked.to_send() {
            assert!(!name.contains(['\r', '\n', ':', ' ']) && !value.contains(['\r', '\n', '\0']));
        }
    }
    let _ = policy::protocols(&[text]);
}

/// A frame, an API server and an app that say whatever they like, in any order.
pub fn engine(input: &[u8]) {
    let mut input = Bytes(input);
    let cache = SharedCache::default();
    let mut engine = Engine::new(3001, |bytes| bytes.fill(7), cache.clone(), "app");
    let mut now = Duration::ZERO;
    let mut last = 0;
    let mut world = World::default();
    while !input.0.is_empty() {
        let id = u32::from(input.byte() % 8);
        let connection = last.max(1) - u32::from(input.byte() % 4).min(last.max(1) - 1);
        match input.byte() % 16 {
            0..=3 => {
                let methods = ["GET", "HEAD", "POST", "GET", "OPTIONS", "CONNECT"];
                let method = methods[usize::from(input.byte()) % methods.len()].to_owned();
                let paths = ["/", "/a", "/assets/b.js?c", "/../x", "//x"];
                let path = paths[usize::from(input.byte()) % paths.len()].to_owned();
                let headers = match input.byte() % 4 {
                    0 => vec![("cache-control".to_owned(), "no-cache".to_owned())],
                    1 => vec![(input.text(), input.text())],
                    _ => Vec::new(),
                };
                let body = (method == "POST").then(|| input.take(9).to_vec());
                if !world.fetches.contains(&id) {
                    world.fetches.push(id);
                }
                engine.receive(Order::Fetch { id, method, path, headers, body }, now);
            }
            4 => {
                engine.receive(Order::Cancel { id }, now);
                world.drain(&mut engine, &mut last);
                world.fetches.retain(|own| *own != id);
                world.heads.retain(|own| *own != id);
            }
            5 => engine.receive(Order::Ack { id, bytes: usize::from(input.byte()) << 12 }, now),
            6 => {
                let protocols = if input.byte() % 2 == 0 { Vec::new() } else { vec![input.text()] };
                if !world.sockets.contains(&id) {
                    world.sockets.push(id);
                }
                engine.receive(Order::Socket { id, path: "/api/watch".to_owned(), protocols }, now);
            }
            7 => engine.receive(Order::SocketSend { id, data: Data::Text(input.text()) }, now),
            8 => {
                let code = Some(u16::from(input.byte()) << 4);
                engine.receive(Order::SocketClose { id, code, reason: input.text() }, now);
            }
            9 => {
                let pods = ["a", "b"].iter().take(usize::from(input.byte() % 3)).map(|pod| (*pod).to_owned());
                engine.pods(Ok(pods.collect()), now);
            }
            10 => engine.opened(connection, now),
            11 => {
                let length = usize::from(input.byte());
                let message = [&[0], input.take(length)].concat();
                engine.opened(connection, now);
                engine.received(connection, &[0, 0xb9, 0x0b], now);
                engine.received(connection, &message, now);
            }
            12 => {
                let length = usize::from(input.byte() % 8);
                engine.received(connection, input.take(length), now);
            }
            13 => {
                let answers: [&[u8]; 6] = [
                    b"\0HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=9\r\netag: 1\r\n\r\nab",
                    b"\0HTTP/1.1 304 Not Modified\r\n\r\n",
                    b"\0HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
                    b"\0HTTP/1.1 200 OK\r\n\r\nab",
                    b"\0HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                        sec-websocket-accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n\r\n",
                    b"\0HTTP/1.1 302 Found\r\nlocation: //evil.example\r\ncontent-length: 0\r\n\r\n",
                ];
                engine.received(connection, answers[usize::from(input.byte()) % answers.len()], now);
            }
            14 => engine.closed(connection, 1006, &input.text(), now),
            _ => {
                now = now.saturating_add(Duration::from_millis(u64::from(input.byte()) << 7));
                engine.tick(now);
                assert!(engine.deadline().is_none_or(|deadline| deadline > now), "a timer is no loop");
            }
        }
        world.drain(&mut engine, &mut last);
        let statistics = engine.statistics();
        assert!(statistics.connections as usize <= policy::MAX_CONNECTIONS + policy::MAX_SOCKETS);
        assert!(statistics.sockets as usize <= policy::MAX_SOCKETS);
        assert!(engine.deadline().is_none_or(|deadline| deadline <= now + Duration::from_secs(61)));
        assert!(cache.borrow().bytes() <= crossview_tunnel::cache::MAX_BYTES);
    }
    engine.close();
    for action in engine.take_actions() {
        assert!(matches!(action, Action::Close { .. }), "{action:?}");
    }
    assert_eq!(engine.statistics().connections, 0);
    assert_eq!(engine.deadline(), None);
}

/// What the frame and the API server have heard, and so may hear.
#[derive(Default)]
struct World {
    /// Those that have no end yet, and those of them that have a head.
    fetches: Vec<u32>,
    heads: Vec<u32>,
    sockets: Vec<u32>,
    open: Vec<u32>,
    connections: Vec<u32>,
}

impl World {
    fn drain(&mut self, engine: &mut Engine, last: &mut u32) {
        for action in engine.take_actions() {
            match action {
                Action::Connect { connection, pod } => {
                    assert!(["a", "b"].contains(&pod.as_str()) && !self.connections.contains(&connection));
                    *last = connection;
                    self.connections.push(connection);
                }
                Action::Send { connection, message } => {
                    assert!(self.connections.contains(&connection) && message.len() > 1 && message[0] == 0);
                }
                Action::Close { connection } => self.connections.retain(|own| *own != connection),
                Action::Post(reply) => self.reply(reply),
                Action::AskPods | Action::Tell(_) => {}
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Head { id, status, .. } => {
                assert!(self.fetches.contains(&id) && !self.heads.contains(&id) && (200..600).contains(&status));
                self.heads.push(id);
            }
            Reply::Chunk { id, data } => assert!(self.heads.contains(&id) && !data.is_empty()),
            Reply::End { id } => {
                assert!(self.heads.contains(&id));
                self.fetches.retain(|own| *own != id);
                self.heads.retain(|own| *own != id);
            }
            Reply::Error { id, .. } => {
                assert!(self.fetches.contains(&id));
                self.fetches.retain(|own| *own != id);
                self.heads.retain(|own| *own != id);
            }
            Reply::SocketOpen { id, .. } => {
                assert!(self.sockets.contains(&id) && !self.open.contains(&id));
                self.open.push(id);
            }
            Reply::SocketMessage { id, .. } => assert!(self.open.contains(&id)),
            Reply::SocketClosed { id, clean, .. } => {
                assert!(self.sockets.contains(&id) && (!clean || self.open.contains(&id)));
                self.sockets.retain(|own| *own != id);
                self.open.retain(|own| *own != id);
            }
        }
    }
}

/// Messages of a port-forward.
pub fn forward(input: &[u8]) {
    let mut input = Bytes(input);
    let mut decoder = ForwardDecoder::new(3001);
    while !input.0.is_empty() {
        let length = usize::from(input.byte());
        match decoder.decode(input.take(length)) {
            Ok(Piece::Error(words)) => assert!(!words.is_empty() && !words.contains(char::is_control)),
            Ok(Piece::Data(data)) => assert!(data.len() < length),
            Err(_) => {}
        }
    }
}
