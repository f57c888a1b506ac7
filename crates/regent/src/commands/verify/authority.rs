//! What the authority shows a reader: records, versions, policies, roles, tokens, the ledger; no value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use kube::Api;
use regent_api::RuntimeAuthority;
use regent_install::access::authority;
use regent_install::access::neighbours::neighbours;
use regent_protocol::invariants::{KvSeen, LedgerSeen, Snapshot, WriteSeen};
use regent_types::authority_names::{CONFIGURATOR, REGENT_MOUNT, SECRET_MOUNT};
use regent_types::identity::Identity;
use regent_types::login::Login;
use regent_vault::Session;
use serde_json::{Value, json};

use super::beside;
use super::beside::Asking;
use crate::commands::audit::{chain, chains};
use crate::commands::records::{records, tree};
use regent_host::failure::Failure;

/// Fields of a role that decide who may log in, as what, and for how long.
const ROLE_FIELDS: [&str; 15] = [
    "bound_service_account_names",
    "bound_service_account_namespaces",
    "audience",
    "role_type",
    "bound_subject",
    "bound_audiences",
    "user_claim",
    "token_policies",
    "token_ttl",
    "token_max_ttl",
    "token_period",
    "token_explicit_max_ttl",
    "token_no_default_policy",
    "bound_service_account_namespace_selector",
    "policies",
];

pub(super) async fn gather(
    api: &kube::Client,
    session: &Session,
    s: &mut Snapshot,
) -> anyhow::Result<()> {
    let regent = session.kv(REGENT_MOUNT);
    let found = records(&regent).await?;
    s.records.extend(found.into_iter().map(|record| (record.path.clone(), record)));
    let secret = session.kv(SECRET_MOUNT);
    for path in tree(&secret, "").await? {
        let metadata = secret.metadata(&path).await;
        let metadata = metadata.map_err(|e| Failure::of("reading metadata", &e))?;
        s.kv.extend(metadata.map(|m| (path, seen(m))));
    }
    let authorities = Api::<RuntimeAuthority>::all(api.clone());
    let found = authorities.list(&kube::api::ListParams::default()).await?.items.into_iter().next();
    let login = found.as_ref().map(|a| a.spec.login()).unwrap_or_default();
    access(&Asking { session }, &login, s).await?;
    let status = found.and_then(|a| a.status).unwrap_or_default();
    let heads = status.ledger_heads;
    let given_up = status.accepted_restore.map(|restore| restore.heads).unwrap_or_default();
    let mut writers: BTreeSet<String> = chains(&regent).await?.into_iter().collect();
    // One whose head was published and that is gone is missed as well.
    writers.extend(heads.keys().cloned());
    for writer in writers {
        let entries = chain(&regent, &writer).await?;
        let published = heads.get(&writer).cloned();
        let accepted = given_up.get(&writer).cloned();
        s.ledgers.push(LedgerSeen { writer, entries, published, accepted });
    }
    Ok(())
}

fn seen(metadata: regent_vault::KvMetadata) -> KvSeen {
    KvSeen {
        current_version: metadata.current_version,
        versions: metadata
            .versions
            .into_iter()
            .map(|(n, v)| (n, (v.created_time, !v.destroyed && v.deletion_time.is_empty())))
            .collect(),
    }
}

async fn access(asking: &Asking<'_>, login: &Login, s: &mut Snapshot) -> anyhow::Result<()> {
    for name in asking.list("sys/policies/acl").await? {
        // `root` has no text, and nobody but the authority writes it.
        if name == "root" {
            continue;
        }
        let read = asking.read(&format!("sys/policies/acl/{name}")).await?;
        let text = read["policy"].as_str().unwrap_or_default().to_owned();
        if name == "default" {
            s.default_policy = text;
        } else {
            s.policies.insert(name, text);
        }
    }
    let roles = format!("auth/{}/role", login.mount);
    for name in asking.list(&roles).await? {
        let read = asking.read(&format!("{roles}/{name}")).await?;
        s.roles.insert(name, canonical(&read));
    }
    s.engines = beside::types(&asking.read("sys/mounts").await?);
    let methods = asking.read("sys/auth").await?;
    s.methods = beside::types(&methods);
    s.login_mount.clone_from(&login.mount);
    let mounts = methods.as_object().into_iter().flatten().map(|(path, mount)| {
        let description = mount["description"].as_str().unwrap_or_default();
        (path.trim_end_matches('/').to_owned(), description.to_owned())
    });
    let mounts = mounts.collect();
    s.neighbours = neighbours(&login.mount, &mounts, &s.policies);
    let theirs: BTreeSet<&String> = s.neighbours.iter().flat_map(|n| &n.policies).collect();
    s.policies.retain(|name, _| !theirs.contains(name));
    for policy in authority::policies(&login.mount, &s.grants) {
        s.policies_expected.insert(policy.name, policy.text);
    }
    for role in authority::roles(login) {
        s.token_ttl_max_s = s.token_ttl_max_s.max(role.token_ttl_s);
        let body = role.body();
        s.roles_expected.insert(role.name, canonical(&body));
    }
    beside::gather(asking, s).await
}

fn canonical(role: &Value) -> String {
    // One that was never set is answered as nothing, as 0, or not at all.
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    };
    let fields = ROLE_FIELDS.iter().map(|field| (*field, &role[*field]));
    let fields: BTreeMap<&str, &Value> = fields.filter(|(_, v)| !says_nothing(v)).collect();
    json!(fields).to_string()
}

/// Writes of secret state in an audit log of JSON lines.
pub(super) fn writes(path: &Path) -> anyhow::Result<Vec<WriteSeen>> {
    let file = std::fs::File::open(path)?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let entry: Value = serde_json::from_str(&line?)?;
        let text =
            |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let writes = ["create", "update", "patch", "delete"].contains(&text("/request/operation"));
        // What was refused changed nothing.
        let done = text("/type") == "response" && entry.get("error").is_none_or(Value::is_null);
        if !(writes && done) {
            continue;
        }
        let by = match text("/auth/metadata/role") {
            "" => text("/auth/display_name"),
            CONFIGURATOR => "regent-warden",
            role => role,
        };
        let path = text("/request/path").to_owned();
        // Warden configures the mounts with the root token of initialization, which it then revokes.
        let initial = by == "root" && path.ends_with("/config");
        let by = if initial { Identity::Warden.account() } else { by.to_owned() };
        found.push(WriteSeen { path, by, at: text("/time").to_owned() });
    }
    Ok(found)
}
