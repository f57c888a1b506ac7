//! What an installation must hold, whatever the values.

use serde_json::json;

use super::*;

fn made(change: fn(&mut Values)) -> Vec<Value> {
    let mut values = Values::default();
    change(&mut values);
    assert_eq!(values.check(), Ok(()));
    objects(&values, &BTreeSet::new()).unwrap()
}

fn of<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|o| o["kind"] == kind).collect()
}

fn named<'a>(all: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    of(all, kind).into_iter().find(|o| o["metadata"]["name"] == name)
}

fn pods(all: &[Value]) -> Vec<&Value> {
    let workloads = all.iter().filter(|o| o["kind"] == "Deployment" || o["kind"] == "StatefulSet");
    workloads.map(|o| &o["spec"]["template"]["spec"]).collect()
}

/// C7-1: each workload has an account of its own, no token but those it lists, and none of root's powers.
#[test]
fn each_pod_has_its_own_account_and_no_powers() {
    let all = made(|_| {});
    let pods = pods(&all);
    let accounts: BTreeSet<&str> =
        pods.iter().map(|p| p["serviceAccountName"].as_str().unwrap()).collect();
    assert_eq!(accounts.len(), COMPONENTS.len() + 1);
    assert_eq!(pods.len(), accounts.len());
    for pod in pods {
        assert!(
            named(&all, "ServiceAccount", pod["serviceAccountName"].as_str().unwrap()).is_some()
        );
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let container = &pod["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        assert!(container["livenessProbe"].is_object() && container["readinessProbe"].is_object());
    }
}

/// C7-1, DESIGN.md §2: only who has a role in the authority gets a token for it, and may connect to it.
#[test]
fn only_who_logs_in_gets_a_token_and_a_way_to_the_authority() {
    let all = made(|_| {});
    for identity in COMPONENTS {
        let pod = named(&all, "Deployment", &identity.account()).unwrap();
        let volumes = pod["spec"]["template"]["spec"]["volumes"].to_string();
        let logs_in = regent_types::authority_names::LOGINS.contains(&identity);
        assert_eq!(volumes.contains("regent-authority"), logs_in, "{identity:?}");
        let policy = named(&all, "NetworkPolicy", "regent-authority").unwrap();
        assert_eq!(policy["spec"]["ingress"].to_string().contains(identity.name()), logs_in);
    }
}

/// C7-1: without a component neither its account nor a right of it exists.
#[test]
fn what_is_left_out_leaves_nothing() {
    let mut all = made(|v| v.components.intent.enabled = false);
    // Admission policies give no right: they name the account as one that may write no Secret.
    all.retain(|o| !o["kind"].as_str().is_some_and(|k| k.starts_with("ValidatingAdmissionPolicy")));
    let text = Value::from(all).to_string();
    assert!(!text.contains("regent-intent") && text.contains("regent-bootstrap"));
}

/// Snapshots lie on a volume that the installation does not make, and nothing is said of them where there is none.
#[test]
fn snapshots_are_taken_where_a_claim_is_named_and_nowhere_else() {
    let pod = |all: &[Value]| {
        named(all, "StatefulSet", "regent-authority").unwrap()["spec"]["template"]["spec"].clone()
    };
    assert!(!pod(&made(|_| {})).to_string().contains("snapshot"));
    let pod = pod(&made(|v| v.authority.snapshots.claim = "elsewhere".into()));
    let container = &pod["containers"][0];
    let args = container["args"].to_string();
    assert!(args.contains("\"--snapshot-dir=/var/lib/regent-snapshots\""), "{args}");
    assert!(args.contains("\"--snapshot-interval=1h\",\"--snapshot-keep=24\""), "{args}");
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(
        mounts.contains(&json!({ "name": "snapshots", "mountPath": "/var/lib/regent-snapshots" }))
    );
    let volume =
        json!({ "name": "snapshots", "persistentVolumeClaim": { "claimName": "elsewhere" } });
    assert!(pod["volumes"].as_array().unwrap().contains(&volume));
}

/// C2-5: an authority that regent did not deploy takes the place of the embedded one.
#[test]
fn an_external_authority_leaves_out_the_embedded_one() {
    let all = made(|v| v.authority.embedded = false);
    assert!(of(&all, "StatefulSet").is_empty() && of(&all, "Service").is_empty());
    assert!(named(&all, "ServiceAccount", "regent-authority").is_none());
    assert!(named(&all, "NetworkPolicy", "regent-to-authority").is_none());
    assert!(named(&all, "NetworkPolicy", "regent-to-external-authority").is_some());
}

/// DESIGN.md §2: access to Secrets in the namespaces that the installation names, and in no other.
#[test]
fn secrets_are_reached_in_the_named_namespaces_alone() {
    let bound = |all: &[Value]| -> BTreeSet<String> {
        let bindings = of(all, "RoleBinding").into_iter();
        let secrets = bindings.filter(|b| b["roleRef"]["kind"] == "ClusterRole");
        secrets.map(|b| b["metadata"]["namespace"].as_str().unwrap().to_owned()).collect()
    };
    assert!(bound(&made(|_| {})).is_empty());
    let all = made(|v| v.namespaces = vec!["payments".into(), "data".into()]);
    assert_eq!(bound(&all), BTreeSet::from(["payments".into(), "data".into()]));
    assert_eq!(all.len(), made(|_| {}).len() + 2 * 4);
}

/// Issue 9.4: definitions of a neighbour are placed only where they may be; regent's own always.
#[test]
fn shared_definitions_are_placed_only_where_they_may_be() {
    let own = of(&made(|_| {}), "CustomResourceDefinition").len();
    let placeable = definitions::shared();
    let all = objects(&Values::default(), &placeable).unwrap();
    assert_eq!(of(&all, "CustomResourceDefinition").len(), own + placeable.len());
    assert_eq!(own + placeable.len(), regent_api::all_crds().len());
}

/// Issue 9.4: an uninstall leaves the definitions and the namespace with the authority's volume.
#[test]
fn definitions_and_the_namespace_are_kept() {
    for object in made(|_| {}) {
        let kind = object["kind"].as_str().unwrap();
        let kept = ["CustomResourceDefinition", "Namespace"].contains(&kind);
        assert_eq!(definitions::is_kept(&object), kept, "{kind}");
    }
    let all = made(|_| {});
    let retention = &of(&all, "StatefulSet")[0]["spec"]["persistentVolumeClaimRetentionPolicy"];
    assert_eq!(retention["whenDeleted"], "Retain");
}

/// Every value reaches an object: one that changed nothing would be a promise that is not kept.
#[test]
fn every_value_has_an_effect() {
    type Change = fn(&mut Values);
    let changes: Vec<(&str, Change)> = vec![
        ("example.test/r:t", |v| {
            v.image.repository = "example.test/r".into();
            v.image.tag = "t".into();
        }),
        ("\"imagePullPolicy\":\"Always\"", |v| v.image.pull_policy = values::PullPolicy::Always),
        ("pull-it", |v| v.image_pull_secrets = vec![values::SecretName { name: "pull-it".into() }]),
        ("\"value\":\"debug\"", |v| v.log = "debug".into()),
        ("flux-system:kustomize-controller", |v| {
            v.admission
                .gitops
                .push("system:serviceaccount:flux-system:kustomize-controller".into());
        }),
        ("a-garbage-collector", |v| v.admission.kubernetes.push("a-garbage-collector".into())),
        ("another-store", |v| v.admission.stores.push("another-store".into())),
        ("\"replicas\":2", |v| v.components.warden.replicas = 2),
        ("--further", |v| v.components.warden.args = vec!["--further".into()]),
        ("regent-orchestrator-further", |v| {
            v.components.orchestrator.egress = vec![serde_json::Map::new()];
        }),
        ("\"cpu\":\"7\"", |v| {
            v.components.intent.resources =
                [("limits".into(), json!({ "cpu": "7" }))].into_iter().collect();
        }),
        ("\"cpu\":\"9\"", |v| {
            v.authority.resources =
                [("limits".into(), json!({ "cpu": "9" }))].into_iter().collect();
        }),
        ("\"storage\":\"7Gi\"", |v| v.authority.storage.size = "7Gi".into()),
        ("\"storageClassName\":\"fast\"", |v| v.authority.storage.class_name = "fast".into()),
        ("\"claimName\":\"elsewhere\"", |v| v.authority.snapshots.claim = "elsewhere".into()),
        ("--snapshot-interval=15m\",\"--snapshot-keep=96", |v| {
            let (claim, interval) = ("elsewhere".into(), "15m".into());
            v.authority.snapshots = values::Snapshots { claim, interval, keep: 96 };
        }),
        ("\"port\":7443", |v| v.network_policies.api_server.ports = vec![7443]),
        ("\"port\":9418", |v| v.network_policies.git.ports = vec![9418]),
        ("10.9.8.0/24", |v| {
            v.network_policies.git.peers =
                vec![[("ipBlock".into(), json!({ "cidr": "10.9.8.0/24" }))].into_iter().collect()];
        }),
        ("clients-here", |v| {
            let peer = json!({ "matchLabels": { "clients-here": "yes" } });
            v.network_policies.authority_clients =
                vec![[("podSelector".into(), peer)].into_iter().collect()];
        }),
        ("\"priorityClassName\":\"vital\"", |v| v.priority_class_name = "vital".into()),
        ("\"nodeSelector\":{\"a\":\"b\"}", |v| {
            v.node_selector = [("a".into(), json!("b"))].into_iter().collect();
        }),
        ("\"tolerations\":[{\"key\":\"k\"}]", |v| {
            v.tolerations = vec![[("key".into(), json!("k"))].into_iter().collect()];
        }),
        ("\"annotations\":{\"mesh\":\"off\"}", |v| {
            v.pod_annotations = [("mesh".into(), json!("off"))].into_iter().collect();
        }),
    ];
    let before = Value::from(made(|_| {})).to_string();
    for (wanted, change) in changes {
        assert!(!before.contains(wanted), "{wanted} is there without the change");
        let after = Value::from(made(change)).to_string();
        assert!(after.contains(wanted), "{wanted}");
    }
    let without = made(|v| v.network_policies.enabled = false);
    assert!(of(&without, "NetworkPolicy").is_empty());
}

/// Values over defaults are laid as Helm lays them, so that one file does for both.
#[test]
fn values_are_merged_as_helm_merges_them() {
    let given = json!({ "components": { "warden": {
        "resources": { "limits": { "memory": "1Gi" }, "requests": null },
    } } });
    let values = Values::over_defaults(&given).unwrap();
    assert_eq!(json!(values.components.warden.resources), json!({ "limits": { "memory": "1Gi" } }));
    assert!(values.components.warden.enabled);
    assert!(Values::over_defaults(&json!({ "image": { "tagg": "1" } })).is_err());
    assert!(Values::over_defaults(&json!({ "image": { "tag": null } })).is_err());
}

/// S5.5-3: with defaults the write paths are those of the access table, which `regent verify` compares.
#[test]
fn write_paths_are_those_of_the_access_table() {
    use crate::access::admission;
    let all = made(|_| {});
    let policies = [admission::POLICY_KIND, admission::BINDING_KIND];
    let found: Vec<&Value> =
        all.iter().filter(|o| policies.contains(&o["kind"].as_str().unwrap())).collect();
    let wanted = admission::objects(&admission::Settings::default());
    assert_eq!(found, wanted.iter().collect::<Vec<_>>());
}
