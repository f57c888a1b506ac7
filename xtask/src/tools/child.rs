//! A child process with a limit on its time and on what is kept of its words.

use std::collections::VecDeque;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// What is kept of a child's words: the end, where the reason stands.
const TEXT_MAX: usize = 16 * 1024;
/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(5);
/// How long a child's last words may take after its end: a grandchild can hold the stream open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a child ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether it ended by itself, with success.
    pub(super) good: bool,
    /// Its status, or that it took too long.
    pub(super) how: String,
    /// The end of what it printed, on both streams.
    pub(super) text: String,
}

/// Runs `command` for at most `limit`, then kills it.
pub(super) fn run(command: &mut Command, limit: Duration) -> std::io::Result<Ended> {
    let (mut reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let spawned = command.spawn();
    // The command holds this side's ends of the pipe: without them the reader sees the child's end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned?;
    let (sender, words) = channel();
    std::thread::spawn(move || {
        // Nobody listens any more if the child took too long.
        let _ = sender.send(tail(&mut reader));
    });
    let deadline = Instant::now() + limit;
    let (good, how) = loop {
        if let Some(status) = child.try_wait()? {
            break (status.success(), status.to_string());
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            break (false, format!("no end within {} s", limit.as_secs()));
        }
        std::thread::sleep(POLL);
    };
    let text = words.recv_timeout(LAST_WORDS).unwrap_or_default();
    Ok(Ended { good, how, text })
}

/// Reads to the end and keeps the last `TEXT_MAX` bytes.
fn tail(reader: &mut impl Read) -> String {
    let mut kept = VecDeque::with_capacity(TEXT_MAX);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        let excess = (kept.len() + count).saturating_sub(TEXT_MAX);
        kept.drain(..excess);
        kept.extend(buffer.iter().take(count));
    }
    String::from_utf8_lossy(kept.make_contiguous()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_and_the_status_are_kept() {
        let mut command = Command::new("sh");
        let ended =
            run(command.args(["-c", "echo a; echo b >&2; exit 3"]), Duration::from_secs(10));
        let ended = ended.unwrap();
        assert!(!ended.good && ended.how.contains('3'), "{ended:?}");
        assert_eq!(ended.text, "a\nb");
    }

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let began = Instant::now();
        let ended = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap();
        assert!(!ended.good && ended.how.starts_with("no end"), "{ended:?}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn only_the_end_of_long_words_is_kept() {
        let words = format!("{}end", "x".repeat(3 * TEXT_MAX));
        let kept = tail(&mut words.as_bytes());
        assert_eq!(kept.len(), TEXT_MAX);
        assert!(kept.ends_with("xend"));
    }
}
