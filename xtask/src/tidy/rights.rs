//! What an identity must not be able to do, whatever the access table becomes: intent opens no manifest and reads no
//! Secret but Git's credentials; the materializer writes nothing to the authority.

use serde_json::Value;

use super::report::Report;
use super::tokens::{Kind, starts_with};
use super::tree::Tree;

const ROLES: &str = "config/rbac.yaml";
/// The materializer's policy in the authority.
const MATERIALIZER: &str = "config/authority/policies/regent-materializer.hcl";
/// All that the materializer may do with a path.
const READS: [&str; 2] = ["read", "list"];
/// What intent's code may use of the manifests' crate: it looks at ciphertext and opens none.
const INTENT_USES: [&str; 2] = ["claims", "lint"];

/// Finds rights and code that go too far.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    match tree.texts.get(MATERIALIZER) {
        Some(text) => materializer(&mut report, text),
        None => report.find(MATERIALIZER, 1, "is not there"),
    }
    match tree.texts.get(ROLES) {
        Some(text) => intent_roles(&mut report, text),
        None => report.find(ROLES, 1, "is not there"),
    }
    intent_code(&mut report, tree);
    report
}

fn materializer(report: &mut Report, text: &str) {
    for (number, line) in text.lines().enumerate() {
        let Some((_, list)) = line.split_once("capabilities") else { continue };
        for capability in list.split('"').skip(1).step_by(2).filter(|c| !READS.contains(c)) {
            let what = format!("the materializer may {capability}, it only reads");
            report.find(MATERIALIZER, number + 1, what);
        }
    }
}

fn intent_roles(report: &mut Report, text: &str) {
    let mut line = 1;
    for document in text.split("\n---\n") {
        let here = line;
        line += document.matches('\n').count() + 2;
        let Ok(role) = serde_saphyr::from_str::<Value>(document) else { continue };
        if role["metadata"]["name"] != "regent-intent" {
            continue;
        }
        for rule in role["rules"].as_array().into_iter().flatten() {
            let has = |field: &str, wanted: &[&str]| {
                let list = rule[field].as_array().into_iter().flatten();
                list.filter_map(Value::as_str).any(|found| wanted.contains(&found))
            };
            let named = rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty());
            let only_gets =
                rule["verbs"].as_array().is_some_and(|v| v.iter().all(|verb| verb == "get"));
            if has("resources", &["secrets", "*"])
                && has("apiGroups", &["", "*"])
                && !(named && only_gets)
            {
                let what = format!(
                    "intent may {} Secrets at large, it gets the one with Git's credentials",
                    rule["verbs"]
                );
                report.find(ROLES, here, what);
            }
        }
    }
}

fn intent_code(report: &mut Report, tree: &Tree) {
    for file in tree.files.iter().filter(|file| file.path.contains("/src/intent")) {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, t)| file.ships(t)) {
            let named = file.tokens.get(at + 3).filter(|t| t.kind == Kind::Ident || t.is("{"));
            if starts_with(&file.tokens[at..], &["regent_manifest", ":", ":"])
                && named.is_none_or(|t| !INTENT_USES.contains(&t.text.as_str()))
            {
                let what =
                    format!("intent uses more of regent_manifest than {}", INTENT_USES.join(", "));
                report.find(&file.path, token.line, what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(policy: &str, roles: &str, intent: &str) -> Vec<String> {
        let tree = Tree::fixture(&[
            (MATERIALIZER, policy),
            (ROLES, roles),
            ("crates/gitops/src/lib.rs", "//! G.\nmod intent;\n"),
            ("crates/gitops/src/intent/mod.rs", intent),
        ]);
        check(&tree).findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_materializer_that_writes_and_an_intent_that_opens_are_found() {
        let (policy, intent) = (
            "path \"a\" {\n  capabilities = [\"read\"]\n}\n",
            "//! I.\nuse regent_manifest::lint;\n",
        );
        let roles = "kind: Role\nmetadata: {name: regent-intent}\nrules:\n- {apiGroups: [''], resources: [secrets], resourceNames: [git], verbs: [get]}\n";
        assert_eq!(found(policy, roles, intent), Vec::<String>::new());
        assert_eq!(
            found(&policy.replace("[\"read\"", "[\"read\", \"update\""), roles, intent).len(),
            1
        );
        assert_eq!(
            found(policy, &roles.replace("verbs: [get]", "verbs: [get, list]"), intent).len(),
            1
        );
        assert_eq!(found(policy, &roles.replace("resourceNames: [git], ", ""), intent).len(), 1);
        assert_eq!(found(policy, roles, &intent.replace("lint", "sops::open")).len(), 1);
        assert_eq!(found(policy, roles, &intent.replace("lint", "{lint, keys}")).len(), 1);
    }
}
