//! `regent authority serve` as a process: what a kubelet and a cluster's clients see of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regent_tests::binary::{path, run};
use regent_vault::{Client, Config};

/// A served authority. Killed when dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Starts it on a free loopback port and waits until it says where it answers.
    fn start(data: &Path, audit: &str) -> Self {
        let mut child = Command::new(path().unwrap())
            .args(["--log-format", "json", "authority", "serve", "--listen", "127.0.0.1:0"])
            .args(["--audit-log", audit, "--grace", "5s", "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let told: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            told["fields"]["address"].as_str().map(str::to_owned)
        });
        // It goes on to log: somebody must read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    fn client(&self) -> Client {
        let address = format!("http://{}", self.address);
        let deadline = Duration::from_secs(10);
        Client::new(Config { address, ca_pem: None, ca_file: None, deadline }).unwrap()
    }

    fn stop(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut out = self.child.stdout.take().unwrap();
        let mut printed = String::new();
        std::io::Read::read_to_string(&mut out, &mut printed).unwrap();
        (self.child.wait().unwrap().code(), printed)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// S5.3-3: an empty authority is alive to a kubelet, stops on SIGTERM with code 0, and a second start finds its
/// storage.
#[tokio::test]
async fn it_answers_probes_stops_gracefully_and_starts_again() {
    let place = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let served = Served::start(place.path(), "-");
        let health = served.client().health().await.unwrap();
        assert!(!health.initialized && health.sealed);
        let (code, printed) = served.stop();
        assert_eq!(code, Some(0));
        // Its audit log and nothing else is on standard output.
        for line in printed.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
        }
    }
}

/// C7-3: no plain HTTP where others can reach it, and the error says what to do.
#[test]
fn plain_http_beyond_loopback_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().display().to_string();
    let args = ["authority", "serve", "--data-dir", &data, "--listen", "0.0.0.0:0"];
    let refused = run(&args, &[]).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("PlainBeyondLoopback") && said.contains("--tls-dir"), "{said}");
}
