//! Asks the embedded authority how its snapshots stand.

use regent_api::RuntimeAuthority;
use regent_vault::{Error as Vault, Method};

use super::ctx::Ctx;
use super::memory::Memory;
use super::snapshots::SnapshotsSeen;

/// Of the embedded authority alone; a person asks there for one.
const PATH: &str = "sys/regent/snapshots";

impl Ctx {
    /// Asks for them where that is due; what cannot be read now is asked for the next time.
    pub(super) async fn look_at_snapshots(
        &self,
        authority: &RuntimeAuthority,
        memory: &mut Memory,
        is_full: bool,
    ) {
        if authority.spec.external.is_some() {
            memory.snapshots = None;
            return;
        }
        let now = self.operator.now();
        if !is_full && !memory.snapshots.as_ref().is_none_or(|seen| seen.is_due(now)) {
            return;
        }
        let Ok(link) = memory.link(authority, &self.operator) else { return };
        let answer = match link.session.request(Method::GET, PATH, None).await {
            Ok(answer) => answer,
            // A release that knows nothing of snapshots.
            Err(Vault::NotFound { .. }) => None,
            Err(error) => {
                tracing::debug!(%error, "snapshots could not be looked at");
                return;
            }
        };
        memory.snapshots = Some(SnapshotsSeen::new(answer, now));
    }
}
