//! Requests to the API server as values: what a click will send can be shown, compared and copied before it is sent.
//!
//! Paths and query strings are those of kube-core's `Request`; a test holds them to it. kube-core itself builds
//! `http::Request`s and costs the page 13 kB brotli for that, so it is a dependency of the tests only.

use std::fmt;

use serde_json::Value;

use super::json;

/// The field manager that our server-side apply writes as.
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers>
pub const FIELD_MANAGER: &str = "crossview-headlamp";

/// A kind of object and where the API server serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    /// `v1`, or `group/version`.
    pub api_version: &'static str,
    /// The kind's name as manifests have it.
    pub name: &'static str,
    /// The kind's name in paths and access rules.
    pub plural: &'static str,
}

impl Kind {
    /// The kind of one of k8s-openapi's types.
    #[must_use]
    pub const fn of<K: k8s_openapi::Resource>() -> Self {
        Self { api_version: K::API_VERSION, name: K::KIND, plural: K::URL_PATH_SEGMENT }
    }

    /// The kind's API group; empty for the core group, as access rules want it.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The collection's path: in `namespace`, or over the whole cluster.
    #[must_use]
    pub fn collection(self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        let (version, plural) = (self.api_version, self.plural);
        match namespace {
            Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{version}/{plural}"),
        }
    }

    /// One object's path.
    #[must_use]
    pub fn object(self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{name}", self.collection(namespace))
    }
}

/// What is done to a path, by Kubernetes' names.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// Read an object or a list.
    Get,
    /// POST: 409 when it exists.
    Create(Value),
    /// POST of a text that is YAML, or is to be found to be none.
    CreateYaml(String),
    /// PUT: 409 when the resource version inside is not the newest.
    Replace(Value),
    /// Server-side apply as [`FIELD_MANAGER`], never with force.
    Apply(Value),
    /// JSON merge patch (RFC 7386).
    Merge(Value),
    /// DELETE with its `DeleteOptions`.
    Delete(Value),
}

/// One request to the API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is done.
    pub verb: Verb,
    /// Path with query; starts with `/api`.
    pub path: String,
    /// Ask for the objects' metadata only (`PartialObjectMetadata`): Helm's Secrets are never read whole.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-partialobjectmetadata>
    pub metadata_only: bool,
}

impl Request {
    /// Reads `path`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { verb: Verb::Get, path: path.into(), metadata_only: false }
    }

    /// Makes `object` in the collection at `path`.
    #[must_use]
    pub fn create(path: impl Into<String>, object: Value) -> Self {
        Self { verb: Verb::Create(object), path: path.into(), metadata_only: false }
    }

    /// Sends `text` to the collection at `path` as if it were an object's manifest in YAML.
    #[must_use]
    pub fn create_yaml(path: impl Into<String>, text: String) -> Self {
        Self { verb: Verb::CreateYaml(text), path: path.into(), metadata_only: false }
    }

    /// Puts `object` in the place of the one at `path`.
    #[must_use]
    pub fn replace(path: impl Into<String>, object: Value) -> Self {
        Self { verb: Verb::Replace(object), path: path.into(), metadata_only: false }
    }

    /// Applies `object`, whose path is `path`.
    #[must_use]
    pub fn apply(path: &str, object: Value) -> Self {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        Self { verb: Verb::Apply(object), path, metadata_only: false }
    }

    /// Merges `patch` into the object at `path`.
    #[must_use]
    pub fn merge(path: impl Into<String>, patch: Value) -> Self {
        Self { verb: Verb::Merge(patch), path: path.into(), metadata_only: false }
    }

    /// Deletes the object at `path`.
    #[must_use]
    pub fn delete(path: impl Into<String>, options: Value) -> Self {
        Self { verb: Verb::Delete(options), path: path.into(), metadata_only: false }
    }

    /// The same request, checked by the server in every way but not carried out.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run>
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str("dryRun=All");
        self
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.verb {
            Verb::Get => "GET",
            Verb::Create(_) | Verb::CreateYaml(_) => "POST",
            Verb::Replace(_) => "PUT",
            Verb::Apply(_) | Verb::Merge(_) => "PATCH",
            Verb::Delete(_) => "DELETE",
        }
    }

    /// The media type of the body; `None` where there is no body.
    #[must_use]
    pub fn content_type(&self) -> Option<&'static str> {
        match self.verb {
            Verb::Get => None,
            Verb::Create(_) | Verb::Replace(_) | Verb::Delete(_) => Some("application/json"),
            Verb::CreateYaml(_) => Some("application/yaml"),
            Verb::Apply(_) => Some("application/apply-patch+yaml"),
            Verb::Merge(_) => Some("application/merge-patch+json"),
        }
    }

    /// The media type that is asked for.
    #[must_use]
    pub fn accept(&self) -> &'static str {
        let watch = self.path.contains("watch=");
        match (self.metadata_only, watch) {
            (false, _) => "application/json",
            (true, false) => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            (true, true) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        }
    }

    /// The object, patch or options that are sent.
    #[must_use]
    pub fn body(&self) -> Option<&Value> {
        match &self.verb {
            Verb::Get | Verb::CreateYaml(_) => None,
            Verb::Create(v) | Verb::Replace(v) | Verb::Apply(v) | Verb::Merge(v) | Verb::Delete(v) => Some(v),
        }
    }

    /// The body as it goes over the wire; `None` where there is none.
    #[must_use]
    pub fn body_text(&self) -> Option<String> {
        match &self.verb {
            Verb::CreateYaml(text) => Some(text.clone()),
            _ => self.body().map(json::write),
        }
    }

    /// The object that is sent, so that a server's answer can be filled in before sending.
    pub fn body_mut(&mut self) -> Option<&mut Value> {
        match &mut self.verb {
            Verb::Get | Verb::CreateYaml(_) => None,
            Verb::Create(v) | Verb::Replace(v) | Verb::Apply(v) | Verb::Merge(v) | Verb::Delete(v) => Some(v),
        }
    }
}

/// Which objects of a collection are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selector {
    /// All of them.
    #[default]
    All,
    /// The one of this name.
    Name(String),
    /// Those with these labels (`k=v,k=v`).
    Labels(String),
}

/// `labelSelector=...` or `fieldSelector=...`, escaped; empty for all.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Name(name) => write!(f, "&fieldSelector=metadata.name%3D{name}"),
            Self::Labels(labels) => {
                f.write_str("&labelSelector=")?;
                // Names, values and their separators are plain but for these three.
                labels.chars().try_for_each(|c| match c {
                    '=' => f.write_str("%3D"),
                    ',' => f.write_str("%2C"),
                    '/' => f.write_str("%2F"),
                    c => write!(f, "{c}"),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::{batch::v1::Job, core::v1::Namespace};
    use kube_core::params::{ListParams, Patch, PatchParams, PostParams, WatchParams};
    use serde_json::json;

    fn sent(request: &http::Request<Vec<u8>>) -> (String, String) {
        (request.method().to_string(), request.uri().to_string())
    }

    fn ours(request: &Request) -> (String, String) {
        (request.method().to_owned(), request.path.clone())
    }

    #[test]
    fn paths_are_those_that_kube_core_builds() {
        let jobs = kube_core::Request::new(Kind::of::<Job>().collection(Some("crossview")));
        let path = Kind::of::<Job>().collection(Some("crossview"));
        let object = Kind::of::<Job>().object(Some("crossview"), "a");
        let manifest = json!({"kind": "Job"});

        assert_eq!(path, "/apis/batch/v1/namespaces/crossview/jobs");
        assert_eq!(Kind::of::<Namespace>().object(None, "crossview"), "/api/v1/namespaces/crossview");
        assert_eq!(
            ours(&Request::create(&*path, manifest.clone())),
            sent(&jobs.create(&PostParams::default(), vec![]).unwrap()).map_query()
        );
        assert_eq!(
            ours(&Request::apply(&object, manifest.clone())),
            sent(&jobs.patch("a", &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(&manifest)).unwrap()).map_query()
        );
        let list = jobs.list(&ListParams::default().labels("app.kubernetes.io/name=crossview,x=y")).unwrap();
        let selector = Selector::Labels("app.kubernetes.io/name=crossview,x=y".into());
        assert_eq!(format!("{path}?{selector}"), list.uri().to_string());
        let watch = jobs.watch(&WatchParams::default().fields("metadata.name=a"), "7").unwrap();
        assert!(watch.uri().to_string().contains(&Selector::Name("a".into()).to_string()), "{}", watch.uri());
    }

    trait MapQuery {
        fn map_query(self) -> Self;
    }

    /// kube-core ends a path without parameters in a bare `?` or `?&`; that means the same.
    impl MapQuery for (String, String) {
        fn map_query(self) -> Self {
            (self.0, self.1.replace("?&", "?").trim_end_matches('?').to_owned())
        }
    }

    #[test]
    fn only_metadata_of_secrets_is_asked_for_by_list_and_by_watch() {
        let list = Request { metadata_only: true, ..Request::get("/api/v1/secrets?limit=1") };
        let watch = Request { metadata_only: true, ..Request::get("/api/v1/secrets?watch=1") };

        assert!(list.accept().contains("as=PartialObjectMetadataList;"), "{}", list.accept());
        assert!(watch.accept().contains("as=PartialObjectMetadata;"), "{}", watch.accept());
    }
}
