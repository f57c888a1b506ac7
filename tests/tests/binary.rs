//! What only the real binary can show: killed at any place it carries on, it prints no value, it leaves nothing
//! behind, and bad input gets a clear error.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use kube::api::{Api, ListParams};
use regent_tests::binary::{Dev, run};
use regent_tests::git::GitServer;
use serde_json::Value;

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Starts with `--data-dir`, kills at the first line with `at`, starts again to steady state, and gives the
/// summary of that second run.
fn killed_at(at: &str) -> Result<Value> {
    let place = tempfile::tempdir()?;
    let kept = text(&place.path().join("kept"));
    let mut dev = Dev::start(&["--data-dir", &kept])?;
    dev.wait_for(at)?;
    dev.kill()?;
    let again = run(&["dev", "--data-dir", &kept, "--until", "steady", "-o", "json"], &[])?;
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    Ok(json(&again))
}

/// How often the trail of a summary tells `kind` of `path`.
fn told(summary: &Value, kind: &str, path: &str) -> usize {
    let trail = summary["trail"].as_array().map(Vec::as_slice).unwrap_or_default();
    trail.iter().filter(|e| e["event"] == kind && e["path"] == path).count()
}

fn nothing_twice(summary: &Value) {
    for path in ["runtime/payments/ledger-db", "runtime/payments/webhook-token"] {
        assert_eq!(told(summary, "handed-over", path), 1, "{path}: {summary}");
    }
    let key = "runtime/payments/session-key";
    assert_eq!(told(summary, "generated", key), 1, "{summary}");
    assert_eq!(told(summary, "rotated", key), 1, "{summary}");
}

/// S5.4-4, C6-4: killed while the authority is being initialized or right after.
#[test]
fn killed_at_initialization_it_carries_on() {
    nothing_twice(&killed_at("phase 3  authority").unwrap());
}

/// S5.4-4: killed in the middle of handovers.
#[test]
fn killed_at_handover_it_carries_on() {
    nothing_twice(&killed_at("phase 3  handover").unwrap());
}

/// C6-4: killed in the middle of a rotation.
#[test]
fn killed_at_rotation_it_carries_on() {
    nothing_twice(&killed_at("phase 4  rotation").unwrap());
}

/// Every value in the cluster's Secrets, in clear and in base64; a short one would be found anywhere.
async fn values(kubeconfig: &str) -> Result<(BTreeSet<String>, String)> {
    let read = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(read, &Default::default()).await?;
    let client = kube::Client::try_from(config)?;
    let mut values = BTreeSet::new();
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::all(client.clone());
    for secret in secrets.list(&ListParams::default()).await? {
        for value in secret.data.unwrap_or_default().into_values() {
            let clear = String::from_utf8_lossy(&value.0).trim().to_owned();
            if clear.len() >= 16 {
                let encoded = serde_json::to_value(&value)?;
                values.extend(encoded.as_str().map(str::to_owned));
                values.insert(clear);
            }
        }
    }
    // Everything else that the API holds, as text.
    let mut rest = String::new();
    let groups =
        ["/apis/regent.dev/v1alpha1", "/apis/external-secrets.io/v1", "/apis/events.k8s.io/v1"];
    let kinds = [
        "gitsources,encryptedmanifests,runtimeauthorities,runtimesecrets,workflows,workflowruns,eventtriggers",
        "externalsecrets,clustersecretstores",
        "events",
    ];
    for (group, kinds) in groups.iter().zip(kinds) {
        for kind in kinds.split(',') {
            let request = kube::core::Request::new(*group).list(&ListParams::default())?;
            let (mut parts, body) = request.into_parts();
            parts.uri = format!("{group}/{kind}").parse()?;
            rest.push_str(&client.request_text(http_request(parts, body)).await?);
        }
    }
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::all(client);
    rest.push_str(&serde_json::to_string(&maps.list(&ListParams::default()).await?)?);
    Ok((values, rest))
}

fn http_request(parts: http::request::Parts, body: Vec<u8>) -> http::Request<Vec<u8>> {
    http::Request::from_parts(parts, body)
}

/// `. DIR/env`, as a shell would read it.
fn environment(file: &str) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file)?;
    let pairs = text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    });
    Ok(pairs.collect())
}

/// Planted values: what the system makes, hands over and rotates is in no log, event, status, output, audit log,
/// ledger or storage file; and Ctrl-C leaves nothing behind.
#[test]
fn no_value_is_ever_emitted_and_nothing_is_left_behind() {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let place = tempfile::tempdir().unwrap();
    let kept = place.path().join("kept");
    let mut dev = Dev::start(&["--data-dir", &text(&kept)]).unwrap();
    let line = dev.wait_for("/env").unwrap();
    let env_file = line.trim().trim_start_matches(". ").to_owned();
    let env = environment(&env_file).unwrap();
    let of = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (values, objects) = runtime.block_on(values(&of("KUBECONFIG"))).unwrap();
    assert!(values.len() >= 12, "only {} values planted", values.len());

    let mut emitted = vec![("objects", objects)];
    for command in ["status", "secrets", "audit", "verify"] {
        for format in ["table", "json", "yaml"] {
            let output = run(&[command, "-o", format], &env).unwrap();
            let both = [output.stdout, output.stderr].concat();
            let both = String::from_utf8_lossy(&both).into_owned();
            assert_eq!(output.status.code(), Some(0), "{command} -o {format}: {both}");
            emitted.push((command, both));
        }
    }
    // The reader may list and look, and see no value.
    let refused = run(&["audit", "no/such-secret"], &env).unwrap();
    assert_eq!(refused.status.code(), Some(0));
    let (printed, code) = dev.stop().unwrap();
    assert_eq!(code, Some(0));
    assert!(printed.contains("steady"), "logs were not caught");
    emitted.push(("printed and logged", printed));
    let temporary = Path::new(&env_file).parent().unwrap();
    assert!(!temporary.exists(), "{} was left behind", temporary.display());
    for (what, text) in &emitted {
        for value in &values {
            assert!(!text.contains(value.as_str()), "a value is in {what}");
        }
    }
    // What stays: ciphertext only.
    let mut files = 0;
    let mut todo = vec![kept];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let held = String::from_utf8_lossy(&bytes);
            for value in &values {
                assert!(!held.contains(value.as_str()), "a value is in {}", path.display());
            }
        }
    }
    assert!(files > 3, "nothing was kept");
}

fn fails_with(args: &[&str], reason: &str) {
    let mut all = args.to_vec();
    all.extend(["-o", "json"]);
    let output = run(&all, &[]).unwrap();
    assert_ne!(output.status.code(), Some(0), "{args:?}");
    let error = &json(&output)["error"];
    assert_eq!(error["reason"], reason, "{args:?}: {error}");
    for part in ["expected", "found", "do"] {
        assert!(error[part].as_str().is_some_and(|t| !t.is_empty()), "{args:?}: no {part}");
    }
}

/// A port that is taken, a folder that is locked or of another installation, a repository that is not there: each
/// its own error, and nothing changed.
#[test]
fn bad_input_gets_its_own_error() {
    let place = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fails_with(&["dev", "--until", "steady", "--port", &port], "PortInUse");
    fails_with(&["dev", "--until", "steady", "--authority-port", &port], "PortInUse");

    let other = place.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("installation"), "somebody-elses\n").unwrap();
    fails_with(&["dev", "--until", "steady", "--data-dir", &text(&other)], "AnotherInstallation");

    let kept = text(&place.path().join("kept"));
    let mut dev = Dev::start(&["--data-dir", &kept]).unwrap();
    dev.wait_for("phase 4  steady").unwrap();
    fails_with(&["dev", "--until", "steady", "--data-dir", &kept], "DataFileLocked");
    drop(dev);

    let identity = text(&place.path().join("identity"));
    let made = run(&["keygen", "--out", &identity], &[]).unwrap();
    assert!(made.status.success());
    let missing = text(&place.path().join("missing"));
    let args = ["dev", "--until", "steady", "--repo", &missing, "--identity", &identity];
    fails_with(&args, "Unreachable");
    fails_with(&["keygen", "--out", &identity], "CannotWriteIdentity");
}

/// A repository behind an address is as good as a folder: its namespaces are known before anything runs, so that its
/// Secrets can be written.
#[test]
fn g02_a_remote_repository_reaches_steady_state_as_a_local_one_does() {
    let place = tempfile::tempdir().unwrap();
    let kept = text(&place.path().join("kept"));
    let first = run(&["dev", "--data-dir", &kept, "--until", "steady"], &[]).unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let inside = runtime.enter();
    let server = GitServer::start(&place.path().join("kept")).unwrap();
    drop(inside);
    let (url, identity) = (server.url("git"), text(&place.path().join("kept.root-of-trust")));
    let remote = ["dev", "--repo", &url, "--identity", &identity, "--namespace", "spare"];
    let output = run(&[&remote[..], &["--until", "steady"]].concat(), &[]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.only_read().unwrap();
    let gone = server.url("other");
    let args = ["dev", "--repo", &gone, "--identity", &identity, "--until", "steady"];
    fails_with(&args, "Unreachable");
    let path = ["dev", "--path", "payments", "--until", "steady"];
    assert_eq!(run(&path, &[]).unwrap().status.code(), Some(2), "--path is of --repo");
}

/// S5.2-2, S5.7-4: another identity than phase 0's opens nothing, says whose it needs, and the drill fails sealed.
#[test]
fn a_wrong_identity_ends_the_drill_sealed() {
    let place = tempfile::tempdir().unwrap();
    let kept = text(&place.path().join("kept"));
    let first = run(&["dev", "--data-dir", &kept, "--until", "steady"], &[]).unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let wrong = text(&place.path().join("wrong"));
    assert!(run(&["keygen", "--out", &wrong], &[]).unwrap().status.success());
    let drill = ["dev", "--data-dir", &kept, "--until", "steady", "--identity", &wrong];
    fails_with(&drill, "WrongIdentity");
    std::fs::remove_file(place.path().join("kept.root-of-trust")).unwrap();
    fails_with(&["dev", "--data-dir", &kept, "--until", "steady"], "NoUnsealIdentity");
}

/// A Secret goes through keygen, seal, lint and open unchanged; a changed file does not open.
#[test]
fn a_secret_is_sealed_and_opened() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| text(&place.path().join(name));
    let made = run(&["keygen", "--out", &file("identity"), "-o", "json"], &[]).unwrap();
    let recipient = json(&made)["recipient"].as_str().context("no recipient").unwrap().to_owned();
    let plain = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: app\nstringData:\n  password: swordfish-and-more\n";
    std::fs::write(place.path().join("plain.yaml"), plain).unwrap();
    assert_eq!(run(&["lint", &file("plain.yaml")], &[]).unwrap().status.code(), Some(1));
    let sealed =
        run(&["seal", "-r", &recipient, &file("plain.yaml"), "--out", &file("db.enc.yaml")], &[]);
    assert!(sealed.unwrap().status.success());
    let lint = run(&["lint", &file("db.enc.yaml")], &[]).unwrap();
    assert_eq!(lint.status.code(), Some(0), "{}", String::from_utf8_lossy(&lint.stdout));
    let opened = run(&["open", "-i", &file("identity"), &file("db.enc.yaml")], &[]).unwrap();
    assert_eq!(String::from_utf8_lossy(&opened.stdout), plain);
    let held = std::fs::read_to_string(place.path().join("db.enc.yaml")).unwrap();
    assert!(!held.contains("swordfish"));
    let moved = held.replace("namespace: app", "namespace: other");
    std::fs::write(place.path().join("moved.yaml"), moved).unwrap();
    fails_with(&["open", "-i", &file("identity"), &file("moved.yaml")], "BadMac");
    fails_with(&["open", "-i", &file("identity"), &file("plain.yaml")], "NotSealed");
}
