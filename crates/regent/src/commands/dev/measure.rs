//! What `cargo xtask bench` has measured after steady state: a stretch in which nothing changes, and the start of all
//! components against a cluster that they had finished with.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_install::COMPONENTS;
use serde::Serialize;

use regent_lab::system::System;

/// Linux counts CPU time in hundredths of a second (USER_HZ).
const TICKS_PER_S: f64 = 100.0;

/// What is to be measured, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Samples {
    /// Nothing changes for so long.
    pub idle: Option<Duration>,
    /// All components are ended, started again, and given so long.
    pub restart: Option<Duration>,
}

/// What was measured; its fields are API of the bench. What was asked of the API server between two times says its
/// audit log.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    /// CPU time in percent of one core.
    idle_cpu_percent: Option<f64>,
    idle_from: Option<Timestamp>,
    idle_to: Option<Timestamp>,
    /// Resident at its end; the largest so far is `peakRssBytes`.
    idle_rss_bytes: Option<u64>,
    /// When the components were started again, and when watching them ended.
    restarted_at: Option<Timestamp>,
    restart_to: Option<Timestamp>,
}

impl Samples {
    pub(super) async fn take(self, system: &mut System) -> anyhow::Result<Measured> {
        let mut measured = Measured::default();
        if let Some(time) = self.idle {
            measured.idle_from = Some(Timestamp::now());
            measured.idle_cpu_percent = Some(cpu_percent(time).await?);
            measured.idle_to = Some(Timestamp::now());
            measured.idle_rss_bytes = Some(memory_bytes("VmRSS:"));
        }
        if let Some(time) = self.restart {
            for identity in COMPONENTS {
                system.kill(identity, 0).await;
            }
            measured.restarted_at = Some(Timestamp::now());
            for identity in COMPONENTS {
                system.start_component(identity, 0)?;
            }
            tokio::time::sleep(time).await;
            measured.restart_to = Some(Timestamp::now());
        }
        Ok(measured)
    }
}

/// A field of `/proc/self/status`, such as `VmHWM:` for the largest resident set so far; 0 where there is none.
pub(super) fn memory_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    let kilobytes =
        line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

/// CPU time of this process over `time`, in percent of one core.
async fn cpu_percent(time: Duration) -> anyhow::Result<f64> {
    let before = cpu_ticks()?;
    tokio::time::sleep(time).await;
    let ticks = cpu_ticks()?.saturating_sub(before);
    Ok(ticks as f64 / TICKS_PER_S / time.as_secs_f64() * 100.0)
}

fn cpu_ticks() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses and may hold blanks.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Ok(field(11) + field(12))
}
