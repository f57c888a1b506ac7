//! Where the workspace lies.

/// The workspace's root folder.
pub(crate) fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_owned(), std::path::Path::to_owned)
}
