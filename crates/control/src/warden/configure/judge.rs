//! What tokens are judged by at the login mount. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::warden::args::Args;
use crate::warden::issuer::Issuer;

/// What the authority judges login tokens by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::warden) enum Judge {
    /// It asks this API server.
    Reviewer(Args),
    Keys(Issuer),
}

impl Judge {
    /// Whether the mount's configuration `found` says so, and nothing that tokens would be judged by instead.
    pub(super) fn is_asked(&self, found: &Value) -> bool {
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        match self {
            Self::Reviewer(args) => {
                let ca = args.kubernetes_ca_cert.as_deref().unwrap_or_default();
                text("kubernetes_host") == args.kubernetes_host
                    && text("kubernetes_ca_cert").trim() == ca.trim()
                    && found["token_reviewer_jwt_set"] != true
            }
            Self::Keys(issuer) => {
                let keys = found["jwt_validation_pubkeys"].as_array();
                let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(str::trim);
                keys.collect::<BTreeSet<_>>() == issuer.keys.iter().map(String::as_str).collect()
                    && text("bound_issuer") == issuer.name
                    && ["oidc_discovery_url", "jwks_url"].iter().all(|f| text(f).is_empty())
            }
        }
    }

    /// Body of `auth/{mount}/config`; what it does not name goes back to its default.
    pub(super) fn body(&self) -> Value {
        match self {
            Self::Reviewer(args) => json!({
                "kubernetes_host": args.kubernetes_host,
                "kubernetes_ca_cert": args.kubernetes_ca_cert.as_deref().unwrap_or_default(),
                "token_reviewer_jwt": "",
            }),
            Self::Keys(issuer) => json!({
                "jwt_validation_pubkeys": issuer.keys,
                "bound_issuer": issuer.name,
            }),
        }
    }
}
