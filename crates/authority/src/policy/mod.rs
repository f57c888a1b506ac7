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
mod parse;
mod pattern;
mod permissions;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use self::acl::Acl;
pub(crate) use self::document::Policy;
pub(crate) use self::parse::parse;
