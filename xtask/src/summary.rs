//! What came of a run of tests: one row a step, then one line for all.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// How many tests did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ran, and held.
    pub passed: u64,
    /// Ran, and did not hold; or held only when tried again.
    pub failed: u64,
    /// Did not run.
    pub skipped: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It held.
    Passed,
    /// It did not, for this reason.
    Failed(String),
    /// It was not run, for want of this.
    Skipped(String),
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Group and step, as printed before each of its lines.
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Its tests; `None` for a step that is one check by itself.
    pub counts: Option<Counts>,
    /// From start to end.
    pub took: Duration,
}

impl Row {
    /// What the row adds to the sum: its tests, or itself where it has none to count.
    ///
    /// A failed step always adds a failure, even if no test of it got as far as to fail.
    #[must_use]
    pub fn weight(&self) -> Counts {
        let mut counts = self.counts.unwrap_or_default();
        match self.outcome {
            Outcome::Passed if self.counts.is_none() => counts.passed = 1,
            Outcome::Failed(_) => counts.failed = counts.failed.max(1),
            Outcome::Skipped(_) => counts.skipped = counts.skipped.max(1),
            Outcome::Passed => {}
        }
        counts
    }
}

/// All steps of a run, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The steps.
    pub rows: Vec<Row>,
}

impl Summary {
    /// The sum over all steps.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for row in &self.rows {
            total += row.weight();
        }
        total
    }

    /// Whether the run is good: no failure, and where `nothing_may_be_skipped` nothing skipped.
    #[must_use]
    pub fn is_good(&self, nothing_may_be_skipped: bool) -> bool {
        let total = self.total();
        total.failed == 0 && !(nothing_may_be_skipped && total.skipped > 0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.step.chars().count()).max().unwrap_or(0).max(4);
        writeln!(formatter, "{:<width$}  {:<7}  {:>7}  tests", "step", "result", "seconds")?;
        for row in &self.rows {
            let (result, reason) = match &row.outcome {
                Outcome::Passed => ("passed", None),
                Outcome::Failed(reason) => ("FAILED", Some(reason)),
                Outcome::Skipped(reason) => ("skipped", Some(reason)),
            };
            let mut tests = row.counts.map(words).unwrap_or_default();
            if let Some(reason) = reason {
                let separator = if tests.is_empty() { "" } else { "; " };
                write!(tests, "{separator}{reason}")?;
            }
            let seconds = row.took.as_secs_f64();
            writeln!(formatter, "{:<width$}  {result:<7}  {seconds:>7.1}  {tests}", row.step)?;
        }
        write!(formatter, "\n{}", words(self.total()))
    }
}

/// `3 passed, 0 failed`, and how many were skipped if any were.
fn words(counts: Counts) -> String {
    let mut words = format!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.skipped > 0 {
        let _never_fails = write!(words, ", {} skipped", counts.skipped);
    }
    words
}

/// The sum of what libtest and wasm-bindgen-test-runner print for each program of tests.
#[must_use]
pub fn count_rust(lines: &[String]) -> Counts {
    let mut total = Counts::default();
    for line in lines.iter().filter_map(|line| line.trim_start().strip_prefix("test result: ")) {
        let line = line.split_once(". ").map_or(line, |(_verdict, counts)| counts);
        for part in line.split("; ") {
            match number_and_word(part) {
                Some((number, "passed")) => total.passed += number,
                Some((number, "failed")) => total.failed += number,
                Some((number, "ignored")) => total.skipped += number,
                _ => {}
            }
        }
    }
    total
}

/// The sum of what Vitest prints: `Tests  1 failed | 12 passed | 2 skipped (15)`.
#[must_use]
pub fn count_vitest(lines: &[String]) -> Counts {
    let mut total = Counts::default();
    for line in lines.iter().filter_map(|line| line.trim_start().strip_prefix("Tests ")) {
        for part in line.split(" (").next().unwrap_or_default().split('|') {
            match number_and_word(part) {
                Some((number, "passed")) => total.passed += number,
                Some((number, "failed")) => total.failed += number,
                Some((number, "skipped" | "todo")) => total.skipped += number,
                _ => {}
            }
        }
    }
    total
}

/// The sum of what Playwright's reporters print at the end, one outcome a line: `  12 passed (1.5m)`.
///
/// A flaky test failed once, so it counts as failed.
#[must_use]
pub fn count_playwright(lines: &[String]) -> Counts {
    let mut total = Counts::default();
    for line in lines.iter().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let line = line.split(" (").next().unwrap_or_default();
        match number_and_word(line) {
            Some((number, "passed")) => total.passed += number,
            Some((number, "failed" | "flaky" | "interrupted")) => total.failed += number,
            Some((number, "skipped" | "did not run")) => total.skipped += number,
            _ => {}
        }
    }
    total
}

/// The sum of what tests/cluster/check.sh prints: `ok` or `FAILED` before each check, in columns.
#[must_use]
pub fn count_checks(lines: &[String]) -> Counts {
    let starting = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count() as u64;
    Counts { passed: starting("ok      "), failed: starting("FAILED  "), skipped: 0 }
}

fn number_and_word(part: &str) -> Option<(u64, &str)> {
    let (number, word) = part.trim().split_once(' ')?;
    Some((number.parse().ok()?, word.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn row(step: &str, outcome: Outcome, counts: Option<Counts>) -> Row {
        Row { step: step.to_owned(), outcome, counts, took: Duration::from_millis(1234) }
    }

    #[test]
    fn libtest_is_summed_over_programs() {
        let output = lines(
            "running 2 tests\n\
             test a::passed ... ok\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\
             test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.52s\n",
        );

        assert_eq!(count_rust(&output), Counts { passed: 5, failed: 1, skipped: 1 });
    }

    #[test]
    fn vitest_is_read_from_its_line_of_tests_not_of_files() {
        let output = lines(
            " Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 12 passed | 2 skipped | 1 todo (16)\n",
        );

        assert_eq!(count_vitest(&output), Counts { passed: 12, failed: 1, skipped: 3 });
    }

    #[test]
    fn a_flaky_browser_test_is_no_passed_one() {
        let output = lines(
            "Running 9 tests using 1 worker\n  \u{2713}  1 tests/a.spec.ts:3:1 \u{203a} 2 passed (3s)\n\
             \x20 1 failed\n    tests/a.spec.ts:9:1 \u{203a} b\n  1 flaky\n  1 skipped\n  2 did not run\n  4 passed (12.3s)\n",
        );

        assert_eq!(count_playwright(&output), Counts { passed: 4, failed: 2, skipped: 3 });
    }

    #[test]
    fn checks_of_the_cluster_are_counted_by_their_first_word() {
        let output = lines("12.0s cluster 7 is up\nok      viewer watches Jobs\nFAILED  it is not ok      there\n");

        assert_eq!(count_checks(&output), Counts { passed: 1, failed: 1, skipped: 0 });
    }

    #[test]
    fn output_without_a_verdict_counts_nothing() {
        let output = lines("error: could not compile `x`\n  12 apples\n");

        for count in [count_rust(&output), count_vitest(&output), count_playwright(&output), count_checks(&output)] {
            assert_eq!(count, Counts::default());
        }
    }

    #[test]
    fn a_step_that_fails_before_its_first_test_still_counts() {
        let failed = row("native", Outcome::Failed("did not compile".to_owned()), Some(Counts::default()));

        assert_eq!(failed.weight(), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn a_skipped_step_is_good_at_home_and_bad_in_ci() {
        let summary = Summary { rows: vec![row("cluster", Outcome::Skipped("no root".to_owned()), None)] };

        assert!(summary.is_good(false));
        assert!(!summary.is_good(true));
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let counts = Counts { passed: 40, failed: 1, skipped: 0 };
        let summary = Summary {
            rows: vec![
                row("native: tests", Outcome::Failed("1 test".to_owned()), Some(counts)),
                row("native: docs", Outcome::Passed, None),
                row("browser", Outcome::Skipped("no Chromium".to_owned()), None),
            ],
        };

        let printed = summary.to_string();

        assert_eq!(printed.lines().last(), Some("41 passed, 1 failed, 1 skipped"));
        assert!(printed.contains("native: tests  FAILED       1.2  40 passed, 1 failed; 1 test"), "{printed}");
    }
}
