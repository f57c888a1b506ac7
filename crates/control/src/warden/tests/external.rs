//! An authority that regent did not deploy: initialized, unsealed and kept through the plain Vault
//! API (PROTOCOLS.md §3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regent_manifest::keys::{Identities, decrypt};
use regent_types::Explain;
use regent_types::identity::Identity;
use regent_types::seal::{SealedShares, UNATTENDED};
use regent_vault::Method;
use serde_json::json;

use super::world::{EXTERNAL, Setup, World};
use super::{events, holder, no_root_token_lives};
use crate::warden::sealed_shares;

async fn shares(world: &World) -> SealedShares {
    sealed_shares(&world.cluster.client(), &world.client()).await.unwrap()
}

async fn active(setup: Setup) -> World {
    let world = World::new(setup).await;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active", "{:?}", world.cluster.status().conditions);
    world
}

/// S5.3-2, S5.3-3: initialized, unsealed, configured; its root token revoked; shares in Kubernetes.
#[tokio::test]
async fn an_empty_external_authority_ends_active_and_without_a_root_token() {
    let world = active(EXTERNAL).await;
    let status = world.cluster.status();
    assert_eq!((status.root_revoked, status.sealed), (Some(true), Some(false)));
    assert_eq!(events(&world).await, "unsealed initialized configured root-revoked");
    no_root_token_lives(&world).await;
    let holders: Vec<String> =
        shares(&world).await.sealed_shares.into_iter().map(|s| s.holder).collect();
    assert_eq!(holders, ["ada", "bob", UNATTENDED, UNATTENDED]);
}

/// C9-1: an installation with a login mount of its own has its policies there, and nothing at `auth/kubernetes`.
#[tokio::test]
async fn a_login_mount_of_its_own_has_policies_of_its_own() {
    let world = active(Setup { login: Some("east-1"), ..EXTERNAL }).await;
    assert_eq!(events(&world).await, "unsealed initialized configured root-revoked");
    no_root_token_lives(&world).await;
    let reader = world.session(Identity::Reader);
    let ask = async |path: &str| reader.request(Method::GET, path, None).await.unwrap().unwrap();
    let mounts = ask("sys/auth").await;
    assert_eq!(mounts["data"]["east-1/"]["description"], "regent installation test");
    assert!(mounts["data"]["kubernetes/"].is_null());
    let policies = ask("sys/policies/acl?list=true").await["data"]["keys"].to_string();
    assert!(policies.contains("regent-warden.east-1") && !policies.contains("\"regent-warden\""));
    // Looked at again, nothing differs.
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert_eq!(events(&world).await, "unsealed initialized configured root-revoked");
}

/// With a threshold of one there is one share, and everybody holds it.
#[tokio::test]
async fn one_share_is_sealed_to_everybody() {
    let mut world = active(Setup { threshold: 1, ..EXTERNAL }).await;
    assert_eq!(shares(&world).await.sealed_shares.len(), 3);
    world.restart().await;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
}

/// Never stored: a clear share, in any of the encodings that `sys/init` answers in.
#[tokio::test]
async fn no_share_is_stored_in_clear() {
    let world = active(EXTERNAL).await;
    let text = world.cluster.dump();
    for share in shares(&world).await.of_holders() {
        let clear = decrypt(&world.holders(), &share.armored).unwrap();
        let hex: String = clear.expose().iter().map(|b| format!("{b:02x}")).collect();
        for form in [STANDARD.encode(clear.expose()), STANDARD.encode(&hex), hex] {
            assert!(!text.contains(&form));
        }
    }
}

/// S5.3-4: a restart needs nothing but what Kubernetes keeps.
#[tokio::test]
async fn a_restarted_external_authority_is_unsealed() {
    let mut world = active(EXTERNAL).await;
    world.restart().await;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert!(events(&world).await.ends_with("root-revoked unsealed"));
}

/// An API server that refuses for a moment costs no keys: the sealed shares wait in memory.
#[tokio::test]
async fn shares_that_could_not_be_stored_are_stored_later() {
    let world = World::new(EXTERNAL).await;
    let warden = world.warden();
    world.cluster.refuse(Some("configmaps"));
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 ApiError");
    assert!(world.client().health().await.unwrap().initialized);
    world.cluster.refuse(None);
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
}

/// S5.7-4: the drill with an authority that went down, and with one that ran on. One human act,
/// with the copy of the shares that is kept beside the root of trust.
#[tokio::test]
async fn a_lost_cluster_needs_one_human_act_and_the_saved_shares() {
    for (restart, waiting) in [(true, "2 NoUnsealIdentity"), (false, "2 CannotLogIn")] {
        let mut world = active(EXTERNAL).await;
        let saved = shares(&world).await;
        match restart {
            true => world.lose_cluster().await,
            false => world.replace_cluster(),
        }
        let warden = world.warden();
        world.pass(&warden).await.unwrap();
        assert_eq!(world.cluster.reason(), waiting);
        let holders = world.holders();
        let without = world.person(&holders, None).recover().await.unwrap_err();
        assert_eq!(without.reason(), "NoSealedShares");
        let one = holder(&world);
        let too_few = world.person(&one, Some(saved.clone())).recover().await.unwrap_err();
        assert_eq!(too_few.reason(), "WrongIdentity");
        let outcome = world.person(&holders, Some(saved)).recover().await.unwrap();
        assert_eq!(outcome.opened_by, ["ada", "bob"]);
        assert_eq!(outcome.holders, ["ada", "bob", UNATTENDED, UNATTENDED]);
        world.pass(&warden).await.unwrap();
        assert_eq!(world.cluster.reason(), "3 Active", "{:?}", world.cluster.status().conditions);
        assert_eq!(world.cluster.status().root_revoked, Some(true));
        no_root_token_lives(&world).await;
        let all = events(&world).await;
        for kind in ["recovered", "login-repaired"] {
            assert_eq!(all.matches(kind).count(), 1, "{all}");
        }
        let map = world.cluster.in_system("configmaps/regent-sealed-shares").unwrap();
        assert_eq!(map["metadata"]["annotations"], json!({}), "the note is taken away");
    }
}

/// A recovery in the same cluster (its unseal identity was deleted) is recorded as well.
#[tokio::test]
async fn a_recovery_for_a_new_unseal_identity_is_recorded() {
    let mut world = active(EXTERNAL).await;
    world.cluster.remove_in_system("secrets/regent-unseal-identity");
    world.restart().await;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 NoUnsealIdentity");
    world.person(&world.holders(), None).recover().await.unwrap();
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert_eq!(events(&world).await.matches("recovered").count(), 1);
}

/// Shares of another authority are refused before they replace the right ones.
#[tokio::test]
async fn foreign_shares_replace_nothing() {
    let (mut world, foreign) = (active(EXTERNAL).await, active(EXTERNAL).await);
    let kept = shares(&world).await;
    let holders = foreign.holders();
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let person = world.person(&holders, Some(shares(&foreign).await));
        let error = person.recover().await.unwrap_err();
        assert!(error.advice().expected.contains("this very authority"), "{error}");
        assert_eq!(shares(&world).await, kept);
    }
}

/// With `unattended: false` a person unseals, and after cluster loss the same person repairs the
/// login: warden has no shares that it could open.
#[tokio::test]
async fn a_person_unseals_and_repairs_the_login_of_an_attended_authority() {
    let mut world = World::new(Setup { unattended: false, ..EXTERNAL }).await;
    let warden = world.warden();
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 Sealed");
    let holders = world.holders();
    assert_eq!(world.person(&holders, None).unseal().await.unwrap(), ["ada", "bob"]);
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert_eq!(shares(&world).await.sealed_shares.len(), 2);
    let saved = shares(&world).await;
    world.lose_cluster().await;
    let warden = world.warden();
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 Sealed");
    let person = world.person(&holders, Some(saved));
    person.recover().await.unwrap();
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 CannotLogIn");
    assert_eq!(person.repair_login().await.unwrap(), ["kubernetes auth"]);
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    no_root_token_lives(&world).await;
    let all = events(&world).await;
    assert_eq!(all.matches("login-repaired").count(), 1, "{all}");
}

/// What somebody else initialized has keepers of its own: no share is asked for, no root token is
/// touched, and warden says what it lacks.
#[tokio::test]
async fn anothers_authority_is_not_taken_over() {
    let world = World::new(EXTERNAL).await;
    let theirs = world.client().init(1, 1).await.unwrap();
    world.client().unseal(&theirs.shares[0]).await.unwrap();
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 CannotLogIn");
    assert!(world.cluster.in_system("configmaps/regent-sealed-shares").is_none());
    assert!(!super::is_dead(&world, &theirs.root_token).await);
}

/// The only shares there are: what cannot be read is not taken for absent.
#[tokio::test]
async fn shares_that_cannot_be_read_are_not_written_over() {
    let world = active(EXTERNAL).await;
    let path = "configmaps/regent-sealed-shares";
    world.cluster.edit_in_system(path, |map| map["data"] = json!({ "sealed-shares.json": "{" }));
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 SealedSharesUnusable");
    assert_eq!(world.cluster.in_system(path).unwrap()["data"]["sealed-shares.json"], "{");
}

/// The identity that a holder keeps is not the one that warden made.
#[tokio::test]
async fn the_unseal_identity_is_no_holder() {
    let world = active(EXTERNAL).await;
    let warden = world.warden();
    let own: Identities = warden.unseal_identity.read().await.unwrap().unwrap();
    let error = world.person(&own, None).unseal().await.unwrap_err();
    assert_eq!(error.reason(), "WrongIdentity");
}
