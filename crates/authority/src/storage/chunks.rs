//! Records longer than half a page, laid so that they fill pages.
//!
//! redb keeps whole records on pages of 4 KiB. One of 4.2 KiB takes two pages, and leaves its small neighbours alone on
//! pages of their own: three times its bytes. So what is long is cut into parts of exactly one page each, in a table of
//! their own, and the record holds what is left over and says where the parts are. Files of earlier releases hold long
//! records whole; they are read as they are, and cut when they are written next.

use std::ops::Range;

use redb::{ReadableTable, Table, TableDefinition};

use super::error::StoreError;

/// The parts, by number. Numbers grow: parts of one record lie beside each other.
pub(super) const CHUNKS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("chunks");

/// What fills a page: 4,096 bytes without the page's head (4), the value's end (4) and the key (8).
const CHUNK_LEN: usize = 4096 - 4 - 4 - 8;

/// A rest longer than this has a page of its own; a shorter one shares the page of its record.
const REST_LEN_MAX: usize = 2048;

/// What a record that was cut begins with. No other one does: a sealed one begins with its key's term, counted from 0, and
/// what is not sealed is JSON.
const CUT: [u8; 4] = [0xff; 4];

/// Where the parts of a cut record are, and what is left over.
#[derive(Debug, PartialEq, Eq)]
struct Cut<'a> {
    parts: Range<u64>,
    rest: &'a [u8],
}

impl<'a> Cut<'a> {
    /// `None` where `record` is whole.
    fn of(record: &'a [u8]) -> Result<Option<Self>, StoreError> {
        let Some(record) = record.strip_prefix(&CUT) else { return Ok(None) };
        let (first, record) = record.split_first_chunk::<8>().ok_or_else(StoreError::senseless)?;
        let (count, rest) = record.split_first_chunk::<4>().ok_or_else(StoreError::senseless)?;
        let first = u64::from_be_bytes(*first);
        let end = first.checked_add(u64::from(u32::from_be_bytes(*count)));
        Ok(Some(Self { parts: first..end.ok_or_else(StoreError::senseless)?, rest }))
    }

    fn to_record(&self) -> Vec<u8> {
        let count = u32::try_from(self.parts.end - self.parts.start).unwrap_or(u32::MAX);
        let mut record = Vec::with_capacity(CUT.len() + 8 + 4 + self.rest.len());
        record.extend_from_slice(&CUT);
        record.extend_from_slice(&self.parts.start.to_be_bytes());
        record.extend_from_slice(&count.to_be_bytes());
        record.extend_from_slice(self.rest);
        record
    }
}

/// The whole of `record`, with the parts that it names.
pub(super) fn whole(
    record: &[u8],
    chunks: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Vec<u8>, StoreError> {
    let Some(cut) = Cut::of(record)? else { return Ok(record.to_vec()) };
    let mut value = Vec::new();
    for number in cut.parts {
        let part = chunks.get(number).map_err(StoreError::of)?.ok_or_else(StoreError::senseless)?;
        value.extend_from_slice(part.value());
    }
    value.extend_from_slice(cut.rest);
    Ok(value)
}

/// Writes the parts of `value`; `None` where it stays whole, otherwise the record that names them.
pub(super) fn cut(
    value: &[u8],
    chunks: &mut Table<'_, u64, &'static [u8]>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let (pages, rest) = value.split_at(value.len() - value.len() % CHUNK_LEN);
    let (own, rest) = if rest.len() > REST_LEN_MAX { (rest, &[][..]) } else { (&[][..], rest) };
    if pages.is_empty() && own.is_empty() && !value.starts_with(&CUT) {
        return Ok(None);
    }
    let last = chunks.last().map_err(StoreError::of)?.map(|(number, _)| number.value());
    let first = last.map_or(0, |last| last + 1);
    let mut end = first;
    for part in pages.chunks(CHUNK_LEN).chain((!own.is_empty()).then_some(own)) {
        chunks.insert(end, part).map_err(StoreError::of)?;
        end += 1;
    }
    Ok(Some(Cut { parts: first..end, rest }.to_record()))
}

/// Removes the parts that a replaced `record` names.
pub(super) fn remove(
    record: &[u8],
    chunks: &mut Table<'_, u64, &'static [u8]>,
) -> Result<(), StoreError> {
    let Some(cut) = Cut::of(record)? else { return Ok(()) };
    for number in cut.parts {
        // Parts lie beside each other: where one is missing, a damaged record says how many there are.
        if chunks.remove(number).map_err(StoreError::of)?.is_none() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_record_says_where_its_parts_are_and_a_torn_one_is_an_error() {
        let cut = Cut { parts: 7..9, rest: b"rest" };
        let record = cut.to_record();
        assert_eq!(Cut::of(&record).unwrap(), Some(cut));
        assert_eq!(Cut::of(b"\0\0\0\x01whole").unwrap(), None);
        Cut::of(&record[..10]).unwrap_err();
    }
}
