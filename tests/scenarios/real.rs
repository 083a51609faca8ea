//! A real cluster: `kubectl proxy` for each user, and plain HTTP and WebSockets to it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    rc::Rc,
    sync::Mutex,
    time::{Duration, Instant},
};

use crossview_headlamp::cluster::{ApiError, Client, Message, Reply, Request, Timestamp, Transport};
use futures::{
    SinkExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};
use serde_json::{Value, json};

use super::world::World;

/// One story at a time: the chart's cluster-wide objects have fixed names.
static TURN: Mutex<()> = Mutex::new(());

struct RealCluster {
    about: Value,
    proxies: RefCell<BTreeMap<String, Rc<Proxy>>>,
}

/// A `kubectl proxy` that ends with the story.
struct Proxy {
    child: Child,
    address: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl RealCluster {
    fn new() -> Self {
        let path = std::env::var("CROSSVIEW_TEST_CLUSTER")
            .expect("CROSSVIEW_TEST_CLUSTER: the path of cluster.json; see tests/cluster/README.md");
        let text = std::fs::read_to_string(path).expect("cluster.json");
        Self { about: serde_json::from_str(&text).expect("cluster.json"), proxies: RefCell::default() }
    }

    fn about(&self, pointer: &str) -> &str {
        self.about.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in cluster.json"))
    }

    fn proxy(&self, user: &str) -> Rc<Proxy> {
        let start = || {
            let kubeconfig =
                if user == "admin" { self.about("/kubeconfig") } else { self.about(&format!("/users/{user}")) };
            let mut child = Command::new(self.about("/kubectl"))
                .args(["proxy", "--port=0", &format!("--kubeconfig={kubeconfig}")])
                .stdout(Stdio::piped())
                .spawn()
                .expect("kubectl proxy");
            let mut line = String::new();
            BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its first line");
            let address = line.trim().rsplit(' ').next().expect("its address").to_owned();
            Rc::new(Proxy { child, address })
        };
        self.proxies.borrow_mut().entry(user.to_owned()).or_insert_with(start).clone()
    }

    /// Brings the cluster back to how it was: no Crossview, none of our objects.
    async fn clear(&self) {
        let admin = Client::new(self.transport("admin"));
        let everything = [
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/crossview-helm-installer-admin",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/crossview-binding",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/crossview-role",
            "/api/v1/namespaces/crossview",
        ];
        for path in everything {
            let _ = admin.object(Request::delete(path, json!({"propagationPolicy": "Foreground"}))).await;
        }
        let gone = async {
            while self.read("/api/v1/namespaces/crossview").await.is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), gone).await.expect("the namespace goes");
    }
}

impl World for RealCluster {
    fn transport(&self, user: &str) -> Rc<dyn Transport> {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Rc::new(ProxyTransport { proxy: self.proxy(user), http, begun: Instant::now() })
    }

    fn read<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Option<Value>> {
        let admin = Client::new(self.transport("admin"));
        Box::pin(async move {
            match admin.object(Request::get(path)).await {
                Ok(object) => Some(object),
                Err(ApiError::NotFound { .. }) => None,
                Err(error) => panic!("{path}: {error}"),
            }
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, ()> {
        let admin = Client::new(self.transport("admin"));
        Box::pin(async move {
            let done = admin.object(Request::delete(path, json!({"propagationPolicy": "Foreground"}))).await;
            assert!(done.is_ok(), "{path}: {done:?}");
        })
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct ProxyTransport {
    proxy: Rc<Proxy>,
    http: reqwest::Client,
    begun: Instant,
}

fn unreachable(error: &impl ToString) -> ApiError {
    ApiError::Unreachable { reason: error.to_string() }
}

impl Transport for ProxyTransport {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, ApiError>> {
        let method = request.method().parse().expect("a method");
        let mut call = self
            .http
            .request(method, format!("http://{}{}", self.proxy.address, request.path))
            .header("Accept", request.accept());
        if let (Some(media_type), Some(body)) = (request.content_type(), request.body()) {
            call = call.header("Content-Type", media_type).body(body.to_string());
        }
        let proxy = self.proxy.clone();
        Box::pin(async move {
            let response = call.send().await.map_err(|error| unreachable(&error))?;
            let header =
                |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let (date, retry_after) = (header("Date"), header("Retry-After"));
            let status = response.status().as_u16();
            let body = response.bytes_stream().map(move |piece| {
                let _alive = &proxy;
                piece.map(|bytes| bytes.to_vec()).map_err(|error| unreachable(&error))
            });
            Ok(Reply {
                status,
                date: date.and_then(|date| Timestamp::parse_http_date(&date)),
                retry_after: retry_after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
                body: body.boxed_local(),
            })
        })
    }

    fn socket(&self, path: String) -> LocalBoxStream<'static, Message> {
        use tokio_tungstenite::tungstenite::{Message as Frame, client::IntoClientRequest};
        let proxy = self.proxy.clone();
        let connect = async move {
            let mut request =
                format!("ws://{}{path}", proxy.address).into_client_request().expect("a WebSocket's address");
            // The API server refuses a watch without an Origin.
            request.headers_mut().insert("Origin", "http://localhost".parse().expect("an origin"));
            match tokio_tungstenite::connect_async(request).await {
                Ok((socket, _)) => {
                    let frames = stream::unfold(Some((socket, proxy)), |open| async move {
                        let (mut socket, proxy) = open?;
                        loop {
                            match socket.next().await {
                                Some(Ok(Frame::Text(text))) => {
                                    return Some((Message::Text(text.to_string()), Some((socket, proxy))));
                                }
                                Some(Ok(Frame::Ping(data))) => drop(socket.send(Frame::Pong(data)).await),
                                Some(Ok(Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_))) => {}
                                Some(Ok(Frame::Close(_)) | Err(_)) | None => {
                                    return Some((Message::Closed { code: 1006, reason: String::new() }, None));
                                }
                            }
                        }
                    });
                    stream::iter([Message::Open]).chain(frames).boxed_local()
                }
                Err(_) => stream::iter([Message::Closed { code: 1006, reason: String::new() }]).boxed_local(),
            }
        };
        stream::once(connect).flatten().boxed_local()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn jitter(&self) -> f64 {
        0.5
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        tokio::task::spawn_local(task);
    }
}

fn tell(story: impl AsyncFnOnce(&dyn World)) {
    // A story that failed has said so; the next one begins by clearing up.
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let cluster = RealCluster::new();
        cluster.clear().await;
        story(&cluster).await;
    });
}

super::stories::stories!(tell);
