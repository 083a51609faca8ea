//! What `helm` is run with, one list element for each argument; no shell ever sees it.
//!
//! Holds for every [`Invocation`]: values stand behind `=` in the element of their option, so none can become an
//! option of its own, and no element has a `$` for Kubernetes to expand.
//! <https://helm.sh/docs/helm/>; the words are those that Helm 3.14 and later and Helm 4 both know.

use std::{borrow::Cow, fmt, str::FromStr};

use super::{
    chart::{Chart, ChartName, ChartRef},
    release::{Namespace, ReleaseName},
    repository::ALIAS,
};
use crate::access::HttpUrl;

/// Where the values file is in Helm's container.
pub const VALUES_FOLDER: &str = "/values";
/// The values file's name there, and its key in the Secret.
pub const VALUES_FILE: &str = "values.yaml";
/// What Helm waits for at most, be it one hook or one deletion. The Job's own deadline lies above it.
pub const TIMEOUT: std::time::Duration = std::time::Duration::from_mins(5);
const TIMEOUT_OPTION: &str = "--timeout=5m0s";

/// What a button does. [`FromStr`] and [`fmt::Display`] undo each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Installs the release, or goes on with a first install that failed.
    Install,
    /// Changes version or values of a release that is there.
    Update,
    /// Goes back to an earlier revision.
    Rollback,
    /// Removes the release and its history.
    Uninstall,
    /// Reads the versions that a repository offers; changes nothing and needs no rights.
    UpdateRepo,
}

/// Why a text is no [`Operation`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected install, update, rollback, uninstall or repo-update, got \"{got}\"")]
pub struct ParseOperationError {
    /// The text.
    pub got: String,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Install, Self::Update, Self::Rollback, Self::Uninstall, Self::UpdateRepo];

    /// Its name in the names and annotations of objects.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Update => "update",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::UpdateRepo => "repo-update",
        }
    }

    /// Whether Helm changes the cluster, and so needs rights.
    #[must_use]
    pub const fn needs_rights(self) -> bool {
        !matches!(self, Self::UpdateRepo)
    }
}

impl FromStr for Operation {
    type Err = ParseOperationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == text)
            .ok_or_else(|| ParseOperationError { got: text.to_owned() })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One operation with all that Helm must be told, but for the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// [`Operation::Install`].
    Install {
        /// What is installed.
        chart: Chart,
        /// Whether there is a values file.
        values: bool,
    },
    /// [`Operation::Update`]. Keeps what was set, so that it can't switch authentication off.
    ///
    /// Never installs: where the release has gone meanwhile, a fresh one would come without the values it had.
    Update {
        /// What the release becomes.
        chart: Chart,
        /// Whether there is a values file, to be laid over what was set.
        values: bool,
    },
    /// [`Operation::Rollback`].
    Rollback {
        /// The revision to go back to.
        revision: u32,
    },
    /// [`Operation::Uninstall`].
    Uninstall,
    /// [`Operation::UpdateRepo`].
    UpdateRepo {
        /// The repository.
        url: HttpUrl,
        /// The chart whose versions are wanted.
        name: ChartName,
    },
}

/// Where Helm gets the chart from, or the list of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It needs none.
    Nowhere,
    /// An OCI registry.
    Registry,
    /// A repository, added first.
    Repository,
    /// A web server, by the archive's own address.
    Archive,
}

/// Runs of `helm`, each as the list of its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Run to their end one after the other, before `args`; they share Helm's folders with it.
    pub init: Vec<Vec<String>>,
    /// The run that is the operation.
    pub args: Vec<String>,
}

impl Command {
    /// The command that refreshes `reference`, where that means something: a registry is asked anew each time, and
    /// an archive is one version.
    #[must_use]
    pub fn update_repo(reference: &ChartRef) -> Option<Self> {
        match reference {
            ChartRef::Repository { url, name } => Some(Self::UpdateRepo { url: url.clone(), name: name.clone() }),
            ChartRef::Oci { .. } | ChartRef::Archive { .. } => None,
        }
    }

    /// Which operation it is.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Install { .. } => Operation::Install,
            Self::Update { .. } => Operation::Update,
            Self::Rollback { .. } => Operation::Rollback,
            Self::Uninstall => Operation::Uninstall,
            Self::UpdateRepo { .. } => Operation::UpdateRepo,
        }
    }

    /// The chart, where there is one.
    #[must_use]
    pub fn chart(&self) -> Option<&Chart> {
        match self {
            Self::Install { chart, .. } | Self::Update { chart, .. } => Some(chart),
            Self::Rollback { .. } | Self::Uninstall | Self::UpdateRepo { .. } => None,
        }
    }

    /// Where Helm gets the chart from.
    #[must_use]
    pub fn source(&self) -> Source {
        match self.chart().map(Chart::reference) {
            Some(ChartRef::Oci { .. }) => Source::Registry,
            Some(ChartRef::Repository { .. }) => Source::Repository,
            Some(ChartRef::Archive { .. }) => Source::Archive,
            None if matches!(self, Self::UpdateRepo { .. }) => Source::Repository,
            None => Source::Nowhere,
        }
    }

    /// What it is about, for people: the chart with its version, or the repository with the chart's name.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Install { chart, .. } | Self::Update { chart, .. } => chart.to_string(),
            Self::UpdateRepo { url, name } => ChartRef::Repository { url: url.clone(), name: name.clone() }.to_string(),
            Self::Rollback { revision } => ["revision ", &revision.to_string()].concat(),
            Self::Uninstall => String::new(),
        }
    }

    /// What `helm` is run with for `release` in `namespace`.
    #[must_use]
    pub fn invocation(&self, namespace: &Namespace, release: &ReleaseName) -> Invocation {
        let values = [VALUES_FOLDER, VALUES_FILE].join("/");
        self.invocation_with(namespace, release, &values)
    }

    /// The same in one line for a terminal, quoted for a POSIX shell, the values file in the current folder.
    #[must_use]
    pub fn shell_line(&self, namespace: &Namespace, release: &ReleaseName) -> String {
        let Invocation { mut init, args } = self.invocation_with(namespace, release, VALUES_FILE);
        init.push(args);
        let lines: Vec<String> = init.iter().map(|args| shell_line("helm", args)).collect();
        lines.join(" && ")
    }

    fn invocation_with(&self, namespace: &Namespace, release: &ReleaseName, values_file: &str) -> Invocation {
        let mut init = Vec::new();
        let mut args: Vec<String> = Vec::new();
        let mut add = |parts: &[&str]| args.push(parts.concat());
        match self {
            Self::Install { chart, values } | Self::Update { chart, values } => {
                let is_install = matches!(self, Self::Install { .. });
                add(&["upgrade"]);
                add(&[if is_install { "--install" } else { "--reset-then-reuse-values" }]);
                add(&[release.as_str()]);
                match chart.reference() {
                    ChartRef::Oci { .. } => {
                        let reference = chart.reference().to_string();
                        match chart.digest() {
                            Some(digest) => add(&[&reference, "@", &digest.to_string()]),
                            None => add(&[&reference]),
                        }
                    }
                    ChartRef::Repository { url, name } => {
                        init = repository_runs(url);
                        add(&[ALIAS, "/", name.as_str()]);
                    }
                    ChartRef::Archive { url } => add(&[url.as_str()]),
                }
                if let Some(version) = chart.version() {
                    add(&["--version=", &version.to_string()]);
                }
                if *values {
                    add(&["--values=", values_file]);
                }
            }
            Self::Rollback { revision } => {
                add(&["rollback"]);
                add(&[release.as_str()]);
                add(&[&revision.to_string()]);
            }
            Self::Uninstall => {
                add(&["uninstall"]);
                add(&[release.as_str()]);
                add(&["--wait"]);
            }
            Self::UpdateRepo { url, name } => {
                init = repository_runs(url);
                for word in ["search", "repo"] {
                    add(&[word]);
                }
                add(&[ALIAS, "/", name.as_str()]);
                for option in ["--versions", "--devel", "--output=json"] {
                    add(&[option]);
                }
                return Invocation { init, args };
            }
        }
        add(&["--namespace=", namespace.as_str()]);
        add(&[TIMEOUT_OPTION]);
        Invocation { init, args }
    }
}

impl Invocation {
    /// The same where Helm is given a list of repositories that has this one already, with its login. Adding it once
    /// more would be refused: the entry is another one than that without a login.
    /// <https://github.com/helm/helm/blob/main/pkg/cmd/repo_add.go>
    #[must_use]
    pub fn with_known_repositories(mut self) -> Self {
        self.init.retain(|args| !matches!(args.as_slice(), [repo, add, ..] if repo == "repo" && add == "add"));
        self
    }
}

/// Adds the repository at `url` and fetches its index.
fn repository_runs(url: &HttpUrl) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    vec![words(&["repo", "add", ALIAS, url.as_str()]), words(&["repo", "update", ALIAS])]
}

/// `program` and its arguments in one line, quoted where a POSIX shell would read more into them.
#[must_use]
pub fn shell_line(program: &str, args: &[String]) -> String {
    let mut line = program.to_owned();
    for arg in args {
        line.push(' ');
        line.push_str(&quoted(arg));
    }
    line
}

/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02>
fn quoted(arg: &str) -> Cow<'_, str> {
    let is_plain =
        !arg.is_empty() && arg.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte));
    if is_plain { Cow::Borrowed(arg) } else { Cow::Owned(["'", &arg.replace('\'', r"'\''"), "'"].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::chart::CROSSVIEW_REPOSITORY;
    use proptest::prelude::*;

    const SHA: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn install(chart: &str) -> Command {
        Command::Install { chart: chart.parse().unwrap(), values: true }
    }

    fn invocation(command: &Command) -> Invocation {
        command.invocation(&"tools".parse().unwrap(), &"crossview".parse().unwrap())
    }

    #[test]
    fn an_install_from_a_registry_is_one_run() {
        let invocation = invocation(&install("oci://ghcr.io/crossplane-contrib/crossview-chart/crossview:v4.6.0"));

        assert!(invocation.init.is_empty());
        assert_eq!(
            invocation.args,
            [
                "upgrade",
                "--install",
                "crossview",
                "oci://ghcr.io/crossplane-contrib/crossview-chart/crossview",
                "--version=4.6.0",
                "--values=/values/values.yaml",
                "--namespace=tools",
                "--timeout=5m0s",
            ]
        );
        assert_eq!(TIMEOUT.as_secs(), 300);
    }

    // Helm compares the two itself: a version beside a digest is not lost.
    #[test]
    fn a_digest_stays_with_the_reference_and_the_version_beside_it() {
        let pinned = invocation(&install(&format!("oci://ghcr.io/a/crossview:4.6.0@{SHA}")));

        assert_eq!(pinned.args[3..5], [format!("oci://ghcr.io/a/crossview@{SHA}"), "--version=4.6.0".to_owned()]);
    }

    #[test]
    fn an_install_from_a_repository_adds_and_refreshes_it_first() {
        let invocation = invocation(&install(CROSSVIEW_REPOSITORY));

        assert_eq!(
            invocation.init,
            [
                vec!["repo", "add", "crossview", "https://crossplane-contrib.github.io/crossview"],
                vec!["repo", "update", "crossview"]
            ]
        );
        assert_eq!(invocation.args[..4], ["upgrade", "--install", "crossview", "crossview/crossview"]);
    }

    #[test]
    fn an_archive_has_no_version_option() {
        let invocation = invocation(&install("https://example.org/crossview-4.6.0.tgz"));

        assert_eq!(invocation.args[3], "https://example.org/crossview-4.6.0.tgz");
        assert!(!invocation.args.iter().any(|arg| arg.starts_with("--version")));
    }

    // An update that installed, or dropped the values, would turn authentication on or off behind the user's back.
    #[test]
    fn an_update_keeps_what_was_set_and_never_installs() {
        let invocation = invocation(&Command::Update { chart: Chart::default(), values: false });

        assert_eq!(invocation.args[..3], ["upgrade", "--reset-then-reuse-values", "crossview"]);
        assert!(!invocation.args.iter().any(|arg| arg == "--install" || arg.starts_with("--values")));
    }

    #[test]
    fn rollback_and_uninstall_name_the_release() {
        assert_eq!(
            invocation(&Command::Rollback { revision: 3 }).args,
            ["rollback", "crossview", "3", "--namespace=tools", "--timeout=5m0s"]
        );
        assert_eq!(
            invocation(&Command::Uninstall).args,
            ["uninstall", "crossview", "--wait", "--namespace=tools", "--timeout=5m0s"]
        );
    }

    #[test]
    fn only_a_repository_can_be_refreshed() {
        let refresh = Command::update_repo(&CROSSVIEW_REPOSITORY.parse().unwrap()).unwrap();

        assert_eq!(
            invocation(&refresh).args,
            ["search", "repo", "crossview/crossview", "--versions", "--devel", "--output=json"]
        );
        assert_eq!(invocation(&refresh).init.len(), 2);
        assert!(!refresh.operation().needs_rights());
        assert_eq!(Command::update_repo(&ChartRef::default()), None);
    }

    #[test]
    fn the_line_for_a_terminal_does_the_same_with_the_file_at_hand() {
        let line = install("https://example.org/~me/charts(1) crossview:1.0.0")
            .shell_line(&Namespace::default(), &ReleaseName::default());

        assert_eq!(
            line,
            "helm repo add crossview 'https://example.org/~me/charts(1)' && helm repo update crossview && helm upgrade --install \
             crossview crossview/crossview --version=1.0.0 --values=values.yaml --namespace=crossview --timeout=5m0s"
        );
    }

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
        assert!("delete".parse::<Operation>().is_err());
    }

    proptest! {
        #[test]
        fn no_chart_that_passes_adds_an_option_or_a_variable(text in "(oci://a/|https?://)?\\PC{0,30}|oci://[a-z/:@.$()-]{0,30}") {
            if let Ok(chart) = text.parse::<Chart>() {
                let Invocation { init, args } = invocation(&Command::Install { chart, values: false });
                let options = args.iter().filter(|arg| arg.starts_with('-'));
                let known = ["--install", "--version=", "--namespace=tools", "--timeout=5m0s"];
                prop_assert!(options.clone().all(|option| known.iter().any(|known| option.starts_with(known))), "{args:?}");
                for arg in init.iter().flatten().chain(&args) {
                    prop_assert!(arg.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'$'), "{arg}");
                }
            }
        }

        // What a shell makes of the line is what Helm gets from Kubernetes.
        #[test]
        fn a_shell_reads_back_each_argument(args in proptest::collection::vec("[ -~\\n]{0,8}", 1..4)) {
            let output = std::process::Command::new("sh").args(["-c", &shell_line("printf '%s\\0'", &args)]).output()?;

            let read: Vec<&[u8]> = output.stdout.split(|&byte| byte == 0).collect();
            let expected: Vec<&[u8]> = args.iter().map(String::as_bytes).chain([&b""[..]]).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
