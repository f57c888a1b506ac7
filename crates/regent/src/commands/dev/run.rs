//! Runs the system, tells each phase as it happens, plays the one human act after cluster loss, and ends when
//! asked to.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use regent_types::Advice;

use super::measure::Samples;
use super::summary::Summary;
use crate::output::{Format, Out, Progress};
use regent_host::failure::Failure;
use regent_host::signals::Stop;
use regent_host::view::{Unmet, View};
use regent_lab::drill;
use regent_lab::options::Options;
use regent_lab::prefetch;
use regent_lab::system::System;
use regent_lab::watch::Watch;

/// When `regent dev` ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// At steady state; otherwise at Ctrl-C.
    pub until_steady: bool,
    /// How long to wait for steady state.
    pub timeout: Duration,
    /// What to measure at steady state.
    pub samples: Samples,
}

/// Runs until `goal`. Returns the exit code.
pub(crate) async fn run(mut options: Options, goal: Goal, out: Out) -> anyhow::Result<u8> {
    let began = Instant::now();
    let progress = Progress::new();
    let mut stop = Stop::listen()?;
    let copy = tokio::select! {
        copy = prefetch(&mut options) => copy?,
        () = stop.given() => return Ok(0),
    };
    let mut system = System::start(&options).await?;
    drop(copy);
    let mut teller = Teller { progress, began, told: BTreeSet::new() };
    teller.phase_zero(&system);
    let code = tokio::select! {
        code = live(&mut system, &mut teller, goal, out) => code,
        () = stop.given() => {
            teller.progress.finish();
            out.note("stopping");
            Ok(0)
        }
    };
    teller.progress.finish();
    let stopped = system.stop().await;
    let code = code?;
    stopped?;
    Ok(code)
}

async fn live(
    system: &mut System,
    teller: &mut Teller,
    goal: Goal,
    out: Out,
) -> anyhow::Result<u8> {
    let mut watch = Watch::start(system.admin());
    let deadline = tokio::time::Instant::now() + goal.timeout;
    let mut recovered = false;
    loop {
        watch.look(|view| teller.tell(view));
        let needs_person = watch.look(|view| reason(view) == "NoUnsealIdentity");
        if needs_person && !recovered {
            recovered = true;
            play_recovery(system, teller).await?;
        }
        if let Some(unmet) = watch.look(View::fatal).filter(|_| goal.until_steady) {
            return Err(not_steady(&[unmet]).into());
        }
        if watch.look(|view| view.first_unmet().is_none()) {
            break;
        }
        tokio::select! {
            () = watch.changed() => {}
            () = tokio::time::sleep_until(deadline), if goal.until_steady => {
                return Err(not_steady(&watch.look(View::unmet)).into());
            }
        }
    }
    let steady = teller.began.elapsed();
    teller.line("phase 4", "steady", &format!("in {:.2} s", steady.as_secs_f64()));
    teller.progress.finish();
    let measured = goal.samples.take(system).await?;
    let summary = Summary::gather(system, &watch, steady, measured).await?;
    summary.print(out, goal.until_steady)?;
    if goal.until_steady {
        return Ok(0);
    }
    // From here on only Ctrl-C ends the run; what happens is still told.
    loop {
        watch.changed().await;
        watch.look(|view| teller.tell(view));
    }
}

async fn play_recovery(system: &System, teller: &mut Teller) -> anyhow::Result<()> {
    let Some(trust) = &system.trust else {
        let path = system.folder.default_identity();
        let advice = Advice::new(
            "the identity file of phase 0: after cluster loss one person must open the seal",
            format!("no file {}", path.display()),
            "bring the file back, or name it with --identity FILE; the authority stays sealed until then",
        );
        let message = "the authority is initialized and sealed, and nobody can unseal it";
        return Err(Failure::new("NoUnsealIdentity", message, advice).into());
    };
    let path = trust.path.display().to_string();
    teller.line("human", "the one act", &format!("regent authority recover --identity {path}"));
    drill::recover(system.admin(), system.vault()?, trust, None).await
}

fn reason(view: &View) -> String {
    view.authority.as_ref().map(|(ready, ..)| ready.reason.clone()).unwrap_or_default()
}

fn not_steady(unmet: &[Unmet]) -> Failure {
    const SHOWN_MAX: usize = 8;
    let first = unmet.first();
    let lines: Vec<String> = unmet
        .iter()
        .take(SHOWN_MAX)
        .map(|u| format!("{}: {} {}", u.object, u.reason, u.message))
        .collect();
    let more = unmet.len().saturating_sub(SHOWN_MAX);
    let more = if more > 0 { format!("\n            and {more} more") } else { String::new() };
    Failure::new(
        first.map_or("NotSteady".into(), |u| u.reason.clone()),
        "steady state was not reached",
        Advice::new(
            "phase 4, every object ready, every run ended",
            format!("{}{more}", lines.join("\n            ")),
            "mend what the first line names; without --until the system stays up to look at",
        ),
    )
}

/// Says each thing once, when it happens.
struct Teller {
    progress: Progress,
    began: Instant,
    told: BTreeSet<String>,
}

impl Teller {
    fn line(&mut self, phase: &str, what: &str, text: &str) {
        let at = self.began.elapsed().as_secs_f64();
        self.progress.line(&format!("{at:>7.2} s  {phase:<8} {what:<14} {text}"));
    }

    fn once(&mut self, phase: &str, what: &str, text: String) {
        if self.told.insert(format!("{phase}/{what}/{text}")) {
            self.line(phase, what, &text);
        }
    }

    fn phase_zero(&mut self, system: &System) {
        if let Some(trust) = &system.trust {
            let made = if trust.fresh { "made" } else { "read" };
            let text = format!("{} identities {made}: {}", trust.count(), shown(&trust.path));
            self.line("phase 0", "root of trust", &text);
        }
        let commit = system.commit.as_deref().map(|c| format!(" at {c:.12}")).unwrap_or_default();
        self.line("phase 0", "repository", &format!("{}{commit}", system.repo_url));
    }

    fn tell(&mut self, view: &View) {
        for (ready, revision, count) in view.git.values() {
            if let (true, Some(revision)) = (ready.ready, revision) {
                let text = format!("revision {revision:.12} applied: {count} objects");
                self.once("phase 1", "git", text);
            } else if !ready.reason.is_empty() && !ready.ready {
                self.once("phase 1", "git", format!("{}: {}", ready.reason, ready.message));
            }
        }
        let produced = |r: &str| r == "Produced" || r == "HandedOver" || r == "IgnoredGitValue";
        let done = view.manifests.values().filter(|r| produced(&r.reason)).count();
        if done > 0 && done == view.manifests.len() {
            self.once("phase 2", "bootstrap", "every manifest decrypted in the cluster".into());
        }
        for (name, ready) in &view.manifests {
            if !ready.ready && !ready.reason.is_empty() && !produced(&ready.reason) {
                let text = format!("{name} {}: {}", ready.reason, ready.message);
                self.once("phase 2", "bootstrap", text);
            }
        }
        if let Some((ready, ..)) = &view.authority
            && !ready.reason.is_empty()
        {
            self.once("phase 3", "authority", format!("{}: {}", ready.reason, ready.message));
        }
        self.tell_secrets(view);
        if let Some((first, count)) = view.first_unmet() {
            let text = format!("waiting for {} and {} more", first.object, count - 1);
            self.progress.waiting(&text);
        }
    }

    fn tell_secrets(&mut self, view: &View) {
        // A thousand secrets are not a thousand lines.
        const SHOWN_MAX: usize = 25;
        if view.secrets.len() > SHOWN_MAX {
            return;
        }
        for (name, facts) in &view.secrets {
            if facts.stage == Some(regent_types::lifecycle::Stage::Runtime) {
                let text = format!("{name} lives in the authority");
                self.once("phase 3", facts.introduced, text);
            }
        }
        for (name, ready) in &view.pushes {
            if ready.ready {
                self.once("phase 4", "published", name.clone());
            }
        }
        for (name, ready) in &view.externals {
            if ready.ready {
                self.once("phase 4", "materialized", name.clone());
            } else if ready.reason == "NotAConsumer" {
                self.once("phase 4", "refused", format!("{name}: NotAConsumer"));
            }
        }
        for run in view.runs.values().filter(|r| r.slot.is_some()) {
            if let Some(phase) = run.phase {
                let text = format!("{} by {}: {phase:?}", run.secret, run.by);
                self.once("phase 4", "rotation", text);
            }
        }
    }
}

fn shown(path: &Path) -> String {
    format!("{} (mode 0600)", path.display())
}

impl Out {
    /// Whether a summary is data rather than text.
    fn is_data(self) -> bool {
        self.format != Format::Table
    }
}

impl Summary {
    fn print(&self, out: Out, ends: bool) -> anyhow::Result<()> {
        if out.is_data() {
            return out.value(self);
        }
        out.text(&self.text(ends));
        Ok(())
    }
}
