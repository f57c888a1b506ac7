//! How tokens end. Marking one record ends it and its tree at once; then the dead are removed,
//! leaves first, so that a crash leaves only records that the next sweep finds.

use futures::StreamExt as _;
use jiff::Timestamp;

use super::record::{
    EXPIRY, TokenRecord, TokenState, accessor_key, child_key, children_prefix, id_key, wrapped_key,
};
use super::store::TokenStore;
use crate::barrier::Batch;
use crate::error::ApiError;

/// Children looked at in one step: bounds memory, not the tree.
const CHILDREN_PER_STEP: usize = 256;

/// Children removed side by side: their commits share the disk's syncs.
const REMOVALS_AT_ONCE: usize = 32;

pub(super) enum Removal {
    Gone,
    /// Marked; these stand in the way.
    Children(Vec<String>),
}

impl TokenStore {
    /// Ends a token and everything below it.
    pub(crate) async fn revoke_tree(&self, hash: &str) -> Result<(), ApiError> {
        let mut stack = vec![(hash.to_owned(), None)];
        while let Some((top, parent)) = stack.last().cloned() {
            let children =
                match self.remove(&top, parent.as_deref(), TokenState::EndedWithTree).await? {
                    Removal::Gone => {
                        stack.pop();
                        continue;
                    }
                    Removal::Children(children) => children,
                };
            let above = top.as_str();
            let remove = |child: String| async move {
                let removal = self.remove(&child, Some(above), TokenState::EndedWithTree).await;
                (child, removal)
            };
            let mut removals =
                futures::stream::iter(children).map(remove).buffer_unordered(REMOVALS_AT_ONCE);
            let mut deeper = Vec::new();
            while let Some((child, removal)) = removals.next().await {
                if let Removal::Children(_) = removal? {
                    deeper.push((child, Some(above.to_owned())));
                }
            }
            drop(removals);
            stack.extend(deeper);
        }
        Ok(())
    }

    /// Ends a token; its children become orphans.
    pub(crate) async fn revoke_orphan(&self, hash: &str) -> Result<(), ApiError> {
        while let Removal::Children(children) =
            self.remove(hash, None, TokenState::EndedAlone).await?
        {
            for child in children {
                let _guard = self.view.lock(&id_key(&child)).await;
                match self.load(&child).await? {
                    Some(old) => {
                        let new = TokenRecord { parent: None, ..old.clone() };
                        self.replace(&child, &old, &new).await?;
                    }
                    None => self.forget_child(hash, &child).await?,
                }
            }
        }
        Ok(())
    }

    /// Removes at most `limit` tokens whose time has passed or that have ended; says how many.
    pub(crate) async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, ApiError> {
        let mut removed = 0;
        for key in self.view.scan(EXPIRY, "", limit).await? {
            let Some((seconds, hash)) = parse_expiry(&key) else { continue };
            if seconds > now.as_second() {
                break;
            }
            match self.load(hash).await? {
                Some(record) if record.is_live(now) => continue,
                Some(record) if record.state == TokenState::EndedAlone => {
                    self.revoke_orphan(hash).await?
                }
                Some(_) => self.revoke_tree(hash).await?,
                None => self.view.commit(deletion(&key)).await?,
            }
            removed += 1;
        }
        Ok(removed)
    }

    /// Adds the removal of a few dead, childless tokens to `batch`. No lock is needed: what is dead
    /// stays dead and gets no children.
    pub(super) async fn sweep_into(
        &self,
        batch: &mut Batch,
        now: Timestamp,
        limit: usize,
    ) -> Result<(), ApiError> {
        for key in self.view.scan(EXPIRY, "", limit).await? {
            let Some((seconds, hash)) = parse_expiry(&key) else { continue };
            if seconds > now.as_second() {
                break;
            }
            let Some(record) = self.load(hash).await?.filter(|record| !record.is_live(now)) else {
                continue;
            };
            if self.view.scan(&children_prefix(hash), "", 1).await?.is_empty() {
                delete_token(batch, hash, &record);
            }
        }
        Ok(())
    }

    /// Removes a token that has no children; marks one that has, so that it is dead and gets no
    /// more.
    pub(super) async fn remove(
        &self,
        hash: &str,
        parent: Option<&str>,
        state: TokenState,
    ) -> Result<Removal, ApiError> {
        let _guard = self.view.lock(&id_key(hash)).await;
        let Some(record) = self.load(hash).await? else {
            if let Some(parent) = parent {
                self.forget_child(parent, hash).await?;
            }
            return Ok(Removal::Gone);
        };
        let prefix = children_prefix(hash);
        let children = self.view.scan(&prefix, "", CHILDREN_PER_STEP).await?;
        if children.is_empty() {
            let mut batch = Batch::new();
            delete_token(&mut batch, hash, &record);
            self.view.commit(batch).await?;
            return Ok(Removal::Gone);
        }
        // A tree that has ended is not given life by ending its root alone.
        if record.state != state && record.state != TokenState::EndedWithTree {
            let marked = TokenRecord { state, ..record.clone() };
            self.replace(hash, &record, &marked).await?;
        }
        let names = children.iter().filter_map(|key| key.strip_prefix(&prefix));
        Ok(Removal::Children(names.map(str::to_owned).collect()))
    }

    async fn forget_child(&self, parent: &str, child: &str) -> Result<(), ApiError> {
        Ok(self.view.commit(deletion(&child_key(parent, child))).await?)
    }
}

fn deletion(key: &str) -> Batch {
    let mut batch = Batch::new();
    batch.delete(key);
    batch
}

pub(super) fn delete_token(batch: &mut Batch, hash: &str, record: &TokenRecord) {
    batch.delete(id_key(hash));
    batch.delete(accessor_key(&record.accessor));
    if record.is_wrapping() {
        batch.delete(wrapped_key(hash));
    }
    record.parent.iter().for_each(|parent| batch.delete(child_key(parent, hash)));
    record.expiry_key(hash).into_iter().for_each(|key| batch.delete(key));
}

fn parse_expiry(key: &str) -> Option<(i64, &str)> {
    let (seconds, hash) = key.strip_prefix(EXPIRY)?.split_once('/')?;
    Some((seconds.parse().ok()?, hash))
}
