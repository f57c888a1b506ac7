//! What is found, and what is not a finding.

use super::*;
use crate::keys::generate;
use crate::sops::{SealOptions, seal};

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  a: planted-value\n";

fn rules(path: &str, text: &str) -> Vec<(usize, &'static str)> {
    let found = lint_file(path, text);
    assert!(!format!("{found:?}").contains("planted-value"));
    found.iter().map(|finding| (finding.line, finding.rule)).collect()
}

fn sealed() -> String {
    let options = SealOptions::new([generate().recipient], jiff::Timestamp::UNIX_EPOCH);
    seal(SECRET, &options).unwrap()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[test]
fn a_plaintext_secret_is_found_wherever_it_stands() {
    assert_eq!(rules("a.yaml", SECRET), [(6, PLAINTEXT_SECRET)]);
    assert_eq!(rules("a.txt", SECRET), []);
    let list = "apiVersion: v1\nkind: List\nitems:\n\
         - apiVersion: v1\n  kind: Secret\n  data:\n    a: eA==\n";
    assert_eq!(rules("a.yml", list), [(7, PLAINTEXT_SECRET)]);
    let second = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n---\n{SECRET}");
    assert_eq!(rules("a.yaml", &second), [(11, PLAINTEXT_SECRET)]);
    let json = r#"{"apiVersion":"v1","kind":"Secret","data":{"a":"eA=="}}"#;
    assert_eq!(rules("a.json", json), [(1, PLAINTEXT_SECRET)]);
    let template = "kind: Secret\nstringData:\n  a: {{ .Values.a }}: b\n";
    assert_eq!(rules("a.yaml", template), [(1, PLAINTEXT_SECRET)]);
    assert_eq!(rules("a.yaml", "apiVersion: v1\nkind: Secret\ndata: {}\n"), []);
}

#[test]
fn a_sealed_secret_is_fine_until_a_value_is_plain() {
    let sealed = sealed();
    assert_eq!(rules("a.yaml", &sealed), []);
    let added = sealed.replace("sops:\n", "data:\n  b: eA==\nsops:\n");
    assert_eq!(rules("a.yaml", &added), [(8, PLAIN_UNDER_RULE)]);
    let outside = added.replace("^(data|stringData)$", "^stringData$");
    assert_eq!(rules("a.yaml", &outside), [(8, PLAINTEXT_SECRET)]);
    let broken = sealed.replace("^(data|stringData)$", "\"(\"");
    assert_eq!(rules("a.yaml", &broken), [(7, BROKEN_SEAL)]);
}

#[test]
fn an_encrypted_manifest_is_looked_into() {
    let head = "apiVersion: regent.dev/v1alpha1\nkind: EncryptedManifest\nspec:\n  sops: |\n";
    assert_eq!(rules("a.yaml", &format!("{head}{}", indented(&sealed()))), []);
    let plain = rules("a.yaml", &format!("{head}{}", indented(SECRET)));
    assert_eq!(plain, [(5, BROKEN_SEAL), (10, PLAINTEXT_SECRET)]);
}

#[test]
fn a_trigger_that_says_on_is_told_to_say_source() {
    let trigger = |field: &str| {
        format!(
            "apiVersion: regent.dev/v1alpha1\nkind: EventTrigger\nspec:\n  workflow: on\n  \
             {field}:\n    stage: Runtime\n"
        )
    };
    for field in ["on", "\"on\"", "On", "ON", "true"] {
        assert_eq!(rules("a.yaml", &trigger(field)), [(5, RENAMED_FIELD)], "{field}");
    }
    assert_eq!(rules("a.yaml", &trigger("source")), []);
    let second = format!("a: b\n---\n{}", trigger("on"));
    assert_eq!(rules("a.yaml", &second), [(7, RENAMED_FIELD)]);
    let foreign = trigger("on").replace("regent.dev", "actions.example");
    assert_eq!(rules("a.yaml", &foreign), []);
    let flow =
        "{apiVersion: regent.dev/v1alpha1, kind: EventTrigger, spec: {on: {stage: Runtime}}}";
    assert_eq!(rules("a.yaml", flow), [(1, RENAMED_FIELD)]);
    let found = lint_file("a.yaml", &trigger("on"));
    assert!(found[0].message.contains("spec.source") && found[0].advice.contains("source"));
}

#[test]
fn private_keys_are_found_in_any_file_and_mentions_are_not() {
    let key = generate();
    let text = format!("# note\n{}\n", key.identity.expose());
    assert_eq!(rules("notes.md", &text), [(2, PRIVATE_KEY)]);
    let pem = |kind: &str| format!("x: |\n  -----BEGIN {kind}PRIVATE KEY-----\n");
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        assert_eq!(rules("a.yaml", &pem(kind)), [(2, PRIVATE_KEY)], "{kind}");
    }
    assert_eq!(rules("a.md", "lines that start with AGE-SECRET-KEY-1…\n"), []);
    assert_eq!(rules("a.md", "-----BEGIN PUBLIC KEY-----\n"), []);
}

const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n";

/// A Secret in plain text is found however its YAML is written.
#[test]
fn g09_a_plaintext_secret_is_found_in_every_spelling() {
    let value = "stringData:\n  a: planted-value\n";
    let token = "ENC[AES256_GCM,data:QQ==,iv:QQ==,tag:QQ==,type:str]";
    let cases = [
        ("an anchor on the kind", format!("apiVersion: v1\nkind: &k Secret\n{value}"), 4),
        ("an alias as the kind", format!("apiVersion: v1\nx: &k Secret\nkind: *k\n{value}"), 5),
        ("a tag on the kind", format!("apiVersion: v1\nkind: !!str Secret\n{value}"), 4),
        ("a tag of one's own", format!("apiVersion: v1\nkind: !mine Secret\n{value}"), 4),
        ("an escape in the kind", format!("apiVersion: v1\nkind: \"\\x53ecret\"\n{value}"), 4),
        ("a key in quotes", format!("'apiVersion': v1\n\"kind\": 'Secret'\n{value}"), 4),
        ("a kind on the next line", format!("apiVersion: v1\nkind:\n  Secret\n{value}"), 5),
        ("a complex key", format!("apiVersion: v1\n? kind\n: Secret\n{value}"), 5),
        ("no apiVersion, as in a patch", format!("kind: Secret\n{value}"), 3),
        ("a kind said twice", format!("{HEAD}{value}kind: ConfigMap\n"), 6),
        ("a directive", format!("%YAML 1.2\n---\n{HEAD}{value}"), 8),
        ("a byte order mark", format!("\u{feff}{HEAD}{value}"), 6),
        ("a number as another key", format!("{HEAD}1: a\n{value}"), 7),
        ("a merge of the kind", format!("x: &x {{kind: Secret, apiVersion: v1}}\n<<: *x\n{value}"), 4),
        ("a merge of the data", format!("x: &x {{a: planted-value}}\n{HEAD}data:\n  <<: *x\n"), 1),
        ("a merge of several", format!("x: &x {{a: planted-value}}\n{HEAD}data:\n  <<: [*x]\n"), 1),
        ("a merge with a tag", format!("{HEAD}data:\n  !!merge <<: {{a: planted-value}}\n"), 6),
        ("an alias as the value", format!("x: &x planted-value\n{HEAD}data:\n  a: *x\n"), 1),
        ("an alias as the data", format!("x: &x\n  a: planted-value\n{HEAD}stringData: *x\n"), 2),
        ("an anchor beside ciphertext", format!("{HEAD}{value}  b: &x {token}\n  c: *x\n"), 6),
        ("ciphertext beside it", format!("{HEAD}{value}x: \"ENC[AES256_GCM,data:\"\n"), 6),
        ("what only begins as ciphertext", format!("{HEAD}data:\n  a: ENC[AES256_GCM,data:planted-value\n"), 6),
        ("a list of Secrets", "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n  data:\n    a: planted-value\n".to_owned(), 6),
        ("a List as an alias", "x: &x\n- apiVersion: v1\n  kind: Secret\n  data: {a: planted-value}\napiVersion: v1\nkind: List\nitems: *x\n".to_owned(), 4),
        ("a list at the root", "- apiVersion: v1\n  kind: Secret\n  data:\n    a: planted-value\n".to_owned(), 4),
        ("a value in a list", format!("{HEAD}data:\n  a: [{{b: planted-value}}]\n"), 6),
    ];
    for (what, text, line) in cases {
        let found = rules("a.yaml", &text);
        assert!(found.contains(&(line, PLAINTEXT_SECRET)), "{what}: {found:?}");
    }
    let deep = "a: ".to_owned() + &"[".repeat(40) + &"]".repeat(40);
    assert_eq!(rules("a.yaml", &format!("{HEAD}{value}{deep}\n")), [(6, PLAINTEXT_SECRET)]);
    let many = "- x\n".repeat(20_000);
    let second = format!("list:\n{many}---\n{HEAD}{value}");
    assert_eq!(rules("a.yaml", &second), [(20_008, PLAINTEXT_SECRET)]);
}

#[test]
fn g09_what_only_looks_like_a_secret_is_none() {
    let fine = [
        "base: &base\n  image: x\nservices:\n  a: {<<: *base}\n",
        "apiVersion: example.org/v1\nkind: Secret\ndata:\n  a: x\n",
        "valuesFrom:\n- kind: Secret\n  name: x\ndata: y\n",
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  kind: Secret\n",
        "apiVersion: v1\nkind: Secret\ndata: &d\n  a:\n  b: ~\n  c: \"\"\nx: *d\n",
        "1: a\n? [b]\n: c\n",
        "- a\n",
        "text\n",
        "",
        "# only a comment\n",
        "---\n---\n",
    ];
    for text in fine {
        assert_eq!(rules("a.yaml", text), [], "{text}");
    }
    assert_eq!(rules("tsconfig.json", "{\n  // as editors write it\n  \"a\": 1,\n}\n"), []);
    assert_eq!(rules("a.yaml", "a: {{ .Values.a }}: b\n"), [], "a template without a Secret");
}

/// What was not looked at is a finding, whatever the reason.
#[test]
fn g09_what_is_not_looked_at_is_said() {
    let told = |path: &str, bytes: &[u8]| -> Vec<(usize, &'static str)> {
        let found = lint_bytes(path, bytes);
        assert!(!format!("{found:?}").contains("planted-value"));
        found.iter().map(|finding| (finding.line, finding.rule)).collect()
    };
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)
    });
    let merges = (1..30).fold("a0: &a0 {x: y}\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} {{<<: [*a{0}, *a{0}]}}\n", n - 1)
    });
    let chain = (1..5_000)
        .fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
    let nested = format!("a: {}{}\n", "[".repeat(500), "]".repeat(500));
    let cases = [
        ("broken", "a: [1\nb: planted-value\n".to_owned()),
        ("an alias of nothing", "a: *x\n".to_owned()),
        ("an alias of itself", "a: &x [*x]\n".to_owned()),
        ("aliases that multiply", bomb),
        ("merges that multiply", merges),
        ("aliases that nest", chain),
        ("nested too deeply", nested),
        ("too large", format!("{SECRET}# {}\n", "x".repeat(MANIFEST_BYTES_MAX))),
        ("a broken sealed Secret", sealed().replace("data:\n", "data:\n\t")),
    ];
    for (what, text) in cases {
        let found = told("a.yaml", text.as_bytes());
        assert!(matches!(found.as_slice(), [(_, NOT_LOOKED_AT)]), "{what}: {found:?}");
    }
    let wide = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{SECRET}").encode_utf16().flat_map(unit).collect()
    };
    for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
        assert_eq!(told("a.yaml", &bytes), [(1, NOT_LOOKED_AT), (6, PLAINTEXT_SECRET)]);
        assert_eq!(told("a.txt", &bytes), []);
    }
    let key = generate();
    let notes: Vec<u8> = format!("\u{feff}a\n{}", key.identity.expose())
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(told("notes.txt", &notes), [(2, PRIVATE_KEY)]);
}

#[test]
fn g08_a_manifest_that_is_not_utf8_is_refused_at_its_byte() {
    let bytes = [SECRET.as_bytes(), b"  b: caf\xe9\n"].concat();
    let found = lint_bytes("a.yaml", &bytes);
    let expected = format!(
        "not looked at: not UTF-8 text but another encoding, at byte {} (line 7)",
        SECRET.len() + 8
    );
    assert_eq!((found[0].line, found[0].rule, &found[0].message), (7, NOT_LOOKED_AT, &expected));
    assert!(found.iter().any(|finding| finding.rule == PLAINTEXT_SECRET));
    assert_eq!(lint_bytes("image.png", b"\x89PNG\xff\n\xe9"), []);
    let key = generate();
    let mixed = [b"\xe9\n".as_slice(), key.identity.expose().as_bytes(), b"\xff"].concat();
    let found = lint_bytes("any.bin", &mixed);
    assert_eq!((found.len(), found[0].line, found[0].rule), (1, 2, PRIVATE_KEY));
}

/// A sealed file that cannot be opened is called what it is, and not a leak.
#[test]
fn g10_a_lost_block_and_a_sealed_list_have_their_names() {
    let sealed = sealed();
    let lost = sealed[..sealed.find("sops:").unwrap()].to_owned();
    let found = lint_file("a.yaml", &lost);
    assert_eq!((found.len(), found[0].line, found[0].rule), (1, 6, BROKEN_SEAL));
    assert_eq!(
        found[0].message,
        "stringData.a is ciphertext, but the manifest has lost its sops block"
    );
    assert!(found[0].advice.contains("Git's history"));
    let anchored = lost.replace("kind: Secret", "kind: &k Secret");
    assert_eq!(rules("a.yaml", &anchored), [(6, BROKEN_SEAL)]);
    let partly = format!("{lost}  b: planted-value\n");
    assert_eq!(rules("a.yaml", &partly), [(6, BROKEN_SEAL), (7, PLAINTEXT_SECRET)]);
    let later = format!("a: b\n---\n{sealed}");
    assert_eq!(rules("a.yaml", &later), [(9, BROKEN_SEAL)]);

    let options = SealOptions::new([generate().recipient], jiff::Timestamp::UNIX_EPOCH);
    for kind in ["List", "SecretList"] {
        let list = format!(
            "apiVersion: v1\nkind: {kind}\nitems:\n- apiVersion: v1\n  kind: Secret\n  \
             stringData:\n    a: planted-value\n"
        );
        let found = lint_file("a.yaml", &seal(&list, &options).unwrap());
        assert_eq!((found.len(), found[0].rule), (1, BROKEN_SEAL), "{kind}: {found:?}");
        assert!(found[0].message.contains("one Secret"), "{}", found[0].message);
    }
    let unread = sealed.replace("metadata:\n", "metadata: &m\n");
    let found = lint_file("a.yaml", &unread);
    assert_eq!((found.len(), found[0].rule, found[0].line), (1, BROKEN_SEAL, 4), "{found:?}");
    assert!(found[0].message.contains("does not read this sealed file"), "{}", found[0].message);
    let values = unread.replace("kind: Secret", "kind: Values");
    assert_eq!(rules("a.yaml", &values), [(4, NOT_LOOKED_AT)]);
}
