//! What a chart repository offers, as `helm search repo --output=json` prints it.
//!
//! Only repositories can be listed; a registry's tags are known to Helm alone, and it doesn't print them.
//! Source: <https://github.com/helm/helm/blob/main/pkg/cmd/search_repo.go>.

use serde_json::Value;

use super::{chart::ChartName, version::ChartVersion};

/// What a repository is called in Helm's own list, which lives no longer than the Job.
pub const ALIAS: &str = "crossview";

/// One version that a repository offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The chart's version.
    pub version: ChartVersion,
    /// The version of what the chart installs, as its author wrote it; may be empty.
    pub app_version: String,
}

/// Why an output lists no versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadOffersError {
    /// Not the JSON that was asked for.
    #[error("expected a JSON list of charts from helm search, got {got:?}")]
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
    let list = output.lines().find_map(|line| match serde_json::from_str(line.trim()) {
        Ok(Value::Array(list)) => Some(list),
        _ => None,
    });
    let list = list.ok_or_else(|| ReadOffersError::Unreadable { got: output.trim().chars().take(SHOWN).collect() })?;
    let wanted = [ALIAS, "/", name.as_str()].concat();
    let mut offers: Vec<Offer> = list.iter().filter_map(|chart| offer(chart, &wanted)).collect();
    if offers.is_empty() {
        return Err(ReadOffersError::NoChart { name: name.clone() });
    }
    offers.sort_by(|left, right| right.version.cmp(&left.version));
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn no_list_and_no_such_chart_are_two_answers() {
        assert!(matches!(read("Error: no repositories configured\n"), Err(ReadOffersError::Unreadable { .. })));
        assert!(matches!(read(""), Err(ReadOffersError::Unreadable { .. })));
        assert!(matches!(read("[]"), Err(ReadOffersError::NoChart { .. })));
    }
}
