//! No Secret comes from Git: the GitOps controllers that an installation names write none, whatever their Role
//! says. Break-glass does not open this one: such controllers often hold every verb.

use super::names::GITOPS;
use super::policy::{AdmissionPolicy, BreakGlass, Rule, list};
use super::settings::Settings;

pub(super) fn policy(settings: &Settings) -> AdmissionPolicy {
    let named = format!("request.userInfo.username in {}", list(&settings.gitops));
    AdmissionPolicy {
        name: GITOPS,
        group: "",
        version: "v1",
        resource: "secrets",
        operations: &["CREATE", "UPDATE"],
        label: None,
        conditions: vec![("from-git", named)],
        variables: Vec::new(),
        rules: vec![Rule {
            name: "plaintext",
            expression: "false".into(),
            reason: "Forbidden",
            expected: "no Secret from Git",
            action: "seal it as an EncryptedManifest with regent seal, or declare an ExternalSecret",
        }],
        break_glass: BreakGlass::Never,
    }
}
