//! A machine that is kept busy while tests run: a process for each core that does nothing else, at a lower priority, so
//! that whatever waits for a time rather than for an event is found.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Told to `nice`: about a quarter of a core each where tests want all of it.
const NICENESS: &str = "5";

/// Busy processes, ended when dropped.
pub(crate) struct Load(Vec<Child>);

impl Load {
    /// Starts one for each core.
    ///
    /// # Errors
    /// Where `nice` or this program cannot be started.
    pub(crate) fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let own = std::env::current_exe().context("the path of this program")?;
        // Those that were started before one fails end with it.
        let mut load = Self(Vec::new());
        for _ in 0..cores {
            let mut command = Command::new("nice");
            command.args(["-n", NICENESS]).arg(&own).arg("busy").stdin(Stdio::piped());
            load.0.push(command.spawn().context("starting `nice`: install coreutils")?);
        }
        println!("load: {cores} busy processes");
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Already ended is fine.
            let _killed = child.kill();
            let _waited = child.wait();
        }
    }
}

/// What a busy process does: it works until its input ends, which it does with whoever started it.
pub(crate) fn busy() {
    let work = || {
        let mut sum = 0_u64;
        loop {
            sum = std::hint::black_box(sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    };
    std::thread::spawn(work);
    // Whatever ends the input ends the work with this process.
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}
