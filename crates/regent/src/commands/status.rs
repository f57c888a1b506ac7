//! `regent status`: phase, authority, seal, and what is not ready.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::ListParams;
use regent_api::condition;
use regent_api::runtime_authority::LastSnapshot;
use regent_api::{
    EncryptedManifest, EventTrigger, ExternalSecret, GitSource, PushSecret, RuntimeAuthority,
    RuntimeSecret, WorkflowRun,
};
use serde::Serialize;

use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use crate::output::{Format, Out, Row};
use regent_host::view::{ObjectEvent, Unmet, View};
use regent_types::lifecycle::Authoritative;

/// How long after it fired a trigger is asked for the runs of its deliveries: later ones that are not there were deleted.
const OWED_FOR: Duration = Duration::from_secs(600);

/// What `regent status` says; its fields are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    phase: i64,
    authoritative: Authoritative,
    address: String,
    initialized: bool,
    sealed: bool,
    root_revoked: bool,
    reason: String,
    message: String,
    /// The newest snapshot of the embedded authority that was restored on trial; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<LastSnapshot>,
    /// Whether snapshots are as they are to be: a reason and a sentence; absent where the authority is not regent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshots: Option<Snapshots>,
    secrets: usize,
    not_ready: Vec<Unmet>,
}

/// Whether snapshots are as they are to be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshots {
    /// `True`, `False` or `Unknown`.
    current: String,
    reason: String,
    message: String,
}

impl Row for Unmet {
    const COLUMNS: &'static [&'static str] = &["NOT READY", "REASON", "MESSAGE"];
    fn cells(&self) -> Vec<String> {
        vec![self.object.clone(), self.reason.clone(), self.message.clone()]
    }
}

/// Prints the status; exit code 1 while something is not ready.
pub async fn run(args: &ClusterArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(args).await?;
    let view = look(&api).await?;
    let authorities = Api::<RuntimeAuthority>::all(api.clone());
    let found = authorities.list(&ListParams::default()).await?.items.into_iter().next();
    let seen = found.and_then(|a| a.status).unwrap_or_default();
    let ready = condition::get(&seen.conditions, condition::READY);
    let status = Status {
        // Without a RuntimeAuthority the phase is what Git has reached.
        phase: seen.phase.unwrap_or(if view.manifests.is_empty() { 1 } else { 2 }),
        authoritative: seen.authoritative.unwrap_or(Authoritative::Git),
        address: seen.address.unwrap_or_default(),
        initialized: seen.initialized.unwrap_or(false),
        sealed: seen.sealed.unwrap_or(true),
        root_revoked: seen.root_revoked.unwrap_or(false),
        reason: ready.map_or_else(|| "NoRuntimeAuthority".into(), |c| c.reason.clone()),
        message: ready.map(|c| c.message.clone()).unwrap_or_default(),
        snapshots: condition::get(&seen.conditions, condition::SNAPSHOTS_CURRENT).map(|found| {
            let (reason, message) = (found.reason.clone(), found.message.clone());
            Snapshots { current: found.status.clone(), reason, message }
        }),
        snapshot: seen.snapshot,
        secrets: view.secrets.len(),
        not_ready: view.unmet(),
    };
    let code = u8::from(!status.not_ready.is_empty());
    if out.format != Format::Table {
        out.value(&status)?;
        return Ok(code);
    }
    out.line(&format!("phase          {}", status.phase));
    out.line(&format!("authoritative  {}", status.authoritative.as_str()));
    let sealed = if status.sealed { "sealed" } else { "unsealed" };
    let made = if status.initialized { "initialized" } else { "not initialized" };
    let root = if status.root_revoked { "root token revoked" } else { "root token not revoked" };
    out.line(&format!("authority      {} {made}, {sealed}, {root}", status.address));
    out.line(&format!("               {}: {}", status.reason, status.message));
    status.print_snapshots(out);
    out.line(&format!("secrets        {}", status.secrets));
    if !status.not_ready.is_empty() {
        out.line("");
        out.list(&status.not_ready)?;
    }
    Ok(code)
}

impl Status {
    /// The age of the last snapshot that could be restored, and what is wrong.
    fn print_snapshots(&self, out: Out) {
        let Some(snapshots) = &self.snapshots else { return };
        let last = self.snapshot.as_ref().and_then(|last| last.last_good.as_ref());
        let (first, indent) = match last {
            Some(Time(at)) => {
                let age = Timestamp::now().duration_since(*at).as_mins();
                out.line(&format!("snapshots      last restored on trial: {at}, {age} min old"));
                ("", 15)
            }
            None => ("snapshots", 15),
        };
        out.line(&format!("{first:indent$}{}: {}", snapshots.reason, snapshots.message));
    }
}

/// Everything that can be seen, once. What follows from a kind is listed after it: objects after the source that applied
/// them, runs after the triggers that started them.
async fn look(api: &kube::Client) -> anyhow::Result<View> {
    let since = Timestamp::now().checked_sub(OWED_FOR).unwrap_or(Timestamp::MIN);
    let mut view = View::default().owing_since(since);
    macro_rules! see {
        ($($kind:ty => $seen:expr),* $(,)?) => {$(
            for object in Api::<$kind>::all(api.clone()).list(&Default::default()).await? {
                view.see($seen(Box::new(object)));
            }
        )*};
    }
    see! {
        GitSource => ObjectEvent::Git,
        EncryptedManifest => ObjectEvent::Manifest,
        RuntimeAuthority => ObjectEvent::Authority,
        RuntimeSecret => ObjectEvent::Secret,
        ExternalSecret => ObjectEvent::External,
        PushSecret => ObjectEvent::Push,
        EventTrigger => ObjectEvent::Trigger,
        WorkflowRun => ObjectEvent::Run,
    }
    Ok(view)
}
