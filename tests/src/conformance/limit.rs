//! How long a case waits.

use std::time::Duration;

/// Longest wait for anything in a case: a limit against hanging, never a measure.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
