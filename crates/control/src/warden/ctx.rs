//! What all reconciles of RuntimeAuthorities share.

use std::time::Duration;

use kube::Api;
use regent_api::RuntimeAuthority;
use regent_operator::Context;
use regent_operator::backoff::{Backoff, Growth};
use regent_operator::write::{StatusWrite, merge_status};
use regent_types::labels::AUTHORITY_NAME;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use super::Error;
use super::args::Args;
use super::memory::Memory;
use super::sealed_shares::SharesStore;
use super::transport::TransportReport;
use super::unseal_identity::UnsealIdentity;

/// Pauses while it is not in order. The longest is how late warden may notice that somebody helped.
const PAUSES: Growth = Growth::new(Duration::from_millis(200), Duration::from_secs(5));

pub(super) struct Ctx {
    pub(super) operator: Context,
    pub(super) args: Args,
    pub(super) api: Api<RuntimeAuthority>,
    pub(super) unseal_identity: UnsealIdentity,
    pub(super) shares_store: SharesStore,
    /// Whether anything is served; `None` while not known.
    pub(super) serving: watch::Receiver<Option<bool>>,
    /// What is known of the certificates; `None` before the first look at them.
    pub(super) transport: watch::Receiver<Option<TransportReport>>,
    pub(super) memory: Mutex<Memory>,
    /// By the RuntimeAuthority's name.
    pub(super) backoff: Backoff<String>,
}

impl Ctx {
    pub(super) fn new(
        operator: Context,
        args: Args,
        serving: watch::Receiver<Option<bool>>,
        transport: watch::Receiver<Option<TransportReport>>,
    ) -> Self {
        Self {
            args,
            api: Api::all(operator.api.clone()),
            unseal_identity: UnsealIdentity::new(&operator),
            shares_store: SharesStore::new(operator.api.clone(), operator.manager()),
            operator,
            serving,
            transport,
            memory: Mutex::default(),
            backoff: Backoff::new(PAUSES),
        }
    }

    /// RuntimeAuthority `name` as the API server has it now.
    pub(super) async fn get(&self, name: &str) -> Result<Option<RuntimeAuthority>, Error> {
        let object = format!("RuntimeAuthority {name}");
        self.api.get_opt(name).await.map_err(Error::api("read", &object))
    }

    /// Writes fields of warden's status at once: they are intents and must be durable before the next step.
    pub(super) async fn persist_status(&self, fields: Value) -> Result<(), Error> {
        let manager = self.operator.manager();
        match merge_status(&self.api, &manager, AUTHORITY_NAME, &fields).await? {
            StatusWrite::Written { .. } => Ok(()),
            StatusWrite::Gone | StatusWrite::Changed => Err(Error::changed(AUTHORITY_NAME)),
        }
    }
}
