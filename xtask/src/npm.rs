//! The TypeScript parts: one npm workspace, installed from its lock file when that has changed.

use std::fs;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::prerequisites;
use crate::process;
use crate::project::{Project, cache_key};

/// Kept in `node_modules` by [`install`]: the key of the lock file it was installed from.
const STAMP: &str = "node_modules/.crossview-installed";

/// `npm ci`, unless `node_modules` is already what the lock file says.
///
/// # Errors
/// Node.js is missing, or npm fails in its own words.
pub fn install(project: &Project) -> anyhow::Result<()> {
    prerequisites::node()?;
    let key = cache_key(&[project.read("package.json")?.as_bytes(), project.read("package-lock.json")?.as_bytes()]);
    let stamp = project.root.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == key) {
        return Ok(());
    }
    let mut npm = prerequisites::npm();
    // Browsers are Playwright's second step, taken only where the system has none.
    npm.current_dir(&project.root).args(["ci", "--no-audit", "--no-fund"]).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    process::run("npm ci", &mut npm)?;
    fs::write(&stamp, key).with_context(|| format!("cannot write {}", stamp.display()))
}

/// `npm run <script>` in `folder` of the checkout, ready for more arguments and variables.
#[must_use]
pub fn script(project: &Project, folder: &str, script: &str) -> Command {
    let mut npm = prerequisites::npm();
    npm.current_dir(project.root.join(folder)).args(["run", "--silent", script]);
    npm
}

/// Whether the package.json in `folder` of the checkout has `script`.
#[must_use]
pub fn has_script(project: &Project, folder: &str, script: &str) -> bool {
    project.read(&format!("{folder}/package.json")).is_ok_and(|text| names_script(&text, script))
}

fn names_script(package: &str, script: &str) -> bool {
    serde_json::from_str::<Value>(package).is_ok_and(|package| package["scripts"][script].is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_there_only_under_its_whole_name() {
        let package = r#"{"name":"x","scripts":{"test:unit":"vitest"}}"#;

        assert!(names_script(package, "test:unit"));
        assert!(!names_script(package, "test"));
        assert!(!names_script("{}", "test"));
        assert!(!names_script("no JSON", "test"));
    }
}
