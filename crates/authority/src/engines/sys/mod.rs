//! `sys/`: the authority about itself.
//!
//! ```text
//! unauthenticated.rs  works sealed: health, seal-status, init, unseal, generate-root, regent/*
//! status.rs           the bodies of health, seal-status, leader, key-status
//! mounts.rs           sys/mounts, sys/auth           policies.rs  sys/policies/acl, sys/policy
//! mount_settings.rs   what enable and tune set       key_rotation.rs  sys/rotate, its config
//! leases.rs           tokens as leases               wrapping.rs  sys/wrapping
//! capabilities.rs     capabilities-self, internal/ui/mounts (what clients ask before they act)
//! snapshots.rs        sys/regent/snapshots
//! system_access.rs    what this engine alone may touch
//! ```
//!
//! An engine like the others, but for `unauthenticated.rs`: its paths work before there is a
//! keyring, when the mount table that would lead to an engine cannot be read, so the pipeline asks
//! for them first.

mod capabilities;
mod key_rotation;
mod leases;
mod mount_settings;
mod mounts;
mod policies;
mod regent;
mod root;
mod side;
mod snapshots;
mod status;
pub(crate) mod system_access;
pub(crate) mod unauthenticated;
mod values;
mod wrapping;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use self::side::Side;
use self::system_access::SystemAccess;
use crate::engines::engine::{Context, Engine};
use crate::error::ApiError;
use crate::lifecycle::Core;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation};

/// Answers below `sys/` what needs a token.
pub(crate) struct SystemEngine;

impl Engine for SystemEngine {
    fn exists<'a>(
        &'a self,
        _cx: Context<'a>,
        _call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, ApiError>> {
        Box::pin(async { Ok(None) })
    }

    fn call<'a>(&'a self, cx: Context<'a>, call: Call) -> BoxFuture<'a, Result<Reply, ApiError>> {
        Box::pin(answer(cx, call))
    }

    /// Vault's sudo paths, as far as they are served.
    fn sudo(&self) -> &'static [&'static str] {
        &[
            "auth/*",
            "audit",
            "audit/*",
            "rotate",
            "rotate/*",
            "seal",
            "leases",
            "leases/lookup/*",
            "leases/revoke-prefix/*",
            "leases/revoke-force/*",
            "revoke-prefix/*",
            "revoke-force/*",
        ]
    }

    fn fields(&self, path: &str, op: Operation) -> Schema {
        fields(path.trim_end_matches('/'), op)
    }

    fn unauthenticated(&self) -> &'static [&'static str] {
        &["internal/ui/mounts", "wrapping/lookup"]
    }

    fn policy_free(&self) -> &'static [&'static str] {
        &["internal/ui/mounts", "internal/ui/mounts/*"]
    }
}

/// Which fields requests below `sys/` have.
fn fields(path: &str, op: Operation) -> Schema {
    let (head, tail) = path.split_once('/').unwrap_or((path, ""));
    match head {
        "mounts" | "auth" => mounts::fields(tail, op),
        "policies" | "policy" if op.is_write() => policies::FIELDS,
        "capabilities-self" => Schema::of(&["paths", "path"]),
        "wrapping" => wrapping::fields(tail),
        "leases" => leases::fields(tail, op),
        "renew" | "revoke" | "revoke-prefix" | "revoke-force" => leases::fields(path, op),
        "rotate" if op.is_write() => key_rotation::fields(tail),
        _ => Schema::NONE,
    }
}

/// Answers one call below `sys/` that passed policy.
async fn answer(cx: Context<'_>, call: Call) -> Result<Reply, ApiError> {
    let SystemAccess { core, unsealed, acl } = cx.system;
    let path = call.path.trim_end_matches('/').to_owned();
    let (head, tail) = path.split_once('/').unwrap_or((&path, ""));
    match (head, tail) {
        ("wrapping", tail) => return wrapping::call(unsealed, tail, call).await,
        ("internal", "ui/mounts") => {
            call.require_read()?;
            return Ok(capabilities::visible_mounts(unsealed, acl));
        }
        _ => {}
    }
    // All paths below need a token, so there is an ACL.
    let acl = acl.ok_or(ApiError::Denied)?;
    match head {
        "mounts" => mounts::call(unsealed, Side::Secrets, tail, call).await,
        "auth" => mounts::call(unsealed, Side::Auth, tail, call).await,
        "leases" => leases::call(unsealed, tail, &call).await,
        // The names of before Vault 0.8, which clients still use.
        "renew" | "revoke" | "revoke-prefix" | "revoke-force" => {
            leases::call(unsealed, &path, &call).await
        }
        "policies" => match tail.strip_prefix("acl") {
            Some("") => policies::call(unsealed, policies::Form::Acl, "", call).await,
            Some(name) if name.starts_with('/') => {
                policies::call(unsealed, policies::Form::Acl, &name[1..], call).await
            }
            Some(_) | None => Err(no_handler(&path)),
        },
        "policy" => policies::call(unsealed, policies::Form::Legacy, tail, call).await,
        "capabilities-self" if tail.is_empty() => capabilities::capabilities_self(acl, &call),
        "internal" => match tail.strip_prefix("ui/mounts") {
            Some(below) if below.starts_with('/') => {
                call.require_read()?;
                capabilities::mount_of(unsealed, acl, &below[1..])
            }
            Some(_) | None => Err(no_handler(&path)),
        },
        "seal" if tail.is_empty() => {
            call.require_write()?;
            core.seal().await;
            Ok(Reply::no_content())
        }
        "key-status" if tail.is_empty() => {
            call.require_read()?;
            status::key_status(core)
        }
        "rotate" => key_rotation::call(core, tail, &call).await,
        "regent" if tail == "snapshots" => snapshots::call(core, &call).await,
        "audit" if tail.is_empty() => {
            call.require_read()?;
            Ok(audit_devices(core))
        }
        _ => Err(no_handler(&path)),
    }
}

/// The devices: one, named when the authority was started. (Enabling devices by API writes files
/// where the caller says: reference, CVE-2025-6000.)
fn audit_devices(core: &Core) -> Reply {
    let (kind, path) = core.audit.describe();
    let device = json!({
        "type": kind,
        "path": format!("{kind}/"),
        "description": "on since the authority was started",
        "options": {"file_path": path},
        "local": false,
    });
    Reply::mirrored(Value::Object(Map::from_iter([(format!("{kind}/"), device)])))
}

fn no_handler(path: &str) -> ApiError {
    ApiError::NoHandler(format!("sys/{path}"))
}
