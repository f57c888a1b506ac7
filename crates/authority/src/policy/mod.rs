//! ACL policies as Vault defines them: texts become rules, rules decide requests.
//!
//! ```text
//! text ── hcl | json ──▶ tree ── document ──▶ Policy        every problem, with line:column
//! Policies ── acl ──▶ Acl: exact, prefix and wildcard rules, merged per pattern (permissions)
//! Acl ── lookup: exactly one rule decides ──▶ capability, parameters ──▶ Decision
//! ```
//!
//! Both halves are pure. A text that this authority cannot honour to the letter (templates, control
//! groups, expiry, unknown keys) is refused: ignoring a restriction would widen the policy.
//! Formats: Vault's policy language (HCL1 or JSON); the order of lookup is OpenBao's
//! `internal/vault/policy/acl.go`.

mod acl;
mod document;
mod hcl;
mod json;
mod lex;
mod pattern;
mod permissions;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use self::acl::Acl;
use self::pattern::Pattern;
use self::permissions::Permissions;

/// Longest policy text, in bytes: the largest that `regent` writes is below 4 KiB.
const TEXT_LEN_MAX: usize = 256 << 10;

/// What one policy says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    rules: Vec<(Pattern, Permissions)>,
}

/// Reads a policy, HCL1 or JSON. Fails with every problem found, each led by its `line:column`
/// where known.
pub(crate) fn parse(text: &str) -> Result<Policy, Vec<String>> {
    if text.len() > TEXT_LEN_MAX {
        return Err(vec![format!(
            "expected at most {TEXT_LEN_MAX} bytes of policy, found {}",
            text.len()
        )]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fields =
        if text.trim_start().starts_with('{') { json::parse(text) } else { hcl::parse(text) };
    document::policy(fields.map_err(|problem| vec![problem.to_string()])?)
}
