//! What a repository comes to: tables over files, and one real repository on disk.

use std::collections::BTreeMap;

use regent_api::git_source::InventoryItem;
use regent_types::{Explain, labels};
use serde_json::{Value, json};

use super::IntentError;
use super::apply::{Decision, decide};
use super::compile::{Beyond, Compiled, compile};
use super::fetch::{Copies, Wanted, look};
use super::location::Location;
use super::object::{Marks, SOURCE_HASH, Writer};
use super::scan::scan;
use super::status::{Synced, next};
use crate::gitrepo;

const SEALED: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n\
                      stringData:\n  password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n\
                      sops:\n  mac: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: payments}\n";

fn marks() -> Marks {
    Marks {
        source: "regent-system.platform".into(),
        repository: "https://git.example.org/platform".into(),
        commit: "0123456789abcdef".into(),
    }
}

fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect()
}

fn compiled(all: &[(&str, &str)]) -> Compiled {
    compile(&files(all), &marks(), Beyond::Refuse).unwrap()
}

fn config(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         data: {{a: b}}\n"
    )
}

/// S5.2-1, S5.2-2: a sealed Secret becomes an EncryptedManifest, byte for byte.
#[test]
fn a_sealed_secret_becomes_an_encrypted_manifest_with_its_text_and_source() {
    let done = compiled(&[("apps/db.yaml", SEALED)]);
    let object = &done.objects[0];
    assert_eq!(object.item.kind, "EncryptedManifest");
    assert_eq!((object.item.namespace.as_str(), object.item.name.as_str()), ("payments", "db"));
    assert_eq!(object.body["spec"]["sops"], json!(SEALED));
    let source = json!({
        "repository": "https://git.example.org/platform",
        "commit": "0123456789abcdef",
        "file": "apps/db.yaml",
    });
    assert_eq!(object.body["spec"]["source"], source);
}

#[test]
fn namespaces_come_first_and_other_yaml_is_passed_over() {
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let done = compiled(&[
        ("a.yaml", &config("payments", "a")),
        ("b.yaml", SEALED),
        ("kustomization.yaml", kustomization),
        (".sops.yaml", "creation_rules: []\n"),
        ("z.yaml", NAMESPACE),
    ]);
    let kinds: Vec<&str> = done.objects.iter().map(|o| o.item.kind.as_str()).collect();
    assert_eq!(kinds, ["Namespace", "EncryptedManifest", "ConfigMap"]);
    assert_eq!(done.passed_over, 2);
}

#[test]
fn a_list_is_its_items() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "apps"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "apps"}},
    ]});
    assert_eq!(compiled(&[("l.json", &list.to_string())]).objects.len(), 2);
}

/// C4-1, S5.2-5: the whole sync is refused, with file, line and reason.
#[test]
fn what_intent_may_not_write_refuses_the_whole_sync() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n";
    let plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: apps}\n";
    let listed = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  \
                  metadata: {name: a, namespace: apps}\n";
    let stray = config("apps", "a").replace("a: b", "a: 'ENC[AES256_GCM,data:x]'");
    let moved = "apiVersion: regent.dev/v1alpha1\nkind: EncryptedManifest\n\
                 metadata: {name: other, namespace: payments}\nspec:\n  sops: |\n"
        .to_owned()
        + &SEALED.lines().map(|l| format!("    {l}\n")).collect::<String>();
    let hollow = "apiVersion: regent.dev/v1alpha1\nkind: EncryptedManifest\n\
                  metadata: {name: a, namespace: apps}\nspec:\n  sops: |\n    apiVersion: v1\n    \
                  kind: Secret\n    metadata: {name: a, namespace: apps}\n";
    let own = config(labels::SYSTEM_NAMESPACE, "regent-sealed-shares");
    let hidden = SEALED.replace("name: db", "name: ENC[AES256_GCM,data:x]");
    let cases: [(&str, &str, &str); 14] = [
        (
            "workload",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
            "ForbiddenKind",
        ),
        ("rights", role, "ForbiddenKind"),
        ("own namespace", &own, "ForbiddenKind"),
        ("plain Secret", plain, "PlaintextSecret"),
        ("plain Secret in a list", listed, "PlaintextSecret"),
        ("manifest of a plain Secret", hollow, "PlaintextSecret"),
        ("manifest of another Secret", &moved, "InvalidManifest"),
        ("ciphertext elsewhere", &stray, "InvalidManifest"),
        ("no namespace", &config("''", "a"), "InvalidManifest"),
        ("a namespace that is no text", &config("n", "a"), "InvalidManifest"),
        ("no name", "apiVersion: v1\nkind: Namespace\n", "InvalidManifest"),
        ("sealed name", &hidden, "InvalidManifest"),
        ("sealed beside another", &format!("{SEALED}---\n{NAMESPACE}"), "InvalidManifest"),
        ("not YAML", "a: [\n", "InvalidManifest"),
    ];
    for (name, text, reason) in cases {
        let all = files(&[("0.yaml", NAMESPACE), ("bad/f.yaml", &format!("# head\n---\n{text}"))]);
        let errors = compile(&all, &marks(), Beyond::Refuse).unwrap_err();
        assert_eq!(errors[0].reason(), reason, "{name}: {errors:?}");
        assert!(errors[0].to_string().starts_with("bad/f.yaml:"), "{name}: {}", errors[0]);
    }
}

#[test]
fn one_object_twice_is_refused_with_both_places() {
    let sealed_again = "apiVersion: regent.dev/v1alpha1\nkind: EncryptedManifest\n\
                        metadata: {name: db, namespace: payments}\nspec:\n  sops: |\n"
        .to_owned()
        + &SEALED.lines().map(|l| format!("    {l}\n")).collect::<String>();
    let all = files(&[("a.yaml", SEALED), ("b.yaml", &sealed_again)]);
    let errors = compile(&all, &marks(), Beyond::Refuse).unwrap_err();
    let text = errors[0].to_string();
    assert_eq!(text, "b.yaml:1: EncryptedManifest payments/db is declared at a.yaml:1 already");
}

#[test]
fn an_account_takes_other_kinds_but_never_a_plain_secret() {
    let deployment =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: apps}\n";
    let done = compile(&files(&[("a.yaml", deployment)]), &marks(), Beyond::Account).unwrap();
    assert!(matches!(done.objects[0].writer, Writer::Account(_)));
    let plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: apps}\n";
    let errors = compile(&files(&[("a.yaml", plain)]), &marks(), Beyond::Account).unwrap_err();
    assert_eq!(errors[0].reason(), "PlaintextSecret");
}

#[test]
fn an_object_is_written_only_when_its_text_or_its_live_form_differs() {
    let all = [("a.yaml", config("apps", "a"))];
    let all: Vec<(&str, &str)> = all.iter().map(|(p, t)| (*p, t.as_str())).collect();
    let one = compiled(&all).objects.remove(0);
    let later = Marks { commit: "fedcba".into(), ..marks() };
    let same = compile(&files(&all), &later, Beyond::Refuse).unwrap().objects.remove(0);
    assert_eq!(one.hash, same.hash);
    let source = marks().source;
    let live = |change: &dyn Fn(&mut Value)| {
        let mut live = one.body.clone();
        live["metadata"]["uid"] = json!("u");
        change(&mut live);
        live
    };
    let cases: [(&str, Option<Value>, Decision); 5] = [
        ("absent", None, Decision::Apply),
        ("as applied, from an older commit", Some(live(&|_| ())), Decision::Leave),
        ("changed by hand", Some(live(&|l| l["data"]["a"] = json!("c"))), Decision::Apply),
        (
            "other text in Git",
            Some(live(&|l| l["metadata"]["annotations"][SOURCE_HASH] = json!("0"))),
            Decision::Apply,
        ),
        (
            "of another source",
            Some(live(&|l| l["metadata"]["labels"][labels::SOURCE] = json!("x.y"))),
            Decision::Claimed("x.y".into()),
        ),
    ];
    for (name, live, expected) in cases {
        assert_eq!(decide(live.as_ref(), &same, &source), expected, "{name}");
    }
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

fn local(dir: &std::path::Path) -> Wanted {
    Wanted {
        location: Location::Local(dir.to_owned()),
        reference: "main".into(),
        account: None,
        cache_dir: dir.to_owned(),
    }
}

/// S5.2-5: a repository that holds a private key is refused, wherever the key is.
#[test]
fn a_private_key_anywhere_refuses_the_repository() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    let mut all: BTreeMap<String, Vec<u8>> =
        [("platform/ns.yaml".to_owned(), NAMESPACE.into())].into();
    gitrepo::create(&dir, &all, "m", at(5)).unwrap();
    let wanted = local(&dir);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let head = look(&wanted, &Copies::default(), &stop).unwrap();
    let clean = scan(&head, "platform").unwrap();
    assert!(clean.findings.is_empty());
    assert_eq!(clean.files.keys().collect::<Vec<_>>(), ["platform/ns.yaml"]);

    let key = format!("# notes\n-----BEGIN {} KEY-----\nabc\n", "PRIVATE");
    all.insert("docs/notes.txt".into(), key.into_bytes());
    let changes = all.into_iter().map(|(p, b)| (p, Some(b))).collect();
    gitrepo::commit(&dir, &changes, "leak", at(6)).unwrap();
    let head = look(&wanted, &Copies::default(), &stop).unwrap();
    let found = scan(&head, "platform").unwrap().findings;
    assert_eq!(found[0].reason(), "PrivateKey");
    assert!(found[0].to_string().starts_with("docs/notes.txt:"), "{}", found[0]);
}

#[test]
fn a_status_that_says_the_same_is_the_same() {
    let item = InventoryItem {
        api_version: "v1".into(),
        kind: "Namespace".into(),
        namespace: String::new(),
        name: "payments".into(),
    };
    let whole = Synced::Whole {
        revision: "abc".into(),
        inventory: vec![item],
        message: "1 objects of commit abc".into(),
    };
    let first = next(&Default::default(), &whole, Some(1), at(10));
    assert_eq!(next(&first, &whole, Some(1), at(20)), first);
    let error = IntentError::Empty { path: "a".into(), commit: "def".into() };
    let empty = Synced::Not { error, more: 0, inventory: None };
    let refused = next(&first, &empty, Some(1), at(30));
    assert_eq!(refused.inventory, first.inventory);
    assert_eq!(refused.revision.as_deref(), Some("abc"));
    assert_eq!(refused.conditions[0].reason, "EmptySource");
    assert_eq!(next(&refused, &empty, Some(1), at(40)), refused);
}
