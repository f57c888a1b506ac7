//! `config`: which Kubernetes API to ask, and as whom.

use regent_types::Sensitive;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::record;
use crate::barrier::View;
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, fields};
use crate::reviewer::ReviewTarget;

const KEY: &str = "config";

/// Largest CA bundle or reviewer token.
const FIELD_LEN_MAX: usize = 64 << 10;

/// Fields of a write.
pub(super) const FIELDS: Schema = Schema {
    acts: &[
        "kubernetes_host",
        "kubernetes_ca_cert",
        "token_reviewer_jwt",
        "issuer",
        "disable_iss_validation",
        "disable_local_ca_jwt",
    ],
    refused: &[("pem_keys", "every token is reviewed by the API server")],
};

/// What is kept. A write replaces it whole, as in Vault.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) kubernetes_host: String,
    kubernetes_ca_cert: String,
    #[serde(with = "wiped")]
    token_reviewer_jwt: Zeroizing<String>,
    pub(super) issuer: String,
    pub(super) disable_iss_validation: bool,
    disable_local_ca_jwt: bool,
}

mod wiped {
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        text: &Zeroizing<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new)
    }
}

impl Config {
    /// Whom to ask about `jwt`: as the configured reviewer, else as this place's own account, else
    /// (where that is switched off) as the account that logs in.
    pub(super) fn target(&self, jwt: &Sensitive<String>) -> ReviewTarget {
        let configured = (!self.token_reviewer_jwt.is_empty())
            .then(|| Sensitive::new(self.token_reviewer_jwt.to_string()));
        let reviewer_jwt = match configured {
            None if self.disable_local_ca_jwt => Some(jwt.duplicate()),
            configured => configured,
        };
        ReviewTarget {
            host: self.kubernetes_host.clone(),
            ca_pem: (!self.kubernetes_ca_cert.is_empty()).then(|| self.kubernetes_ca_cert.clone()),
            reviewer_jwt,
        }
    }
}

/// The config, if the mount has one.
pub(super) async fn load(view: &View) -> Result<Option<Config>, ApiError> {
    record::load(view, KEY, "kubernetes config").await
}

/// All but the reviewer token.
pub(super) async fn read(cx: Context<'_>) -> Result<Reply, ApiError> {
    let config = load(cx.view).await?.ok_or(ApiError::NotFound)?;
    Ok(Reply::ok(json!({
        "kubernetes_host": config.kubernetes_host,
        "kubernetes_ca_cert": config.kubernetes_ca_cert,
        "pem_keys": [],
        "issuer": config.issuer,
        "disable_iss_validation": config.disable_iss_validation,
        "disable_local_ca_jwt": config.disable_local_ca_jwt,
        "token_reviewer_jwt_set": !config.token_reviewer_jwt.is_empty(),
    })))
}

/// Replaces the config whole; what the request leaves out is unset.
pub(super) async fn write(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let config = parse(call)?;
    record::store(cx.view, KEY, "kubernetes config", &config).await?;
    Ok(Reply::no_content())
}

fn parse(call: &Call) -> Result<Config, ApiError> {
    let data = &call.data;
    let text = |name| Ok::<_, ApiError>(fields::text(data, name)?.unwrap_or_default().to_owned());
    let config = Config {
        kubernetes_host: text("kubernetes_host")?,
        kubernetes_ca_cert: text("kubernetes_ca_cert")?,
        token_reviewer_jwt: Zeroizing::new(text("token_reviewer_jwt")?),
        issuer: text("issuer")?,
        disable_iss_validation: fields::flag(data, "disable_iss_validation")?.unwrap_or(true),
        disable_local_ca_jwt: fields::flag(data, "disable_local_ca_jwt")?.unwrap_or(false),
    };
    let mut wrong = Vec::new();
    if config.kubernetes_host.is_empty() {
        wrong.push("no host provided".to_owned());
    }
    let ca = &config.kubernetes_ca_cert;
    let is_pem = ca.contains("-----BEGIN CERTIFICATE-----") && ca.contains("-----END ");
    if !ca.is_empty() && !is_pem {
        wrong.push("kubernetes_ca_cert: expected PEM-encoded certificates".to_owned());
    }
    if config.disable_local_ca_jwt && ca.is_empty() {
        let message = "kubernetes_ca_cert must be given when disable_local_ca_jwt is true";
        wrong.push(message.to_owned());
    }
    if ca.len().max(config.token_reviewer_jwt.len()) > FIELD_LEN_MAX {
        wrong.push(format!("expected fields of at most {FIELD_LEN_MAX} bytes"));
    }
    if wrong.is_empty() { Ok(config) } else { Err(ApiError::Invalid(wrong)) }
}
