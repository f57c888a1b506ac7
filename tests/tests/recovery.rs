//! `docs/recovery.md`: its commands, as they stand there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use std::path::Path;
use std::process::{Command, Output};

use regent_tests::binary::{self, Dev};

/// The `sh` blocks of the section under `heading`.
fn blocks(heading: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recovery.md");
    let text = std::fs::read_to_string(file).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A folder with the binary on the path.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let bin = place.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(binary::path().unwrap(), bin.join("regent")).unwrap();
        Self(place)
    }

    /// Runs `script`; what it must end with is success.
    fn run(&self, script: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let done = Command::new("/bin/sh")
            .args(["-eu", "-c", script])
            .current_dir(self.0.path())
            .env("PATH", format!("{}/bin:{path}", self.0.path().display()))
            .output()
            .unwrap();
        let said = [&done.stdout[..], &done.stderr].concat();
        assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&said));
        done
    }
}

#[test]
fn a_place_is_declared_as_written() {
    let desk = Desk::new();
    blocks("Declare a place").iter().for_each(|block| drop(desk.run(block)));
    let made = std::fs::read_to_string(desk.0.path().join("regent.yaml")).unwrap();
    for wanted in ["claimName: regent-snapshots", "--snapshot-interval=15m", "--snapshot-keep=96"] {
        assert!(made.contains(wanted), "{wanted}");
    }
}

/// C2-3, S5.7-4: everything is lost but Git, a snapshot and the holder's identity.
#[test]
fn recovery_is_practised_as_written() {
    let desk = Desk::new();
    let all = blocks("Practise it");
    let [start, look, restore] = &all[..] else { panic!("{all:?}") };
    let within = |name: &str| desk.0.path().join(name).display().to_string();
    let asked = start.split_whitespace().skip(2).map(|word| match word {
        "kept" | "snapshots" => within(word),
        word => word.to_owned(),
    });
    let asked: Vec<String> = asked.collect();
    let mut dev = Dev::start(&asked.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let source = dev.wait_for("/env").unwrap().trim().to_owned();
    let looked = desk.run(&format!("{source}\n{look}"));
    let looked = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(looked.contains("restored on trial, in "), "{looked}");
    // The section before this one has the same commands.
    let stands = blocks("See how they stand").concat();
    let stands = stands.lines().find(|line| line.contains("status")).unwrap();
    let stands = desk.run(&format!("{source}\n{stands}"));
    assert!(String::from_utf8_lossy(&stands.stdout).contains("snapshots      "));
    assert_eq!(dev.stop().unwrap().1, Some(0));
    let done = desk.run(restore);
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(said.contains("records of authority"), "{said}");
}
