//! The sandbox as the tests of both components use it: objects by path, as an admin puts them, and a client under the
//! component's own account and Role, whose writes are told and can be refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use regent_install::access::{admission, rbac};
use regent_operator::{Context, Endpoints, Shutdown};
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use regent_vault::FileJwt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

/// Longest wait for an object: a limit against hanging, never a measure.
const LIMIT: Duration = Duration::from_secs(20);

/// What a component did through its client, and what it may not do.
#[derive(Default)]
struct Told {
    /// `METHOD path`, with ` as USER` where a user was impersonated; reads left out.
    writes: Vec<String>,
    /// Requests of any kind.
    requests: usize,
    /// Writes to paths that contain one of these are forbidden.
    refused: Vec<&'static str>,
}

impl Told {
    /// Notes a request; the answer in the API server's place, if there is one.
    fn note<B>(&mut self, request: &Request<B>) -> Option<Response<Body>> {
        self.requests += 1;
        if *request.method() == Method::GET {
            return None;
        }
        let user = request.headers().get("impersonate-user").map(|v| v.to_str().unwrap());
        let by = user.map(|u| format!(" as {u}")).unwrap_or_default();
        let path = request.uri().path();
        self.writes.push(format!("{} {path}{by}", request.method()));
        let refused = self.refused.iter().any(|part| path.contains(part));
        refused.then(|| {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": 403, "reason": "Forbidden", "message": "Forbidden by the test server" });
            let answer = Response::builder().status(StatusCode::FORBIDDEN);
            answer.body(Body::from(status.to_string())).unwrap()
        })
    }
}

/// A cluster with regent's definitions, accounts, Roles and admission policies.
pub(crate) struct TestApi {
    sandbox: Sandbox,
    told: Arc<Mutex<Told>>,
    /// Of the contexts that are never stopped.
    running: Mutex<Vec<watch::Sender<bool>>>,
}

impl TestApi {
    /// One in which regent may write Secrets in `namespaces`.
    pub(crate) fn new(namespaces: &[&str]) -> Self {
        let sandbox = Sandbox::start(Options::default()).unwrap();
        let api = Self { sandbox, told: Arc::default(), running: Mutex::default() };
        for name in [SYSTEM_NAMESPACE].iter().chain(namespaces) {
            api.put(&format!("/api/v1/namespaces/{name}"), json!({}));
        }
        let definitions = regent_api::all_crds().into_iter().map(serde_json::to_value);
        let named: Vec<String> = namespaces.iter().map(|n| (*n).to_owned()).collect();
        let objects = definitions
            .map(Result::unwrap)
            .chain(rbac::objects(&named))
            .chain(admission::objects(&admission::Settings::default()));
        for object in objects {
            api.put(&path_of(&object), object);
        }
        api
    }

    /// Asks as the admin. The sandbox answers without waiting for anything.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let answer = async {
            let body = body.map(Value::to_string).unwrap_or_default();
            let response = self.response(method, path, body).await;
            let code = response.status();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (code, serde_json::from_slice(&bytes).unwrap())
        };
        futures::executor::block_on(answer)
    }

    async fn response(&self, method: Method, path: &str, body: String) -> Response<Body> {
        let token = self.sandbox.admin_token();
        let request = Request::builder().method(method).uri(path);
        let request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        let request = request.header(CONTENT_TYPE, "application/json").body(Body::from(body));
        self.sandbox.router().oneshot(request.unwrap()).await.unwrap()
    }

    fn demand(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (code, answer) = self.ask(method.clone(), path, body);
        assert!(code.is_success(), "{method} {path}: {answer}");
        answer
    }

    /// The object at `path`, read as `T`.
    pub(crate) fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        serde_json::from_value(self.demand(Method::GET, path, None)).unwrap()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.ask(Method::GET, path, None).0.is_success()
    }

    /// Puts an object with its status, whatever is there, as a person or another component would.
    pub(crate) fn put(&self, path: &str, object: impl serde::Serialize) {
        let mut object = serde_json::to_value(object).unwrap();
        let (collection, name) = path.rsplit_once('/').unwrap();
        object["metadata"]["name"] = json!(name);
        let status = object.as_object_mut().unwrap().remove("status").unwrap_or_default();
        let (code, found) = self.ask(Method::GET, path, None);
        let mut stored = if code.is_success() {
            object["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
            self.demand(Method::PUT, path, Some(&object))
        } else {
            self.demand(Method::POST, collection, Some(&object))
        };
        if status.is_object() {
            stored["status"] = status;
            self.demand(Method::PUT, &format!("{path}/status"), Some(&stored));
        }
    }

    /// Deletes an object as a person would.
    pub(crate) fn remove(&self, path: &str) {
        self.demand(Method::DELETE, path, None);
    }

    /// The component's writes since the last call.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap().writes)
    }

    /// How many requests the component has made so far.
    pub(crate) fn requests(&self) -> usize {
        self.told.lock().unwrap().requests
    }

    /// From now on the component's writes to paths that contain `part` are forbidden.
    pub(crate) fn refuse(&self, part: &'static str) {
        self.told.lock().unwrap().refused.push(part);
    }

    /// Forbids nothing any more.
    pub(crate) fn allow(&self) {
        self.told.lock().unwrap().refused.clear();
    }

    /// Every object but Secrets, as text.
    pub(crate) fn visible(&self) -> String {
        let groups: Value = self.get("/apis");
        let versions = groups["groups"].as_array().unwrap().iter();
        let versions = versions.flat_map(|g| g["versions"].as_array().unwrap());
        let groups = versions.map(|v| format!("/apis/{}", v["groupVersion"].as_str().unwrap()));
        let mut text = String::new();
        for group in std::iter::once("/api/v1".to_owned()).chain(groups) {
            let found: Value = self.get(&group);
            for resource in found["resources"].as_array().unwrap() {
                let name = resource["name"].as_str().unwrap();
                let listed = resource["verbs"].as_array().unwrap().contains(&json!("list"));
                if listed && name != "secrets" {
                    text += &self.get::<Value>(&format!("{group}/{name}")).to_string();
                }
            }
        }
        text
    }

    /// Waits until the object at `path` satisfies `wanted`, but not for ever.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) {
        let (collection, name) = path.rsplit_once('/').unwrap();
        let uri = format!("{collection}?watch=true&fieldSelector=metadata.name%3D{name}");
        let response = self.response(Method::GET, &uri, String::new()).await;
        let mut events = response.into_body().into_data_stream();
        let mut last = Value::Null;
        let seen = async {
            // Each piece of the answer is the line of one event.
            while let Some(line) = events.next().await {
                last = serde_json::from_slice(&line.unwrap()).unwrap();
                if wanted(&last["object"]) {
                    return true;
                }
            }
            false
        };
        let seen = tokio::time::timeout(LIMIT, seen).await.unwrap_or(false);
        assert!(seen, "{path}: {last:#}");
    }

    /// A context, and what stops it.
    pub(crate) fn run_context(&self, identity: Identity) -> (watch::Sender<bool>, Context) {
        let (stop, shutdown) = Shutdown::new();
        (stop, Context { shutdown, ..self.context(identity) })
    }

    pub(crate) fn context(&self, identity: Identity) -> Context {
        let (running, shutdown) = Shutdown::new();
        self.running.lock().unwrap().push(running);
        Context {
            identity,
            api: self.client(identity),
            endpoints: Endpoints::default(),
            jwt: Arc::new(FileJwt { path: "none".into() }),
            shutdown,
        }
    }

    /// A client under the account of `identity`.
    fn client(&self, identity: Identity) -> kube::Client {
        let accounts = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts");
        let path = format!("{accounts}/{}/token", identity.account());
        let answer = self.demand(Method::POST, &path, Some(&json!({ "spec": {} })));
        let bearer = format!("Bearer {}", answer["status"]["token"].as_str().unwrap());
        let (router, told) = (self.sandbox.router(), Arc::clone(&self.told));
        let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
            request.headers_mut().insert(AUTHORIZATION, bearer.parse().unwrap());
            let router = router.clone();
            let refused = told.lock().unwrap().note(&request);
            async move {
                match refused {
                    Some(answer) => Ok(answer),
                    None => router.oneshot(request.map(Body::new)).await,
                }
            }
        });
        kube::Client::new(service, SYSTEM_NAMESPACE)
    }
}

/// Where an object of the installation is.
fn path_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    let at = if version.contains('/') { "apis" } else { "api" };
    let home = match text(&object["metadata"]["namespace"]) {
        none if none.is_empty() => String::new(),
        namespace => format!("namespaces/{namespace}/"),
    };
    format!("/{at}/{version}/{home}{plural}/{}", text(&object["metadata"]["name"]))
}
