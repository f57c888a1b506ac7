//! Issues, finds and renews tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use regent_types::Sensitive;
use sha2::Sha256;
use tokio::sync::RwLock;
use zeroize::Zeroizing;

use super::known::{Known, Until, earlier};
use super::record::{
    ACCESSORS, TREE_DEPTH_MAX, TokenRecord, TokenState, accessor_key, child_key, id_key,
};
use super::spec::TokenSpec;
use crate::barrier::{Batch, View};
use crate::error::{ApiError, InternalCause};
use crate::random;
use crate::reply::AuthReply;
use crate::request::Caller;
use crate::wipe::encode;

/// Longest text that is looked up as a token: ours have 28 bytes.
const TOKEN_LEN_MAX: usize = 512;

/// Expired tokens that are removed in the commit of a new one: more than one, so that they never
/// add up.
const SWEEP_PER_ISSUE: usize = 4;

/// Issues, finds and ends tokens. Its state is in its view.
#[derive(Clone)]
pub(crate) struct TokenStore {
    pub(super) view: View,
    index_key: Zeroizing<[u8; 32]>,
    known: Known,
    /// How often tokens of a kind were revoked. A login that began before one looks again.
    pub(super) revocations: Arc<AtomicU64>,
    /// Held shared while a login's token is stored, alone for a moment before tokens of a kind are sought.
    pub(super) issuing: Arc<RwLock<()>>,
}

impl TokenStore {
    /// A store over `view`, which finds tokens by their HMAC under `index_key`.
    pub(crate) fn new(view: View, index_key: Zeroizing<[u8; 32]>) -> Self {
        let (known, revocations, issuing) = (Known::default(), Arc::default(), Arc::default());
        Self { view, index_key, known, revocations, issuing }
    }

    /// A new token and what to commit so that it exists. Its parent must have been checked.
    pub(crate) fn mint(
        &self,
        spec: &TokenSpec,
        now: Timestamp,
    ) -> Result<(AuthReply, Batch), ApiError> {
        let body = random::base62(24)?;
        // Allocated once: growing would leave copies behind.
        let mut token = String::with_capacity(28);
        token.push_str("hvs.");
        token.push_str(&body);
        let token = Sensitive::new(token);
        let hash = self.hash(token.expose())?;
        let record = spec.record(random::base62(24)?.to_string(), now)?;

        let mut batch = Batch::new();
        put_record(&mut batch, &hash, &record)?;
        batch.put(accessor_key(&record.accessor), hash.as_bytes().to_vec());
        if let Some(parent) = &record.parent {
            batch.put(child_key(parent, &hash), Vec::new());
        }
        if let Some(key) = record.expiry_key(&hash) {
            batch.put(key, Vec::new());
        }
        Ok((auth_reply(&record, token, record.creation_ttl_s), batch))
    }

    /// Makes a token; one commit. Its parent, if it has one, must be good.
    pub(crate) async fn issue(
        &self,
        spec: TokenSpec,
        now: Timestamp,
    ) -> Result<AuthReply, ApiError> {
        let mut spec = spec;
        // Until the child is stored nobody may end its parent unseen: ending looks for children
        // under this lock. Children of one parent do not wait for each other.
        let _guard = match &spec.parent {
            Some(parent) => {
                let guard = self.view.lock_shared(&id_key(parent)).await;
                let record = self.load(parent).await?.ok_or(ApiError::Denied)?;
                if !self.is_valid(parent, &record, now).await? {
                    return Err(ApiError::Denied);
                }
                spec.depth = record.depth + 1;
                Some(guard)
            }
            None => None,
        };
        if spec.depth > TREE_DEPTH_MAX {
            return Err(ApiError::invalid(format!(
                "expected at most {TREE_DEPTH_MAX} generations of tokens; create an orphan instead"
            )));
        }
        let (auth, mut batch) = self.mint(&spec, now)?;
        self.sweep_into(&mut batch, now, SWEEP_PER_ISSUE).await?;
        self.view.commit(batch).await?;
        Ok(auth)
    }

    /// Which revocation a login begins after.
    pub(crate) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::SeqCst)
    }

    /// Makes a login's token. Where tokens were revoked since the login `began`, it must still be
    /// `allowed`: no login outlives the mount or role that it came by.
    pub(crate) async fn issue_login(
        &self,
        spec: TokenSpec,
        now: Timestamp,
        began: u64,
        allowed: impl AsyncFnOnce() -> Result<bool, ApiError>,
    ) -> Result<AuthReply, ApiError> {
        let _issuing = self.issuing.read().await;
        if self.revocations() != began && !allowed().await? {
            return Err(ApiError::Denied);
        }
        self.issue(spec, now).await
    }

    /// Who `id` belongs to, counting one use. `None`: unknown, expired, ended or used up.
    pub(crate) async fn authenticate(
        &self,
        id: &Sensitive<String>,
        now: Timestamp,
    ) -> Result<Option<Arc<Caller>>, ApiError> {
        let text = id.expose();
        if text.is_empty() || text.len() > TOKEN_LEN_MAX {
            return Ok(None);
        }
        let (hash, generation) = (self.hash(text)?, self.view.generation());
        if let Some(caller) = self.known.get(&hash, generation, now) {
            return Ok(Some(caller));
        }
        let Some(record) = self.load(&hash).await? else { return Ok(None) };
        let Some(until) = self.good_until(&hash, &record, now).await? else { return Ok(None) };
        if record.num_uses > 0 {
            // In a task of its own: a client that hangs up must not drop the lock before the use is
            // counted.
            let (store, name) = (self.clone(), hash.clone());
            let counting = tokio::spawn(async move { store.use_once(&name, now).await });
            if !counting.await.unwrap_or(Err(ApiError::Internal(InternalCause::Lost)))? {
                return Ok(None);
            }
            return Ok(Some(Arc::new(record.caller(hash))));
        }
        let caller = Arc::new(record.caller(hash.clone()));
        self.known.note(hash, caller.clone(), generation, until);
        Ok(Some(caller))
    }

    /// The good token `id`, without counting a use.
    pub(crate) async fn find(
        &self,
        id: &Sensitive<String>,
        now: Timestamp,
    ) -> Result<Option<(String, TokenRecord)>, ApiError> {
        let text = id.expose();
        if text.is_empty() || text.len() > TOKEN_LEN_MAX {
            return Ok(None);
        }
        self.valid(self.hash(text)?, now).await
    }

    /// The good token with that accessor.
    pub(crate) async fn find_by_accessor(
        &self,
        accessor: &str,
        now: Timestamp,
    ) -> Result<Option<(String, TokenRecord)>, ApiError> {
        if accessor.is_empty() || accessor.len() > TOKEN_LEN_MAX {
            return Ok(None);
        }
        let Some(hash) = self.view.get(&accessor_key(accessor)).await? else { return Ok(None) };
        let hash = std::str::from_utf8(&hash).map_err(|_| ApiError::corrupt("accessor"))?;
        self.valid(hash.to_owned(), now).await
    }

    /// The good token that is kept as `hash`.
    pub(crate) async fn find_by_hash(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<TokenRecord>, ApiError> {
        let is_hash = hash.len() == 65 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_hash {
            return Ok(None);
        }
        Ok(self.valid(hash.to_owned(), now).await?.map(|(_, record)| record))
    }

    /// Gives a token more time.
    pub(crate) async fn renew(
        &self,
        hash: &str,
        increment_s: u64,
        now: Timestamp,
    ) -> Result<TokenRecord, ApiError> {
        let _guard = self.view.lock(&id_key(hash)).await;
        let old = self.load(hash).await?.filter(|record| record.is_live(now));
        let old = old.ok_or(ApiError::Denied)?;
        let new = old.renewed(increment_s, now)?;
        self.replace(hash, &old, &new).await?;
        Ok(new)
    }

    /// All accessors, sorted; of tokens that ended until they are swept.
    pub(crate) async fn accessors(&self) -> Result<Vec<String>, ApiError> {
        Ok(self.view.list(ACCESSORS).await?)
    }

    /// The record, good or not.
    pub(crate) async fn load(&self, hash: &str) -> Result<Option<TokenRecord>, ApiError> {
        let Some(bytes) = self.view.get(&id_key(hash)).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| ApiError::corrupt("token"))
    }

    /// Stores a changed record and moves it in the expiry index. The caller holds its lock.
    pub(super) async fn replace(
        &self,
        hash: &str,
        old: &TokenRecord,
        new: &TokenRecord,
    ) -> Result<(), ApiError> {
        let mut batch = Batch::new();
        put_record(&mut batch, hash, new)?;
        let (before, after) = (old.expiry_key(hash), new.expiry_key(hash));
        if before != after {
            before.into_iter().for_each(|key| batch.delete(key));
            after.into_iter().for_each(|key| batch.put(key, Vec::new()));
        }
        if let Some(parent) = old.parent.as_ref().filter(|_| new.parent.is_none()) {
            batch.delete(child_key(parent, hash));
        }
        Ok(self.view.commit(batch).await?)
    }

    async fn valid(
        &self,
        hash: String,
        now: Timestamp,
    ) -> Result<Option<(String, TokenRecord)>, ApiError> {
        let Some(record) = self.load(&hash).await? else { return Ok(None) };
        Ok(self.is_valid(&hash, &record, now).await?.then_some((hash, record)))
    }

    /// Whether the token and all its ancestors are good.
    async fn is_valid(
        &self,
        hash: &str,
        record: &TokenRecord,
        now: Timestamp,
    ) -> Result<bool, ApiError> {
        Ok(self.good_until(hash, record, now).await?.is_some())
    }

    /// Until when the token and all its ancestors are good; `None` if they are not.
    async fn good_until(
        &self,
        hash: &str,
        record: &TokenRecord,
        now: Timestamp,
    ) -> Result<Option<Until>, ApiError> {
        if !record.is_live(now) {
            return Ok(None);
        }
        let mut until = record.expires;
        let (mut child, mut next) = (hash.to_owned(), record.parent.clone());
        for _ in 0..=TREE_DEPTH_MAX {
            let Some(parent) = next else { return Ok(Some(until)) };
            match self.load(&parent).await? {
                Some(above) if above.state == TokenState::EndedAlone => return Ok(Some(until)),
                Some(above) if !above.is_live(now) => return Ok(None),
                Some(above) => {
                    until = earlier(until, above.expires);
                    next = above.parent;
                    child = parent;
                }
                None => {
                    // It was made an orphan since it was read, or its tree is being removed.
                    let again = self.load(&child).await?;
                    let is_orphan = again.is_some_and(|again| again.parent.is_none());
                    return Ok(is_orphan.then_some(until));
                }
            }
        }
        Ok(None)
    }

    async fn use_once(&self, hash: &str, now: Timestamp) -> Result<bool, ApiError> {
        let _guard = self.view.lock(&id_key(hash)).await;
        let Some(old) = self.load(hash).await?.filter(|record| record.is_live(now)) else {
            return Ok(false);
        };
        let new = TokenRecord { uses_left: old.uses_left.saturating_sub(1), ..old.clone() };
        self.replace(hash, &old, &new).await?;
        Ok(true)
    }

    /// The name that `token` is kept under.
    pub(super) fn hash_of(&self, token: &Sensitive<String>) -> Result<String, ApiError> {
        self.hash(token.expose())
    }

    fn hash(&self, token: &str) -> Result<String, ApiError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.index_key.as_slice())
            .map_err(|_| ApiError::Internal(InternalCause::Encode("token index")))?;
        mac.update(token.as_bytes());
        Ok(format!("h{}", random::hex(&mac.finalize().into_bytes())))
    }
}

fn put_record(batch: &mut Batch, hash: &str, record: &TokenRecord) -> Result<(), ApiError> {
    batch.put(id_key(hash), encode(record, "token")?);
    Ok(())
}

/// What the client gets of a token that was issued or renewed.
pub(crate) fn auth_reply(record: &TokenRecord, token: Sensitive<String>, ttl_s: u64) -> AuthReply {
    AuthReply {
        client_token: token,
        accessor: record.accessor.clone(),
        policies: record.policies.clone(),
        metadata: record.metadata.clone(),
        lease_duration_s: ttl_s,
        renewable: record.renewable,
        orphan: record.parent.is_none(),
        num_uses: record.num_uses,
        token_type: "service",
    }
}
