//! `sops` itself beside us: each opens what the other sealed, and refuses what the other refuses.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regent_manifest::keys::{Identities, NewIdentity, generate};
use regent_manifest::sops::{SealOptions, open, seal};
use serde_json::Value;

/// The binary that `cargo xtask tools` builds; absent it is skipped, unless every world must run.
fn sops() -> Option<PathBuf> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    let place = std::env::var_os("REGENT_TOOLS_BIN").map_or_else(own, PathBuf::from);
    let binary = place.join("sops");
    if binary.exists() {
        return Some(binary);
    }
    let wanted = std::env::var("REGENT_WORLDS").as_deref() == Ok("all");
    assert!(!wanted, "no sops in {}: build it with `cargo xtask tools`", place.display());
    eprintln!("skipped: no sops in {}", place.display());
    None
}

struct Sops {
    binary: PathBuf,
    place: tempfile::TempDir,
    key: NewIdentity,
}

impl Sops {
    fn run(&self, args: &[&str], text: &str) -> Result<String, String> {
        let file = self.place.path().join("file.yaml");
        std::fs::write(&file, text).unwrap();
        let Output { status, stdout, stderr } = Command::new(&self.binary)
            .args(["--input-type", "yaml", "--output-type", "yaml", "--disable-version-check"])
            .args(args)
            .arg(&file)
            .env("HOME", self.place.path())
            .env("SOPS_AGE_KEY", self.key.identity.expose())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        if status.success() { Ok(out) } else { Err(err) }
    }

    fn sealed(&self, text: &str) -> Result<String, String> {
        let rule = "^(data|stringData)$";
        self.run(&["--encrypt", "--age", &self.key.recipient, "--encrypted-regex", rule], text)
    }

    fn opened(&self, text: &str) -> Result<String, String> {
        self.run(&["--decrypt"], text)
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    // To us a merge key is merged; to SOPS it is a key, and the tag is how it is written.
    let plain = yaml.replace("!!merge <<", "merged");
    let plain = plain.replace("<<", "merged");
    // As deep as the files of the cases are, which takes the stack that this parser needs.
    let parse = move || {
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: 1_000 } };
        serde_saphyr::from_multiple_with_options(&plain, options).unwrap()
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(parse).unwrap();
    thread.join().unwrap()
}

/// What is special about a text, and the text.
fn cases() -> Vec<(&'static str, String)> {
    let head = "apiVersion: v1\nkind: Secret\nstringData:\n";
    let hex = |digits: usize| format!("{head}  a: 0x{}\n", "f".repeat(digits));
    let nested = |depth: usize| format!("{head}  a: {}x{}\n", "[".repeat(depth), "]".repeat(depth));
    vec![
        ("a merge key", format!("{head}  <<: {{a: b}}\n  c: d\n")),
        ("a merge key with its tag", format!("{head}  !!merge <<:\n    a: b\n  c: d\n")),
        ("a merge key outside", format!("<<: {{a: b}}\n{head}  c: d\n")),
        ("a key with a tag", format!("{head}  !!str 1: d\n")),
        ("`{}` first", format!("{{}}\n---\n{head}  a: b\n")),
        ("an empty document first", format!("---\n---\n{head}  a: b\n")),
        ("an empty document last", format!("{head}  a: b\n---\n")),
        ("a null document", format!("--- ~\n---\n{head}  a: b\n")),
        ("15 digits of hex", hex(15)),
        ("16 digits of hex", hex(16)),
        ("17 digits of hex", hex(17)),
        ("40 digits of hex", hex(40)),
        ("negative hex", format!("{head}  a: -0x{}\n", "f".repeat(15))),
        ("hex below i64", format!("{head}  a: -0x8000000000000001\n")),
        ("hex with underscores", format!("{head}  a: 0xff_ff_ff_ff_ff_ff_ff_ff\n")),
        ("hex in the plain part", format!("x: 0xffffffffffffffffff\n{head}  a: b\n")),
        ("unsigned in the plain part", format!("x: 18446744073709551615\n{head}  a: b\n")),
        ("a long number", format!("{head}  a: 123456789012345678901234567890\n")),
        ("long octal", format!("{head}  a: 0777777777777777777777777\n")),
        ("long binary", format!("{head}  a: 0b{}\n", "1".repeat(70))),
        ("40 levels", nested(40)),
        ("120 levels", nested(120)),
        ("a byte order mark", format!("\u{feff}{head}  a: b\n")),
    ]
}

#[test]
fn g13_sops_and_we_read_the_same_files_and_refuse_the_same() {
    let Some(binary) = sops() else { return };
    let sops = Sops { binary, place: tempfile::tempdir().unwrap(), key: generate() };
    let ids = Identities::parse(sops.key.identity.expose()).unwrap();
    let options = SealOptions::new([sops.key.recipient.clone()], jiff::Timestamp::now());
    let mut wrong = Vec::new();
    for (what, text) in cases() {
        let ours = seal(&text, &options);
        let theirs = sops.sealed(&text);
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                let by_sops = sops.opened(ours);
                let by_us = open(theirs, &ids).map(|opened| opened.plaintext.expose().clone());
                let again = sops.opened(theirs).unwrap();
                match (by_sops, by_us) {
                    (Ok(a), Ok(b))
                        if documents(&a) == documents(&again)
                            && documents(&b) == documents(&again) => {}
                    (a, b) => wrong.push(format!("{what}: sops opens {a:?}, we open {b:?}")),
                }
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => wrong.push(format!(
                "{what}: we {:?}, sops {:?}",
                ours.as_ref().err().map(ToString::to_string),
                theirs.as_ref().err()
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
