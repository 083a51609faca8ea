//! The one way into `preview --cluster`: a reverse proxy on the loopback interface that knows whom it serves.
//!
//! Why it is needed: whoever reaches `kubectl proxy` acts with this user's rights, any website may open a WebSocket
//! to a port of this machine, and a website may point its own name at 127.0.0.1 (DNS rebinding). `kubectl proxy`
//! looks at Host alone. Trunk's proxy looks at neither Host nor Origin, takes a path for requests or for WebSockets
//! but not for both, and leaves out the subprotocols that Kubernetes asks for.
//!
//! What always holds:
//! - Host must be this address, so a rebound name gets nothing.
//! - Origin, where a browser sends one (always with a WebSocket), must be this page's own; what a browser says came
//!   from another site is refused, but for opening the page itself.
//! - The cluster is behind a path of 128 random bits, which is in no file and in no other program's arguments:
//!   it is printed once, in the fragment of the address to open.
//! - One request a connection, so that no second one slips past these checks.
//!
//! Sources: <https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site>, RFC 9110 section 7.2 (Host)
//! and RFC 6455 section 10.2 (Origin).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::project::hex;

/// The longest request head that is read; browsers stay far below.
const MAX_HEAD: usize = 64 * 1024;
/// The most header fields a head may have.
const MAX_FIELDS: usize = 100;
/// How long a client may take to send its head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A server behind the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// On a port of this machine.
    Port(SocketAddr),
    /// On a Unix socket, which no browser and no other user can open.
    #[cfg(unix)]
    Socket(PathBuf),
}

/// The servers behind the door, and the path that leads to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Serves everything outside of `prefix`.
    pub page: Upstream,
    /// Serves what is below `prefix`, which it does not see.
    pub cluster: Upstream,
    /// Put in front of the path that the cluster sees; `/` on its own server.
    pub cluster_prefix: String,
}

/// A listening door. It serves once [`FrontDoor::open`] is called; who comes earlier waits.
#[derive(Debug)]
pub struct FrontDoor {
    listener: TcpListener,
    rules: Rules,
}

/// Whom to let in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rules {
    /// What Host may say.
    hosts: [String; 2],
    /// `/<32 hex digits>/`.
    prefix: String,
}

/// Where a request may go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict<'request> {
    /// To the page's server, unchanged.
    Page,
    /// To the cluster, with this target.
    Cluster(&'request str),
    /// Nowhere, with the reason that the client is told.
    Refused(&'static str),
}

impl FrontDoor {
    /// Listens on 127.0.0.1; port 0 takes a free one. Draws the secret path.
    ///
    /// # Errors
    /// The port is taken, or the system has no random bytes.
    pub fn listen(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}; choose another by --port"))?;
        let port = listener.local_addr()?.port();
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        Ok(Self { listener, rules: Rules { hosts, prefix: random_prefix()? } })
    }

    /// The page's address without a way to the cluster.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}/", self.rules.hosts[0])
    }

    /// The path that leads to the cluster, `/<32 hex digits>/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.rules.prefix
    }

    /// What the user opens: the page reads the path from the fragment, which browsers send to nobody.
    #[must_use]
    pub fn address_to_open(&self) -> String {
        format!("{}#api={}", self.address(), self.rules.prefix)
    }

    /// Serves from now on, until this program ends.
    pub fn open(self, behind: Behind) {
        let shared = Arc::new((self.rules, behind));
        thread::spawn(move || {
            for client in self.listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A broken connection is that client's own affair, and it notices.
                thread::spawn(move || serve(client, &shared.0, &shared.1));
            }
        });
    }
}

/// `/<32 hex digits>/`: 128 random bits.
///
/// # Errors
/// The system has no random bytes.
pub fn random_prefix() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("cannot draw random bytes")?;
    Ok(format!("/{}/", hex(&bytes)))
}

/// Decides about one request. Who may ask is settled before the path is looked at.
fn judge<'request>(rules: &Rules, request: &'request httparse::Request<'_, '_>) -> Verdict<'request> {
    let Some(host) = only_value(request, "host").filter(|host| rules.hosts.iter().any(|known| known == host)) else {
        return Verdict::Refused("this Host is not served here");
    };
    let origins = values(request, "origin");
    if origins.into_iter().any(|origin| origin != format!("http://{host}").as_bytes()) {
        return Verdict::Refused("another origin may not ask here");
    }
    let target = request.path.filter(|target| target.starts_with('/')).unwrap_or_default();
    let below_prefix = target.strip_prefix(&rules.prefix);
    let from_elsewhere =
        values(request, "sec-fetch-site").into_iter().any(|site| !matches!(site, b"same-origin" | b"none"));
    let opens_page = only_value(request, "sec-fetch-dest") == Some("document") && below_prefix.is_none();
    if from_elsewhere && !opens_page {
        return Verdict::Refused("another site may not ask here");
    }
    match below_prefix {
        Some(path) => Verdict::Cluster(path),
        None if target.is_empty() => Verdict::Refused("expected a path that starts with a slash"),
        None => Verdict::Page,
    }
}

fn values<'request>(request: &'request httparse::Request<'_, '_>, name: &str) -> Vec<&'request [u8]> {
    let fields = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    fields.map(|field| field.value).collect()
}

/// The value of a field that is there exactly once, as text.
fn only_value<'request>(request: &'request httparse::Request<'_, '_>, name: &str) -> Option<&'request str> {
    match values(request, name)[..] {
        [value] => std::str::from_utf8(value).ok(),
        _ => None,
    }
}

/// The head that the upstream gets: `target`, `host` if given instead of the client's, and an end after one response.
fn head_for_upstream(request: &httparse::Request<'_, '_>, target: &str, host: Option<&str>) -> Vec<u8> {
    let upgrades = values(request, "connection").iter().any(|value| {
        value.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    let mut head = Vec::with_capacity(1024);
    head.extend_from_slice(request.method.unwrap_or_default().as_bytes());
    head.push(b' ');
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for field in request.headers.iter() {
        let name = field.name.to_ascii_lowercase();
        let value = match (name.as_str(), host) {
            ("connection" | "keep-alive" | "proxy-connection", _) => continue,
            ("host", Some(host)) => host.as_bytes(),
            _ => field.value,
        };
        head.extend_from_slice(field.name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(if upgrades { b"Connection: Upgrade\r\n\r\n" } else { b"Connection: close\r\n\r\n" });
    head
}

fn serve(mut client: TcpStream, rules: &Rules, behind: &Behind) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(HEAD_TIMEOUT))?;
    let mut received = Vec::with_capacity(4096);
    let (head, upstream, length) = loop {
        let mut chunk = [0; 4096];
        let count = client.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..count]);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&received) {
            Ok(httparse::Status::Complete(length)) => match judge(rules, &request) {
                Verdict::Page => {
                    let target = request.path.unwrap_or("/").to_owned();
                    break (head_for_upstream(&request, &target, None), &behind.page, length);
                }
                Verdict::Cluster(path) => {
                    let target = format!("{}{path}", behind.cluster_prefix);
                    break (head_for_upstream(&request, &target, Some("localhost")), &behind.cluster, length);
                }
                Verdict::Refused(reason) => return reply(&mut client, "403 Forbidden", reason),
            },
            Ok(httparse::Status::Partial) if received.len() < MAX_HEAD => {}
            Ok(httparse::Status::Partial) => {
                return reply(&mut client, "431 Request Header Fields Too Large", "the request's head is too long");
            }
            Err(error) => return reply(&mut client, "400 Bad Request", &error.to_string()),
        }
    };
    client.set_read_timeout(None)?;
    match Connection::to(upstream) {
        Ok(mut upstream) => {
            upstream.write_all(&head)?;
            upstream.write_all(&received[length..])?;
            pass_on(&client, &upstream)
        }
        Err(error) => reply(&mut client, "502 Bad Gateway", &error.to_string()),
    }
}

fn reply(client: &mut TcpStream, status: &str, words: &str) -> io::Result<()> {
    let length = words.len() + 1;
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{words}\n"
    )?;
    client.shutdown(Shutdown::Write)
}

/// Copies both ways until the upstream has said everything, or one side is gone.
fn pass_on(client: &TcpStream, upstream: &Connection) -> io::Result<()> {
    let (mut from_client, mut to_upstream) = (client.try_clone()?, upstream.try_clone()?);
    let there = thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_upstream);
        // A client that said everything still listens; one that broke off does not.
        let _gone = to_upstream.shutdown(if copied.is_ok() { Shutdown::Write } else { Shutdown::Both });
    });
    let (mut from_upstream, mut to_client) = (upstream.try_clone()?, client.try_clone()?);
    let copied = io::copy(&mut from_upstream, &mut to_client);
    let _gone = client.shutdown(Shutdown::Both);
    let _gone = upstream.shutdown(Shutdown::Both);
    let _ended = there.join();
    copied.map(drop)
}

/// A connection to an upstream, whatever it listens on.
#[derive(Debug)]
enum Connection {
    Port(TcpStream),
    #[cfg(unix)]
    Socket(std::os::unix::net::UnixStream),
}

impl Connection {
    fn to(upstream: &Upstream) -> io::Result<Self> {
        match upstream {
            Upstream::Port(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Self::Port(stream))
            }
            #[cfg(unix)]
            Upstream::Socket(path) => std::os::unix::net::UnixStream::connect(path).map(Self::Socket),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Port(stream) => stream.try_clone().map(Self::Port),
            #[cfg(unix)]
            Self::Socket(stream) => stream.try_clone().map(Self::Socket),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Port(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Self::Socket(stream) => stream.shutdown(how),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Port(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Socket(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Port(stream) => stream.write(buffer),
            #[cfg(unix)]
            Self::Socket(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Port(stream) => stream.flush(),
            #[cfg(unix)]
            Self::Socket(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "/00112233445566778899aabbccddeeff/";

    /// Judges a request of the page itself to `target`, with the fields in `changes` put in place of its own.
    fn verdict(target: &str, changes: &[(&str, &str)]) -> String {
        let rules =
            Rules { hosts: ["127.0.0.1:8080".to_owned(), "localhost:8080".to_owned()], prefix: PREFIX.to_owned() };
        let mut text = format!("GET {target} HTTP/1.1\r\n");
        if !changes.iter().any(|(name, _)| *name == "Host") {
            text.push_str("Host: 127.0.0.1:8080\r\n");
        }
        for (name, value) in changes {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(text.as_bytes()).unwrap();
        match judge(&rules, &request) {
            Verdict::Page => "page".to_owned(),
            Verdict::Cluster(path) => format!("cluster {path}"),
            Verdict::Refused(_) => "refused".to_owned(),
        }
    }

    fn below(path: &str) -> String {
        format!("{PREFIX}{path}")
    }

    #[test]
    fn only_the_secret_path_leads_to_the_cluster() {
        assert_eq!(verdict(&below("api/v1/pods?watch=1"), &[]), "cluster api/v1/pods?watch=1");
        assert_eq!(verdict("/api/v1/pods", &[]), "page");
        assert_eq!(verdict("/00112233445566778899aabbccddeefe/api", &[]), "page");
        assert_eq!(verdict("//api", &[]), "page");
        assert_eq!(verdict("http://127.0.0.1:8080/", &[]), "refused");
        assert_eq!(verdict("*", &[]), "refused");
    }

    #[test]
    fn a_rebound_name_gets_nothing() {
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:80801", "localhost:8081", ""] {
            assert_eq!(verdict("/", &[("Host", host)]), "refused", "{host}");
            assert_eq!(verdict(&below("version"), &[("Host", host)]), "refused", "{host}");
        }
        assert_eq!(verdict("/", &[("Host", "localhost:8080")]), "page");
        assert_eq!(verdict("/", &[("Host", "localhost:8080"), ("host", "evil.example")]), "refused");
    }

    #[test]
    fn another_origin_gets_nothing_even_with_the_secret_path() {
        for origin in [
            "https://evil.example",
            "http://localhost:8080",
            "http://127.0.0.1:3001",
            "http://127.0.0.1:8080.evil.example",
            "null",
            "",
        ] {
            assert_eq!(verdict(&below("version"), &[("Origin", origin)]), "refused", "{origin}");
            assert_eq!(verdict("/.well-known/trunk/ws", &[("Origin", origin)]), "refused", "{origin}");
        }
        assert_eq!(verdict(&below("version"), &[("Origin", "http://127.0.0.1:8080")]), "cluster version");
    }

    // Images and scripts are fetched across sites without Origin; a frame would show the page under another's.
    #[test]
    fn another_site_may_link_to_the_page_and_no_more() {
        let from = |site, dest| [("Sec-Fetch-Site", site), ("Sec-Fetch-Dest", dest)];

        assert_eq!(verdict("/", &from("cross-site", "document")), "page");
        assert_eq!(verdict("/", &from("cross-site", "iframe")), "refused");
        assert_eq!(verdict("/", &from("same-site", "iframe")), "refused");
        assert_eq!(verdict("/app.js", &from("cross-site", "script")), "refused");
        assert_eq!(verdict(&below("version"), &from("cross-site", "document")), "refused");
        assert_eq!(verdict(&below("version"), &from("same-site", "empty")), "refused");
        assert_eq!(verdict(&below("version"), &from("same-origin", "empty")), "cluster version");
    }

    #[test]
    fn the_head_ends_the_connection_after_one_response_unless_it_upgrades() {
        let head = |text: &str| {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut request = httparse::Request::new(&mut fields);
            request.parse(text.as_bytes()).unwrap();
            String::from_utf8(head_for_upstream(&request, "/version", Some("localhost"))).unwrap()
        };

        assert_eq!(
            head("GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nAccept: */*\r\n\r\n"),
            "GET /version HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            head("GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: websocket\r\n\r\n"),
            "GET /version HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        );
    }

    #[test]
    fn each_door_has_a_path_of_its_own() {
        let (one, other) = (random_prefix().unwrap(), random_prefix().unwrap());

        assert_eq!(one.len(), 34);
        assert_ne!(one, other);
    }

    /// A server that answers every connection with `name` and the request that it got.
    fn echo(name: &'static str) -> Upstream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut received = Vec::new();
                while !received.ends_with(b"END") {
                    let mut byte = [0];
                    if !matches!(stream.read(&mut byte), Ok(1)) {
                        return;
                    }
                    received.extend_from_slice(&byte);
                }
                write!(stream, "HTTP/1.1 200 OK\r\n\r\n{name}\n{}", String::from_utf8(received).unwrap()).unwrap();
            }
        });
        Upstream::Port(address)
    }

    fn exchange(address: &str, request: &str) -> String {
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn each_request_reaches_the_server_it_is_for() {
        let door = FrontDoor::listen(0).unwrap();
        let (address, prefix) = (door.address(), door.prefix().to_owned());
        let host = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
        door.open(Behind { page: echo("page"), cluster: echo("cluster"), cluster_prefix: "/k8s/".to_owned() });
        let ask = |target: &str, more: &str| {
            exchange(&address, &format!("POST {target} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Length: 3\r\n\r\nEND"))
        };

        let page = ask("/index.html", "");
        let cluster = ask(&format!("{prefix}api/v1"), "");
        let refused = ask(&format!("{prefix}api/v1"), "Origin: https://evil.example\r\n");

        assert!(page.contains("\r\n\r\npage\nPOST /index.html HTTP/1.1\r\nHost: 127.0.0.1:"), "{page}");
        assert!(cluster.contains("\r\n\r\ncluster\nPOST /k8s/api/v1 HTTP/1.1\r\nHost: localhost\r\n"), "{cluster}");
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    }

    #[test]
    fn a_head_that_is_no_http_is_answered_and_not_passed_on() {
        let door = FrontDoor::listen(0).unwrap();
        let address = door.address();
        door.open(Behind { page: echo("page"), cluster: echo("cluster"), cluster_prefix: "/".to_owned() });

        assert!(exchange(&address, "\u{1}\u{2} nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(
            exchange(&address, &format!("GET /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD))).starts_with("HTTP/1.1 431 ")
        );
    }
}
