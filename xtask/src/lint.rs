//! What can be judged without running the product: `cargo xtask lint`.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::npm;
use crate::plugin;
use crate::prerequisites::{self, Missing, find_program};
use crate::process;
use crate::project::Project;
use crate::summary::{Outcome, Row, Summary};
use crate::tools::Tool;

/// Folders of the npm workspace, and the scripts that judge them where they have them.
const FOLDERS: [&str; 3] = [plugin::SHIM, "tests/host", "tests/browser"];
const SCRIPTS: [&str; 3] = ["format-check", "lint", "tsc"];

/// Runs every check, then prints what came of each.
///
/// # Errors
/// A check failed, or was skipped where nothing may be (`CI=true`), or this was interrupted.
pub fn run(project: &Project) -> anyhow::Result<()> {
    let mut summary = Summary::default();
    let mut check = |step: &str, work: &mut dyn FnMut(&str) -> anyhow::Result<()>| {
        if process::interrupted() {
            return;
        }
        let started = Instant::now();
        let outcome = match work(step) {
            Ok(()) => Outcome::Passed,
            Err(error) => match error.downcast_ref::<Missing>() {
                Some(missing) => Outcome::Skipped(missing.to_string()),
                None => Outcome::Failed(format!("{error:#}")),
            },
        };
        summary.rows.push(Row { step: step.to_owned(), outcome, counts: None, took: started.elapsed() });
    };

    check("rustfmt", &mut |step| cargo(project, step, &["fmt", "--all", "--check"]));
    check("clippy", &mut |step| {
        cargo(project, step, &["clippy", "--workspace", "--all-targets", "--", "--deny=warnings"])
    });
    check("clippy for the browser", &mut |step| {
        prerequisites::wasm_target(project)?;
        let mut arguments =
            vec!["clippy", "--package=crossview-headlamp", "--target=wasm32-unknown-unknown", "--lib", "--bins"];
        if project.root.join("tests").join("components.rs").is_file() {
            arguments.push("--test=components");
        }
        arguments.extend(["--", "--deny=warnings"]);
        cargo(project, step, &arguments)?;
        let tunnel = ["clippy", "--package=crossview-tunnel", "--target=wasm32-unknown-unknown", "--lib"];
        cargo(project, step, &[&tunnel[..], &["--", "--deny=warnings"]].concat())
    });
    check("documentation", &mut |step| {
        let mut command = Command::new("cargo");
        command.current_dir(&project.root).args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
        process::run(step, command.env("RUSTDOCFLAGS", "--deny=warnings")).map(drop)
    });
    check("npm ci", &mut |_| npm::install(project));
    for folder in FOLDERS {
        for script in SCRIPTS.into_iter().filter(|script| npm::has_script(project, folder, script)) {
            check(&format!("{folder}: {script}"), &mut |step| {
                prerequisites::node()?;
                process::run(step, &mut npm::script(project, folder, script)).map(drop)
            });
        }
    }
    check("shell", &mut |step| shell(project, step));
    if find_program(&["go"]).is_some() {
        check("gofmt", &mut |step| gofmt(project, step));
    }
    check("dependencies", &mut |step| {
        let cargo_deny = Tool::cargo_deny().ensure(project)?.join("cargo-deny");
        let mut command = Command::new(cargo_deny);
        command.current_dir(&project.root).args(["--workspace", "check", "bans", "licenses", "sources"]);
        process::run(step, &mut command).map(drop)
    });

    println!("\n{summary}");
    ensure!(!process::interrupted(), "interrupted");
    ensure!(summary.is_good(prerequisites::in_ci()), "not clean");
    Ok(())
}

fn cargo(project: &Project, step: &str, arguments: &[&str]) -> anyhow::Result<()> {
    process::run(step, Command::new("cargo").current_dir(&project.root).args(arguments)).map(drop)
}

/// Every shell script that Git knows or would add: its syntax, and ShellCheck.
fn shell(project: &Project, step: &str) -> anyhow::Result<()> {
    let scripts = files(project, &["*.sh", ".ci/run"])?;
    for script in &scripts {
        process::run(step, Command::new("bash").current_dir(&project.root).arg("-n").arg(script))?;
    }
    if find_program(&["shellcheck"]).is_none() {
        prerequisites::apt_install(&["shellcheck"]);
    }
    if find_program(&["shellcheck"]).is_none() {
        let how = "apt-get install shellcheck, or see https://www.shellcheck.net".to_owned();
        return Err(Missing { what: "ShellCheck".to_owned(), how }.into());
    }
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.current_dir(&project.root).args(["--external-sources", "--source-path=SCRIPTDIR", "--severity=warning"]);
    process::run(step, shellcheck.args(&scripts)).map(drop)
}

fn gofmt(project: &Project, step: &str) -> anyhow::Result<()> {
    let files = files(project, &["*.go"])?;
    if files.is_empty() {
        return Ok(());
    }
    let finished = process::run(step, Command::new("gofmt").current_dir(&project.root).arg("-l").args(&files))?;
    ensure!(finished.stdout.is_empty(), "not formatted: {}", finished.stdout.join(", "));
    Ok(())
}

/// Paths of the checkout that match, but for what Git ignores.
fn files(project: &Project, patterns: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(&project.root).args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]);
    let listed = process::ask(git.args(patterns)).context("git does not list the files of this checkout")?;
    let is_there = |path: &&str| project.root.join(path).is_file();
    Ok(listed.lines().filter(is_there).map(str::to_owned).collect())
}
