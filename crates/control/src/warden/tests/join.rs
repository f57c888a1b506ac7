//! A second installation on the authority of the first (C9-1): let in by a person, at a login mount of its own.

use std::collections::BTreeMap;

use regent_install::access::authority::{Role, policies, roles};
use regent_types::Explain;
use regent_types::identity::Identity;
use regent_types::login::Login;
use regent_types::seal::UNATTENDED;
use regent_vault::Method;
use serde_json::Value;

use super::world::{EXTERNAL, Setup, World};
use super::{events, no_root_token_lives};
use crate::warden::sealed_shares;

async fn first() -> World {
    let world = World::new(EXTERNAL).await;
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    world
}

/// What the first installation has at the authority, as its reader sees it, and in its cluster.
async fn of_first(world: &World) -> BTreeMap<String, Value> {
    let reader = world.session(Identity::Reader);
    let login = Login::default();
    let mut paths = vec!["auth/kubernetes/config".to_owned()];
    paths
        .extend(policies(&login.mount, &[]).iter().map(|p| format!("sys/policies/acl/{}", p.name)));
    let role = |r: Role| format!("auth/kubernetes/role/{}", r.name);
    paths.extend(roles(&login).into_iter().map(role));
    let mut all = BTreeMap::new();
    for path in paths {
        let found = reader.request(Method::GET, &path, None).await.unwrap().unwrap();
        all.insert(path, found["data"].clone());
    }
    let map = world.cluster.in_system("configmaps/regent-sealed-shares").unwrap();
    all.insert("shares".into(), map["data"].clone());
    all
}

/// Both are active afterwards, and the first has what it had: mount, roles, policies, shares.
#[tokio::test]
async fn a_second_installation_is_let_in_beside_the_first() {
    let mut world = first().await;
    let saved = sealed_shares(&world.cluster.client(), &world.client()).await.unwrap();
    let (before, told) = (of_first(&world).await, events(&world).await);
    let first = world.second("east-2");
    let warden = world.warden();
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 CannotLogIn");

    let holders = world.holders();
    let person = world.person(&holders, Some(saved.clone()));
    let outcome = person.join().await.unwrap();
    assert_eq!(outcome.opened_by, ["ada", "bob"]);
    assert_eq!(outcome.holders, ["ada", "bob", UNATTENDED, UNATTENDED]);
    world.pass(&warden).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active", "{:?}", world.cluster.status().conditions);
    assert_eq!(world.cluster.status().root_revoked, Some(true));
    // That the seal has shares for this cluster is told as after a recovery.
    assert_eq!(events(&world).await, "joined recovered root-revoked");
    let heads: Vec<String> = world.cluster.status().ledger_heads.into_keys().collect();
    assert_eq!(heads, ["warden.east-2"]);
    no_root_token_lives(&world).await;
    // A repeat changes nothing.
    person.join().await.unwrap();
    world.pass(&warden).await.unwrap();
    assert_eq!(events(&world).await.matches("joined").count(), 1);

    let second = world.seat(first);
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
    assert_eq!(of_first(&world).await, before);
    assert_eq!(events(&world).await, told);

    // Either unseals the authority after a restart.
    world.restart().await;
    world.seat(second);
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "3 Active");
}

/// Whoever names no mount, or another's, is let in to nothing and changes nothing.
#[tokio::test]
async fn a_mount_of_another_is_not_joined() {
    let mut world = first().await;
    let saved = sealed_shares(&world.cluster.client(), &world.client()).await.unwrap();
    let before = of_first(&world).await;
    let first = world.second("kubernetes");
    world.pass(&world.warden()).await.unwrap();
    let holders = world.holders();
    let refused = world.person(&holders, Some(saved.clone())).join().await.unwrap_err();
    assert_eq!(refused.reason(), "CannotJoin");
    assert!(world.cluster.in_system("configmaps/regent-sealed-shares").is_none());

    // A second one at a mount of its own, and a third that names the same.
    world.second("east-2");
    world.pass(&world.warden()).await.unwrap();
    world.person(&holders, Some(saved.clone())).join().await.unwrap();
    world.rename("third");
    world.replace_cluster();
    world.pass(&world.warden()).await.unwrap();
    let refused = world.person(&holders, Some(saved.clone())).join().await.unwrap_err();
    assert_eq!(refused.reason(), "CannotJoin");
    assert!(refused.to_string().contains("regent installation second"), "{refused}");

    // Nor does it take the mount over with shares of its own.
    world.person(&holders, Some(saved)).recover().await.unwrap();
    world.pass(&world.warden()).await.unwrap();
    assert_eq!(world.cluster.reason(), "2 MountConflict");

    world.seat(first);
    no_root_token_lives(&world).await;
    assert_eq!(of_first(&world).await, before);
}

/// Nobody is there to be joined, and the embedded authority is one cluster's.
#[tokio::test]
async fn an_authority_of_nobody_is_not_joined() {
    let world = World::new(Setup { login: Some("east-2"), ..EXTERNAL }).await;
    let theirs = world.client().init(1, 1).await.unwrap();
    world.client().unseal(&theirs.shares[0]).await.unwrap();
    world.pass(&world.warden()).await.unwrap();
    let other = first().await;
    let shares = sealed_shares(&other.cluster.client(), &other.client()).await.unwrap();
    let holders = other.holders();
    world.person(&holders, Some(shares)).join().await.unwrap_err();
    assert!(world.cluster.in_system("configmaps/regent-sealed-shares").is_none());
}
