//! A sandbox API in which warden acts under its own account and Role, and a clock that tests turn.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
use regent_api::all_crds;
use regent_install::access::rbac;
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use regent_types::labels::{
    AUTHORITY_CA_BUNDLE, AUTHORITY_CA_SECRET, AUTHORITY_TLS_SECRET, SYSTEM_NAMESPACE,
};
use regent_vault::FileJwt;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::warden::Error;
use crate::warden::transport::certificate::Certificate;
use crate::warden::transport::certificate_store::CertificateStore;
use crate::warden::transport::plan::{Step, plan};
use crate::warden::transport::{TransportReport, check, reconcile};
use regent_operator::{Context, Endpoints, Shutdown};

pub(super) struct World {
    sandbox: Sandbox,
    pub(super) cx: Context,
    /// Kept so that nothing is told to stop.
    pub(super) stop: watch::Sender<bool>,
    pub(super) store: CertificateStore,
    pub(super) now: Timestamp,
}

impl World {
    /// A cluster with regent's accounts and Roles, and a RuntimeAuthority with `extra` in its spec.
    pub(super) async fn new(extra: Value) -> Self {
        let sandbox = Sandbox::start(Options::default()).unwrap();
        let admin = sandbox.admin();
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM_NAMESPACE } });
        post(&admin, "/api/v1/namespaces", &namespace).await;
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for crd in all_crds() {
            post(&admin, crds, &serde_json::to_value(crd).unwrap()).await;
        }
        for object in rbac::objects(&[]) {
            post(&admin, &place(&object), &object).await;
        }
        let holder = json!({ "name": "ada", "recipient": "age1test" });
        let mut spec =
            json!({ "installation": "test", "seal": { "holders": [holder], "threshold": 1 } });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let authority = json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthority",
            "metadata": { "name": "regent" }, "spec": spec,
        });
        post(&admin, "/apis/regent.dev/v1alpha1/runtimeauthorities", &authority).await;
        let token = token(&admin).await;
        let (stop, shutdown) = Shutdown::new();
        let cx = Context {
            identity: Identity::Warden,
            api: sandbox.client(Arc::new(move || token.clone()), SYSTEM_NAMESPACE),
            endpoints: Endpoints::default(),
            jwt: Arc::new(FileJwt { path: "none".into() }),
            shutdown,
        };
        let store = CertificateStore::new(&cx);
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        Self { sandbox, cx, stop, store, now }
    }

    pub(super) async fn reconcile(&self) -> TransportReport {
        reconcile(&self.store, || self.now).await.unwrap().0
    }

    /// At most `steps` of what a look would do, as if the process were killed then. Whether there
    /// was as much to do.
    pub(super) async fn killed_after(&self, steps: usize) -> Result<bool, Error> {
        for _ in 0..steps {
            let observation = self.store.read().await?;
            let step = plan(&observation.observed, self.now);
            if matches!(step, Step::Rest(_)) {
                return Ok(false);
            }
            self.store.apply(&step, observation, self.now).await?;
        }
        Ok(true)
    }

    pub(super) fn pass(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(super) fn days(&mut self, days: i64) {
        self.pass(SignedDuration::from_hours(24 * days));
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.sandbox.admin(), SYSTEM_NAMESPACE)
    }

    pub(super) fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.sandbox.admin(), SYSTEM_NAMESPACE)
    }

    pub(super) async fn remove_secret(&self, name: &str) {
        self.secrets().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(super) async fn remove_bundle(&self) {
        self.maps().delete(AUTHORITY_CA_BUNDLE, &DeleteParams::default()).await.unwrap();
    }

    async fn file(&self, secret: &str, key: &str) -> Vec<Certificate> {
        let found = self.secrets().get_opt(secret).await.unwrap();
        let bytes = found.and_then(|s| s.data?.remove(key)).map(|b| b.0).unwrap_or_default();
        Certificate::read(&String::from_utf8(bytes).unwrap())
    }

    pub(super) async fn leaf(&self) -> Certificate {
        self.file(AUTHORITY_TLS_SECRET, "tls.crt").await.remove(0)
    }

    pub(super) async fn ca(&self) -> Certificate {
        self.file(AUTHORITY_CA_SECRET, "ca.crt").await.remove(0)
    }

    pub(super) async fn bundle(&self) -> Vec<Certificate> {
        let map = self.maps().get(AUTHORITY_CA_BUNDLE).await.unwrap();
        Certificate::read(&map.data.unwrap()["ca.crt"])
    }

    /// Whether who trusts `bundle` accepts what is served.
    pub(super) async fn served_to(&self, bundle: &[Certificate]) -> bool {
        check::accepted(&self.leaf().await, bundle, self.now)
    }

    /// Everything that was written: names and versions.
    pub(super) async fn versions(&self) -> Vec<String> {
        let all = Default::default();
        let secrets = self.secrets().list(&all).await.unwrap().items;
        let maps = self.maps().list(&all).await.unwrap().items;
        let metadata = secrets.into_iter().map(|s| s.metadata);
        let metadata = metadata.chain(maps.into_iter().map(|m| m.metadata));
        metadata.map(|m| format!("{:?} {:?}", m.name, m.resource_version)).collect()
    }

    /// C7-1: nothing was asked for beyond warden's Role.
    pub(super) fn within_role(&self) {
        assert_eq!(self.sandbox.refusals(), Vec::<String>::new());
    }
}

async fn token(admin: &kube::Client) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let name = Identity::Warden.account();
    let answer = accounts.create_token_request(&name, &PostParams::default(), &request).await;
    answer.unwrap().status.unwrap().token
}

/// Where an object of RBAC is created.
fn place(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let group = match kind.as_str() {
        "serviceaccount" => "/api/v1".to_owned(),
        _ => "/apis/rbac.authorization.k8s.io/v1".to_owned(),
    };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{kind}s"),
        None => format!("{group}/{kind}s"),
    }
}

async fn post(admin: &kube::Client, path: &str, object: &Value) {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    admin.request::<Value>(request).await.unwrap();
}
