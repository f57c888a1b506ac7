//! `sys/`: the authority about itself. It acts on the core, so it is called by the pipeline
//! directly.
//!
//! ```text
//! open.rs      no token, works sealed: health, seal-status, init, unseal, generate-root, regent/*
//! status.rs    the bodies of health, seal-status, leader, key-status
//! mounts.rs    sys/mounts, sys/auth              policies.rs  sys/policies/acl, sys/policy
//! access.rs    capabilities-self, internal/ui/mounts (what clients ask before they act)
//! ```

mod access;
mod mounts;
pub(crate) mod open;
mod policies;
mod regent;
mod root;
mod status;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Call, Fault, Operation, Reply};
use crate::lifecycle::{Active, Core};
use crate::policy::Acl;

/// Below `sys/`: a good token is enough, the handler itself looks at the ACL.
pub(crate) const POLICY_FREE: &[&str] = &["internal/ui/mounts", "internal/ui/mounts/*"];

/// Below `sys/`: needs the `sudo` capability too (reference: sudo paths).
pub(crate) const SUDO: &[&str] = &["auth/*", "audit", "audit/*", "rotate", "rotate/*", "seal"];

/// Answers one call below `sys/` that passed policy.
pub(crate) async fn call(
    core: &Core,
    active: &Arc<Active>,
    acl: &Acl,
    call: Call,
) -> Result<Reply, Fault> {
    let path = call.path.trim_end_matches('/').to_owned();
    let (head, tail) = path.split_once('/').unwrap_or((&path, ""));
    match head {
        "mounts" => mounts::call(active, mounts::Side::Secrets, tail, call).await,
        "auth" => mounts::call(active, mounts::Side::Auth, tail, call).await,
        "policies" => match tail.strip_prefix("acl") {
            Some("") => policies::call(active, policies::Form::Acl, "", call).await,
            Some(name) if name.starts_with('/') => {
                policies::call(active, policies::Form::Acl, &name[1..], call).await
            }
            Some(_) | None => Err(no_handler(&path)),
        },
        "policy" => policies::call(active, policies::Form::Old, tail, call).await,
        "capabilities-self" if tail.is_empty() => access::capabilities_self(acl, &call),
        "internal" => match tail.strip_prefix("ui/mounts") {
            Some("") => read_only(&call).map(|()| access::visible_mounts(active, acl)),
            Some(below) if below.starts_with('/') => {
                read_only(&call)?;
                access::mount_of(active, acl, &below[1..])
            }
            Some(_) | None => Err(no_handler(&path)),
        },
        "seal" if tail.is_empty() => {
            write_only(&call)?;
            core.seal().await;
            Ok(Reply::no_content())
        }
        "key-status" if tail.is_empty() => {
            read_only(&call)?;
            status::key_status(core)
        }
        "rotate" if tail.is_empty() => {
            write_only(&call)?;
            core.rotate(call.now).await?;
            Ok(Reply::no_content())
        }
        "audit" if tail.is_empty() => {
            read_only(&call)?;
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

fn read_only(call: &Call) -> Result<(), Fault> {
    if call.op == Operation::Read { Ok(()) } else { Err(Fault::Unsupported) }
}

fn write_only(call: &Call) -> Result<(), Fault> {
    if call.op.is_write() { Ok(()) } else { Err(Fault::Unsupported) }
}

fn no_handler(path: &str) -> Fault {
    Fault::NoHandler(format!("sys/{path}"))
}
