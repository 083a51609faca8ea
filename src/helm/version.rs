//! Versions of charts: SemVer 2, as Helm demands them.
//!
//! Holds once parsed: the printed form starts with a digit and has letters, digits, `.`, `-` and `+` only.
//! Grammar and order: <https://semver.org/spec/v2.0.0.html>; Helm's demand: <https://helm.sh/docs/topics/charts/#charts-and-versioning>.

use std::{cmp::Ordering, fmt, str::FromStr};

/// One version of a chart, never a range.
///
/// [`FromStr`] takes a `v` in front, as tags and app versions have it, and blanks around; [`fmt::Display`] prints
/// neither. The order is SemVer's precedence; build metadata, which has none, is compared last as text, so that two
/// versions are equal only when they print the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChartVersion {
    numbers: [u64; 3],
    /// Dot-separated identifiers after `-`; empty for a stable version.
    pre_release: String,
    /// Dot-separated identifiers after `+`; often empty.
    build: String,
}

/// Why a text is no [`ChartVersion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseChartVersionError {
    /// Not the grammar of SemVer 2.
    #[error("expected one exact version, as 4.6.0 or 4.7.0-rc.3, got \"{got}\"")]
    Grammar {
        /// The text.
        got: String,
    },
    /// Longer than a tag of a registry can be.
    #[error("expected a version of at most {MAX_LENGTH} characters, got {got}")]
    Length {
        /// How many characters there are.
        got: usize,
    },
}

/// What a tag may have: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>.
const MAX_LENGTH: usize = 128;

impl ChartVersion {
    /// Whether it comes before a release: Helm leaves such versions out unless they are asked for.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        !self.pre_release.is_empty()
    }

    /// The version that a registry's tag names: tags have no `+`, so Helm writes `_` for it.
    /// <https://helm.sh/docs/topics/registries/>
    ///
    /// # Errors
    /// As [`ChartVersion::from_str`].
    pub fn from_tag(tag: &str) -> Result<Self, ParseChartVersionError> {
        tag.replace('_', "+").parse()
    }
}

/// What becomes of an installed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionChange {
    /// The wanted one comes later.
    Upgrade,
    /// It is the same.
    Same,
    /// The wanted one comes earlier.
    Downgrade,
    /// One of them isn't known: no label, or whatever is the newest.
    Unknown,
}

impl VersionChange {
    /// From the chart in the label `helm.sh/chart`, such as `crossview-4.6.0`, to `wanted`; `None` where the newest is
    /// wanted, or digest or archive decide.
    #[must_use]
    pub fn of(installed: &str, wanted: Option<&ChartVersion>) -> Self {
        let (Some(installed), Some(wanted)) = (ChartVersion::of_label(installed), wanted) else { return Self::Unknown };
        match wanted.cmp(&installed) {
            Ordering::Greater => Self::Upgrade,
            Ordering::Equal => Self::Same,
            Ordering::Less => Self::Downgrade,
        }
    }
}

impl ChartVersion {
    /// The version in the label `helm.sh/chart`: behind the chart's name, with `_` for `+`.
    /// <https://helm.sh/docs/chart_best_practices/labels/#standard-labels>
    #[must_use]
    pub fn of_label(label: &str) -> Option<Self> {
        // A name may have dashes and digits as well: the first that leaves a version is the one.
        label.match_indices('-').find_map(|(at, _)| Self::from_tag(label.get(at + 1..)?).ok())
    }
}

impl FromStr for ChartVersion {
    type Err = ParseChartVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(ParseChartVersionError::Length { got: text.len() });
        }
        parse(text.strip_prefix('v').unwrap_or(text))
            .ok_or_else(|| ParseChartVersionError::Grammar { got: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<ChartVersion> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre_release) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let mut parts = core.split('.');
    let numbers = [number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?];
    let is_whole = parts.next().is_none()
        && build.is_none_or(|build| build.split('.').all(is_identifier))
        && pre_release.is_none_or(|pre| {
            pre.split('.').all(|part| is_identifier(part) && (!is_numeric(part) || !has_leading_zero(part)))
        });
    is_whole.then(|| ChartVersion {
        numbers,
        pre_release: pre_release.unwrap_or_default().to_owned(),
        build: build.unwrap_or_default().to_owned(),
    })
}

fn number(text: &str) -> Option<u64> {
    (is_numeric(text) && !has_leading_zero(text)).then(|| text.parse().ok())?
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0')
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for ChartVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (mark, part) in [("-", &self.pre_release), ("+", &self.build)] {
            if !part.is_empty() {
                f.write_str(mark)?;
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

impl Ord for ChartVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| pre_release_order(&self.pre_release, &other.pre_release))
            .then_with(|| self.build.cmp(&other.build))
    }
}

impl PartialOrd for ChartVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Section 11 of SemVer: a stable version comes after all that led to it; identifiers are compared one by one,
/// numbers before words.
fn pre_release_order(left: &str, right: &str) -> Ordering {
    if left.is_empty() || right.is_empty() {
        return left.is_empty().cmp(&right.is_empty());
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let (left, right) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => (left, right),
        };
        let order = match (is_numeric(left), is_numeric(right)) {
            // No leading zeros, so the longer number is the greater; it may be too long for any integer.
            (true, true) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> ChartVersion {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_leading_v_is_no_part_of_the_version() {
        assert_eq!(version("v3.8.0-rc.3").to_string(), "3.8.0-rc.3");
        assert_eq!(version(" v4.6.0 "), version("4.6.0"));
    }

    #[test]
    fn a_tag_writes_underscore_for_plus() {
        assert_eq!(ChartVersion::from_tag("v1.0.0_build.5").unwrap().to_string(), "1.0.0+build.5");
    }

    #[test]
    fn an_update_is_named_for_what_it_does() {
        let change = |installed: &str, wanted: &str| VersionChange::of(installed, Some(&version(wanted)));

        assert_eq!(change("crossview-4.6.0", "4.7.0-rc.3"), VersionChange::Upgrade);
        assert_eq!(change("crossview-4.6.0", "v4.6.0"), VersionChange::Same);
        assert_eq!(change("crossview-4.7.0-rc.3", "4.6.0"), VersionChange::Downgrade);
        assert_eq!(change("cross-2-view-1.0.0_b.1", "1.0.0+b.1"), VersionChange::Same);
        assert_eq!(change("", "4.6.0"), VersionChange::Unknown);
        assert_eq!(change("crossview", "4.6.0"), VersionChange::Unknown);
        assert_eq!(VersionChange::of("crossview-4.6.0", None), VersionChange::Unknown);
    }

    // The chain of section 11 of the specification, with more between.
    #[test]
    fn versions_follow_the_order_of_the_specification() {
        let ordered = [
            "0.9.9",
            "1.0.0-0",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-99999999999999999999999",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0-a-b",
            "2.0.0",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_is_not_one_exact_version_is_refused() {
        let long = format!("1.0.0-{}", "a".repeat(MAX_LENGTH));
        for text in [
            "",
            "v",
            "latest",
            "4",
            "4.6",
            "^4.6.0",
            ">=4.6.0",
            "4.x",
            "4.6.0 ",
            "vv4.6.0",
            "04.6.0",
            "4.6.0-",
            "4.6.0+",
            "4.6.0-rc..1",
            "4.6.0-01",
            "4.6.0-a_b",
            "4.6.0+a+b",
            "-4.6.0",
            "4.6.0.1",
            "99999999999999999999999.0.0",
            "٤.0.0",
            "4.6.0 --set=a",
            "4.6.0$(A)",
            long.as_str(),
        ] {
            let parsed = text.parse::<ChartVersion>();

            assert!(parsed.is_err() || text.ends_with(' '), "{text:?}");
        }
    }

    fn versions() -> impl Strategy<Value = ChartVersion> {
        "(0|[1-9][0-9]{0,2})\\.(0|[1-9]{1,2})\\.[0-9](-(0|[1-9][0-9]?|[a-z-]{1,3})(\\.(0|[1-9]|[A-Za-z][0-9]?)){0,2})?(\\+[a-z0-9]{1,3})?"
            .prop_map(|text| version(&text))
    }

    proptest! {
        #[test]
        fn a_printed_version_reads_as_itself(version in versions()) {
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }

        #[test]
        fn the_order_is_total_and_agrees_with_equality(a in versions(), b in versions(), c in versions()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn no_text_makes_it_panic_and_none_that_passes_is_more_than_a_version(text in "v?\\PC*|[0-9v.+ -]*") {
            if let Ok(version) = text.parse::<ChartVersion>() {
                let printed = version.to_string();
                prop_assert!(printed.starts_with(|first: char| first.is_ascii_digit()));
                prop_assert!(printed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte)));
            }
        }
    }
}
