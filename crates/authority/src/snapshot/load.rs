//! All records of a snapshot into a new data file.

use std::io::Read;
use std::path::Path;

use super::error::SnapshotError;
use super::format::{CHUNK_LEN, Trailer};
use super::reader::{Part, SnapshotReader};
use crate::storage::Import;

/// Records in one commit: few, large syncs.
const BATCH_LEN: usize = 8 * CHUNK_LEN;

/// Writes all records to a new data file at `path`, and what `last` adds. It is there when all of the snapshot was read and
/// found to be as it was written, and not before.
pub(super) fn load<R: Read>(
    reader: &mut SnapshotReader<R>,
    path: &Path,
    last: impl FnOnce(&Import, &Trailer) -> Result<(), SnapshotError>,
) -> Result<Trailer, SnapshotError> {
    let file = Import::begin(path)?;
    let (mut batch, mut size) = (Vec::new(), 0);
    loop {
        match reader.next()? {
            Part::Records(records) => {
                size += records.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
                batch.extend(records);
                if size >= BATCH_LEN {
                    file.add(&batch)?;
                    (batch, size) = (Vec::new(), 0);
                }
            }
            Part::End(trailer) => {
                file.add(&batch)?;
                last(&file, &trailer)?;
                file.finish()?;
                return Ok(trailer);
            }
        }
    }
}
