//! Ending many tokens at once: all that came by one mount, role or path.

use std::sync::atomic::Ordering;

use futures::StreamExt as _;

use super::record::{IDS, TokenRecord};
use super::store::TokenStore;
use crate::error::ApiError;

/// Records looked at in one step: bounds memory, not the number of tokens.
const LOOKED_AT_PER_STEP: usize = 500;

/// Trees ended side by side: their commits share the disk's syncs.
const ENDED_AT_ONCE: usize = 32;

impl TokenStore {
    /// Ends every token that `meant` names, and everything below each. A login that is under way either is
    /// found here or finds (`issue_login`) that what let it in is gone: whoever calls this has committed
    /// that before.
    pub(crate) async fn revoke_where(
        &self,
        meant: &(impl Fn(&TokenRecord) -> bool + Sync),
    ) -> Result<(), ApiError> {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        drop(self.issuing.write().await);
        let mut after = String::new();
        loop {
            let keys = self.view.scan(IDS, &after, LOOKED_AT_PER_STEP).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after.clone_from(last);
            let end = |key: String| async move {
                let Some(hash) = key.strip_prefix(IDS) else { return Ok(()) };
                match self.load(hash).await? {
                    Some(record) if meant(&record) => self.revoke_tree(hash).await,
                    Some(_) | None => Ok(()),
                }
            };
            let mut ending = futures::stream::iter(keys).map(end).buffer_unordered(ENDED_AT_ONCE);
            while let Some(ended) = ending.next().await {
                ended?;
            }
        }
    }

    /// Shows `look` the lease of every token that ends by itself, until it says `false`.
    pub(crate) async fn each_lease(
        &self,
        look: &mut (impl FnMut(&str) -> bool + Send),
    ) -> Result<(), ApiError> {
        let mut after = String::new();
        loop {
            let keys = self.view.scan(IDS, &after, LOOKED_AT_PER_STEP).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after.clone_from(last);
            for hash in keys.iter().filter_map(|key| key.strip_prefix(IDS)) {
                let record = self.load(hash).await?.filter(|record| record.expires.is_some());
                if let Some(record) = record
                    && !look(&format!("{}/{hash}", record.path))
                {
                    return Ok(());
                }
            }
        }
    }

    /// Ends every token that was issued below `prefix` (ends in `/`) and has an end of its own: what lives
    /// for ever, a root token, has no lease.
    pub(crate) async fn revoke_prefix(&self, prefix: &str) -> Result<(), ApiError> {
        self.revoke_where(&|token: &TokenRecord| {
            token.expires.is_some() && format!("{}/", token.path).starts_with(prefix)
        })
        .await
    }
}
