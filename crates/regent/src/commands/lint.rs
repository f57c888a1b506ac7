//! `regent lint`: a Git tree without keys; what must not be in Git is found before it is pushed.

use std::path::{Path, PathBuf};

use clap::Args;
use regent_manifest::claims::{Claims, declared_in};
use regent_manifest::lint::{Finding, lint_file};
use serde::Serialize;

use crate::output::{Format, Out, Row};

/// Deepest folder looked into.
const DEPTH_MAX: usize = 64;
/// Largest file looked into, in bytes; intent refuses larger ones.
const FILE_LEN_MAX: u64 = 1_048_576;

/// Arguments of `regent lint`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent lint .            exit code 1 where something is found: fit for a pre-commit hook and for CI
  regent lint clusters/a   the folder of one GitSource: RuntimeSecrets of one revision must not claim the same")]
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

impl Row for Problem {
    const COLUMNS: &'static [&'static str] = &["FILE", "LINE", "RULE", "MESSAGE", "DO"];
    fn cells(&self) -> Vec<String> {
        let line = self.line.to_string();
        vec![self.file.clone(), line, self.rule.clone(), self.message.clone(), self.advice.clone()]
    }
}

/// Looks at every text file; exit code 1 where something is found.
pub fn run(args: &LintArgs, out: Out) -> anyhow::Result<u8> {
    let mut problems = Vec::new();
    let mut claims = Claims::default();
    let mut files = 0;
    walk(&args.path, 0, &mut |path| {
        files += 1;
        problems.extend(look(path, &mut claims));
    })?;
    if out.format == Format::Table && problems.is_empty() {
        out.line(&format!("{files} files, nothing found"));
        return Ok(0);
    }
    out.list(&problems)?;
    Ok(u8::from(!problems.is_empty()))
}

fn look(path: &Path, claims: &mut Claims) -> Vec<Problem> {
    let small = std::fs::metadata(path).is_ok_and(|m| m.len() <= FILE_LEN_MAX);
    let Some(text) = small.then(|| std::fs::read_to_string(path).ok()).flatten() else {
        return Vec::new();
    };
    let file = path.display().to_string();
    let found: Vec<Finding> = lint_file(&file, &text);
    let found = found.into_iter().map(|f| Problem {
        file: f.file,
        line: f.line,
        rule: f.rule.to_string(),
        message: f.message,
        advice: f.advice.to_string(),
    });
    found.chain(rivals(&file, &text, claims)).collect()
}

/// RuntimeSecrets that claim what one of a file before, or of this one, claims.
fn rivals(file: &str, text: &str, claims: &mut Claims) -> Vec<Problem> {
    let manifest = [".yaml", ".yml", ".json"].iter().any(|ending| file.ends_with(ending));
    let declared = if manifest { declared_in(file, text) } else { Vec::new() };
    let rivals = declared.iter().flat_map(|declared| claims.declare(declared));
    rivals
        .map(|rivals| Problem {
            file: rivals.second.file.clone(),
            line: rivals.second.line,
            rule: "claimed-twice".to_owned(),
            message: rivals.message(),
            advice: "remove one of the two, or declare another one".to_owned(),
        })
        .collect()
}

fn walk(path: &Path, depth: usize, each: &mut impl FnMut(&Path)) -> std::io::Result<()> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        each(path);
    } else if kind.is_dir() && depth < DEPTH_MAX && !path.ends_with(".git") {
        let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            walk(&entry.path(), depth + 1, each)?;
        }
    }
    Ok(())
}
