//! Whether there is an authority to work with, and the way to it. While there is none, nothing is
//! asked of it: the gate opens when RuntimeAuthority says so, and everything is looked at again.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::watcher;
use regent_api::RuntimeAuthority;
use regent_protocol::HmacKey;
use regent_types::authority_names::{REGENT_MOUNT, SECRET_MOUNT, chain_name};
use regent_types::grant::PathGrant;
use regent_types::labels;
use regent_types::path::Tree;
use regent_types::{SecretPath, Sensitive};
use regent_vault::{Client, Kv, KvConfig};
use serde::{Deserialize, Serialize};
use tokio::sync::{OnceCell, watch};
use zeroize::Zeroize;

use super::error::Error;
use super::random;
use regent_operator::Context;
use regent_operator::ledger::Ledger;
use regent_operator::object_watch;
use regent_operator::published_head::Published;

/// Place of the HMAC key in the `regent/` mount.
const HMAC_PATH: &str = "keys/hmac";

/// An authority that is initialized, unsealed and configured, as far as RuntimeAuthority knows.
pub(super) struct Authority {
    pub(super) installation: String,
    /// Paths beyond the namespaces' own.
    pub(super) grants: Vec<PathGrant>,
    pub(super) secret: Kv,
    pub(super) regent: Kv,
    pub(super) ledger: Ledger,
    client: Client,
    /// Which opening of the gate this is, from 1.
    pub(super) epoch: u64,
    key: OnceCell<HmacKey>,
    mount: Mutex<Arc<OnceCell<KvConfig>>>,
}

/// Whether the authority may be asked.
#[derive(Clone)]
pub(super) enum Gate {
    /// No; the sentence says why.
    Closed(String),
    Open(Arc<Authority>),
}

/// What RuntimeAuthority says, reduced to what the gate depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Closed(String),
    Open { address: String, mount: String, installation: String, grants: Vec<PathGrant> },
}

/// Reads RuntimeAuthority: phase 3 is reached once the authority is configured (PROTOCOLS.md §3).
fn said(authority: Option<&RuntimeAuthority>, address: Option<&str>) -> Said {
    let Some(authority) = authority else {
        return Said::Closed("there is no RuntimeAuthority regent yet".into());
    };
    let status = authority.status.clone().unwrap_or_default();
    if status.sealed == Some(true) {
        return Said::Closed("the authority is sealed".into());
    }
    if status.phase.is_none_or(|p| p < 3) || status.initialized == Some(false) {
        return Said::Closed("the authority is not initialized and configured yet".into());
    }
    let written = authority.spec.external.as_ref().map(|e| e.address.as_str());
    Said::Open {
        address: address.or(written).unwrap_or(labels::AUTHORITY_SERVICE_URL).to_owned(),
        mount: authority.spec.login().mount,
        installation: authority.spec.installation.clone(),
        grants: authority.spec.grants.clone(),
    }
}

/// Follows RuntimeAuthority and moves the gate until it is time to stop.
pub(super) async fn follow(cx: Context, address: Option<String>, gate: watch::Sender<Gate>) {
    let api: Api<RuntimeAuthority> = Api::all(cx.api.clone());
    let field = format!("metadata.name={}", labels::AUTHORITY_NAME);
    let config = watcher::Config::default().fields(&field);
    let stop = Box::pin(cx.shutdown.clone().wait());
    let mut events = object_watch::watch(api, config).take_until(stop).boxed();
    let mut last = None;
    let mut epoch = 0;
    loop {
        let seen = match events.try_next().await {
            Ok(Some(watcher::Event::Apply(a) | watcher::Event::InitApply(a))) => Some(a),
            Ok(Some(watcher::Event::Delete(_))) => None,
            Ok(Some(watcher::Event::Init | watcher::Event::InitDone)) => continue,
            Ok(None) => return,
            Err(error) => {
                let error = Error::watch("RuntimeAuthority", &error);
                tracing::warn!(component = "orchestrator", %error, "watch of RuntimeAuthority broke");
                continue;
            }
        };
        let now = said(seen.as_ref(), address.as_deref());
        if last.as_ref() == Some(&now) {
            continue;
        }
        last = Some(now.clone());
        epoch += 1;
        gate.send_replace(open(&cx, now, epoch));
    }
}

fn open(cx: &Context, said: Said, epoch: u64) -> Gate {
    let (address, mount, installation, grants) = match said {
        Said::Closed(why) => {
            tracing::info!(component = "orchestrator", reason = why, "authority not ready");
            return Gate::Closed(why);
        }
        Said::Open { address, mount, installation, grants } => {
            (address, mount, installation, grants)
        }
    };
    match cx.session(&address, &mount, &cx.identity.account()) {
        Ok(session) => {
            let regent = session.kv(REGENT_MOUNT);
            let ledger = Ledger::start(
                regent.clone(),
                &chain_name(cx.identity, &mount),
                Published::In(cx.api.clone()),
            );
            tracing::info!(component = "orchestrator", "authority ready");
            Gate::Open(Arc::new(Authority {
                installation,
                grants,
                secret: session.kv(SECRET_MOUNT),
                regent,
                ledger,
                client: session.client().clone(),
                epoch,
                key: OnceCell::new(),
                mount: Mutex::default(),
            }))
        }
        Err(error) => {
            tracing::error!(component = "orchestrator", %error, "authority address is unusable");
            Gate::Closed(format!("the authority's address is unusable: {error}"))
        }
    }
}

/// The HMAC key as it lies in the authority.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: String,
    key: String,
}

impl Drop for StoredKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Authority {
    /// The HMAC key, made with `cas=0` at first use (PROTOCOLS.md §1.8).
    pub(super) async fn key(&self) -> Result<&HmacKey, Error> {
        self.key.get_or_try_init(|| self.load_key()).await
    }

    /// Settings of the `secret/` mount, read once and again after [`Authority::forget_mount`].
    pub(super) async fn mount_config(&self) -> Result<KvConfig, Error> {
        let cell = Arc::clone(&*self.mount.lock().unwrap_or_else(PoisonError::into_inner));
        let read = || async { Ok::<_, Error>(self.secret.mount_config().await?) };
        cell.get_or_try_init(read).await.cloned()
    }

    /// Its clock; `None` where it says none.
    pub(super) async fn time(&self) -> Result<Option<Timestamp>, Error> {
        let seconds = self.client.health().await?.server_time_utc;
        Ok(Some(seconds).filter(|s| *s > 0).and_then(|s| Timestamp::from_second(s).ok()))
    }

    /// A write was refused: perhaps the mount's settings are others by now.
    pub(super) fn forget_mount(&self) {
        *self.mount.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    async fn load_key(&self) -> Result<HmacKey, Error> {
        if let Some(key) = self.read_key().await? {
            return Ok(key);
        }
        let raw = random::bytes(32)?;
        let id = regent_protocol::hmac::hex(random::bytes(4)?.expose());
        let stored = StoredKey { id, key: STANDARD.encode(raw.expose()) };
        match self.regent.write_json(HMAC_PATH, &stored, Some(0)).await {
            Ok(_) => {}
            // Somebody was faster: policy grants `create` alone, so that this may be a denial too.
            Err(error) if error.is_cas() || error.is_denied() => {
                return self.read_key().await?.ok_or(Error::Authority(error));
            }
            Err(error) => return Err(error.into()),
        }
        self.read_key().await?.ok_or(Error::Key)
    }

    async fn read_key(&self) -> Result<Option<HmacKey>, Error> {
        let Some((stored, _)) = self.regent.read_json::<StoredKey>(HMAC_PATH).await? else {
            return Ok(None);
        };
        let key = STANDARD.decode(stored.key.as_bytes()).map_err(|_| Error::Key)?;
        if key.len() < 32 || stored.id.is_empty() || stored.id.contains(':') {
            return Err(Error::Key);
        }
        Ok(Some(HmacKey { id: stored.id.clone(), key: Sensitive::new(key) }))
    }

    /// Whether `namespace` may own `path` (PROTOCOLS.md §4.0).
    pub(super) fn granted(&self, namespace: &str, path: &SecretPath) -> bool {
        let own = path.tree() == Tree::Runtime && path.segment(1) == Some(namespace);
        own || self.grants.iter().any(|grant| grant.covers(namespace, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_api::RuntimeAuthorityStatus;
    use regent_api::runtime_authority::{RuntimeAuthoritySpec, Seal};

    fn authority(status: RuntimeAuthorityStatus) -> RuntimeAuthority {
        let mut authority = RuntimeAuthority::new(
            labels::AUTHORITY_NAME,
            RuntimeAuthoritySpec {
                installation: "lab".into(),
                tls: None,
                external: None,
                seal: Seal { holders: Vec::new(), threshold: 1, unattended: true },
                bootstrap_secrets: Vec::new(),
                grants: Vec::new(),
                dispose_after: Default::default(),
            },
        );
        authority.status = Some(status);
        authority
    }

    #[test]
    fn the_gate_is_closed_until_phase_three_and_while_sealed() {
        let phase = |phase, sealed| RuntimeAuthorityStatus {
            phase,
            sealed,
            initialized: Some(true),
            ..Default::default()
        };
        let open = |s| matches!(said(Some(&authority(s)), None), Said::Open { .. });
        assert!(matches!(said(None, None), Said::Closed(_)));
        assert!(!open(RuntimeAuthorityStatus::default()));
        assert!(!open(phase(Some(2), Some(false))));
        assert!(!open(phase(Some(3), Some(true))));
        assert!(open(phase(Some(3), Some(false))));
        assert!(open(phase(Some(4), None)));
    }
}
