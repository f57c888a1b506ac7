//! The format seen from outside: fixtures of SOPS 3.13.3, round trips, and every way to tamper.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use jiff::Timestamp;
use regent_manifest::Error;
use regent_manifest::keys::{self, Identities};
use regent_manifest::secret::PlainSecret;
use regent_manifest::sops::{SealOptions, inspect, is_sealed, open, reseal, seal};
use regent_types::Explain;
use serde_json::Value;

const PLAIN: &str = r#"# top comment
apiVersion: v1
kind: Secret
metadata:
  name: db # the name
  namespace: shop
  annotations: {mode: 0644, day: 2024-01-01, ratio: 1_000.50, old: 089, on: yes}
data:
  # was planted-comment before
  user: YWRtaW4=
stringData:
  password: "planted-value"   # planted-inline
  list: [planted-a, "planted b"]
  items:
    - planted-x
    - planted-y
  script: |
    planted-line
      two

  folded: >- # planted-header
    planted
    folded
  empty: ""
  nothing:
  port: 5432
  since: 2024-01-01T00:00:00Z
# the end
type: Opaque
"#;

fn now() -> Timestamp {
    "2026-11-24T01:02:03.5Z".parse().unwrap()
}

struct Key {
    ids: Identities,
    recipient: String,
}

fn key() -> Key {
    let new = keys::generate();
    Key { ids: Identities::parse(new.identity.expose()).unwrap(), recipient: new.recipient }
}

fn sealed(plain: &str, key: &Key) -> String {
    let options = SealOptions::new([key.recipient.clone()], now());
    seal(plain, &options).unwrap()
}

fn values(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn fixture_ids() -> Identities {
    Identities::parse(&fixture("keys.txt")).unwrap()
}

const FIXTURES: [&str; 6] = ["secret", "scalars", "multi", "suffix", "mac-only", "shamir"];

#[test]
fn files_of_sops_open_to_what_sops_opens_them_to() {
    for name in FIXTURES {
        let text = fixture(&format!("{name}.sops.yaml"));
        let opened = open(&text, &fixture_ids()).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let plaintext = opened.plaintext.expose();
        let wanted = fixture(&format!("{name}.plain.yaml"));
        if name == "scalars" {
            // The plain part keeps its spelling here (0644) and not in SOPS (420): the MAC has
            // compared those values already, and what was encrypted is compared now.
            let data = |text: &str| values(&text[text.find("\ndata:").unwrap()..]);
            assert_eq!(data(plaintext), data(&wanted));
        } else {
            assert_eq!(values(plaintext), values(&wanted), "{name}");
        }
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(plaintext), comments(&wanted), "{name}: comments");
        assert!(!plaintext.contains("ENC["), "{name}");
        assert_eq!(opened.mac_only_encrypted, name == "mac-only");
    }
}

#[test]
fn files_of_sops_can_be_inspected_without_keys() {
    let secret = inspect(&fixture("secret.sops.yaml")).unwrap();
    assert_eq!(secret.recipients, fixture_ids().recipients()[..2]);
    assert_eq!(secret.rule, "encrypted_regex: ^(data|stringData)$");
    assert_eq!((secret.version.as_str(), secret.documents), ("3.13.3", 1));
    assert!(secret.plain_under_rule.is_empty() && !secret.mac_only_encrypted);
    let shamir = inspect(&fixture("shamir.sops.yaml")).unwrap();
    assert_eq!((shamir.groups, shamir.threshold, shamir.recipients.len()), (3, 2, 3));
    assert_eq!(inspect(&fixture("multi.sops.yaml")).unwrap().documents, 2);
    let suffix = inspect(&fixture("suffix.sops.yaml")).unwrap();
    assert_eq!(suffix.rule, "unencrypted_suffix: _unencrypted");
}

#[test]
fn shamir_groups_open_at_the_threshold_and_not_below() {
    let (text, ids) = (fixture("shamir.sops.yaml"), fixture_ids());
    let all = ids.recipients();
    for out in &all {
        assert!(open(&text, &ids.without(&[out])).is_ok());
        let one = open(&text, &ids.only(&[out])).unwrap_err();
        let expected = Error::WrongIdentity {
            expected: all.clone(),
            held: vec![out.clone()],
            skipped: Vec::new(),
        };
        assert_eq!(one, expected);
    }
}

#[test]
fn sealing_and_opening_gives_the_same_values_and_keeps_everything_else() {
    let key = key();
    let text = sealed(PLAIN, &key);
    assert!(is_sealed(&text) && !is_sealed(PLAIN) && !is_sealed("a: [") && !is_sealed("sops: 1\n"));
    assert!(!text.contains("planted"), "{text}");
    for kept in ["# top comment\n", "  name: db # the name\n", "{mode: 0644, day: 2024-01-01,"] {
        assert!(text.contains(kept), "{kept}");
    }
    let opened = open(&text, &key.ids).unwrap();
    let plaintext = opened.plaintext.expose();
    assert_eq!(values(plaintext), values(PLAIN));
    assert_eq!(plaintext.matches("planted").count(), PLAIN.matches("planted").count());
    assert!(plaintext.contains("  script: |\n    planted-line\n      two\n"), "{plaintext}");
    assert_eq!(opened.last_modified, "2026-11-24T01:02:03Z");
    assert!(!format!("{opened:?}").contains("planted"));
    let inspected = inspect(&text).unwrap();
    assert_eq!((inspected.recipients, inspected.version), (vec![key.recipient], "3.13.3".into()));
}

#[test]
fn unusual_texts_round_trip() {
    let key = key();
    let head = "kind: Secret\nstringData:\n";
    let long = "x".repeat(100_000);
    let cases = [
        format!("{head}  a: b"),
        format!("{head}  a: |\n    no line end"),
        format!("{head}  a: |2-\n      indented\n    x\n"),
        format!("{head}  a: |+\n    keep\n\n\n"),
        format!("{head}  a:\n    - - x\n      - |\n        y\n    - k: |-\n        z\n"),
        format!("{head}  a:\n  - x\n  - |\n    indentless\n  b: >\n    folded\n\n    more\n"),
        format!("{head}  a:\n    plain over\n    two lines\n"),
        format!("{head}  \"quoted key\": \"\\u00fc\\0\\e\\u2028 \\\"x\\\\\"\n  k: ' lead'\n"),
        format!(
            "{head}  a: \"- not a list\"\n  b: \"# no comment\"\n  c: \"a: b\"\n  d: \"\\t\"\n"
        ),
        format!("{head}  {{a: b}}\n").replace("\n  {", " {"),
        format!(
            "{head}  a:\n    b: c\n    l:\n      # above\n      - >- # header\n        x\n\
             \x20     - y\n"
        ),
        format!("{head}  a: {long}\n"),
        format!("{head}  a: b\r\n  c: |\r\n    d\r\n    e\r\nx: y\r\n"),
        format!("{head}  a: b\n...\n---\n{head}  c: d\n# tail\n"),
        format!("---\n{head}  a: b\n  # at the end"),
        format!("{head}  t: true\n  f: .5\n  i: -0x10\n  n: ~\n  inf: -.inf\n  s: !!str 12\n"),
        format!(
            "{head}  a: \"ENC [x]\"\n  b: \"~\"\n  c: \"null\"\n  d: \"\\n\"\n  e: \"\\n\\nx\\n\"\n"
        ),
    ];
    for plain in cases {
        let shown: String = plain.chars().take(80).collect();
        let text = seal(&plain, &SealOptions::new([key.recipient.clone()], now()))
            .unwrap_or_else(|e| panic!("{shown:?}: {e:?}"));
        let opened = open(&text, &key.ids).unwrap_or_else(|e| panic!("{shown:?}: {e:?}"));
        let again = sealed(opened.plaintext.expose(), &key);
        let twice = open(&again, &key.ids).unwrap();
        assert_eq!(twice.plaintext.expose(), opened.plaintext.expose(), "{shown:?}");
    }
}

/// Documents without an entry are documents to SOPS: each has its block, and is `{}` again.
#[test]
fn g13_empty_documents_are_sealed_and_opened() {
    let key = key();
    let body = "kind: Secret\nstringData:\n  a: b\n";
    let cases = [
        (format!("{{}}\n---\n{body}"), 2),
        (format!("---\n---\n{body}"), 2),
        (format!("--- {{ }} # kept\n--- ~\n---\n{body}---\n"), 4),
        (format!("{body}---\n"), 2),
        (format!("{body}--- {{}}"), 2),
    ];
    for (plain, documents) in cases {
        let text = sealed(&plain, &key);
        assert_eq!(text.matches("sops:\n").count(), documents, "{text}");
        assert_eq!(inspect(&text).unwrap().documents, documents);
        let opened = open(&text, &key.ids).unwrap();
        let plaintext = opened.plaintext.expose();
        assert_eq!(plaintext.matches("{}\n").count(), documents - 1, "{plaintext}");
        assert!(plaintext.contains(body), "{plaintext}");
        assert_eq!(plaintext.contains("# kept"), plain.contains("# kept"));
        let edited = plaintext.replace("a: b", "a: c");
        let again = reseal(&text, &edited, &key.ids, now()).unwrap();
        assert_eq!(*open(&again, &key.ids).unwrap().plaintext.expose(), edited);
    }
    let alone = sealed(body, &key);
    let block = &alone[alone.find("sops:").unwrap()..];
    assert_eq!(open(block, &key.ids).unwrap_err().reason(), "BadMac");
}

#[test]
fn g13_merge_keys_round_trip() {
    let key = key();
    for plain in [
        "stringData:\n  !!merge <<:\n    a: b\n  c: d\n",
        "stringData:\n  <<: {a: b}\n",
        "!!merge <<:\n  stringData: {a: b}\n",
        "stringData:\n  !!str 1: b\n",
    ] {
        let text = sealed(plain, &key);
        assert_eq!(*open(&text, &key.ids).unwrap().plaintext.expose(), plain);
    }
}

#[test]
fn every_recipient_opens_it_and_no_other_identity_does() {
    let (a, b, other) = (key(), key(), key());
    let both = SealOptions::new([a.recipient.clone(), b.recipient.clone()], now());
    let text = seal(PLAIN, &both).unwrap();
    assert!(open(&text, &a.ids).is_ok() && open(&text, &b.ids).is_ok());
    let error = open(&text, &other.ids).unwrap_err();
    assert_eq!(error.reason(), "WrongIdentity");
    let advice = error.advice();
    assert!(advice.expected.contains(&a.recipient) && advice.expected.contains(&b.recipient));
    assert!(advice.found.contains(&other.recipient));
}

/// What is altered, the altered text, and the reasons it may be refused with.
type Alteration = (&'static str, String, &'static str);

/// The token behind `name` in a sealed text.
fn token(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
    line[line.find("ENC[").unwrap()..=line.rfind(']').unwrap()].to_owned()
}

fn swapped(text: &str, a: &str, b: &str) -> String {
    text.replace(a, "@@").replace(b, a).replace("@@", b)
}

fn tokens_altered(text: &str) -> Vec<Alteration> {
    let password = token(text, "password:");
    let flip = |field: &str| {
        let at = password.find(field).unwrap() + field.len() + 2;
        let with = if &password[at..=at] == "A" { "B" } else { "A" };
        let mut altered = password.clone();
        altered.replace_range(at..=at, with);
        text.replace(&password, &altered)
    };
    vec![
        ("data of a token", flip("data:"), "BadCiphertext"),
        ("iv of a token", flip("iv:"), "BadCiphertext"),
        ("tag of a token", flip("tag:"), "BadCiphertext"),
        (
            "type of a token",
            text.replace(&password, &password.replace("str]", "int]")),
            "BadCiphertext",
        ),
        (
            "type only told differently",
            text.replace(&password, &password.replace("str]", "bytes]")),
            "still opens",
        ),
        ("a token cut short", text.replace(&password, &password[..50]), "BadCiphertext"),
        ("text behind a token", text.replace(&password, &format!("{password}x")), "BadCiphertext"),
        (
            "a comment",
            text.replacen("#ENC[AES256_GCM,data:", "#ENC[AES256_GCM,data:AAAA", 1),
            "BadCiphertext",
        ),
    ]
}

fn values_altered(text: &str) -> Vec<Alteration> {
    let password = token(text, "password:");
    let [x, y] = [1, 2].map(|n| {
        let items = text.split("items:\n").nth(1).unwrap();
        let line = items.lines().nth(n - 1).unwrap();
        line.trim().trim_start_matches("- ").to_owned()
    });
    let user = token(text, "user:");
    vec![
        ("two values swapped", swapped(text, &password, &user), "BadCiphertext"),
        ("two list items swapped", swapped(text, &x, &y), "BadMac"),
        ("a list item doubled", text.replace(&x, &y), "BadMac"),
        ("an encrypted value made empty", text.replace(&password, "\"\""), "BadMac"),
        ("an encrypted value made null", text.replace(&password, ""), "BadMac"),
        ("an encrypted value made plain", text.replace(&password, "mine"), "PlainUnderRule"),
        ("an encrypted value made a number", text.replace(&password, "5"), "PlainUnderRule"),
        (
            "a value added under the rule",
            text.replace("data:\n", "data:\n  more: eA==\n"),
            "PlainUnderRule",
        ),
        ("namespace", text.replace("namespace: shop", "namespace: other"), "BadMac"),
        ("name", text.replace("name: db", "name: db2"), "BadMac"),
        ("a label added", text.replace("metadata:\n", "metadata:\n  labels: {a: b}\n"), "BadMac"),
        ("a plain value removed", text.replace("type: Opaque\n", ""), "BadMac"),
        ("an octal respelled as text", text.replace("0644", "'0644'"), "BadMac"),
    ]
}

fn metadata_altered(text: &str) -> Vec<Alteration> {
    let (mac, password) = (token(text, "mac:"), token(text, "password:"));
    vec![
        ("the time", text.replace("01:02:03Z", "01:02:04Z"), "BadMac"),
        ("the MAC of another value", text.replace(&mac, &password), "BadMac"),
        ("the MAC removed", text.replace(&format!("    mac: {mac}\n"), ""), "BadMetadata"),
        ("the rule widened", text.replace("^(data|stringData)$", "data"), "PlainUnderRule"),
        ("the rule narrowed", text.replace("^(data|stringData)$", "^data$"), "BadMac"),
        ("the rule broken", text.replace("^(data|stringData)$", "^("), "NotYaml|BadRule"),
        (
            "a second rule",
            text.replace("    version:", "    encrypted_suffix: x\n    version:"),
            "BadRule",
        ),
        (
            "mac_only_encrypted",
            text.replace("    version:", "    mac_only_encrypted: true\n    version:"),
            "BadMac",
        ),
        ("the sops block removed", text[..text.find("sops:").unwrap()].to_owned(), "LostSeal"),
        ("another document put before it", format!("a: b\n---\n{text}"), "LostSeal"),
    ]
}

#[test]
fn every_kind_of_tampering_is_found() {
    let key = key();
    let text = sealed(PLAIN, &key);
    let all = [tokens_altered(&text), values_altered(&text), metadata_altered(&text)].concat();
    for (what, altered, reasons) in all {
        assert_ne!(altered, text, "{what}: nothing was altered");
        match open(&altered, &key.ids) {
            Ok(_) => assert_eq!(reasons, "still opens", "{what}"),
            Err(error) => {
                assert!(reasons.split('|').any(|r| r == error.reason()), "{what}: {error:?}");
                let shown = format!("{error} {error:?} {}", error.advice());
                assert!(!shown.contains("planted"), "{what}");
            }
        }
    }
}

#[test]
fn a_value_of_one_file_does_not_open_in_another() {
    let key = key();
    let (a, b) = (sealed(PLAIN, &key), sealed(PLAIN, &key));
    let line =
        |text: &str| text.lines().find(|line| line.starts_with("  password:")).unwrap().to_owned();
    let mixed = a.replace(&line(&a), &line(&b));
    assert_eq!(open(&mixed, &key.ids).unwrap_err().reason(), "BadCiphertext");
}

#[test]
fn what_cannot_be_sealed_safely_is_refused() {
    let key = key();
    let text = sealed(PLAIN, &key);
    let options = SealOptions::new([key.recipient.clone()], now());
    let reason = |plain: &str, options: &SealOptions| seal(plain, options).unwrap_err().reason();
    assert_eq!(reason(&text, &options), "AlreadySealed");
    let inner = format!(
        "stringData:\n  a: {}\n",
        text.split("password: ").nth(1).unwrap().lines().next().unwrap()
    );
    assert_eq!(reason(&inner, &options), "LostSeal");
    assert_eq!(reason("data:\n  a: \"ENC[AES256_GCM,data:\"\n", &options), "AlreadySealed");
    assert_eq!(reason("kind: ConfigMap\ndat: {}\n", &options), "NothingToSeal");
    assert_eq!(reason(r#"{"data": {"a": "b"}}"#, &options), "Unsupported");
    assert_eq!(reason("data:\n  a: !!int 5\n", &options), "Unsupported");
    assert_eq!(reason("data:\n  a: &x y\n  b: *x\n", &options), "Unsupported");
    assert_eq!(reason("data:\n  a: 18446744073709551615\n", &options), "Unsupported");
    assert_eq!(reason("data:\n  a: b\nz: |\n  open end", &options), "Unsupported");
    let none = SealOptions::new(Vec::<String>::new(), now());
    assert_eq!(reason(PLAIN, &none), "NoRecipients");
    let mut broken = options.clone();
    broken.encrypted_regex = "(".to_owned();
    assert_eq!(reason(PLAIN, &broken), "BadRule");
    broken.encrypted_regex = String::new();
    assert_eq!(reason(PLAIN, &broken), "BadRule");
}

#[test]
fn a_reseal_changes_only_what_changed() {
    let key = key();
    let old = sealed(PLAIN, &key);
    let plain = open(&old, &key.ids).unwrap();
    let same = reseal(&old, plain.plaintext.expose(), &key.ids, now()).unwrap();
    assert_eq!(same, old);
    let edited = plain.plaintext.expose().replace("planted-value", "planted-new");
    let later = "2026-11-25T00:00:00Z".parse().unwrap();
    let new = reseal(&old, &edited, &key.ids, later).unwrap();
    let changed: Vec<&str> = old
        .lines()
        .zip(new.lines())
        .filter(|(a, b)| a != b)
        .map(|(a, _)| a.trim().split(':').next().unwrap())
        .collect();
    assert_eq!(changed, ["password", "lastmodified", "mac"]);
    assert_eq!(*open(&new, &key.ids).unwrap().plaintext.expose(), edited);
    let other = self::key();
    assert_eq!(reseal(&old, &edited, &other.ids, now()).unwrap_err().reason(), "WrongIdentity");
}

#[test]
fn files_of_sops_reseal_with_their_rule_recipients_and_groups() {
    let ids = fixture_ids();
    for name in FIXTURES {
        let text = fixture(&format!("{name}.sops.yaml"));
        let before = inspect(&text).unwrap();
        let plain = open(&text, &ids).unwrap();
        let edited = format!("{}added: here\n", plain.plaintext.expose());
        let new = reseal(&text, &edited, &ids, now()).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let after = inspect(&new).unwrap();
        assert_eq!((after.rule, after.recipients), (before.rule, before.recipients), "{name}");
        assert_eq!(*open(&new, &ids).unwrap().plaintext.expose(), edited, "{name}");
    }
}

#[test]
fn an_opened_manifest_reads_as_a_secret() {
    let ids = fixture_ids();
    let opened = open(&fixture("secret.sops.yaml"), &ids).unwrap();
    let secret = PlainSecret::parse(&opened.plaintext).unwrap();
    assert_eq!((secret.name.as_str(), secret.namespace.as_deref()), ("db", Some("shop")));
    assert_eq!(secret.data["a"].expose(), b"hello");
    assert_eq!(secret.data["b"].expose(), b"binary");
    assert_eq!(secret.data["password"].expose(), b"pa:ss #word");
    assert_eq!(secret.data["kept"].expose(), b"keep\n\n");
    assert_eq!(secret.data["word"].expose(), b"yes");
    assert_eq!(secret.labels["app"], "yes");
}

#[test]
fn other_master_keys_are_named_when_they_are_all_there_is() {
    let text = "data:\n  a: b\nsops:\n\
                \x20 pgp:\n    - fp: AB\n      enc: x\n  lastmodified: \"2026-01-01T00:00:00Z\"\n  mac: x\n";
    let error = open(text, &key().ids).unwrap_err();
    assert!(error.to_string().contains("pgp"), "{error}");
    assert_eq!(inspect(text).unwrap().other_master_keys, ["pgp"]);
}

/// A limit of the SOPS format, kept in sight: the MAC hashes plain values without keys or lengths.
/// What ties a manifest to its namespace against a writer of Git is an identity per namespace.
#[test]
fn plain_values_next_to_each_other_are_bound_as_one_text_only() {
    let key = key();
    let text = sealed(PLAIN, &key);
    let moved = text.replace("namespace: shop\n", "namespace: sh\n  labels: {rest: op}\n");
    assert!(open(&moved, &key.ids).is_ok());
}
