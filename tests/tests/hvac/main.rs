//! hvac 2.4.0's own integration tests against `regent authority serve`: what a client that was written for Vault
//! expects of it, in that client's words. They come from its published source distribution, unmodified; nothing of it
//! is in this repository.
//!
//! They start a server by the name `vault`; `vault.py` is what they find under it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

mod package;
mod report;

use std::path::Path;
use std::process::Command;

use package::{Package, find_or_skip};
use report::Counts;

/// Longest run: each class starts a server of its own, and each test waits for none.
const RUN_MAX: &str = "1500";

/// Files of tests, how many of each must pass, and how many skip themselves: those of `health` that need Consul.
const SUITES: [(&str, Counts); 8] = [
    ("secrets_engines/test_kv_v2.py", Counts::passed(84)),
    ("auth_methods/test_token.py", Counts::passed(13)),
    ("auth_methods/test_kubernetes.py", Counts::passed(20)),
    ("system_backend/test_policy.py", Counts::passed(4)),
    ("system_backend/test_seal.py", Counts::passed(2)),
    ("system_backend/test_init.py", Counts::passed(2)),
    ("system_backend/test_leader.py", Counts::passed(1)),
    ("system_backend/test_health.py", Counts { passed: 2, skipped: 4, failed: 0 }),
];

/// The issue on faults, V9: a client of Vault works unchanged.
#[test]
fn v09_hvacs_own_tests_pass_whole() {
    let Some(package) = find_or_skip().unwrap() else { return };
    let place = tempfile::tempdir().unwrap();
    let shims = place.path().join("bin");
    let servers = place.path().join("servers");
    for folder in [&shims, &servers] {
        std::fs::create_dir(folder).unwrap();
    }
    shim(&package, &shims.join("vault"));
    // The tests write configurations beside their own.
    let source = place.path().join("hvac");
    let copied = Command::new("cp").arg("-r").arg(&package.source).arg(&source).status().unwrap();
    assert!(copied.success());
    let mut wrong = Vec::new();
    for (file, expected) in SUITES {
        let results = place.path().join("results.xml");
        let path = format!("{}:{}", shims.display(), std::env::var("PATH").unwrap_or_default());
        let ran = Command::new("timeout")
            .args(["--kill-after=10", RUN_MAX])
            .arg(package.python())
            .args(["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb=short"])
            .arg(format!("--junitxml={}", results.display()))
            .arg(format!("tests/integration_tests/api/{file}"))
            .current_dir(&source)
            .env("PATH", path)
            .env("PYTHONPATH", &source)
            .env("REGENT_BINARY", regent_tests::binary::path().unwrap())
            .env("HVAC_SERVERS", &servers)
            .output()
            .unwrap();
        let found = std::fs::read_to_string(&results).ok().as_deref().and_then(report::counts);
        println!("{file}: expected {expected:?}, found {found:?}");
        if found != Some(expected) {
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            wrong.push(format!("{file}: expected {expected:?}, found {found:?}\n{said}"));
        }
        // One file's results are never taken for another's.
        let _absent = std::fs::remove_file(&results);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Writes the command that the tests know as `vault`.
fn shim(package: &Package, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hvac/vault.py");
    let script = std::fs::read_to_string(script).unwrap();
    std::fs::write(to, format!("#!{}\n{script}", package.python().display())).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}
