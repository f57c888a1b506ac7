//! Tokens that stand for an answer: good for fetching it, once.

use jiff::Timestamp;
use regent_types::Sensitive;
use zeroize::Zeroizing;

use super::record::{TokenRecord, id_key, wrapped_key};
use super::revocation::delete_token;
use super::spec::TokenSpec;
use super::store::TokenStore;
use crate::barrier::Batch;
use crate::error::ApiError;
use crate::policies::WRAPPING_POLICY;
use crate::reply::AuthReply;

impl TokenStore {
    /// Keeps `answer` for whoever brings the token, for `ttl_s`; one commit. `path` is the request's.
    pub(crate) async fn wrap(
        &self,
        path: &str,
        ttl_s: u64,
        answer: Zeroizing<Vec<u8>>,
        now: Timestamp,
    ) -> Result<AuthReply, ApiError> {
        let spec = TokenSpec {
            policies: vec![WRAPPING_POLICY.to_owned()],
            ttl_s,
            explicit_max_ttl_s: ttl_s,
            path: path.to_owned(),
            display_name: "wrapping".to_owned(),
            ..TokenSpec::default()
        };
        let (token, mut batch) = self.mint(&spec, now)?;
        batch.put(wrapped_key(&self.hash_of(&token.client_token)?), answer);
        self.view.commit(batch).await?;
        Ok(token)
    }

    /// The wrapping token `id`, if its answer is still there.
    pub(crate) async fn find_wrapping(
        &self,
        id: &Sensitive<String>,
        now: Timestamp,
    ) -> Result<Option<(String, TokenRecord)>, ApiError> {
        Ok(self.find(id, now).await?.filter(|(_, record)| record.is_wrapping()))
    }

    /// Takes the answer that a wrapping token stands for; the token ends in the same commit, so that of
    /// several who ask one gets it.
    pub(crate) async fn unwrap(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Zeroizing<Vec<u8>>, TokenRecord)>, ApiError> {
        let _guard = self.view.lock(&id_key(hash)).await;
        let record = self.load(hash).await?;
        let Some(record) = record.filter(|r| r.is_wrapping() && r.is_live(now)) else {
            return Ok(None);
        };
        let answer = self.view.get(&wrapped_key(hash)).await?;
        let answer = answer.ok_or_else(|| ApiError::corrupt("wrapped answer"))?;
        let mut batch = Batch::new();
        delete_token(&mut batch, hash, &record);
        self.view.commit(batch).await?;
        Ok(Some((answer, record)))
    }
}
