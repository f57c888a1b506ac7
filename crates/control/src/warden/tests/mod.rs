//! Warden against the real embedded authority: what must hold when power changes hands
//! (PROTOCOLS.md §3).

mod crash;
mod external;
mod fuse;
mod join;
mod plan;
mod world;

use base64::Engine;
use regent_api::condition;
use regent_manifest::keys::{Identities, decrypt};
use regent_protocol::ledger::{Entry, verify_chain};
use regent_types::authority_names::chain_name;
use regent_types::identity::Identity;
use regent_types::lifecycle::Authoritative;
use regent_vault::{Error as Vault, InitRequest, Method, ShareHolder, Token};
use serde_json::json;

use super::recover;
use world::{EMBEDDED, Setup, World};

/// Every event of warden's chain, in order, read by the reader role; the chain is proved on the
/// way.
async fn events(world: &World) -> String {
    let kv = world.session(Identity::Reader).kv("regent");
    let chain = chain_name(Identity::Warden, world.mount());
    let mut entries: Vec<Entry> = Vec::new();
    for day in kv.list(&format!("ledger/{chain}")).await.unwrap() {
        let day = format!("ledger/{chain}/{}", day.trim_end_matches('/'));
        for name in kv.list(&day).await.unwrap() {
            entries.push(kv.read_json(&format!("{day}/{name}")).await.unwrap().unwrap().0);
        }
    }
    verify_chain(&entries).unwrap();
    let kinds = entries.iter().flat_map(|e| e.events.iter().map(|e| e.kind.as_str()));
    kinds.collect::<Vec<_>>().join(" ")
}

/// Asks for every live token what it may do.
async fn no_root_token_lives(world: &World) {
    let reader = world.session(Identity::Reader);
    let listed = reader.request(Method::GET, "auth/token/accessors?list=true", None).await.unwrap();
    for accessor in listed.unwrap()["data"]["keys"].as_array().unwrap() {
        let body = json!({ "accessor": accessor });
        let path = "auth/token/lookup-accessor";
        let token = reader.request(Method::POST, path, Some(&body)).await.unwrap().unwrap();
        assert!(!token["data"]["policies"].to_string().contains("root"), "{token}");
    }
}

fn holder(world: &World) -> Identities {
    Identities::parse(world.holder.identity.expose()).unwrap()
}

/// A root token by the holder's own means: break-glass.
async fn root(world: &World) -> Token {
    let sealed = world.client().sealed_shares().await.unwrap();
    let mine = sealed.sealed_shares.iter().find(|s| s.holder == "ada").unwrap();
    let share = decrypt(&holder(world), &mine.armored).unwrap();
    world.client().generate_root(&[share]).await.unwrap()
}

async fn is_dead(world: &World, token: &Token) -> bool {
    let path = "auth/token/lookup-self";
    let answer = world.client().request(token, Method::GET, path, None).await;
    matches!(answer, Err(Vault::Denied { .. }))
}

/// S5.3-1, S5.3-3: from nothing to active, without a person, and no root token is left.
#[tokio::test]
async fn an_empty_authority_ends_active_and_without_a_root_token() {
    let world = World::new(EMBEDDED).await;
    world.pass(&world.warden()).await.unwrap();
    let status = world.cluster.status();
    assert_eq!(world.cluster.reason(), "3 Active", "{:?}", status.conditions);
    assert_eq!(status.authoritative, Some(Authoritative::Runtime));
    let snapshots = condition::get(&status.conditions, condition::SNAPSHOTS_CURRENT).unwrap();
    assert_eq!(
        (snapshots.status.as_str(), snapshots.reason.as_str()),
        ("Unknown", "NotConfigured")
    );
    assert_eq!(
        (status.initialized, status.sealed, status.root_revoked),
        (Some(true), Some(false), Some(true))
    );
    assert_eq!(events(&world).await, "unsealed initialized configured root-revoked");
    no_root_token_lives(&world).await;
}

/// The sealed shares lie in Kubernetes too, as ciphertext, and the same as in the authority.
#[tokio::test]
async fn the_copy_equals_the_authoritys_own_shares() {
    let world = World::new(EMBEDDED).await;
    world.pass(&world.warden()).await.unwrap();
    let map = world.cluster.in_system("configmaps/regent-sealed-shares").unwrap();
    let copy = serde_json::from_str(map["data"]["sealed-shares.json"].as_str().unwrap()).unwrap();
    assert_eq!(world.client().sealed_shares().await.unwrap(), copy);
    let secret = world.cluster.in_system("secrets/regent-unseal-identity").unwrap();
    assert_eq!(secret["immutable"], true);
    let text = secret["data"]["identity"].as_str().unwrap();
    let identity = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let identity = String::from_utf8(identity).unwrap();
    for line in world.audit_lines() {
        assert!(!line.contains(identity.trim()), "the unseal identity never leaves Kubernetes");
    }
}

/// At rest the API server is not written to and the authority is asked for its health alone.
#[tokio::test]
async fn at_rest_nothing_is_written_and_only_health_is_asked() {
    let world = World::new(EMBEDDED).await;
    let warden = world.warden();
    world.pass(&warden).await.unwrap();
    world.pass(&warden).await.unwrap();
    let (writes, lines) = (world.cluster.writes(), world.audit_lines().len());
    for _ in 0..3 {
        world.pass(&warden).await.unwrap();
    }
    assert_eq!(world.cluster.writes(), writes);
    let new: Vec<String> = world.audit_lines().split_off(lines);
    assert!(new.iter().all(|line| line.contains("sys/health")), "{new:#?}");
}

/// S5.7-1: warden dies between initialization and noting it. The root token that nobody has is
/// found and revoked.
#[tokio::test]
async fn a_root_token_that_outlived_a_crash_is_revoked() {
    let world = World::new(EMBEDDED).await;
    let warden = world.warden();
    warden.unseal_identity.create().await.unwrap();
    let unseal = warden.unseal_identity.read().await.unwrap().unwrap().recipients().remove(0);
    world.cluster.set_status(
        "regent",
        json!({
            "initialization": "intent", "unsealRecipient": unseal, "rootRevoked": false,
        }),
    );
    let request = InitRequest {
        holders: [("ada", &world.holder), ("bob", &world.other)]
            .map(|(name, held)| ShareHolder {
                name: name.into(),
                recipient: held.recipient.clone(),
            })
            .into(),
        threshold: 1,
        unseal_recipient: Some(unseal),
    };
    let lost = world.client().init_embedded(&request).await.unwrap().root_token;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert!(is_dead(&world, &lost).await);
    assert_eq!(world.cluster.status().root_revoked, Some(true));
    assert!(events(&world).await.contains("initialized"));
}

/// S5.3-4: a restart is answered by unsealing, with nothing but what the authority and Kubernetes
/// keep.
#[tokio::test]
async fn a_restarted_authority_is_unsealed() {
    let mut world = World::new(EMBEDDED).await;
    world.pass(&world.warden()).await.unwrap();
    world.restart().await;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert_eq!(events(&world).await, "unsealed initialized configured root-revoked unsealed");
}

/// S5.7-4: the drill. One human act; the old unseal identity opens nothing any more.
#[tokio::test]
async fn a_lost_cluster_needs_one_human_act() {
    let mut world = World::new(EMBEDDED).await;
    let first = world.warden();
    world.pass(&first).await.unwrap();
    let old = first.unseal_identity.read().await.unwrap().unwrap();
    world.lose_cluster().await;
    let warden = world.warden();
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 NoUnsealIdentity");
    assert_eq!(world.cluster.status().authoritative, Some(Authoritative::Git));
    let recipient = world.cluster.status().unseal_recipient.unwrap();
    let wrong = recover(&world.client(), &old, &recipient).await.unwrap_err();
    assert!(regent_types::Explain::advice(&wrong).expected.contains("ada"), "{wrong}");
    let outcome = recover(&world.client(), &holder(&world), &recipient).await.unwrap();
    assert_eq!((outcome.opened_by, outcome.threshold), (vec!["ada".to_owned()], 1));
    world.pass(&warden).await.unwrap();
    let status = world.cluster.status();
    assert_eq!(world.cluster.reason(), "3 Active", "{:?}", status.conditions);
    assert_eq!(status.root_revoked, Some(true));
    let all = events(&world).await;
    for kind in ["recovered", "login-repaired"] {
        assert_eq!(all.matches(kind).count(), 1, "{all}");
    }
    let sealed = world.client().sealed_shares().await.unwrap();
    assert!(sealed.sealed_shares.iter().all(|s| decrypt(&old, &s.armored).is_err()));
}

/// PROTOCOLS.md §3: what somebody changed by hand is put back, under the configurator, with no root
/// token made.
#[tokio::test]
async fn a_policy_written_by_hand_is_put_back() {
    let world = World::new(EMBEDDED).await;
    world.pass(&world.warden()).await.unwrap();
    let token = root(&world).await;
    let body = json!({ "policy": "path \"secret/*\" { capabilities = [\"read\"] }" });
    let path = "sys/policies/acl/regent-publisher";
    world.client().request(&token, Method::POST, path, Some(&body)).await.unwrap();
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    let found = world.client().request(&token, Method::GET, path, None).await.unwrap().unwrap();
    assert!(found["data"]["policy"].as_str().unwrap().contains("platform-data/*"));
    assert!(events(&world).await.ends_with("configured"));
}

/// With `unattended: false` a person unseals; warden waits with the root token in memory and goes
/// on.
#[tokio::test]
async fn an_attended_authority_waits_for_a_person() {
    let world = World::new(Setup { unattended: false, ..EMBEDDED }).await;
    let warden = world.warden();
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 Sealed");
    assert!(world.cluster.in_system("secrets/regent-unseal-identity").is_none());
    assert_eq!(world.person(&holder(&world), None).unseal().await.unwrap(), ["ada"]);
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert_eq!(world.cluster.status().root_revoked, Some(true));
}

/// The copy of the shares is restored when somebody deletes it.
#[tokio::test]
async fn a_deleted_copy_is_made_again() {
    let world = World::new(EMBEDDED).await;
    world.pass(&world.warden()).await.unwrap();
    world.cluster.remove_in_system("configmaps/regent-sealed-shares");
    world.pass(&world.warden()).await.unwrap();
    assert!(world.cluster.in_system("configmaps/regent-sealed-shares").is_some());
}

#[tokio::test]
async fn a_second_runtime_authority_is_not_the_one() {
    let world = World::new(EMBEDDED).await;
    let seal = json!({ "holders": [{ "name": "a", "recipient": "age1a" }], "threshold": 1 });
    world.cluster.put_authority("other", json!({ "installation": "x", "seal": seal }));
    let other = std::sync::Arc::new(world.cluster.authority("other"));
    super::reconcile::reconcile(other, world.warden()).await.unwrap();
    let status = world.cluster.authority("other").status.unwrap();
    assert_eq!(status.conditions[0].reason, "NotTheOne");
    assert!(!world.client().health().await.unwrap().initialized);
}
