//! What the API server shows: regent's objects, and Secrets by their metadata.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use regent_api::condition;
use regent_api::{EncryptedManifest, ExternalSecret, PushSecret, RuntimeAuthority, RuntimeSecret};
use regent_protocol::invariants::{
    ConsumerSeen, DeclaredPush, DeclaredSecret, ManifestSeen, MaterializedSeen, SecretSeen,
    Snapshot,
};
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::lifecycle::Authoritative;
use regent_types::version::VersionPair;
use regent_types::{SecretPath, labels};

/// Secrets that regent itself keeps in its own namespace.
const OWN: [&str; 6] = [
    labels::MANIFEST_IDENTITY_SECRET,
    labels::UNSEAL_IDENTITY_SECRET,
    labels::BOOTSTRAP_HMAC_SECRET,
    labels::AUTHORITY_CA_SECRET,
    labels::AUTHORITY_TLS_SECRET,
    "regent-git-credentials",
];

pub(super) async fn gather(api: &kube::Client, s: &mut Snapshot) -> anyhow::Result<()> {
    let all = ListParams::default();
    let authorities = Api::<RuntimeAuthority>::all(api.clone()).list(&all).await?;
    for authority in &authorities {
        s.authorities.push(authority.metadata.name.clone().unwrap_or_default());
        s.installation.clone_from(&authority.spec.installation);
        s.grants.clone_from(&authority.spec.grants);
        let status = authority.status.clone().unwrap_or_default();
        s.phase = status.phase.unwrap_or(0);
        s.root_revoked = status.root_revoked;
        let uses = authority.spec.bootstrap_secrets.iter();
        s.bootstrap_uses.extend(uses.map(|u| (u.namespace.clone(), u.name.clone())));
    }
    let secrets = Api::<RuntimeSecret>::all(api.clone()).list(&all).await?;
    s.secrets = secrets.iter().map(declared_secret).collect();
    let pushes = Api::<PushSecret>::all(api.clone()).list(&all).await?;
    s.pushes = pushes.iter().map(declared_push).collect();
    let externals = Api::<ExternalSecret>::all(api.clone()).list(&all).await?;
    s.consumers = externals.iter().map(consumer).collect();
    let targets: BTreeSet<(String, String)> = externals.iter().map(target).collect();
    let manifests = Api::<EncryptedManifest>::all(api.clone()).list(&all).await?;
    s.manifests = manifests.iter().map(manifest).collect();
    s.exempt = OWN.iter().map(|n| format!("{}/{n}", labels::SYSTEM_NAMESPACE)).collect();
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(api.clone());
    for secret in secrets.list_metadata(&all).await? {
        let meta = secret.metadata;
        let namespace = meta.namespace.unwrap_or_default();
        let name = meta.name.unwrap_or_default();
        let class = meta.labels.unwrap_or_default().remove(labels::CLASS);
        let annotations = meta.annotations.unwrap_or_default();
        if class.as_deref() == Some(labels::CLASS_MATERIALIZED) {
            s.materialized.push(MaterializedSeen {
                wanted: targets.contains(&(namespace.clone(), name.clone())),
                versions: annotations
                    .get(labels::VERSIONS)
                    .map(|t| versions(t))
                    .unwrap_or_default(),
                namespace: namespace.clone(),
                name: name.clone(),
            });
        }
        s.kube_secrets.push(SecretSeen {
            class,
            handed_over: annotations.get(labels::HANDED_OVER).cloned(),
            namespace,
            name,
            kind: String::new(),
        });
    }
    Ok(())
}

fn versions(text: &str) -> std::collections::BTreeMap<String, VersionPair> {
    let all: std::collections::BTreeMap<String, String> =
        serde_json::from_str(text).unwrap_or_default();
    all.into_iter().filter_map(|(path, v)| Some((path, VersionPair::parse(&v)?))).collect()
}

fn declared_secret(secret: &RuntimeSecret) -> DeclaredSecret {
    let status = secret.status.clone().unwrap_or_default();
    DeclaredSecret {
        namespace: secret.metadata.namespace.clone().unwrap_or_default(),
        name: secret.metadata.name.clone().unwrap_or_default(),
        path: secret.secret_path().ok().map(|p| p.to_string()),
        bootstrap_secret: secret
            .spec
            .introduce
            .handover
            .as_ref()
            .map(|h| h.bootstrap_secret.clone()),
        consumers: secret.spec.consumers.iter().map(|c| c.namespace.clone()).collect(),
        is_runtime: status.authority == Some(Authoritative::Runtime),
        version: status.version,
    }
}

fn declared_push(push: &PushSecret) -> DeclaredPush {
    let annotations = push.metadata.annotations.clone().unwrap_or_default();
    let consumers = annotations.get("regent.dev/consumers").cloned().unwrap_or_default();
    DeclaredPush {
        namespace: push.metadata.namespace.clone().unwrap_or_default(),
        source: push.spec.selector.secret.as_ref().map(|s| s.name.clone()),
        paths: push.spec.data.iter().map(|d| bare(&d.mapping.remote_ref.remote_key)).collect(),
        consumers: consumers.split(',').map(|n| n.trim().to_owned()).collect(),
    }
}

/// `key` as a mount-relative path; one that is no path as it stands, so that it is accounted for.
fn bare(key: &str) -> String {
    SecretPath::from_remote_key(SECRET_MOUNT, key)
        .map_or_else(|_| key.to_owned(), |p| p.to_string())
}

fn consumer(external: &ExternalSecret) -> ConsumerSeen {
    let spec = &external.spec;
    let entries = spec.data.iter().map(|d| d.remote_ref.key.as_str());
    let extracts = spec.data_from.iter().filter_map(|d| d.extract.as_ref().map(|e| e.key.as_str()));
    let conditions = external.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    ConsumerSeen {
        namespace: external.metadata.namespace.clone().unwrap_or_default(),
        name: external.metadata.name.clone().unwrap_or_default(),
        paths: entries.chain(extracts).map(bare).collect(),
        served: condition::is_true(conditions, condition::READY),
    }
}

fn target(external: &ExternalSecret) -> (String, String) {
    let name = external.spec.target.name.clone().or_else(|| external.metadata.name.clone());
    (external.metadata.namespace.clone().unwrap_or_default(), name.unwrap_or_default())
}

fn manifest(manifest: &EncryptedManifest) -> ManifestSeen {
    let status = manifest.status.clone().unwrap_or_default();
    let ready = condition::get(&status.conditions, condition::READY);
    ManifestSeen {
        namespace: manifest.metadata.namespace.clone().unwrap_or_default(),
        name: manifest.metadata.name.clone().unwrap_or_default(),
        reason: ready.map(|c| c.reason.clone()).unwrap_or_default(),
        produced_at: status.produced_at.map(|t| t.0.to_string()),
    }
}
