//! What people can set: where Crossview is, and how Helm's Jobs get at images and charts.
//!
//! Kept by the host as plain text, one text for each [`SettingsField`]; an empty one means the default. Holds once
//! parsed: every name is one that Kubernetes takes, and no text has a `$` for it to expand in a container. Passwords
//! are in none of them: a Secret in the target's namespace has those, and Helm's pod alone reads it.

use std::{fmt, str::FromStr};

use super::{Target, manifests::HELM_IMAGE};
use crate::{
    access::{HttpUrl, ParseHttpUrlError, is_authority},
    helm::release::ParseNameError,
};

/// All settings, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What Helm's Jobs are given.
    pub job: JobSettings,
    /// Where Crossview is, or is to be.
    pub target: Target,
}

/// What Helm's Jobs are given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobSettings {
    /// Helm's image.
    pub image: ImageRef,
    /// A Secret of type `kubernetes.io/dockerconfigjson` with which nodes pull that image.
    pub pull_secret: Option<ObjectName>,
    /// A Secret with what registry or repository want to see before they give the chart away.
    ///
    /// For charts in a registry its key `.dockerconfigjson` is Helm's registry configuration (a Secret of type
    /// `kubernetes.io/dockerconfigjson` has it); for charts of a repository its key `repositories.yaml` is Helm's list
    /// of repositories, with an entry named `crossview` that has `url`, `username` and `password`. Helm 3 and 4 take a
    /// user name and password for a repository from that file, a command line or their standard input alone; only
    /// the first keeps them out of the Job.
    /// <https://helm.sh/docs/helm/helm/>: `HELM_REGISTRY_CONFIG`, `HELM_REPOSITORY_CONFIG`.
    pub credentials: Option<ObjectName>,
    /// The proxy that Helm asks for registries and repositories.
    pub https_proxy: Option<HttpUrl>,
    /// Hosts that it is not asked for, parted by commas; the API server is always one of them.
    pub no_proxy: String,
    /// A ConfigMap whose key `ca.crt` has certificates, in PEM, of authorities that Helm trusts beside those that its
    /// image knows.
    pub ca: Option<ObjectName>,
}

/// A container image: `[registry/]path[:tag][@sha256:digest]`. The default is [`HELM_IMAGE`].
/// <https://github.com/distribution/reference/blob/main/reference.go>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef(String);

/// The name of an object: a DNS subdomain.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName(String);

/// Why a text is no setting; each says what a right one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not the grammar of an image.
    #[error("expected an image as in {HELM_IMAGE}, got \"{got}\"")]
    Image {
        /// The text.
        got: String,
    },
    /// Not the name of an object.
    #[error("expected the name of an object: small letters, digits, '-' and '.' between them, got \"{got}\"")]
    Object {
        /// The text.
        got: String,
    },
    /// Not a list of hosts.
    #[error("expected hosts parted by commas, as in .example.org,10.0.0.0/8, got \"{got}\"")]
    Hosts {
        /// The text.
        got: String,
    },
    /// Not an address.
    #[error(transparent)]
    Url(#[from] ParseHttpUrlError),
    /// Not the name of a namespace or release.
    #[error(transparent)]
    Name(#[from] ParseNameError),
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsField {
    /// [`JobSettings::image`].
    Image,
    /// [`JobSettings::pull_secret`].
    PullSecret,
    /// [`JobSettings::credentials`].
    Credentials,
    /// [`JobSettings::https_proxy`].
    HttpsProxy,
    /// [`JobSettings::no_proxy`].
    NoProxy,
    /// [`JobSettings::ca`].
    Ca,
    /// [`Target::namespace`].
    Namespace,
    /// [`Target::release`].
    Release,
}

impl SettingsField {
    /// All of them, in the order of a form.
    pub const ALL: [Self; 8] = [
        Self::Image,
        Self::PullSecret,
        Self::Credentials,
        Self::HttpsProxy,
        Self::NoProxy,
        Self::Ca,
        Self::Namespace,
        Self::Release,
    ];

    /// The key that it is stored by.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Image => "helmImage",
            Self::PullSecret => "helmPullSecret",
            Self::Credentials => "chartCredentials",
            Self::HttpsProxy => "httpsProxy",
            Self::NoProxy => "noProxy",
            Self::Ca => "certificateAuthorities",
            Self::Namespace => "namespace",
            Self::Release => "release",
        }
    }
}

/// The settings as they are stored and typed: one text for each field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawSettings([String; SettingsField::ALL.len()]);

impl RawSettings {
    /// The text of `field`; empty for the default.
    #[must_use]
    pub fn get(&self, field: SettingsField) -> &str {
        &self.0[field as usize]
    }

    /// Sets the text of `field`.
    pub fn set(&mut self, field: SettingsField, text: String) {
        self.0[field as usize] = text;
    }
}

impl Settings {
    /// Parses all fields; blanks around a text are none of it.
    ///
    /// # Errors
    /// The first field that is wrong, and what is wrong with it.
    pub fn parse(raw: &RawSettings) -> Result<Self, (SettingsField, SettingsError)> {
        /// The parsed text of a field, or `None` for the default.
        fn read<T: FromStr>(
            raw: &RawSettings,
            field: SettingsField,
        ) -> Result<Option<T>, (SettingsField, SettingsError)>
        where
            SettingsError: From<T::Err>,
        {
            match raw.get(field).trim() {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|error| (field, SettingsError::from(error))),
            }
        }
        let no_proxy = hosts(raw.get(SettingsField::NoProxy)).map_err(|error| (SettingsField::NoProxy, error))?;
        Ok(Self {
            job: JobSettings {
                image: read(raw, SettingsField::Image)?.unwrap_or_default(),
                pull_secret: read(raw, SettingsField::PullSecret)?,
                credentials: read(raw, SettingsField::Credentials)?,
                https_proxy: read(raw, SettingsField::HttpsProxy)?,
                no_proxy,
                ca: read(raw, SettingsField::Ca)?,
            },
            target: Target {
                namespace: read(raw, SettingsField::Namespace)?.unwrap_or_default(),
                release: read(raw, SettingsField::Release)?.unwrap_or_default(),
            },
        })
    }
}

/// Hosts, domains, addresses and ranges, parted by commas; blanks around each are none of it.
/// <https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>
fn hosts(text: &str) -> Result<String, SettingsError> {
    let is_host = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:/*[]".contains(&byte));
    let mut list = String::new();
    for host in text.split(',').map(str::trim).filter(|host| !host.is_empty()) {
        if !is_host(host) {
            return Err(SettingsError::Hosts { got: text.trim().to_owned() });
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(host);
    }
    Ok(list)
}

impl ImageRef {
    /// The image as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is [`HELM_IMAGE`], of which it is known what else is in it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == HELM_IMAGE
    }
}

impl Default for ImageRef {
    fn default() -> Self {
        Self(HELM_IMAGE.to_owned())
    }
}

impl FromStr for ImageRef {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if is_image(text) { Ok(Self(text.to_owned())) } else { Err(SettingsError::Image { got: text.to_owned() }) }
    }
}

/// The longest tag.
const LONGEST_TAG: usize = 128;

fn is_image(text: &str) -> bool {
    let (text, digest) = text.split_once('@').map_or((text, None), |(text, digest)| (text, Some(digest)));
    // A colon behind the last slash parts off the tag; one in front of it, a port.
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    };
    let is_digest = |digest: &str| {
        digest.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
    };
    let is_tag = |tag: &str| {
        tag.len() <= LONGEST_TAG
            && tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    registry.is_none_or(is_authority)
        && path.split('/').all(crate::helm::chart::is_repository_segment)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

impl ObjectName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_label = |label: &str| {
            label.bytes().next().is_some_and(is_word)
                && label.bytes().next_back().is_some_and(is_word)
                && label.bytes().all(|byte| is_word(byte) || byte == b'-')
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SettingsError::Object { got: text.to_owned() })
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(field: SettingsField, text: &str) -> RawSettings {
        let mut raw = RawSettings::default();
        raw.set(field, text.to_owned());
        raw
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        let settings = Settings::parse(&RawSettings::default()).unwrap();

        assert_eq!(settings, Settings::default());
        assert_eq!(settings.job.image.as_str(), HELM_IMAGE);
        assert!(settings.job.image.is_default());
        assert_eq!(settings.target, Target::default());
    }

    #[test]
    fn each_field_is_read_from_its_own_text() {
        let texts = [
            (SettingsField::Image, " registry.local:5000/tools/helm:4.3.1 "),
            (SettingsField::PullSecret, "pull"),
            (SettingsField::Credentials, "chart.login"),
            (SettingsField::HttpsProxy, "http://proxy.local:3128"),
            (SettingsField::NoProxy, " .local , 10.0.0.0/8,"),
            (SettingsField::Ca, "our-ca"),
            (SettingsField::Namespace, "tools"),
            (SettingsField::Release, "xview"),
        ];
        assert_eq!(texts.map(|(field, _)| field), SettingsField::ALL);
        let mut raw = RawSettings::default();
        for (field, text) in texts {
            raw.set(field, text.to_owned());
        }

        let Settings { job, target } = Settings::parse(&raw).unwrap();

        assert_eq!(job.image.as_str(), "registry.local:5000/tools/helm:4.3.1");
        assert!(!job.image.is_default());
        assert_eq!(job.pull_secret.unwrap().as_str(), "pull");
        assert_eq!(job.credentials.unwrap().as_str(), "chart.login");
        assert_eq!(job.https_proxy.unwrap().as_str(), "http://proxy.local:3128");
        assert_eq!(job.no_proxy, ".local,10.0.0.0/8");
        assert_eq!(job.ca.unwrap().as_str(), "our-ca");
        assert_eq!((target.namespace.as_str(), target.release.as_str()), ("tools", "xview"));
    }

    #[test]
    fn what_is_wrong_is_said_of_its_field_and_shows_the_text() {
        let wrong = [
            (SettingsField::Image, "alpine/helm:"),
            (SettingsField::Image, "Alpine/helm"),
            (SettingsField::Image, "a b"),
            (SettingsField::Image, "-a"),
            (SettingsField::Image, "helm:4$(A)"),
            (SettingsField::Image, "helm@sha256:12"),
            (SettingsField::Image, "https://registry.local/helm"),
            (SettingsField::PullSecret, "My_Secret"),
            (SettingsField::Credentials, "a..b"),
            (SettingsField::HttpsProxy, "proxy:3128"),
            (SettingsField::NoProxy, "a b"),
            (SettingsField::NoProxy, "$(A)"),
            (SettingsField::Ca, "-ca"),
            (SettingsField::Namespace, "a.b"),
            (SettingsField::Release, "A"),
        ];
        for (field, text) in wrong {
            let (of, error) = Settings::parse(&raw(field, text)).unwrap_err();

            assert_eq!(of, field, "{text}");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_proxys_password_is_refused_and_not_repeated() {
        let (_, error) = Settings::parse(&raw(SettingsField::HttpsProxy, "http://me:hunter2@proxy.local")).unwrap_err();

        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn images_as_people_write_them() {
        let digest = "0123456789abcdef".repeat(4);
        for text in [
            "helm",
            "alpine/helm",
            "docker.io/alpine/helm:4.3.1",
            "localhost:5000/helm",
            "localhost/a/helm:latest",
            "ghcr.io/a/b__c/d--e:v1_2.3-x",
            &format!("registry.local/helm@sha256:{digest}"),
            &format!("registry.local/helm:4@sha256:{digest}"),
        ] {
            assert_eq!(text.parse::<ImageRef>().map(|image| image.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn every_field_has_a_key_of_its_own() {
        for (at, field) in SettingsField::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, at);
            assert_eq!(SettingsField::ALL.into_iter().filter(|other| other.key() == field.key()).count(), 1);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_none_that_passes_has_a_variable(at in 0..SettingsField::ALL.len(), text in "\\PC{0,20}|[a-z0-9.:/@$ ,_-]{0,20}") {
            if let Ok(Settings { job, target }) = Settings::parse(&raw(SettingsField::ALL[at], &text)) {
                let all = format!("{job:?}{target:?}");
                prop_assert!(!all.contains('$'), "{}", all);
            }
        }
    }
}
