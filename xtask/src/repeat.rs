//! How often each test failed over several runs of the suite: read from what the runs print. Pure.

use std::collections::BTreeMap;

/// Worlds of scenarios: what stands before `::` in their names.
const WORLDS: [&str; 4] = ["sandbox_embedded", "sandbox_openbao", "real_embedded", "real_openbao"];
/// A run that failed and named no test.
const RUN_ITSELF: &str = "(the run itself)";

/// The runs so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    runs: u32,
    /// Failures of each test that failed once.
    failed: BTreeMap<String, u32>,
    /// Failures named in the run under way.
    now: u32,
}

impl Tally {
    /// Takes in one line that a run prints.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(name) = failed(line) {
            *self.failed.entry(name.to_owned()).or_default() += 1;
            self.now += 1;
        }
    }

    /// The run has ended; `fine` says how.
    pub(crate) fn ended(&mut self, fine: bool) {
        if !fine && self.now == 0 {
            *self.failed.entry(RUN_ITSELF.to_owned()).or_default() += 1;
        }
        self.runs += 1;
        self.now = 0;
    }

    /// Whether nothing failed in any run.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }

    /// A line for each test that failed once, the most frequent first; a sentence where none did.
    pub(crate) fn table(&self) -> String {
        let runs = self.runs;
        if self.is_clean() {
            return format!("repeat: nothing failed in {runs} runs\n");
        }
        let mut rows: Vec<(&str, &str, u32)> = Vec::new();
        for (name, count) in &self.failed {
            let (world, scenario) = match name.split_once("::") {
                Some((world, scenario)) if WORLDS.contains(&world) => (world, scenario),
                _ => ("-", name.as_str()),
            };
            rows.push((scenario, world, *count));
        }
        rows.sort_by_key(|(scenario, world, count)| {
            (std::cmp::Reverse(*count), scenario.to_owned(), world.to_owned())
        });
        let width = |head: &str, column: fn(&(&str, &str, u32)) -> usize| {
            rows.iter().map(column).max().unwrap_or_default().max(head.len())
        };
        let first = width("SCENARIO", |row| row.0.len());
        let second = width("WORLD", |row| row.1.len());
        let mut text = format!("{:first$}  {:second$}  FAILURES\n", "SCENARIO", "WORLD");
        for (scenario, world, count) in rows {
            text.push_str(&format!("{scenario:first$}  {world:second$}  {count}/{runs}\n"));
        }
        text
    }
}

/// The test that a line says has failed: `test NAME ... FAILED`.
fn failed(line: &str) -> Option<&str> {
    let (name, how) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    how.trim().starts_with("FAILED").then_some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(runs: &[(&[&str], bool)]) -> Tally {
        let mut tally = Tally::default();
        for (lines, fine) in runs {
            lines.iter().for_each(|line| tally.line(line));
            tally.ended(*fine);
        }
        tally
    }

    #[test]
    fn each_test_that_failed_once_is_told_with_its_world_and_how_often() {
        let one: &[&str] = &[
            "test real_embedded::drill ... FAILED",
            "test sandbox_embedded::drill ... ok",
            "test proxy::trace::tests::a_window ... FAILED",
            "test real_openbao::drill ... ignored",
            "test result: FAILED. 1 passed; 2 failed; 1 ignored",
            "the log said: test x ... FAILED",
        ];
        let two: &[&str] = &["test real_embedded::drill ... FAILED"];
        let tally = tally(&[(one, false), (two, false), (&[], true)]);
        assert!(!tally.is_clean());
        let expected = "SCENARIO                        WORLD          FAILURES\n\
                        drill                           real_embedded  2/3\n\
                        proxy::trace::tests::a_window   -              1/3\n";
        let squeeze = |text: &str| -> Vec<String> {
            text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(squeeze(&tally.table()), squeeze(expected));
    }

    #[test]
    fn a_run_that_fails_without_a_test_is_a_failure_too() {
        let tally = tally(&[(&["test a ... ok"], true), (&["error: no such file"], false)]);
        assert_eq!(tally.table().lines().nth(1).unwrap().split_whitespace().last(), Some("1/2"));
        assert!(tally.table().contains(RUN_ITSELF));
    }

    #[test]
    fn runs_in_which_all_pass_are_counted() {
        let tally = tally(&[(&["test a ... ok"], true), (&["test a ... ok"], true)]);
        assert!(tally.is_clean());
        assert_eq!(tally.table(), "repeat: nothing failed in 2 runs\n");
    }
}
