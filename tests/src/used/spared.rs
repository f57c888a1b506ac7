//! Cells that no scenario can reach, each with the test that does. An entry that a scenario does use, or whose test is
//! gone, is an error: the list cannot rot.

/// A cell without use in the scenarios.
pub(super) struct Spared {
    /// As the cell shows itself.
    pub(super) cell: &'static str,
    /// File, from the workspace's root, and name of the test that needs it.
    pub(super) test: (&'static str, &'static str),
}

/// On the API server.
pub(super) const API: &[Spared] = &[
    Spared {
        cell: "bootstrap get kustomizations.kustomize.toolkit.fluxcd.io in the cluster",
        test: FOREIGN,
    },
    Spared {
        cell: "bootstrap get gitrepositories.source.toolkit.fluxcd.io in the cluster",
        test: FOREIGN,
    },
    Spared { cell: "bootstrap get applications.argoproj.io in the cluster", test: FOREIGN },
    Spared { cell: "warden update configmaps regent-authority-ca in regent-system", test: RENEWED },
    Spared { cell: "warden update secrets regent-authority-ca in regent-system", test: RENEWED },
    Spared { cell: "warden update secrets regent-authority-tls in regent-system", test: RENEWED },
];
/// Flux and Argo CD are in no world.
const FOREIGN: (&str, &str) =
    ("crates/gitops/src/bootstrap/source.rs", "the_revision_is_asked_of_flux_and_of_argo_cd");
/// No world lives for twenty days. That test also holds every step to warden's Role.
const RENEWED: (&str, &str) = (
    "crates/control/src/warden/transport/tests/mod.rs",
    "for_eleven_years_a_client_that_is_late_accepts_what_is_served",
);

pub(super) const AUTHORITY: &[Spared] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole run in four worlds is a late moment to learn that a file was moved.
    #[test]
    fn each_test_that_an_entry_names_is_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for Spared { cell, test: (file, test) } in API.iter().chain(AUTHORITY) {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(text.contains(&format!("fn {test}()")), "{cell}: no {test} in {file}");
        }
    }
}
