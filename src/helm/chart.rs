//! Where a chart is to be had: what may stand where `helm` expects a chart, and which version of it.
//!
//! Holds once parsed: a reference starts with `oci://`, `https://` or `http://`, a chart's name with a letter or
//! digit, and all are printable ASCII without blanks, credentials or `$`. So Helm can read none of them as an option,
//! and Kubernetes, which expands `$(VARIABLE)` in a container's arguments, leaves them as they are.
//! Grammar: <https://helm.sh/docs/topics/registries/> and <https://helm.sh/docs/helm/helm_install/>.

use std::{fmt, str::FromStr};

use super::version::{ChartVersion, ParseChartVersionError};
use crate::access::{HttpUrl, ParseHttpUrlError, is_authority, strip_scheme};

/// Crossview's chart in its HTTP repository, for where the registry can't be reached.
pub const CROSSVIEW_REPOSITORY: &str = "https://crossplane-contrib.github.io/crossview crossview";

/// The chart's name, the same in the registry and in the repository.
const CROSSVIEW: &str = "crossview";

/// A chart, whatever its version.
///
/// The default is Crossview's own chart in its registry. [`FromStr`] and [`fmt::Display`] undo each other, but for
/// blanks and a `/` at the end of a repository's URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChartRef {
    /// In an OCI registry: `oci://registry/path/chart`.
    Oci {
        /// The registry's host, with a port or without one.
        registry: String,
        /// The path in the registry; its last segment is the chart's name.
        repository: String,
    },
    /// In a repository, which is an `index.yaml` and archives on a web server: `https://host/path chart`.
    Repository {
        /// The folder of its `index.yaml`.
        url: HttpUrl,
        /// The chart's name in the index.
        name: ChartName,
    },
    /// One archive on a web server: `https://host/path/chart-1.2.3.tgz`. It holds one version.
    Archive {
        /// The archive's address.
        url: HttpUrl,
    },
}

/// A chart of one version, or the newest stable one.
///
/// What people paste: [`FromStr`] takes a reference with `:version` behind it, and in a registry also with
/// `@sha256:digest` or both, and splits them off; [`fmt::Display`] puts them back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Chart {
    reference: ChartRef,
    version: Option<ChartVersion>,
    digest: Option<Digest>,
}

/// A chart's name: letters, digits, `.`, `_` and `-`, a letter or digit first.
/// <https://helm.sh/docs/chart_best_practices/conventions/#chart-names>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChartName(String);

/// The content of one manifest in a registry: `sha256:` and 64 hexadecimal digits, all that Helm takes.
/// <https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

/// Why a text is no [`Chart`], [`ChartRef`], [`ChartName`] or [`Digest`]; each variant but that about a password
/// keeps the text, and each says what a right one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseChartError {
    /// No scheme, or another one.
    #[error("expected oci://, https:// or http:// at the start, as in {default}, got \"{got}\"", default = ChartRef::default())]
    Scheme {
        /// The text.
        got: String,
    },
    /// Behind `oci://`: a registry alone, no registry, or characters that a registry doesn't have.
    #[error("expected registry/path/chart in small letters after oci://, as in {default}, got \"{got}\"", default = ChartRef::default())]
    Registry {
        /// The text.
        got: String,
    },
    /// The tag of an OCI reference is no version.
    #[error("expected a version after the last colon, as in {default}:4.6.0: {reason}", default = ChartRef::default())]
    Tag {
        /// What is wrong with it.
        reason: ParseChartVersionError,
    },
    /// The digest is not one.
    #[error("expected @sha256: and 64 hexadecimal digits behind the chart, got \"{got}\"")]
    Digest {
        /// What stands behind the `@`.
        got: String,
    },
    /// A web address with nothing behind it, and no archive's: which chart of that repository?
    #[error(
        "expected the chart's name behind the repository's address, as in \"{CROSSVIEW_REPOSITORY}\", or an address that ends in .tgz, got \"{got}\""
    )]
    NoName {
        /// The text.
        got: String,
    },
    /// What stands for the chart's name is none.
    #[error(
        "expected a chart's name of letters, digits, '.', '_' and '-', as in \"{CROSSVIEW_REPOSITORY}\", got \"{got}\""
    )]
    Name {
        /// What stands in its place.
        got: String,
    },
    /// The address of a repository or an archive is none.
    #[error(transparent)]
    Url(#[from] ParseHttpUrlError),
    /// User name or password in an OCI reference. The text is left out: it may hold a password.
    #[error("expected a reference without a user name or password; keep those in a Secret")]
    Credentials,
    /// A query or a fragment: Helm would append to them, and the first may be a token.
    #[error("expected an address without '?' and '#', got \"{got}\"")]
    Query {
        /// The text, up to there.
        got: String,
    },
    /// A version or a digest where only a reference may stand.
    #[error("expected a reference without a version, got \"{got}\"")]
    Versioned {
        /// The text.
        got: String,
    },
}

/// Why a [`Chart`] can't be had in the version that was chosen beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseVersionError {
    /// The reference names another version already.
    #[error("expected one version, got {tag} in the reference and {version} beside it")]
    TwoVersions {
        /// The one in the reference.
        tag: String,
        /// The one beside it.
        version: String,
    },
    /// An archive holds one version.
    #[error("expected no version beside an archive, which holds one version, got {version}")]
    Archive {
        /// The version.
        version: String,
    },
}

impl Chart {
    /// Where the chart is to be had.
    #[must_use]
    pub fn reference(&self) -> &ChartRef {
        &self.reference
    }

    /// Which version; `None` for the newest stable one, or where digest or archive say it.
    #[must_use]
    pub fn version(&self) -> Option<&ChartVersion> {
        self.version.as_ref()
    }

    /// Which content, in a registry; Helm refuses to run when `version` is another.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same chart in `version`, which people choose beside the reference.
    ///
    /// # Errors
    /// Where the reference has a version already and it is another one, and for archives.
    pub fn with_version(self, version: ChartVersion) -> Result<Self, ChooseVersionError> {
        match (&self.reference, &self.version) {
            (ChartRef::Archive { .. }, _) => Err(ChooseVersionError::Archive { version: version.to_string() }),
            (_, Some(tag)) if *tag != version => {
                Err(ChooseVersionError::TwoVersions { tag: tag.to_string(), version: version.to_string() })
            }
            _ => Ok(Self { version: Some(version), ..self }),
        }
    }
}

impl From<ChartRef> for Chart {
    fn from(reference: ChartRef) -> Self {
        Self { reference, version: None, digest: None }
    }
}

impl ChartRef {
    /// Whether versions of it can be chosen; an archive holds one.
    #[must_use]
    pub fn has_versions(&self) -> bool {
        !matches!(self, Self::Archive { .. })
    }

    /// The chart's name, as far as the reference tells it: an archive's file name begins with it, no more.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Oci { repository, .. } => repository.rsplit('/').next(),
            Self::Repository { name, .. } => Some(name.as_str()),
            Self::Archive { .. } => None,
        }
    }
}

impl Default for ChartRef {
    fn default() -> Self {
        Self::Oci {
            registry: "ghcr.io".to_owned(),
            repository: ["crossplane-contrib/crossview-chart", CROSSVIEW].join("/"),
        }
    }
}

impl FromStr for Chart {
    type Err = ParseChartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(rest) = strip_scheme(text, OCI) {
            return parse_oci(text, rest);
        }
        if strip_scheme(text, "https://").is_none() && strip_scheme(text, "http://").is_none() {
            return Err(ParseChartError::Scheme { got: text.to_owned() });
        }
        parse_web(text)
    }
}

const OCI: &str = "oci://";
/// What Helm's archives are called: <https://helm.sh/docs/helm/helm_package/>.
const ARCHIVES: [&str; 2] = [".tgz", ".tar.gz"];

/// `text` is the whole, `rest` what stands behind `oci://`.
fn parse_oci(text: &str, rest: &str) -> Result<Chart, ParseChartError> {
    let (registry, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if registry.contains('@') {
        return Err(ParseChartError::Credentials);
    }
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse()?)),
        None => (rest, None),
    };
    let (repository, version) = split_tag(rest)?;
    if !is_authority(registry) || !repository.split('/').all(is_repository_segment) {
        return Err(ParseChartError::Registry { got: text.to_owned() });
    }
    let reference = ChartRef::Oci { registry: registry.to_ascii_lowercase(), repository: repository.to_owned() };
    Ok(Chart { reference, version, digest })
}

/// What stands in front of the last colon's version, and that version.
fn split_tag(text: &str) -> Result<(&str, Option<ChartVersion>), ParseChartError> {
    let Some((text, tag)) = text.split_once(':') else {
        return Ok((text, None));
    };
    ChartVersion::from_tag(tag).map(|version| (text, Some(version))).map_err(|reason| ParseChartError::Tag { reason })
}

/// A segment of a registry's path: small letters and digits, parted by `.`, `_`, `__` or any number of `-`.
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>
pub(crate) fn is_repository_segment(segment: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let parts_words = |mark: &str| matches!(mark, "" | "." | "_" | "__") || mark.bytes().all(|byte| byte == b'-');
    segment.bytes().next().is_some_and(is_word)
        && segment.bytes().next_back().is_some_and(is_word)
        && segment.split(|character: char| character.is_ascii() && is_word(character as u8)).all(parts_words)
}

/// A repository with a chart's name behind it, or an archive.
fn parse_web(text: &str) -> Result<Chart, ParseChartError> {
    let (address, name) = match text.split_once(char::is_whitespace) {
        Some((address, name)) => (address, Some(name.trim_start())),
        None => (text, None),
    };
    let url = HttpUrl::from_str(address)?;
    if let Some(end) = address.find(['?', '#']) {
        return Err(ParseChartError::Query { got: address.get(..end).unwrap_or_default().to_owned() });
    }
    if let Some(name) = name {
        let (name, version) = split_tag(name)?;
        let reference = ChartRef::Repository { url: folder(&url)?, name: name.parse()? };
        return Ok(Chart { reference, version, digest: None });
    }
    if ARCHIVES.iter().any(|end| url.rest().ends_with(end)) {
        return Ok(ChartRef::Archive { url }.into());
    }
    Err(ParseChartError::NoName { got: text.to_owned() })
}

/// The folder of a repository; whoever copied the address of its `index.yaml` means that folder.
fn folder(url: &HttpUrl) -> Result<HttpUrl, ParseHttpUrlError> {
    let text = url.as_str();
    text.strip_suffix("/index.yaml").unwrap_or(text).trim_end_matches('/').parse()
}

impl FromStr for ChartRef {
    type Err = ParseChartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            Chart { reference, version: None, digest: None } => Ok(reference),
            Chart { .. } => Err(ParseChartError::Versioned { got: text.trim().to_owned() }),
        }
    }
}

impl FromStr for ChartName {
    type Err = ParseChartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if is_name { Ok(Self(text.to_owned())) } else { Err(ParseChartError::Name { got: text.to_owned() }) }
    }
}

impl FromStr for Digest {
    type Err = ParseChartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_digest = text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_digit));
        if is_digest { Ok(Self(text.to_owned())) } else { Err(ParseChartError::Digest { got: text.to_owned() }) }
    }
}

impl ChartName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)?;
        if let Some(version) = &self.version {
            f.write_str(":")?;
            f.write_str(&version.to_string().replace('+', "_"))?;
        }
        if let Some(digest) = &self.digest {
            f.write_str("@")?;
            digest.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci { registry, repository } => write!(f, "{OCI}{registry}/{repository}"),
            Self::Repository { url, name } => write!(f, "{url} {name}"),
            Self::Archive { url } => url.fmt(f),
        }
    }
}

impl fmt::Display for ChartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn chart(text: &str) -> Chart {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> ParseChartError {
        match text.parse::<Chart>() {
            Ok(chart) => panic!("{text} was taken for {chart:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn the_default_is_the_reference_that_the_release_workflow_pushes_to() {
        let default = ChartRef::default();

        assert_eq!(default.to_string(), "oci://ghcr.io/crossplane-contrib/crossview-chart/crossview");
        assert_eq!(default.name(), Some("crossview"));
        assert_eq!(default.to_string().parse(), Ok(default));
    }

    #[test]
    fn the_repository_of_crossview_is_one() {
        let ChartRef::Repository { url, name } = CROSSVIEW_REPOSITORY.parse().unwrap() else { panic!("no repository") };

        assert_eq!((url.as_str(), name.as_str()), ("https://crossplane-contrib.github.io/crossview", "crossview"));
    }

    #[test]
    fn a_pasted_tag_and_digest_are_split_off() {
        let pasted = chart(&format!("oci://registry.local:5000/charts/crossview:v3.8.0-rc.3_b.1@{SHA}"));

        assert_eq!(pasted.reference().to_string(), "oci://registry.local:5000/charts/crossview");
        assert_eq!(pasted.version().unwrap().to_string(), "3.8.0-rc.3+b.1");
        assert_eq!(pasted.digest().unwrap().to_string(), SHA);
        assert_eq!(chart(&format!("oci://a/b@{SHA}")).version(), None);
        assert_eq!(chart("https://example.org/charts/ crossview:4.6.0").version(), Some(&"4.6.0".parse().unwrap()));
    }

    #[test]
    fn a_web_address_is_an_archive_or_needs_a_name() {
        assert!(matches!(chart("https://example.org/a/crossview-4.6.0.tgz").reference(), ChartRef::Archive { .. }));
        assert!(matches!(refused("https://example.org/charts"), ParseChartError::NoName { .. }));
        assert!(matches!(refused("https://example.org/charts --set=a=b"), ParseChartError::Name { .. }));
        assert!(matches!(refused("https://example.org/charts cross view"), ParseChartError::Name { .. }));
        assert!(matches!(refused("https://example.org/a.tgz?token=secret"), ParseChartError::Query { .. }));
        assert_eq!(chart("https://example.org/charts/index.yaml a"), chart("https://example.org/charts a"));
    }

    #[test]
    fn every_refusal_keeps_the_text_and_shows_a_right_one() {
        for text in [
            "",
            "crossview",
            "crossview/crossview",
            "-o",
            "--version=1",
            "ghcr.io/a/crossview",
            "ftp://a/b",
            "oci://",
            "oci://ghcr.io",
            "oci://ghcr.io/",
            "oci:///a/b",
            "oci://ghcr.io//b",
            "oci://ghcr.io/a/",
            "oci://ghcr.io/A/b",
            "oci://ghcr.io/a b",
            "oci://ghcr.io/a/b..c",
            "oci://ghcr.io/a/b___c",
            "oci://ghcr.io/a/-b",
            "oci://gh cr.io/a",
            "oci://ghcr.io/a/$(B)",
            "oci://ghcr.io/a?b",
            "oci://ghcr.io/ä",
            "https://example.org",
        ] {
            let words = refused(text).to_string();

            assert!(words.contains(&format!("{text:?}")), "{text:?}: {words}");
            assert!(words.contains("oci://") || words.contains("https://"), "{text:?}: {words}");
        }
        for tag in ["latest", "", "4.6", "^4.0.0", "4.6.0:1", "stable@"] {
            let text = format!("oci://ghcr.io/a/crossview:{tag}");
            assert!(matches!(refused(&text), ParseChartError::Tag { .. } | ParseChartError::Digest { .. }), "{text}");
        }
        for digest in ["", "sha256:", "sha256:0123", "md5:00", "SHA256:00", &SHA.to_uppercase()] {
            assert!(matches!(refused(&format!("oci://a/b@{digest}")), ParseChartError::Digest { .. }), "{digest}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for text in [
            "oci://me:secret@ghcr.io/a/b",
            "oci://me:secret@ghcr.io",
            "https://me:secret@example.org/a.tgz",
            "https://secret@example.org b",
        ] {
            let words = refused(text).to_string();

            assert!(!words.contains("secret"), "{words}");
            assert!(words.contains("Secret"), "{words}");
        }
    }

    #[test]
    fn two_versions_are_a_question_not_a_guess() {
        let tagged = chart("oci://ghcr.io/a/b:4.6.0");

        assert_eq!(tagged.clone().with_version("v4.6.0".parse().unwrap()), Ok(tagged.clone()));
        assert!(matches!(tagged.with_version("4.5.0".parse().unwrap()), Err(ChooseVersionError::TwoVersions { .. })));
        let archive = chart("https://example.org/crossview-4.6.0.tgz");
        assert!(matches!(archive.with_version("4.6.0".parse().unwrap()), Err(ChooseVersionError::Archive { .. })));
    }

    #[test]
    fn a_reference_alone_has_no_version() {
        assert!(matches!("oci://a/b:1.0.0".parse::<ChartRef>(), Err(ParseChartError::Versioned { .. })));
    }

    fn charts() -> impl Strategy<Value = String> {
        let oci = "oci://[a-z]{1,3}(\\.[a-z]{2})?(:[1-9][0-9]{0,3})?(/[a-z0-9]{1,3}([._-]|__|---)[a-z0-9]|/[a-z]){1,3}(:v?[0-9]\\.[1-9]\\.0(-rc\\.1)?(_b)?)?";
        let pinned = oci.prop_map(|text| format!("{text}@{SHA}"));
        let web = "https?://[a-z]{1,5}(:8080)?(/[a-zA-Z0-9~%_.-]{1,4}){0,2}(/a\\.tgz| [a-z][a-z0-9._-]{0,4}(:1\\.0\\.[0-9])?)";
        prop_oneof![oci, pinned, web]
    }

    proptest! {
        #[test]
        fn a_printed_chart_reads_as_itself(text in charts()) {
            let chart = chart(&text);

            prop_assert_eq!(chart.to_string().parse(), Ok(chart));
        }

        #[test]
        fn no_text_makes_it_panic_and_none_that_passes_can_be_an_option(
            text in prop_oneof!["(oci|https?)://\\PC*", "(oci|https)://[a-z@:/.$ -]*", "\\PC*", charts()],
        ) {
            if let Ok(chart) = text.parse::<Chart>() {
                let parts = match chart.reference() {
                    ChartRef::Oci { .. } => vec![chart.reference().to_string()],
                    ChartRef::Repository { url, name } => vec![url.to_string(), name.to_string()],
                    ChartRef::Archive { url } => vec![url.to_string()],
                };
                for part in parts {
                    prop_assert!(part.starts_with(|first: char| first.is_ascii_alphanumeric()));
                    prop_assert!(part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'$'), "{part}");
                }
            }
        }
    }
}
