//! Every command that a message, a condition, a document or a help text names is there, with its flags: nobody is sent to
//! a command that does not exist.

mod mentions;
mod pieces;

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use mentions::{Mention, mentions};
use pieces::pieces;

/// What has no text for people: what is built, what is stored, what others wrote.
const SKIPPED: [&str; 5] = ["target", ".git", "fixtures", "node_modules", ".cargo"];
/// Words that follow the product's name in a sentence and are no command. A verb that ends in `s` need not be here.
const PROSE: [&str; 42] = [
    "a",
    "acted",
    "alone",
    "and",
    "are",
    "at",
    "brought",
    "by",
    "can",
    "cannot",
    "did",
    "for",
    "have",
    "in",
    "initialized",
    "installation",
    "into",
    "is",
    "it",
    "itself",
    "made",
    "makes",
    "may",
    "must",
    "never",
    "not",
    "of",
    "on",
    "or",
    "placed",
    "reads",
    "that",
    "the",
    "through",
    "to",
    "when",
    "will",
    "with",
    "write",
    "writing",
    "wrote",
    "yet",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else if [".rs", ".md", ".yaml", ".yml", ".tpl", ".txt", ".scenario", ".json", ".hcl"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            found.push(path);
        }
    }
}

/// What is wrong with a mention, if anything is.
fn complaint(top: &clap::Command, mention: &Mention) -> Option<String> {
    let mut at = top;
    let mut path = "regent".to_owned();
    let mut is_value = false;
    for word in &mention.words {
        if let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) {
            let known = takes_value(top, at, flag);
            if mention.code && known.is_none() {
                return Some(format!("{path} has no flag -{flag}"));
            }
            is_value = known == Some(true) && !flag.contains('=');
            continue;
        }
        if std::mem::take(&mut is_value) {
            continue;
        }
        let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        match at.find_subcommand(word) {
            Some(next) => {
                at = next;
                path.push(' ');
                path.push_str(word);
            }
            // The name of something else begins here.
            None if !mention.code && !plain => return None,
            // An argument of a command that has no further ones.
            None if !at.has_subcommands() || !plain => {}
            None if mention.code => return Some(format!("{path} has no command {word}")),
            None => {
                let verb = PROSE.contains(&word.as_str()) || word.ends_with('s');
                let of_top = path == "regent";
                return (of_top && !verb).then(|| {
                    format!(
                        "{word} is no command; if it is no mention of one, add the word to PROSE"
                    )
                });
            }
        }
        if !mention.code && !at.has_subcommands() {
            return None;
        }
    }
    None
}

/// Whether `flag` takes a value; `None` where there is no such flag.
fn takes_value(top: &clap::Command, at: &clap::Command, flag: &str) -> Option<bool> {
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    let own = at.get_arguments();
    let mut all = own.chain(top.get_arguments().filter(|arg| arg.is_global_set()));
    let found = match name.strip_prefix('-') {
        Some(long) => all.find(|arg| arg.get_long() == Some(long)),
        None => {
            let short = name.chars().next()?;
            all.find(|arg| arg.get_short() == Some(short))
        }
    };
    found.map(|arg| arg.get_action().takes_values())
}

fn top() -> clap::Command {
    let mut top = crate::cli::Cli::command();
    top.build();
    top
}

/// Also the test of U and H rows that name a missing command: messages of all crates are read.
#[test]
fn g14_every_command_that_is_named_exists() {
    let (top, root) = (top(), root());
    let mut all = Vec::new();
    files(&root, &mut all);
    let (mut judged, mut wrong) = (0, Vec::new());
    for path in all.iter().filter(|path| !path.to_string_lossy().contains("named_commands")) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for piece in pieces(path, &text) {
            for mention in mentions(&piece) {
                judged += 1;
                if let Some(what) = complaint(&top, &mention) {
                    let place = path.strip_prefix(&root).unwrap().display();
                    wrong.push(format!("{place}:{}: {what}", mention.line));
                }
            }
        }
    }
    assert!(judged > 200, "only {judged} mentions were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn g14_a_missing_command_is_found_wherever_it_is_named() {
    let top = top();
    let found = |file: &str, text: &str| -> usize {
        let pieces = pieces(Path::new(file), text);
        pieces.iter().flat_map(mentions).filter(|m| complaint(&top, m).is_some()).count()
    };
    let missing = [
        ("a.md", "use `regent edit` for it"),
        ("a.md", "use `regent\nedit` for it"),
        ("a.md", "keep it with regent offboard, or not"),
        ("a.md", "```sh\nregent policy list\n```"),
        ("a.md", "```sh\nkubectl x | regent seal --force -\n```"),
        ("a.md", "`regent authority reset`"),
        ("a.md", "`regent seal -z`"),
        ("a.rs", "let a = \"accept it with regent \\\n     offboard\";"),
        ("a.rs", "let a = r#\"run `regent put x`\"#;"),
        ("a.rs", "/// As `regent rekey` does.\nfn a() {}"),
        ("a.rs", "#[command(after_help = \"Example:\n  regent unsealx --identity a\")]"),
        ("a.yaml", "description: see `regent handover undo`"),
    ];
    for (file, text) in missing {
        assert_eq!(found(file, text), 1, "{text}");
    }
    let fine = [
        ("a.md", "regent refuses it, and regent may write; `regent -o json status`"),
        ("a.md", "`regent seal -r age1… --out=x secret.yaml > y`, `regent authority join`"),
        ("a.md", "```sh\nregent dev --until steady   # see regent offboard\n```"),
        ("a.md", "helm upgrade regent charts/regent, cargo build -p regent --bins, `regent`"),
        ("a.md", "```sh\nhelm uninstall regent --namespace regent-system\n```"),
        (
            "a.rs",
            "let a = '\"'; // regent offboard is prose in a comment\nlet b = \"regent verify in CI\";",
        ),
        ("a.md", "`regent run COMPONENT` runs it, `regent run materializer` too"),
    ];
    for (file, text) in fine {
        assert_eq!(found(file, text), 0, "{text}");
    }
}
