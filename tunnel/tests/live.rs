//! The engine over real connections, to real servers: hyper's, tungstenite's, and one that ends what it should keep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is a test")]

#[allow(dead_code, reason = "it serves the scripted tests, too")]
#[path = "support/bench.rs"]
mod bench;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bench::{PORT, PORT_BYTES, fetch, short};
use crossview_tunnel::engine::{Action, Engine, Order, Reply, SharedCache};
use crossview_tunnel::websocket::Data;
use futures::{SinkExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// When a test has failed.
const LIMIT: Duration = Duration::from_secs(20);

enum Happened {
    Opened(u32),
    Received(u32, Vec<u8>),
    Closed(u32),
}

/// An engine whose port-forwards are connections to one address.
struct Live {
    engine: Engine,
    address: SocketAddr,
    start: Instant,
    tell: mpsc::UnboundedSender<Happened>,
    told: mpsc::UnboundedReceiver<Happened>,
    links: HashMap<u32, mpsc::UnboundedSender<Vec<u8>>>,
    replies: Vec<Reply>,
    /// Whether the frame uses what it gets.
    reads: bool,
}

impl Live {
    fn to(address: SocketAddr) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let engine = Engine::new(PORT, |bytes| bytes.fill(42), SharedCache::default(), "app");
        Self {
            engine,
            address,
            start: Instant::now(),
            tell,
            told,
            links: HashMap::new(),
            replies: Vec::new(),
            reads: true,
        }
    }

    fn order(&mut self, order: Order) {
        self.engine.receive(order, self.start.elapsed());
    }

    /// Goes on until the frame has heard what is looked for, and gives it.
    async fn until(&mut self, found: impl Fn(&[Reply]) -> bool) -> Vec<Reply> {
        loop {
            self.act();
            if found(&self.replies) {
                return std::mem::take(&mut self.replies);
            }
            let heard = || self.replies.iter().map(short).collect::<Vec<_>>();
            let left = LIMIT.checked_sub(self.start.elapsed()).unwrap_or_else(|| panic!("too late: {:?}", heard()));
            let wake = self.engine.deadline().map_or(left, |at| left.min(at.saturating_sub(self.start.elapsed())));
            let happened = tokio::time::timeout(wake, self.told.recv()).await;
            let now = self.start.elapsed();
            match happened {
                Ok(Some(Happened::Opened(number))) => self.engine.opened(number, now),
                Ok(Some(Happened::Received(number, message))) => self.engine.received(number, &message, now),
                Ok(Some(Happened::Closed(number))) => self.engine.closed(number, 1006, "", now),
                Ok(None) | Err(_) => self.engine.tick(now),
            }
        }
    }

    fn act(&mut self) {
        let mut actions = std::collections::VecDeque::from(self.engine.take_actions());
        while let Some(action) = actions.pop_front() {
            match action {
                Action::AskPods => self.engine.pods(Ok(vec!["a".to_owned()]), self.start.elapsed()),
                Action::Connect { connection, .. } => {
                    let (send, sent) = mpsc::unbounded_channel();
                    self.links.insert(connection, send);
                    tokio::spawn(forward(self.address, connection, self.tell.clone(), sent));
                }
                Action::Send { connection, message } => {
                    let _ = self.links[&connection].send(message[1..].to_vec());
                }
                Action::Close { connection } => drop(self.links.remove(&connection)),
                Action::Post(Reply::Chunk { id, data }) => {
                    if self.reads {
                        self.order(Order::Ack { id, bytes: data.len() });
                    }
                    self.replies.push(Reply::Chunk { id, data });
                }
                Action::Post(reply) => self.replies.push(reply),
                Action::Tell(_) => {}
            }
            actions.extend(self.engine.take_actions());
        }
    }
}

/// What kubelet does.
async fn forward(
    address: SocketAddr,
    number: u32,
    tell: mpsc::UnboundedSender<Happened>,
    mut sent: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let Ok(mut connection) = TcpStream::connect(address).await else {
        let _ = tell.send(Happened::Closed(number));
        return;
    };
    let _ = tell.send(Happened::Opened(number));
    let _ = tell.send(Happened::Received(number, [&[0], &PORT_BYTES[..]].concat()));
    let mut buffer = vec![0; 32 << 10];
    loop {
        tokio::select! {
            bytes = sent.recv() => match bytes {
                Some(bytes) => if connection.write_all(&bytes).await.is_err() { break },
                None => return,
            },
            read = connection.read(&mut buffer) => match read {
                Ok(length @ 1..) => {
                    let _ = tell.send(Happened::Received(number, [&[0], &buffer[..length]].concat()));
                }
                _ => break,
            },
        }
    }
    let _ = tell.send(Happened::Closed(number));
}

type Body = Either<Full<Bytes>, StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let full = |text: &str| Either::Left(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    let response = Response::builder();
    let has = |name: &str, value: &str| request.headers().get(name).is_some_and(|own| own == value);
    let response = match request.uri().path() {
        "/sized" => response.header("set-cookie", "a=b").body(full("sized")),
        "/chunked" => {
            let pieces: Vec<_> = (0..1000).map(|at| Ok(Frame::data(Bytes::from(format!("{at:05}"))))).collect();
            response.body(Either::Right(StreamBody::new(stream::iter(pieces))))
        }
        "/big" => {
            let pieces: Vec<_> = (0..128_u8).map(|at| Ok(Frame::data(Bytes::from(vec![at; 65_536])))).collect();
            response.body(Either::Right(StreamBody::new(stream::iter(pieces))))
        }
        "/empty" => response.status(204).body(full("")),
        "/etag" if has("if-none-match", "\"1\"") => response.status(304).header("etag", "\"1\"").body(full("")),
        "/etag" => response.header("etag", "\"1\"").body(full("tagged")),
        "/echo" => {
            let head = format!("{} {:?} ", request.method(), request.headers().get("content-type"));
            let body = request.into_body().collect().await.unwrap().to_bytes();
            response.body(full(&[head, body.len().to_string()].concat()))
        }
        "/headers" => {
            let mut lines: Vec<_> =
                request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            lines.sort();
            response.body(full(&lines.join("\n")))
        }
        _ => response.status(404).body(full("nothing")),
    };
    Ok(response.unwrap())
}

/// A server of hyper's, and how many connections it has taken.
async fn hyper_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let service = hyper::service::service_fn(answer);
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service),
            );
        }
    });
    (address, taken)
}

fn ended(id: u32) -> impl Fn(&[Reply]) -> bool {
    move |replies| {
        let is_end =
            |reply: &Reply| matches!(reply, Reply::End { id: own } | Reply::Error { id: own, .. } if *own == id);
        replies.iter().any(is_end)
    }
}

/// Status and body of an answer that came to its end.
fn whole(replies: &[Reply]) -> (u16, Vec<u8>) {
    let mut found = (0, Vec::new());
    for reply in replies {
        match reply {
            Reply::Head { status, .. } => found.0 = *status,
            Reply::Chunk { data, .. } => found.1.extend_from_slice(data),
            Reply::End { .. } => {}
            other => panic!("{}", short(other)),
        }
    }
    found
}

#[tokio::test]
async fn hypers_server_is_understood_and_understands() {
    let (address, taken) = hyper_server().await;
    let mut live = Live::to(address);
    let thousand: String = (0..1000).map(|at| format!("{at:05}")).collect();
    let headers = "accept-encoding: \"identity\"\naccept: \"*/*\"\nhost: \"crossview\"";

    for (id, method, path, status, body) in [
        (1, "GET", "/sized", 200, "sized"),
        (2, "HEAD", "/sized", 200, ""),
        (3, "GET", "/chunked", 200, thousand.as_str()),
        (4, "GET", "/empty", 204, ""),
        (5, "GET", "/etag", 200, "tagged"),
        (6, "GET", "/etag", 200, "tagged"),
        (7, "GET", "/none", 404, "nothing"),
        (8, "GET", "/headers", 200, headers),
        (9, "DELETE", "/echo", 200, "DELETE None 0"),
    ] {
        live.order(fetch(id, method, path, &[("cookie", "a=b")], None));
        let replies = live.until(ended(id)).await;

        assert_eq!(whole(&replies), (status, body.as_bytes().to_vec()), "{method} {path}");
    }
    assert_eq!(live.engine.statistics().cached, 1);
    assert_eq!(taken.load(Ordering::SeqCst), 1, "one connection is enough");
}

#[tokio::test]
async fn long_bodies_go_both_ways() {
    let (address, _) = hyper_server().await;
    let mut live = Live::to(address);

    live.order(fetch(1, "POST", "/echo", &[("content-type", "text/x")], Some(vec![b'x'; 5_000_000])));
    let replies = live.until(ended(1)).await;
    assert_eq!(whole(&replies), (200, b"POST Some(\"text/x\") 5000000".to_vec()));

    live.order(fetch(2, "GET", "/big", &[], None));
    let (status, body) = whole(&live.until(ended(2)).await);
    assert_eq!((status, body.len()), (200, 128 << 16));
    assert!(body.chunks(1 << 16).enumerate().all(|(at, piece)| piece.iter().all(|byte| usize::from(*byte) == at)));
}

#[tokio::test]
async fn a_slow_frame_gets_everything_in_the_end() {
    let (address, _) = hyper_server().await;
    let mut live = Live::to(address);
    live.reads = false;
    live.order(fetch(1, "GET", "/big", &[], None));
    let bytes = |replies: &[Reply]| -> usize {
        replies.iter().map(|reply| if let Reply::Chunk { data, .. } = reply { data.len() } else { 0 }).sum()
    };

    let mut got = bytes(&live.until(|replies| bytes(replies) >= 1 << 20).await);
    live.reads = true;
    live.order(Order::Ack { id: 1, bytes: got });
    got += bytes(&live.until(ended(1)).await);

    assert_eq!(got, 128 << 16);
}

#[tokio::test]
async fn a_hundred_requests_share_six_connections() {
    let (address, taken) = hyper_server().await;
    let mut live = Live::to(address);
    for id in 0..100 {
        live.order(fetch(id, "GET", "/sized", &[], None));
    }

    let count = |replies: &[Reply]| replies.iter().filter(|reply| matches!(reply, Reply::End { .. })).count();
    live.until(|replies| count(replies) == 100).await;

    assert!((1..=6).contains(&taken.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn a_server_that_ends_what_it_keeps_costs_safe_requests_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = Live::to(listener.local_addr().unwrap());
    // One answer for each connection, after which it is gone without a word.
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 1000];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    });

    for id in 0..20 {
        live.order(fetch(id, "GET", "/", &[], None));
        assert_eq!(whole(&live.until(ended(id)).await), (200, b"ok".to_vec()));
    }
}

#[tokio::test]
async fn tungstenites_server_echoes_what_it_hears() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut live = Live::to(listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(connection).await.unwrap();
        socket.send(tungstenite::Message::Ping(vec![1].into())).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    });

    live.order(Order::Socket { id: 1, path: "/api/watch".to_owned(), protocols: Vec::new() });
    live.until(|replies| matches!(replies, [Reply::SocketOpen { .. }])).await;
    for data in [
        Data::Text("hello".to_owned()),
        Data::Text(String::new()),
        Data::Binary((0..=255).collect()),
        Data::Binary(vec![7; 3_000_000]),
        Data::Text("é".repeat(50_000)),
    ] {
        live.order(Order::SocketSend { id: 1, data: data.clone() });
        let replies = live.until(|replies| !replies.is_empty()).await;
        assert!(replies == [Reply::SocketMessage { id: 1, data }]);
    }
    live.order(Order::SocketClose { id: 1, code: Some(3001), reason: "enough".to_owned() });
    let replies = live.until(|replies| !replies.is_empty()).await;

    assert_eq!(replies.iter().map(short).collect::<Vec<_>>(), ["1 closed 3001 \"enough\""]);
    assert_eq!(live.engine.statistics().sockets, 0);
}
