//! `ARCHITECTURE.md` says what is true: every invariant that it names has a holder that exists ([`invariants`]), the
//! arrows that it draws are those that are allowed ([`arrows`]), and the places that it names are there ([`places`]).

mod arrows;
mod holders;
mod invariants;
mod places;

use super::report::Report;
use super::tree::Tree;
use holders::DOCUMENT;

/// Finds what the document says and the tree does not.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let text = tree.texts.get(DOCUMENT).map_or("", String::as_str);
    if text.is_empty() {
        report.find(DOCUMENT, 1, "is not there");
        return report;
    }
    invariants::check(&mut report, tree, text, holders::INVARIANTS);
    arrows::check(&mut report, text);
    places::check(&mut report, tree, text);
    report
}
