//! Text of somebody else's on a terminal: what would move the cursor, change colours or turn the reading direction is
//! shown as its code.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One line of text: every control character is escaped, line ends among them.
pub fn escaped(text: &str) -> String {
    escape(text, steers)
}

/// Text of several lines.
pub(super) fn escaped_lines(text: &str) -> String {
    escape(text, |c| c != '\n' && steers(c))
}

/// A path as one line. Bytes that are no UTF-8 are shown as `\xNN`, so that two names stay two.
pub fn path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        shown.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing into a String cannot fail.
            let _written = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Whether a name is shown as it is.
pub fn is_plain(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| !name.contains(steers))
}

fn escape(text: &str, is: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Control characters, and those that turn or hide text (Unicode UAX #9, and the marks without width).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g12_what_steers_a_terminal_is_shown_as_its_code() {
        let cases: [(&[u8], &str); 8] = [
            (b"a/b.yaml", "a/b.yaml"),
            ("caf\u{e9}/\u{2713} \u{1f511}".as_bytes(), "caf\u{e9}/\u{2713} \u{1f511}"),
            (b"\x1b]0;owned\x07.yaml", "\\u{1b}]0;owned\\u{7}.yaml"),
            (b"a\nb\tc\r", "a\\nb\\tc\\r"),
            (b"caf\xe9", "caf\\xe9"),
            (b"\xff\xfea", "\\xff\\xfea"),
            ("\u{9b}31m\u{7f}".as_bytes(), "\\u{9b}31m\\u{7f}"),
            ("x\u{202e}lmay.\u{200b}".as_bytes(), "x\\u{202e}lmay.\\u{200b}"),
        ];
        for (name, shown) in cases {
            let name = OsStr::from_bytes(name);
            assert_eq!(path(Path::new(name)), shown);
            assert_eq!(is_plain(name), !shown.contains('\\'), "{shown}");
        }
        assert_eq!(escaped_lines("a\n\x1b[2Jb\n"), "a\n\\u{1b}[2Jb\n");
    }
}
