//! What intent needs to know that no object says.

use std::path::PathBuf;

/// What intent needs beside its identity.
#[derive(Clone, Debug)]
pub struct Args {
    /// Where bare copies of remote repositories are kept; may be lost at any time.
    pub cache_dir: PathBuf,
    /// The namespace whose GitSources are followed: regent's own.
    pub system_namespace: String,
}
