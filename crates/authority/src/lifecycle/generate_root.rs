//! `sys/generate-root`: a root token for whoever has the shares, readable only with the one-time
//! pad that the start of the attempt returned (Vault's `generate-root`, OTP XOR).
//!
//! The endpoints take no token, so a stranger may start an attempt; he gets nothing by it. So that
//! he cannot get in the way either: an attempt with shares in it is cancelled only by its nonce or
//! its age, and one without shares is simply replaced by the next start (reference: CVE-2026-5807).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::core::Core;
use super::root_attempt::RootAttempt;
use super::unseal::share_error;
use crate::error::{ApiError, InternalCause};
use crate::random;
use crate::seal::ShareCollection;
use crate::seal::shamir::Share;
use crate::tokens::TokenSpec;

/// `hvs.` and 24 letters.
const OTP_LEN: usize = 28;

/// What the endpoints answer.
#[derive(Default)]
pub(crate) struct RootStatus {
    /// Names the attempt; empty if there is none.
    pub(crate) nonce: String,
    /// Whether one is under way.
    pub(crate) started: bool,
    /// Number of shares given.
    pub(crate) progress: usize,
    /// Number of shares needed.
    pub(crate) required: usize,
    /// Whether this share was the last.
    pub(crate) complete: bool,
    /// The token XOR the one-time pad, base64 without padding; empty until complete.
    pub(crate) encoded_token: String,
    /// The one-time pad; only in the answer to the start.
    pub(crate) otp: Option<Zeroizing<String>>,
    /// Length of the one-time pad in bytes: that of a token.
    pub(crate) otp_length: usize,
}

impl Core {
    /// Whether an attempt is under way.
    pub(crate) async fn root_status(&self) -> Result<RootStatus, ApiError> {
        let transition = self.transition.lock().await;
        let seal = self.initialized()?;
        Ok(status(transition.root.as_ref(), seal.config.threshold))
    }

    /// Starts an attempt; the one-time pad is in the answer.
    pub(crate) async fn root_start(&self, now: Timestamp) -> Result<RootStatus, ApiError> {
        let mut transition = self.transition.lock().await;
        self.unsealed().ok_or(ApiError::Sealed)?;
        let seal = self.initialized()?;
        if transition.root.as_ref().is_some_and(|attempt| attempt.is_held(now)) {
            return Err(ApiError::invalid("root generation already in progress"));
        }
        let attempt = RootAttempt {
            nonce: random::uuid()?,
            otp: random::base62(OTP_LEN)?,
            shares: ShareCollection::default(),
            started: now,
        };
        let mut status = status(Some(&attempt), seal.config.threshold);
        status.otp = Some(attempt.otp.clone());
        transition.root = Some(attempt);
        Ok(status)
    }

    /// Cancels the attempt; without its nonce only one that nobody would miss.
    pub(crate) async fn root_cancel(
        &self,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let mut transition = self.transition.lock().await;
        if let Some(attempt) = &transition.root
            && attempt.is_held(now)
            && nonce != Some(attempt.nonce.as_str())
        {
            return Err(ApiError::invalid(
                "this attempt has shares: cancelling it within 10 minutes needs its nonce",
            ));
        }
        transition.root = None;
        Ok(())
    }

    /// Takes one share; the last one's answer holds the token, XOR the one-time pad.
    pub(crate) async fn root_update(
        &self,
        nonce: &str,
        share: Share,
        now: Timestamp,
    ) -> Result<RootStatus, ApiError> {
        let mut transition = self.transition.lock().await;
        let unsealed = self.unsealed().ok_or(ApiError::Sealed)?;
        let seal = self.initialized()?;
        let attempt = transition.root.as_mut();
        let attempt = attempt.ok_or_else(|| ApiError::invalid("no root generation in progress"))?;
        if attempt.nonce != nonce {
            return Err(ApiError::invalid("the nonce is not the one of the attempt in progress"));
        }
        let given = attempt.shares.add(share, seal.config.threshold, String::new());
        let Some(shares) = given.map_err(share_error)? else {
            return Ok(status(Some(attempt), seal.config.threshold));
        };
        let attempt = transition.root.take().ok_or(ApiError::Internal(InternalCause::Lost))?;
        self.root_key(&seal, &shares).await?;
        let token = unsealed.services.tokens.issue(TokenSpec::root(), now).await?;
        let encoded = xor(token.client_token.expose().as_bytes(), attempt.otp.as_bytes())?;
        tracing::warn!(component = "authority", "root token generated from shares");
        Ok(RootStatus {
            nonce: attempt.nonce,
            started: true,
            progress: seal.config.threshold,
            required: seal.config.threshold,
            complete: true,
            encoded_token: STANDARD_NO_PAD.encode(encoded),
            otp: None,
            otp_length: OTP_LEN,
        })
    }
}

fn status(attempt: Option<&RootAttempt>, required: usize) -> RootStatus {
    RootStatus {
        nonce: attempt.map_or_else(String::new, |attempt| attempt.nonce.clone()),
        started: attempt.is_some(),
        progress: attempt.map_or(0, |attempt| attempt.shares.progress()),
        required,
        otp_length: OTP_LEN,
        ..RootStatus::default()
    }
}

fn xor(token: &[u8], otp: &[u8]) -> Result<Vec<u8>, ApiError> {
    if token.len() != otp.len() {
        return Err(ApiError::corrupt("root token"));
    }
    Ok(token.iter().zip(otp).map(|(a, b)| a ^ b).collect())
}
