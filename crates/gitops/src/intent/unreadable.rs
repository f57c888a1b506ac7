//! Manifests that cannot be read, each with the reason for it. What cannot be read is never taken for absent: as long as a
//! commit holds one, nothing is pruned.

use super::IntentError;
use super::error::FileLine;
use crate::gitrepo::{LIMITS, printable};

/// Something of the folder that is not read by design: what was applied from there before is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PassedOver {
    pub(super) path: String,
    /// What it is, for people.
    pub(super) what: &'static str,
}

impl PassedOver {
    /// Whether `file` stands there or below.
    pub(super) fn covers(&self, file: &str) -> bool {
        file.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", printable(self.path.as_bytes()), self.what)
    }
}

/// A document of a manifest file that is no object.
pub(super) fn document(place: FileLine) -> PassedOver {
    PassedOver { path: place.file, what: "no object" }
}

/// How Git LFS and git-annex begin what stands in place of a file's content.
const POINTERS: [(&[u8], &str); 2] = [
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the content of the file"),
    (b"/annex/objects/", "a git-annex pointer, not the content of the file"),
];
const COMMIT_IT: &str = "commit the file itself; nothing is removed until then";
const SAVE_AS_UTF8: &str = "save the file as UTF-8; nothing is removed until then";

/// The text of a manifest, byte for byte.
pub(super) fn text<'b>(path: &str, bytes: &'b [u8]) -> Result<&'b str, IntentError> {
    if let Some((_, problem)) = POINTERS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Err(unreadable(path, 1, *problem, COMMIT_IT));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(unreadable(path, 1, "UTF-16 text, and manifests are UTF-8", SAVE_AS_UTF8));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let problem = format!("a zero byte, at byte {}: this is not text", at + 1);
        return Err(unreadable(path, line(bytes, at), problem, SAVE_AS_UTF8));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        let problem = format!("byte {} (0x{byte:02x}) is not UTF-8", at + 1);
        unreadable(path, line(bytes, at), problem, SAVE_AS_UTF8)
    })
}

/// Line of byte `at`, from 1.
fn line(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

pub(super) fn too_large(path: &str, size: u64) -> IntentError {
    let limit = LIMITS.file_bytes_max;
    let problem = format!("a manifest of {size} bytes, and {limit} are read");
    unreadable(path, 1, problem, "split the file; nothing is removed until then")
}

pub(super) fn link(path: &str) -> IntentError {
    let problem = "a symbolic link, which is not followed";
    unreadable(
        path,
        1,
        problem,
        "commit the file in place of the link; nothing is removed until then",
    )
}

/// `shown` is the path as it may be printed.
pub(super) fn bad_name(shown: String, why: &'static str) -> IntentError {
    let file_line = FileLine { file: shown, line: 1 };
    let advice = "rename the file or folder; nothing is removed until then";
    IntentError::Unreadable { file_line, problem: why.to_owned(), advice }
}

/// What was applied from `passed_over` before, and is not read any more.
pub(super) fn kept(passed_over: &PassedOver, objects: usize) -> IntentError {
    let problem = format!(
        "{}, which is not read: {objects} objects that were applied from there are kept",
        passed_over.what
    );
    let advice = "commit the files themselves, or delete those objects";
    unreadable(&passed_over.path, 1, problem, advice)
}

fn unreadable(
    path: &str,
    line: usize,
    problem: impl Into<String>,
    advice: &'static str,
) -> IntentError {
    let file_line = FileLine { file: path.to_owned(), line };
    IntentError::Unreadable { file_line, problem: problem.into(), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g08_what_is_not_text_is_refused_with_its_place_and_never_repaired() {
        let utf16: Vec<u8> =
            "\u{feff}kind: Secret".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5\n";
        let cases: [(&[u8], &str); 5] = [
            (b"a: 1\nb: caf\xe9\n", "f.yaml:2: byte 12 (0xe9) is not UTF-8"),
            (b"a: 1\n\0", "f.yaml:2: a zero byte, at byte 6: this is not text"),
            (&utf16, "f.yaml:1: UTF-16 text, and manifests are UTF-8"),
            (lfs.as_bytes(), "f.yaml:1: a Git LFS pointer, not the content of the file"),
            (
                b"/annex/objects/SHA256E-s5--abc.yaml\n",
                "f.yaml:1: a git-annex pointer, not the content of the file",
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text("f.yaml", bytes).unwrap_err().to_string(), expected);
        }
        assert_eq!(text("f.yaml", "a: café\n".as_bytes()).unwrap(), "a: café\n");
    }

    #[test]
    fn what_is_passed_over_covers_what_stood_below_it() {
        let link = PassedOver { path: "apps".into(), what: "a symbolic link" };
        assert!(
            link.covers("apps/db.yaml") && link.covers("apps") && !link.covers("apps2/db.yaml")
        );
    }
}
