//! A second cluster, as the world of a scenario holds it.

use anyhow::{Result, ensure};
use regent_lab::system::System;

use crate::worlds::Lent;

/// A cluster beside the first.
pub(crate) struct Second {
    pub(crate) system: System,
    pub(crate) lent: Option<Lent>,
}

impl Second {
    /// Ends it; an error where a component of it had ended by itself.
    pub(crate) async fn end(self) -> Result<()> {
        let mut system = self.system;
        let alone = system.ended();
        system.stop().await?;
        self.lent.into_iter().for_each(Lent::give_back);
        ensure!(
            alone.is_empty(),
            "components of the second cluster ended by themselves: {alone:?}"
        );
        Ok(())
    }
}
