//! Findings that were there when their check was made, one a line in `known.txt`, each to be mended. The list may only
//! become shorter: what is not on it fails, and so does a line that finds nothing any more.

use super::report::Finding;

const LIST: &str = include_str!("known.txt");

/// What is left of the list.
pub(super) struct Known {
    lines: Vec<(String, bool)>,
}

impl Known {
    pub(super) fn read() -> Self {
        Self::of(LIST)
    }

    fn of(list: &str) -> Self {
        let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { lines: lines.map(|line| (line.to_owned(), false)).collect() }
    }

    /// Takes known findings out of `findings`. A line stands for every finding of its file that begins like it.
    pub(super) fn take(&mut self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| {
            let said = format!("{}: {}", finding.path, finding.what);
            match self.lines.iter_mut().find(|(line, _)| said.starts_with(line.as_str())) {
                Some((_, used)) => {
                    *used = true;
                    false
                }
                None => true,
            }
        });
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Lines that found nothing.
    pub(super) fn left(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|(_, used)| !used).map(|(line, _)| line.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_finding_stays_and_a_mended_one_is_named() {
        let mut known = Known::of("# why\na.rs: fn long has\nb.rs: gone\n");
        let mut findings = vec![
            Finding::new("a.rs", 3, "fn long has 90 lines, split above 70"),
            Finding::new("a.rs", 9, "fn other has 71 lines, split above 70"),
        ];
        known.take(&mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(known.left().collect::<Vec<_>>(), ["b.rs: gone"]);
    }
}
