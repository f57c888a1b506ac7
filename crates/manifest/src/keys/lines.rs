//! An identity file line by line: identities of our kind, and what stands beside them.

use age::x25519::Identity;

use crate::skipped::Skipped;

/// One entry of an identity file.
pub(super) enum Entry {
    Identity(Identity),
    Skipped(Skipped),
}

/// The entries of an identity file. Blank lines and comments are none; a comment may also stand behind an identity, and a
/// byte order mark before the first line.
pub(super) fn entries(text: &str) -> impl Iterator<Item = Entry> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The end that the block of lines that is being passed over has.
    let mut block: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if let Some(end) = block {
            if line.starts_with(end) {
                block = None;
            }
            return None;
        }
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        if line.starts_with("-----BEGIN ") {
            block = Some("-----END ");
        }
        Some(match identity(line) {
            Some(identity) => Entry::Identity(identity),
            None => Entry::Skipped(Skipped { line: index + 1, what: kind(line) }),
        })
    })
}

fn identity(line: &str) -> Option<Identity> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then(|| word.parse().ok()).flatten()
}

/// What a line is that is no identity of ours, by how it begins.
fn kind(line: &str) -> &'static str {
    /// Specific beginnings stand before general ones.
    const KINDS: [(&str, &str); 10] = [
        ("AGE-SECRET-KEY-PQ-1", "a post-quantum identity, which regent does not read"),
        ("AGE-SECRET-KEY-1", "a damaged age identity"),
        ("AGE-PLUGIN-", "the identity of an age plugin, which regent does not run"),
        ("age1", "a recipient and not an identity"),
        ("ssh-", "an SSH public key"),
        ("-----BEGIN AGE ENCRYPTED FILE-----", "an identity under a passphrase: decrypt it first"),
        ("age-encryption.org/", "an identity under a passphrase: decrypt it first"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "an SSH private key, which regent does not read"),
        ("-----BEGIN RSA PRIVATE KEY-----", "an SSH private key, which regent does not read"),
        ("-----BEGIN ", "a PEM block"),
    ];
    let known = KINDS.iter().find(|(start, _)| line.starts_with(start));
    known.map_or("nothing that regent knows", |(_, what)| what)
}
