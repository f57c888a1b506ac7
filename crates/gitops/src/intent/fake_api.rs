//! The least API server that a component's own tests need: objects by path, optimistic locking,
//! status apart from spec, apply as a merge, lists and watches. No schema, no RBAC: the scenarios
//! have those.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use regent_install::access::admission::PROBE_SECRET;
use regent_types::identity::Identity;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use regent_operator::{Context, Endpoints, Shutdown};

const COLLECTIONS: [&str; 3] = ["/gitsources", "/encryptedmanifests", "/runtimesecrets"];

/// Objects by path, and what was asked.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Value>,
    /// `METHOD path`, with ` as USER` where a user was impersonated; reads left out.
    pub(crate) writes: Vec<String>,
    /// Writes to paths that contain one of these are forbidden.
    pub(crate) forbidden: Vec<&'static str>,
    count: u64,
    /// Every change: version, path, watch event as a line.
    log: Vec<Change>,
    watchers: Vec<mpsc::UnboundedSender<Change>>,
}

type Change = (u64, String, Vec<u8>);

/// Whether the object at `path` is listed by `collection`, of one namespace or of all.
fn is_in(collection: &str, path: &str) -> bool {
    let Some((parent, _)) = path.rsplit_once('/') else { return false };
    let everywhere = parent.split_once("/namespaces/").and_then(|(group, rest)| {
        let (_, plural) = rest.split_once('/')?;
        Some(format!("{group}/{plural}"))
    });
    parent == collection || everywhere.as_deref() == Some(collection)
}

/// A handle on the server.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

struct NoJwt;

impl regent_vault::JwtSource for NoJwt {
    fn jwt(&self) -> Result<regent_types::Sensitive<String>, regent_vault::Error> {
        Ok(regent_types::Sensitive::new(String::new()))
    }
}

impl FakeApi {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// The object at `path`, read as `T`.
    pub(crate) fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let value = self.with(|s| s.objects.get(path).cloned());
        serde_json::from_value(value.unwrap_or_else(|| panic!("nothing at {path}"))).unwrap()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.with(|s| s.objects.contains_key(path))
    }

    /// Puts an object as a person or another component would.
    pub(crate) fn put(&self, path: &str, object: impl serde::Serialize) {
        let object = serde_json::to_value(object).unwrap();
        self.with(|s| s.store(path, object));
    }

    /// The writes since the last call.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.with(|s| std::mem::take(&mut s.writes))
    }

    /// Waits until the object at `path` satisfies `wanted`, but not for ever.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) {
        let mut changes = {
            let (sender, changes) = mpsc::unbounded_channel();
            self.with(|s| s.watchers.push(sender));
            changes
        };
        let seen = async {
            while !self.with(|s| s.objects.get(path).is_some_and(&wanted)) {
                changes.recv().await.unwrap();
            }
        };
        let late = tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.is_err();
        assert!(!late, "{path}: {:#?}", self.with(|s| s.objects.get(path).cloned()));
    }

    /// A context, and what stops it.
    pub(crate) fn run_context(&self, identity: Identity) -> (watch::Sender<bool>, Context) {
        let (stop, shutdown) = Shutdown::new();
        (stop, Context { shutdown, ..self.context(identity) })
    }

    pub(crate) fn context(&self, identity: Identity) -> Context {
        let state = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let state = state.clone();
            async move { Ok::<_, std::io::Error>(state.answer(request).await) }
        });
        Context {
            identity,
            api: kube::Client::new(service, "default"),
            endpoints: Endpoints::default(),
            jwt: Arc::new(NoJwt),
            shutdown: Shutdown::new().1,
        }
    }

    async fn answer(&self, request: Request<Body>) -> Response<axum::body::Body> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        if query.contains("watch=true") {
            return Response::new(self.watch(head.uri.path().to_owned(), &query));
        }
        let body = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let user = head.headers.get("impersonate-user").map(|v| v.to_str().unwrap().to_owned());
        let path = head.uri.path().to_owned();
        let (code, reply) = self.with(|s| s.act(&head.method, &path, user.as_deref(), body));
        let reply = serde_json::to_vec(&reply).unwrap();
        Response::builder().status(code).body(reply.into()).unwrap()
    }

    /// What changed in `collection` since the version in `query`, and then what changes.
    fn watch(&self, collection: String, query: &str) -> axum::body::Body {
        let since = query.split('&').find_map(|p| p.strip_prefix("resourceVersion="));
        let since: u64 = since.and_then(|v| v.parse().ok()).unwrap_or(0);
        let (sender, changes) = mpsc::unbounded_channel();
        self.with(|s| {
            for change in &s.log {
                sender.send(change.clone()).unwrap();
            }
            s.watchers.push(sender);
        });
        let lines = futures::stream::unfold(changes, |mut changes| async move {
            changes.recv().await.map(|change| (change, changes))
        });
        let lines = lines.filter_map(move |(version, path, line)| {
            let wanted = version > since && is_in(&collection, &path);
            std::future::ready(wanted.then_some(Ok::<_, std::io::Error>(line)))
        });
        axum::body::Body::from_stream(lines)
    }
}

type Reply = (StatusCode, Value);

fn error(code: StatusCode, reason: &str) -> Reply {
    let message = format!("{reason} by the fake server");
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code.as_u16(), "reason": reason, "message": message});
    (code, status)
}

impl State {
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.count += 1;
        let old = self.objects.get(path).cloned().unwrap_or_default();
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        let moved = i64::from(old["spec"] != object["spec"] || old.is_null());
        let uid = old["metadata"]["uid"].as_str().map(ToOwned::to_owned);
        object["metadata"]["uid"] = json!(uid.unwrap_or_else(|| format!("uid-{}", self.count)));
        object["metadata"]["generation"] = json!(generation + moved);
        object["metadata"]["resourceVersion"] = json!(self.count.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        let kind = if old.is_null() { "ADDED" } else { "MODIFIED" };
        self.tell(kind, path, &object);
        object
    }

    fn tell(&mut self, kind: &str, path: &str, object: &Value) {
        let mut line = json!({"type": kind, "object": object}).to_string().into_bytes();
        line.push(b'\n');
        let change = (self.count, path.to_owned(), line);
        self.watchers.retain(|w| w.send(change.clone()).is_ok());
        self.log.push(change);
    }

    fn list(&self, collection: &str) -> Value {
        let items: Vec<&Value> =
            self.objects.iter().filter(|(p, _)| is_in(collection, p)).map(|(_, o)| o).collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items,
            "metadata": {"resourceVersion": self.count.to_string()}})
    }

    fn act(&mut self, method: &Method, path: &str, user: Option<&str>, body: Value) -> Reply {
        if *method == Method::GET {
            return match self.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None if COLLECTIONS.iter().any(|c| path.ends_with(c)) => {
                    (StatusCode::OK, self.list(path))
                }
                None => error(StatusCode::NOT_FOUND, "NotFound"),
            };
        }
        let by = user.map(|u| format!(" as {u}")).unwrap_or_default();
        self.writes.push(format!("{method} {path}{by}"));
        if path.ends_with(PROBE_SECRET) {
            // Every policy is in force here.
            let label = body["metadata"]["labels"][regent_types::labels::CLASS].clone();
            let class = label.as_str().unwrap_or_default();
            let why = format!("ValidatingAdmissionPolicy 'regent-{class}-secrets' denied request");
            return error(StatusCode::FORBIDDEN, &why);
        }
        if self.forbidden.iter().any(|f| path.contains(f)) {
            return error(StatusCode::FORBIDDEN, "Forbidden");
        }
        let (target, is_status) = match path.strip_suffix("/status") {
            Some(target) => (target.to_owned(), true),
            None if *method == Method::POST => {
                let name = body["metadata"]["name"].as_str().unwrap_or("event");
                (format!("{path}/{name}"), false)
            }
            None => (path.to_owned(), false),
        };
        let current = self.objects.get(&target).cloned();
        let stale = |c: &Value| {
            let wanted = body.pointer("/preconditions/resourceVersion");
            let wanted = wanted.or_else(|| body.pointer("/metadata/resourceVersion"));
            wanted.is_some_and(|v| *v != c["metadata"]["resourceVersion"])
        };
        match (method.as_str(), current) {
            ("POST", Some(_)) => error(StatusCode::CONFLICT, "AlreadyExists"),
            ("PUT" | "DELETE", None) => error(StatusCode::NOT_FOUND, "NotFound"),
            ("PUT" | "DELETE", Some(c)) if stale(&c) => error(StatusCode::CONFLICT, "Conflict"),
            ("DELETE", Some(c)) => {
                self.objects.remove(&target);
                self.count += 1;
                self.tell("DELETED", &target, &c);
                (StatusCode::OK, c)
            }
            ("PUT", Some(mut c)) if is_status => {
                c["status"] = body["status"].clone();
                (StatusCode::OK, self.store(&target, c))
            }
            ("PATCH", current) => {
                let mut merged = current.unwrap_or_else(|| json!({}));
                merge(&mut merged, &body);
                (StatusCode::OK, self.store(&target, merged))
            }
            _ => (StatusCode::OK, self.store(&target, body)),
        }
    }
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
