//! Reads and writes of the Lease; every write carries the resourceVersion it rests on.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::decide::LeaderRecord;

/// The Lease of one component.
#[derive(Clone)]
pub(super) struct LeaseClient {
    pub(super) api: Api<Lease>,
    pub(super) name: String,
    pub(super) me: String,
    pub(super) duration: Duration,
}

/// As it was seen, or as it is absent.
pub(super) fn held(lease: &Lease) -> LeaderRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
    LeaderRecord {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(seconds),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

impl LeaseClient {
    fn spec(&self, old: &LeaseSpec, now: Timestamp) -> LeaseSpec {
        let mine = old.holder_identity.as_deref() == Some(self.me.as_str());
        let transitions = old.lease_transitions.unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            acquire_time: if mine { old.acquire_time.clone() } else { Some(MicroTime(now)) },
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(if mine { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }

    /// Creates it for this process.
    pub(super) async fn create(&self, now: Timestamp) -> kube::Result<Lease> {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(self.spec(&LeaseSpec::default(), now)) };
        self.api.create(&PostParams::default(), &lease).await
    }

    /// Takes or renews `seen`; a conflict where it changed since.
    pub(super) async fn take(&self, seen: &Lease, now: Timestamp) -> kube::Result<Lease> {
        let spec = self.spec(&seen.spec.clone().unwrap_or_default(), now);
        let lease = Lease { spec: Some(spec), ..seen.clone() };
        self.api.replace(&self.name, &PostParams::default(), &lease).await
    }

    /// Gives it back, so that nobody has to wait for it to expire.
    pub(super) async fn release(&self, seen: &Lease, now: Timestamp) -> kube::Result<()> {
        let old = seen.spec.clone().unwrap_or_default();
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(now)),
            ..old
        };
        let lease = Lease { spec: Some(spec), ..seen.clone() };
        self.api.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
    }
}
