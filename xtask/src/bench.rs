//! The figures that have budgets: `cargo xtask bench`.
//!
//! Each is one JSON object on a line of stdout; everything else goes to stderr. Sizes are measured here; what needs
//! a browser is the script `bench` of tests/browser, which prints lines of the same form.
//!
//! Form: `figure` (its name), `unit`, `value`, and where there is one, `budget` and `met`.

use std::process::Command;

use serde_json::Value;

use crate::cluster::RunningCluster;
use crate::npm;
use crate::plugin::{self, Size};
use crate::prerequisites;
use crate::process;
use crate::project::Project;

/// What every Headlamp user loads at start: bytes of main.js in brotli form.
const MAIN_BUDGET: u64 = 1_000;
/// What is loaded when the page opens: bytes of WebAssembly and glue in brotli form.
const PAGE_BUDGET: u64 = 170_000;
/// What is loaded when Crossview is first opened by the tunnel: the same of the tunnel.
const TUNNEL_BUDGET: u64 = 60_000;
/// The document that Crossview runs in then.
const FRAME_BUDGET: u64 = 14_000;

const BROWSER: &str = "tests/browser";

/// Builds the plugin and prints its figures.
///
/// # Errors
/// The plugin cannot be built, or a measurement fails; a figure over its budget is no error, it is a result.
pub fn run(project: &Project) -> anyhow::Result<()> {
    plugin::build_quietly(project)?;
    for figure in size_figures(&plugin::sizes(project)?) {
        println!("{figure}");
    }
    if !npm::has_script(project, BROWSER, "bench") {
        eprintln!("not measured: times, requests and memory ({BROWSER} has no script \"bench\")");
        return Ok(());
    }
    let browser = prerequisites::browser(project)?;
    process::run("bench", &mut npm::script(project, "tests/host", "build"))?;
    let cluster = RunningCluster::start(project, "bench")?;
    let mut bench: Command = npm::script(project, BROWSER, "bench");
    bench.env("CROSSVIEW_TEST_CLUSTER", &cluster.description).env("CROSSVIEW_CACHE", &project.cache);
    bench.envs(browser.map(|path| ("CROSSVIEW_CHROMIUM", path)));
    let finished = process::run_quietly_on_stdout("bench", &mut bench)?;
    for line in finished.stdout.iter().filter(|line| is_figure(line)) {
        println!("{line}");
    }
    Ok(())
}

/// The figures of the plugin's files: each by itself, then those that have budgets.
fn size_figures(sizes: &[Size]) -> Vec<String> {
    let mut figures = Vec::new();
    let (mut page, mut tunnel) = (0, 0);
    for size in sizes {
        // A hash stands between a file's name and its kind, but in main.js.
        let name = size.name.split('.').next().unwrap_or_default();
        let kind = size.name.rsplit('.').next().unwrap_or_default();
        let (part, budget) = match (name, kind) {
            ("main", "js") => ("main.js", Some(MAIN_BUDGET)),
            ("frame", "html") => ("frame", Some(FRAME_BUDGET)),
            ("tunnel", "wasm") => ("tunnel: wasm", None),
            ("tunnel", "js") => ("tunnel: glue", None),
            (_, "wasm") => ("wasm", None),
            (_, "js") => ("glue", None),
            _ => continue,
        };
        match (name, budget) {
            (_, Some(_)) => {}
            ("tunnel", _) => tunnel += size.brotli,
            _ => page += size.brotli,
        }
        figures.push(figure(&format!("{part}, raw"), size.raw, None));
        figures.push(figure(&format!("{part}, brotli"), size.brotli, budget));
    }
    figures.push(figure("wasm and glue, brotli", page, Some(PAGE_BUDGET)));
    figures.push(figure("tunnel: wasm and glue, brotli", tunnel, Some(TUNNEL_BUDGET)));
    figures
}

/// One line. Its name, which holds no character that JSON escapes, comes first, for people.
fn figure(name: &str, bytes: u64, budget: Option<u64>) -> String {
    let budget = budget.map(|budget| format!(r#","budget":{budget},"met":{}"#, bytes <= budget)).unwrap_or_default();
    format!(r#"{{"figure":"{name}","unit":"bytes","value":{bytes}{budget}}}"#)
}

fn is_figure(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value["figure"].is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(name: &str, raw: u64, brotli: u64) -> Size {
        Size { name: name.to_owned(), raw, brotli }
    }

    #[test]
    fn main_js_the_page_the_tunnel_and_the_frame_have_budgets_of_their_own() {
        let sizes = [
            size("crossview.2e.wasm", 400_000, 167_001),
            size("frame.3d.html", 45_000, 14_000),
            size("locales/de/translation.json", 5_000, 1_000),
            size("main.js", 2_000, 900),
            size("page.1f.js", 9_000, 3_000),
            size("tunnel.4c.wasm", 100_000, 56_000),
            size("tunnel.5b.js", 13_000, 4_001),
        ];

        let figures: Vec<Value> = size_figures(&sizes).iter().map(|line| serde_json::from_str(line).unwrap()).collect();

        let budgets: Vec<_> = figures
            .iter()
            .filter(|figure| figure["budget"].is_u64())
            .map(|figure| (figure["figure"].as_str().unwrap(), figure["value"].as_u64().unwrap(), &figure["met"]))
            .collect();
        assert_eq!(
            budgets,
            [
                ("frame, brotli", 14_000, &Value::Bool(true)),
                ("main.js, brotli", 900, &Value::Bool(true)),
                ("wasm and glue, brotli", 170_001, &Value::Bool(false)),
                ("tunnel: wasm and glue, brotli", 60_001, &Value::Bool(false)),
            ]
        );
        assert_eq!(figures.len(), 14);
    }

    #[test]
    fn only_figures_are_passed_on() {
        assert!(is_figure(r#"{"figure":"idle requests","unit":"requests","value":0}"#));
        assert!(!is_figure("Running 3 benchmarks"));
        assert!(!is_figure("{}"));
    }
}
