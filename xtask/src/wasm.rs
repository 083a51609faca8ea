//! The WebAssembly of the plugin and the JavaScript that loads it.
//!
//! `--target no-modules`: Headlamp evaluates a plugin as a function body, where `import` of a sibling file and
//! `import.meta` do not work.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::prerequisites;
use crate::process;
use crate::project::Project;
use crate::tools::Tool;

/// The library's name, and so the stem of both files.
pub const NAME: &str = "crossview_headlamp";

/// Builds `target/wasm/crossview_headlamp_bg.wasm` and `target/wasm/crossview_headlamp.js`.
///
/// # Errors
/// A prerequisite is missing, or a compiler fails, in its own words.
pub fn build(project: &Project) -> anyhow::Result<()> {
    prerequisites::wasm_target(project)?;
    let programs = Tool::wasm_bindgen(project)?.ensure(project)?;

    let mut cargo = Command::new("cargo");
    cargo.current_dir(&project.root).args(["build", "--release", "--lib", "--package=crossview-headlamp"]);
    cargo.args(["--target=wasm32-unknown-unknown", "--message-format=json-render-diagnostics"]);
    let finished = process::run_quietly_on_stdout("wasm", &mut cargo)?;
    let module = finished
        .stdout
        .iter()
        .rev()
        .find_map(|line| wasm_artifact(line))
        .context("expected a .wasm file among what Cargo built, got none")?;

    let mut bindgen = Command::new(programs.join("wasm-bindgen"));
    bindgen.arg(&module).arg("--out-dir").arg(project.wasm_folder()).args(["--out-name", NAME]);
    bindgen.args(["--target=no-modules", "--no-typescript", "--remove-name-section", "--remove-producers-section"]);
    process::run("wasm", &mut bindgen)?;
    Ok(())
}

/// The WebAssembly that a line of `cargo build --message-format=json` says was built of the library.
///
/// Format: <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
fn wasm_artifact(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != NAME {
        return None;
    }
    let files = message["filenames"].as_array()?;
    files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_artifact_is_that_of_the_library() {
        let line = |name: &str, files: &str| {
            format!(r#"{{"reason":"compiler-artifact","target":{{"name":"{name}"}},"filenames":[{files}]}}"#)
        };

        let ours = line(NAME, r#""/t/libcrossview_headlamp.rlib","/t/crossview_headlamp.wasm""#);
        assert_eq!(wasm_artifact(&ours), Some("/t/crossview_headlamp.wasm".into()));
        assert_eq!(wasm_artifact(&line("leptos", r#""/t/libleptos.rlib""#)), None);
        assert_eq!(wasm_artifact(&line(NAME, r#""/t/libcrossview_headlamp.rlib""#)), None);
        assert_eq!(wasm_artifact(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(wasm_artifact("not JSON"), None);
    }
}
