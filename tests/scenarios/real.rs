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

use crossview_headlamp::{
    cluster::{ApiError, Client, Message, Reply, Request, Timestamp, Transport},
    installer::{ImageRef, manifests::HELM_IMAGE},
};
use futures::{
    SinkExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};
use serde_json::{Value, json};

use super::world::World;

/// What [`World::hold_config_maps`] makes.
const HOLD: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/crossview-stories";

/// One story at a time: the chart's cluster-wide objects have fixed names.
static TURN: Mutex<()> = Mutex::new(());

struct RealCluster {
    about: Value,
    /// The major version of Helm.
    helm: &'static str,
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
    fn new(helm: &'static str) -> Self {
        let path = std::env::var("CROSSVIEW_TEST_CLUSTER")
            .expect("CROSSVIEW_TEST_CLUSTER: the path of cluster.json; see tests/cluster/README.md");
        let text = std::fs::read_to_string(path).expect("cluster.json");
        Self { about: serde_json::from_str(&text).expect("cluster.json"), helm, proxies: RefCell::default() }
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
        // What a story that failed has left behind.
        let nodes = self.read("/api/v1/nodes").await.expect("nodes");
        for node in nodes["items"].as_array().into_iter().flatten() {
            let path = format!("/api/v1/nodes/{}", node["metadata"]["name"].as_str().unwrap_or_default());
            let _ = admin.object(Request::merge(path, json!({"spec": {"unschedulable": null}}))).await;
        }
        let hold = "/api/v1/namespaces/crossview/configmaps/hold";
        let _ = admin.object(Request::merge(hold, json!({"metadata": {"finalizers": null}}))).await;
        let everything = [
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/crossview-test",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/crossview-helm-installer-admin",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/crossview-binding",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/crossview-role",
            HOLD,
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

    fn create<'a>(&'a self, path: &'a str, object: Value) -> LocalBoxFuture<'a, ()> {
        let admin = Client::new(self.transport("admin"));
        Box::pin(async move {
            let done = admin.object(Request::create(path, object)).await;
            assert!(done.is_ok(), "{path}: {done:?}");
        })
    }

    fn patch<'a>(&'a self, path: &'a str, patch: Value) -> LocalBoxFuture<'a, ()> {
        let admin = Client::new(self.transport("admin"));
        Box::pin(async move {
            let done = admin.object(Request::merge(path, patch)).await;
            assert!(done.is_ok(), "{path}: {done:?}");
        })
    }

    fn denying_webhook(&self) -> Value {
        let authority = std::fs::read(self.about("/certificateAuthority")).expect("the authority's certificate");
        json!({"url": self.about("/admission"), "caBundle": base64(&authority)})
    }

    fn helm_image(&self) -> ImageRef {
        // A cluster that somebody brings has a way to the images that people use.
        let found = self.about.pointer(&format!("/helmImages/{}", self.helm)).and_then(Value::as_str);
        let image = found.unwrap_or(if self.helm == "3" { "docker.io/alpine/helm:3.19.0" } else { HELM_IMAGE });
        image.parse().expect("an image")
    }

    fn unknown_authority(&self) -> String {
        std::fs::read_to_string(self.about("/unknownAuthority")).expect("a certificate")
    }

    fn hold_config_maps(&self) -> LocalBoxFuture<'_, ()> {
        // A webhook that takes the question and never answers; after half a minute the write goes on without it.
        let webhook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "crossview-stories"},
            "webhooks": [{
                "name": "silent.registry.test", "clientConfig": {"url": "https://silent.registry.test/"}, "timeoutSeconds": 30,
                "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "matchConditions": [{"name": "crossviews", "expression": "request.name == 'crossview-config'"}],
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
            }],
        });
        let (path, _) = HOLD.rsplit_once('/').expect("a collection");
        Box::pin(async move {
            self.create(path, webhook).await;
            // The API server reads its webhooks by a watch of its own: until it has, a write is not held.
            let trial = || json!({"metadata": {"name": "crossview-config", "namespace": "crossview-held"}});
            let admin = Client::new(self.transport("admin"));
            let _ = admin
                .object(Request::create("/api/v1/namespaces", json!({"metadata": {"name": "crossview-held"}})))
                .await;
            for _ in 0..100 {
                let path = "/api/v1/namespaces/crossview-held/configmaps?dryRun=All";
                let write = admin.object(Request::create(path, trial()));
                if tokio::time::timeout(Duration::from_millis(500), write).await.is_err() {
                    return;
                }
            }
            panic!("writes of ConfigMaps are not held");
        })
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let of = |chunk: &[u8]| {
        let number = (0..3).fold(0_usize, |number, i| number << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
        [0, 1, 2, 3].map(|i| if i <= chunk.len() { char::from(DIGITS[number >> (18 - 6 * i) & 63]) } else { '=' })
    };
    bytes.chunks(3).flat_map(of).collect()
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
        if let (Some(media_type), Some(body)) = (request.content_type(), request.body_text()) {
            call = call.header("Content-Type", media_type).body(body);
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
    tell_with("4", story);
}

fn tell_with_helm_3(story: impl AsyncFnOnce(&dyn World)) {
    tell_with("3", story);
}

fn tell_with(helm: &'static str, story: impl AsyncFnOnce(&dyn World)) {
    // A story that failed has said so; the next one begins by clearing up.
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let cluster = RealCluster::new(helm);
        cluster.clear().await;
        story(&cluster).await;
    });
}

super::stories::stories!(tell);

/// What Helm does, done by Helm 3.
mod with_helm_3 {
    super::super::stories::operations!(super::tell_with_helm_3);
}
