//! The runs that this component starts by itself: the one that introduces a secret, and the one
//! that finishes a rotation whose own run is gone.

use std::sync::Arc;

use kube::api::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource};
use regent_api::WorkflowRun;
use regent_api::workflow::Uses;
use regent_api::workflow_run::{Cause, CauseKind, WorkflowRunSpec};
use regent_protocol::record::Claim;
use regent_types::identity::Identity;

use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::names;
use super::workflow::Plan;

/// Makes sure that the run which introduces the secret exists. In a new cluster it is made again,
/// finds the record and disposes of a bootstrap Secret that Git brought back.
pub(super) async fn introduce(ctx: &Ctx, declared: &Declared) -> Result<(), Error> {
    let (kind, uses) = match declared.secret.spec.introduce.handover {
        Some(_) => ("handover", Uses::Handover),
        None => ("generate", Uses::Generate),
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

/// Creates a run unless it is there. The step of a new one is due at once.
async fn create(
    ctx: &Ctx,
    declared: &Declared,
    name: &str,
    uses: Uses,
    cause: Cause,
) -> Result<(), Error> {
    let namespace = &declared.owner.namespace;
    if ctx.runs.store().get(&ObjectRef::new(name).within(namespace)).is_some() {
        return Ok(());
    }
    let spec = WorkflowRunSpec {
        runtime_secret: declared.owner.name.clone(),
        workflow: None,
        uses: Some(uses),
        cause,
    };
    let mut run = WorkflowRun::new(name, spec);
    run.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.clone()),
        owner_references: declared.secret.owner_ref(&()).map(|r| vec![r]),
        ..ObjectMeta::default()
    };
    let api: Api<WorkflowRun> = Api::namespaced(ctx.cx.api.clone(), namespace);
    match api.create(&ctx.cx.manager().post(), &run).await {
        Ok(run) => {
            let step = Plan::single(uses);
            ctx.board.create(&Arc::new(run), &step);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(Error::api("create", format!("WorkflowRun {namespace}/{name}"), &error)),
    }
}
