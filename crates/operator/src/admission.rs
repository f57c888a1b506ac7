//! A component that relies on an admission policy starts once it has seen that policy refuse: an apply that the
//! policy must not let through, tried dry, so that nothing is written whatever the answer.
//!
//! ```text
//!   refused by the policy ─► start      accepted ─► PolicyMissing      anything else ─► ProbeFailed
//!                                       └───────── asked again, ever more slowly ─────────┘
//! ```

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use regent_install::access::admission::{BOOTSTRAP, MATERIALIZED, PROBE_SECRET};
use regent_types::identity::Identity;
use regent_types::{Advice, Explain, labels};
use serde_json::json;

use crate::api_error::ApiError;
use crate::backoff::Growth;
use crate::startup;
use crate::{Context, Shutdown};

/// Between two tries. The longest is how late a component may notice that the policies came.
const PAUSES: Growth = Growth::new(Duration::from_millis(200), Duration::from_secs(15));

/// One try: a Secret of a class that the caller may not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The policy that must refuse it.
    pub policy: &'static str,
    /// Value of its label `regent.dev/class`.
    pub class: &'static str,
}

/// Refused to everybody: bootstrap too, because it says nothing of its manifest.
const BOOTSTRAP_PROBE: Probe = Probe { policy: BOOTSTRAP, class: labels::CLASS_BOOTSTRAP };
/// Refused to everybody: the materializer too, because it says nothing of its versions.
const MATERIALIZED_PROBE: Probe = Probe { policy: MATERIALIZED, class: labels::CLASS_MATERIALIZED };

/// What `identity` relies on: a Secret it writes is one that nobody else can write.
pub fn probes(identity: Identity) -> &'static [Probe] {
    match identity {
        Identity::Bootstrap | Identity::Orchestrator => &[BOOTSTRAP_PROBE],
        Identity::Materializer => &[MATERIALIZED_PROBE, BOOTSTRAP_PROBE],
        Identity::Intent
        | Identity::Warden
        | Identity::Triggers
        | Identity::Authority
        | Identity::Publisher
        | Identity::Reader => &[],
    }
}

/// Why a component waits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy did not refuse.
    #[error("admission policy {policy} is not in force: a write that it must refuse was accepted")]
    Missing {
        /// Name of the ValidatingAdmissionPolicy.
        policy: &'static str,
    },
    /// The API server answered something else.
    #[error("whether admission policy {policy} is in force cannot be seen")]
    Probe {
        /// Name of the ValidatingAdmissionPolicy.
        policy: &'static str,
        /// What it answered to the dry run.
        #[source]
        source: ApiError,
    },
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "PolicyMissing",
            Self::Probe { .. } => "ProbeFailed",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Missing { policy } => Advice::new(
                format!("{policy} to refuse a dry run"),
                "it was accepted",
                "apply the policies and bindings that regent install prints",
            ),
            Self::Probe { policy, source } => Advice::new(
                format!("{policy} to refuse a dry run"),
                source.to_string(),
                "see whether the API server answers and the component's Role is as installed",
            ),
        }
    }
}

/// Waits until every policy that this component relies on is in force; `false` where the signal to stop came first.
pub async fn enforced(cx: &Context) -> bool {
    wait(&cx.api, cx.identity, &cx.shutdown).await
}

/// The same for any client that acts as `identity`.
pub async fn wait(api: &kube::Client, identity: Identity, shutdown: &Shutdown) -> bool {
    for probe in probes(identity) {
        if !startup::until(identity, shutdown, PAUSES, || attempt(api, identity, *probe)).await {
            return false;
        }
    }
    true
}

async fn attempt(api: &kube::Client, identity: Identity, probe: Probe) -> Result<(), Error> {
    let secrets: Api<Secret> = Api::namespaced(api.clone(), labels::SYSTEM_NAMESPACE);
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": PROBE_SECRET, "labels": { labels::CLASS: probe.class } },
    });
    let params = PatchParams::apply(&identity.account()).dry_run();
    judge(probe.policy, secrets.patch(PROBE_SECRET, &params, &Patch::Apply(object)).await)
}

/// Only the named policy's own refusal counts: one by RBAC, by another policy or by a webhook says nothing about it.
fn judge<T>(policy: &'static str, answer: Result<T, kube::Error>) -> Result<(), Error> {
    let said = format!("ValidatingAdmissionPolicy '{policy}'");
    match answer {
        Ok(_) => Err(Error::Missing { policy }),
        Err(kube::Error::Api(status)) if status.message.contains(&said) => Ok(()),
        Err(error) => {
            let object = format!("Secret {}/{PROBE_SECRET}", labels::SYSTEM_NAMESPACE);
            Err(Error::Probe { policy, source: ApiError::new("dry-run", object, &error) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn refused(message: &str) -> Result<(), kube::Error> {
        let mut status = Status::failure(message, "Forbidden");
        status.code = 403;
        Err(kube::Error::Api(Box::new(status)))
    }

    /// S5.5-3: neither a silent API server nor somebody else's refusal is taken for the policy.
    #[test]
    fn only_the_policys_own_refusal_counts() {
        let reason = |answer| judge(BOOTSTRAP, answer).err().map(|e| e.reason());
        let own = format!(
            "secrets \"p\" is forbidden: ValidatingAdmissionPolicy '{BOOTSTRAP}' with binding 'b' denied"
        );
        assert_eq!(reason(refused(&own)), None);
        assert_eq!(reason(Ok(())), Some("PolicyMissing"));
        assert_eq!(
            reason(refused("secrets is forbidden: User cannot create")),
            Some("ProbeFailed")
        );
        let other =
            "ValidatingAdmissionPolicy 'regent-bootstrap-secrets-2' with binding 'b' denied";
        assert_eq!(reason(refused(other)), Some("ProbeFailed"));
    }

    #[test]
    fn who_writes_secrets_of_a_class_relies_on_its_policy() {
        for identity in Identity::ALL {
            let relies = !probes(identity).is_empty();
            let writers = [Identity::Bootstrap, Identity::Orchestrator, Identity::Materializer];
            assert_eq!(relies, writers.contains(&identity), "{identity:?}");
        }
    }
}
