//! Names of files as strangers may choose them: which ones are refused, and how any of them is printed.

/// Longest name or path that is printed, in characters; the rest is cut.
const SHOWN_MAX: usize = 400;

/// What is wrong with a name of one entry of a folder, if it may not be used.
///
/// Refused are names that are no UTF-8, that would mean something to a terminal or change the order of what is shown,
/// and those by which Git itself refuses a checkout.
#[must_use]
pub(super) fn refusal(name: &[u8]) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(name) else { return Some("its name is not UTF-8") };
    match text {
        "" => Some("its name is empty"),
        "." | ".." => Some("its name leads out of its folder"),
        _ if text.eq_ignore_ascii_case(".git") => Some("its name is Git's own"),
        _ if text.contains(['/', '\\']) => Some("its name holds a separator of folders"),
        _ if text.chars().any(is_unprintable) => Some("its name holds a control character"),
        _ => None,
    }
}

/// `text` as it may be written into a terminal, a log or a status: control characters and those that turn the
/// direction of text are escaped as in Rust, bytes that are no UTF-8 as `\xNN`.
#[must_use]
pub fn printable(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut count = 0;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            count += 1;
            if count > SHOWN_MAX {
                shown.push('…');
                return shown;
            }
            if is_unprintable(c) {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// The same for a whole message of several hundred characters, which is not cut.
#[must_use]
pub fn printable_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, and those of Unicode that reorder or hide what stands beside them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g12_names_that_a_terminal_or_a_path_would_take_for_more_are_refused() {
        let refused: [&[u8]; 11] = [
            b"",
            b".",
            b"..",
            b".GIT",
            b"a/b",
            b"a\\b",
            b"\x1b[2J.yaml",
            b"a\nb.yaml",
            b"caf\xe9.yaml",
            "a\u{202e}lmay.yaml".as_bytes(),
            b"a\x7f",
        ];
        for name in refused {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in ["a.yaml", "...", ".gitignore", "café.yaml", "with space", "日本語.yml"] {
            assert_eq!(refusal(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn g12_what_is_printed_holds_no_character_that_acts() {
        assert_eq!(printable(b"a\x1b[31mb\nc\xe9.yaml"), "a\\u{1b}[31mb\\nc\\xe9.yaml");
        assert_eq!(printable("café/日本.yaml".as_bytes()), "café/日本.yaml");
        assert_eq!(printable_text("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(printable(&[b'a'; 500]).chars().count(), SHOWN_MAX + 1);
    }
}
