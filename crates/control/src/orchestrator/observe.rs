//! Fresh reads, turned into what the protocol looks at. Values are read, compared by HMAC, and let
//! go here.

use std::collections::{BTreeMap, BTreeSet};

use kube::{Api, ResourceExt};
use regent_api::condition;
use regent_api::{PushSecret, WorkflowRun};
use regent_protocol::observation::{
    Bootstrap, CandidateSeen, Consumers, Mount, Observation, PathSeen, PolicySeen, Target,
    ValueSeen, VersionSeen,
};
use regent_protocol::record::{Record, pending_path};
use regent_protocol::{HmacKey, Needs, Protocol, secret_hmac};
use regent_types::policy::{METADATA_KEYS, RotationPolicy};
use regent_vault::{Kv, KvMetadata, VersionState};

use super::authority::Authority;
use super::bootstrap;
use super::consumers::{self, relative};
use super::drive::{Job, World};
use super::error::Error;

/// Vault's own default where neither mount nor path say a number.
const MAX_VERSIONS_DEFAULT: i64 = 10;

/// Everything that `needs` asks for, read now.
pub(super) async fn observe(
    w: &World,
    a: &Authority,
    job: &Job,
    protocol: Protocol,
    record: Option<&Record>,
    needs: &Needs,
    appended: &BTreeSet<String>,
) -> Result<Observation, Error> {
    let path = job.path.as_str();
    let key = a.key().await?;
    let metadata = a.secret.metadata(path).await?;
    let (first, newest, candidate, seen_bootstrap) = tokio::try_join!(
        value(&a.secret, path, Some(1), needs.first, metadata.as_ref(), key),
        value(&a.secret, path, None, needs.newest, metadata.as_ref(), key),
        candidate(&a.regent, needs.candidate.as_deref(), key),
        bootstrap_seen(w, job, needs.bootstrap, key),
    )?;
    let mount = match needs.mount {
        true => mount(a, metadata.as_ref()).await?,
        false => Mount::default(),
    };
    let consumers = match &needs.consumers {
        Some(version) => {
            let introducing = protocol == Protocol::Handover;
            let (api, store) = (&w.cx.api, &w.externals);
            consumers::observe(api, store, &job.secret, path, version, introducing).await?
        }
        None => Consumers::default(),
    };
    let claim = record.and_then(|r| r.claim.as_ref()).filter(|_| needs.claimant);
    let claimant_alive = match claim {
        Some(claim) if claim.run != job.run.uid => alive(w, &claim.run, &claim.run_name).await?,
        _ => false,
    };
    let leftovers = match record.filter(|_| needs.leftovers) {
        Some(record) => leftovers(&a.regent, record).await?,
        None => Vec::new(),
    };
    Ok(Observation {
        run: job.run.clone(),
        path: path.to_owned(),
        owner: job.owner.clone(),
        request: job.request.clone(),
        granted: a.granted(&job.owner.namespace, &job.path),
        mount,
        status: job.status.clone(),
        seen: path_seen(metadata.as_ref()),
        first,
        newest,
        bootstrap: seen_bootstrap,
        candidate,
        leftovers,
        consumers,
        // No target engine exists yet; the protocol's branches for one are explored in its own
        // tests.
        target: Target::None,
        claimant_alive,
        publisher: protocol == Protocol::Derived && publisher(w, job).await?,
        appended: appended.clone(),
    })
}

/// Metadata, reduced to what decides.
pub(super) fn path_seen(metadata: Option<&KvMetadata>) -> PathSeen {
    let Some(metadata) = metadata else { return PathSeen::default() };
    let seen = |info: &regent_vault::VersionInfo| VersionSeen {
        created_time: info.created_time.clone(),
        live: !info.destroyed && info.deletion_time.is_empty(),
    };
    PathSeen {
        current_version: metadata.current_version,
        versions: metadata.versions.iter().map(|(n, info)| (*n, seen(info))).collect(),
        policy: policy_seen(&metadata.custom_metadata),
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

async fn mount(a: &Authority, metadata: Option<&KvMetadata>) -> Result<Mount, Error> {
    let config = a.secret.mount_config().await?;
    Ok(effective(&config, metadata))
}

/// The path's own settings, else the mount's, else the engine's.
fn effective(config: &regent_vault::KvConfig, metadata: Option<&KvMetadata>) -> Mount {
    let set = |text: &str| !matches!(text, "" | "0" | "0s");
    let versions = [metadata.map_or(0, |m| m.max_versions), config.max_versions];
    let deletes =
        metadata.is_some_and(|m| set(&m.delete_version_after)) || set(&config.delete_version_after);
    Mount {
        max_versions: versions.into_iter().find(|n| *n > 0).unwrap_or(MAX_VERSIONS_DEFAULT),
        deletes_versions: deletes,
    }
}

async fn value(
    kv: &Kv,
    path: &str,
    version: Option<i64>,
    wanted: bool,
    metadata: Option<&KvMetadata>,
    key: &HmacKey,
) -> Result<ValueSeen, Error> {
    if !wanted {
        return Ok(ValueSeen::None);
    }
    let never = metadata.is_none_or(|m| m.current_version == 0);
    Ok(match kv.read(path, version).await? {
        None if never => ValueSeen::None,
        None => ValueSeen::Unreadable,
        Some(secret) => match (secret.state, secret.data) {
            (VersionState::Live, Some(data)) => {
                ValueSeen::Read { pair: secret.version, hmac: secret_hmac(key, &data) }
            }
            _ => ValueSeen::Unreadable,
        },
    })
}

async fn candidate(
    kv: &Kv,
    name: Option<&str>,
    key: &HmacKey,
) -> Result<Option<CandidateSeen>, Error> {
    let Some(name) = name else { return Ok(None) };
    let found = kv.read(&pending_path(name), None).await?;
    Ok(found
        .and_then(|s| s.data)
        .map(|data| CandidateSeen { name: name.to_owned(), hmac: secret_hmac(key, &data) }))
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

async fn bootstrap_seen(
    w: &World,
    job: &Job,
    wanted: bool,
    key: &HmacKey,
) -> Result<Bootstrap, Error> {
    match job.place(w).filter(|_| wanted) {
        Some(place) => Ok(bootstrap::Place::read(&place, key).await?.seen),
        None => Ok(Bootstrap::Absent),
    }
}

/// Whether the run with this uid exists and has not ended.
pub(super) async fn alive(w: &World, uid: &str, name: &str) -> Result<bool, Error> {
    let Some((namespace, name)) = name.split_once('/') else { return Ok(false) };
    let api: Api<WorkflowRun> = Api::namespaced(w.cx.api.clone(), namespace);
    let found = api.get_opt(name).await;
    let found =
        found.map_err(|e| Error::api("get", format!("WorkflowRun {namespace}/{name}"), &e))?;
    Ok(found.is_some_and(|run| run.uid().as_deref() == Some(uid) && !super::runs::ended(&run)))
}

/// Whether the declared PushSecret names the path.
async fn publisher(w: &World, job: &Job) -> Result<bool, Error> {
    let Some(derived) = &job.secret.spec.introduce.derived else { return Ok(false) };
    let namespace = &job.owner.namespace;
    let api: Api<PushSecret> = Api::namespaced(w.cx.api.clone(), namespace);
    let found = api.get_opt(&derived.push_secret).await;
    let object = || format!("PushSecret {namespace}/{}", derived.push_secret);
    let found = found.map_err(|e| Error::api("get", object(), &e))?;
    let names = |key: &str| relative(key) == job.path.as_str();
    // Only the publisher's own word counts: it checks that the namespace owns the datasource.
    let ready = |p: &PushSecret| {
        p.status.as_ref().is_some_and(|s| condition::is_true(&s.conditions, condition::READY))
    };
    Ok(found.is_some_and(|p| {
        ready(&p) && p.spec.data.iter().any(|d| names(&d.mapping.remote_ref.remote_key))
    }))
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
        }))
        .unwrap();
        let seen = path_seen(Some(&metadata));
        let live: Vec<i64> =
            seen.versions.iter().filter(|(_, v)| v.live).map(|(n, _)| *n).collect();
        assert_eq!(live, [3]);
        assert!(matches!(seen.policy, PolicySeen::Invalid(_)));
        assert_eq!(path_seen(None), PathSeen::default());
    }

    #[test]
    fn settings_of_the_path_win_over_the_mount_and_any_deletion_counts() {
        let config: regent_vault::KvConfig =
            serde_json::from_value(json!({ "max_versions": 2, "delete_version_after": "0s" }))
                .unwrap();
        let metadata: KvMetadata =
            serde_json::from_value(json!({ "max_versions": 5, "delete_version_after": "1h" }))
                .unwrap();
        assert_eq!(effective(&config, None), Mount { max_versions: 2, deletes_versions: false });
        let both = effective(&config, Some(&metadata));
        assert_eq!(both, Mount { max_versions: 5, deletes_versions: true });
        let silent: regent_vault::KvConfig = serde_json::from_value(json!({})).unwrap();
        assert_eq!(effective(&silent, None).max_versions, MAX_VERSIONS_DEFAULT);
    }
}
