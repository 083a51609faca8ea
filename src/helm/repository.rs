//! What a chart repository offers, as `helm search repo --output=json` prints it.
//!
//! Only repositories can be listed; a registry's tags are known to Helm alone, and it doesn't print them.
//! Source: <https://github.com/helm/helm/blob/main/pkg/cmd/search_repo.go>.

use serde_json::Value;

use super::{
    chart::{ChartName, ChartRef},
    version::ChartVersion,
};
use crate::{
    access::HttpUrl,
    cluster::{Narrow, Texts, Timestamp, json},
};

/// What a repository is called in Helm's own list, which lives no longer than the Job.
pub const ALIAS: &str = "crossview";

/// One version that a repository offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The chart's version.
    pub version: ChartVersion,
    /// The version of what the chart installs, as its author wrote it; may be empty.
    pub app_version: String,
    /// The day on which the index got it, `2026-10-14`; empty where it isn't known.
    pub created: String,
}

/// What a repository offered when it was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The repository.
    pub repository: HttpUrl,
    /// The chart's name there.
    pub chart: ChartName,
    /// When it was asked, by the API server's clock.
    pub at: Timestamp,
    /// Newest first, at most [`MOST_OFFERS`].
    pub offers: Vec<Offer>,
}

/// How many versions are kept for every browser: a ConfigMap has a size, and people look at the newest.
pub const MOST_OFFERS: usize = 100;
/// The key in the ConfigMap.
const KEY: &str = "versions.json";

impl Versions {
    /// Reads what [`Versions::to_json`] wrote out of a ConfigMap's data; `None` where somebody else wrote it. A version
    /// that is none is left out.
    #[must_use]
    pub fn read(data: &Texts) -> Option<Self> {
        let kept: Value = json::read(data.get(KEY)?)?;
        let text = |value: &Value, key: &str| String::read(&value[key]);
        let offer = |value: &Value| {
            Some(Offer {
                version: text(value, "version").parse().ok()?,
                app_version: text(value, "appVersion"),
                created: text(value, "created"),
            })
        };
        Some(Self {
            repository: text(&kept, "repository").parse().ok()?,
            chart: text(&kept, "chart").parse().ok()?,
            at: Timestamp::parse_rfc3339(&text(&kept, "at"))?,
            offers: kept["versions"].as_array()?.iter().filter_map(offer).collect(),
        })
    }

    /// As a ConfigMap keeps it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let offer = |offer: &Offer| {
            json::object([
                ("version", offer.version.to_string().into()),
                ("appVersion", offer.app_version.as_str().into()),
                ("created", offer.created.as_str().into()),
            ])
        };
        let versions: Vec<Value> = self.offers.iter().take(MOST_OFFERS).map(offer).collect();
        json::object([
            ("repository", self.repository.as_str().into()),
            ("chart", self.chart.as_str().into()),
            ("at", self.at.to_string().into()),
            ("versions", versions.into()),
        ])
    }

    /// Whether they are those of `reference`.
    #[must_use]
    pub fn are_of(&self, reference: &ChartRef) -> bool {
        matches!(reference, ChartRef::Repository { url, name } if *url == self.repository && *name == self.chart)
    }
}

/// Why an output lists no versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadOffersError {
    /// Not the JSON that was asked for.
    #[error("expected a JSON list of charts from helm search, got \"{got}\"")]
    Unreadable {
        /// Its start.
        got: String,
    },
    /// A list without that chart.
    #[error("the repository has no chart {name}")]
    NoChart {
        /// The chart's name.
        name: ChartName,
    },
}

/// How much of an unreadable output is kept to show.
const SHOWN: usize = 120;

/// The versions of the chart `name`, newest first, from Helm's output; lines around the list are passed over, and
/// so are versions that are none and other charts whose name or description has the word too.
///
/// # Errors
/// Where the output has no list, or the list nothing of that chart.
pub fn read_offers(name: &ChartName, output: &str) -> Result<Vec<Offer>, ReadOffersError> {
    let list = output.lines().find_map(|line| match json::read(line.trim()) {
        Some(Value::Array(list)) => Some(list),
        _ => None,
    });
    let list = list.ok_or_else(|| ReadOffersError::Unreadable { got: output.trim().chars().take(SHOWN).collect() })?;
    let wanted = [ALIAS, "/", name.as_str()].concat();
    let mut offers: Vec<Offer> = Vec::new();
    for found in list.iter().filter_map(|chart| offer(chart, &wanted)) {
        // Helm prints the newest first, so each finds its place at the end; a sort would weigh 1 kB.
        let at = offers.iter().rposition(|known| known.version >= found.version).map_or(0, |before| before + 1);
        offers.insert(at, found);
    }
    if offers.is_empty() {
        return Err(ReadOffersError::NoChart { name: name.clone() });
    }
    Ok(offers)
}

fn offer(chart: &Value, wanted: &str) -> Option<Offer> {
    let text = |key: &str| chart.get(key).and_then(Value::as_str);
    if text("name")? != wanted {
        return None;
    }
    Some(Offer {
        version: text("version")?.parse().ok()?,
        app_version: text("app_version").unwrap_or_default().to_owned(),
        created: String::new(),
    })
}

/// Fills in the days of `offers` from the repository's index.
///
/// Reads the lines that Go's YAML writers make, as `helm repo index` and chart-releaser have them: the entries of a
/// chart are a list of mappings in blocks. Whatever else it meets it passes over, so an index that is written otherwise
/// leaves the days empty.
pub fn fill_days(offers: &mut [Offer], name: &ChartName, index: &str) {
    let (mut in_entries, mut in_chart) = (false, false);
    // Where the chart's key and its list's dashes stand.
    let (mut key_at, mut dash_at) = (0, None);
    let (mut version, mut created) = ("", "");
    for line in index.lines().chain(["end:"]) {
        let text = line.trim_start_matches(' ');
        let at = line.len() - text.len();
        let dash = text.strip_prefix("- ");
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let ends_chart = in_chart && at <= key_at && dash.is_none();
        let ends_item = ends_chart || (in_chart && dash.is_some() && dash_at == Some(at));
        if ends_item {
            let parsed = version.parse::<ChartVersion>().ok();
            if let Some(offer) = offers.iter_mut().find(|offer| Some(&offer.version) == parsed.as_ref()) {
                day(created).clone_into(&mut offer.created);
            }
            (version, created) = ("", "");
        }
        if ends_chart {
            in_chart = false;
        }
        if at == 0 && dash.is_none() {
            in_entries = text.trim_end() == "entries:";
        } else if !in_chart
            && in_entries
            && dash.is_none()
            && unquoted(text.trim_end().trim_end_matches(':')) == name.as_str()
        {
            (in_chart, key_at, dash_at) = (true, at, None);
        } else if in_chart {
            if dash.is_some() && dash_at.is_none() {
                dash_at = Some(at);
            }
            // Only keys of the entry itself: those of its dependencies and the rest of long texts stand further in.
            let field = match (dash, dash_at) {
                (Some(field), Some(dash_at)) if at == dash_at => field,
                (None, Some(dash_at)) if at == dash_at + 2 => text,
                _ => continue,
            };
            match field.split_once(": ") {
                Some(("version", value)) => version = unquoted(value),
                Some(("created", value)) => created = unquoted(value),
                _ => {}
            }
        }
    }
}

/// A scalar without the quotes around it.
fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// The day of a time in RFC 3339; empty for anything else.
fn day(time: &str) -> &str {
    let day = time.get(..10).unwrap_or_default();
    let is_day = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if is_day { day } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(output: &str) -> Result<Vec<Offer>, ReadOffersError> {
        read_offers(&"crossview".parse().unwrap(), output)
    }

    #[test]
    fn versions_come_newest_first_and_other_charts_are_left_out() {
        let output = concat!(
            "level=WARN msg=\"unable to find exact version\"\n",
            r#"[{"name":"crossview/crossview","version":"4.6.0","app_version":"v4.6.0","description":"a"},"#,
            r#"{"name":"crossview/crossview","version":"4.10.0-rc.1","app_version":""},"#,
            r#"{"name":"crossview/crossview","version":"newest"},"#,
            r#"{"name":"crossview/other","version":"9.0.0","description":"for crossview"}]"#,
            "\n"
        );

        let offers = read(output).unwrap();

        let printed: Vec<_> =
            offers.iter().map(|offer| (offer.version.to_string(), offer.app_version.as_str())).collect();
        assert_eq!(printed, [("4.10.0-rc.1".to_owned(), ""), ("4.6.0".to_owned(), "v4.6.0")]);
    }

    const INDEX: &str = r#"apiVersion: v1
entries:
  another:
  - created: "2020-01-01T00:00:00Z"
    version: 4.6.0
  crossview:
  - apiVersion: v2
    appVersion: v4.10.0-rc.1
    created: "2026-11-09T15:20:11.123456789Z"
    dependencies:
    - condition: a
      name: postgresql
      version: 4.6.0
    description: |-
      version: 4.6.0
      created: "2001-01-01T00:00:00Z"
    urls:
    - https://example.org/a.tgz
    version: 4.10.0-rc.1
  - created: 2026-10-14T08:41:52+02:00
    name: crossview
    version: "4.6.0"
  - created: yesterday
    version: 4.5.0
  later:
  - created: "2021-01-01T00:00:00Z"
    version: 4.6.0
generated: "2026-11-09T15:20:11Z"
"#;

    fn offers() -> Vec<Offer> {
        ["4.10.0-rc.1", "4.6.0", "4.5.0"]
            .map(|version| Offer {
                version: version.parse().unwrap(),
                app_version: String::new(),
                created: String::new(),
            })
            .into()
    }

    fn days(index: &str) -> Vec<String> {
        let mut offers = offers();
        fill_days(&mut offers, &"crossview".parse().unwrap(), index);
        offers.into_iter().map(|offer| offer.created).collect()
    }

    #[test]
    fn the_days_are_those_of_the_charts_own_entries() {
        assert_eq!(days(INDEX), ["2026-11-09", "2026-10-14", ""]);
    }

    #[test]
    fn a_list_that_is_indented_is_read_as_well() {
        let indented = "entries:\n  crossview:\n    - version: 4.6.0\n      created: '2026-10-14T08:41:52Z'\n";

        assert_eq!(days(indented), ["", "2026-10-14", ""]);
    }

    #[test]
    fn an_index_in_another_form_leaves_the_days_empty() {
        assert_eq!(
            days(r#"{"entries":{"crossview":[{"version":"4.6.0","created":"2026-10-14T08:41:52Z"}]}}"#),
            ["", "", ""]
        );
        assert_eq!(days("crossview:\n- version: 4.6.0\n  created: 2026-10-14\n"), ["", "", ""]);
    }

    #[test]
    fn what_is_kept_reads_as_itself_and_no_more_than_the_newest_hundred() {
        let mut offers = offers();
        offers.extend((0..MOST_OFFERS).map(|patch| Offer {
            version: format!("3.0.{}", MOST_OFFERS - patch).parse().unwrap(),
            app_version: "v3".to_owned(),
            created: "2025-01-01".to_owned(),
        }));
        let versions = Versions {
            repository: "https://example.org/charts".parse().unwrap(),
            chart: "crossview".parse().unwrap(),
            at: Timestamp::from_millis(1_795_395_723_000),
            offers,
        };

        let kept: Texts = [(KEY, versions.to_json().to_string())].into_iter().collect();

        let read = Versions::read(&kept).unwrap();
        assert_eq!(read.offers.len(), MOST_OFFERS);
        assert_eq!(read.offers, versions.offers[..MOST_OFFERS]);
        assert!(read.are_of(&"https://example.org/charts crossview".parse().unwrap()));
        assert!(!read.are_of(&"https://example.org/other crossview".parse().unwrap()));
    }

    #[test]
    fn what_somebody_else_has_written_is_no_list_of_versions() {
        for text in ["", "[]", "{}", r#"{"repository": "x"}"#] {
            assert_eq!(Versions::read(&[(KEY, text)].into_iter().collect()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_index_makes_it_panic(index in "(entries:|  crossview:|- |  |version: 4\\.6\\.0|created: 2026-10-14|\n|\\PC){0,40}") {
            let _ = days(&index);
        }
    }

    #[test]
    fn no_list_and_no_such_chart_are_two_answers() {
        assert!(matches!(read("Error: no repositories configured\n"), Err(ReadOffersError::Unreadable { .. })));
        assert!(matches!(read(""), Err(ReadOffersError::Unreadable { .. })));
        assert!(matches!(read("[]"), Err(ReadOffersError::NoChart { .. })));
    }
}
