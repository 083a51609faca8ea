//! Follows a collection: list, then watch from there, for as long as somebody listens.
//!
//! What always holds: after every [`Change`] the listener knows the newest state that the server has told, or why
//! it isn't known. Events may come twice and a list may come at any time; both only say what is true now.
//! Rules: <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>.

use std::time::Duration;

use futures::{StreamExt, stream::LocalBoxStream};
use serde_json::Value;

use super::{ApiError, Client, Message, Request, Selector, json};

/// First pause after a failure; doubled each time. The figures of client-go's reflector:
/// <https://github.com/kubernetes/client-go/blob/master/tools/cache/reflector.go>.
const BACKOFF_FIRST: Duration = Duration::from_millis(800);
/// Longest pause.
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// How often a collection is listed where watching it is refused or impossible.
const POLL: Duration = Duration::from_secs(10);
/// After this long the server ends a watch in good order; it is then opened again from where it was.
const WATCH_SECONDS: u32 = 3600;

/// A collection that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The collection's path.
    pub path: String,
    /// Which of its objects.
    pub selector: Selector,
    /// Metadata only, and so by fetch: a browser can't set `Accept` on a WebSocket.
    pub metadata_only: bool,
}

/// What is newly known of a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// All there is; whatever else was known is gone.
    Listed(Vec<Value>),
    /// An object as it is now.
    Applied(Value),
    /// An object that is gone, as it last was.
    Deleted(Value),
    /// Nothing new came, and why. What was known is kept, but may have changed.
    Failed(ApiError),
}

/// How a watch ended.
enum End {
    /// In good order, or by the network after something had come: go on from the newest resource version.
    Again(String),
    /// The resource version is too old: list again.
    Gone,
    /// It did not come to be, and nobody said why.
    Mute,
    /// It was refused or broke, with the reason.
    Failed(ApiError),
}

impl Watch {
    fn list_request(&self, limit: &str) -> Request {
        let path = format!("{}?{limit}{}", self.path, self.selector).replace("?&", "?");
        let path = path.trim_end_matches('?').to_owned();
        Request { metadata_only: self.metadata_only, ..Request::get(path) }
    }

    fn watch_request(&self, version: &str) -> Request {
        let path = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}{}",
            self.path, self.selector
        );
        Request { metadata_only: self.metadata_only, ..Request::get(path) }
    }
}

/// Follows `watch` until the future is dropped; `tell` gets every change.
pub async fn follow(client: Client, watch: Watch, tell: Box<dyn Fn(Change)>) {
    let mut failures = 0_u32;
    loop {
        let version = match client.object(watch.list_request("")).await {
            Ok(mut list) => {
                let items = list["items"].take();
                tell(Change::Listed(if let Value::Array(items) = items { items } else { Vec::new() }));
                list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
            }
            // The kind isn't served here (a missing CRD): there are none. It may come, so ask again now and then.
            Err(ApiError::NotFound { .. }) => {
                tell(Change::Listed(Vec::new()));
                client.sleep(BACKOFF_LAST).await;
                continue;
            }
            Err(error @ ApiError::Forbidden { .. }) => {
                let pause = refused(&client, &watch, error, &tell).await;
                client.sleep(pause).await;
                continue;
            }
            Err(error) => {
                let pause = backoff(&client, failures, &error);
                tell(Change::Failed(error));
                failures = failures.saturating_add(1);
                client.sleep(pause).await;
                continue;
            }
        };
        failures = 0;
        let mut version = version;
        loop {
            let begun = client.elapsed();
            match watch_once(&client, &watch, version, &tell).await {
                End::Again(newest) => {
                    version = newest;
                    // A way that takes a socket and drops it at once must not be asked in a circle.
                    if client.elapsed().saturating_sub(begun) < BACKOFF_FIRST {
                        client.sleep(BACKOFF_FIRST).await;
                    }
                }
                End::Gone => break,
                End::Mute => {
                    // A failed upgrade shows a page nothing but code 1006: the same list by fetch tells the reason.
                    match client.open(watch.list_request("limit=1")).await {
                        // Reading works and watching doesn't: the way takes no sockets. Poll.
                        Ok(_) => client.sleep(POLL.min(backoff_pause(&client, failures))).await,
                        Err(error) => {
                            let pause = backoff(&client, failures, &error);
                            tell(Change::Failed(error));
                            client.sleep(pause).await;
                        }
                    }
                    failures = failures.saturating_add(1);
                    break;
                }
                // Who may list but not watch polls.
                End::Failed(ApiError::Forbidden { .. }) => {
                    client.sleep(POLL).await;
                    break;
                }
                End::Failed(error) => {
                    let pause = backoff(&client, failures, &error);
                    tell(Change::Failed(error));
                    failures = failures.saturating_add(1);
                    client.sleep(pause).await;
                    break;
                }
            }
        }
    }
}

/// A list is refused; a single object may still be readable by name (`get` without `list`).
async fn refused(client: &Client, watch: &Watch, error: ApiError, tell: &dyn Fn(Change)) -> Duration {
    let Selector::Name(name) = &watch.selector else {
        tell(Change::Failed(error));
        return BACKOFF_LAST;
    };
    match client.object(Request::get(format!("{}/{name}", watch.path))).await {
        Ok(object) => tell(Change::Listed(vec![object])),
        Err(ApiError::NotFound { .. }) => tell(Change::Listed(Vec::new())),
        Err(_) => {
            tell(Change::Failed(error));
            return BACKOFF_LAST;
        }
    }
    POLL
}

/// One watch from `version` until it ends.
async fn watch_once(client: &Client, watch: &Watch, version: String, tell: &dyn Fn(Change)) -> End {
    let request = watch.watch_request(&version);
    let mut lines = if watch.metadata_only {
        match client.open(request).await {
            Ok(reply) => lines(reply.body),
            Err(ApiError::Gone) => return End::Gone,
            Err(error) => return End::Failed(error),
        }
    } else {
        client.transport.socket(request.path)
    };
    let mut version = version;
    let mut opened = false;
    while let Some(message) = lines.next().await {
        let text = match message {
            Message::Open => {
                opened = true;
                continue;
            }
            Message::Closed { .. } => break,
            Message::Text(text) => text,
        };
        client.mark_heard();
        opened = true;
        let event = json::read(&text).unwrap_or_default();
        let Some(kind) = event["type"].as_str() else {
            return End::Failed(ApiError::Unreadable { reason: "expected a watch event".to_owned() });
        };
        let object = &event["object"];
        if kind == "ERROR" {
            return watch_error(object);
        }
        if let Some(newest) = object["metadata"]["resourceVersion"].as_str() {
            newest.clone_into(&mut version);
        }
        match kind {
            "ADDED" | "MODIFIED" => tell(Change::Applied(object.clone())),
            "DELETED" => tell(Change::Deleted(object.clone())),
            // A bookmark moves the version alone; what is not known yet changes nothing.
            _ => {}
        }
    }
    if opened { End::Again(version) } else { End::Mute }
}

/// 410 comes as an event of type ERROR with HTTP 200.
fn watch_error(status: &Value) -> End {
    let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    match ApiError::from_answer(code.unwrap_or(500), status, None) {
        ApiError::Gone => End::Gone,
        error => End::Failed(error),
    }
}

/// A fetched watch: one event a line.
fn lines(body: LocalBoxStream<'static, Result<Vec<u8>, ApiError>>) -> LocalBoxStream<'static, Message> {
    let start = futures::stream::iter([Message::Open]);
    let rest = body.scan(Vec::new(), |kept: &mut Vec<u8>, piece| {
        let mut complete = Vec::new();
        if let Ok(piece) = piece {
            kept.extend(piece);
            if let Some(end) = kept.iter().rposition(|&byte| byte == b'\n') {
                let text: Vec<u8> = kept.drain(..=end).collect();
                let text = String::from_utf8_lossy(&text);
                complete
                    .extend(text.lines().filter(|line| !line.is_empty()).map(|line| Message::Text(line.to_owned())));
            }
        } else {
            complete.push(Message::Closed { code: 1006, reason: String::new() });
        }
        std::future::ready(Some(futures::stream::iter(complete)))
    });
    start.chain(rest.flatten()).boxed_local()
}

fn backoff(client: &Client, failures: u32, error: &ApiError) -> Duration {
    match error {
        ApiError::Busy { retry_after: Some(wish), .. } => (*wish).clamp(BACKOFF_FIRST, BACKOFF_LAST),
        _ => backoff_pause(client, failures),
    }
}

/// Doubles from [`BACKOFF_FIRST`] to [`BACKOFF_LAST`], up to a quarter less, so that pages don't come back all at once.
fn backoff_pause(client: &Client, failures: u32) -> Duration {
    let full = BACKOFF_FIRST.saturating_mul(1 << failures.min(6)).min(BACKOFF_LAST);
    full.mul_f64(1.0 - client.transport.jitter().clamp(0.0, 1.0) / 4.0)
}
