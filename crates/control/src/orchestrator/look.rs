//! Looks at what a session names, and turns it into what the protocol knows: HMACs, never values.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{Api, ResourceExt};
use regent_api::condition;
use regent_api::{PushSecret, RuntimeSecret, WorkflowRun};
use regent_protocol::observation::{
    Bootstrap, CandidateSeen, Consumers, Mount, PathSeen, PolicySeen, ValueSeen, VersionSeen,
};
use regent_protocol::record::{Claim, Owner, Record, State, pending_path};
use regent_protocol::{HmacKey, Needs, Session, secret_hmac};
use regent_types::SecretData;
use regent_types::policy::{METADATA_KEYS, RotationPolicy};
use regent_vault::{Kv, KvConfig, KvMetadata, KvSecret, VersionState};

use super::authority::Authority;
use super::bootstrap::Found;
use super::consumers;
use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::keys::named_path;
use super::values::Values;

/// Vault's own default where neither mount nor path say a number.
const MAX_VERSIONS_DEFAULT: i64 = 10;

/// What was seen; parts that were not asked for are empty.
pub(super) struct Looked<'a> {
    key: &'a HmacKey,
    mount: Option<Mount>,
    metadata: Option<KvMetadata>,
    first: Option<KvSecret>,
    newest: Option<KvSecret>,
    candidate: Option<SecretData>,
    bootstrap: Option<Found>,
    consumers: Consumers,
    leftovers: Vec<String>,
    claimant_alive: bool,
    publisher: bool,
    owner_gone: bool,
    time: Option<Timestamp>,
}

/// Reads everything that `needs` names, now.
pub(super) async fn look<'a>(
    ctx: &Ctx,
    a: &'a Authority,
    declared: &Declared,
    session: &Session,
    needs: &Needs,
) -> Result<Looked<'a>, Error> {
    let path = declared.path.as_str();
    let key = a.key().await?;
    let (metadata, first, newest, candidate, bootstrap) = tokio::try_join!(
        metadata(&a.secret, path, needs.metadata),
        value(&a.secret, path, Some(1), needs.first),
        value(&a.secret, path, None, needs.newest),
        candidate(&a.regent, needs.candidate.as_deref()),
        bootstrap(ctx, declared, needs.bootstrap, key, session.record()),
    )?;
    if needs.mount && session.record().is_some_and(Record::is_runtime) {
        // What was safe when the secret was introduced may be so no more.
        a.forget_mount();
    }
    let mount = match needs.mount {
        true => Some(mount(&a.mount_config().await?)),
        false => None,
    };
    let record = session.record();
    let consumers = match &needs.consumers {
        Some(version) => {
            let introducing =
                record.is_some_and(|r| matches!(r.state, State::Acknowledged | State::Disposing));
            let (api, store) = (&ctx.cx.api, &ctx.externals);
            consumers::observe(api, store, &declared.secret, path, version, introducing).await?
        }
        None => Consumers::default(),
    };
    let claim = record.and_then(|r| r.claim.as_ref()).filter(|_| needs.claimant);
    let claimant_alive = match claim {
        Some(claim) => claimant_alive(ctx, claim).await?,
        None => false,
    };
    let leftovers = match record.filter(|_| needs.leftovers) {
        Some(record) => leftovers(&a.regent, record).await?,
        None => Vec::new(),
    };
    let owner_gone = match record.filter(|_| needs.owner) {
        Some(record) => owner_gone(ctx, &record.owner).await?,
        None => false,
    };
    let publisher = needs.publisher && is_published(ctx, declared);
    let time = match needs.time {
        true => a.time().await?,
        false => None,
    };
    Ok(Looked {
        time,
        key,
        mount,
        metadata,
        first,
        newest,
        candidate,
        bootstrap,
        consumers,
        leftovers,
        claimant_alive,
        publisher,
        owner_gone,
    })
}

impl Looked<'_> {
    /// Tells the session, and keeps the values that a write may follow.
    pub(super) fn fill(self, needs: &Needs, session: &mut Session, values: &mut Values) {
        let key = self.key;
        session.saw(needs, |seen| {
            if let Some(mount) = self.mount {
                seen.mount = mount;
            }
            if needs.metadata {
                seen.metadata = path_seen(self.metadata.as_ref());
            }
            let written = seen.metadata.current_version > 0;
            if needs.first {
                seen.first = value_seen(self.first.as_ref(), written, key);
            }
            if needs.newest {
                seen.newest = value_seen(self.newest.as_ref(), written, key);
                values.newest = self.newest.and_then(|s| s.data);
                seen.newest_keys = values.newest.iter().flat_map(|d| d.keys().cloned()).collect();
            }
            if let Some(name) = &needs.candidate {
                let hmac = self.candidate.as_ref().map(|data| secret_hmac(key, data));
                seen.candidate = hmac.map(|hmac| CandidateSeen { name: name.clone(), hmac });
                values.candidate = self.candidate.map(|data| (name.clone(), data));
            }
            if needs.bootstrap {
                let found = self.bootstrap;
                seen.bootstrap = found.as_ref().map_or(Bootstrap::Absent, |f| f.seen.clone());
                values.bootstrap = found.map(|f| f.data);
            }
            if needs.consumers.is_some() {
                seen.consumers = self.consumers;
            }
            if needs.leftovers {
                seen.leftovers = self.leftovers;
            }
            // No target engine exists yet; the protocol's branches for one are explored in its own
            // tests.
            seen.claimant_alive = self.claimant_alive;
            if needs.publisher {
                seen.publisher = self.publisher;
            }
            if needs.owner {
                seen.owner_gone = self.owner_gone;
            }
            if needs.time {
                seen.authority_time = self.time;
            }
        });
    }
}

/// What lies at `path`, by its metadata.
pub(super) async fn seen_at(a: &Authority, path: &str) -> Result<PathSeen, Error> {
    Ok(path_seen(a.secret.metadata(path).await?.as_ref()))
}

async fn metadata(kv: &Kv, path: &str, wanted: bool) -> Result<Option<KvMetadata>, Error> {
    match wanted {
        true => Ok(kv.metadata(path).await?),
        false => Ok(None),
    }
}

async fn value(
    kv: &Kv,
    path: &str,
    version: Option<i64>,
    wanted: bool,
) -> Result<Option<KvSecret>, Error> {
    match wanted {
        true => Ok(kv.read(path, version).await?),
        false => Ok(None),
    }
}

async fn candidate(kv: &Kv, name: Option<&str>) -> Result<Option<SecretData>, Error> {
    let Some(name) = name else { return Ok(None) };
    Ok(kv.read(&pending_path(name), None).await?.and_then(|s| s.data))
}

async fn bootstrap(
    ctx: &Ctx,
    declared: &Declared,
    wanted: bool,
    key: &HmacKey,
    record: Option<&Record>,
) -> Result<Option<Found>, Error> {
    let Some(secret) = declared.bootstrap(ctx).filter(|_| wanted) else { return Ok(None) };
    let mut found = secret.read(key).await?;
    secret.confirm(&mut found, record).await?;
    Ok(Some(found))
}

/// Metadata, reduced to what decides.
fn path_seen(metadata: Option<&KvMetadata>) -> PathSeen {
    let Some(metadata) = metadata else { return PathSeen::default() };
    let seen = |info: &regent_vault::VersionInfo| VersionSeen {
        created_time: info.created_time.clone(),
        live: !info.destroyed && info.deletion_time.is_empty(),
    };
    PathSeen {
        current_version: metadata.current_version,
        versions: metadata.versions.iter().map(|(n, info)| (*n, seen(info))).collect(),
        policy: policy_seen(&metadata.custom_metadata),
        max_versions: metadata.max_versions,
        deletes_versions: is_set(&metadata.delete_version_after),
    }
}

fn policy_seen(custom: &BTreeMap<String, String>) -> PolicySeen {
    if !METADATA_KEYS.iter().any(|k| custom.contains_key(*k)) {
        return PolicySeen::Missing;
    }
    match RotationPolicy::from_metadata(custom) {
        Ok(policy) => PolicySeen::Valid(policy),
        Err(error) => PolicySeen::Invalid(error.to_string()),
    }
}

/// Whether a duration, Go style, is one.
fn is_set(duration: &str) -> bool {
    !matches!(duration, "" | "0" | "0s")
}

fn mount(config: &KvConfig) -> Mount {
    let versions = config.max_versions;
    Mount {
        max_versions: if versions > 0 { versions } else { MAX_VERSIONS_DEFAULT },
        deletes_versions: is_set(&config.delete_version_after),
    }
}

/// `written`: whether the path has any version, as its metadata says.
fn value_seen(found: Option<&KvSecret>, written: bool, key: &HmacKey) -> ValueSeen {
    match found {
        None if !written => ValueSeen::None,
        None => ValueSeen::Unreadable,
        Some(secret) => match (secret.state, &secret.data) {
            (VersionState::Live, Some(data)) => {
                ValueSeen::Read { pair: secret.version.clone(), hmac: secret_hmac(key, data) }
            }
            _ => ValueSeen::Unreadable,
        },
    }
}

async fn leftovers(kv: &Kv, record: &Record) -> Result<Vec<String>, Error> {
    let mut there = Vec::new();
    for name in &record.leftovers {
        if kv.metadata(&pending_path(name)).await?.is_some() {
            there.push(name.clone());
        }
    }
    Ok(there)
}

/// Whether the run that holds `claim` exists and has not ended, as the API server says now.
pub(super) async fn claimant_alive(ctx: &Ctx, claim: &Claim) -> Result<bool, Error> {
    let Some((namespace, name)) = claim.run_name.split_once('/') else { return Ok(false) };
    let api: Api<WorkflowRun> = Api::namespaced(ctx.cx.api.clone(), namespace);
    let found = api.get_opt(name).await;
    let found =
        found.map_err(|e| Error::api("get", format!("WorkflowRun {namespace}/{name}"), &e))?;
    Ok(found.is_some_and(|run| {
        run.uid().as_deref() == Some(claim.run_uid()) && !super::run_status::ended(&run)
    }))
}

/// Whether the RuntimeSecret that a record names is gone, as the API server says now.
async fn owner_gone(ctx: &Ctx, owner: &Owner) -> Result<bool, Error> {
    let Owner { namespace, name, .. } = owner;
    let api: Api<RuntimeSecret> = Api::namespaced(ctx.cx.api.clone(), namespace);
    let found = api.get_opt(name).await;
    let found =
        found.map_err(|e| Error::api("get", format!("RuntimeSecret {namespace}/{name}"), &e))?;
    Ok(found.is_none())
}

/// Whether the declared PushSecret names the path. Only the publisher's own word counts: it checks
/// that the namespace owns the datasource.
fn is_published(ctx: &Ctx, declared: &Declared) -> bool {
    let Some(derived) = &declared.secret.spec.introduce.derived else { return false };
    let reference = kube::runtime::reflector::ObjectRef::<PushSecret>::new(&derived.push_secret)
        .within(&declared.owner.namespace);
    let Some(push) = ctx.pushes.get(&reference) else { return false };
    let ready =
        push.status.as_ref().is_some_and(|s| condition::is_true(&s.conditions, condition::READY));
    let names = |key: &str| named_path(key).as_deref() == Some(declared.path.as_str());
    ready && push.spec.data.iter().any(|d| names(&d.mapping.remote_ref.remote_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_version_counts_as_live_unless_deleted_or_destroyed() {
        let metadata: KvMetadata = serde_json::from_value(json!({
            "current_version": 3, "oldest_version": 1, "versions": {
                "1": { "created_time": "t1", "deletion_time": "", "destroyed": true },
                "2": { "created_time": "t2", "deletion_time": "t9", "destroyed": false },
                "3": { "created_time": "t3", "deletion_time": "", "destroyed": false } },
            "custom_metadata": { "ttl": "soon" },
            "max_versions": 5, "delete_version_after": "1h",
        }))
        .unwrap();
        let seen = path_seen(Some(&metadata));
        let live: Vec<i64> =
            seen.versions.iter().filter(|(_, v)| v.live).map(|(n, _)| *n).collect();
        assert_eq!(live, [3]);
        assert!(matches!(seen.policy, PolicySeen::Invalid(_)));
        assert_eq!((seen.max_versions, seen.deletes_versions), (5, true));
        assert_eq!(path_seen(None), PathSeen::default());
    }

    #[test]
    fn a_silent_mount_keeps_as_many_versions_as_the_engine() {
        let config = |value| mount(&serde_json::from_value::<KvConfig>(value).unwrap());
        let two = config(json!({ "max_versions": 2, "delete_version_after": "0s" }));
        assert_eq!(two, Mount { max_versions: 2, deletes_versions: false });
        assert_eq!(config(json!({})).max_versions, MAX_VERSIONS_DEFAULT);
    }
}
