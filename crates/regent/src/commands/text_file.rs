//! Files that commands read and write: bounded, in UTF-8, private.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use regent_host::failure::Failure;
use regent_manifest::text;
use regent_types::{Advice, Sensitive};
use zeroize::Zeroizing;

use crate::output::escape;

/// Largest text that is read, in bytes; the same bound as in the cluster.
const BYTES_MAX: u64 = 1_048_576;

/// Reads a bounded text file, or standard input for `-`. What is not UTF-8 is refused at its byte.
pub(crate) fn read_text(path: &Path) -> Result<Sensitive<String>, Failure> {
    let shown = escape::path(path);
    let fail = |found: String| {
        let advice = Advice::new("a text file of at most 1 MiB", found, "name another file");
        Failure::new("CannotRead", "the file cannot be read", advice)
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        std::io::stdin().take(BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        let file = File::open(path).map_err(|e| fail(format!("{shown}: {e}")))?;
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes)
    };
    let length = read.map_err(|e| fail(format!("{shown}: {e}")))?;
    if length as u64 > BYTES_MAX {
        return Err(fail(format!("{shown}: more than {BYTES_MAX} bytes")));
    }
    let text = text::utf8(&bytes).map_err(|e| Failure::of(&format!("reading {shown}"), &e))?;
    Ok(Sensitive::new(text.to_owned()))
}

/// Writes a new private file.
pub(crate) fn write_private(path: &Path, text: &Sensitive<String>) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.expose().as_bytes())
    };
    write().map_err(|e| {
        let advice = Advice::new(
            "a file that does not exist yet",
            format!("{}: {e}", escape::path(path)),
            "name another file with --out: nothing is overwritten",
        );
        Failure::new("CannotWrite", "the file cannot be written", advice)
    })
}
