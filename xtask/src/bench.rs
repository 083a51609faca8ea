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
const PAGE_BUDGET: u64 = 160_000;

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
    let mut page = 0;
    for size in sizes {
        let part = match size.name.rsplit_once('.') {
            Some(("main", "js")) => "main.js",
            Some((_, "wasm")) => "wasm",
            Some((_, "js")) => "glue",
            _ => continue,
        };
        figures.push(figure(&format!("{part}, raw"), size.raw, None));
        if part == "main.js" {
            figures.push(figure("main.js, brotli", size.brotli, Some(MAIN_BUDGET)));
        } else {
            page += size.brotli;
            figures.push(figure(&format!("{part}, brotli"), size.brotli, None));
        }
    }
    figures.push(figure("wasm and glue, brotli", page, Some(PAGE_BUDGET)));
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
    fn the_page_is_wasm_and_glue_without_main_js() {
        let sizes = [
            size("crossview_headlamp-1f.js", 9_000, 3_000),
            size("crossview_headlamp-2e.wasm", 400_000, 157_001),
            size("main.js", 2_000, 900),
            size("locales/de/translation.json", 5_000, 1_000),
        ];

        let figures: Vec<Value> = size_figures(&sizes).iter().map(|line| serde_json::from_str(line).unwrap()).collect();

        let budgets: Vec<_> = figures.iter().filter(|figure| figure["budget"].is_u64()).collect();
        assert_eq!(budgets[0]["figure"], "main.js, brotli");
        assert_eq!(budgets[0]["met"], true);
        assert_eq!(budgets[1]["value"], 160_001);
        assert_eq!(budgets[1]["met"], false);
        assert_eq!(figures.len(), 7);
    }

    #[test]
    fn only_figures_are_passed_on() {
        assert!(is_figure(r#"{"figure":"idle requests","unit":"requests","value":0}"#));
        assert!(!is_figure("Running 3 benchmarks"));
        assert!(!is_figure("{}"));
    }
}
