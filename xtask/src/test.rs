//! Every test of the project, one command: `cargo xtask test`.
//!
//! What always holds: a step that cannot run for want of something is skipped with the reason and how to get it;
//! a step that ran no test at all has failed; a cluster that was started is ended, whatever happens in between.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::cluster::{self, RunningCluster, cluster_is_ours};
use crate::command::{ClusterChoice, Group, TestOptions};
use crate::front_door::FrontDoor;
use crate::npm;
use crate::plugin;
use crate::prerequisites::{self, Missing};
use crate::preview::{self, KubectlProxy};
use crate::process::{self, Background};
use crate::project::Project;
use crate::summary::{Counts, Outcome, Row, Summary, count_checks, count_playwright, count_rust, count_vitest};
use crate::tools::Tool;

/// Where the browser tests and the page that they run in are.
const BROWSER: &str = "tests/browser";
const HOST: &str = "tests/host";

/// Cases of each property with `--long`.
const LONG_CASES: &str = "100000";

/// Runs what `options` ask for and prints the summary.
///
/// # Errors
/// Something failed, or was skipped where nothing may be (`CI=true`), or this was interrupted.
pub fn run(project: &Project, options: &TestOptions) -> anyhow::Result<()> {
    let mut session = Session { project, options, summary: Summary::default() };
    // The stories wait for kubelet most of the time, so that they run beside the rest, on a cluster of their own; where
    // there is one for all, each has it for itself.
    let cluster = options.wants(Group::Cluster).then(|| session.start_cluster(Group::Cluster));
    let is_shared = cluster::is_one_for_all();
    thread::scope(|scope| {
        let beside = cluster.map(|cluster| {
            let mut stories = Session { project, options, summary: Summary::default() };
            let run = move || {
                stories.cluster(cluster.as_ref());
                stories.end_cluster(Group::Cluster, cluster);
                stories.summary.rows
            };
            if is_shared { Beside::Done(run()) } else { Beside::Running(scope.spawn(run)) }
        });
        if options.wants(Group::Native) {
            session.native();
        }
        if options.wants(Group::Component) {
            session.component();
        }
        if options.wants(Group::Browser) {
            let cluster = session.start_cluster(Group::Browser);
            session.browser(cluster.as_ref().map(|cluster| cluster.description.as_path()));
            session.end_cluster(Group::Browser, cluster);
        }
        let rows = beside.map(|beside| match beside {
            Beside::Done(rows) => rows,
            Beside::Running(stories) => stories.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        });
        session.summary.rows.extend(rows.unwrap_or_default());
    });
    println!("\n{}", session.summary);
    let in_ci = prerequisites::in_ci();
    ensure!(!process::interrupted(), "interrupted");
    ensure!(session.summary.is_good(in_ci), "{}", if in_ci { "failed, or skipped in CI" } else { "failed" });
    Ok(())
}

/// What came of the stories, or will.
enum Beside<'scope> {
    Done(Vec<Row>),
    Running(thread::ScopedJoinHandle<'scope, Vec<Row>>),
}

struct Session<'run> {
    project: &'run Project,
    options: &'run TestOptions,
    summary: Summary,
}

/// What a step has to say for itself when nothing went wrong: its tests, if it has any to count.
type Tests = Option<Counts>;

impl<'run> Session<'run> {
    /// Runs one step, unless this was interrupted, and keeps what came of it.
    fn step(&mut self, group: Group, name: &str, work: impl FnOnce(&str) -> anyhow::Result<Tests>) {
        if process::interrupted() {
            return;
        }
        let step = format!("{}: {name}", group.as_str());
        let started = Instant::now();
        let result = work(&step);
        let took = started.elapsed();
        let row = row_of(step, result, took);
        let verdict = match &row.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(reason) => format!("FAILED: {reason}"),
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
        };
        process::show(&row.step, started, &format!("{verdict} in {:.1} s", took.as_secs_f64()));
        self.summary.rows.push(row);
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.project.root).args(arguments).env("CROSSVIEW_CACHE", &self.project.cache);
        // Each group says for itself which cluster its tests may see.
        command.env_remove("CROSSVIEW_TEST_CLUSTER").env_remove("CROSSVIEW_TEST_KUBECONFIG");
        if self.options.long {
            command.env("CROSSVIEW_TEST_LONG", "1").env("PROPTEST_CASES", LONG_CASES);
        }
        command
    }

    fn native(&mut self) {
        let mut tests = self.cargo(&["test", "--workspace", "--no-fail-fast"]);
        self.step(Group::Native, "tests", |step| counted(step, &mut tests, count_rust));
        let mut docs = self.cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
        docs.env("RUSTDOCFLAGS", "--deny=warnings");
        self.step(Group::Native, "documentation", |step| process::run(step, &mut docs).map(|_| None));
    }

    fn component(&mut self) {
        let project = self.project;
        let mut tests = self.cargo(&[
            "test",
            "--package=crossview-headlamp",
            "--target=wasm32-unknown-unknown",
            "--test=components",
        ]);
        self.step(Group::Component, "tests in Chromium", |step| {
            needs_file(project, "tests/components.rs")?;
            let chromium = prerequisites::chromium()?;
            prerequisites::wasm_target(project)?;
            let runner = Tool::wasm_bindgen(project)?.ensure(project)?.join("wasm-bindgen-test-runner");
            tests.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner).env("CHROMEDRIVER", chromium.driver);
            counted(step, &mut tests, count_rust)
        });
        self.step(Group::Component, "TypeScript", |step| {
            npm::install(project)?;
            needs_script(project, plugin::SHIM, "test")?;
            let mut vitest = npm::script(project, plugin::SHIM, "test");
            counted(step, plain(&mut vitest).env("CI", "true"), count_vitest)
        });
    }

    fn start_cluster(&mut self, group: Group) -> Option<RunningCluster<'run>> {
        let project = self.project;
        let mut cluster = None;
        self.step(group, "start of the cluster", |step| {
            cluster = Some(RunningCluster::start(project, step)?);
            Ok(None)
        });
        cluster
    }

    fn end_cluster(&mut self, group: Group, cluster: Option<RunningCluster<'run>>) {
        if let Some(cluster) = cluster {
            self.step(group, "end of the cluster", |_| cluster.end().map(|()| None));
        }
    }

    fn cluster(&mut self, cluster: Option<&RunningCluster<'_>>) {
        let project = self.project;
        let description = cluster.map(|cluster| cluster.description.as_path());
        let mut scenarios = self.cargo(&["test", "--package=crossview-headlamp", "--test=scenarios_real"]);
        self.step(Group::Cluster, "scenarios", |step| {
            needs_file(project, "tests/scenarios_real.rs")?;
            scenarios.env("CROSSVIEW_TEST_CLUSTER", needs_cluster(description)?);
            counted(step, &mut scenarios, count_rust)
        });
        if cluster_is_ours() {
            self.step(Group::Cluster, "what the cluster promises", |step| {
                let cluster = needs_cluster(cluster)?;
                counted(step, &mut cluster::check(project, cluster), count_checks)
            });
        }
        let mut preview = self.cargo(&["test", "--package=xtask", "--test=preview_on_a_cluster"]);
        self.step(Group::Cluster, "way in of the preview", |step| {
            preview.env("CROSSVIEW_TEST_CLUSTER", needs_cluster(description)?);
            counted(step, &mut preview, count_rust)
        });
    }

    fn browser(&mut self, description: Option<&Path>) {
        let project = self.project;
        self.step(Group::Browser, "build of the plugin", |_| plugin::build_quietly(project).map(|()| None));
        self.step(Group::Browser, "build of the test host", |step| {
            npm::install(project)?;
            needs_script(project, HOST, "build")?;
            process::run(step, plain(&mut npm::script(project, HOST, "build"))).map(|_| None)
        });
        let mut preview = None;
        self.step(Group::Browser, "start of the preview", |_| {
            preview = Some(served_preview(project)?);
            Ok(None)
        });
        let page = preview.as_ref().map(|(_trunk, address)| *address);
        let mut on_cluster = None;
        self.step(Group::Browser, "start of the preview on the cluster", |_| {
            let page = page.context("the preview did not start")?;
            on_cluster = Some(preview_on(needs_cluster(description)?, page)?);
            Ok(None)
        });
        let cluster_address = on_cluster.as_ref().map(|(_kubectl, address)| address.clone());
        let long = self.options.long;
        self.step(Group::Browser, "tests", |step| {
            needs_script(project, BROWSER, "test")?;
            let mut tests = npm::script(project, BROWSER, "test");
            plain(&mut tests).env("CROSSVIEW_CACHE", &project.cache);
            tests.env("CROSSVIEW_TEST_CLUSTER", needs_cluster(description)?);
            tests.env_remove("PREVIEW_URL").envs(page.map(|page| ("PREVIEW_URL", format!("http://{page}/"))));
            tests.env_remove("PREVIEW_CLUSTER_URL");
            tests.envs(cluster_address.map(|address| ("PREVIEW_CLUSTER_URL", address)));
            tests.envs(prerequisites::browser(project)?.map(|path| ("CROSSVIEW_CHROMIUM", path)));
            tests.env_remove("CROSSVIEW_FIREFOX");
            tests.envs(prerequisites::firefox().map(|path| ("CROSSVIEW_FIREFOX", path)));
            tests.envs(long.then_some(("CROSSVIEW_TEST_LONG", "1")));
            counted(step, &mut tests, count_playwright)
        });
    }
}

/// The preview on the simulated cluster, built from this checkout and answering.
fn served_preview(project: &Project) -> anyhow::Result<(Background, SocketAddr)> {
    // A folder of its own: where the build fails, Trunk serves what an earlier one left.
    let dist = project.root.join("target").join("preview-under-test");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("cannot remove {}", dist.display()))?;
    }
    let address = preview::free_address()?;
    let arguments = ["--no-autoreload", "--dist=target/preview-under-test"];
    let mut trunk = preview::serve(project, address.port(), &arguments)?;
    preview::wait_until_served(&mut trunk, address)?;
    ensure!(dist.join("index.html").is_file(), "Trunk could not build the preview; its reasons are above");
    Ok((trunk, address))
}

/// What `preview --cluster` puts before that page; the address that it prints.
fn preview_on(description: &Path, page: SocketAddr) -> anyhow::Result<(KubectlProxy, String)> {
    let access = cluster::access(description)?;
    let choice = ClusterChoice { context: None, kubeconfig: Some(access.kubeconfig.into()) };
    let kubectl = KubectlProxy::start(&access.kubectl, &choice)?;
    let address = preview::open(FrontDoor::listen(0)?, &kubectl, page);
    Ok((kubectl, address))
}

/// Runs a program of tests: it has to succeed, and to have run at least one.
fn counted(step: &str, command: &mut Command, count: fn(&[String]) -> Counts) -> anyhow::Result<Tests> {
    let finished = process::run_whatever_it_says(step, command)?;
    let counts = count(&finished.lines);
    if !finished.status.success() {
        let words = format!("{} ended with {}", process::words_of(command), finished.status);
        return Err(FailedTests { counts, words }.into());
    }
    ensure!(counts != Counts::default(), "{} ran no test", process::words_of(command));
    Ok(Some(counts))
}

/// A program of tests that ended with a failure, and what it had counted by then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FailedTests {
    counts: Counts,
    words: String,
}

impl std::fmt::Display for FailedTests {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.words)
    }
}

impl std::error::Error for FailedTests {}

fn row_of(step: String, result: anyhow::Result<Tests>, took: Duration) -> Row {
    let (outcome, counts) = match result {
        Ok(counts) if counts.is_some_and(|counts| counts.failed > 0) => {
            (Outcome::Failed("a test failed and its program did not say so".to_owned()), counts)
        }
        Ok(counts) => (Outcome::Passed, counts),
        Err(error) => match (error.downcast_ref::<Missing>(), error.downcast_ref::<FailedTests>()) {
            (Some(missing), _) => (Outcome::Skipped(missing.to_string()), None),
            (None, Some(failed)) => (Outcome::Failed(failed.words.clone()), Some(failed.counts)),
            (None, None) => (Outcome::Failed(format!("{error:#}")), None),
        },
    };
    Row { step, outcome, counts, took }
}

/// For programs of npm: no colours, which would hide what is counted.
fn plain(command: &mut Command) -> &mut Command {
    command.env("NO_COLOR", "1").env_remove("FORCE_COLOR").stdin(Stdio::null())
}

fn needs_file(project: &Project, path: &str) -> Result<(), Missing> {
    if project.root.join(path).is_file() {
        return Ok(());
    }
    Err(Missing { what: path.to_owned(), how: "this checkout does not have it".to_owned() })
}

fn needs_script(project: &Project, folder: &str, script: &str) -> Result<(), Missing> {
    if npm::has_script(project, folder, script) {
        return Ok(());
    }
    Err(Missing {
        what: format!("the script {script:?} of {folder}"),
        how: "this checkout does not have it".to_owned(),
    })
}

fn needs_cluster<T>(cluster: Option<T>) -> Result<T, Missing> {
    cluster.ok_or_else(|| Missing { what: "the test cluster".to_owned(), how: "see its start above".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(result: anyhow::Result<Tests>) -> (Outcome, Option<Counts>) {
        let row = row_of("step".to_owned(), result, Duration::ZERO);
        (row.outcome, row.counts)
    }

    #[test]
    fn what_is_missing_is_skipped_and_what_breaks_is_failed() {
        let missing = Missing { what: "kubectl".to_owned(), how: "install it".to_owned() };

        assert_eq!(outcome(Err(missing.into())), (Outcome::Skipped("kubectl is missing: install it".to_owned()), None));
        assert_eq!(outcome(Err(anyhow::anyhow!("broken"))), (Outcome::Failed("broken".to_owned()), None));
        assert_eq!(outcome(Ok(None)), (Outcome::Passed, None));
    }

    // A missing part of a step may be told through several layers of context.
    #[test]
    fn a_missing_part_is_found_below_context() {
        let missing = Missing { what: "Node.js".to_owned(), how: "install it".to_owned() };
        let result: anyhow::Result<Tests> = Err(missing).context("cannot build the plugin");

        assert!(matches!(outcome(result).0, Outcome::Skipped(_)));
    }

    #[test]
    fn a_failed_program_keeps_what_it_had_counted() {
        let counts = Counts { passed: 7, failed: 1, skipped: 0 };

        let (outcome, kept) =
            outcome(Err(FailedTests { counts, words: "cargo test ended with 101".to_owned() }.into()));

        assert_eq!((outcome, kept), (Outcome::Failed("cargo test ended with 101".to_owned()), Some(counts)));
    }

    #[test]
    fn a_failed_test_is_a_failure_even_if_its_program_says_success() {
        let counts = Counts { passed: 7, failed: 1, skipped: 0 };

        assert!(matches!(outcome(Ok(Some(counts))).0, Outcome::Failed(_)));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_runs_no_test_has_failed() {
        let error = counted("step", Command::new("echo").arg("running 0 tests"), count_rust).unwrap_err();

        assert_eq!(error.to_string(), "echo running 0 tests ran no test");
    }
}
