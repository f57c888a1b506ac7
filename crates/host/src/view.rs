//! What can be seen of the system from outside, as small facts, and what follows from them: pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use regent_api::condition;
use regent_api::event_trigger::EventTrigger;
use regent_api::workflow_run::RunPhase;
use regent_api::{
    EncryptedManifest, ExternalSecret, GitSource, PushSecret, RuntimeAuthority, RuntimeSecret,
    WorkflowRun,
};
use regent_types::lifecycle::Stage;
use serde::Serialize;

/// One thing seen.
pub enum Seen {
    /// Names the kinds below.
    Git(Box<GitSource>),
    /// A manifest.
    Manifest(Box<EncryptedManifest>),
    /// The authority.
    Authority(Box<RuntimeAuthority>),
    /// A secret.
    Secret(Box<RuntimeSecret>),
    /// A materialization.
    External(Box<ExternalSecret>),
    /// A publication.
    Push(Box<PushSecret>),
    /// A run.
    Run(Box<WorkflowRun>),
    /// A trigger.
    Trigger(Box<EventTrigger>),
}

/// The `Ready` condition, briefly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Whether it is `True`.
    pub ready: bool,
    /// Its reason; empty when there is no condition yet.
    pub reason: String,
    /// Its message.
    pub message: String,
}

/// A RuntimeSecret, briefly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Its condition.
    pub ready: Ready,
    /// Its stage.
    pub stage: Option<Stage>,
    /// Its version number.
    pub version: i64,
    /// How it is introduced: `handover`, `generate` or `derived`.
    pub introduced: &'static str,
    /// Bootstrap Secret that it takes over.
    pub bootstrap: Option<String>,
}

/// A run, briefly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// Its phase, once it has one.
    pub phase: Option<RunPhase>,
    /// Name of its RuntimeSecret.
    pub secret: String,
    /// Who started it.
    pub by: String,
    /// Whether a trigger did.
    pub triggered: bool,
    /// Version it made.
    pub version: i64,
    /// Why it stopped.
    pub message: String,
}

/// Everything seen, by `namespace/name`.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// GitSources and the revision they applied.
    pub git: BTreeMap<String, (Ready, Option<String>, usize)>,
    /// Manifests.
    pub manifests: BTreeMap<String, Ready>,
    /// The authority: condition, phase, root token revoked.
    pub authority: Option<(Ready, i64, bool)>,
    /// Secrets.
    pub secrets: BTreeMap<String, SecretFacts>,
    /// Materializations.
    pub externals: BTreeMap<String, Ready>,
    /// Publications.
    pub pushes: BTreeMap<String, Ready>,
    /// Runs.
    pub runs: BTreeMap<String, RunFacts>,
    /// Triggers on a stage: deliveries so far.
    pub stage_triggers: BTreeMap<String, (Ready, usize)>,
    /// Bootstrap Secrets that a secret takes over, by `namespace/name`: each manifest asks at every look.
    taken_over: BTreeSet<String>,
}

/// Something that keeps the system from steady state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// `Kind namespace/name`.
    pub object: String,
    /// Reason of its condition.
    pub reason: String,
    /// Its message.
    pub message: String,
}

fn ready(all: &[Condition]) -> Ready {
    condition::get(all, condition::READY).map_or_else(Ready::default, |c| Ready {
        ready: c.status == "True",
        reason: c.reason.clone(),
        message: c.message.clone(),
    })
}

fn key(meta: &kube::core::ObjectMeta) -> String {
    let name = meta.name.as_deref().unwrap_or_default();
    match meta.namespace.as_deref() {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

impl View {
    /// Takes in one object.
    pub fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Git(o) => {
                let status = o.status.clone().unwrap_or_default();
                let facts = (ready(&status.conditions), status.revision, status.inventory.len());
                self.git.insert(key(&o.metadata), facts);
            }
            Seen::Manifest(o) => {
                let status = o.status.clone().unwrap_or_default();
                self.manifests.insert(key(&o.metadata), ready(&status.conditions));
            }
            Seen::Authority(o) => {
                let status = o.status.clone().unwrap_or_default();
                let revoked = status.root_revoked.unwrap_or(false);
                let phase = status.phase.unwrap_or(0);
                self.authority = Some((ready(&status.conditions), phase, revoked));
            }
            Seen::Secret(o) => {
                let facts = secret_facts(&o);
                if let (Some(namespace), Some(name)) = (&o.metadata.namespace, &facts.bootstrap) {
                    self.taken_over.insert(format!("{namespace}/{name}"));
                }
                self.secrets.insert(key(&o.metadata), facts);
            }
            Seen::External(o) => {
                let status = o.status.clone().unwrap_or_default();
                self.externals.insert(key(&o.metadata), ready(&status.conditions));
            }
            Seen::Push(o) => {
                let status = o.status.clone().unwrap_or_default();
                self.pushes.insert(key(&o.metadata), ready(&status.conditions));
            }
            Seen::Run(o) => {
                self.runs.insert(key(&o.metadata), run_facts(&o));
            }
            Seen::Trigger(o) if o.spec.source.stage.is_some() => {
                let status = o.status.clone().unwrap_or_default();
                let facts = (ready(&status.conditions), status.deliveries.len());
                self.stage_triggers.insert(key(&o.metadata), facts);
            }
            Seen::Trigger(_) => {}
        }
    }

    /// What keeps the system from steady state: phase 4, everything ready, every run ended. An ExternalSecret
    /// that is refused (`NotAConsumer`) has reached its end too.
    pub fn unmet(&self) -> Vec<Unmet> {
        let mut all = Vec::new();
        self.each_unmet(|kind, name, ready| all.push(unmet(kind, name, ready)));
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
        for (name, (ready, deliveries)) in &self.stage_triggers {
            want(*deliveries > 0, "EventTrigger", name, ready);
        }
        for (name, run) in &self.runs {
            let fine = matches!(run.phase, Some(RunPhase::Succeeded | RunPhase::AlreadyDone));
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

    /// What no waiting will mend, so that `--until steady` need not wait for its timeout.
    pub fn fatal(&self) -> Option<Unmet> {
        const GIT: &[&str] = &["PlaintextSecret", "PrivateKey", "ForbiddenKind", "InvalidYaml"];
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

fn secret_facts(secret: &RuntimeSecret) -> SecretFacts {
    let status = secret.status.clone().unwrap_or_default();
    let introduce = &secret.spec.introduce;
    let introduced = match (&introduce.handover, &introduce.generate) {
        (Some(_), _) => "handover",
        (None, Some(_)) => "generate",
        (None, None) => "derived",
    };
    SecretFacts {
        ready: ready(&status.conditions),
        stage: status.stage,
        version: status.version.map_or(0, |v| v.number),
        introduced,
        bootstrap: introduce.handover.as_ref().map(|h| h.bootstrap_secret.clone()),
    }
}

fn run_facts(run: &WorkflowRun) -> RunFacts {
    let status = run.status.clone().unwrap_or_default();
    RunFacts {
        phase: status.phase,
        secret: run.spec.runtime_secret.clone(),
        by: run.spec.cause.by.clone(),
        triggered: run.spec.cause.slot.is_some(),
        version: status.version.as_ref().map_or(0, |v| v.number),
        message: ready(&status.conditions).message,
    }
}
