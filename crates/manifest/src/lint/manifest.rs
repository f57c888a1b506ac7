//! A manifest as text: of a file, or inside an EncryptedManifest.

use super::finding::{BROKEN_SEAL, Finding, Findings};
use super::{lines, rules, seal};
use crate::tree::{self, Node};

/// Largest manifest that is looked at, in bytes; intent applies no larger one.
pub const MANIFEST_BYTES_MAX: usize = crate::sops::TEXT_BYTES_MAX;

/// Looks at its documents, or at its lines where it is no YAML.
pub(super) fn look(text: &str, findings: &mut Findings<'_>) {
    look_into(text, findings, embedded);
}

fn look_into(text: &str, findings: &mut Findings<'_>, embedded: impl Fn(&Node, &mut Findings<'_>)) {
    if text.len() > MANIFEST_BYTES_MAX {
        let why = format!("larger than {MANIFEST_BYTES_MAX} bytes");
        findings.found.push(Finding::not_looked_at(findings.file, 1, &why));
        return;
    }
    match tree::parse(text) {
        Ok(documents) => {
            seal::look(text, &documents, findings);
            for sealed in rules::look(&documents, findings) {
                embedded(sealed, findings);
            }
        }
        Err(unread) => lines::look(text, &unread, findings),
    }
}

/// The manifest inside an EncryptedManifest. One inside of that would be plain text to SOPS.
fn embedded(node: &Node, findings: &mut Findings<'_>) {
    let Some(text) = node.text() else { return };
    let mut inner = Findings::of(findings.file);
    look_into(text, &mut inner, |_, _| {});
    if !crate::sops::is_sealed(text) && !inner.found.iter().any(|f| f.rule == BROKEN_SEAL) {
        findings.add(node.line, BROKEN_SEAL, "spec.sops holds no sealed manifest".to_owned());
    }
    for mut finding in inner.found {
        finding.line += node.line - 1;
        findings.found.push(finding);
    }
}
