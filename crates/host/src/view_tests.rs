//! When the system is steady: tables over what is seen.

use serde_json::{Value, json};

use super::*;

/// What is seen, by kind, namespace and name, and what its spec and status say.
type Fact = (&'static str, &'static str, &'static str, Value);

fn ready() -> Value {
    json!([{ "type": "Ready", "status": "True", "reason": "Ready", "message": "",
        "lastTransitionTime": "2026-11-24T00:00:00Z" }])
}

fn seen((kind, namespace, name, body): Fact) -> Seen {
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
        "GitSource" => Seen::Git(read(object)),
        "EncryptedManifest" => Seen::Manifest(read(object)),
        "RuntimeAuthority" => Seen::Authority(read(object)),
        "RuntimeSecret" => Seen::Secret(read(object)),
        "WorkflowRun" => Seen::Run(read(object)),
        "EventTrigger" => Seen::Trigger(read(object)),
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

/// S5.6-1: a delivery is persisted before its run exists, so that by itself it settles nothing.
#[test]
fn a_trigger_is_settled_when_each_delivery_has_a_run_and_the_run_has_ended() {
    let stage = || json!({ "stage": "Runtime" });
    let marked = || json!({ "annotation": "regent.dev/compromised" });
    let none = || json!({});
    let leaked = || json!({ "regent.dev/compromised": "leaked" });
    let daily = || json!({ "schedule": { "cron": "0 3 * * *" } });
    let (reached, told) = ("key=stage/Runtime", "key=annotation/leaked");
    let by_stage = |deliveries: &[&str]| trigger(stage(), deliveries, LATER);
    let cases: Vec<(&str, Vec<Fact>, Option<&str>)> = vec![
        ("reached, not taken", vec![secret("Runtime", none()), by_stage(&[])], Some("DeliveryDue")),
        ("taken, no run", vec![secret("Runtime", none()), by_stage(&[reached])], Some("RunDue")),
        (
            "a run that nobody has looked at",
            vec![secret("Runtime", none()), by_stage(&[reached]), run("t", "stage/Runtime", None)],
            Some("Pending"),
        ),
        (
            "a run under way",
            vec![
                secret("Runtime", none()),
                by_stage(&[reached]),
                run("t", "stage/Runtime", Some("Running")),
            ],
            Some("Running"),
        ),
        (
            "a run that failed",
            vec![
                secret("Runtime", none()),
                by_stage(&[reached]),
                run("t", "stage/Runtime", Some("Failed")),
            ],
            Some("Failed"),
        ),
        (
            "its run has ended",
            vec![
                secret("Runtime", none()),
                by_stage(&[reached]),
                run("t", "stage/Runtime", Some("Succeeded")),
            ],
            None,
        ),
        (
            "the run of another trigger",
            vec![
                secret("Runtime", none()),
                by_stage(&[reached]),
                run("u", "stage/Runtime", Some("Succeeded")),
            ],
            Some("RunDue"),
        ),
        (
            "the run of another slot",
            vec![
                secret("Runtime", none()),
                by_stage(&[reached]),
                run("t", "stage/Acknowledged", Some("Succeeded")),
            ],
            Some("RunDue"),
        ),
        ("nothing that it selects", vec![by_stage(&[])], None),
        ("its secret is gone", vec![by_stage(&[reached])], None),
        (
            "its secret was made again since",
            vec![secret("Runtime", none()), trigger(stage(), &[reached], "2026-11-24T00:00:00Z")],
            None,
        ),
        (
            "an annotation, not taken",
            vec![secret("Runtime", leaked()), trigger(marked(), &[], LATER)],
            Some("DeliveryDue"),
        ),
        (
            "an annotation, taken",
            vec![secret("Runtime", leaked()), trigger(marked(), &[told], LATER)],
            Some("RunDue"),
        ),
        (
            "an annotation, answered",
            vec![
                secret("Runtime", leaked()),
                trigger(marked(), &[told], LATER),
                run("t", "annotation/leaked", Some("Succeeded")),
            ],
            None,
        ),
        ("no annotation", vec![secret("Runtime", none()), trigger(marked(), &[], LATER)], None),
        ("a schedule", vec![secret("Runtime", none()), trigger(daily(), &[], LATER)], None),
        (
            "a slot without its run",
            vec![secret("Runtime", none()), trigger(daily(), &["key=2026-11-24T03:00:00Z"], LATER)],
            Some("RunDue"),
        ),
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
    KINDS.into_iter().skip(1).for_each(|kind| view.see(Seen::Listed(kind)));
    assert_eq!(view.first_unmet().map(|(one, _)| one.object), Some("GitSource all".into()));
    view.see(Seen::Listed("GitSource"));
    assert_eq!(view.first_unmet(), None);
}

#[test]
fn what_is_gone_counts_no_longer() {
    let failed = || run("t", "s", Some("Failed"));
    let mut view = View::default();
    [authority(), failed()].into_iter().for_each(|fact| view.see(seen(fact)));
    assert_eq!(view.unmet().len(), 1);
    view.see(Seen::Gone(Box::new(seen(failed()))));
    assert_eq!(view.unmet(), []);
    view.see(Seen::Listing("RuntimeAuthority"));
    view.see(Seen::Listed("RuntimeAuthority"));
    assert_eq!(view.unmet().len(), 1, "an authority that was there before a new listing");
}
