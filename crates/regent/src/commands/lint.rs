//! `regent lint`: a Git tree without keys; what must not be in Git is found before it is pushed.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use regent_host::failure::Failure;
use regent_manifest::claims::{Claims, declared_in};
use regent_manifest::lint::{Finding, MANIFEST_BYTES_MAX, is_manifest, lint_bytes};
use regent_types::Advice;
use serde::Serialize;

use crate::output::{Format, Out, Row, escape};

/// Deepest folder looked into.
const DEPTH_MAX: usize = 64;
/// Largest file that is no manifest and is searched for private keys, in bytes.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Arguments of `regent lint`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent lint .            exit code 1 where something is found: fit for a pre-commit hook and for CI
  regent lint clusters/a   the folder of one GitSource: RuntimeSecrets of one revision must not claim the same

What cannot be looked at is found too: manifests over 1 MiB, in another encoding than UTF-8, or no YAML.")]
pub struct LintArgs {
    /// File or folder; of a repository that several GitSources read by folder, one of these folders.
    pub path: PathBuf,
}

#[derive(Serialize)]
struct Problem {
    file: String,
    line: usize,
    rule: String,
    message: String,
    advice: String,
}

impl From<Finding> for Problem {
    fn from(f: Finding) -> Self {
        let (rule, advice) = (f.rule.to_owned(), f.advice.to_owned());
        Self { file: f.file, line: f.line, rule, message: f.message, advice }
    }
}

impl Row for Problem {
    const COLUMNS: &'static [&'static str] = &["FILE", "LINE", "RULE", "MESSAGE", "DO"];
    fn cells(&self) -> Vec<String> {
        let line = self.line.to_string();
        vec![self.file.clone(), line, self.rule.clone(), self.message.clone(), self.advice.clone()]
    }
}

/// Looks at every file; exit code 1 where something is found, or could not be looked at.
pub fn run(args: &LintArgs, out: Out) -> anyhow::Result<u8> {
    let mut lint = Lint::default();
    // A link that is named is followed. Of one in the tree, Git has the name of its target alone.
    let meta = std::fs::metadata(&args.path).map_err(|error| {
        let found = format!("{}: {error}", escape::path(&args.path));
        let advice = Advice::new("a file or a folder", found, "name another path");
        Failure::new("CannotRead", "there is nothing to look at", advice)
    })?;
    lint.entry(&args.path, &meta, 0);
    if out.format == Format::Table && lint.problems.is_empty() {
        out.line(&format!("{} files, nothing found", lint.files));
        return Ok(0);
    }
    out.list(&lint.problems)?;
    Ok(u8::from(!lint.problems.is_empty()))
}

#[derive(Default)]
struct Lint {
    problems: Vec<Problem>,
    claims: Claims,
    files: usize,
}

impl Lint {
    fn entry(&mut self, path: &Path, meta: &Metadata, depth: usize) {
        if meta.is_dir() {
            if let Err(error) = self.folder(path, depth) {
                self.unread(path, &error.to_string());
            }
        } else if meta.is_file() {
            self.files += 1;
            self.name(path);
            self.file(path);
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) -> std::io::Result<()> {
        if depth > 0 && path.ends_with(".git") {
            return Ok(());
        }
        if depth == DEPTH_MAX {
            self.unread(path, &format!("more than {DEPTH_MAX} folders deep"));
            return Ok(());
        }
        let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            match entry.metadata() {
                Ok(meta) => self.entry(&entry.path(), &meta, depth + 1),
                Err(error) => self.unread(&entry.path(), &error.to_string()),
            }
        }
        Ok(())
    }

    fn unread(&mut self, path: &Path, why: &str) {
        self.problems.push(Finding::not_looked_at(&escape::path(path), 1, why).into());
    }

    /// Names that cannot be shown as they are: what a person reads would be another name.
    fn name(&mut self, path: &Path) {
        if path.file_name().is_none_or(escape::is_plain) {
            return;
        }
        self.problems.push(Problem {
            file: escape::path(path),
            line: 1,
            rule: "misleading-name".to_owned(),
            message: "its name has control characters or is not UTF-8".to_owned(),
            advice: "rename the file".to_owned(),
        });
    }

    fn file(&mut self, path: &Path) {
        let file = escape::path(path);
        let manifest = is_manifest(&file);
        let limit = if manifest { MANIFEST_BYTES_MAX } else { FILE_BYTES_MAX };
        let bytes = match read(path, limit) {
            Ok(bytes) if bytes.len() > limit => {
                return self.unread(path, &format!("larger than {limit} bytes"));
            }
            Ok(bytes) => bytes,
            Err(error) => return self.unread(path, &error.to_string()),
        };
        self.problems.extend(lint_bytes(&file, &bytes).into_iter().map(Problem::from));
        if manifest && let Ok(text) = std::str::from_utf8(&bytes) {
            self.rivals(&file, text);
        }
    }

    /// RuntimeSecrets that claim what one of a file before, or of this one, claims.
    fn rivals(&mut self, file: &str, text: &str) {
        for declared in declared_in(file, text) {
            let rivals = self.claims.declare(&declared);
            self.problems.extend(rivals.into_iter().map(|rivals| Problem {
                file: rivals.second.file.clone(),
                line: rivals.second.line,
                rule: "claimed-twice".to_owned(),
                message: rivals.message(),
                advice: "remove one of the two, or declare another one".to_owned(),
            }));
        }
    }
}

/// At most one byte more than the limit.
fn read(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
