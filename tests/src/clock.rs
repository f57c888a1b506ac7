//! A process whose clock is wrong: libfaketime, preloaded into it alone, shifts the time of day and leaves the monotonic
//! clock as it is, as on a node whose clock nobody sets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

/// Where distributions put it: Debian by architecture, others here.
const FOLDERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib/faketime",
    "/usr/lib64/faketime",
];
/// For processes of many threads.
const LIBRARY: &str = "libfaketimeMT.so.1";

/// Variables of a process whose clock differs by `seconds`.
pub(crate) fn off_by(seconds: i64) -> Result<BTreeMap<String, String>> {
    let library = library().context("no libfaketime: install the package faketime")?;
    let all = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{seconds:+}s")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Ok(all.map(|(name, value)| (name.to_owned(), value)).into())
}

/// Seconds of `minutes` `ahead` or `behind`.
pub(crate) fn seconds(minutes: &str, way: &str) -> Result<i64> {
    let seconds = minutes.parse::<i64>()? * 60;
    match way {
        "ahead" => Ok(seconds),
        "behind" => Ok(-seconds),
        _ => bail!("ahead or behind, not {way}"),
    }
}

/// The last line of `log` was written with a clock that differs by `seconds`, less than a minute and a half ago.
pub(crate) fn is_off_by(log: &Path, seconds: i64) -> Result<()> {
    let text = std::fs::read_to_string(log).with_context(|| log.display().to_string())?;
    let time = |line: &str| line.split_whitespace().next()?.parse().ok();
    let last: Timestamp = text.lines().rev().find_map(time).context("no line has a time")?;
    let found = last.as_second() - Timestamp::now().as_second();
    ensure!((found - seconds).abs() < 90, "the clock is off by {found} s, not by {seconds} s");
    Ok(())
}

fn library() -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_of_a_log_is_compared_with_now() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let ahead = Timestamp::now() + jiff::SignedDuration::from_mins(5);
        std::fs::write(
            &log,
            format!("{}  INFO a\n{ahead}  INFO b\nerror: c\n", Timestamp::UNIX_EPOCH),
        )
        .unwrap();
        assert!(is_off_by(&log, seconds("5", "ahead").unwrap()).is_ok());
        assert!(is_off_by(&log, seconds("5", "behind").unwrap()).is_err());
        let line = "2026-11-25T23:25:51.258344Z  INFO regent::commands::run: started component=\"warden\"\n";
        std::fs::write(&log, line).unwrap();
        let told = is_off_by(&log, 0).unwrap_err().to_string();
        assert!(told.contains("is off by"), "{told}");
        std::fs::write(&log, "nothing\n").unwrap();
        assert!(is_off_by(&log, 0).is_err());
        assert!(seconds("5", "aside").is_err());
    }
}
