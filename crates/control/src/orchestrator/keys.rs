//! By what the orchestrator finds what it watches. Pure.

use std::collections::BTreeSet;

use kube::ResourceExt;
use regent_api::{ExternalSecret, RuntimeSecret, WorkflowRun};
use regent_types::SecretPath;
use regent_types::authority_names::SECRET_MOUNT;

/// Mount-relative paths that an ExternalSecret names, in every spelling that its stores take. A key that is no path
/// names none: nothing is delivered from it.
pub(super) fn paths(external: &ExternalSecret) -> BTreeSet<String> {
    let data = external.spec.data.iter().map(|d| &d.remote_ref);
    let whole = external.spec.data_from.iter().filter_map(|d| d.extract.as_ref());
    data.chain(whole).filter_map(|r| named_path(&r.key)).collect()
}

/// The path that a remote key means; `None` where it is no path.
pub(super) fn named_path(key: &str) -> Option<String> {
    SecretPath::from_remote_key(SECRET_MOUNT, key).ok().map(|path| path.to_string())
}

/// What a RuntimeSecret names: its path, and the bootstrap Secret that it hands over or the PushSecret that it observes.
pub(super) fn claims(secret: &RuntimeSecret) -> BTreeSet<String> {
    let namespace = secret.namespace().unwrap_or_default();
    let default = || format!("runtime/{namespace}/{}", secret.name_any());
    let path = secret.spec.path.clone().unwrap_or_else(default);
    let from = secret.spec.introduce.handover.as_ref();
    let source = from.map(|from| bootstrap_secret(&namespace, &from.bootstrap_secret));
    let derived = secret.spec.introduce.derived.as_ref();
    let publisher = derived.map(|derived| push_secret(&namespace, &derived.push_secret));
    source.into_iter().chain(publisher).chain([path]).collect()
}

/// The key of a PushSecret that is observed.
pub(super) fn push_secret(namespace: &str, name: &str) -> String {
    format!("push:{namespace}/{name}")
}

/// The key of a bootstrap Secret; no path has a colon.
pub(super) fn bootstrap_secret(namespace: &str, name: &str) -> String {
    format!("bootstrap:{namespace}/{name}")
}

/// The RuntimeSecret that a run is about.
pub(super) fn subject(run: &WorkflowRun) -> BTreeSet<String> {
    [of_secret(&run.namespace().unwrap_or_default(), &run.spec.runtime_secret)].into()
}

/// The key of the runs of one RuntimeSecret.
pub(super) fn of_secret(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_the_same_path() {
        let p = "runtime/payments/db";
        for key in [p, "secret/runtime/payments/db", "secret/data/runtime/payments/db"] {
            assert_eq!(named_path(key).as_deref(), Some(p));
        }
    }
}
