//! What a repository comes to: tables over files, and one real repository on disk.

use std::collections::BTreeMap;

use regent_api::git_source::InventoryItem;
use regent_types::{Explain, labels};
use serde_json::{Value, json};

use super::IntentError;
use super::apply::{Decision, decide};
use super::compile::{Beyond, Compiled, compile};
use super::fetch::{Copies, Wanted, look};
use super::inventory::Stored;
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

/// What compiles without a problem.
fn compiled(all: &[(&str, &str)]) -> Compiled {
    let done = compile(&files(all), &marks(), Beyond::Refuse);
    assert!(done.problems.is_empty(), "{}", done.problems.message());
    done
}

/// The worst problem of `all`, and the names of what is applied all the same.
fn refused(all: &[(&str, &str)]) -> (&'static str, String, Vec<String>) {
    let done = compile(&files(all), &marks(), Beyond::Refuse);
    let names = done.objects.iter().map(|o| o.item.name.clone()).collect();
    let first = done.problems.first().unwrap();
    (first.reason(), first.to_string(), names)
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
    let passed_over: Vec<String> = done.passed_over.iter().map(ToString::to_string).collect();
    assert_eq!(passed_over, [".sops.yaml:1"]);
}

#[test]
fn a_list_is_its_items() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "apps"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "apps"}},
    ]});
    assert_eq!(compiled(&[("l.json", &list.to_string())]).objects.len(), 2);
}

/// C4-1, S5.2-5, G6: refused with file, line and reason; everything else goes on.
#[test]
fn g06_what_intent_may_not_write_is_refused_at_its_line_and_stops_nothing_else() {
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
    let cases: [(&str, &str, &str); 17] = [
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
        ("text in place of an object", "see the other branch\n", "InvalidManifest"),
        (
            "a mistyped apiVersion",
            "apiVerison: v1\nkind: A\nmetadata: {name: a}\n",
            "InvalidManifest",
        ),
        ("a List without items", "apiVersion: v1\nkind: List\n", "InvalidManifest"),
    ];
    for (name, text, reason) in cases {
        let bad = format!("# head\n---\n{text}");
        let fine = NAMESPACE.replace("payments", "fine");
        let (found, said, applied) = refused(&[("0.yaml", &fine), ("bad/f.yaml", &bad)]);
        assert_eq!(found, reason, "{name}: {said}");
        assert!(said.starts_with("bad/f.yaml:"), "{name}: {said}");
        assert!(applied.contains(&"fine".to_owned()), "{name}: {applied:?}");
    }
}

#[test]
fn g06_a_bad_document_stops_neither_its_neighbours_nor_another_file() {
    let deployment =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: apps}\n";
    let both = format!("{}---\n{deployment}", config("apps", "beside"));
    let template = "kind: ConfigMap\n  name: {{ .Values.name }}\n";
    let all = [("a.yaml", both.as_str()), ("b.yaml", template), ("c.yaml", &config("apps", "c"))];
    let (reason, said, applied) = refused(&all);
    assert_eq!((reason, applied), ("ForbiddenKind", vec!["beside".to_owned(), "c".to_owned()]));
    assert!(said.starts_with("a.yaml:5:"), "{said}");
}

#[test]
fn one_object_twice_is_refused_with_both_places() {
    let sealed_again = "apiVersion: regent.dev/v1alpha1\nkind: EncryptedManifest\n\
                        metadata: {name: db, namespace: payments}\nspec:\n  sops: |\n"
        .to_owned()
        + &SEALED.lines().map(|l| format!("    {l}\n")).collect::<String>();
    let all = [("a.yaml", SEALED), ("b.yaml", &sealed_again), ("c.yaml", NAMESPACE)];
    let (_, said, applied) = refused(&all);
    assert_eq!(said, "b.yaml:1: EncryptedManifest payments/db is declared at a.yaml:1 already");
    // Neither of the two: which one was meant is not for intent to guess.
    assert_eq!(applied, ["payments"]);
}

/// C2-4: which of the two owned it would be for the API server to decide, and for each cluster anew.
#[test]
fn two_runtime_secrets_that_claim_the_same_are_refused_with_both_places() {
    let secret = |name: &str, spec: &str| {
        format!(
            "apiVersion: regent.dev/v1alpha1\nkind: RuntimeSecret\n\
             metadata: {{name: {name}, namespace: payments}}\nspec: {{{spec}}}\n"
        )
    };
    let token = |name: &str| secret(name, "introduce: {handover: {bootstrapSecret: token}}");
    let key = secret("key", "introduce: {generate: {keys: {k: {}}}}");
    let twice = format!("# head\n---\n{}", secret("twice", "path: runtime/payments/key"));
    let (one, two) = (token("one"), token("two"));
    let cases = [
        (
            [("a.yaml", key.as_str()), ("b.yaml", twice.as_str())],
            "PathClaimed",
            "b.yaml:2: RuntimeSecret payments/twice claims path runtime/payments/key, which \
             RuntimeSecret payments/key claims at a.yaml:1",
        ),
        (
            [("a.yaml", one.as_str()), ("b.yaml", two.as_str())],
            "BootstrapClaimed",
            "b.yaml:1: RuntimeSecret payments/two claims bootstrap Secret payments/token, which \
             RuntimeSecret payments/one claims at a.yaml:1",
        ),
    ];
    for (all, reason, said) in cases {
        let (found, text, applied) = refused(&all);
        assert_eq!((found, text.as_str()), (reason, said));
        assert_eq!(applied, Vec::<String>::new(), "neither of the two");
    }
}

#[test]
fn an_account_takes_other_kinds_but_never_a_plain_secret() {
    let deployment =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: apps}\n";
    let done = compile(&files(&[("a.yaml", deployment)]), &marks(), Beyond::Account);
    assert!(matches!(done.objects[0].writer, Writer::Account(_)));
    let plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: apps}\n";
    let done = compile(&files(&[("a.yaml", plain)]), &marks(), Beyond::Account);
    assert_eq!(done.problems.first().unwrap().reason(), "PlaintextSecret");
    assert!(done.objects.is_empty());
}

#[test]
fn an_object_is_written_only_when_its_text_or_its_live_form_differs() {
    let all = [("a.yaml", config("apps", "a"))];
    let all: Vec<(&str, &str)> = all.iter().map(|(p, t)| (*p, t.as_str())).collect();
    let one = compiled(&all).objects.remove(0);
    let later = Marks { commit: "fedcba".into(), ..marks() };
    let same = compile(&files(&all), &later, Beyond::Refuse).objects.remove(0);
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
        (
            "changed by hand",
            Some(live(&|l| {
                l["data"]["a"] = json!("c");
                l["metadata"]["managedFields"] = json!([
                    {"manager": "regent-intent", "time": "2026-01-01T00:00:00Z"},
                    {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z"},
                    {"manager": "early", "time": "2026-01-01T00:00:00Z"},
                ]);
            })),
            Decision::PutBack("changed by kubectl-edit".into()),
        ),
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
        assert_eq!(decide(live.as_ref(), &same, &source, "regent-intent"), expected, "{name}");
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

/// S5.2-5, G6: a private key is found wherever it is, and what it does not stand in goes on.
#[test]
fn g06_a_private_key_anywhere_is_reported_at_its_line() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    let mut all: BTreeMap<String, Vec<u8>> =
        [("platform/ns.yaml".to_owned(), NAMESPACE.into())].into();
    gitrepo::create(&dir, &all, "m", at(5)).unwrap();
    let wanted = local(&dir);
    let stop = std::sync::Arc::default();
    let head = look(&wanted, &Copies::default(), &stop).unwrap();
    let clean = scan(&head, "platform").unwrap();
    assert!(clean.problems.is_empty());
    assert_eq!(clean.files.keys().collect::<Vec<_>>(), ["platform/ns.yaml"]);

    let key = format!("# notes\n-----BEGIN {} KEY-----\nabc\n", "PRIVATE");
    all.insert("docs/notes.txt".into(), key.into_bytes());
    let changes = all.into_iter().map(|(p, b)| (p, Some(b))).collect();
    gitrepo::commit(&dir, &changes, "leak", at(6)).unwrap();
    let head = look(&wanted, &Copies::default(), &stop).unwrap();
    let found = scan(&head, "platform").unwrap();
    let first = found.problems.first().unwrap();
    assert_eq!(first.reason(), "PrivateKey");
    assert!(first.to_string().starts_with("docs/notes.txt:2:"), "{first}");
    assert_eq!(found.files.keys().collect::<Vec<_>>(), ["platform/ns.yaml"]);
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
        message: "1 objects of commit abc".into(),
        inventory: Vec::new(),
    };
    let stored = Stored::Inline(vec![item]);
    let first = next(&Default::default(), &whole, Some(&stored), Some(1), at(10));
    assert_eq!(next(&first, &whole, Some(&stored), Some(1), at(20)), first);
    let error = IntentError::Empty { path: "a".into(), commit: "def".into() };
    let empty = Synced::Not { problems: error.into(), rest: None, inventory: None };
    let refused = next(&first, &empty, None, Some(1), at(30));
    assert_eq!(refused.inventory, first.inventory);
    assert_eq!(refused.revision.as_deref(), Some("abc"));
    assert_eq!(refused.conditions[0].reason, "EmptySource");
    assert_eq!(next(&refused, &empty, None, Some(1), at(40)), refused);
}
