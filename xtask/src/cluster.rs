//! The real cluster of the tests: `tests/cluster` makes it, this starts it and always ends it again.
//!
//! Each run has a cluster of its own, so that two runs at once, or somebody's own cluster, are in nobody's way. Its
//! number, which the scripts read as `ID`, is taken by locking a file beside the cluster's folder; the system gives
//! the lock back when this program ends in whatever way, and what the file then still says was left over is ended by
//! the next run that takes the number.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::prerequisites::{Missing, find_program};
use crate::process;
use crate::project::Project;

/// What the scripts end with where this machine can't run the cluster; the reason is their last line on stderr.
const CANNOT: i32 = 3;
/// Names a kubeconfig of a cluster to use in place of one that is started here.
const EXISTING: &str = "CROSSVIEW_TEST_KUBECONFIG";
/// The cluster of `cargo xtask cluster up`, which is that of the scripts by themselves.
const BY_HAND: u8 = 0;
/// The clusters of tests. The numbers above are for those that tests/cluster/check.sh starts beside them.
const OF_TESTS: std::ops::RangeInclusive<u8> = 1..=99;

/// A running cluster, ended when this is dropped if this started it.
#[derive(Debug)]
#[must_use = "dropping it ends the cluster"]
pub struct RunningCluster<'project> {
    project: &'project Project,
    /// Path of cluster.json.
    pub description: PathBuf,
    claim: Option<Claim>,
}

impl<'project> RunningCluster<'project> {
    /// Makes the parts that are not there yet, and starts a cluster.
    ///
    /// With `CROSSVIEW_TEST_KUBECONFIG` in the environment nothing is started: that cluster is described instead.
    /// With `ID` it is the cluster of that number, and stays if it ran before.
    ///
    /// # Errors
    /// [`Missing`] where this machine can't run it; otherwise a script failed, in its own words.
    pub fn start(project: &'project Project, step: &str) -> anyhow::Result<Self> {
        if let Some(kubeconfig) = std::env::var_os(EXISTING) {
            return Self::existing(project, Path::new(&kubeconfig));
        }
        run_script(project, step, "setup.sh", BY_HAND)?;
        let (id, claim) = match chosen_id()? {
            Some(id) => (id, Claim::of(&folder(project)?, id)?),
            None => {
                let claim = Claim::any(&folder(project)?)?;
                (claim.id, Some(claim))
            }
        };
        // From here on something may be up, so an error below ends it too.
        let mut cluster = Self { project, description: PathBuf::new(), claim };
        if cluster.claim.as_ref().is_some_and(|claim| claim.was_left_over) {
            run_script(project, step, "down.sh", id)?;
        }
        let lines = run_script(project, step, "up.sh", id)?;
        let path = lines.last().map(PathBuf::from).filter(|path| path.is_file());
        cluster.description = path.context("expected the path of cluster.json as the last line of up.sh, got none")?;
        Ok(cluster)
    }

    /// Ends it now, if this started it.
    ///
    /// # Errors
    /// The script failed, in its own words.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.end_what_we_started()
    }

    fn end_what_we_started(&mut self) -> anyhow::Result<()> {
        let Some(claim) = self.claim.take() else { return Ok(()) };
        process::run_to_the_end("cluster", &mut script(self.project, "down.sh", claim.id))?;
        claim.give_back()
    }

    fn existing(project: &'project Project, kubeconfig: &Path) -> anyhow::Result<Self> {
        let kubeconfig = fs::canonicalize(kubeconfig)
            .with_context(|| format!("{EXISTING}: cannot find {}", kubeconfig.display()))?;
        let kubectl = find_program(&["kubectl"]).context("kubectl is not installed, or not on PATH")?;
        let folder = project.root.join("target").join("test");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let description = folder.join("cluster.json");
        let content = json!({ "kubeconfig": kubeconfig, "kubectl": kubectl, "helm": find_program(&["helm"]) });
        fs::write(&description, content.to_string())
            .with_context(|| format!("cannot write {}", description.display()))?;
        Ok(Self { project, description, claim: None })
    }
}

impl Drop for RunningCluster<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.end_what_we_started() {
            eprintln!("{error:#}");
        }
    }
}

/// A number among the clusters of this machine that is this run's until it is dropped.
#[derive(Debug)]
struct Claim {
    id: u8,
    /// Holds the lock. Not empty while a cluster of that number may be up.
    file: File,
    /// The run that had the number before did not end its cluster.
    was_left_over: bool,
}

impl Claim {
    /// The first number that is free.
    fn any(folder: &Path) -> anyhow::Result<Self> {
        for id in OF_TESTS {
            if let Some(claim) = Self::of(folder, id)? {
                return Ok(claim);
            }
        }
        bail!("{} clusters run already; end some: tests/cluster/down.sh", OF_TESTS.count())
    }

    /// This number, unless another run has it, or somebody has started that cluster by hand.
    fn of(folder: &Path, id: u8) -> anyhow::Result<Option<Self>> {
        let path = folder.join(format!("run-{id}.lock"));
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let was_left_over = file.metadata()?.len() > 0;
        if !was_left_over && folder.join(format!("run-{id}")).exists() {
            return Ok(None);
        }
        if !was_left_over {
            file.write_all(b"a run of cargo xtask has not ended this cluster\n")?;
        }
        Ok(Some(Self { id, file, was_left_over }))
    }

    fn give_back(self) -> anyhow::Result<()> {
        self.file.set_len(0).context("cannot give the cluster's number back")
    }
}

/// The folder that the scripts keep clusters in.
fn folder(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = project.cache.join("cluster");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The number that the user asks for by `ID`.
fn chosen_id() -> anyhow::Result<Option<u8>> {
    let Ok(id) = std::env::var("ID") else { return Ok(None) };
    id.parse().map(Some).with_context(|| format!("ID: expected a number from 0 to 254, got {id:?}"))
}

/// What the cluster promises, held to by a script that starts one of its own.
#[must_use]
pub fn check(project: &Project, beside: &RunningCluster<'_>) -> Command {
    let id = beside.claim.as_ref().map_or(BY_HAND, |claim| claim.id);
    script(project, "check.sh", 100 + id % 100)
}

/// How to reach a cluster as its administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// A program of the cluster's version.
    pub kubectl: PathBuf,
    /// A file.
    pub kubeconfig: PathBuf,
}

/// What the cluster.json at `description` says about access.
///
/// # Errors
/// It cannot be read, or lacks one of them.
pub fn access(description: &Path) -> anyhow::Result<Access> {
    let text = fs::read_to_string(description).with_context(|| format!("cannot read {}", description.display()))?;
    let cluster: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", description.display()))?;
    let path = |key: &str| {
        let path = cluster[key].as_str().map(PathBuf::from);
        path.with_context(|| format!("expected {key} in {}, got none", description.display()))
    };
    Ok(Access { kubectl: path("kubectl")?, kubeconfig: path("kubeconfig")? })
}

/// `cargo xtask cluster up`: starts it for whoever wants to work with it, and prints the path of cluster.json.
///
/// # Errors
/// As [`RunningCluster::start`].
pub fn up(project: &Project) -> anyhow::Result<()> {
    let id = chosen_id()?.unwrap_or(BY_HAND);
    run_script(project, "cluster", "setup.sh", id)?;
    if let Some(line) = run_script(project, "cluster", "up.sh", id)?.last() {
        println!("{line}");
    }
    Ok(())
}

/// `cargo xtask cluster down`: ends it, if it runs. An interrupt does not stop this.
///
/// # Errors
/// The script failed, in its own words.
pub fn down(project: &Project) -> anyhow::Result<()> {
    process::run_to_the_end("cluster", &mut script(project, "down.sh", chosen_id()?.unwrap_or(BY_HAND)))?;
    Ok(())
}

/// Whether tests get a cluster that is started here, rather than one that the user named.
#[must_use]
pub fn cluster_is_ours() -> bool {
    std::env::var_os(EXISTING).is_none()
}

/// Whether each [`RunningCluster::start`] leads to the same cluster, which the user has chosen.
#[must_use]
pub fn is_one_for_all() -> bool {
    !cluster_is_ours() || std::env::var_os("ID").is_some()
}

/// A script of `tests/cluster` for the cluster of that number, ready to run.
fn script(project: &Project, name: &str, id: u8) -> Command {
    let mut command = Command::new("bash");
    command.arg(project.root.join("tests").join("cluster").join(name));
    command.current_dir(&project.root).env("CROSSVIEW_CACHE", &project.cache).env("ID", id.to_string());
    command
}

/// The lines that the script prints on stdout.
fn run_script(project: &Project, step: &str, name: &str, id: u8) -> anyhow::Result<Vec<String>> {
    let finished = process::run_whatever_it_says(step, &mut script(project, name, id))?;
    match finished.status.code() {
        Some(0) => Ok(finished.stdout),
        Some(CANNOT) => Err(Missing {
            what: "the test cluster".to_owned(),
            how: finished.lines.last().cloned().unwrap_or_default(),
        }
        .into()),
        _ => bail!("tests/cluster/{name} ended with {}", finished.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("crossview-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    // Two runs on one machine shared a cluster, and the first to end took it from the other.
    #[test]
    fn two_runs_never_have_the_same_cluster() {
        let folder = scratch("claims");

        let (one, other) = (Claim::any(&folder).unwrap(), Claim::any(&folder).unwrap());

        assert_ne!(one.id, other.id);
        assert!(Claim::of(&folder, one.id).unwrap().is_none());
        let id = one.id;
        one.give_back().unwrap();
        assert!(!Claim::of(&folder, id).unwrap().unwrap().was_left_over);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_cluster_that_was_started_by_hand_is_left_alone() {
        let folder = scratch("by-hand");
        fs::create_dir(folder.join("run-1")).unwrap();

        assert!(Claim::of(&folder, 1).unwrap().is_none());
        assert_eq!(Claim::any(&folder).unwrap().id, 2);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_over_is_taken_up_by_the_next() {
        let folder = scratch("left-over");
        drop(Claim::of(&folder, 1).unwrap().unwrap());
        fs::create_dir(folder.join("run-1")).unwrap();

        let next = Claim::any(&folder).unwrap();

        assert!(next.id == 1 && next.was_left_over, "{next:?}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_description_lacks_is_named() {
        let file = std::env::temp_dir().join(format!("crossview-access-{}.json", std::process::id()));
        fs::write(&file, r#"{"kubectl":"/bin/kubectl","kubeconfig":"/k"}"#).unwrap();
        let whole = access(&file).unwrap();
        fs::write(&file, r#"{"kubectl":"/bin/kubectl"}"#).unwrap();
        let error = access(&file).unwrap_err().to_string();
        fs::remove_file(&file).unwrap();

        assert_eq!(whole, Access { kubectl: "/bin/kubectl".into(), kubeconfig: "/k".into() });
        assert!(error.starts_with("expected kubeconfig in "), "{error}");
    }
}
