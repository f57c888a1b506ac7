//! The commands that need no cluster: what `regent seal`, `open`, `lint` and `keygen` do with files as people have them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Output;

use regent_tests::binary::run;
use serde_json::Value;

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: app\n\
                      stringData:\n  password: planted-value\n";

/// A folder with an identity and its recipient, and an environment that names no other.
struct Desk {
    place: tempfile::TempDir,
    recipient: String,
}

impl Desk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Self { place, recipient: String::new() };
        let made = desk.run(&["keygen", "--out", &desk.file("identity"), "-o", "json"], &[]);
        desk.recipient = json(&made)["recipient"].as_str().unwrap().to_owned();
        desk
    }

    fn file(&self, name: &str) -> String {
        self.place.path().join(name).display().to_string()
    }

    fn write(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) {
        let path = self.place.path().join(Path::new(name.as_ref()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn identity(&self) -> String {
        let text = std::fs::read_to_string(self.file("identity")).unwrap();
        text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap().to_owned()
    }

    fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let nowhere = self.file("nowhere");
        let mut all = vec![("HOME", nowhere.as_str()), ("XDG_CONFIG_HOME", "")];
        all.extend(env);
        let all: Vec<(String, String)> =
            all.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        run(args, &all).unwrap()
    }

    fn seal(&self) {
        self.write("plain.yaml", SECRET);
        let args = [
            "seal",
            "-r",
            &self.recipient,
            &self.file("plain.yaml"),
            "--out",
            &self.file("s.yaml"),
        ];
        let sealed = self.run(&args, &[]);
        assert!(sealed.status.success(), "{}", error(&sealed));
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn g14_the_environment_names_identities_as_it_does_for_sops() {
    let desk = Desk::new();
    desk.seal();
    let (key, file) = (desk.identity(), desk.file("identity"));
    let other = Desk::new().identity();
    let both = format!("{other}  {key}");
    desk.write("home/.config/sops/age/keys.txt", &key);
    desk.write("config/sops/age/keys.txt", &key);
    let (home, config) = (desk.file("home"), desk.file("config"));
    let missing = desk.file("missing");
    let ways: [&[(&str, &str)]; 6] = [
        &[("SOPS_AGE_KEY_FILE", &file)],
        &[("SOPS_AGE_KEY", &both)],
        &[("HOME", &home)],
        &[("XDG_CONFIG_HOME", &config)],
        &[("SOPS_AGE_KEY", &other), ("SOPS_AGE_KEY_FILE", &file)],
        &[("SOPS_AGE_KEY_FILE", &missing), ("SOPS_AGE_KEY", &key)],
    ];
    for env in ways {
        let opened = desk.run(&["open", &desk.file("s.yaml")], env);
        assert_eq!(String::from_utf8_lossy(&opened.stdout), SECRET, "{}", error(&opened));
        assert_eq!(error(&opened).contains(&missing), env[0].1 == missing, "{}", error(&opened));
    }
    // A file that is named is the only one.
    desk.write("other", &other);
    let args = ["open", "-i", &desk.file("other"), &desk.file("s.yaml"), "-o", "json"];
    let refused = desk.run(&args, &[("SOPS_AGE_KEY", &key)]);
    assert_eq!(json(&refused)["error"]["reason"], "WrongIdentity");

    let nowhere =
        desk.run(&["open", &desk.file("s.yaml"), "-o", "json"], &[("SOPS_AGE_KEY_CMD", "x")]);
    let refused = &json(&nowhere)["error"];
    assert_eq!(refused["reason"], "NoIdentity");
    for (part, told) in [("expected", "SOPS_AGE_KEY_FILE"), ("found", "SOPS_AGE_KEY_CMD")] {
        assert!(refused[part].as_str().unwrap().contains(told), "{refused}");
    }
    for args in [["open", "--help"], ["seal", "--help"], ["open", "missing"]] {
        let shown = desk.run(&args, &[("SOPS_AGE_KEY", &key)]);
        let shown = [shown.stdout, shown.stderr].concat();
        assert!(!String::from_utf8_lossy(&shown).contains(&key));
    }
}

#[test]
fn g14_the_environment_names_recipients_and_nobody_guesses_them() {
    let desk = Desk::new();
    desk.write("plain.yaml", SECRET);
    let args = ["seal", &desk.file("plain.yaml"), "-o", "json"];
    let more = format!("{},{}", Desk::new().recipient, desk.recipient);
    let sealed = desk.run(&args, &[("SOPS_AGE_RECIPIENTS", &more)]);
    let text = String::from_utf8_lossy(&sealed.stdout).into_owned();
    assert!(sealed.status.success() && text.matches("recipient: age1").count() == 2, "{text}");
    desk.write("s.yaml", &text);
    let opened =
        desk.run(&["open", &desk.file("s.yaml")], &[("SOPS_AGE_KEY_FILE", &desk.file("identity"))]);
    assert_eq!(String::from_utf8_lossy(&opened.stdout), SECRET);

    let refused = desk.run(&args, &[("SOPS_AGE_KEY_FILE", &desk.file("identity"))]);
    assert_eq!(refused.status.code(), Some(2));
    let told = &json(&refused)["error"];
    assert_eq!(told["reason"], "NoRecipients");
    assert!(told["found"].as_str().unwrap().contains(&desk.recipient), "{told}");
}

#[test]
fn g05_a_foreign_line_beside_a_good_identity_is_named_and_passed_over() {
    let desk = Desk::new();
    desk.seal();
    let text = format!("\u{feff}AGE-PLUGIN-YUBIKEY-1QQ\n{} # laptop\r\n", desk.identity());
    desk.write("mixed", text);
    let opened = desk.run(&["open", "-i", &desk.file("mixed"), &desk.file("s.yaml")], &[]);
    assert_eq!(String::from_utf8_lossy(&opened.stdout), SECRET);
    assert!(
        error(&opened).contains("line 1 is the identity of an age plugin"),
        "{}",
        error(&opened)
    );
}

#[test]
fn g08_bytes_that_are_no_text_are_refused_with_file_and_byte() {
    let desk = Desk::new();
    desk.seal();
    let sealed = std::fs::read(desk.file("s.yaml")).unwrap();
    desk.write("bad.yaml", [SECRET.as_bytes(), b"  b: caf\xe9\n"].concat());
    desk.write("bad.sealed.yaml", [b"# caf\xe9\n", sealed.as_slice()].concat());
    let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    desk.write("wide.yaml", wide);
    let identity = desk.file("identity");
    let at = format!("at byte {} (line 8)", SECRET.len() + 8);
    let cases = [
        (vec!["seal", "-r", &desk.recipient], "bad.yaml", at.as_str()),
        (vec!["open", "-i", &identity], "bad.sealed.yaml", "at byte 5 (line 1)"),
        (vec!["lint"], "bad.yaml", at.as_str()),
        (vec!["lint"], "bad.sealed.yaml", "at byte 5 (line 1)"),
        (vec!["seal", "-r", &desk.recipient], "wide.yaml", "UTF-16"),
        (vec!["lint"], "wide.yaml", "UTF-16"),
    ];
    for (mut args, name, told) in cases {
        let file = desk.file(name);
        args.extend([file.as_str(), "-o", "json"]);
        let refused = desk.run(&args, &[]);
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(name) && said.contains(told), "{args:?}: {said}");
        assert!(!said.contains("planted-value") && !said.contains("caf"), "{said}");
    }
}

/// What lint finds in a folder: file names and rules.
fn found(desk: &Desk, path: &str) -> Vec<(String, String)> {
    let output = desk.run(&["lint", path, "-o", "json"], &[]);
    let all = json(&output).as_array().cloned().unwrap_or_default();
    assert_eq!(output.status.code(), Some(i32::from(!all.is_empty())), "{}", error(&output));
    let of = |v: &Value| v.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    all.iter().map(|p| (of(&p["file"]), p["rule"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn g09_lint_fails_on_what_it_did_not_look_at() {
    let desk = Desk::new();
    let large = format!("{SECRET}# {}\n", "x".repeat(1_048_576));
    let notes = format!("{}\n{}\n", "x".repeat(2_000_000), desk.identity());
    let mut deep = "tree".to_owned();
    (0..70).for_each(|_| deep.push_str("/d"));
    let wide: Vec<u8> = "\u{feff}a: b\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    desk.write("tree/a-large.yaml", large);
    desk.write("tree/b-wide.yml", wide);
    desk.write("tree/c-broken.YAML", "a: [1\n");
    desk.write("tree/e-notes.txt", notes);
    desk.write("tree/f-image.png", b"\x89PNG\0\xff\xfe".repeat(500_000));
    desk.write("tree/g-fine.yaml", "base: &b {x: y}\nother: {<<: *b}\n");
    desk.write(format!("{deep}/h.yaml"), "a: b\n");
    std::os::unix::fs::symlink(desk.file("plain.yaml"), desk.file("tree/i-link.yaml")).unwrap();
    let rule = |name: &str, rule: &str| (name.to_owned(), rule.to_owned());
    let expected = [
        rule("a-large.yaml", "not-looked-at"),
        rule("b-wide.yml", "not-looked-at"),
        rule("c-broken.YAML", "not-looked-at"),
        rule("d", "not-looked-at"),
        rule("e-notes.txt", "private-key"),
    ];
    assert_eq!(found(&desk, &desk.file("tree")), expected);
    // A link that is named is what it points at.
    desk.write("plain.yaml", SECRET);
    assert_eq!(
        found(&desk, &desk.file("tree/i-link.yaml")),
        [rule("i-link.yaml", "plaintext-secret")]
    );
    let missing = desk.run(&["lint", &desk.file("missing"), "-o", "json"], &[]);
    assert_eq!(json(&missing)["error"]["reason"], "CannotRead");
}

#[test]
fn g10_what_lost_its_block_and_what_is_sealed_are_called_so() {
    let desk = Desk::new();
    desk.seal();
    let text = std::fs::read_to_string(desk.file("s.yaml")).unwrap();
    desk.write("lost.yaml", text.split("sops:").next().unwrap());
    let reason = |args: &[&str], file: &str| -> Value {
        let file = desk.file(file);
        let all = [args, &[file.as_str(), "-o", "json"]].concat();
        json(&desk.run(&all, &[]))["error"].clone()
    };
    let identity = desk.file("identity");
    let lost = reason(&["open", "-i", &identity], "lost.yaml");
    assert_eq!(lost["reason"], "LostSeal");
    assert!(!lost.to_string().contains("leaked"), "{lost}");
    assert_eq!(reason(&["seal", "-r", &desk.recipient], "lost.yaml")["reason"], "LostSeal");
    assert_eq!(reason(&["seal", "-r", &desk.recipient], "s.yaml")["reason"], "AlreadySealed");
    let list =
        format!("apiVersion: v1\nkind: List\nitems:\n- {}", SECRET.trim().replace('\n', "\n  "));
    desk.write("list.yaml", list);
    let refused = reason(&["seal", "-r", &desk.recipient], "list.yaml");
    assert_eq!(refused["reason"], "NotSecret");
    assert!(refused["message"].as_str().unwrap().contains("v1 List"), "{refused}");
}

#[test]
fn g12_names_that_steer_a_terminal_are_shown_escaped() {
    let desk = Desk::new();
    for name in [b"tree/\x1b]0;owned\x07.yaml".as_slice(), b"tree/caf\xe9.yaml", b"tree/a\nb.yaml"]
    {
        desk.write(OsStr::from_bytes(name), SECRET);
    }
    let plain = |output: &Output| {
        let shown = [output.stdout.as_slice(), &output.stderr].concat();
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        shown
    };
    for format in ["table", "json", "yaml"] {
        let shown = plain(&desk.run(&["lint", &desk.file("tree"), "-o", format], &[]));
        for rule in ["plaintext-secret", "misleading-name"] {
            assert_eq!(shown.matches(rule).count(), 3, "{shown}");
        }
        assert!(shown.contains("u{1b}]0;owned") && shown.contains("xe9.yaml"), "{shown}");
    }
    let evil = "no\u{1b}[31m.yaml";
    let identity = desk.file("identity");
    for args in [
        vec!["lint", evil],
        vec!["seal", "-r", &desk.recipient, evil],
        vec!["open", "-i", &identity, evil],
        vec!["open", "-i", evil, "x.yaml"],
        vec!["keygen", "--out", "no/\u{1b}[31m"],
    ] {
        let shown = plain(&desk.run(&args, &[]));
        assert!(shown.contains("\\u{1b}[31m"), "{args:?}: {shown}");
    }
    let kept = desk.file("k\u{1b}[31m");
    let made = desk.run(&["keygen", "--out", &kept], &[]);
    assert!(made.status.success() && plain(&made).contains("\\u{1b}[31m"));
}
