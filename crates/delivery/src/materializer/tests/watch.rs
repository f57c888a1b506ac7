//! What watches of Secrets tell, and when they end.

use regent_operator::Endpoints;
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use regent_vault::FileJwt;

use super::*;
use kube::core::ObjectMeta;
use kube::core::PartialObjectMetaExt;

fn secret(name: &str, uid: &str, version: &str) -> PartialObjectMeta<Secret> {
    ObjectMeta {
        namespace: Some("a".into()),
        name: Some(name.into()),
        uid: Some(uid.into()),
        resource_version: Some(version.into()),
        ..ObjectMeta::default()
    }
    .into_response_partial()
}

#[test]
fn each_state_is_told_once() {
    let place: Key = ("a".into(), "db".into());
    let mut versions = HashMap::new();
    let mut taken = |event| take(&mut versions, "a", &mut HashSet::new(), event);
    assert_eq!(taken(Event::Apply(secret("db", "u", "7"))), std::slice::from_ref(&place));
    assert!(taken(Event::Apply(secret("db", "u", "7"))).is_empty());
    assert_eq!(taken(Event::Delete(secret("db", "u", "9"))), std::slice::from_ref(&place));
    assert_eq!(taken(Event::Apply(secret("db", "v", "10"))), [place]);
}

#[test]
fn a_listing_forgets_secrets_of_its_namespace_alone() {
    let version = ObjectVersion { uid: "u".into(), resource_version: "1".into() };
    let (here, there): (Key, Key) = (("a".into(), "gone".into()), ("b".into(), "kept".into()));
    let mut versions = HashMap::from([(here.clone(), version.clone()), (there, version)]);
    let mut listing = HashSet::new();
    assert_eq!(take(&mut versions, "a", &mut listing, Event::InitDone), [here]);
    assert_eq!(versions.len(), 1);
}

/// Watches of three namespaces, which nobody tells to stop.
fn watching() -> (Secrets, mpsc::Receiver<Key>, watch::Sender<bool>) {
    let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
    let (stop, shutdown) = Shutdown::new();
    let cx = Context {
        identity: Identity::Materializer,
        api: sandbox.admin(),
        endpoints: Endpoints::default(),
        jwt: Arc::new(FileJwt { path: "none".into() }),
        shutdown,
    };
    let served = Arc::new(ServedNamespaces::new(cx.clone(), "list"));
    let (secrets, changed) = Secrets::new(cx, Arc::default(), served);
    for namespace in ["a", "b", "c"] {
        secrets.watch(namespace);
    }
    (secrets, changed, stop)
}

/// A watch of a namespace that was deleted is refused, and would be taken up again for ever.
#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_its_namespace() {
    let (secrets, mut changed, _stop) = watching();
    secrets.leave("a");
    secrets.leave_others(|namespace| namespace == "c");
    let version = ObjectVersion { uid: "u".into(), resource_version: "1".into() };
    lock(&secrets.state).versions.insert(("c".into(), "kept".into()), version);
    assert_eq!(lock(&secrets.state).watched.keys().collect::<Vec<_>>(), ["c"]);
    secrets.leave("c");
    assert!(lock(&secrets.state).versions.is_empty());
    // Each watch holds a sender: without one, all have ended.
    drop(secrets);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(600), changed.recv()).await;
    assert_eq!(ended, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_of_the_same_name_is_watched_again() {
    let (secrets, _changed, _stop) = watching();
    secrets.leave("a");
    secrets.watch("a");
    assert!(lock(&secrets.state).watched.contains_key("a"));
}
