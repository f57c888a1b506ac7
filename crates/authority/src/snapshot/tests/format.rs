//! Whatever happens to a snapshot's bytes is found out, without any key.

use std::io::{self, Write};

use crate::snapshot::error::SnapshotError;
use crate::snapshot::format::{CHUNK_LEN, Header, Trailer};
use crate::snapshot::reader::{Part, SnapshotReader, read_through};
use crate::snapshot::writer::SnapshotWriter;
use crate::storage::Pair;

fn header(keys: u64) -> Header {
    Header { cluster: super::CLUSTER.to_owned(), term: 3, taken: jiff::Timestamp::UNIX_EPOCH, keys }
}

fn pairs(count: usize, len: usize) -> Vec<Pair> {
    (0..count).map(|n| (format!("k/{n:05}"), vec![u8::try_from(n % 251).unwrap(); len])).collect()
}

fn written(records: &[Pair], keys: u64) -> Vec<u8> {
    let mut writer = SnapshotWriter::begin(Vec::new(), &header(keys)).unwrap();
    // In several calls, as parts come.
    records.chunks(3).for_each(|part| writer.add(part).unwrap());
    let (bytes, trailer, len) = writer.finish(|_| Ok([9; 32])).unwrap();
    assert_eq!((len, trailer.keys), (bytes.len() as u64, records.len() as u64));
    bytes
}

fn read(bytes: &[u8]) -> Result<(Vec<Pair>, Trailer), SnapshotError> {
    let mut reader = SnapshotReader::begin(bytes)?;
    let mut all = Vec::new();
    loop {
        match reader.next()? {
            Part::Records(records) => all.extend(records),
            Part::End(trailer) => return Ok((all, trailer)),
        }
    }
}

#[test]
fn what_is_written_is_read_again_in_chunks_that_are_bounded() {
    for (count, len) in
        [(0, 0), (1, 0), (5, 10), (3, CHUNK_LEN), (2, 3 * CHUNK_LEN), (3_000, 1_000)]
    {
        let records = pairs(count, len);
        let bytes = written(&records, count as u64);
        let (found, trailer) = read(&bytes).unwrap();
        assert!(found == records, "{count} of {len}");
        assert_eq!(trailer.mac, [9; 32]);
        let chunks = (count * len).div_ceil(CHUNK_LEN).max(usize::from(count > 0));
        assert!(
            trailer.chunks <= 2 * chunks as u64,
            "{} chunks for {count} of {len}",
            trailer.chunks
        );
    }
}

#[test]
fn one_that_was_truncated_anywhere_is_found_out() {
    let bytes = written(&pairs(7, 20), 7);
    for len in 0..bytes.len() {
        let error = read_through(&bytes[..len]).map(drop).unwrap_err();
        assert!(matches!(error, SnapshotError::Truncated), "at {len}: {error}");
    }
    read_through(&bytes[..]).map(drop).unwrap();
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(read_through(&longer[..]).map(drop), Err(SnapshotError::TooLong)));
}

#[test]
fn a_flipped_bit_anywhere_is_found_out() {
    let bytes = written(&pairs(7, 20), 7);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(read_through(&damaged[..]).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn chunks_that_were_moved_left_out_or_repeated_are_found_out() {
    // Chunks of one record each.
    let records = pairs(4, CHUNK_LEN);
    let bytes = written(&records, 4);
    let chunk = 4 + (8 + records[0].0.len() + CHUNK_LEN) + 32;
    let end = 4 + 8 + 8 + 32 + 32;
    let head = bytes.len() - end - 4 * chunk;
    let part = |n: usize| &bytes[head + n * chunk..head + (n + 1) * chunk];
    let with = |order: &[usize]| {
        let body: Vec<u8> = order.iter().flat_map(|n| part(*n)).copied().collect();
        [&bytes[..head], &body, &bytes[bytes.len() - end..]].concat()
    };
    assert!(with(&[0, 1, 2, 3]) == bytes);
    for order in [&[1, 0, 2, 3][..], &[0, 1, 3], &[0, 1, 2], &[1, 2, 3], &[0, 1, 1, 2, 3], &[]] {
        let error = read_through(&with(order)[..]).map(drop).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged(_)), "{order:?}: {error}");
    }
}

#[test]
fn other_files_other_formats_and_wrong_counts_say_so() {
    assert!(matches!(read(b"not a snapshot, but long enough"), Err(SnapshotError::NotASnapshot)));
    let mut later = written(&pairs(1, 1), 1);
    later[9] = 2;
    let later = read(&later).map(drop).unwrap_err();
    assert!(matches!(later, SnapshotError::Version { found: 2, known: 1 }), "{later}");
    let wrong = read(&written(&pairs(2, 1), 3)).map(drop).unwrap_err();
    assert!(matches!(wrong, SnapshotError::Count { told: 3, found: 2 }), "{wrong}");
}

/// A length that lies takes no memory, and a header neither.
#[test]
fn lengths_that_lie_are_no_allocation() {
    let bytes = written(&pairs(1, 1), 1);
    let mut head = bytes.clone();
    head[10..14].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(read(&head), Err(SnapshotError::Damaged(_))));
    let at = bytes.len() - (4 + 8 + 8 + 32 + 32) - 32 - (8 + 7 + 1) - 4;
    assert_eq!(bytes[at..at + 4], 16_u32.to_be_bytes());
    let mut chunk = bytes;
    chunk[at..at + 4].copy_from_slice(&(60_u32 << 20).to_be_bytes());
    assert!(matches!(read(&chunk), Err(SnapshotError::Truncated)));
    chunk[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(read(&chunk), Err(SnapshotError::Damaged(_))));
}

/// A disk with so much room.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_gets_full() {
    let records = pairs(3, 10);
    let needed = written(&records, 3).len();
    for room in (0..needed).step_by(7).chain([needed - 1]) {
        let done = SnapshotWriter::begin(Full(room), &header(3)).and_then(|mut writer| {
            writer.add(&records)?;
            writer.finish(|_| Ok([0; 32])).map(drop)
        });
        assert!(matches!(done, Err(SnapshotError::Io(_))), "room for {room} of {needed}");
    }
}
