//! A real embedded authority on loopback, and as much of an API server as warden asks for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use futures::future::BoxFuture;
use regent_api::condition::{READY, get};
use regent_api::{RuntimeAuthority, RuntimeAuthorityStatus};
use regent_authority::{
    Audit, Authority, Options, Review, ReviewError, ReviewTarget, Storage, TokenReviewer,
};
use regent_manifest::keys::{Identities, NewIdentity, generate};
use regent_types::Sensitive;
use regent_types::authority_names::KUBERNETES_MOUNT;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_AUDIENCE, AUTHORITY_SERVICE_URL};
use regent_vault::{Client, JwtSource, SealedShares, Session};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::fuse::Fuse;
use crate::warden::ctx::Ctx;
use crate::warden::reconcile::reconcile;
use crate::warden::{Args, Error, Person};
use regent_operator::{Context, Endpoints, Shutdown};

const AUTHORITIES: &str = "/apis/regent.dev/v1alpha1/runtimeauthorities";
const SYSTEM: &str = "/api/v1/namespaces/regent-system";

/// Where an authority outside regent's own is said to answer.
const EXTERNAL_URL: &str = "https://bao.example:8200";

/// A Kubernetes cluster: objects by path, and how often something was written.
#[derive(Clone, Default)]
pub(super) struct Cluster {
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    writes: Arc<Mutex<u64>>,
    /// Writes to paths with this text in them are refused.
    refused: Arc<Mutex<Option<&'static str>>>,
    fuse: Fuse,
}

impl Cluster {
    pub(super) fn object(&self, path: &str) -> Option<Value> {
        self.objects.lock().unwrap().get(path).cloned()
    }

    pub(super) fn in_system(&self, rest: &str) -> Option<Value> {
        self.object(&format!("{SYSTEM}/{rest}"))
    }

    pub(super) fn remove_in_system(&self, rest: &str) {
        self.objects.lock().unwrap().remove(&format!("{SYSTEM}/{rest}"));
    }

    pub(super) fn edit_in_system(&self, rest: &str, edit: impl FnOnce(&mut Value)) {
        edit(self.objects.lock().unwrap().get_mut(&format!("{SYSTEM}/{rest}")).unwrap());
    }

    pub(super) fn writes(&self) -> u64 {
        *self.writes.lock().unwrap()
    }

    pub(super) fn put_authority(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthority",
            "metadata": { "name": name, "uid": "u-1", "generation": 1, "resourceVersion": "1" },
            "spec": spec,
        });
        self.objects.lock().unwrap().insert(format!("{AUTHORITIES}/{name}"), object);
    }

    pub(super) fn set_status(&self, name: &str, status: Value) {
        let mut objects = self.objects.lock().unwrap();
        let object = objects.get_mut(&format!("{AUTHORITIES}/{name}")).unwrap();
        merge(&mut object["status"], &status);
    }

    pub(super) fn authority(&self, name: &str) -> RuntimeAuthority {
        let object = self.object(&format!("{AUTHORITIES}/{name}")).unwrap();
        serde_json::from_value(object).unwrap()
    }

    pub(super) fn status(&self) -> RuntimeAuthorityStatus {
        self.authority("regent").status.unwrap_or_default()
    }

    pub(super) fn reason(&self) -> String {
        let status = self.status();
        let ready = get(&status.conditions, READY).map(|ready| ready.reason.as_str());
        format!("{} {}", status.phase.unwrap_or(-1), ready.unwrap_or_default())
    }

    /// Everything that is stored, as text.
    pub(super) fn dump(&self) -> String {
        self.objects.lock().unwrap().values().map(Value::to_string).collect()
    }

    pub(super) fn refuse(&self, text: Option<&'static str>) {
        *self.refused.lock().unwrap() = text;
    }

    pub(super) fn client(&self) -> kube::Client {
        kube::Client::new(Router::new().fallback(serve).with_state(self.clone()), "default")
    }
}

async fn serve(State(cluster): State<Cluster>, request: Request<Body>) -> Response<Body> {
    let name = format!("{} {}", request.method(), request.uri().path());
    let fuse = cluster.fuse.clone();
    fuse.carry(&name, answer(cluster, request)).await
}

async fn answer(cluster: Cluster, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let sent: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut objects = cluster.objects.lock().unwrap();
    let path = parts.uri.path().to_owned();
    let refused = *cluster.refused.lock().unwrap();
    let result = match parts.method {
        Method::POST | Method::PUT | Method::PATCH
            if refused.is_some_and(|text| path.contains(text)) =>
        {
            Err((503, "ServiceUnavailable"))
        }
        Method::GET if path == AUTHORITIES => {
            let all = objects.iter().filter(|(place, _)| place.starts_with(AUTHORITIES));
            let all: Vec<Value> = all.map(|(_, object)| object.clone()).collect();
            Ok(json!({
                "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthorityList",
                "metadata": {}, "items": all,
            }))
        }
        Method::GET => objects.get(&path).cloned().ok_or((404, "NotFound")),
        Method::POST => {
            let name = sent["metadata"]["name"].as_str().unwrap();
            let place = format!("{path}/{name}");
            match objects.contains_key(&place) {
                true => Err((409, "AlreadyExists")),
                false => {
                    objects.insert(place, sent.clone());
                    Ok(sent)
                }
            }
        }
        Method::PUT => {
            objects.insert(path, sent.clone());
            Ok(sent)
        }
        Method::PATCH => match objects.get_mut(path.trim_end_matches("/status")) {
            None => Err((404, "NotFound")),
            Some(object) => {
                assert!(path.ends_with("/status"), "warden writes status only");
                merge(&mut object["status"], &sent["status"]);
                Ok(object.clone())
            }
        },
        _ => Err((405, "MethodNotAllowed")),
    };
    if parts.method != Method::GET {
        *cluster.writes.lock().unwrap() += 1;
    }
    let (status, body) = match result {
        Ok(object) => (200, object),
        Err((code, reason)) => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code, "reason": reason, "message": path_message(reason),
            });
            (code, status)
        }
    };
    let status = StatusCode::from_u16(status).unwrap();
    Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
}

fn path_message(reason: &str) -> String {
    format!("the fake says {reason}")
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        match value {
            Value::Null => drop(target.as_object_mut().unwrap().remove(key)),
            _ => merge(&mut target[key.as_str()], value),
        }
    }
}

/// Accepts `{host}|{account}` as a token of `account`, if asked at `host`.
struct Reviewer;

impl TokenReviewer for Reviewer {
    fn review<'a>(
        &'a self,
        target: &'a ReviewTarget,
        jwt: &'a Sensitive<String>,
        _audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        Box::pin(async move {
            let (payload, host) = read_jwt(jwt.expose());
            if host != target.host {
                let detail = "connection refused".to_owned();
                return Err(ReviewError::Unreachable { host: target.host.clone(), detail });
            }
            Ok(Review {
                authenticated: true,
                username: payload,
                uid: "uid".into(),
                groups: Vec::new(),
                audiences: vec![AUTHORITY_AUDIENCE.into()],
                error: None,
            })
        })
    }
}

fn read_jwt(jwt: &str) -> (String, String) {
    use base64::Engine;
    let middle = jwt.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(middle).unwrap();
    let claims: Value = serde_json::from_slice(&bytes).unwrap();
    (claims["sub"].as_str().unwrap().to_owned(), claims["host"].as_str().unwrap().to_owned())
}

/// An unsigned JWT with the claims that the authority looks at before it asks the reviewer.
fn jwt(account: &str, host: &str) -> String {
    use base64::Engine;
    let code = |v: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(v.to_string());
    let claims = json!({
        "sub": format!("system:serviceaccount:regent-system:{account}"),
        "aud": [AUTHORITY_AUDIENCE], "iss": "test", "host": host, "exp": 4_000_000_000_i64,
        "kubernetes.io": {
            "namespace": "regent-system", "serviceaccount": { "name": account, "uid": "uid" },
        },
    });
    format!("{}.{}.c2ln", code(json!({ "alg": "RS256" })), code(claims))
}

pub(super) struct Jwt(String);

impl JwtSource for Jwt {
    fn jwt(&self) -> Result<Sensitive<String>, regent_vault::Error> {
        Ok(Sensitive::new(self.0.clone()))
    }
}

/// What stands before the authority.
#[derive(Clone)]
struct Guard {
    external: bool,
    fuse: Fuse,
}

async fn guarded(State(guard): State<Guard>, request: Request<Body>, next: Next) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if guard.external && path.starts_with("/v1/sys/regent/") {
        let status = StatusCode::NOT_FOUND;
        return Response::builder().status(status).body(Body::empty()).unwrap();
    }
    let name = format!("{} {path}", request.method());
    guard.fuse.carry(&name, next.run(request)).await
}

/// What kind of authority the world has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Spoken to as OpenBao or Vault: `sys/init`, and nothing of regent's own.
    pub(super) external: bool,
    pub(super) unattended: bool,
    /// Of two holders, ada and bob.
    pub(super) threshold: i64,
    /// The login mount that RuntimeAuthority names, if it does.
    pub(super) login: Option<&'static str>,
}

/// The embedded authority, unattended, which one holder opens.
pub(super) const EMBEDDED: Setup =
    Setup { external: false, unattended: true, threshold: 1, login: None };
/// The same authority, but spoken to as one that regent did not deploy.
pub(super) const EXTERNAL: Setup = Setup { external: true, threshold: 2, ..EMBEDDED };

/// The authority, a cluster and two holders.
pub(super) struct World {
    directory: tempfile::TempDir,
    setup: Setup,
    pub(super) cluster: Cluster,
    pub(super) fuse: Fuse,
    pub(super) host: String,
    installation: &'static str,
    pub(super) holder: NewIdentity,
    pub(super) other: NewIdentity,
    authority: Option<Authority>,
    server: Option<tokio::task::JoinHandle<()>>,
    address: String,
    /// Kept so that nothing is told to stop.
    stop: watch::Sender<bool>,
    shutdown: Shutdown,
}

/// A cluster of an installation.
pub(super) struct Seat {
    cluster: Cluster,
    host: String,
    setup: Setup,
    installation: &'static str,
}

impl World {
    pub(super) async fn new(setup: Setup) -> Self {
        let (stop, shutdown) = Shutdown::new();
        let fuse = Fuse::default();
        let mut world = Self {
            directory: tempfile::tempdir().unwrap(),
            setup,
            cluster: Cluster { fuse: fuse.clone(), ..Cluster::default() },
            fuse,
            host: "https://first".into(),
            installation: "test",
            holder: generate(),
            other: generate(),
            authority: None,
            server: None,
            address: String::new(),
            stop,
            shutdown,
        };
        world.open().await;
        world.apply();
        world
    }

    fn apply(&self) {
        let holders = json!([
            { "name": "ada", "recipient": self.holder.recipient },
            { "name": "bob", "recipient": self.other.recipient },
        ]);
        let Setup { external, unattended, threshold, login } = self.setup;
        let seal = json!({ "holders": holders, "threshold": threshold, "unattended": unattended });
        let mut spec = json!({ "installation": self.installation, "seal": seal });
        if external {
            spec["external"] = json!({ "address": EXTERNAL_URL });
        }
        if let Some(mount) = login {
            spec["external"]["login"] = json!({ "mount": mount });
        }
        self.cluster.put_authority("regent", spec);
    }

    fn storage(&self) -> PathBuf {
        self.directory.path().join("authority.redb")
    }

    async fn open(&mut self) {
        let options =
            Options::new(Storage::File(self.storage()), Audit::Memory, Arc::new(Reviewer));
        let authority = Authority::open(options).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.address = format!("http://{}", listener.local_addr().unwrap());
        let guard = Guard { external: self.setup.external, fuse: self.fuse.clone() };
        let router = authority.router().layer(from_fn_with_state(guard, guarded));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        self.server = Some(tokio::spawn(async move {
            let _stopped = axum::serve(listener, service).await;
        }));
        self.authority = Some(authority);
    }

    async fn close(&mut self) {
        self.server.take().unwrap().abort();
        self.authority.take().unwrap().close().await;
    }

    /// Stops the authority and starts it again: sealed, at another address.
    pub(super) async fn restart(&mut self) {
        self.close().await;
        self.open().await;
    }

    /// What a person does about lost keys: the storage is deleted.
    pub(super) async fn wipe(&mut self) {
        self.close().await;
        std::fs::remove_file(self.storage()).unwrap();
        self.open().await;
    }

    /// An empty cluster with another address and other keys; same Git, same authority storage.
    /// The authority runs on.
    pub(super) fn replace_cluster(&mut self) {
        self.cluster = Cluster { fuse: self.fuse.clone(), ..Cluster::default() };
        self.host = "https://second".into();
        self.apply();
    }

    /// Another installation's cluster takes this one's seat in the world; what is returned may take it back. Both are on
    /// the same authority.
    pub(super) fn seat(&mut self, mut other: Seat) -> Seat {
        std::mem::swap(&mut self.cluster, &mut other.cluster);
        std::mem::swap(&mut self.host, &mut other.host);
        std::mem::swap(&mut self.setup, &mut other.setup);
        std::mem::swap(&mut self.installation, &mut other.installation);
        other
    }

    /// A new cluster of installation `second`, with a login mount of its own.
    pub(super) fn second(&mut self, mount: &'static str) -> Seat {
        let first = self.seat(Seat {
            cluster: Cluster { fuse: self.fuse.clone(), ..Cluster::default() },
            host: "https://second".into(),
            setup: Setup { login: Some(mount), ..self.setup },
            installation: "second",
        });
        self.apply();
        first
    }

    /// The next cluster is of this installation.
    pub(super) fn rename(&mut self, installation: &'static str) {
        self.installation = installation;
    }

    /// The authority went down with it.
    pub(super) async fn lose_cluster(&mut self) {
        self.restart().await;
        self.replace_cluster();
    }

    /// A person with these identities, and perhaps with a copy of the sealed shares.
    pub(super) fn person<'a>(
        &self,
        identities: &'a Identities,
        saved: Option<SealedShares>,
    ) -> Person<'a> {
        Person { api: self.cluster.client(), vault: self.client(), identities, saved }
    }

    pub(super) fn holders(&self) -> Identities {
        let (ada, bob) = (self.holder.identity.expose(), self.other.identity.expose());
        Identities::parse(&format!("{ada}\n{bob}")).unwrap()
    }

    pub(super) fn client(&self) -> Client {
        self.context(Identity::Warden).endpoints.client(AUTHORITY_SERVICE_URL).unwrap()
    }

    pub(super) fn context(&self, identity: Identity) -> Context {
        let names = [AUTHORITY_SERVICE_URL, EXTERNAL_URL].map(str::to_owned);
        let dial = BTreeMap::from(names.map(|name| (name, self.address.clone())));
        assert!(!*self.stop.borrow());
        Context {
            identity,
            api: self.cluster.client(),
            endpoints: Endpoints { dial, ..Endpoints::default() },
            jwt: Arc::new(Jwt(jwt(&identity.account(), &self.host))),
            shutdown: self.shutdown.clone(),
        }
    }

    pub(super) fn mount(&self) -> &'static str {
        self.setup.login.unwrap_or(KUBERNETES_MOUNT)
    }

    /// A session of `identity` in its own role.
    pub(super) fn session(&self, identity: Identity) -> Session {
        let context = self.context(identity);
        context.session(AUTHORITY_SERVICE_URL, self.mount(), &identity.account()).unwrap()
    }

    /// Gives warden one pass and drops it where the fuse blows, as kill -9 would. Returns where.
    pub(super) async fn pass_until_cut(&self) -> Option<String> {
        let warden = self.warden();
        tokio::select! {
            biased;
            at = self.fuse.blown() => Some(at),
            done = self.pass(&warden) => {
                done.unwrap();
                None
            }
        }
    }

    /// Warden as just started.
    pub(super) fn warden(&self) -> Arc<Ctx> {
        let args = Args { kubernetes_host: self.host.clone(), kubernetes_ca_cert: None };
        let (_, serving) = watch::channel(None);
        let (_, transport) = watch::channel(None);
        Arc::new(Ctx::new(self.context(Identity::Warden), args, serving, transport))
    }

    pub(super) async fn pass(&self, warden: &Arc<Ctx>) -> Result<(), Error> {
        let authority = Arc::new(self.cluster.authority("regent"));
        reconcile(authority, Arc::clone(warden)).await.map(drop)
    }

    pub(super) fn audit_lines(&self) -> Vec<String> {
        self.authority.as_ref().unwrap().audit_lines()
    }
}
