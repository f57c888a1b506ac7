//! What each process is started with, and the files that these flags name.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use serde_json::{Value, json};

use super::Error;
use super::options::{Controllers, Options};
use super::pki::{Pair, Pki};

pub(super) const KUBECONFIG: &str = "kubeconfig";
pub(super) const AUDIT_LOG: &str = "audit.log";
/// Certificate and key of the API server.
pub(super) const SERVING: (&str, &str) = ("serving.pem", "serving.key");

/// Everything once, when it is answered.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n";
/// The controllers whose effects regent meets.
const CONTROLLERS_ON: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,serviceaccount-token-controller,deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,persistentvolumeclaim-protection-controller";

/// etcd on a socket in the folder: nobody else reaches it, and it needs no port.
pub(super) fn etcd(folder: &Path) -> Vec<String> {
    let peer = format!("unix://{}/peer.sock", folder.display());
    let client = client_socket(folder);
    vec![
        format!("--data-dir={}/etcd", folder.display()),
        "--unsafe-no-fsync".into(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

fn client_socket(folder: &Path) -> String {
    format!("unix://{}/client.sock", folder.display())
}

pub(super) fn api(folder: &Path, port: u16, options: &Options) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers={}", client_socket(folder)),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file(SERVING.0)),
        format!("--tls-private-key-file={}", file(SERVING.1)),
        format!("--client-ca-file={}", file("ca.pem")),
        format!("--service-account-issuer={}", options.issuer),
        format!("--service-account-key-file={}", file("accounts.pub")),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        format!("--api-audiences={}", options.audiences.join(",")),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--authorization-mode=RBAC".into(),
        "--endpoint-reconciler-type=none".into(),
        format!("--audit-policy-file={}", file("audit-policy.yaml")),
        format!("--audit-log-path={}", file(AUDIT_LOG)),
        // Never turned over: it is read from where the last reader stopped.
        "--audit-log-maxsize=4096".into(),
        "--shutdown-delay-duration=0s".into(),
    ]
}

pub(super) fn controllers(folder: &Path, who: Controllers) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--kubeconfig={}", file("controllers.kubeconfig")),
        format!("--controllers={CONTROLLERS_ON}"),
        format!("--service-account-private-key-file={}", file("accounts.key")),
        format!("--root-ca-file={}", file("ca.pem")),
        format!("--use-service-account-credentials={}", who == Controllers::OwnAccounts),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
    ]
}

pub(super) fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Keys, certificates and kubeconfigs, readable by this user alone.
pub(super) fn write_files(folder: &Path, pki: &Pki, port: u16) -> Result<(), Error> {
    let config = |pair| kubeconfig(pki, port, pair).to_string();
    let files = [
        ("ca.pem", pki.ca_pem.clone()),
        (SERVING.0, pki.serving.certificate.clone()),
        (SERVING.1, pki.serving.key.clone()),
        ("accounts.key", pki.accounts_key.clone()),
        ("accounts.pub", pki.accounts_public.clone()),
        ("audit-policy.yaml", AUDIT_POLICY.to_owned()),
        (KUBECONFIG, config(&pki.admin)),
        ("controllers.kubeconfig", config(&pki.controllers)),
    ];
    files.iter().try_for_each(|(name, text)| {
        let mut options = std::fs::File::options();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(folder.join(name));
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .map_err(|source| Error::Io { what: "a file of the control plane", source })
    })
}

/// A kubeconfig of whom `pair` belongs to, with everything inline.
pub(super) fn kubeconfig(pki: &Pki, port: u16, pair: &Pair) -> Value {
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "real",
        "clusters": [{ "name": "real", "cluster": {
            "server": url(port), "certificate-authority-data": base64(&pki.ca_pem),
        } }],
        "users": [{ "name": "user", "user": {
            "client-certificate-data": base64(&pair.certificate), "client-key-data": base64(&pair.key),
        } }],
        "contexts": [{ "name": "real", "context": { "cluster": "real", "user": "user" } }],
    })
}
