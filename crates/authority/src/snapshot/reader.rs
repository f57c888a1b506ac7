//! Reads a snapshot, chunk by chunk. Nothing of a chunk is given out before its chain value holds; that a snapshot is whole
//! is known when its end was read. Memory: one chunk.

use std::io::Read;

use super::error::SnapshotError;
use super::format::{
    CHUNK_LEN_MAX, HASH_LEN, HEADER_LEN_MAX, Header, MAGIC, Trailer, VERSION, link, read_exact,
    records,
};
use crate::storage::Pair;

/// A snapshot that is being read.
pub(super) struct SnapshotReader<R: Read> {
    from: R,
    header: Header,
    chain: [u8; HASH_LEN],
    keys: u64,
    chunks: u64,
}

pub(super) enum Part {
    Records(Vec<Pair>),
    /// All of it was as it was written; whose it is, the MAC says.
    End(Trailer),
}

impl<R: Read> SnapshotReader<R> {
    /// Reads the header. Fails where it is no snapshot, of another format, or damaged.
    pub(super) fn begin(mut from: R) -> Result<Self, SnapshotError> {
        let mut fixed = [0; MAGIC.len() + 2 + 4];
        read_exact(&mut from, &mut fixed)?;
        let [magic @ .., v0, v1, l0, l1, l2, l3] = fixed;
        if magic != *MAGIC {
            return Err(SnapshotError::NotASnapshot);
        }
        let found = u16::from_be_bytes([v0, v1]);
        if found != VERSION {
            return Err(SnapshotError::Version { found, known: VERSION });
        }
        let len = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let damaged = || SnapshotError::Damaged("its header".to_owned());
        if len > HEADER_LEN_MAX {
            return Err(damaged());
        }
        let mut text = vec![0; len];
        read_exact(&mut from, &mut text)?;
        let chain = link(&[0; HASH_LEN], &[&fixed, &text]);
        let mut told = [0; HASH_LEN];
        read_exact(&mut from, &mut told)?;
        if told != chain {
            return Err(damaged());
        }
        let header = serde_json::from_slice(&text).map_err(|_| damaged())?;
        Ok(Self { from, header, chain, keys: 0, chunks: 0 })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The next records, or the end.
    pub(super) fn next(&mut self) -> Result<Part, SnapshotError> {
        let mut len = [0; 4];
        read_exact(&mut self.from, &mut len)?;
        let size = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if size == 0 {
            return self.end().map(Part::End);
        }
        let damaged = || SnapshotError::Damaged(format!("its chunk {}", self.chunks + 1));
        if size > CHUNK_LEN_MAX {
            return Err(damaged());
        }
        // Grows with what is there: a length that lies takes no memory.
        let mut payload = Vec::new();
        let read = (&mut self.from).take(size as u64).read_to_end(&mut payload)?;
        if read < size {
            return Err(SnapshotError::Truncated);
        }
        let mut told = [0; HASH_LEN];
        read_exact(&mut self.from, &mut told)?;
        let chain = link(&self.chain, &[&len, &payload]);
        if told != chain {
            return Err(damaged());
        }
        let records = records(&payload).ok_or_else(damaged)?;
        self.chain = chain;
        self.chunks += 1;
        self.keys += records.len() as u64;
        Ok(Part::Records(records))
    }

    fn end(&mut self) -> Result<Trailer, SnapshotError> {
        let damaged = || SnapshotError::Damaged("its end".to_owned());
        let (mut keys, mut chunks) = ([0; 8], [0; 8]);
        let (mut mac, mut digest) = ([0; HASH_LEN], [0; HASH_LEN]);
        for part in [&mut keys[..], &mut chunks[..], &mut mac[..], &mut digest[..]] {
            read_exact(&mut self.from, part)?;
        }
        let (keys, chunks) = (u64::from_be_bytes(keys), u64::from_be_bytes(chunks));
        let trailer = Trailer { chain: self.chain, keys, chunks, mac };
        if digest != trailer.digest() || chunks != self.chunks || keys != self.keys {
            return Err(damaged());
        }
        if keys != self.header.keys {
            return Err(SnapshotError::Count { told: self.header.keys, found: keys });
        }
        match self.from.read(&mut [0])? {
            0 => Ok(trailer),
            _ => Err(SnapshotError::TooLong),
        }
    }
}

/// Reads all of a snapshot and keeps nothing: whether it is as it was written.
pub(super) fn read_through(from: impl Read) -> Result<(Header, Trailer), SnapshotError> {
    let mut reader = SnapshotReader::begin(from)?;
    loop {
        if let Part::End(trailer) = reader.next()? {
            return Ok((reader.header, trailer));
        }
    }
}
