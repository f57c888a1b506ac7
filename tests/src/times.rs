//! Where a scenario's time goes: with `REGENT_TIMES=FILE` each step appends a line, `milliseconds world line step`.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use crate::worlds::WorldKind;

/// The clock of one scenario.
pub(crate) struct Times {
    kind: WorldKind,
    last: Instant,
}

impl Times {
    pub(crate) fn start(kind: WorldKind) -> Self {
        Self { kind, last: Instant::now() }
    }

    /// `what`, from `line`, has just ended.
    pub(crate) fn tell(&mut self, line: usize, what: &str) -> std::io::Result<()> {
        let took = self.last.elapsed().as_millis();
        self.last = Instant::now();
        let Some(file) = std::env::var_os("REGENT_TIMES") else { return Ok(()) };
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        // One write a line: scenarios share the file.
        file.write_all(format!("{took:>6} {} {line:>3} {what}\n", self.kind).as_bytes())
    }
}
