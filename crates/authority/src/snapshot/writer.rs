//! Writes a snapshot, record by record. Memory: one chunk.

use std::io::Write;

use super::error::SnapshotError;
use super::format::{CHUNK_LEN, HASH_LEN, Header, MAGIC, Trailer, VERSION, append, link};
use crate::storage::Pair;

/// A snapshot in the making.
pub(super) struct SnapshotWriter<W: Write> {
    to: W,
    chain: [u8; HASH_LEN],
    payload: Vec<u8>,
    keys: u64,
    chunks: u64,
    bytes: u64,
}

impl<W: Write> SnapshotWriter<W> {
    /// Writes the header, which says how many records will come.
    pub(super) fn begin(to: W, header: &Header) -> Result<Self, SnapshotError> {
        let text = serde_json::to_vec(header).map_err(std::io::Error::from)?;
        let len = u32::try_from(text.len()).map_err(std::io::Error::other)?;
        let head = [&MAGIC[..], &VERSION.to_be_bytes(), &len.to_be_bytes(), &text].concat();
        let chain = link(&[0; HASH_LEN], &[&head]);
        let mut writer = Self { to, chain, payload: Vec::new(), keys: 0, chunks: 0, bytes: 0 };
        writer.put(&head)?;
        writer.put(&chain)?;
        Ok(writer)
    }

    /// Adds records; what makes a whole chunk is written.
    pub(super) fn add(&mut self, records: &[Pair]) -> Result<(), SnapshotError> {
        for (key, value) in records {
            // A long record has a chunk of its own.
            if !self.payload.is_empty() && self.payload.len() + value.len() > CHUNK_LEN {
                self.chunk()?;
            }
            append(&mut self.payload, key, value)?;
            self.keys += 1;
            if self.payload.len() >= CHUNK_LEN {
                self.chunk()?;
            }
        }
        Ok(())
    }

    /// Writes the end; `mac` is given what it must be over. Returns what was written to, and how many bytes that took.
    pub(super) fn finish(
        mut self,
        mac: impl FnOnce(&[u8]) -> Result<[u8; HASH_LEN], SnapshotError>,
    ) -> Result<(W, Trailer, u64), SnapshotError> {
        self.chunk()?;
        let mac = mac(&Trailer::authenticated(&self.chain, self.keys, self.chunks))?;
        let trailer = Trailer { chain: self.chain, keys: self.keys, chunks: self.chunks, mac };
        self.put(&0_u32.to_be_bytes())?;
        self.put(&trailer.keys.to_be_bytes())?;
        self.put(&trailer.chunks.to_be_bytes())?;
        self.put(&trailer.mac)?;
        self.put(&trailer.digest())?;
        self.to.flush()?;
        Ok((self.to, trailer, self.bytes))
    }

    /// Writes what was gathered, if there is anything.
    fn chunk(&mut self) -> Result<(), SnapshotError> {
        if self.payload.is_empty() {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.payload);
        let len = u32::try_from(payload.len()).map_err(std::io::Error::other)?.to_be_bytes();
        self.chain = link(&self.chain, &[&len, &payload]);
        let chain = self.chain;
        self.put(&len)?;
        self.put(&payload)?;
        self.put(&chain)?;
        self.chunks += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.to.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
