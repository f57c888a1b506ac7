//! A cluster for warden alone: the sandbox with regent's CRDs, accounts and RBAC, and warden as a task that can be
//! killed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_api::condition::{READY, get};
use regent_api::{RuntimeAuthority, RuntimeAuthorityStatus};
use regent_control::warden;
use regent_install::access::rbac;
use regent_operator::{Context, Endpoints, Shutdown};
use regent_sandbox::{Sandbox, Serving};
use regent_tests::openbao::OpenBao;
use regent_tests::waits;
use regent_types::Sensitive;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_AUDIENCE, SYSTEM_NAMESPACE};
use regent_vault::{Client, Config, JwtSource, Method, Session};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::cut::Cut;

pub(crate) struct Cluster {
    sandbox: Sandbox,
    serving: Serving,
    endpoints: Endpoints,
}

pub(crate) struct Running {
    task: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

impl Running {
    /// Ends it wherever it is, as kill -9 would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        // Cancelled is what it is to be.
        let _cancelled = self.task.await;
    }
}

struct Jwt(String);

impl JwtSource for Jwt {
    fn jwt(&self) -> Result<Sensitive<String>, regent_vault::Error> {
        Ok(Sensitive::new(self.0.clone()))
    }
}

impl Cluster {
    /// An empty cluster, installed, that declares `bao` with a threshold of two; `account` becomes the mounted folder
    /// of the account that reviews tokens.
    pub(crate) async fn start(bao: &OpenBao, holders: &[(&str, &str)], account: &Path) -> Self {
        let sandbox = Sandbox::start(regent_sandbox::Options::default()).unwrap();
        let serving = sandbox.serve(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let endpoints =
            Endpoints { ca_pem: Some(bao.ca_pem().as_bytes().to_vec()), ..Endpoints::default() };
        let cluster = Self { sandbox, serving, endpoints };
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM_NAMESPACE } });
        cluster.apply(namespace).await;
        for crd in regent_api::all_crds() {
            cluster.apply(serde_json::to_value(&crd).unwrap()).await;
        }
        for object in rbac::objects(&[]) {
            cluster.apply(object).await;
        }
        let token = cluster.token(Identity::Authority, None).await;
        std::fs::write(account.join("token"), token).unwrap();
        std::fs::write(account.join("ca.crt"), cluster.sandbox.ca_pem()).unwrap();
        let holder =
            |(name, recipient): &(&str, &str)| json!({ "name": name, "recipient": recipient });
        let holders: Vec<Value> = holders.iter().map(holder).collect();
        let spec = json!({
            "installation": "test",
            "external": { "address": bao.address() },
            "seal": { "holders": holders, "threshold": 2, "unattended": true },
        });
        let declared = json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthority",
            "metadata": { "name": "regent" }, "spec": spec,
        });
        cluster.apply(declared).await;
        cluster
    }

    async fn apply(&self, object: Value) {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, version) =
            text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        let api: Api<DynamicObject> = match object.pointer("/metadata/namespace") {
            Some(_) => Api::namespaced_with(self.admin(), text("/metadata/namespace"), &kind),
            None => Api::all_with(self.admin(), &kind),
        };
        let params = PatchParams::apply("test").force();
        api.patch(text("/metadata/name"), &params, &Patch::Apply(&object)).await.unwrap();
    }

    pub(crate) fn admin(&self) -> kube::Client {
        self.sandbox.admin()
    }

    async fn token(&self, identity: Identity, audience: Option<&str>) -> String {
        let api: Api<ServiceAccount> = Api::namespaced(self.admin(), SYSTEM_NAMESPACE);
        let spec = TokenRequestSpec {
            audiences: audience.map(str::to_owned).into_iter().collect(),
            expiration_seconds: Some(3_600),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let name = identity.account();
        let answer = api.create_token_request(&name, &PostParams::default(), &request).await;
        answer.unwrap().status.unwrap().token
    }

    /// The API server as `token`'s account, through `cut`.
    fn client(&self, token: &str, cut: Cut) -> kube::Client {
        let router = self.sandbox.router();
        let bearer = http::HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
            request.headers_mut().insert(http::header::AUTHORIZATION, bearer.clone());
            let (router, cut) = (router.clone(), cut.clone());
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            async move {
                let answer = router.oneshot(request.map(axum::body::Body::new));
                cut.carry(&method, &path, answer).await
            }
        });
        kube::Client::new(service, SYSTEM_NAMESPACE)
    }

    /// Starts warden under its own account.
    pub(crate) async fn warden(&self, cut: Option<Cut>) -> Running {
        let (stop, shutdown) = Shutdown::new();
        let host = format!("https://{}", self.serving.addr());
        let args = warden::Args { kubernetes_host: host, kubernetes_ca_cert: None };
        let me = Identity::Warden;
        let api = self.token(me, None).await;
        let authority = self.token(me, Some(AUTHORITY_AUDIENCE)).await;
        let cx = Context {
            identity: me,
            api: self.client(&api, cut.unwrap_or_else(Cut::never)),
            endpoints: self.endpoints.clone(),
            jwt: Arc::new(Jwt(authority)),
            shutdown,
        };
        let task = tokio::spawn(async move { warden::run(cx, args).await.unwrap() });
        Running { task, _stop: stop }
    }

    /// Waits until warden's reason is `reason`.
    pub(crate) async fn until(&self, reason: &str) -> RuntimeAuthorityStatus {
        self.until_any(&[reason]).await
    }

    /// Waits until warden's reason is one of `reasons`.
    pub(crate) async fn until_any(&self, reasons: &[&str]) -> RuntimeAuthorityStatus {
        self.until_status(&format!("{reasons:?}"), |status| {
            let ready = get(&status.conditions, READY);
            ready.is_some_and(|ready| reasons.contains(&ready.reason.as_str()))
        })
        .await
    }

    /// Waits until warden has recorded more than at `before`, and is in order.
    pub(crate) async fn until_recorded(&self, before: &RuntimeAuthorityStatus) {
        self.until_status("a new event of warden's", |status| {
            let active = get(&status.conditions, READY).is_some_and(|r| r.reason == "Active");
            active && status.ledger_heads != before.ledger_heads
        })
        .await;
    }

    async fn until_status(
        &self,
        expected: &str,
        enough: impl Fn(&RuntimeAuthorityStatus) -> bool,
    ) -> RuntimeAuthorityStatus {
        let reached = std::sync::Mutex::new(None);
        let condition = |found: Option<&RuntimeAuthority>| {
            let status = found.and_then(|f| f.status.as_ref());
            match status.filter(|status| enough(status)) {
                Some(status) => {
                    *reached.lock().unwrap() = Some(status.clone());
                    Ok(())
                }
                None => Err(format!("found {:?}", status.map(|s| &s.conditions))),
            }
        };
        let api: Api<RuntimeAuthority> = Api::all(self.admin());
        let waited = waits::object(api, "regent", condition).await;
        waited.unwrap_or_else(|error| panic!("expected {expected}: {error:#}"));
        reached.into_inner().unwrap().unwrap()
    }

    /// A change of the RuntimeAuthority, at which warden looks at once.
    pub(crate) async fn touch(&self) {
        let api: Api<RuntimeAuthority> = Api::all(self.admin());
        let patch = json!({ "metadata": { "annotations": { "touched": "yes" } } });
        let params = PatchParams::default();
        api.patch("regent", &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// A client of `bao` without a login.
    pub(crate) fn vault(&self, bao: &OpenBao) -> Client {
        let (address, ca_pem) = (bao.address(), self.endpoints.ca_pem.clone());
        Client::new(Config { address, ca_pem, ca_file: None, deadline: Duration::from_secs(30) })
            .unwrap()
    }

    async fn reader(&self, bao: &OpenBao) -> Session {
        let jwt = Sensitive::new(self.token(Identity::Reader, Some(AUTHORITY_AUDIENCE)).await);
        let (vault, role) = (self.vault(bao), Identity::Reader.account());
        let login = vault.login_kubernetes("kubernetes", &role, &jwt).await.unwrap();
        Session::with_token(vault, login.token)
    }

    /// How many root tokens are alive.
    pub(crate) async fn root_tokens(&self, bao: &OpenBao) -> usize {
        let reader = self.reader(bao).await;
        let listed = reader.request(Method::GET, "auth/token/accessors?list=true", None).await;
        let mut found = 0;
        for accessor in listed.unwrap().unwrap()["data"]["keys"].as_array().unwrap() {
            let (path, body) = ("auth/token/lookup-accessor", json!({ "accessor": accessor }));
            // One that expired since it was listed is no root token any more.
            if let Ok(Some(token)) = reader.request(Method::POST, path, Some(&body)).await {
                let policies = token["data"]["policies"].as_array().unwrap();
                found += usize::from(policies.iter().any(|policy| policy == "root"));
            }
        }
        found
    }

    /// Kinds of the events in warden's chain.
    pub(crate) async fn events(&self, bao: &OpenBao) -> Vec<String> {
        let kv = self.reader(bao).await.kv("regent");
        let mut kinds = Vec::new();
        for day in kv.list("ledger/warden").await.unwrap() {
            let day = format!("ledger/warden/{}", day.trim_end_matches('/'));
            for name in kv.list(&day).await.unwrap() {
                let read = kv.read_json::<Value>(&format!("{day}/{name}")).await.unwrap();
                let (entry, _) = read.unwrap();
                let events = entry["events"].as_array().unwrap().iter();
                kinds.extend(events.map(|e| e["kind"].as_str().unwrap().to_owned()));
            }
        }
        kinds
    }
}
