//! Labels of the objects that warden makes.

use std::collections::BTreeMap;

use regent_types::labels::CLASS;

/// Value of `regent.dev/class` on Secrets that regent keeps for itself.
const CLASS_INTERNAL: &str = "internal";

/// Of everything that regent keeps.
pub(super) fn part_of() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/part-of".to_owned(), "regent".to_owned())])
}

/// Of Secrets that regent keeps for itself.
pub(super) fn internal() -> BTreeMap<String, String> {
    let mut labels = part_of();
    labels.insert(CLASS.to_owned(), CLASS_INTERNAL.to_owned());
    labels
}
