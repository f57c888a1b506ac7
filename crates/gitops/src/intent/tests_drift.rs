//! What the watch tells, and what follows for a look.

use super::*;

const SOURCE: &str = "regent-system.platform";

fn item() -> InventoryItem {
    InventoryItem {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "apps".into(),
        name: "a".into(),
    }
}

fn kind() -> usize {
    Kind::find("v1", "ConfigMap").unwrap().order()
}

fn at(version: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some("a".into()),
        namespace: Some("apps".into()),
        resource_version: Some(version.into()),
        ..ObjectMeta::default()
    }
}

fn told(drift: &Drift, events: Vec<Event<ObjectMeta>>) {
    events.iter().for_each(|event| drift.told(kind(), event, |metadata| metadata));
}

fn settled() -> Drift {
    let drift = Drift::default();
    drift.settle(&item(), SOURCE, "h", &at("1"));
    told(&drift, vec![Event::Init, Event::InitApply(at("1")), Event::InitDone]);
    drift
}

#[test]
fn g16_an_object_as_it_was_left_is_vouched_for_and_no_other() {
    let now = Instant::now();
    let drift = settled();
    assert!(drift.vouches(&item(), SOURCE, "h") && !drift.is_dirty(SOURCE, now));
    assert!(!drift.vouches(&item(), SOURCE, "other text"));
    assert!(!drift.vouches(&item(), "regent-system.other", "h"));
    let cases: [(&str, Vec<Event<ObjectMeta>>); 4] = [
        ("changed", vec![Event::Apply(at("2"))]),
        ("deleted", vec![Event::Delete(at("1"))]),
        ("gone while the watch was broken", vec![Event::Init, Event::InitDone]),
        (
            "changed while it was broken",
            vec![Event::Init, Event::InitApply(at("3")), Event::InitDone],
        ),
    ];
    for (name, events) in cases {
        let drift = settled();
        told(&drift, events);
        assert!(!drift.vouches(&item(), SOURCE, "h") && drift.is_dirty(SOURCE, now), "{name}");
        assert!(!drift.is_dirty("regent-system.other", now), "{name}");
    }
}

#[test]
fn g16_a_broken_watch_vouches_for_nothing() {
    let drift = settled();
    assert!(drift.broke(kind()) && !drift.broke(kind()));
    assert!(!drift.vouches(&item(), SOURCE, "h"));
    told(&drift, vec![Event::Init, Event::InitApply(at("1"))]);
    assert!(!drift.vouches(&item(), SOURCE, "h"));
    told(&drift, vec![Event::InitDone]);
    assert!(drift.vouches(&item(), SOURCE, "h"));
}

/// Of kinds that have a generation, a status moves nothing.
#[test]
fn g16_a_status_is_no_drift() {
    let of = |generation, version: &str| ObjectMeta { generation: Some(generation), ..at(version) };
    let drift = settled();
    drift.settle(&item(), SOURCE, "h", &of(1, "1"));
    told(&drift, vec![Event::Apply(of(1, "2"))]);
    assert!(drift.vouches(&item(), SOURCE, "h"));
    told(&drift, vec![Event::Apply(of(2, "3"))]);
    assert!(!drift.vouches(&item(), SOURCE, "h"));
}

#[test]
fn g16_an_object_that_is_changed_again_and_again_is_put_back_at_growing_pauses() {
    let drift = settled();
    told(&drift, vec![Event::Apply(at("2"))]);
    let start = Instant::now();
    let mut now = start;
    let mut writes = 0;
    while now < start + Duration::from_secs(3_600) {
        if drift.is_dirty(SOURCE, now) {
            writes += 1;
            drift.put_back(&item(), now);
        }
        now += Duration::from_secs(1);
    }
    assert!((8..16).contains(&writes), "{writes}");
    assert!(!drift.rests(&item(), "another text", now), "what Git brings anew does not wait");
    drift.put_back(&item(), now + 2 * FORGIVEN_AFTER);
    assert!(!drift.rests(&item(), "h", now + 2 * FORGIVEN_AFTER + Duration::from_secs(1)));
}
