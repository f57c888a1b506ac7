//! The real binary as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longest wait for a line or an end.
const LIMIT: Duration = Duration::from_secs(120);

/// The binary that `cargo xtask test` built, of the profile these tests run in.
pub fn path() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let folder = exe.parent().and_then(|deps| deps.parent()).context("no target folder")?;
    let binary = folder.join("regent");
    if !binary.exists() {
        bail!(
            "{} is not built: run `cargo build -p regent`, or `cargo xtask test`",
            binary.display()
        );
    }
    Ok(binary)
}

/// Runs it to its end.
pub fn run(args: &[&str], env: &[(String, String)]) -> Result<Output> {
    let envs = env.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    Ok(Command::new(path()?).args(args).envs(envs).stdin(Stdio::null()).output()?)
}

/// The same, while this task waits: the sandbox answers from this process, which must not wait for the child meanwhile.
pub async fn say(args: &[&str], env: Vec<(String, String)>) -> Result<Output> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let run = move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&args, &env)
    };
    tokio::task::spawn_blocking(run).await?
}

/// A running `regent dev`. Killed when dropped.
pub struct Dev {
    child: Child,
    lines: Receiver<String>,
    /// Everything it printed so far, on both streams.
    pub printed: String,
}

impl Dev {
    /// Starts `regent dev` with `args`, logging everything.
    pub fn start(args: &[&str]) -> Result<Self> {
        let mut child = Command::new(path()?)
            .arg("dev")
            .args(args)
            .env("REGENT_LOG", "trace,hyper=info,h2=info,tower=info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().context("no stdout")?),
            Box::new(child.stderr.take().context("no stderr")?),
        ];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { child, lines, printed: String::new() })
    }

    /// Waits for a line that contains `text` and returns it.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.printed.push_str(&line);
                    self.printed.push('\n');
                    if line.contains(text) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("{text:?} never came"),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it ended before {text:?} came:\n{}", self.tail())
                }
            }
        }
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, waits, returns everything it printed and its exit code.
    pub fn stop(mut self) -> Result<(String, Option<i32>)> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-INT", &id]).status()?;
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            self.printed.push_str(&line);
            self.printed.push('\n');
        }
        let code = self.child.wait()?.code();
        Ok((std::mem::take(&mut self.printed), code))
    }

    fn tail(&self) -> String {
        let lines: Vec<&str> = self.printed.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
