//! Initialization: everything in one commit, so that a crash leaves either nothing or a whole
//! authority whose shares can be fetched again (PROTOCOLS.md §3).

use std::sync::Arc;

use jiff::Timestamp;
use regent_types::Sensitive;

use super::core::Core;
use super::state::{AUDIT_SALT_KEY, TOKEN_MOUNT};
use crate::barrier::{Barrier, Batch, KEYRING_KEY, Keyring, View};
use crate::error::{ApiError, InternalCause};
use crate::mounts::Mounts;
use crate::random;
use crate::seal::shamir::Share;
use crate::seal::{
    CONFIG_KEY, Holder, Kek, ROOT_KEY, SHARES_KEY, SealConfig, SealedShare, seal_shares, wrap_root,
};
use crate::storage::Write;
use crate::tokens::{TokenSpec, TokenStore};

/// What initialization gives out, once.
pub(crate) struct Initialized {
    /// The shares in clear; only plain `sys/init` hands them out.
    pub(crate) shares: Vec<Share>,
    /// The shares as ciphertext; empty after plain `sys/init`.
    pub(crate) sealed: Vec<SealedShare>,
    /// The first root token; stored nowhere.
    pub(crate) root_token: Sensitive<String>,
}

/// The seal's three records for one key-encryption key.
pub(super) struct SealRecords {
    pub(super) shares: Vec<Share>,
    pub(super) sealed: Vec<SealedShare>,
    pub(super) writes: Vec<Write>,
}

impl Core {
    /// `sys/init`: shares in clear.
    pub(crate) async fn init_plain(
        &self,
        shares: usize,
        threshold: usize,
        now: Timestamp,
    ) -> Result<Initialized, ApiError> {
        let config = SealConfig::plain(shares, threshold, random::uuid()?)?;
        self.init(config, now).await
    }

    /// `sys/regent/init`: shares sealed to their holders.
    pub(crate) async fn init_sealed(
        &self,
        holders: Vec<Holder>,
        threshold: usize,
        unseal_recipient: Option<String>,
        now: Timestamp,
    ) -> Result<Initialized, ApiError> {
        let id = random::uuid()?;
        let config = SealConfig::for_holders(holders, threshold, unseal_recipient, id)?;
        self.init(config, now).await
    }

    async fn init(&self, config: SealConfig, now: Timestamp) -> Result<Initialized, ApiError> {
        // Held to the end: the check and the commit are one step to other requests, and the file's
        // lock keeps other processes out.
        let _transition = self.transition.lock().await;
        if self.seal_config().is_some() {
            return Err(ApiError::invalid("Vault is already initialized"));
        }
        let keyring = Arc::new(Keyring::generate(now)?);
        let seal = seal_records(&config, keyring.root())?;
        let barrier = Arc::new(Barrier::new(self.store.clone(), Some(keyring.clone())));
        let root = View::new(barrier, self.stripes.clone(), String::new());

        let (mounts, table) = Mounts::initial(root.clone())?;
        let mount = mounts.at(TOKEN_MOUNT).ok_or_else(|| ApiError::corrupt("mount table"))?;
        let view = mounts.mounted(&mount).view;
        let tokens = TokenStore::new(view.clone(), keyring.index_key());
        let (auth, token) = tokens.mint(&TokenSpec::root(), now)?;
        let mut salt = Batch::new();
        salt.put(AUDIT_SALT_KEY, random::key()?.to_vec());

        let mut writes = seal.writes;
        writes.push(Write::Put(KEYRING_KEY.to_owned(), keyring.to_record()?));
        writes.extend(root.seal(table)?);
        writes.extend(root.seal(salt)?);
        writes.extend(view.seal(token)?);
        self.commit_seal(writes).await?;
        tracing::info!(component = "authority", "initialized");
        Ok(Initialized { shares: seal.shares, sealed: seal.sealed, root_token: auth.client_token })
    }

    /// Commits what changes the seal, and looks at what came of it.
    pub(super) async fn commit_seal(&self, writes: Vec<Write>) -> Result<(), ApiError> {
        let committed = self.store.commit(writes).await;
        self.seal.reload(&self.store);
        Ok(committed?)
    }
}

/// A new key-encryption key for `root` under `config`: shares, sealed shares, and what to commit.
pub(super) fn seal_records(config: &SealConfig, root: &[u8; 32]) -> Result<SealRecords, ApiError> {
    let internal = |_| ApiError::Internal(InternalCause::Random);
    let encode = |_| ApiError::Internal(InternalCause::Encode("seal"));
    let kek = Kek::generate().map_err(internal)?;
    let shares = kek.split(config.threshold, config.shares).map_err(internal)?;
    let sealed = if config.holders.is_empty() { Vec::new() } else { seal_shares(config, &shares)? };
    let stored = serde_json::to_vec(config).map_err(encode)?;
    let wrapped = wrap_root(&kek, root, &stored)?;
    let writes = vec![
        Write::Put(CONFIG_KEY.to_owned(), stored),
        Write::Put(SHARES_KEY.to_owned(), serde_json::to_vec(&sealed).map_err(encode)?),
        Write::Put(ROOT_KEY.to_owned(), wrapped),
    ];
    Ok(SealRecords { shares, sealed, writes })
}
