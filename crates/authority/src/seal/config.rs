//! Who holds shares and how many it takes: public, readable while sealed.

use regent_types::seal::UNATTENDED;
use serde::{Deserialize, Serialize};

use super::shamir::SHARES_MAX;
use crate::error::ApiError;

/// Where the config is stored, readable while sealed.
pub(crate) const CONFIG_KEY: &str = "seal/config";

/// Who holds shares and how many it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealConfig {
    /// Number of shares that unseal.
    pub(crate) threshold: usize,
    /// Number of shares in all, those of `unseal_recipient` included.
    pub(crate) shares: usize,
    /// One share each, sealed to their recipients; empty if initialized by plain `sys/init`.
    pub(crate) holders: Vec<Holder>,
    /// Gets `threshold` further shares.
    pub(crate) unseal_recipient: Option<String>,
    /// Names this authority in health and status.
    pub(crate) cluster_id: String,
}

/// A person or a place that keeps a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// How people call it.
    pub(crate) name: String,
    pub(crate) recipient: String,
}

impl SealConfig {
    /// A config for these holders, every bound checked.
    pub(crate) fn for_holders(
        holders: Vec<Holder>,
        threshold: usize,
        unseal_recipient: Option<String>,
        cluster_id: String,
    ) -> Result<Self, ApiError> {
        let mut problems = Vec::new();
        if holders.is_empty() {
            problems.push("holders: at least one is needed".to_owned());
        }
        if threshold == 0 || threshold > holders.len() {
            problems.push(format!("threshold: must be from 1 to {}", holders.len()));
        }
        for (index, holder) in holders.iter().enumerate() {
            if holder.name.is_empty() || holder.name == UNATTENDED {
                problems.push(format!("holders[{index}].name: empty or reserved"));
            }
            if holder.recipient.is_empty() {
                problems.push(format!("holders[{index}].recipient: empty"));
            }
            if holders.iter().take(index).any(|other| other.name == holder.name) {
                problems.push(format!("holders[{index}].name: used twice"));
            }
            if holders.iter().take(index).any(|other| other.recipient == holder.recipient) {
                problems.push(format!("holders[{index}].recipient: used twice"));
            }
        }
        if unseal_recipient.as_deref() == Some("") {
            problems.push("unseal_recipient: empty (leave it out for none)".to_owned());
        }
        let unattended = if unseal_recipient.is_some() { threshold } else { 0 };
        let shares = holders.len().saturating_add(unattended);
        if shares > SHARES_MAX {
            problems.push(format!("holders: {shares} shares are more than {SHARES_MAX}"));
        }
        if problems.is_empty() {
            Ok(Self { threshold, shares, holders, unseal_recipient, cluster_id })
        } else {
            Err(ApiError::Invalid(problems))
        }
    }

    /// A config for shares handed out in clear by `sys/init`.
    pub(crate) fn plain(
        shares: usize,
        threshold: usize,
        cluster_id: String,
    ) -> Result<Self, ApiError> {
        if threshold == 0 || threshold > shares || shares > SHARES_MAX {
            return Err(ApiError::invalid(
                "secret_shares must be from 1 to 255 and secret_threshold from 1 to secret_shares",
            ));
        }
        if threshold == 1 && shares > 1 {
            // Vault's rule: such shares would all be the key itself, handed out several times.
            return Err(ApiError::invalid("secret_threshold must be above 1 if secret_shares is"));
        }
        Ok(Self { threshold, shares, holders: Vec::new(), unseal_recipient: None, cluster_id })
    }

    /// Who gets each share, in the order of the shares.
    pub(crate) fn recipients(&self) -> Vec<Holder> {
        let unattended = self.unseal_recipient.iter().flat_map(|recipient| {
            let holder = Holder { name: UNATTENDED.to_owned(), recipient: recipient.clone() };
            std::iter::repeat_n(holder, self.threshold)
        });
        self.holders.iter().cloned().chain(unattended).collect()
    }
}
