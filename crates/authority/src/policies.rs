//! Where the policies' texts live, and the ACLs made of them.
//!
//! Parsed policies and merged ACLs are cached, both bounded; any change empties the cache. What was
//! loaded before a change is not put into the cache after it (`generation`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::barrier::{Batch, View};
use crate::error::ApiError;
use crate::policy::{self, Acl, Policy};
use crate::request::Caller;

/// ACLs kept: one for each set of policy names in use; a component has one role.
const ACLS_MAX: usize = 256;

/// Longest name of a policy, in bytes.
const NAME_LEN_MAX: usize = 128;

/// What every token may do unless its role says otherwise (Vault's `default`, the part that exists
/// here).
const DEFAULT_POLICY: &str = r#"
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"#;

/// The policy of tokens that stand for an answer; nobody is given it otherwise.
pub(crate) const WRAPPING_POLICY: &str = "response-wrapping";

/// What such a token may do.
const WRAPPING_TEXT: &str = r#"
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"#;

/// The text of a policy that is there without being stored.
fn built_in(name: &str) -> Option<&'static str> {
    match name {
        "default" => Some(DEFAULT_POLICY),
        WRAPPING_POLICY => Some(WRAPPING_TEXT),
        _ => None,
    }
}

/// Where the policies' texts live.
pub(crate) struct PolicyStore {
    view: View,
    cache: RwLock<Cache>,
}

#[derive(Default)]
struct Cache {
    generation: u64,
    acls: HashMap<Vec<String>, Arc<Acl>>,
}

impl PolicyStore {
    /// A store over `view`; loads nothing.
    pub(crate) fn new(view: View) -> Self {
        Self { view, cache: RwLock::default() }
    }

    /// What `caller` may do. Names without a policy grant nothing.
    pub(crate) async fn acl_of(&self, caller: &Caller) -> Result<Arc<Acl>, ApiError> {
        if caller.is_root {
            return Ok(Arc::new(Acl::root()));
        }
        let generation = {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(acl) = cache.acls.get(&caller.policies) {
                return Ok(acl.clone());
            }
            cache.generation
        };
        let mut policies = Vec::new();
        for name in &caller.policies {
            policies.extend(self.parsed(name).await?);
        }
        let acl = Arc::new(Acl::new(&policies));
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.generation == generation {
            if cache.acls.len() >= ACLS_MAX {
                cache.acls.clear();
            }
            cache.acls.insert(caller.policies.clone(), acl.clone());
        }
        Ok(acl)
    }

    /// The text of policy `name`.
    pub(crate) async fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        match self.view.get(name).await? {
            Some(bytes) => {
                String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| ApiError::corrupt("policy"))
            }
            None => Ok(built_in(name).map(str::to_owned)),
        }
    }

    /// All names, with `default` and `root`.
    pub(crate) async fn names(&self) -> Result<Vec<String>, ApiError> {
        let mut names = self.view.list("").await?;
        names.extend(["default".to_owned(), "root".to_owned()]);
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Stores `text` under `name` (as [`PolicyStore::normalized_name`] gave it) once it parses.
    pub(crate) async fn put(&self, name: &str, text: &str) -> Result<(), ApiError> {
        if name == "root" || name == WRAPPING_POLICY {
            return Err(ApiError::invalid(format!("cannot update {name:?} policy")));
        }
        policy::parse(text).map_err(ApiError::Invalid)?;
        let mut batch = Batch::new();
        batch.put(name, Zeroizing::new(text.as_bytes().to_vec()));
        self.change(batch).await
    }

    /// Removes `name`; nothing happens if it is absent. `root` and `default` stay (400).
    pub(crate) async fn delete(&self, name: &str) -> Result<(), ApiError> {
        if name == "root" || built_in(name).is_some() {
            return Err(ApiError::invalid(format!("cannot delete {name:?} policy")));
        }
        let mut batch = Batch::new();
        batch.delete(name);
        self.change(batch).await
    }

    /// `name` as it is stored (lower case), or why it is none. Every place that names policies uses
    /// this, so that `Root` is nowhere something else than `root`.
    pub(crate) fn normalized_name(name: &str) -> Result<String, ApiError> {
        let name = name.trim().to_lowercase();
        let sign = |c: char| c.is_ascii_punctuation() && !matches!(c, '/' | '*' | ',' | '\\');
        let good = |c: char| c.is_alphanumeric() || c == ' ' || sign(c);
        if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(good) {
            return Err(ApiError::invalid(
                "policy name: 1 to 128 letters, digits and signs, but no '/', '*', ',' and '\\'",
            ));
        }
        Ok(name)
    }

    async fn change(&self, batch: Batch) -> Result<(), ApiError> {
        self.view.commit(batch).await?;
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.generation += 1;
        cache.acls.clear();
        Ok(())
    }

    async fn parsed(&self, name: &str) -> Result<Option<Arc<Policy>>, ApiError> {
        match self.text(name).await? {
            // It parsed when it was stored.
            Some(text) => policy::parse(&text)
                .map(|policy| Some(Arc::new(policy)))
                .map_err(|_| ApiError::corrupt("policy")),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_parses() {
        policy::parse(DEFAULT_POLICY).unwrap();
        policy::parse(WRAPPING_TEXT).unwrap();
    }

    #[test]
    fn no_spelling_of_root_is_another_policy() {
        for name in ["root", "Root", " ROOT", "rOOt\t"] {
            assert_eq!(PolicyStore::normalized_name(name).unwrap(), "root", "{name:?}");
        }
        // hvac's tests name one so.
        assert_eq!(PolicyStore::normalized_name("['Deploy']").unwrap(), "['deploy']");
        for name in ["", " ", "a,b", "a\\b", "a/b", "a*", "a\u{0}b", &"a".repeat(129)] {
            assert!(PolicyStore::normalized_name(name).is_err(), "{name:?}");
        }
    }
}
