//! When the system is steady: tables over what is seen.

use serde_json::{Value, json};

use super::*;

/// What is seen, by kind, namespace and name, and what its spec and status say.
type Fact = (&'static str, &'static str, &'static str, Value);

fn ready() -> Value {
    json!([{ "type": "Ready", "status": "True", "reason": "Ready", "message": "",
        "lastTransitionTime": "2026-11-24T00:00:00Z" }])
}

fn seen((kind, namespace, name, body): Fact) -> ObjectEvent {
    let mut object = body;
    object["metadata"]["name"] = name.into();
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object["kind"] = kind.into();
    object["apiVersion"] = "regent.dev/v1alpha1".into();
    fn read<K: serde::de::DeserializeOwned>(object: Value) -> Box<K> {
        Box::new(serde_json::from_value(object).unwrap())
    }
    match kind {
        "GitSource" => ObjectEvent::Git(read(object)),
        "EncryptedManifest" => ObjectEvent::Manifest(read(object)),
        "RuntimeAuthority" => ObjectEvent::Authority(read(object)),
        "RuntimeSecret" => ObjectEvent::Secret(read(object)),
        "WorkflowRun" => ObjectEvent::Run(read(object)),
        "EventTrigger" => ObjectEvent::Trigger(read(object)),
        other => panic!("no {other} in these tables"),
    }
}

fn authority() -> Fact {
    let status = json!({ "phase": 4, "rootRevoked": true, "conditions": ready() });
    (
        "RuntimeAuthority",
        "",
        "regent",
        json!({ "spec": { "installation": "i", "seal": { "holders": [], "threshold": 1 } }, "status": status }),
    )
}

fn secret(stage: &str, annotations: Value) -> Fact {
    let generate = json!({ "generate": { "keys": { "key": {} } } });
    (
        "RuntimeSecret",
        "a",
        "key",
        json!({
            "metadata": { "annotations": annotations, "creationTimestamp": "2026-11-24T01:00:00Z" },
            "spec": { "owner": "o", "purpose": "p", "introduce": generate },
            "status": { "stage": stage, "conditions": ready() },
        }),
    )
}

fn trigger(source: Value, deliveries: &[&str], fired: &str) -> Fact {
    let status = json!({ "deliveries": deliveries, "lastFired": fired, "conditions": ready() });
    (
        "EventTrigger",
        "a",
        "t",
        json!({
            "spec": { "source": source, "select": { "names": ["key"] }, "workflow": "rotate" },
            "status": status,
        }),
    )
}

fn run(by: &str, slot: &str, phase: Option<&str>) -> Fact {
    let mut run = json!({ "spec": { "runtimeSecret": "key", "workflow": "rotate",
        "cause": { "kind": "change", "by": by, "slot": slot } } });
    if let Some(phase) = phase {
        run["status"] = json!({ "phase": phase });
    }
    ("WorkflowRun", "a", "t-key-1", run)
}

/// Reason of the first thing unmet; both ways of asking say the same.
fn first(facts: Vec<Fact>) -> Option<String> {
    let mut view = View::default();
    view.see(seen(authority()));
    facts.into_iter().for_each(|fact| view.see(seen(fact)));
    let all = view.unmet();
    let (one, count) = view.first_unmet().map_or((None, 0), |(one, count)| (Some(one), count));
    assert_eq!((one.as_ref(), count), (all.first(), all.len()));
    one.map(|one| one.reason)
}

const LATER: &str = "2026-11-24T02:00:00Z";

/// What stands around a trigger on the stage Runtime that has taken its delivery.
fn taken(run: Option<Fact>) -> Vec<Fact> {
    let trigger = trigger(json!({ "stage": "Runtime" }), &["key=stage/Runtime"], LATER);
    [secret("Runtime", json!({})), trigger].into_iter().chain(run).collect()
}

/// S5.6-1: a delivery is persisted before its run exists, so that by itself it settles nothing.
#[test]
fn a_delivery_is_settled_when_its_run_exists_and_has_ended() {
    let own = |phase| Some(run("t", "stage/Runtime", phase));
    let of = |by, slot| Some(run(by, slot, Some("Succeeded")));
    let cases: [(&str, Option<Fact>, Option<&str>); 7] = [
        ("no run", None, Some("RunDue")),
        ("a run that nobody has looked at", own(None), Some("Pending")),
        ("a run under way", own(Some("Running")), Some("Running")),
        ("a run that failed", own(Some("Failed")), Some("Failed")),
        ("its run has ended", own(Some("Succeeded")), None),
        ("the run of another trigger", of("u", "stage/Runtime"), Some("RunDue")),
        ("the run of another slot", of("t", "stage/Acknowledged"), Some("RunDue")),
    ];
    for (name, run, expected) in cases {
        assert_eq!(first(taken(run)).as_deref(), expected, "{name}");
    }
}

#[test]
fn a_trigger_is_settled_when_it_has_taken_what_it_is_to_take() {
    let of = |source: Value, marks: Value, deliveries: &[&str]| {
        vec![secret("Runtime", marks), trigger(source, deliveries, LATER)]
    };
    let (stage, daily) =
        (json!({ "stage": "Runtime" }), json!({ "schedule": { "cron": "0 3 * * *" } }));
    let mark = json!({ "annotation": "regent.dev/compromised" });
    let (none, leaked) = (json!({}), json!({ "regent.dev/compromised": "leaked" }));
    let (reached, told) = ("key=stage/Runtime", "key=annotation/leaked");
    let alone =
        |deliveries: &[&str]| vec![trigger(json!({ "stage": "Runtime" }), deliveries, LATER)];
    let mut answered = of(mark.clone(), leaked.clone(), &[told]);
    answered.push(run("t", "annotation/leaked", Some("Succeeded")));
    let before = "2026-11-24T00:00:00Z";
    let again = vec![secret("Runtime", json!({})), trigger(stage.clone(), &[reached], before)];
    let slot = ["key=2026-11-24T03:00:00Z"];
    let cases: [(&str, Vec<Fact>, Option<&str>); 10] = [
        ("a stage, reached and not taken", of(stage, none.clone(), &[]), Some("DeliveryDue")),
        ("nothing that it selects", alone(&[]), None),
        ("its secret is gone", alone(&[reached]), None),
        ("its secret was made again since", again, None),
        ("an annotation, not taken", of(mark.clone(), leaked.clone(), &[]), Some("DeliveryDue")),
        ("an annotation, taken", of(mark.clone(), leaked, &[told]), Some("RunDue")),
        ("an annotation, answered", answered, None),
        ("no annotation", of(mark, none.clone(), &[]), None),
        ("a schedule", of(daily.clone(), none.clone(), &[]), None),
        ("a slot without its run", of(daily, none, &slot), Some("RunDue")),
    ];
    for (name, facts, expected) in cases {
        assert_eq!(first(facts).as_deref(), expected, "{name}");
    }
}

#[test]
fn a_suspended_trigger_keeps_nobody_waiting() {
    let mut suspended = trigger(json!({ "stage": "Runtime" }), &[], LATER);
    suspended.3["spec"]["suspend"] = true.into();
    assert_eq!(first(vec![secret("Runtime", json!({})), suspended]), None);
}

/// A run that ended long ago may have been deleted: who lists once does not miss it.
#[test]
fn who_says_since_when_runs_are_owed_misses_none_from_before() {
    let fired = trigger(json!({ "stage": "Runtime" }), &["key=stage/Runtime"], LATER);
    let reasons = |since: &str| {
        let mut view = View::default().owing_since(since.parse().unwrap());
        let all = [authority(), secret("Runtime", json!({})), fired.clone()];
        all.into_iter().for_each(|fact| view.see(seen(fact)));
        view.unmet().into_iter().map(|unmet| unmet.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons("2026-11-24T01:59:00Z"), ["RunDue"]);
    assert_eq!(reasons("2026-11-24T02:01:00Z"), [""; 0]);
}

/// Kinds are watched one by one: what Git has applied is waited for, and nothing is judged by half a listing.
#[test]
fn what_was_not_seen_yet_is_waited_for() {
    let inventory = json!([
        { "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret", "namespace": "a", "name": "key" },
        { "apiVersion": "v1", "kind": "Namespace", "name": "a" },
    ]);
    let git = || -> Fact {
        let status = json!({ "revision": "r", "inventory": inventory, "conditions": ready() });
        ("GitSource", "s", "g", json!({ "spec": { "url": "u" }, "status": status }))
    };
    assert_eq!(first(vec![git()]).as_deref(), Some("NotSeen"));
    assert_eq!(first(vec![git(), secret("Runtime", json!({}))]), None);

    let mut view = View::unlisted();
    view.see(seen(authority()));
    KINDS.into_iter().skip(1).for_each(|kind| view.see(ObjectEvent::Listed(kind)));
    assert_eq!(view.first_unmet().map(|(one, _)| one.object), Some("GitSource all".into()));
    view.see(ObjectEvent::Listed("GitSource"));
    assert_eq!(view.first_unmet(), None);
}

#[test]
fn what_is_gone_counts_no_longer() {
    let failed = || run("t", "s", Some("Failed"));
    let mut view = View::default();
    [authority(), failed()].into_iter().for_each(|fact| view.see(seen(fact)));
    assert_eq!(view.unmet().len(), 1);
    view.see(ObjectEvent::Gone(Box::new(seen(failed()))));
    assert_eq!(view.unmet(), []);
    view.see(ObjectEvent::Listing("RuntimeAuthority"));
    view.see(ObjectEvent::Listed("RuntimeAuthority"));
    assert_eq!(view.unmet().len(), 1, "an authority that was there before a new listing");
}
