//! What answers where: the mount table.
//!
//! Persisted as one record at `core/mounts`; each mount's storage lies under `mount/{uuid}/`, and a
//! uuid is never reused. A removed mount first leaves the table (nothing answers any more), then
//! its records go, in bounded batches; what a crash left over is removed with the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::engines::Fault;
use crate::random;
use crate::storage::view::{Batch, View};

/// Lease bound when neither mount nor role says otherwise: 768 h, Vault's default.
pub(crate) const LEASE_TTL_DEFAULT_S: u64 = 768 * 3600;

/// Mounts of one authority: the table is one record, searched on every request.
const MOUNTS_MAX: usize = 256;

/// Records removed in one commit.
const PURGE_BATCH_LEN: usize = 1000;

const TABLE_KEY: &str = "core/mounts";

/// What answers below a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// KV version 2.
    Kv,
    /// Kubernetes auth.
    Kubernetes,
    /// Tokens, at `auth/token/`.
    Token,
    /// `sys/`.
    System,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// Full path with trailing `/`: `secret/`, `auth/kubernetes/`.
    pub(crate) path: String,
    /// What answers.
    pub(crate) kind: Kind,
    /// Names its storage; never reused.
    pub(crate) uuid: String,
    /// Public handle, e.g. `kv_1a2b3c4d`.
    pub(crate) accessor: String,
    /// Free text.
    pub(crate) description: String,
    /// E.g. `version: "2"`.
    pub(crate) options: BTreeMap<String, String>,
    /// Tunable settings.
    pub(crate) config: MountConfig,
}

/// Tunable settings; 0 means [`LEASE_TTL_DEFAULT_S`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountConfig {
    /// `default_lease_ttl` in seconds.
    pub(crate) default_lease_ttl_s: u64,
    /// `max_lease_ttl` in seconds.
    pub(crate) max_lease_ttl_s: u64,
    /// `unauth`, `hidden` or empty.
    pub(crate) listing_visibility: String,
}

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
    /// The mount.
    pub(crate) mount: Arc<Mount>,
    /// Its storage.
    pub(crate) view: View,
}

/// The table in use.
#[derive(Clone)]
struct Table {
    mounts: Vec<Arc<Mount>>,
    /// Uuids of removed mounts whose records may still be there.
    purge: Vec<String>,
}

/// The table as it is persisted.
#[derive(Serialize, Deserialize)]
struct Stored {
    mounts: Vec<Mount>,
    purge: Vec<String>,
}

impl Mount {
    /// A new mount at `path` (with trailing `/`).
    pub(crate) fn new(path: &str, kind: Kind, description: &str) -> Result<Self, Fault> {
        let mut handle = [0; 4];
        random::fill(&mut handle)?;
        Ok(Self {
            path: path.to_owned(),
            kind,
            uuid: random::uuid()?,
            accessor: format!("{}_{}", kind.name(), random::hex(&handle)),
            description: description.to_owned(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
        })
    }

    /// `default_lease_ttl`, resolved.
    pub(crate) fn default_lease_ttl_s(&self) -> u64 {
        let own = self.config.default_lease_ttl_s;
        if own == 0 { LEASE_TTL_DEFAULT_S.min(self.max_lease_ttl_s()) } else { own }
    }

    /// `max_lease_ttl`, resolved.
    pub(crate) fn max_lease_ttl_s(&self) -> u64 {
        let own = self.config.max_lease_ttl_s;
        if own == 0 { LEASE_TTL_DEFAULT_S } else { own }
    }
}

impl Kind {
    /// The `type` of the mount.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Kubernetes => "kubernetes",
            Self::Token => "token",
            Self::System => "system",
        }
    }
}

impl Mounts {
    /// The table of a new authority, and the batch that stores it (relative to `root`).
    pub(crate) fn initial(root: View) -> Result<(Self, Batch), Fault> {
        let mounts = vec![
            Arc::new(Mount::new("sys/", Kind::System, "system endpoints")?),
            Arc::new(Mount::new("auth/token/", Kind::Token, "token based credentials")?),
        ];
        let table = Table { mounts, purge: Vec::new() };
        let mut batch = Batch::new();
        batch.put(TABLE_KEY, table.encode()?);
        Ok((Self::over(root, table), batch))
    }

    /// The stored table.
    pub(crate) async fn load(root: View) -> Result<Self, Fault> {
        let bytes = root.get(TABLE_KEY).await?.ok_or_else(|| Fault::corrupt("mount table"))?;
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|_| Fault::corrupt("mount table"))?;
        let mounts = stored.mounts.into_iter().map(Arc::new).collect();
        Ok(Self::over(root, Table { mounts, purge: stored.purge }))
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
    pub(crate) async fn add(&self, mount: Mount) -> Result<(), Fault> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        let taken = |other: &&Arc<Mount>| {
            other.path.starts_with(&mount.path) || mount.path.starts_with(&other.path)
        };
        if let Some(other) = table.mounts.iter().find(taken) {
            return Err(Fault::invalid(format!("path is already in use at {}", other.path)));
        }
        if table.mounts.len() >= MOUNTS_MAX {
            return Err(Fault::invalid(format!("more than {MOUNTS_MAX} mounts")));
        }
        table.mounts.push(Arc::new(mount));
        self.store(table).await
    }

    /// Replaces the mount of the same path by what `change` makes of it.
    pub(crate) async fn tune(
        &self,
        path: &str,
        change: impl FnOnce(&mut Mount) -> Result<(), Fault> + Send,
    ) -> Result<(), Fault> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        let slot = table.mounts.iter_mut().find(|mount| mount.path == path);
        let slot = slot.ok_or_else(|| Fault::invalid(format!("no mount at {path}")))?;
        change(Arc::make_mut(slot))?;
        self.store(table).await
    }

    /// Removes the mount at `path` and its records; nothing happens if there is none.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), Fault> {
        let _changing = self.changing.lock().await;
        let mut table = Table::clone(&self.table());
        let Some(index) = table.mounts.iter().position(|mount| mount.path == path) else {
            return Ok(());
        };
        let mount = table.mounts.remove(index);
        table.purge.push(mount.uuid.clone());
        self.store(table.clone()).await?;
        for uuid in std::mem::take(&mut table.purge) {
            self.purge(&uuid).await?;
        }
        self.store(table).await
    }

    async fn purge(&self, uuid: &str) -> Result<(), Fault> {
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

    async fn store(&self, table: Table) -> Result<(), Fault> {
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
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mounts = self.mounts.iter().map(|mount| Mount::clone(mount)).collect();
        serde_json::to_vec(&Stored { mounts, purge: self.purge.clone() })
            .map(Zeroizing::new)
            .map_err(|_| Fault::Internal(crate::engines::Cause::Encode("mount table")))
    }
}
