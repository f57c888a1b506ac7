//! The chart is what `regent install` prints. Needs Helm, and no cluster.

use crate::tools::{Printed, items, regent, run, set, stream, tools};

const CHART: &str = "charts/regent";

/// Values that reach every branch of the templates.
const EVERYTHING: &str = r#"
image: { repository: example.test/regent, tag: "1.2@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", pullPolicy: Always }
imagePullSecrets: [{ name: pull }]
namespaces: [payments, data]
externalSecretsCrds: always
log: "info,regent=debug \"quoted\" <100%>"
admission: { gitops: ["system:serviceaccount:flux-system:kustomize-controller"], stores: [vault-backend, other] }
components:
  intent: { enabled: false }
  warden: { replicas: 2, args: [--kubernetes-host, "https://api.example.test"] }
  orchestrator:
    egress: [{ ports: [{ port: 5432, protocol: TCP }] }]
    resources: { limits: { memory: 1Gi }, requests: null }
authority:
  storage: { size: 20Gi, className: fast }
  snapshots: { claim: elsewhere, interval: 15m, keep: 96 }
networkPolicies:
  apiServer: { ports: [6443], peers: [{ ipBlock: { cidr: 10.1.2.3/32 } }] }
  authorityClients: [{ namespaceSelector: { matchLabels: { console: "true" } } }]
priorityClassName: system-cluster-critical
nodeSelector: { kubernetes.io/os: linux }
tolerations: [{ key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule }]
podAnnotations: { "mesh.example.test/inject": "false" }
"#;

fn template(helm: &std::path::Path, args: &[&str]) -> Printed {
    run(helm, &[&["template", "regent", CHART], args].concat(), &[], "")
}

/// Issue 9.4: with the same values both yield the same set of objects.
#[test]
fn the_chart_and_the_command_yield_the_same_objects() {
    let Some(tools) = tools() else { return };
    let helm = tools.path("helm");
    let place = tempfile::tempdir().unwrap();
    let cases = [
        "",
        EVERYTHING,
        "authority: { embedded: false }\n",
        "networkPolicies: { enabled: false }\nadmission: { gitops: [] }\n",
        "externalSecretsCrds: never\ncomponents: { materializer: { enabled: false } }\n",
    ];
    for values in cases {
        let file = place.path().join("values.yaml");
        std::fs::write(&file, values).unwrap();
        let file = file.display().to_string();
        let chart = stream(&template(&helm, &["--values", &file]).expect());
        let command = items(&regent(&["install", "--values", &file, "-o", "json"]).expect());
        let (chart, command) = (set(&chart), set(&command));
        assert_eq!(
            chart.keys().collect::<Vec<_>>(),
            command.keys().collect::<Vec<_>>(),
            "{values}"
        );
        for (key, object) in chart {
            assert_eq!(object, command[&key], "{key} with {values}");
        }
    }
}

/// What the command refuses the chart's schema refuses too, so that one file of values is good for both or neither.
#[test]
fn the_chart_refuses_what_the_command_refuses() {
    let Some(tools) = tools() else { return };
    let helm = tools.path("helm");
    let place = tempfile::tempdir().unwrap();
    let cases = [
        "image: { tag: 'not a tag' }",
        "image: { repository: Not/Lower }",
        "image: { tag: null }",
        "image: { pullPolicy: Sometimes }",
        "namespaces: [Payments]",
        "namespaces: [a, a]",
        "components: { warden: { replicas: 0 } }",
        "components: { warden: { replicas: 9 } }",
        "components: { kubelet: { enabled: true } }",
        "authority: { storage: { size: 10GB } }",
        "authority: { snapshots: { claim: 'Not a name' } }",
        "authority: { snapshots: { interval: 1d } }",
        "authority: { snapshots: { keep: 0 } }",
        "networkPolicies: { git: { ports: [] } }",
        "networkPolicies: { git: { ports: [70000] } }",
        "externalSecretsCrds: sometimes",
        "admission: { kubernetes: [] }",
        "admission: { gitops: ['a\"b'] }",
        "log: ''",
        "unknown: 1",
    ];
    for values in cases {
        let file = place.path().join("values.yaml");
        std::fs::write(&file, values).unwrap();
        let file = file.display().to_string();
        let printed = template(&helm, &["--values", &file]);
        assert!(!printed.fine && printed.err.contains("schema"), "{values}: {}", printed.err);
        assert!(!regent(&["install", "--values", &file]).fine, "{values}");
    }
}

/// Helm itself finds nothing to say about the chart.
#[test]
fn the_chart_passes_lint() {
    let Some(tools) = tools() else { return };
    let printed = run(&tools.path("helm"), &["lint", "--strict", CHART], &[], "").expect();
    assert!(printed.contains("0 chart(s) failed") && !printed.contains("[WARNING]"), "{printed}");
}
