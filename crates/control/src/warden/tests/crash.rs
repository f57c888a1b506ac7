//! Warden killed at each kind of effect of an initialization, before and after it was carried out
//! (S5.7-1; PROTOCOLS.md §1: intent before effect, effects may be repeated).

use std::collections::BTreeSet;

use super::fuse::Cut;
use super::world::{EMBEDDED, EXTERNAL, Setup, World};
use super::{events, no_root_token_lives};

/// Every write to Kubernetes, for each is a stage, and of the authority's effects the first of each
/// kind: one policy is like another.
fn points(effects: &[String]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let first = |(index, name): (usize, &String)| {
        let authority = name.contains(" /v1/");
        let kind = name.rsplit_once('/').map_or(name.as_str(), |(kind, _)| kind);
        (!authority || seen.insert(kind.to_owned())).then_some(index)
    };
    effects.iter().enumerate().filter_map(first).collect()
}

async fn sweep(setup: Setup) -> Vec<String> {
    let whole = World::new(setup).await;
    whole.pass(&whole.warden()).await.unwrap();
    assert_eq!(whole.cluster.reason(), "3 Active");
    let mut lost = Vec::new();
    for effect in points(&whole.fuse.effects()) {
        for carried_out in [false, true] {
            let mut world = World::new(setup).await;
            world.fuse.arm(Cut { effect, carried_out });
            let at = world.pass_until_cut().await;
            let at = format!("{} carried out: {carried_out}", at.expect("the fuse blew"));
            world.pass(&world.warden()).await.unwrap();
            if world.cluster.reason() == "2 InitializedKeysLost" {
                let writes = world.cluster.writes();
                world.pass(&world.warden()).await.unwrap();
                assert_eq!(world.cluster.writes(), writes, "nothing proceeds after {at}");
                lost.push(at.clone());
                world.wipe().await;
                world.pass(&world.warden()).await.unwrap();
            }
            let status = world.cluster.status();
            assert_eq!(world.cluster.reason(), "3 Active", "{at}: {:?}", status.conditions);
            assert_eq!(status.root_revoked, Some(true), "{at}");
            no_root_token_lives(&world).await;
            let all = events(&world).await;
            assert_eq!(all.matches("initialized").count(), 1, "{at}: {all}");
        }
    }
    lost
}

/// Root key and sealed shares of the embedded authority commit together: no crash loses keys.
#[tokio::test]
async fn the_embedded_authority_survives_every_crash_of_warden() {
    assert_eq!(sweep(EMBEDDED).await, Vec::<String>::new());
}

/// The keys of an external authority are lost in one window alone: from `sys/init` until its sealed
/// shares are stored. It says so, stays as it is, and goes on by itself once it was wiped.
#[tokio::test]
async fn an_external_authority_loses_its_keys_in_one_window_alone() {
    let shares = "POST /api/v1/namespaces/regent-system/configmaps carried out: false";
    let init = "PUT /v1/sys/init carried out: true";
    assert_eq!(sweep(EXTERNAL).await, [init, shares]);
}
