//! Every moment in the life of the certificates, against the sandbox API under warden's own Role.

mod world;

use futures::StreamExt;
use jiff::SignedDuration;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt, watcher};
use regent_types::labels::{AUTHORITY_CA_BUNDLE, AUTHORITY_CA_SECRET, AUTHORITY_TLS_SECRET};
use serde_json::json;

use super::{reconcile, spawn};
use world::World;

/// C7-3, PROTOCOLS.md §3: a CA, a certificate for the authority's names alone, a published bundle;
/// then nothing more is written.
#[tokio::test]
async fn the_first_look_makes_everything_and_the_second_nothing() {
    let world = World::new(json!({})).await;
    let report = world.reconcile().await;
    assert_eq!(report.verdict.as_ref().map(|v| v.reason), Some("Served"));
    assert_eq!(report.expires, Some(world.leaf().await.until));
    assert_eq!(report.issued.len(), 2);
    let bundle = world.bundle().await;
    assert_eq!(bundle, [world.ca().await]);
    assert!(world.served_to(&bundle).await);
    let before = world.versions().await;
    assert_eq!((before.len(), world.reconcile().await), (3, report));
    assert_eq!(world.versions().await, before);
    world.within_role();
}

/// Neither somebody else's certificate nor none at all is warden's business.
#[tokio::test]
async fn nothing_is_made_for_an_own_certificate_or_an_external_authority() {
    let own = World::new(json!({ "tls": { "secretName": "mine" } })).await;
    assert_eq!(own.reconcile().await.verdict.map(|v| v.reason), Some("OwnCertificate"));
    let external = World::new(json!({ "external": { "address": "https://bao:8200" } })).await;
    assert_eq!(external.reconcile().await.verdict, None);
    assert!(own.versions().await.is_empty() && external.versions().await.is_empty());
}

/// A whole life, over two CAs: whoever read the bundle at the look before accepts what is served
/// now, and no CA is trusted after its end.
#[tokio::test]
async fn for_eleven_years_a_client_that_is_late_accepts_what_is_served() {
    let mut world = World::new(json!({})).await;
    world.reconcile().await;
    let first = world.ca().await;
    let (mut late, mut leaves, mut two_at_once) = (world.bundle().await, 0, 0);
    let mut leaf = world.leaf().await;
    for _ in 0..450 {
        world.days(9);
        world.reconcile().await;
        let bundle = world.bundle().await;
        assert!(world.served_to(&late).await && world.served_to(&bundle).await, "{}", world.now);
        assert!(bundle.iter().all(|c| c.lives(world.now)));
        two_at_once += usize::from(bundle.len() == 2);
        let now = world.leaf().await;
        leaves += usize::from(now != leaf);
        (late, leaf) = (bundle, now);
    }
    assert_ne!(world.ca().await, first);
    assert!(!late.contains(&first));
    // At two thirds of 30 days, looked at every 9 days: every third look.
    assert!((149..=151).contains(&leaves), "{leaves}");
    // From two thirds of ten years on until their end.
    assert!((130..=140).contains(&two_at_once), "{two_at_once}");
    world.within_role();
}

/// The next CA signs nothing before everybody had time to read it.
#[tokio::test]
async fn a_new_ca_is_published_before_it_signs() {
    let mut world = World::new(json!({})).await;
    world.reconcile().await;
    let first = world.ca().await;
    world.days(2_440);
    world.reconcile().await;
    let bundle = world.bundle().await;
    assert_eq!((bundle.len(), world.ca().await), (2, first.clone()));
    assert!(world.served_to(std::slice::from_ref(&first)).await);
    world.pass(SignedDuration::from_mins(5));
    world.reconcile().await;
    assert_eq!(world.ca().await, first);
    world.pass(SignedDuration::from_mins(6));
    world.reconcile().await;
    assert_eq!(world.ca().await, bundle[1]);
    assert_eq!(world.bundle().await, bundle);
}

/// Nobody looked for a month, or for eleven years.
#[tokio::test]
async fn what_expired_while_warden_was_down_is_made_anew() {
    let mut world = World::new(json!({})).await;
    world.reconcile().await;
    let ca = world.ca().await;
    for (days, same_ca) in [(60, true), (4_015, false)] {
        world.days(days);
        assert!(!world.served_to(&world.bundle().await).await);
        world.reconcile().await;
        assert!(world.served_to(&world.bundle().await).await);
        assert_eq!(world.ca().await == ca, same_ca);
    }
    assert_eq!(world.bundle().await, [world.ca().await]);
}

/// Clocks that are some minutes apart: a client that is behind accepts a new certificate, and
/// warden's own clock set back changes nothing.
#[tokio::test]
async fn minutes_of_clock_skew_change_nothing() {
    let mut world = World::new(json!({})).await;
    world.reconcile().await;
    let before = world.versions().await;
    world.pass(SignedDuration::from_mins(-50));
    assert!(world.served_to(&world.bundle().await).await);
    world.reconcile().await;
    assert_eq!(world.versions().await, before);
}

/// Killed after any number of writes, at the first start and while the CA is renewed, the next
/// process goes on to the same end, and what was served is never cut off.
#[tokio::test]
async fn killed_between_any_two_writes_it_goes_on() {
    for (days, writes_max) in [(0, 4), (2_440, 3)] {
        for writes in 0.. {
            let mut world = World::new(json!({})).await;
            if days > 0 {
                world.reconcile().await;
                world.days(days);
            }
            if !world.killed_after(writes).await.unwrap() {
                assert!(writes > 2 && writes <= writes_max + 1, "{days}: {writes}");
                break;
            }
            world.reconcile().await;
            world.pass(SignedDuration::from_mins(11));
            world.reconcile().await;
            let bundle = world.bundle().await;
            assert!(world.served_to(&bundle).await);
            assert_eq!(
                (bundle.len(), bundle.last()),
                (1 + usize::from(days > 0), Some(&world.ca().await))
            );
        }
    }
}

/// Two wardens at once (a lease that was stolen): one CA, one certificate.
#[tokio::test]
async fn two_at_once_agree() {
    let world = World::new(json!({})).await;
    let (one, two) =
        tokio::join!(reconcile(&world.store, || world.now), reconcile(&world.store, || world.now));
    assert_eq!(one.unwrap().0, two.unwrap().0);
    assert!(world.served_to(&world.bundle().await).await);
    assert_eq!(world.versions().await.len(), 3);
}

/// What is deleted or changed comes back, and what is served stays accepted meanwhile.
#[tokio::test]
async fn what_others_remove_comes_back() {
    let world = World::new(json!({})).await;
    world.reconcile().await;
    let (bundle, ca, leaf) = (world.bundle().await, world.ca().await, world.leaf().await);

    world.remove_bundle().await;
    world.reconcile().await;
    assert_eq!(world.bundle().await, bundle);
    let patch = json!({ "data": { "ca.crt": "mine" } });
    let params = PatchParams::default();
    world.maps().patch(AUTHORITY_CA_BUNDLE, &params, &Patch::Merge(patch)).await.unwrap();
    world.reconcile().await;
    assert_eq!(world.bundle().await, bundle);

    world.remove_secret(AUTHORITY_TLS_SECRET).await;
    world.reconcile().await;
    assert_eq!(world.ca().await, ca);
    let second = world.leaf().await;
    assert_ne!(second, leaf);

    world.remove_secret(AUTHORITY_CA_SECRET).await;
    world.reconcile().await;
    assert_ne!(world.ca().await, ca);
    assert_eq!(world.leaf().await, second);
    assert_eq!(world.bundle().await.len(), 2);
    assert!(world.served_to(&world.bundle().await).await);

    // Both: an end to all trust in what was before.
    world.remove_secret(AUTHORITY_CA_SECRET).await;
    world.remove_secret(AUTHORITY_TLS_SECRET).await;
    world.reconcile().await;
    assert_eq!(world.bundle().await, [world.ca().await]);
    assert!(world.served_to(&world.bundle().await).await);
    world.within_role();
}

/// The loop itself: it tells once, and a watch brings back what is deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_tells_and_restores() {
    let world = World::new(json!({})).await;
    let (nudge, mut nudged) = tokio::sync::mpsc::channel(1);
    let (task, mut report) = spawn(&world.cx, nudge);
    nudged.recv().await.unwrap();
    let reason = report
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .as_ref()
        .and_then(|t| t.verdict.as_ref().map(|v| v.reason));
    assert_eq!(reason, Some("Served"));
    let uid = world.maps().get(AUTHORITY_CA_BUNDLE).await.unwrap().metadata.uid.unwrap();
    // Watched from before the deletion, so that nothing is missed.
    let config = watcher::Config::default().fields("metadata.name=regent-authority-ca");
    let mut seen = watcher(world.maps(), config).default_backoff().applied_objects().boxed();
    seen.next().await.unwrap().unwrap();
    world.remove_bundle().await;
    let back = |map: Option<&k8s_openapi::api::core::v1::ConfigMap>| {
        map.is_some_and(|m| m.metadata.uid.as_ref() != Some(&uid))
    };
    let waiting = await_condition(world.maps(), AUTHORITY_CA_BUNDLE, back);
    tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await.unwrap().unwrap();
    world.stop.send_replace(true);
    task.await.unwrap();
    world.within_role();
}
