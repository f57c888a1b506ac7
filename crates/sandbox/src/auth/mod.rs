//! Who is asking: the admin's token, ServiceAccount tokens, and impersonation where RBAC allows it.

pub(crate) mod tokens;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::status::Failure;
use crate::store::{ObjectKey, Store};
use tokens::{Claims, Signer};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "username": self.name, "uid": self.uid, "groups": self.groups })
    }

    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|g| g == "system:masters")
    }
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}

/// Who a token belongs to, for `audiences`: the admin, or a ServiceAccount that still exists under its uid.
pub(crate) fn authenticate(
    token: &str,
    admin: &str,
    signer: &Signer,
    store: &Store,
    audiences: &[String],
    now_s: i64,
) -> Result<(User, Vec<String>), &'static str> {
    if same(token, admin) {
        let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
        let name = "kubernetes-admin".to_owned();
        return Ok((User { name, uid: String::new(), groups }, audiences.to_vec()));
    }
    let claims = signer.verify(token, now_s)?;
    let shared: Vec<String> =
        claims.audiences.iter().filter(|a| audiences.contains(a)).cloned().collect();
    if shared.is_empty() {
        return Err("the token is for another audience");
    }
    let key = ObjectKey {
        resource: "serviceaccounts".into(),
        namespace: claims.namespace.clone(),
        name: claims.account.clone(),
    };
    let account = store.get(&key).ok_or("the ServiceAccount is gone")?;
    if account["metadata"]["uid"] != claims.uid.as_str() {
        return Err("the ServiceAccount was recreated");
    }
    Ok((account_user(&claims), shared))
}

fn account_user(claims: &Claims) -> User {
    let namespace = &claims.namespace;
    User {
        name: format!("system:serviceaccount:{namespace}:{}", claims.account),
        uid: claims.uid.clone(),
        groups: vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".into(),
        ],
    }
}

/// Compares in constant time.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

pub(crate) fn anonymous() -> User {
    let groups = vec!["system:unauthenticated".to_owned()];
    User { name: "system:anonymous".into(), uid: String::new(), groups }
}

/// The user to act as, where the request asks for impersonation, and the groups that it asks for by name.
pub(crate) fn impersonated(headers: &HeaderMap) -> Option<(User, Vec<String>)> {
    let name = headers.get("impersonate-user")?.to_str().ok()?.to_owned();
    let asked = headers.get_all("impersonate-group").iter();
    let asked: Vec<String> = asked.filter_map(|g| g.to_str().ok().map(str::to_owned)).collect();
    let mut groups = asked.clone();
    let account = name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':'));
    if let Some((namespace, _)) = account.filter(|_| asked.is_empty()) {
        groups.push("system:serviceaccounts".into());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    if name != "system:anonymous" {
        groups.push("system:authenticated".into());
    }
    Some((User { name, uid: String::new(), groups }, asked))
}

pub(crate) fn unauthorized() -> Failure {
    Failure::new(401, "Unauthorized", "Unauthorized")
}
