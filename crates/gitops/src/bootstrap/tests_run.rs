//! The whole controller, from watch to status.

use jiff::Timestamp;
use regent_api::{EncryptedManifest, EncryptedManifestSpec};
use regent_manifest::keys;
use regent_manifest::sops::{SealOptions, seal};
use regent_types::identity::Identity;
use serde_json::{Value, json};

use super::{Args, run};
use crate::test_api::TestApi;

const MANIFEST: &str = "/apis/regent.dev/v1alpha1/namespaces/apps/encryptedmanifests/db";
const RUNTIME: &str = "/apis/regent.dev/v1alpha1/namespaces/apps/runtimesecrets/database";
const SECRET: &str = "/api/v1/namespaces/apps/secrets/db";
const IDENTITY: &str = "/api/v1/namespaces/regent-system/secrets/regent-manifest-identity";

fn says(reason: &'static str) -> impl Fn(&Value) -> bool {
    move |manifest| manifest["status"]["conditions"][0]["reason"] == json!(reason)
}

/// S5.2-1, S5.2-7: the identity may come late; the Secret exists until the authority takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_produces_its_secret_until_the_authority_takes_over() {
    let api = TestApi::new(&["apps"]);
    let key = keys::generate();
    let plain = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: apps\n\
                 stringData:\n  password: planted-value\n";
    let options = SealOptions::new([key.recipient.clone()], Timestamp::UNIX_EPOCH);
    let spec = EncryptedManifestSpec { sops: seal(plain, &options).unwrap(), source: None };
    let mut manifest = EncryptedManifest::new("db", spec);
    manifest.metadata.namespace = Some("apps".into());
    let (stop, cx) = api.run_context(Identity::Bootstrap);
    let running = tokio::spawn(run(cx, Args::default()));
    api.put(MANIFEST, manifest);
    api.until(MANIFEST, says("NoIdentity")).await;

    let identity = k8s_openapi::ByteString(key.identity.expose().clone().into_bytes());
    api.put(IDENTITY, json!({"metadata": {}, "data": {"identities": identity}}));
    api.until(MANIFEST, says("Produced")).await;
    assert!(api.has(SECRET));

    let runtime = |authority: &str| {
        json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": {"name": "database", "namespace": "apps"},
            "spec": {"owner": "o", "purpose": "p",
                     "introduce": {"handover": {"bootstrapSecret": "db"}}},
            "status": {"authority": authority},
        })
    };
    api.put(RUNTIME, runtime("git"));
    api.put(RUNTIME, runtime("runtime"));
    api.until(MANIFEST, says("HandedOver")).await;
    stop.send(true).unwrap();
    running.await.unwrap();
}
