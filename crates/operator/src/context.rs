//! What every component is given: its own identity's two ways out, the API server and the authority, and the
//! signal to stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_types::identity::Identity;
use regent_vault::{Client, Error, JwtSource, Session};
use tokio::sync::watch;

/// What a component runs with. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Whose identity this is; also the field manager (`regent-NAME`) and the ledger writer.
    pub identity: Identity,
    /// The API server, as this identity.
    pub api: kube::Client,
    /// Where authorities answer, and by which CA they are known.
    pub endpoints: Endpoints,
    /// This identity's token for the authority's audience.
    pub jwt: Arc<dyn JwtSource>,
    /// The signal to stop, which everything long-lived waits for.
    pub shutdown: Shutdown,
}

impl Context {
    /// A session with the authority at `server` (as written in a store or RuntimeAuthority), logged in at
    /// `auth/{mount}` with `role` as this identity. Logging in happens at the first request.
    pub fn session(&self, server: &str, mount: &str, role: &str) -> Result<Session, Error> {
        let client = self.endpoints.client(server)?;
        Ok(Session::kubernetes(client, mount, role, Arc::clone(&self.jwt)))
    }

    /// Field manager of this component's writes.
    pub fn field_manager(&self) -> String {
        self.identity.account()
    }

    /// The wall clock. Decisions take it as an argument; only drivers read it.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Maps the address of an authority as Git writes it to where it answers from here. In a cluster the two are
/// the same; `regent dev` maps the in-cluster service name to a loopback address.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Address as written → address to dial.
    pub dial: BTreeMap<String, String>,
    /// CA certificates for those addresses, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// A file of CA certificates beside them, followed while it changes: the mounted ConfigMap
    /// `regent-authority-ca`.
    pub ca_file: Option<PathBuf>,
}

impl Endpoints {
    /// A client for the authority written as `server`.
    pub fn client(&self, server: &str) -> Result<Client, Error> {
        let written = server.trim_end_matches('/');
        let address = self.dial.get(written).map_or(written, String::as_str);
        Client::new(regent_vault::Config {
            address: address.to_owned(),
            ca_pem: self.ca_pem.clone(),
            ca_file: self.ca_file.clone(),
            deadline: Duration::from_secs(30),
        })
    }
}

/// The signal to stop, for any number of waiters.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A signal and the means to give it: send `true`, or drop the sender.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns once the signal was given.
    pub async fn wait(mut self) {
        // An error means that the sender is gone, which is the same signal.
        let _gone = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the signal was given.
    pub fn given(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
