//! What has to be on the machine before a command can do its work, and how to get what is not.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::process;
use crate::project::Project;

/// The oldest Node.js that the plugin's tools run on (`@kinvolk/headlamp-plugin` 0.14).
const NODE_MAJOR: u32 = 20;

/// Something that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What, in the words of its makers.
    pub what: String,
    /// What the user can do to get it.
    pub how: String,
}

impl Missing {
    fn new(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), how: how.into() }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is missing: {}", self.what, self.how)
    }
}

impl std::error::Error for Missing {}

/// A browser that tests can drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chromium {
    /// The browser.
    pub browser: PathBuf,
    /// Its WebDriver, of the same version.
    pub driver: PathBuf,
}

/// Whether `CI=true`: nothing may be skipped, and packages may be installed.
#[must_use]
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// The Rust standard library for browsers; rustup adds it where it is missing.
///
/// # Errors
/// There is no rustup to add it.
pub fn wasm_target(project: &Project) -> Result<(), Missing> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let is_there = || {
        process::ask(Command::new("rustc").current_dir(&project.root).args([
            "--print",
            "target-libdir",
            "--target",
            TARGET,
        ]))
        .is_some_and(|folder| PathBuf::from(folder).is_dir())
    };
    let add = || {
        let mut rustup = Command::new("rustup");
        process::run("rustup", rustup.current_dir(&project.root).args(["target", "add", TARGET]))
    };
    if is_there() || (add().is_ok() && is_there()) {
        return Ok(());
    }
    Err(Missing::new(
        format!("Rust's {TARGET} target"),
        format!("install rustup from https://rustup.rs, then run rustup target add {TARGET}"),
    ))
}

/// Node.js with npm.
///
/// # Errors
/// It is not there, or too old.
pub fn node() -> Result<(), Missing> {
    let how = format!("install Node.js {NODE_MAJOR} or newer from https://nodejs.org");
    let version = process::ask(Command::new("node").arg("--version"));
    let Some(version) = version else { return Err(Missing::new("Node.js", how)) };
    if node_major(&version).is_none_or(|major| major < NODE_MAJOR) {
        return Err(Missing::new(format!("Node.js {NODE_MAJOR} (found {version})"), how));
    }
    if process::ask(npm().arg("--version")).is_none() {
        return Err(Missing::new("npm", how));
    }
    Ok(())
}

/// The npm command, by the name it has on this system.
#[must_use]
pub fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// kubectl, for `preview --cluster`.
///
/// # Errors
/// It is not there.
pub fn kubectl() -> Result<(), Missing> {
    match process::ask(Command::new("kubectl").args(["version", "--client"])) {
        Some(_) => Ok(()),
        None => Err(Missing::new("kubectl", "see https://kubernetes.io/docs/tasks/tools")),
    }
}

/// Chromium and its driver; installed by apt where this may be done (root, or `CI=true`).
///
/// # Errors
/// Neither there nor installable; or only one of them is there.
pub fn chromium() -> Result<Chromium, Missing> {
    let (browser, driver) = (find_browser(), find_program(&["chromedriver"]));
    if browser.is_none() || driver.is_none() {
        apt_install(&["chromium", "chromium-driver"]);
    }
    let how = "apt-get install chromium chromium-driver, or Chrome and the chromedriver of its version from \
               https://googlechromelabs.github.io/chrome-for-testing";
    let browser = browser.or_else(find_browser).ok_or_else(|| Missing::new("Chromium", how))?;
    let driver = driver.or_else(|| find_program(&["chromedriver"])).ok_or_else(|| Missing::new("chromedriver", how))?;
    Ok(Chromium { browser, driver })
}

/// The Chromium for Playwright: the system's, or `None` for the one that Playwright downloads for itself.
///
/// # Errors
/// Neither there nor to be had.
pub fn browser(project: &Project) -> Result<Option<PathBuf>, Missing> {
    if let Some(browser) = find_browser() {
        return Ok(Some(browser));
    }
    let mut playwright = Command::new(if cfg!(windows) { "npx.cmd" } else { "npx" });
    playwright.current_dir(project.root.join("tests").join("browser"));
    if process::run("playwright", playwright.args(["playwright", "install", "chromium"])).is_ok() {
        return Ok(None);
    }
    apt_install(&["chromium"]);
    find_browser().map(Some).ok_or_else(|| {
        Missing::new("Chromium", "apt-get install chromium, or name a Chrome by CROSSVIEW_CHROMIUM=/path/to/chrome")
    })
}

/// The system's Firefox, which one test drives: `CROSSVIEW_FIREFOX`, else on PATH, else from apt where that may be
/// done; `None` where it can't be had.
pub fn firefox() -> Option<PathBuf> {
    let chosen = || std::env::var_os("CROSSVIEW_FIREFOX").map(PathBuf::from).filter(|path| path.is_file());
    let found = || chosen().or_else(|| find_program(&["firefox-esr", "firefox"]));
    found().or_else(|| {
        apt_install(&["firefox-esr"]);
        found()
    })
}

/// `CROSSVIEW_CHROMIUM`, else a Chromium or Chrome on PATH.
fn find_browser() -> Option<PathBuf> {
    let chosen = std::env::var_os("CROSSVIEW_CHROMIUM").map(PathBuf::from).filter(|path| path.is_file());
    chosen.or_else(|| find_program(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]))
}

/// The first of `names` that is a file in a folder of PATH.
#[must_use]
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(&path).map(|folder| folder.join(&file)).find(|candidate| candidate.is_file())
    })
}

/// Installs Debian packages where apt is there and this user may; what came of it shows in what is there afterwards.
pub fn apt_install(packages: &[&str]) {
    let root = process::ask(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    if !(cfg!(target_os = "linux") && root && find_program(&["apt-get"]).is_some()) {
        return;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        process::run("apt", &mut command)
    };
    let install: Vec<&str> = ["install", "--yes", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The package lists may be absent or stale; only then are they fetched.
    if let Err(error) = apt(&install).or_else(|_| apt(&["update"]).and_then(|_| apt(&install))) {
        eprintln!("{error:#}");
    }
}

/// The major version in what `node --version` prints.
fn node_major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_node_is_read() {
        assert_eq!(node_major("v20.11.1"), Some(20));
        assert_eq!(node_major("v26.0.0-nightly"), Some(26));
        assert_eq!(node_major("20.1"), None);
    }

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        let missing = Missing::new("kubectl", "see https://kubernetes.io");

        assert_eq!(missing.to_string(), "kubectl is missing: see https://kubernetes.io");
    }
}
