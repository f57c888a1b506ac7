//! The runs that this component starts by itself: the one that introduces a secret, and the one
//! that finishes a rotation whose own run is gone.

use std::sync::Arc;

use kube::api::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource};
use regent_api::WorkflowRun;
use regent_api::workflow::Uses;
use regent_api::workflow_run::{Cause, CauseKind, WorkflowRunSpec};
use regent_protocol::record::{Claim, Origin};
use regent_types::identity::Identity;

use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::names;
use super::workflow::Plan;

/// Names tried for one run.
const NAMES_MAX: u32 = 8;

/// Makes sure that the run which introduces the secret exists. In a new cluster it is made again,
/// finds the record and disposes of a bootstrap Secret that Git brought back.
pub(super) async fn introduce(ctx: &Ctx, declared: &Declared) -> Result<(), Error> {
    let (kind, uses) = match declared.origin() {
        Origin::Handover => ("handover", Uses::Handover),
        Origin::Adopted => ("adopt", Uses::Adopt),
        Origin::Generate | Origin::Derived => ("generate", Uses::Generate),
    };
    let (namespace, name) = (&declared.owner.namespace, &declared.owner.name);
    let run = names::run(kind, namespace, name, declared.path.as_str());
    create(ctx, declared, &run, uses, cause("declared in Git", None)).await
}

/// Makes the run that finishes what the run of `claim` began.
pub(super) async fn finish(ctx: &Ctx, declared: &Declared, claim: &Claim) -> Result<(), Error> {
    let name = names::resume(&declared.owner.namespace, &declared.owner.name, &claim.run);
    let cause = cause("finishes a rotation whose run is gone", Some(claim.run.clone()));
    create(ctx, declared, &name, Uses::Rotate, cause).await
}

fn cause(reason: &str, slot: Option<String>) -> Cause {
    let by = Identity::Orchestrator.name().to_owned();
    Cause { kind: CauseKind::Declared, by, slot, reason: reason.to_owned() }
}

/// Creates a run unless it is there. The step of a new one is due at once. One of that name that says something else was
/// made by somebody else: it is left to him, and the run gets another name.
async fn create(
    ctx: &Ctx,
    declared: &Declared,
    name: &str,
    uses: Uses,
    cause: Cause,
) -> Result<(), Error> {
    let namespace = &declared.owner.namespace;
    let spec = WorkflowRunSpec {
        runtime_secret: declared.owner.name.clone(),
        workflow: None,
        uses: Some(uses),
        with: Default::default(),
        retry_of: None,
        cause,
        control: None,
    };
    let api: Api<WorkflowRun> = Api::namespaced(ctx.cx.api.clone(), namespace);
    for turn in 0..NAMES_MAX {
        let name = names::other(name, turn);
        let object = || format!("WorkflowRun {namespace}/{name}");
        let mut there = ctx.runs.store().get(&ObjectRef::new(&name).within(namespace));
        if there.is_none() {
            match api.create(&ctx.cx.manager().post(), &run(declared, &name, &spec)).await {
                Ok(run) => {
                    ctx.board.create(&Arc::new(run), &Plan::single(uses));
                    return Ok(());
                }
                // The watch has not told of it yet.
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    let found = api.get_opt(&name).await;
                    there = found.map_err(|e| Error::api("get", object(), &e))?.map(Arc::new);
                }
                Err(error) => return Err(Error::api("create", object(), &error)),
            }
        }
        if there.is_none_or(|there| says_the_same(&there.spec, &spec)) {
            return Ok(());
        }
        tracing::warn!(
            component = "orchestrator",
            object = object(),
            reason = "RunNameTaken",
            "somebody else made a run of this name; another name is taken"
        );
    }
    Err(Error::NoRunName { name: format!("{namespace}/{name}") })
}

/// Whether `found` is what this component would have written; its sentence may be another release's.
fn says_the_same(found: &WorkflowRunSpec, ours: &WorkflowRunSpec) -> bool {
    let same = (&found.runtime_secret, &found.workflow, found.uses, &found.with)
        == (&ours.runtime_secret, &ours.workflow, ours.uses, &ours.with);
    let cause = |cause: &Cause| (cause.kind, cause.by.clone(), cause.slot.clone());
    same && cause(&found.cause) == cause(&ours.cause)
}

fn run(declared: &Declared, name: &str, spec: &WorkflowRunSpec) -> WorkflowRun {
    let mut run = WorkflowRun::new(name, spec.clone());
    run.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(declared.owner.namespace.clone()),
        owner_references: declared.secret.owner_ref(&()).map(|r| vec![r]),
        ..ObjectMeta::default()
    };
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h17_a_run_of_the_same_name_is_ours_only_if_it_says_what_we_would() {
        let ours = || WorkflowRunSpec {
            runtime_secret: "db".into(),
            workflow: None,
            uses: Some(Uses::Handover),
            with: Default::default(),
            retry_of: None,
            cause: cause("declared in Git", None),
            control: None,
        };
        assert!(says_the_same(&ours(), &ours()));
        let mut other_words = ours();
        other_words.cause.reason = "as an earlier release said".into();
        assert!(says_the_same(&other_words, &ours()));
        let changes: [fn(&mut WorkflowRunSpec); 6] = [
            |s| drop(s.with.insert("keep".into(), "authority".into())),
            |s| s.runtime_secret = "other".into(),
            |s| s.uses = Some(Uses::Rotate),
            |s| s.workflow = Some("w".into()),
            |s| s.cause.by = "mallory".into(),
            |s| s.cause.kind = CauseKind::Manual,
        ];
        for change in changes {
            let mut theirs = ours();
            change(&mut theirs);
            assert!(!says_the_same(&theirs, &ours()), "{theirs:?}");
        }
        assert_eq!((names::other("n", 0), names::other("n", 1)), ("n".into(), "n-2".into()));
    }
}
