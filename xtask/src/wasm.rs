//! The WebAssembly of the plugin and the JavaScript that loads it: the page's, and the tunnel's, which is loaded when
//! Crossview is opened.
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

/// The page's library, and so the stem of both files.
pub const NAME: &str = "crossview_headlamp";

/// The tunnel's library.
pub const TUNNEL: &str = "crossview_tunnel";

/// Builds `crossview_headlamp_bg.wasm`, `crossview_headlamp.js` and the same two of the tunnel in `target/wasm`.
///
/// # Errors
/// A prerequisite is missing, or a compiler fails, in its own words.
pub fn build(project: &Project) -> anyhow::Result<()> {
    prerequisites::wasm_target(project)?;
    let programs = Tool::wasm_bindgen(project)?.ensure(project)?;

    // One at a time: together, Cargo would give each the features that only the other asks its dependencies for.
    for name in [NAME, TUNNEL] {
        let package = name.replace('_', "-");
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&project.root).args(["build", "--release", "--lib", "--package", &package]);
        cargo.args(["--target=wasm32-unknown-unknown", "--message-format=json-render-diagnostics"]);
        let finished = process::run_quietly_on_stdout("wasm", &mut cargo)?;
        let module = finished
            .stdout
            .iter()
            .rev()
            .find_map(|line| wasm_artifact(line, name))
            .with_context(|| format!("expected a .wasm file of {package} among what Cargo built, got none"))?;

        let mut bindgen = Command::new(programs.join("wasm-bindgen"));
        bindgen.arg(&module).arg("--out-dir").arg(project.wasm_folder()).args(["--out-name", name]);
        bindgen.args(["--target=no-modules", "--no-typescript", "--remove-name-section", "--remove-producers-section"]);
        process::run("wasm", &mut bindgen)?;
    }
    Ok(())
}

/// The WebAssembly that a line of `cargo build --message-format=json` says was built of the library `name`.
///
/// Format: <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
fn wasm_artifact(line: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != name {
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
        assert_eq!(wasm_artifact(&ours, NAME), Some("/t/crossview_headlamp.wasm".into()));
        assert_eq!(wasm_artifact(&ours, TUNNEL), None);
        assert_eq!(wasm_artifact(&line("leptos", r#""/t/libleptos.rlib""#), NAME), None);
        assert_eq!(wasm_artifact(&line(NAME, r#""/t/libcrossview_headlamp.rlib""#), NAME), None);
        assert_eq!(wasm_artifact(r#"{"reason":"build-finished","success":true}"#, NAME), None);
        assert_eq!(wasm_artifact("not JSON", NAME), None);
    }
}
