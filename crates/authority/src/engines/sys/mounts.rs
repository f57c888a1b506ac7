//! `sys/mounts` and `sys/auth`: list, enable, read, tune, disable.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::engines::{Call, Data, Fault, Operation, Reply, fields};
use crate::lifecycle::Active;
use crate::mounts::{Kind, Mount};

/// What a mount's path or description may be.
const PATH_LEN_MAX: usize = 128;

/// Paths that are no one's to take or remove.
const RESERVED: [&str; 5] = ["sys/", "auth/", "audit/", "cubbyhole/", "identity/"];

/// Which half of the mount table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `sys/mounts`.
    Secrets,
    /// `sys/auth`: mounts below `auth/`.
    Auth,
}

impl Side {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Secrets => "",
            Self::Auth => "auth/",
        }
    }

    fn has(self, mount: &Mount) -> bool {
        (self == Self::Auth) == mount.path.starts_with("auth/")
    }
}

pub(super) async fn call(
    active: &Arc<Active>,
    side: Side,
    tail: &str,
    call: Call,
) -> Result<Reply, Fault> {
    if tail.is_empty() {
        return if call.op == Operation::Read {
            Ok(list(active, side))
        } else {
            Err(Fault::Unsupported)
        };
    }
    if let Some(of) = tail.strip_suffix("/tune") {
        let path = path(side, of)?;
        return match call.op {
            Operation::Read => read_config(active, &path),
            Operation::Create | Operation::Update => tune(active, &path, call.data).await,
            _ => Err(Fault::Unsupported),
        };
    }
    let path = path(side, tail)?;
    match call.op {
        Operation::Read => {
            let mount = active.mounts.at(&path).ok_or_else(|| missing(&path))?;
            Ok(Reply::ok(describe(&mount)))
        }
        Operation::Create | Operation::Update => {
            let mut mount = Mount::new(&path, kind(side, &call.data)?, "")?;
            refuse_reserved(&path)?;
            apply(&mut mount, &call.data)?;
            if mount.kind == Kind::Kv {
                mount.options.insert("version".to_owned(), "2".to_owned());
            }
            active.mounts.add(mount).await?;
            Ok(Reply::no_content())
        }
        Operation::Delete => {
            refuse_reserved(&path)?;
            if path == "auth/token/" {
                return Err(Fault::invalid("token credential backend cannot be disabled"));
            }
            active.mounts.remove(&path).await?;
            Ok(Reply::no_content())
        }
        Operation::Patch | Operation::List => Err(Fault::Unsupported),
    }
}

/// One mount as every endpoint describes it.
pub(super) fn describe(mount: &Mount) -> Value {
    json!({
        "type": mount.kind.name(),
        "description": mount.description,
        "accessor": mount.accessor,
        "uuid": mount.uuid,
        "config": config(mount, mount.config.default_lease_ttl_s, mount.config.max_lease_ttl_s),
        "options": options(mount),
        "local": false,
        "seal_wrap": false,
        "external_entropy_access": false,
        "plugin_version": "",
        "running_plugin_version": "",
        "running_sha256": "",
        "deprecation_status": "supported",
    })
}

fn config(mount: &Mount, default_s: u64, max_s: u64) -> Value {
    let mut config = json!({
        "default_lease_ttl": default_s,
        "max_lease_ttl": max_s,
        "force_no_cache": false,
    });
    if mount.path.starts_with("auth/") {
        config["token_type"] = json!("default-service");
    }
    if !mount.config.listing_visibility.is_empty() {
        config["listing_visibility"] = json!(mount.config.listing_visibility);
    }
    config
}

fn options(mount: &Mount) -> Value {
    if mount.options.is_empty() { Value::Null } else { json!(mount.options) }
}

fn list(active: &Active, side: Side) -> Reply {
    let mounts = active.mounts.all();
    let mounts = mounts.iter().filter(|mount| side.has(mount));
    let entry = |mount: &Arc<Mount>| {
        let path = mount.path.strip_prefix(side.prefix()).unwrap_or(&mount.path);
        (path.to_owned(), describe(mount))
    };
    Reply::mirrored(Value::Object(mounts.map(entry).collect::<Map<_, _>>()))
}

fn read_config(active: &Active, path: &str) -> Result<Reply, Fault> {
    let mount = active.mounts.at(path).ok_or_else(|| missing(path))?;
    let mut body = config(&mount, mount.default_lease_ttl_s(), mount.max_lease_ttl_s());
    body["description"] = json!(mount.description);
    body["options"] = options(&mount);
    Ok(Reply::ok(body))
}

async fn tune(active: &Active, path: &str, data: Data) -> Result<Reply, Fault> {
    active.mounts.tune(path, move |mount| apply(mount, &data)).await?;
    Ok(Reply::no_content())
}

/// Settings of an enable (`config` object) or a tune (top level) request.
fn apply(mount: &mut Mount, data: &Data) -> Result<(), Fault> {
    if let Some(text) = fields::text(data, "description")? {
        text.clone_into(&mut mount.description);
    }
    if let Some(options) = fields::text_map(data, "options")? {
        check_version(mount.kind, &options)?;
        mount.options.extend(options);
    }
    let empty = Map::new();
    let config = match data.get("config") {
        Some(Value::Object(config)) => config,
        Some(Value::Null) | None => &empty,
        Some(_) => return Err(Fault::invalid("field \"config\": expected an object")),
    };
    for fields_of in [config, &**data] {
        if let Some(seconds) = ttl(fields_of, "default_lease_ttl")? {
            mount.config.default_lease_ttl_s = seconds;
        }
        if let Some(seconds) = ttl(fields_of, "max_lease_ttl")? {
            mount.config.max_lease_ttl_s = seconds;
        }
        if let Some(text) = fields::text(fields_of, "listing_visibility")? {
            text.clone_into(&mut mount.config.listing_visibility);
        }
    }
    if mount.config.default_lease_ttl_s > mount.max_lease_ttl_s() {
        return Err(Fault::invalid("default_lease_ttl is longer than max_lease_ttl"));
    }
    Ok(())
}

/// A lease bound; `system` is the word for the default.
fn ttl(data: &Map<String, Value>, name: &str) -> Result<Option<u64>, Fault> {
    match data.get(name).and_then(Value::as_str) {
        Some("system") => Ok(Some(0)),
        _ => fields::seconds(data, name),
    }
}

fn kind(side: Side, data: &Data) -> Result<Kind, Fault> {
    let name = fields::text(data, "type")?.unwrap_or_default();
    let version = data.get("options").and_then(|options| options.get("version"));
    let version = version.and_then(Value::as_str);
    match (side, name) {
        (Side::Secrets, "kv-v2") => Ok(Kind::Kv),
        (Side::Secrets, "kv") if version == Some("2") => Ok(Kind::Kv),
        (Side::Secrets, "kv" | "kv-v1" | "generic") => {
            Err(Fault::invalid("only version 2 of kv is served: set options.version to \"2\""))
        }
        (Side::Auth, "kubernetes") => Ok(Kind::Kubernetes),
        (_, other) => Err(Fault::invalid(format!("plugin not found in the catalog: {other:?}"))),
    }
}

fn check_version(kind: Kind, options: &BTreeMap<String, String>) -> Result<(), Fault> {
    match (kind, options.get("version").map(String::as_str)) {
        (Kind::Kv, Some(version)) if version != "2" => {
            Err(Fault::invalid("only version 2 of kv is served"))
        }
        _ => Ok(()),
    }
}

/// The full path of a mount, with its trailing `/`.
fn path(side: Side, name: &str) -> Result<String, Fault> {
    let name = name.trim_end_matches('/');
    if name.is_empty() || name.len() > PATH_LEN_MAX || name.contains(['+', '*']) {
        return Err(Fault::invalid("mount path: 1 to 128 bytes without '+' and '*'"));
    }
    if side == Side::Secrets && name.starts_with("auth/") {
        // Otherwise this would be a way around the `sudo` that `sys/auth` asks for.
        return Err(Fault::invalid("mounts below auth/ are managed at sys/auth"));
    }
    Ok(format!("{}{name}/", side.prefix()))
}

fn refuse_reserved(path: &str) -> Result<(), Fault> {
    let taken = RESERVED
        .iter()
        .any(|reserved| path == *reserved || (*reserved != "auth/" && path.starts_with(reserved)));
    if taken { Err(Fault::invalid(format!("cannot mount or disable at {path:?}"))) } else { Ok(()) }
}

fn missing(path: &str) -> Fault {
    Fault::invalid(format!("No secret engine mount at {path}"))
}
