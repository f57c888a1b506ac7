//! Which age identities a command opens with: those of the file that is named, else those that `sops` would use.

use std::path::{Path, PathBuf};

use regent_host::failure::Failure;
use regent_manifest::keys::Identities;
use regent_types::{Advice, Sensitive};

use super::text_file::read_text;
use crate::output::{Out, escape};

/// Identities themselves, separated by blanks or lines.
const KEY: &str = "SOPS_AGE_KEY";
/// Name of a file with identities.
const KEY_FILE: &str = "SOPS_AGE_KEY_FILE";
/// A command that prints identities: `sops` runs it, regent does not.
const KEY_CMD: &str = "SOPS_AGE_KEY_CMD";
/// Where `sops` looks in the user's configuration folder.
const USER_FILE: &str = "sops/age/keys.txt";

/// Identities that were found, and what a person should know of where they were looked for.
#[derive(Debug)]
pub(crate) struct Found {
    /// Absent where no place has one.
    pub(crate) identities: Option<Identities>,
    /// One sentence a place: what was passed over there, or why it was not used.
    pub(crate) notes: Vec<String>,
}

/// Reads the file that `named` names, else what the environment names; notes go to standard error.
///
/// # Errors
/// That the named file cannot be used, or that no place has an identity, with all places.
pub(crate) fn read(named: Option<&Path>, out: Out) -> Result<Identities, Failure> {
    if let Some(path) = named {
        let identities = of_file(path)?;
        notes(&escape::path(path), &identities).iter().for_each(|note| out.note(note));
        return Ok(identities);
    }
    let Found { identities, notes } = Places::of_process().look();
    let Some(identities) = identities else {
        let found = if notes.is_empty() { "none of them".to_owned() } else { notes.join("; ") };
        let expected = format!("--identity FILE, {KEY_FILE}, {KEY}, or {USER_FILE} in ~/.config");
        let advice = Advice::new(expected, found, "name a file of age identities with --identity");
        return Err(Failure::new("NoIdentity", "there is no identity to open it with", advice));
    };
    notes.iter().for_each(|note| out.note(note));
    Ok(identities)
}

/// Where identities may be, as the environment says.
#[derive(Debug, Default)]
pub(crate) struct Places {
    key: Option<Sensitive<String>>,
    key_file: Option<PathBuf>,
    command: bool,
    user_file: Option<PathBuf>,
}

impl Places {
    /// Reads this process's environment. Nothing of it is given to another process.
    pub(crate) fn of_process() -> Self {
        let folder = |name, below: &str| std::env::var_os(name).map(|v| Path::new(&v).join(below));
        let config = folder("XDG_CONFIG_HOME", "").filter(|path| path.is_absolute());
        Self {
            key: std::env::var_os(KEY)
                .map(|key| Sensitive::new(key.into_string().unwrap_or_default())),
            key_file: std::env::var_os(KEY_FILE).map(PathBuf::from),
            command: std::env::var_os(KEY_CMD).is_some(),
            user_file: config.or_else(|| folder("HOME", ".config")).map(|c| c.join(USER_FILE)),
        }
    }

    /// Looks at all of them, as `sops` does: one that cannot be read does not spoil the others.
    pub(crate) fn look(&self) -> Found {
        let mut found = Found { identities: None, notes: Vec::new() };
        if let Some(key) = &self.key {
            found.take(KEY, of_variable(key));
        }
        if let Some(path) = &self.key_file {
            found.take(&format!("{KEY_FILE} {}", escape::path(path)), of_file(path));
        }
        if self.command {
            found.notes.push(format!("{KEY_CMD} is set, and regent runs no command for keys"));
        }
        if let Some(path) = self.user_file.as_ref().filter(|path| path.exists()) {
            found.take(&escape::path(path), of_file(path));
        }
        found
    }
}

impl Found {
    fn take(&mut self, place: &str, read: Result<Identities, Failure>) {
        let joined = read.and_then(|new| {
            self.notes.extend(notes(place, &new));
            match self.identities.take() {
                None => Ok(new),
                Some(old) => old.clone().join(new).map_err(|error| {
                    self.identities = Some(old);
                    Failure::of("joining identities", &error)
                }),
            }
        });
        match joined {
            Ok(all) => self.identities = Some(all),
            Err(failure) => self.notes.push(format!("{place} is not used: {}", why(&failure))),
        }
    }
}

fn why(failure: &Failure) -> String {
    match &failure.advice {
        Some(advice) if failure.reason == "CannotRead" => advice.found.clone(),
        _ => failure.message.clone(),
    }
}

fn notes(place: &str, identities: &Identities) -> Vec<String> {
    identities.skipped().iter().map(|skipped| format!("{place}: {skipped}")).collect()
}

/// The identities of one file.
pub(crate) fn of_file(path: &Path) -> Result<Identities, Failure> {
    let text = read_text(path)?;
    Identities::parse(text.expose())
        .map_err(|e| Failure::of(&format!("reading {}", escape::path(path)), &e))
}

/// In a variable, blanks separate identities too.
fn of_variable(value: &Sensitive<String>) -> Result<Identities, Failure> {
    let lines = value.expose().lines().filter(|line| !line.starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let text = Sensitive::new(words.join("\n"));
    Identities::parse(text.expose()).map_err(|e| Failure::of(&format!("reading {KEY}"), &e))
}
