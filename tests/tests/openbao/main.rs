//! Warden's real steps against a real OpenBao (PROTOCOLS.md §3), with the sandbox as the API server that OpenBao asks
//! about tokens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's assertions")]

mod cluster;
mod cut;

use std::path::PathBuf;

use cluster::Cluster;
use cut::Cut;
use regent_control::warden::{Person, sealed_shares};
use regent_manifest::keys::{Identities, NewIdentity, generate};
use regent_tests::openbao::{OpenBao, binary_or_skip};
use serde_json::Value;

/// What is there before anything runs.
struct Ground {
    binary: PathBuf,
    place: tempfile::TempDir,
    ada: NewIdentity,
    bob: NewIdentity,
}

impl Ground {
    fn lay() -> Option<Self> {
        // Installing twice is an error that does not matter: another test was first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let binary = binary_or_skip().unwrap()?;
        let place = tempfile::tempdir().unwrap();
        Some(Self { binary, place, ada: generate(), bob: generate() })
    }

    fn account(&self) -> PathBuf {
        self.place.path().join("account")
    }

    /// A cluster whose authority is `bao`, and the account by which that reviews tokens.
    async fn cluster(&self, bao: &OpenBao) -> Cluster {
        let holders = [("ada", &*self.ada.recipient), ("bob", &*self.bob.recipient)];
        Cluster::start(bao, &holders, &self.account()).await
    }

    fn openbao(&self) -> OpenBao {
        std::fs::create_dir_all(self.account()).unwrap();
        let folder = self.place.path().join("openbao");
        OpenBao::start(&self.binary, &folder, Some(&self.account())).unwrap()
    }

    fn holders(&self) -> Identities {
        let (ada, bob) = (self.ada.identity.expose(), self.bob.identity.expose());
        Identities::parse(&format!("{ada}\n{bob}")).unwrap()
    }
}

/// Operations that OpenBao's own audit log tells of: `operation path` of each answered request without an error.
fn audited(bao: &OpenBao) -> Vec<String> {
    let text = std::fs::read_to_string(bao.audit_log()).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answered = entries.filter(|e| e["type"] == "response" && e["error"].is_null());
    let told = |e: Value| {
        let of = |name: &str| e["request"][name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", of("operation"), of("path"))
    };
    answered.map(told).collect()
}

/// More writes than warden ever makes on its way to an authority in order: a limit.
const WRITES_MAX: usize = 50;
/// Fewest that it makes: its identity, the shares, what is noted between them, and that it is active.
const WRITES_MIN: usize = 8;

/// S5.3-2, S5.3-3, S5.3-4, S5.7-4: initialized and unsealed by warden, configured, its root token revoked; unsealed
/// again after a power cut; and after the loss of the cluster one human act with the saved shares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_is_initialized_kept_and_recovered() {
    let Some(ground) = Ground::lay() else { return };
    let mut bao = ground.openbao();
    let first = ground.cluster(&bao).await;
    let warden = first.warden(None).await;
    let status = first.until("Active").await;
    assert_eq!((status.root_revoked, status.phase), (Some(true), Some(3)));
    assert!(status.conditions.iter().any(|c| c.type_ == "Audited" && c.status == "True"));
    assert_eq!(first.root_tokens(&bao).await, 0);
    assert!(audited(&bao).contains(&"update auth/token/revoke-self".to_owned()));
    let saved = sealed_shares(&first.admin(), &first.vault(&bao)).await.unwrap();
    assert_eq!(saved.sealed_shares.len(), 4);

    bao.restart().unwrap();
    first.touch().await;
    first.until_recorded(&status).await;
    assert_eq!(first.events(&bao).await.last().map(String::as_str), Some("unsealed"));

    warden.kill().await;
    bao.kill().unwrap();
    let second = ground.cluster(&bao).await;
    bao.restart().unwrap();
    let warden = second.warden(None).await;
    second.until("NoUnsealIdentity").await;
    let identities = ground.holders();
    let (api, vault) = (second.admin(), second.vault(&bao));
    let person = Person { api, vault, identities: &identities, saved: Some(saved) };
    assert_eq!(person.recover().await.unwrap().opened_by, ["ada", "bob"]);
    let status = second.until("Active").await;
    assert_eq!(status.root_revoked, Some(true));
    assert_eq!(second.root_tokens(&bao).await, 0);
    let all = second.events(&bao).await;
    for kind in ["initialized", "recovered", "login-repaired"] {
        assert_eq!(all.iter().filter(|k| *k == kind).count(), 1, "{kind} in {all:?}");
    }
    warden.kill().await;
}

/// S5.7-1: warden is killed at each of its writes to Kubernetes, before and after it was carried out. Keys are lost in
/// one window alone; then nothing proceeds, and once the storage was wiped the same warden goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_survives_every_crash_of_warden() {
    let Some(ground) = Ground::lay() else { return };
    let mut bao = ground.openbao();
    let mut lost = Vec::new();
    'all: for write in 0..WRITES_MAX {
        for carried_out in [false, true] {
            bao.kill().unwrap();
            bao.wipe().unwrap();
            bao.restart().unwrap();
            let cluster = ground.cluster(&bao).await;
            let cut = Cut::at(write, carried_out);
            let warden = cluster.warden(Some(cut.clone())).await;
            let at = tokio::select! {
                biased;
                at = cut.reached() => at,
                _ = cluster.until("Active") => {
                    let writes = cut.writes();
                    assert!(writes.len() >= WRITES_MIN, "{writes:#?}");
                    break 'all;
                }
            };
            warden.kill().await;
            let warden = cluster.warden(None).await;
            let status = cluster.until_any(&["Active", "InitializedKeysLost"]).await;
            if status.phase == Some(2) {
                lost.push(format!("{at}, carried out: {carried_out}"));
                bao.kill().unwrap();
                bao.wipe().unwrap();
                bao.restart().unwrap();
                cluster.until("Active").await;
            }
            let status = cluster.until("Active").await;
            assert_eq!(status.root_revoked, Some(true), "{at}");
            assert_eq!(cluster.root_tokens(&bao).await, 0, "{at}");
            warden.kill().await;
        }
    }
    let configmaps = "POST /api/v1/namespaces/regent-system/configmaps";
    assert_eq!(lost, [format!("{configmaps}, carried out: false")]);
}
