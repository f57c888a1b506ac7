//! `regent open`: the holder of an offline identity knowingly opens a file (S5.2-2).

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use regent_manifest::keys::Identities;
use regent_manifest::sops;
use regent_types::{Advice, Sensitive};

use crate::output::Out;
use regent_host::failure::Failure;

/// Largest file read, in bytes; the same bound as in the cluster.
const FILE_LEN_MAX: u64 = 1_048_576;

/// Arguments of `regent open`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent open --identity holder-alice.txt payments/ledger-db.enc.yaml")]
pub struct OpenArgs {
    /// File with the age identities to try.
    #[arg(short, long)]
    pub identity: PathBuf,
    /// A SOPS document; `-` reads standard input.
    pub file: PathBuf,
    /// Private file to write (mode 0600); standard output by default.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Opens, checks the MAC, writes the plaintext.
pub fn run(args: &OpenArgs, out: Out) -> anyhow::Result<u8> {
    let identity = read_text(&args.identity)?;
    let identities = Identities::parse(identity.expose())
        .map_err(|e| Failure::of(&format!("reading {}", args.identity.display()), &e))?;
    let sealed = read_text(&args.file)?;
    let opened = sops::open(sealed.expose(), &identities)
        .map_err(|e| Failure::of(&format!("opening {}", args.file.display()), &e))?;
    match &args.out {
        Some(path) => write_private(path, &opened.plaintext)?,
        None => out.text(opened.plaintext.expose()),
    }
    Ok(0)
}

/// Reads a bounded text file, or standard input for `-`.
pub fn read_text(path: &Path) -> Result<Sensitive<String>, Failure> {
    let fail = |found: String| {
        let advice = Advice::new("a text file of at most 1 MiB", found, "name another file");
        Failure::new("CannotRead", "the file cannot be read", advice)
    };
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(FILE_LEN_MAX + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|e| fail(format!("{shown}: {e}")))?;
        file.take(FILE_LEN_MAX + 1).read_to_string(&mut text)
    };
    let length = read.map_err(|e| fail(format!("{shown}: {e}")))?;
    let text = Sensitive::new(text);
    if length as u64 > FILE_LEN_MAX {
        return Err(fail(format!("{shown}: more than {FILE_LEN_MAX} bytes")));
    }
    Ok(text)
}

/// Writes a new private file.
pub fn write_private(path: &Path, text: &Sensitive<String>) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.expose().as_bytes())
    };
    write().map_err(|e| {
        let advice = Advice::new(
            "a file that does not exist yet",
            format!("{}: {e}", path.display()),
            "name another file with --out: nothing is overwritten",
        );
        Failure::new("CannotWrite", "the file cannot be written", advice)
    })
}
