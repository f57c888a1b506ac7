//! How many tests passed, as pytest's JUnit report says.

/// What became of a file's tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    /// Left out by the tests themselves.
    pub(crate) skipped: usize,
    /// Failures, and errors before or after a test.
    pub(crate) failed: usize,
}

impl Counts {
    /// All pass, none is left out.
    pub(crate) const fn passed(passed: usize) -> Self {
        Self { passed, skipped: 0, failed: 0 }
    }
}

/// The counts of the one `testsuite` of a report; `None` if it has none.
pub(crate) fn counts(report: &str) -> Option<Counts> {
    let (_, suite) = report.split_once("<testsuite ")?;
    let (suite, _) = suite.split_once('>')?;
    let number = |name: &str| -> Option<usize> {
        let (_, value) = suite.split_once(&format!("{name}=\""))?;
        value.split_once('"')?.0.parse().ok()
    };
    let failed = number("errors")? + number("failures")?;
    let skipped = number("skipped")?;
    let passed = number("tests")?.checked_sub(failed + skipped)?;
    Some(Counts { passed, skipped, failed })
}

#[test]
fn what_is_no_pass_is_not_counted_as_one() {
    let report = r#"<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3"
        tests="10" time="1.0"><testcase/></testsuite></testsuites>"#;
    assert_eq!(counts(report), Some(Counts { passed: 4, skipped: 3, failed: 3 }));
    assert_eq!(counts("no report"), None);
}
