//! What can be seen of the system from outside, as small facts, and what follows from them: pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use regent_api::event_trigger::EventTrigger;
use regent_api::git_source::InventoryItem;
use regent_api::workflow_run::RunPhase;
use regent_api::{
    EncryptedManifest, ExternalSecret, GitSource, PushSecret, RuntimeAuthority, RuntimeSecret,
    WorkflowRun,
};
use regent_types::lifecycle::Stage;
use serde::Serialize;

use super::facts::{self, ready, run_facts, secret_facts};
use super::settled::{self, Around, TriggerFacts};

pub use super::facts::{Ready, RunFacts, SecretFacts};

/// One event of a watch, for the view.
pub enum ObjectEvent {
    /// Objects of this kind are listed anew: what was seen of it before counts no longer.
    Listing(&'static str),
    /// The listing of this kind is complete.
    Listed(&'static str),
    /// The object exists no longer.
    Gone(Box<ObjectEvent>),
    /// A GitSource as it is now.
    Git(Box<GitSource>),
    /// An EncryptedManifest as it is now.
    Manifest(Box<EncryptedManifest>),
    /// The RuntimeAuthority as it is now.
    Authority(Box<RuntimeAuthority>),
    /// A RuntimeSecret as it is now.
    Secret(Box<RuntimeSecret>),
    /// An ExternalSecret as it is now.
    External(Box<ExternalSecret>),
    /// A PushSecret as it is now.
    Push(Box<PushSecret>),
    /// A WorkflowRun as it is now.
    Run(Box<WorkflowRun>),
    /// An EventTrigger as it is now.
    Trigger(Box<EventTrigger>),
}

/// The kinds that are seen.
pub const KINDS: [&str; 8] = [
    "GitSource",
    "EncryptedManifest",
    "RuntimeAuthority",
    "RuntimeSecret",
    "ExternalSecret",
    "PushSecret",
    "WorkflowRun",
    "EventTrigger",
];

/// Everything seen, by `namespace/name`.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// GitSources, the revision they applied and how many objects it has.
    pub git: BTreeMap<String, (Ready, Option<String>, usize)>,
    /// `Ready` conditions of EncryptedManifests, by `namespace/name`.
    pub manifests: BTreeMap<String, Ready>,
    /// The authority: condition, phase, root token revoked.
    pub authority: Option<(Ready, i64, bool)>,
    /// What RuntimeSecrets say of themselves, by `namespace/name`.
    pub secrets: BTreeMap<String, SecretFacts>,
    /// `Ready` conditions of ExternalSecrets, by `namespace/name`.
    pub externals: BTreeMap<String, Ready>,
    /// `Ready` conditions of PushSecrets, by `namespace/name`.
    pub pushes: BTreeMap<String, Ready>,
    /// What WorkflowRuns say of themselves, by `namespace/name`.
    pub runs: BTreeMap<String, RunFacts>,
    triggers: BTreeMap<String, TriggerFacts>,
    /// Objects that each source has applied, of the kinds that are seen: kind and `namespace/name`.
    applied: BTreeMap<String, Vec<(&'static str, String)>>,
    /// Kinds whose listing is not complete.
    unlisted: BTreeSet<&'static str>,
    /// Triggers that fired before owe no run; none where it is not said.
    owing_since: Option<Timestamp>,
    /// Bootstrap Secrets that a secret takes over, by `namespace/name`: each manifest asks at every look.
    taken_over: BTreeSet<String>,
}

/// Something that keeps the system from steady state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The object, as `Kind namespace/name`.
    pub object: String,
    /// Reason of its condition.
    pub reason: String,
    /// Message of the condition, which says what to do.
    pub message: String,
}

fn key(meta: &kube::core::ObjectMeta) -> String {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    facts::key(namespace, meta.name.as_deref().unwrap_or_default())
}

impl View {
    /// A view that knows nothing before each kind of [`KINDS`] was listed.
    pub fn unlisted() -> Self {
        Self { unlisted: KINDS.into_iter().collect(), ..Self::default() }
    }

    /// The same view, to which triggers that fired before `since` owe no run: runs that ended long ago may have been
    /// deleted.
    pub fn owing_since(self, since: Timestamp) -> Self {
        Self { owing_since: Some(since), ..self }
    }

    /// Takes in one object, or what is known of its kind.
    pub fn see(&mut self, seen: ObjectEvent) {
        match seen {
            ObjectEvent::Listing(kind) => {
                self.unlisted.insert(kind);
                self.forget_kind(kind);
            }
            ObjectEvent::Listed(kind) => {
                self.unlisted.remove(kind);
            }
            ObjectEvent::Gone(seen) => self.forget(&seen),
            ObjectEvent::Git(o) => {
                let status = o.status.clone().unwrap_or_default();
                let item = |i: &InventoryItem| {
                    let kind = KINDS.into_iter().find(|kind| *kind == i.kind)?;
                    Some((kind, facts::key(&i.namespace, &i.name)))
                };
                let applied = status.inventory.iter().filter_map(item).collect();
                self.applied.insert(key(&o.metadata), applied);
                let count = status.applied_objects();
                let facts = (ready(&status.conditions), status.revision, count);
                self.git.insert(key(&o.metadata), facts);
            }
            ObjectEvent::Manifest(o) => {
                let status = o.status.clone().unwrap_or_default();
                self.manifests.insert(key(&o.metadata), ready(&status.conditions));
            }
            ObjectEvent::Authority(o) => {
                let status = o.status.clone().unwrap_or_default();
                let revoked = status.root_revoked.unwrap_or(false);
                let phase = status.phase.unwrap_or(0);
                self.authority = Some((ready(&status.conditions), phase, revoked));
            }
            ObjectEvent::Secret(o) => {
                let facts = secret_facts(&o);
                if let (Some(namespace), Some(name)) = (&o.metadata.namespace, &facts.bootstrap) {
                    self.taken_over.insert(format!("{namespace}/{name}"));
                }
                self.secrets.insert(key(&o.metadata), facts);
            }
            ObjectEvent::External(o) => {
                let status = o.status.clone().unwrap_or_default();
                self.externals.insert(key(&o.metadata), ready(&status.conditions));
            }
            ObjectEvent::Push(o) => {
                let status = o.status.clone().unwrap_or_default();
                self.pushes.insert(key(&o.metadata), ready(&status.conditions));
            }
            ObjectEvent::Run(o) => {
                self.runs.insert(key(&o.metadata), run_facts(&o));
            }
            ObjectEvent::Trigger(o) => {
                let conditions = o.status.as_ref().map(|s| s.conditions.clone());
                let ready = ready(&conditions.unwrap_or_default());
                self.triggers.insert(key(&o.metadata), TriggerFacts::of(&o, ready));
            }
        }
    }

    fn forget_kind(&mut self, kind: &str) {
        match kind {
            "GitSource" => {
                self.git.clear();
                self.applied.clear();
            }
            "EncryptedManifest" => self.manifests.clear(),
            "RuntimeAuthority" => self.authority = None,
            "RuntimeSecret" => {
                self.secrets.clear();
                self.taken_over.clear();
            }
            "ExternalSecret" => self.externals.clear(),
            "PushSecret" => self.pushes.clear(),
            "WorkflowRun" => self.runs.clear(),
            _ => self.triggers.clear(),
        }
    }

    fn forget(&mut self, seen: &ObjectEvent) {
        match seen {
            ObjectEvent::Listing(_) | ObjectEvent::Listed(_) | ObjectEvent::Gone(_) => {}
            ObjectEvent::Git(o) => {
                self.git.remove(&key(&o.metadata));
                self.applied.remove(&key(&o.metadata));
            }
            ObjectEvent::Manifest(o) => drop(self.manifests.remove(&key(&o.metadata))),
            ObjectEvent::Authority(_) => self.authority = None,
            ObjectEvent::Secret(o) => {
                let gone = self.secrets.remove(&key(&o.metadata));
                let bootstrap = gone.and_then(|facts| facts.bootstrap);
                if let (Some(namespace), Some(name)) = (&o.metadata.namespace, bootstrap) {
                    self.taken_over.remove(&format!("{namespace}/{name}"));
                }
            }
            ObjectEvent::External(o) => drop(self.externals.remove(&key(&o.metadata))),
            ObjectEvent::Push(o) => drop(self.pushes.remove(&key(&o.metadata))),
            ObjectEvent::Run(o) => drop(self.runs.remove(&key(&o.metadata))),
            ObjectEvent::Trigger(o) => drop(self.triggers.remove(&key(&o.metadata))),
        }
    }

    /// What keeps the system from steady state: phase 4, everything ready, every delivery's run there and ended. An
    /// ExternalSecret that is refused (`NotAConsumer`) has reached its end too.
    pub fn unmet(&self) -> Vec<Unmet> {
        let mut all = Vec::new();
        self.each_unmet(|kind, name, ready| all.push(unmet(kind, name, ready)));
        self.each_pending(|kind, name, ready| all.push(unmet(kind, name, ready)));
        all
    }

    /// The first of them and how many there are: asked at every change, so it copies nothing else.
    pub fn first_unmet(&self) -> Option<(Unmet, usize)> {
        let mut first = None;
        let mut count = 0;
        self.each_unmet(|kind, name, ready| {
            count += 1;
            first.get_or_insert_with(|| unmet(kind, name, ready));
        });
        // Asked only where all else is met: it compares one kind with another.
        if first.is_none() {
            self.each_pending(|kind, name, ready| {
                count += 1;
                first.get_or_insert_with(|| unmet(kind, name, ready));
            });
        }
        first.map(|one| (one, count))
    }

    fn each_unmet(&self, mut tell: impl FnMut(&str, &str, &Ready)) {
        let mut want = |fine: bool, kind: &str, name: &str, ready: &Ready| {
            if !fine {
                tell(kind, name, ready);
            }
        };
        for (name, (ready, revision, _)) in &self.git {
            want(ready.ready && revision.is_some(), "GitSource", name, ready);
        }
        match &self.authority {
            Some((ready, phase, revoked)) => {
                want(ready.ready && *phase == 4 && *revoked, "RuntimeAuthority", "regent", ready);
            }
            None => want(false, "RuntimeAuthority", "regent", &Ready::default()),
        }
        for (name, ready) in &self.manifests {
            want(self.manifest_done(name, ready), "EncryptedManifest", name, ready);
        }
        for (name, facts) in &self.secrets {
            let fine = facts.ready.ready && facts.stage == Some(Stage::Runtime);
            want(fine, "RuntimeSecret", name, &facts.ready);
        }
        for (name, ready) in &self.externals {
            want(ready.ready || ready.reason == "NotAConsumer", "ExternalSecret", name, ready);
        }
        for (name, ready) in &self.pushes {
            want(ready.ready, "PushSecret", name, ready);
        }
        for (name, run) in &self.runs {
            let ended = run.phase.is_some_and(RunPhase::is_over);
            let fine = ended && (run.phase != Some(RunPhase::Failed) || run.is_command);
            if !fine {
                let ready = Ready {
                    reason: run.phase.map_or("Pending".into(), |p| format!("{p:?}")),
                    message: run.message.clone(),
                    ..Ready::default()
                };
                want(false, "WorkflowRun", name, &ready);
            }
        }
    }

    /// What is still to be seen or started although everything that is seen is ready: kinds are watched one by one, and
    /// each may be behind the others.
    fn each_pending(&self, mut tell: impl FnMut(&str, &str, &Ready)) {
        let mut pending = |kind: &str, name: &str, reason: &str, message: String| {
            tell(kind, name, &Ready { ready: false, reason: reason.to_owned(), message });
        };
        for kind in &self.unlisted {
            pending(kind, "all", "Unlisted", "its objects have not been listed".to_owned());
        }
        for (source, applied) in &self.applied {
            for (kind, name) in applied.iter().filter(|(kind, name)| !self.sees(kind, name)) {
                let message = format!("GitSource {source} has applied it, and it is not there yet");
                pending(kind, name, "NotSeen", message);
            }
        }
        let around =
            Around { secrets: &self.secrets, runs: &self.runs, owing_since: self.owing_since };
        for (name, trigger) in &self.triggers {
            if let Some((reason, message)) = settled::pending(name, trigger, &around) {
                pending("EventTrigger", name, reason, message);
            }
        }
    }

    fn sees(&self, kind: &str, name: &str) -> bool {
        match kind {
            "GitSource" => self.git.contains_key(name),
            "EncryptedManifest" => self.manifests.contains_key(name),
            "RuntimeAuthority" => self.authority.is_some(),
            "RuntimeSecret" => self.secrets.contains_key(name),
            "ExternalSecret" => self.externals.contains_key(name),
            "PushSecret" => self.pushes.contains_key(name),
            "EventTrigger" => self.triggers.contains_key(name),
            _ => true,
        }
    }

    /// What no waiting will mend, so that `--until steady` need not wait for its timeout.
    pub fn fatal(&self) -> Option<Unmet> {
        const GIT: &[&str] = &[
            "PlaintextSecret",
            "PrivateKey",
            "ForbiddenKind",
            "InvalidManifest",
            "PathClaimed",
            "BootstrapClaimed",
        ];
        const MANIFEST: &[&str] =
            &["WrongIdentity", "BadMac", "WrongTarget", "NotASecret", "NotMine"];
        let git = self.git.iter().find(|(_, (r, ..))| GIT.contains(&r.reason.as_str()));
        if let Some((name, (ready, ..))) = git {
            return Some(unmet("GitSource", name, ready));
        }
        let manifest = self.manifests.iter().find(|(_, r)| MANIFEST.contains(&r.reason.as_str()));
        manifest.map(|(name, ready)| unmet("EncryptedManifest", name, ready))
    }

    fn manifest_done(&self, name: &str, ready: &Ready) -> bool {
        let silent = ["HandedOver", "IgnoredGitValue"].contains(&ready.reason.as_str());
        if self.taken_over.contains(name) { silent } else { ready.ready }
    }
}

fn unmet(kind: &str, name: &str, ready: &Ready) -> Unmet {
    Unmet {
        object: format!("{kind} {name}"),
        reason: if ready.reason.is_empty() { "Pending".into() } else { ready.reason.clone() },
        message: ready.message.clone(),
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
