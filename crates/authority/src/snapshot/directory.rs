//! A directory as the place of snapshots: a volume of its own, most of all one of another machine.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::place::{Place, Placed, Upload};

/// End of the name of what is not whole yet.
const PARTIAL: &str = ".partial";

/// Files that are looked at: far more than are kept.
const LISTED_MAX: usize = 100_000;

pub(super) struct Directory {
    folder: PathBuf,
}

struct PartialFile {
    file: Option<BufWriter<File>>,
    partial: PathBuf,
    path: PathBuf,
    folder: PathBuf,
}

impl Directory {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Place for Directory {
    fn list(&self, prefix: &str) -> io::Result<Vec<Placed>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)?.take(LISTED_MAX) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with(prefix) {
                continue;
            }
            if name.ends_with(PARTIAL) {
                remove(&entry.path())?;
                continue;
            }
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                found.push(Placed { name, bytes: metadata.len() });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn upload(&self, name: &str) -> io::Result<Box<dyn Upload>> {
        let (path, partial) = (self.at(name), self.at(&format!("{name}{PARTIAL}")));
        if path.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = Some(BufWriter::new(options.open(&partial)?));
        Ok(Box::new(PartialFile { file, partial, path, folder: self.folder.clone() }))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(BufReader::with_capacity(256 << 10, File::open(self.at(name))?)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.at(name))
    }

    fn describe(&self) -> String {
        self.folder.display().to_string()
    }
}

impl PartialFile {
    fn file(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl Upload for PartialFile {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.flush()?;
        self.file()?.get_ref().sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        self.file = None;
        File::open(&self.folder)?.sync_all()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // What could not be written is not tried again.
            drop(file.into_parts());
            // What stays is removed by the next listing.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}
