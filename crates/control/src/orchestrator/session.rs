//! Follows protocols on one record: looks, saves and acts as a session asks, and decides nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regent_api::RuntimeSecret;
use regent_protocol::freshness::is_outdated;
use regent_protocol::observation::RunRef;
use regent_protocol::record::{Record, State, record_path};
use regent_protocol::{Answer, Decider, Effect, Next, Outcome, Protocol, Reason, Session, Stored};
use regent_types::{SecretPath, VersionPair};

use super::authority::Authority;
use super::claims::{self, Standing};
use super::ctx::Ctx;
use super::declared::{Declared, version_in_force};
use super::effects;
use super::error::Error;
use super::look;
use super::secret_status;
use super::status::Observed;
use super::values::Values;

/// A RuntimeSecret that changed during a look is looked at again after this long.
const CHANGED_LOOK: Duration = Duration::from_secs(1);

/// The record of `path` and the number that a write of it must name.
async fn load(a: &Authority, path: &SecretPath) -> Result<Option<(Record, i64)>, Error> {
    let record = record_path(path.as_str());
    match a.regent.read_json_or_deleted::<Stored>(&record).await? {
        Some((Some(Stored::Record(record)), version)) => Ok(Some((*record, version.number))),
        Some((Some(Stored::NotUnderstood(why)), _)) => Err(why.into()),
        Some((None, version)) => Err(Error::RecordDeleted { record, version: version.number }),
        None => Ok(None),
    }
}

/// Saves `record` over version `before`; its new version, or `None` where somebody else was faster.
async fn save(a: &Authority, record: &Record, before: i64) -> Result<Option<i64>, Error> {
    match a.regent.write_json(&record_path(&record.path), record, Some(before)).await {
        Ok(version) => Ok(Some(version.number)),
        Err(error) if error.is_cas() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One session with the record of one RuntimeSecret.
pub(super) struct Drive<'a> {
    ctx: &'a Ctx,
    authority: &'a Authority,
    /// Whose record it is.
    pub(super) declared: &'a Declared,
    session: Session,
    values: Values,
    /// The RuntimeSecret as this session wrote its status, where it did.
    told: Option<Arc<RuntimeSecret>>,
    /// When it last looked at anything.
    looked: Timestamp,
}

impl<'a> Drive<'a> {
    /// Holds the record: the one that is `held` since the last look, else as it is read now.
    pub(super) async fn open(
        ctx: &'a Ctx,
        authority: &'a Authority,
        declared: &'a Declared,
        held: Option<(Record, i64)>,
    ) -> Result<Self, Error> {
        let stored = match held {
            Some(held) => Some(held),
            None => load(authority, &declared.path).await?,
        };
        let subject = declared.subject(ctx, authority, observer());
        let session = Session::open(Protocol::Policy, subject, stored, ctx.cx.now());
        Ok(Self {
            ctx,
            authority,
            declared,
            session,
            values: Values::default(),
            told: None,
            looked: ctx.cx.now(),
        })
    }

    /// The RuntimeSecret as it is known to be, status included.
    pub(super) fn told(&self) -> &Arc<RuntimeSecret> {
        self.told.as_ref().unwrap_or(&self.declared.secret)
    }

    /// The record as it is known to be.
    pub(super) fn record(&self) -> Option<&Record> {
        self.session.record()
    }

    /// Number of the record's version; 0 where there is none.
    pub(super) fn version(&self) -> i64 {
        self.session.version()
    }

    /// Who is served at which version, where this session has looked.
    pub(super) fn consumers(&self) -> Option<(VersionPair, Vec<String>)> {
        let seen = self.session.seen();
        Some((seen.known.consumers.clone()?, seen.consumers.observed.clone()))
    }

    /// Stages that the protocol followed last went through.
    pub(super) fn stages(&self) -> Vec<&'static str> {
        self.session.stages().to_vec()
    }

    /// Reads the record again.
    pub(super) async fn reload(&mut self) -> Result<(), Error> {
        let stored = load(self.authority, &self.declared.path).await?;
        self.session.reloaded(stored);
        Ok(())
    }

    /// Follows `protocol` on behalf of `run` until it ends for now.
    pub(super) async fn follow(
        &mut self,
        protocol: Protocol,
        run: RunRef,
        hurry: bool,
    ) -> Result<Outcome, Error> {
        self.session.turn_to(protocol, run, hurry);
        loop {
            let stages = self.session.stages().len();
            let next = self.session.next(self.ctx.cx.now());
            if self.session.stages().len() > stages {
                self.log_stage(protocol);
            }
            match next {
                Next::Look(needs) => {
                    let (ctx, a) = (self.ctx, self.authority);
                    let seen = look::look(ctx, a, self.declared, &self.session, &needs).await?;
                    self.looked = self.ctx.cx.now();
                    seen.fill(&needs, &mut self.session, &mut self.values);
                }
                Next::Reload => self.reload().await?,
                Next::Persist(record) => {
                    if let Some(outcome) = self.not_first().await? {
                        return Ok(outcome);
                    }
                    match save(self.authority, &record, self.session.version()).await? {
                        Some(version) => self.session.saved(*record, version),
                        None => self.session.lost(),
                    }
                }
                Next::Do(Effect::Project(_)) => {
                    let answer = self.project().await?;
                    self.answered(answer);
                }
                Next::Do(effect) if is_outdated(&effect, self.looked, self.ctx.cx.now()) => {
                    self.answered(Answer::Lost);
                }
                Next::Do(effect) => {
                    let (ctx, a, values) = (self.ctx, self.authority, &mut self.values);
                    match effects::run(ctx, a, self.declared, effect, values).await? {
                        Ok(answer) => self.answered(answer),
                        Err(refusal) => {
                            let effects::Refusal { reason, message } = refusal;
                            return Ok(Outcome::Blocked { by: Decider::World, reason, message });
                        }
                    }
                }
                Next::End(outcome) => return Ok(outcome),
            }
        }
    }

    /// Why no record may be made where there is none. The RuntimeSecret is read for it: another orchestrator
    /// may have brought it to Runtime, and what was judged before its run began may be judged otherwise now.
    async fn not_first(&self) -> Result<Option<Outcome>, Error> {
        if self.session.version() > 0 {
            return Ok(None);
        }
        let until = |pause| self.ctx.cx.now().checked_add(pause).ok();
        let wait = |message: &str, until| Outcome::Waiting {
            reason: Reason::Settling,
            message: message.to_owned(),
            until,
        };
        let Some(secret) = self.declared.read_again(self.ctx).await? else {
            let soon = until(CHANGED_LOOK);
            return Ok(Some(wait("the RuntimeSecret has changed; it is looked at anew", soon)));
        };
        let (path, now) = (self.declared.path.as_str(), self.ctx.cx.now());
        Ok(match claims::standing(&secret, path, &self.ctx.secrets, now) {
            Standing::First => None,
            Standing::Unknown(pause) => {
                Some(wait("who else claims the same is not known yet", until(pause)))
            }
            Standing::Later(reason, message) => {
                Some(Outcome::Blocked { by: Decider::Person, reason, message })
            }
        })
    }

    /// Writes into the RuntimeSecret's status what the record says; what the API server answers is what it holds.
    async fn project(&mut self) -> Result<Answer, Error> {
        let observed = Observed { record: self.session.record().cloned(), ..Observed::default() };
        let told = secret_status::tell(self.ctx, self.told(), &observed).await?;
        Ok(match told {
            Some(told)
                if version_in_force(&told)
                    == self.session.record().and_then(|r| r.current.clone()) =>
            {
                self.told = Some(told);
                Answer::Done
            }
            _ => Answer::Lost,
        })
    }

    fn answered(&mut self, answer: Answer) {
        if answer == Answer::Lost {
            // Settings of the mount may be why.
            self.authority.forget_mount();
        }
        self.session.did(answer);
    }

    /// One structured line per stage (C6-3).
    fn log_stage(&self, protocol: Protocol) {
        let record = self.session.record();
        let version = record.and_then(|r| r.current.as_ref()).map(|v| v.number);
        let (run, path) =
            (self.session.seen().subject.run.name.as_str(), self.declared.path.as_str());
        let step = self.session.stages().last().copied().unwrap_or_default();
        let rotating = record.is_some_and(|r| r.state == State::Rotating);
        if protocol == Protocol::Rotation && rotating {
            tracing::info!(component = "orchestrator", run, step, path, version, "rotation step");
        } else {
            tracing::debug!(component = "orchestrator", run, step, path, version, "step");
        }
    }
}

/// Whoever looks without a run.
pub(super) fn observer() -> RunRef {
    RunRef {
        uid: String::new(),
        name: String::new(),
        actor: "orchestrator".into(),
        cause: "observed".into(),
        slot: None,
        compromise: false,
        renew: Default::default(),
        finishes: false,
    }
}
