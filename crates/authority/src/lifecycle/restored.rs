//! Whether the data file was made from a snapshot.

use super::core::Core;
use crate::error::ApiError;
use crate::snapshot::{RESTORED_KEY, Restored};

impl Core {
    /// What the data file says of the restore that it came from, and whether that snapshot was made by who can open this
    /// seal. An error while sealed.
    pub(crate) async fn restored(&self) -> Result<Option<(Restored, bool)>, ApiError> {
        let keyring = self.barrier.keyring()?;
        let Some(stored) = self.store.get(RESTORED_KEY.to_owned()).await? else { return Ok(None) };
        let restored: Restored =
            serde_json::from_slice(&stored).map_err(|_| ApiError::corrupt("note of a restore"))?;
        let is_authentic = restored.is_authentic(&keyring);
        Ok(Some((restored, is_authentic)))
    }
}
