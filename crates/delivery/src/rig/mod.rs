//! A component over an API server and an authority in memory, in time that the test moves: what is asked and written at
//! rest is counted over hours within a moment.

mod authority;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, CustomResourceExt};
use regent_api::{
    ClusterSecretStore, ExternalSecret, PushSecret, RuntimeAuthority, RuntimeSecret, SecretStore,
};
use regent_operator::{Context, Endpoints, Shutdown};
use regent_sandbox::{Options, Sandbox};
use regent_types::Sensitive;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_SERVICE_URL, SYSTEM_NAMESPACE};
use serde_json::{Value, json};
use tokio::sync::watch;

pub(crate) use authority::{FakeAuthority, Mood};

/// Looks without any request after which everything is at rest.
const QUIET_LOOKS: usize = 10;
/// The address of a second authority.
const OTHER_URL: &str = "https://other.example";
/// Turns of the runtime in one look.
const TURNS: usize = 40;

/// What the component asked, and how writes below a path are refused.
#[derive(Default)]
struct Noted {
    lines: Vec<String>,
    refusals: Vec<(String, u16, String)>,
}

type Log = Arc<Mutex<Noted>>;

fn lock(log: &Log) -> std::sync::MutexGuard<'_, Noted> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Account;

impl regent_vault::JwtSource for Account {
    fn jwt(&self) -> Result<Sensitive<String>, regent_vault::Error> {
        Ok(Sensitive::new("account".into()))
    }
}

/// What a component runs on. Time stands still but where the test moves it.
pub(crate) struct Rig {
    pub(crate) admin: Client,
    pub(crate) authority: Arc<FakeAuthority>,
    /// A second one, behind store `other-backend`, for what one authority must not do to another's readers.
    pub(crate) other: Arc<FakeAuthority>,
    log: Log,
    cx: Context,
    _stop: watch::Sender<bool>,
    /// While a blocking task runs, time does not move by itself.
    _time_stands: std::sync::mpsc::Sender<()>,
}

async fn note(
    State((log, bearer)): State<(Log, String)>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    if !uri.query().unwrap_or_default().contains("watch=true") {
        let line = format!("{method} {}", uri.path());
        lock(&log).lines.push(line);
    }
    if method == "POST" || method == "PUT" {
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 22).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let refusals = lock(&log).refusals.clone();
        if let Some((_, code, message)) = refusals.iter().find(|(name, ..)| {
            uri.path().contains("/secrets") && text.contains(&format!("\"name\":\"{name}\""))
        }) {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
                "reason": "Invalid", "code": code });
            return Response::builder()
                .status(*code)
                .body(Body::from(status.to_string()))
                .expect("a response");
        }
        request = Request::from_parts(parts, Body::from(bytes));
    }
    request.headers_mut().insert(AUTHORIZATION, bearer.parse().expect("a header"));
    next.run(request).await
}

impl Rig {
    /// With the definitions, a store `vault-backend`, the namespaces `web` and `data`, and an authority that answers.
    pub(crate) async fn start(identity: Identity) -> Self {
        let (stands, held) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held.recv());
        let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
        let log = Log::default();
        let bearer = format!("Bearer {}", sandbox.admin_token().expose());
        let router = sandbox.router().layer(from_fn_with_state((Arc::clone(&log), bearer), note));
        let (authority, address) = FakeAuthority::start().await;
        let (other, other_address) = FakeAuthority::start().await;
        let (stop, shutdown) = Shutdown::new();
        let endpoints = Endpoints {
            dial: BTreeMap::from([
                (AUTHORITY_SERVICE_URL.to_owned(), address),
                (OTHER_URL.to_owned(), other_address),
            ]),
            ..Endpoints::default()
        };
        let cx = Context {
            identity,
            api: Client::new(router, "default"),
            endpoints,
            jwt: Arc::new(Account),
            shutdown,
        };
        let admin = sandbox.admin();
        let rig = Self { admin, authority, other, log, cx, _stop: stop, _time_stands: stands };
        rig.furnish().await;
        rig
    }

    async fn furnish(&self) {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.admin.clone());
        for definition in [
            ExternalSecret::crd(),
            PushSecret::crd(),
            SecretStore::crd(),
            ClusterSecretStore::crd(),
            RuntimeSecret::crd(),
            RuntimeAuthority::crd(),
        ] {
            definitions.create(&PostParams::default(), &definition).await.expect("defined");
        }
        for namespace in [SYSTEM_NAMESPACE, "web", "data"] {
            let labels = json!({ "datasource.regent.dev/postgres": "true" });
            self.create(json!({ "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": namespace, "labels": labels } }))
                .await;
        }
        for (name, server) in
            [("vault-backend", AUTHORITY_SERVICE_URL), ("other-backend", OTHER_URL)]
        {
            self.create(json!({
                "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
                "metadata": { "name": name },
                "spec": { "controller": "regent", "provider": { "vault": {
                    "server": server, "version": "v2", "path": "secret" } } },
            }))
            .await;
        }
        self.create(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthority",
            "metadata": { "name": "regent" },
            "spec": { "installation": "home", "seal": { "holders": [
                { "name": "a", "recipient": "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq" }],
                "threshold": 1 } },
        }))
        .await;
    }

    /// The component, run until the rig ends; it takes a context.
    pub(crate) fn run<F>(&self, component: impl FnOnce(Context) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(component(self.cx.clone()));
    }

    pub(crate) fn api(&self, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let (group, version) = match kind {
            "Secret" | "Namespace" | "ServiceAccount" => ("", "v1"),
            "Event" => ("events.k8s.io", "v1"),
            "PushSecret" => ("external-secrets.io", "v1alpha1"),
            "ExternalSecret" | "SecretStore" | "ClusterSecretStore" => {
                ("external-secrets.io", "v1")
            }
            "CustomResourceDefinition" => ("apiextensions.k8s.io", "v1"),
            _ => ("regent.dev", "v1alpha1"),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.admin.clone(), namespace, &resource),
            None => Api::all_with(self.admin.clone(), &resource),
        }
    }

    pub(crate) async fn create(&self, object: Value) {
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let api = self.api(&kind, namespace.as_deref());
        api.create(&PostParams::default(), &object).await.expect("created");
    }

    /// An ExternalSecret `name` of namespace `web`, from the shared store.
    pub(crate) async fn external(&self, name: &str, mut spec: Value) {
        if spec.get("secretStoreRef").is_none() {
            spec["secretStoreRef"] =
                json!({ "name": "vault-backend", "kind": "ClusterSecretStore" });
        }
        self.create(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": { "name": name, "namespace": "web" }, "spec": spec }))
            .await;
    }

    /// A Secret `name` of namespace `web` that somebody made.
    pub(crate) async fn secret(&self, name: &str, data: Value) {
        self.create(json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": name, "namespace": "web" }, "stringData": data }))
            .await;
    }

    /// Merges `patch` into an object, as field manager `manager`.
    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value, manager: &str) {
        let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        let (namespace, name) = name.split_once('/').expect("namespace/name");
        let api = self.api(kind, Some(namespace));
        api.patch(name, &params, &Patch::Merge(&patch)).await.expect("patched");
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let (namespace, name) = name.split_once('/').expect("namespace/name");
        let api = self.api(kind, Some(namespace));
        api.delete(name, &DeleteParams::default()).await.expect("deleted");
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let (namespace, name) = name.split_once('/').expect("namespace/name");
        let namespace = Some(namespace).filter(|n| !n.is_empty());
        let found = self.api(kind, namespace).get_opt(name).await.expect("answered");
        found.map(|object| serde_json::to_value(object).expect("JSON"))
    }

    /// `key=value` of a Secret of namespace `web`, in order, or `absent`.
    pub(crate) async fn data(&self, name: &str) -> String {
        use base64::Engine;
        let Some(secret) = self.get("Secret", &format!("web/{name}")).await else {
            return "absent".into();
        };
        let text = |value: &Value| {
            let coded = value.as_str().unwrap_or_default();
            let bytes = base64::engine::general_purpose::STANDARD.decode(coded).expect("base64");
            String::from_utf8(bytes).expect("text")
        };
        let pairs = secret["data"].as_object().into_iter().flatten();
        pairs.map(|(k, v)| format!("{k}={}", text(v))).collect::<Vec<_>>().join(" ")
    }

    /// Status, reason, message and observed generation of condition Ready.
    pub(crate) async fn ready(&self, kind: &str, name: &str) -> (String, String, i64) {
        let object = self.get(kind, name).await.expect("an object");
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let Some(ready) = conditions.iter().find(|c| c["type"] == "Ready") else {
            return ("nothing".into(), String::new(), 0);
        };
        let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
        let generation = ready["observedGeneration"].as_i64().unwrap_or_default();
        (text("reason"), text("message"), generation)
    }

    /// Reason of condition Ready of an ExternalSecret of namespace `web`.
    pub(crate) async fn reason(&self, name: &str) -> String {
        self.ready("ExternalSecret", &format!("web/{name}")).await.0
    }

    /// Reasons of the Events about `name`.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let all = self.api("Event", None).list(&ListParams::default()).await.expect("listed");
        let about = all.items.into_iter().filter(|e| e.data["regarding"]["name"] == name);
        about.map(|e| e.data["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Lets everything that is due be done.
    pub(crate) async fn settle(&self) {
        let mut quiet = 0;
        let mut before = self.asked_in_all();
        while quiet < QUIET_LOOKS {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let now = self.asked_in_all();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
    }

    fn asked_in_all(&self) -> usize {
        lock(&self.log).lines.len() + self.authority.asked() + self.other.asked()
    }

    /// Moves the time by `total`, in steps of `step` after each of which everything that is due is done.
    pub(crate) async fn pass_by(&self, total: Duration, step: Duration) {
        let mut left = total;
        while !left.is_zero() {
            let one = step.min(left);
            tokio::time::advance(one).await;
            self.settle().await;
            left -= one;
        }
    }

    /// The API server refuses writes of Secret `name` from now on, as a real one does what the sandbox lets through.
    pub(crate) fn refuse(&self, name: &str, code: u16, message: &str) {
        lock(&self.log).refusals.push((name.to_owned(), code, message.to_owned()));
    }

    /// Forgets what was asked so far.
    pub(crate) fn count_anew(&self) {
        lock(&self.log).lines.clear();
        self.authority.count_anew();
        self.other.count_anew();
    }

    /// Requests since then whose line begins with `method` and holds `part`, but for reviews and Events.
    pub(crate) fn asked(&self, method: &str, part: &str) -> usize {
        lock(&self.log)
            .lines
            .iter()
            .filter(|line| line.starts_with(method) && line.contains(part))
            .count()
    }

    /// Everything that was asked since then.
    pub(crate) fn told(&self) -> Vec<String> {
        let lines = lock(&self.log).lines.clone();
        lines.into_iter().chain(self.authority.told()).collect()
    }
}
