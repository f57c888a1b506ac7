//! Small files that come and go while they are in use, as a kubelet projects them.

use std::path::Path;

/// The whole file; `None` where it is not there. One of more than `len_max` bytes is not read.
///
/// # Errors
/// A sentence that names the file.
pub fn read_if_there(path: &Path, len_max: u64) -> Result<Option<Vec<u8>>, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    match std::fs::metadata(path) {
        Ok(found) if found.len() > len_max => {
            Err(format!("{}: more than {len_max} bytes", path.display()))
        }
        Ok(_) => std::fs::read(path).map(Some).map_err(fail),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error)),
    }
}
