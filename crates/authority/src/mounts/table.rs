//! The mount table: in memory for every request, persisted as one record.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::mount::{Mount, MountKind};
use crate::barrier::{Batch, View};
use crate::error::{ApiError, InternalCause};

/// Mounts of one authority: the table is one record, searched on every request.
const MOUNTS_MAX: usize = 256;

/// Records removed in one commit.
const PURGE_BATCH_LEN: usize = 1000;

const TABLE_KEY: &str = "core/mounts";

/// The mount table in use and its place in storage.
pub(crate) struct Mounts {
    root: View,
    current: RwLock<Arc<Table>>,
    /// One change at a time.
    changing: Mutex<()>,
}

/// A mount with its storage.
#[derive(Clone)]
pub(crate) struct Mounted {
    pub(crate) mount: Arc<Mount>,
    pub(crate) view: View,
}

/// The table in use.
#[derive(Clone)]
struct Table {
    mounts: Vec<Arc<Mount>>,
    /// Uuids of removed mounts whose records may still be there.
    purge: Vec<String>,
    /// Paths of removed auth mounts whose tokens may still be there.
    revoke: Vec<String>,
}

/// The table as it is persisted.
#[derive(Serialize, Deserialize)]
struct Stored {
    mounts: Vec<Mount>,
    purge: Vec<String>,
    #[serde(default)]
    revoke: Vec<String>,
}

impl Mounts {
    /// The table of a new authority, and the batch that stores it (relative to `root`).
    pub(crate) fn initial(root: View) -> Result<(Self, Batch), ApiError> {
        let mounts = vec![
            Arc::new(Mount::new("sys/", MountKind::System, "system endpoints")?),
            Arc::new(Mount::new("auth/token/", MountKind::Token, "token based credentials")?),
        ];
        let table = Table { mounts, purge: Vec::new(), revoke: Vec::new() };
        let mut batch = Batch::new();
        batch.put(TABLE_KEY, table.encode()?);
        Ok((Self::over(root, table), batch))
    }

    /// The stored table. Fails if there is none or it does not read.
    pub(crate) async fn load(root: View) -> Result<Self, ApiError> {
        let bytes = root.get(TABLE_KEY).await?.ok_or_else(|| ApiError::corrupt("mount table"))?;
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|_| ApiError::corrupt("mount table"))?;
        let mounts = stored.mounts.into_iter().map(Arc::new).collect();
        Ok(Self::over(root, Table { mounts, purge: stored.purge, revoke: stored.revoke }))
    }

    fn over(root: View, table: Table) -> Self {
        Self { root, current: RwLock::new(Arc::new(table)), changing: Mutex::default() }
    }

    /// The mount that `path` lies below.
    pub(crate) fn find(&self, path: &str) -> Option<Mounted> {
        let table = self.table();
        let mount = table.mounts.iter().find(|mount| path.starts_with(&mount.path))?;
        Some(self.mounted(mount))
    }

    /// The mount at exactly `path`.
    pub(crate) fn at(&self, path: &str) -> Option<Arc<Mount>> {
        self.table().mounts.iter().find(|mount| mount.path == path).cloned()
    }

    /// All of them, by path.
    pub(crate) fn all(&self) -> Vec<Arc<Mount>> {
        let mut mounts = self.table().mounts.clone();
        mounts.sort_by(|a, b| a.path.cmp(&b.path));
        mounts
    }

    /// The storage of `mount`.
    pub(crate) fn mounted(&self, mount: &Arc<Mount>) -> Mounted {
        let view = self.root.below(&format!("mount/{}/", mount.uuid));
        Mounted { mount: mount.clone(), view }
    }

    /// Adds `mount`; its path may neither contain nor lie below another's.
    pub(crate) async fn add(&self, mount: Mount) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        let taken = |other: &&Arc<Mount>| {
            other.path.starts_with(&mount.path) || mount.path.starts_with(&other.path)
        };
        if let Some(other) = table.mounts.iter().find(taken) {
            return Err(ApiError::invalid(format!("path is already in use at {}", other.path)));
        }
        if table.revoke.contains(&mount.path) {
            return Err(ApiError::invalid(format!(
                "the tokens of the mount that was at {} are not all revoked: disable it again first",
                mount.path
            )));
        }
        if table.mounts.len() >= MOUNTS_MAX {
            return Err(ApiError::invalid(format!("more than {MOUNTS_MAX} mounts")));
        }
        table.mounts.push(Arc::new(mount));
        self.store(table).await
    }

    /// Replaces the mount of the same path by what `change` makes of it.
    pub(crate) async fn tune(
        &self,
        path: &str,
        change: impl FnOnce(&mut Mount) -> Result<(), ApiError> + Send,
    ) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        let slot = table.mounts.iter_mut().find(|mount| mount.path == path);
        let slot = slot.ok_or_else(|| ApiError::invalid(format!("no mount at {path}")))?;
        change(Arc::make_mut(slot))?;
        self.store(table).await
    }

    /// Removes the mount at `path` and its records; nothing happens if there is none. What it was is in
    /// [`Mounts::to_revoke`] from the commit that removes it on.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        let Some(index) = table.mounts.iter().position(|mount| mount.path == path) else {
            return Ok(());
        };
        let mount = table.mounts.remove(index);
        table.purge.push(mount.uuid.clone());
        if mount.path.starts_with("auth/") {
            table.revoke.push(mount.path.clone());
        }
        self.store(table.clone()).await?;
        for uuid in std::mem::take(&mut table.purge) {
            self.purge(&uuid).await?;
        }
        self.store(table).await
    }

    /// Paths of removed auth mounts whose tokens may still live.
    pub(crate) fn to_revoke(&self) -> Vec<String> {
        self.table().revoke.clone()
    }

    /// The tokens that were issued below `path` have ended.
    pub(crate) async fn revoked(&self, path: &str) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        table.revoke.retain(|pending| pending != path);
        self.store(table).await
    }

    async fn purge(&self, uuid: &str) -> Result<(), ApiError> {
        let prefix = format!("mount/{uuid}/");
        loop {
            let keys = self.root.scan(&prefix, "", PURGE_BATCH_LEN).await?;
            let mut batch = Batch::new();
            keys.iter().for_each(|key| batch.delete(key.as_str()));
            self.root.commit(batch).await?;
            if keys.len() < PURGE_BATCH_LEN {
                return Ok(());
            }
        }
    }

    async fn store(&self, table: Table) -> Result<(), ApiError> {
        let mut batch = Batch::new();
        batch.put(TABLE_KEY, table.encode()?);
        self.root.commit(batch).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }

    fn table(&self) -> Arc<Table> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Table {
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ApiError> {
        let mounts = self.mounts.iter().map(|mount| Mount::clone(mount)).collect();
        let (purge, revoke) = (self.purge.clone(), self.revoke.clone());
        serde_json::to_vec(&Stored { mounts, purge, revoke })
            .map(Zeroizing::new)
            .map_err(|_| ApiError::Internal(InternalCause::Encode("mount table")))
    }
}
