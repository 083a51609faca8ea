//! Releases and their history, as far as the labels of Helm's Secrets tell.
//!
//! Helm keeps a Secret for each revision. Its payload holds every value and manifest, passwords among them, and is
//! never read here: name, labels and times say enough.
//! Source: <https://github.com/helm/helm/blob/main/pkg/storage/driver/secrets.go> (the labels),
//! <https://github.com/helm/helm/blob/main/pkg/release/common/status.go> (the statuses).

use std::{fmt, str::FromStr};

use serde_json::Value;

use crate::cluster::Timestamp;

/// The type of Helm's Secrets.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";

/// A release's name: a DNS label of up to 53 characters. The default is `crossview`.
///
/// Helm itself also takes dots, but the chart names its Service after the release, and a Service can't have them:
/// <https://github.com/helm/helm/blob/main/pkg/chart/v2/util/validate_name.go>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseName(String);

/// A namespace's name: a DNS label of up to 63 characters. The default is `crossview`.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

/// Why a text is no [`ReleaseName`] or [`Namespace`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// No text.
    #[error("expected a name, as in crossview")]
    Empty,
    /// Too long.
    #[error("expected a name of at most {most} characters, got {got}")]
    Length {
        /// How many there may be.
        most: usize,
        /// How many there are.
        got: usize,
    },
    /// Something else than small letters, digits and `-` between them.
    #[error("expected small letters, digits and '-' between them, as in crossview, got \"{got}\"")]
    Character {
        /// The text.
        got: String,
    },
}

const CROSSVIEW: &str = "crossview";

macro_rules! dns_label {
    ($name:ident, $most:expr) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self(CROSSVIEW.to_owned())
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_label(text.trim(), $most).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

dns_label!(ReleaseName, 53);
dns_label!(Namespace, 63);

fn parse_label(text: &str, most: usize) -> Result<String, ParseNameError> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if text.is_empty() {
        return Err(ParseNameError::Empty);
    }
    if text.len() > most {
        return Err(ParseNameError::Length { most, got: text.len() });
    }
    if !text.bytes().all(|byte| is_word(byte) || byte == b'-') || text.starts_with('-') || text.ends_with('-') {
        return Err(ParseNameError::Character { got: text.to_owned() });
    }
    Ok(text.to_owned())
}

/// What Helm says of one revision.
///
/// [`FromStr`] never fails and [`fmt::Display`] undoes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReleaseStatus {
    /// In the cluster as it was rendered.
    Deployed,
    /// A newer revision took its place.
    Superseded,
    /// Helm gave up; what it had made by then is still there.
    Failed,
    /// Uninstalled, with the history kept.
    Uninstalled,
    /// Being uninstalled, or Helm was ended in the middle of it.
    Uninstalling,
    /// Being installed, or Helm was ended in the middle of it.
    PendingInstall,
    /// Being upgraded, or Helm was ended in the middle of it.
    PendingUpgrade,
    /// Being rolled back, or Helm was ended in the middle of it.
    PendingRollback,
    /// Helm's own `unknown`, or a word of a Helm that is newer than this.
    Other(String),
}

impl ReleaseStatus {
    /// Helm's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deployed => "deployed",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalled => "uninstalled",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Other(text) => text,
        }
    }

    /// Whether Helm refuses to install, update or roll back over it: somebody is at work, or was killed at it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }

    /// Whether Helm is at work, or was killed at it: pending, or uninstalling.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.is_pending() || *self == Self::Uninstalling
    }
}

impl FromStr for ReleaseStatus {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "deployed" => Self::Deployed,
            "superseded" => Self::Superseded,
            "failed" => Self::Failed,
            "uninstalled" => Self::Uninstalled,
            "uninstalling" => Self::Uninstalling,
            "pending-install" => Self::PendingInstall,
            "pending-upgrade" => Self::PendingUpgrade,
            "pending-rollback" => Self::PendingRollback,
            other => Self::Other(other.to_owned()),
        })
    }
}

impl fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Counts from 1 with each install, update and rollback.
    pub number: u32,
    /// What Helm says of it.
    pub status: ReleaseStatus,
    /// When Helm last changed its record: it became deployed, failed or superseded. `None` while it is as it was made.
    pub modified_at: Option<Timestamp>,
    /// When Helm began with it.
    pub created_at: Timestamp,
    /// The Secret that records it.
    pub secret: SecretRef,
}

/// One Secret as it was read, so that a deletion can be bound to just that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// `sh.helm.release.v1.<release>.v<revision>`.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
}

/// Why an object is no [`Revision`]; keeps its name, so that one broken object is named and not the whole list lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadRevisionError {
    /// Helm didn't write it, or it is another release's.
    #[error("\"{name}\" is not a revision of release {release}")]
    Foreign {
        /// The object's name.
        name: String,
        /// The release that was asked for.
        release: ReleaseName,
    },
    /// The label `version` is missing or no number.
    #[error("expected a number in the label \"version\" of \"{name}\", got \"{got}\"")]
    Number {
        /// The object's name.
        name: String,
        /// The label.
        got: String,
    },
    /// The label `status` is missing.
    #[error("expected the label \"status\" on \"{name}\"")]
    Status {
        /// The object's name.
        name: String,
    },
    /// `metadata.creationTimestamp` is missing or no time.
    #[error("expected a creation time on \"{name}\"")]
    Created {
        /// The object's name.
        name: String,
    },
}

impl Revision {
    /// Reads the metadata of one of Helm's Secrets (a `PartialObjectMetadata`, or any object).
    ///
    /// # Errors
    /// Where it is no record of `release`, or lacks what every record has.
    pub fn read(release: &ReleaseName, object: &Value) -> Result<Self, ReadRevisionError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = || text("/metadata/name").to_owned();
        if text("/metadata/labels/owner") != "helm" || text("/metadata/labels/name") != release.as_str() {
            return Err(ReadRevisionError::Foreign { name: name(), release: release.clone() });
        }
        let got = text("/metadata/labels/version");
        let number = got.parse().map_err(|_| ReadRevisionError::Number { name: name(), got: got.to_owned() })?;
        let status = match text("/metadata/labels/status") {
            "" => return Err(ReadRevisionError::Status { name: name() }),
            word => word.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
        };
        let created_at = Timestamp::parse_rfc3339(text("/metadata/creationTimestamp"))
            .ok_or_else(|| ReadRevisionError::Created { name: name() })?;
        let modified_at = text("/metadata/labels/modifiedAt").parse::<i64>().ok();
        Ok(Self {
            number,
            status,
            modified_at: modified_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
            created_at,
            secret: SecretRef {
                name: name(),
                uid: text("/metadata/uid").to_owned(),
                resource_version: text("/metadata/resourceVersion").to_owned(),
            },
        })
    }
}

/// The revisions of one release that Helm still keeps (ten, when it isn't told otherwise).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Ascending by number.
    revisions: Vec<Revision>,
    unreadable: Vec<ReadRevisionError>,
}

impl History {
    /// Reads the metadata of all of Helm's Secrets in the namespace, in any order; those of other releases are left out.
    #[must_use]
    pub fn read<'a>(release: &ReleaseName, objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut history = Self::default();
        for object in objects {
            history.take(Revision::read(release, object));
        }
        history
    }

    fn take(&mut self, read: Result<Revision, ReadRevisionError>) {
        match read {
            Ok(revision) => {
                // There are ten, so each finds its place; a sort would weigh 1 kB.
                let before = self.revisions.iter().rposition(|known| known.number <= revision.number);
                self.revisions.insert(before.map_or(0, |before| before + 1), revision);
            }
            Err(ReadRevisionError::Foreign { .. }) => {}
            Err(error) => self.unreadable.push(error),
        }
    }

    /// All revisions, oldest first.
    #[must_use]
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    /// Records that can't be read, and why.
    #[must_use]
    pub fn unreadable(&self) -> &[ReadRevisionError] {
        &self.unreadable
    }

    /// The newest revision: its status is the release's.
    #[must_use]
    pub fn current(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// The newest revision that is deployed; after a failed update it is older than the current one.
    #[must_use]
    pub fn deployed(&self) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.status == ReleaseStatus::Deployed)
    }

    /// The current revision, where Helm is at work on it or was killed at it.
    #[must_use]
    pub fn under_way(&self) -> Option<&Revision> {
        self.current().filter(|revision| revision.status.is_under_way())
    }

    /// Whether the release is there, in whatever state: there is a record, and it doesn't say uninstalled.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        self.current().is_some_and(|revision| revision.status != ReleaseStatus::Uninstalled)
    }

    /// Whether `helm upgrade --install` makes the release anew: there is none, or none any more, or its first install
    /// failed, which it then goes on with.
    #[must_use]
    pub fn can_install(&self) -> bool {
        self.current().is_none_or(|current| match current.status {
            ReleaseStatus::Uninstalled => true,
            ReleaseStatus::Failed => self.revisions.iter().all(|revision| revision.status == ReleaseStatus::Failed),
            _ => false,
        })
    }

    /// Whether `helm upgrade` starts from what there is: never over a pending revision, and else from the deployed one,
    /// or from a last one that failed or was superseded.
    /// <https://github.com/helm/helm/blob/main/pkg/action/upgrade.go> (`prepareUpgrade`).
    ///
    /// Over a release that is being uninstalled Helm might as well, but half of its objects may be gone.
    #[must_use]
    pub fn can_update(&self) -> bool {
        self.current().is_some_and(|current| match current.status {
            ReleaseStatus::Deployed | ReleaseStatus::Failed | ReleaseStatus::Superseded => true,
            ReleaseStatus::Other(_) => self.deployed().is_some(),
            ReleaseStatus::Uninstalled
            | ReleaseStatus::Uninstalling
            | ReleaseStatus::PendingInstall
            | ReleaseStatus::PendingUpgrade
            | ReleaseStatus::PendingRollback => false,
        })
    }

    /// Whether `helm uninstall` has anything to do. It asks for no status: what is pending or half gone goes too, and of
    /// an uninstalled release its history. <https://github.com/helm/helm/blob/main/pkg/action/uninstall.go>
    #[must_use]
    pub fn can_uninstall(&self) -> bool {
        self.current().is_some()
    }

    /// Whether `helm rollback` has somewhere to go. It asks for no status of the current revision, so it also gets a
    /// release out of a pending one, and brings back one that is being uninstalled.
    /// <https://github.com/helm/helm/blob/main/pkg/action/rollback.go> (`prepareRollback`).
    #[must_use]
    pub fn can_roll_back(&self) -> bool {
        self.rollback_targets().next().is_some()
    }

    /// What the release can be rolled back to, newest first: revisions that were once deployed, but for the current.
    pub fn rollback_targets(&self) -> impl Iterator<Item = &Revision> {
        let earlier = self.revisions.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let was_deployed =
            |status: &ReleaseStatus| matches!(status, ReleaseStatus::Deployed | ReleaseStatus::Superseded);
        earlier.iter().rev().filter(move |revision| was_deployed(&revision.status))
    }

    /// The revision whose record may be deleted to free a stuck release: the current one, while it is pending and
    /// an earlier one was deployed.
    #[must_use]
    pub fn forgettable(&self) -> Option<&Revision> {
        let pending = self.current().filter(|revision| revision.status.is_pending())?;
        self.rollback_targets().next().is_some().then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn record(release: &str, number: &str, status: &str) -> Value {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {
                "name": format!("sh.helm.release.v1.{release}.v{number}"), "namespace": "crossview",
                "uid": format!("uid-{number}"), "resourceVersion": "7", "creationTimestamp": "2026-11-23T01:02:03Z",
                "labels": { "owner": "helm", "name": release, "status": status, "version": number, "modifiedAt": "1795395730" },
            },
        })
    }

    fn history(statuses: &[&str]) -> History {
        let records: Vec<_> =
            statuses.iter().zip(1..).map(|(status, number)| record("crossview", &number.to_string(), status)).collect();
        History::read(&ReleaseName::default(), &records)
    }

    fn numbers<'a>(revisions: impl Iterator<Item = &'a Revision>) -> Vec<u32> {
        revisions.map(|revision| revision.number).collect()
    }

    #[test]
    fn a_record_is_read_from_its_labels_alone() {
        let revision = Revision::read(&ReleaseName::default(), &record("crossview", "12", "deployed")).unwrap();

        assert_eq!((revision.number, revision.status), (12, ReleaseStatus::Deployed));
        assert_eq!(revision.created_at, Timestamp::from_millis(1_795_395_723_000));
        assert_eq!(revision.modified_at, Some(Timestamp::from_millis(1_795_395_730_000)));
        assert_eq!(revision.secret.name, "sh.helm.release.v1.crossview.v12");
    }

    #[test]
    fn the_highest_number_is_the_current_revision_whatever_the_order_of_the_list() {
        let records = ["9", "10", "2"].map(|number| record("crossview", number, "superseded"));

        let history = History::read(&ReleaseName::default(), &records);

        assert_eq!(numbers(history.revisions().iter()), [2, 9, 10]);
        assert_eq!(history.current().unwrap().number, 10);
    }

    #[test]
    fn another_release_in_the_namespace_is_not_this_one() {
        let mut plain = record("crossview", "1", "deployed");
        plain["metadata"]["labels"]["owner"] = json!("somebody");

        let history = History::read(&ReleaseName::default(), &[record("other", "1", "deployed"), plain, json!({})]);

        assert_eq!(history, History::default());
        assert!(!history.is_installed());
    }

    #[test]
    fn a_broken_record_is_named_and_the_others_are_kept() {
        let mut no_time = record("crossview", "2", "deployed");
        no_time["metadata"]["creationTimestamp"] = json!("yesterday");
        let records = [
            record("crossview", "one", "deployed"),
            no_time,
            record("crossview", "3", ""),
            record("crossview", "4", "deployed"),
        ];

        let history = History::read(&ReleaseName::default(), &records);

        assert_eq!(numbers(history.revisions().iter()), [4]);
        let [
            ReadRevisionError::Number { name, got },
            ReadRevisionError::Created { .. },
            ReadRevisionError::Status { .. },
        ] = history.unreadable()
        else {
            panic!("{:?}", history.unreadable())
        };
        assert_eq!((name.as_str(), got.as_str()), ("sh.helm.release.v1.crossview.vone", "one"));
    }

    #[test]
    fn after_a_failed_update_the_earlier_revision_is_still_deployed_and_can_be_rolled_back_to() {
        let history = history(&["superseded", "deployed", "failed"]);

        assert_eq!(history.current().unwrap().status, ReleaseStatus::Failed);
        assert_eq!(history.deployed().unwrap().number, 2);
        assert_eq!(numbers(history.rollback_targets()), [2, 1]);
        assert_eq!(history.forgettable(), None);
    }

    // What Helm 3 and 4 do of an operation over each status, read from their code and seen on a real cluster.
    #[test]
    fn each_status_allows_what_helm_can_do_over_it() {
        let table: [(&[&str], [bool; 4]); 13] = [
            // install, update, uninstall, rollback
            (&[], [true, false, false, false]),
            (&["deployed"], [false, true, true, false]),
            (&["superseded", "deployed"], [false, true, true, true]),
            (&["failed"], [true, true, true, false]),
            (&["failed", "failed"], [true, true, true, false]),
            (&["deployed", "failed"], [false, true, true, true]),
            (&["pending-install"], [false, false, true, false]),
            (&["deployed", "pending-upgrade"], [false, false, true, true]),
            (&["superseded", "deployed", "pending-rollback"], [false, false, true, true]),
            (&["uninstalling"], [false, false, true, false]),
            (&["superseded", "uninstalling"], [false, false, true, true]),
            (&["superseded", "uninstalled"], [true, false, true, true]),
            (&["superseded", "superseded"], [false, true, true, true]),
        ];
        for (statuses, expected) in table {
            let history = history(statuses);

            let can = [history.can_install(), history.can_update(), history.can_uninstall(), history.can_roll_back()];
            assert_eq!(can, expected, "{statuses:?}");
        }
        assert!(history(&["deployed", "unknown"]).can_update());
        assert!(!history(&["unknown"]).can_update());
    }

    // A first install that is stuck has nothing to go back to: deleting its record would hide what it left behind.
    #[test]
    fn a_pending_revision_can_be_forgotten_only_where_an_earlier_one_was_deployed() {
        assert_eq!(history(&["pending-install"]).forgettable(), None);
        assert_eq!(history(&["failed", "pending-upgrade"]).forgettable(), None);
        assert_eq!(history(&["deployed", "uninstalling"]).forgettable(), None);
        assert_eq!(history(&["deployed", "pending-upgrade"]).forgettable().unwrap().number, 2);
    }

    #[test]
    fn a_kept_history_of_an_uninstalled_release_is_not_an_install() {
        assert!(!history(&["superseded", "uninstalled"]).is_installed());
        assert!(history(&["uninstalling"]).under_way().is_some());
    }

    #[test]
    fn names_are_dns_labels() {
        let long = "a".repeat(54);
        for text in ["", "-a", "a-", "A", "a.b", "a_b", "a b", "--help", "ä", "$(A)", &long] {
            assert!(text.parse::<ReleaseName>().is_err(), "{text:?}");
        }
        assert!(long.parse::<Namespace>().is_ok());
        assert_eq!(" crossview ".parse(), Ok(ReleaseName::default()));
    }

    proptest! {
        #[test]
        fn every_status_prints_as_it_was_read(word in "[a-z-]{1,20}|deployed|superseded|failed|uninstalled|uninstalling|pending-(install|upgrade|rollback)") {
            let Ok(status) = word.parse::<ReleaseStatus>();

            prop_assert_eq!(status.as_str(), word);
        }

        #[test]
        fn a_printed_name_reads_as_itself(text in "[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?") {
            let name: ReleaseName = text.parse().unwrap();

            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
