//! CEL that the policies on Secrets share: what class a Secret is of, and whether anything guarded changed.
//!
//! Every expression is total: it says `!= null`, `has()` or `in` before it looks further, because an error refuses
//! the request, Kubernetes' own included.

use regent_types::labels::{CLASS, CLASS_MATERIALIZED, HANDED_OVER, HANDED_OVER_TO, OWNED_BY};

/// Variables of every policy on Secrets: labels, annotations (`Notes`), class and owners before and after.
pub(super) fn variables() -> Vec<(&'static str, String)> {
    vec![
        ("oldLabels", map("oldObject", "labels")),
        ("newLabels", map("object", "labels")),
        ("oldNotes", map("oldObject", "annotations")),
        ("newNotes", map("object", "annotations")),
        ("oldClass", entry("oldLabels", CLASS)),
        ("newClass", entry("newLabels", CLASS)),
        ("sameContent", same_content()),
        (
            "sameOwners",
            format!(
                "object != null && oldObject != null && {} == {}",
                owners("object"),
                owners("oldObject")
            ),
        ),
        ("sameMarks", format!("{} && {}", same_marks("Labels"), same_marks("Notes"))),
        (
            "sameHandover",
            format!(
                "{} && {}",
                same_entry("Notes", HANDED_OVER),
                same_entry("Notes", HANDED_OVER_TO)
            ),
        ),
    ]
}

/// Nothing that is guarded differs.
pub(super) const UNCHANGED: &str = "request.operation == 'UPDATE' && variables.sameContent && variables.sameOwners \
     && variables.sameMarks && variables.sameHandover";

fn map(object: &str, field: &str) -> String {
    format!("{object} != null && has({object}.metadata.{field}) ? {object}.metadata.{field} : {{}}")
}

/// The value under `key` in a variable, or the empty text.
pub(super) fn entry(variable: &str, key: &str) -> String {
    format!("'{key}' in variables.{variable} ? variables.{variable}['{key}'] : ''")
}

fn owners(object: &str) -> String {
    format!("(has({object}.metadata.ownerReferences) ? {object}.metadata.ownerReferences : [])")
}

/// Whether an ExternalSecret owns it, as one with `creationPolicy: Owner` does: by regent's annotation, or by a
/// reference as other controllers and earlier versions of regent write it.
fn owned(object: &str, notes: &str) -> String {
    format!(
        "('{OWNED_BY}' in variables.{notes} || ({object} != null && has({object}.metadata.ownerReferences) && \
         {object}.metadata.ownerReferences.exists(r, r.kind == 'ExternalSecret' && has(r.controller) && r.controller)))"
    )
}

/// A materialized Secret that an ExternalSecret owns.
pub(super) fn owned_materialized(object: &str, class: &str, notes: &str) -> String {
    format!("variables.{class} == '{CLASS_MATERIALIZED}' && {}", owned(object, notes))
}

/// The data of a Secret.
pub(super) fn data(object: &str) -> String {
    format!("(has({object}.data) ? {object}.data : {{}})")
}

fn same_content() -> String {
    let kind = |o: &str| format!("(has({o}.type) ? {o}.type : 'Opaque')");
    let immutable = |o: &str| format!("(has({o}.immutable) && {o}.immutable)");
    let (new, old) = ("object", "oldObject");
    format!(
        "object != null && oldObject != null && {} == {} && {} == {} && {} == {}",
        data(new),
        data(old),
        kind(new),
        kind(old),
        immutable(new),
        immutable(old)
    )
}

/// Regent's own keys but the handover's, in labels or annotations.
fn same_marks(what: &str) -> String {
    let other =
        format!("!k.startsWith('regent.dev/') || k in ['{HANDED_OVER}', '{HANDED_OVER_TO}']");
    format!(
        "variables.old{what}.all(k, {other} || (k in variables.new{what} && variables.new{what}[k] == \
         variables.old{what}[k])) && variables.new{what}.all(k, {other} || k in variables.old{what})"
    )
}

fn same_entry(what: &str, key: &str) -> String {
    format!("({}) == ({})", entry(&format!("old{what}"), key), entry(&format!("new{what}"), key))
}
