//! Settings of a mount, as enable (some in a `config` object) and tune (at the top) name them.

use regent_types::json::Object;

use super::side::Side;
use crate::error::ApiError;
use crate::mounts::{Mount, MountKind};
use crate::request::fields;
use crate::request::schema::Schema;
use crate::wipe::Data;

/// Fields of `POST sys/mounts/{path}` and `sys/auth/{path}`.
pub(super) const ENABLE: Schema = Schema {
    acts: &["type", "description", "options", "config"],
    refused: &[
        ("local", "there is one node, and nothing is replicated"),
        ("seal_wrap", "everything at rest is sealed once, under the keyring"),
        ("external_entropy_access", "random bytes come from the operating system"),
        ("plugin_name", "engines are built in"),
        ("plugin_version", "engines are built in"),
    ],
};

/// Fields of the `config` object beside those of a tune. OpenBao's client sends `options` there too, as null.
const CONFIG: Schema = Schema {
    acts: &["default_lease_ttl", "max_lease_ttl", "listing_visibility", "token_type", "options"],
    refused: TUNE.refused,
};

/// Fields of `POST sys/mounts/{path}/tune` and `sys/auth/{path}/tune`.
pub(super) const TUNE: Schema = Schema {
    acts: &[
        "description",
        "options",
        "default_lease_ttl",
        "max_lease_ttl",
        "listing_visibility",
        "token_type",
    ],
    refused: &[
        ("audit_non_hmac_request_keys", "every value in the audit log is an HMAC"),
        ("audit_non_hmac_response_keys", "every value in the audit log is an HMAC"),
        ("passthrough_request_headers", "no engine reads headers"),
        ("allowed_response_headers", "no engine sets headers"),
        ("allowed_managed_keys", "there are no managed keys"),
        ("delegated_auth_accessors", "no engine delegates a login"),
        ("identity_token_key", "there are no identity tokens"),
        ("force_no_cache", "no value is cached beyond its version"),
        ("plugin_version", "engines are built in"),
        ("user_lockout_config", "no auth method here has passwords"),
    ],
};

/// The kind of mount that a request to enable names.
pub(super) fn kind(side: Side, data: &Data) -> Result<MountKind, ApiError> {
    let name = fields::text(data, "type")?.unwrap_or_default();
    let options = fields::text_map(data, "options")?.unwrap_or_default();
    let version = options.get("version").map(String::as_str);
    match (side, name) {
        (Side::Secrets, "kv-v2") => Ok(MountKind::Kv),
        (Side::Secrets, "kv") if version == Some("2") => Ok(MountKind::Kv),
        (Side::Secrets, "kv" | "kv-v1" | "generic") => {
            Err(ApiError::invalid("only version 2 of kv is served: set options.version to \"2\""))
        }
        (Side::Auth, "kubernetes") => Ok(MountKind::Kubernetes),
        (_, other) => Err(ApiError::invalid(format!("plugin not found in the catalog: {other:?}"))),
    }
}

/// Takes over what the request names; the rest stays.
pub(super) fn apply(mount: &mut Mount, data: &Data) -> Result<(), ApiError> {
    if let Some(text) = fields::text(data, "description")? {
        text.clone_into(&mut mount.description);
    }
    options(mount, data)?;
    if let Some(config) = fields::object(data, "config")? {
        let unknown = CONFIG.judge(config)?;
        if !unknown.is_empty() {
            let message = format!("field \"config\": {} not supported here", unknown.join(", "));
            return Err(ApiError::invalid(message));
        }
        options(mount, config)?;
        settings(mount, config)?;
    }
    settings(mount, data)?;
    if mount.config.default_lease_ttl_s > mount.max_lease_ttl_s() {
        return Err(ApiError::invalid("default_lease_ttl is longer than max_lease_ttl"));
    }
    Ok(())
}

fn options(mount: &mut Mount, data: &Object) -> Result<(), ApiError> {
    for (name, value) in fields::text_map(data, "options")?.unwrap_or_default() {
        match (mount.kind, name.as_str(), value.as_str()) {
            (MountKind::Kv, "version", "2") => mount.options.insert(name, value),
            (MountKind::Kv, "version", _) => {
                return Err(ApiError::invalid("only version 2 of kv is served"));
            }
            _ => {
                let message = format!("field \"options\": {name:?} is not supported here");
                return Err(ApiError::invalid(message));
            }
        };
    }
    Ok(())
}

fn settings(mount: &mut Mount, data: &Object) -> Result<(), ApiError> {
    if let Some(seconds) = ttl(data, "default_lease_ttl")? {
        mount.config.default_lease_ttl_s = seconds;
    }
    if let Some(seconds) = ttl(data, "max_lease_ttl")? {
        mount.config.max_lease_ttl_s = seconds;
    }
    if let Some(text) = fields::text(data, "listing_visibility")? {
        if !matches!(text, "" | "hidden" | "unauth") {
            let message = "field \"listing_visibility\": expected \"hidden\" or \"unauth\"";
            return Err(ApiError::invalid(message));
        }
        text.clone_into(&mut mount.config.listing_visibility);
    }
    if let Some(text) = fields::text(data, "token_type")?.filter(|text| !text.is_empty()) {
        if !mount.path.starts_with("auth/") {
            return Err(ApiError::invalid("'token_type' can only be modified on auth mounts"));
        }
        if !matches!(text, "default" | "default-service" | "service") {
            let message =
                "field \"token_type\": only service tokens are supported by this authority";
            return Err(ApiError::invalid(message));
        }
        text.clone_into(&mut mount.config.token_type);
    }
    Ok(())
}

/// A lease bound; `system` is the word for the default, and an empty one, which clients send with every tune,
/// changes nothing.
fn ttl(data: &Object, name: &str) -> Result<Option<u64>, ApiError> {
    match fields::text(data, name) {
        Ok(Some("system")) => Ok(Some(0)),
        Ok(Some("")) => Ok(None),
        _ => fields::seconds(data, name),
    }
}
