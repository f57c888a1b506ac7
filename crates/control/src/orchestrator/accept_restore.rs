//! A person accepts that the authority as a whole was restored to an older state: each ledger chain that ends before the
//! head which was published of it may go on behind the gap (PROTOCOLS.md §6, §8).
//!
//! What is accepted is written into RuntimeAuthority status, where every writer looks before it says that its chain is
//! gone. It speaks of the heads that are published at this moment, so that a later restore is another decision.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use regent_api::runtime_authority::AcceptedRestore;
use regent_api::workflow::WorkflowStep;
use regent_api::{RuntimeAuthority, WorkflowRun};
use regent_operator::published_head::runtime_authority;
use regent_protocol::ledger::{Event, Head, day_path, entry_path, event_id, kinds};
use regent_protocol::{Outcome, Reason};
use regent_types::labels;

use super::authority::Authority;
use super::board::Progress;
use super::ctx::Ctx;
use super::error::Error;
use super::steps::{awaited, run_ref, stopped};

/// Carries out `step` of `run` as far as it goes.
pub(super) async fn accept(ctx: &Ctx, run: &WorkflowRun, step: &WorkflowStep) -> Progress {
    let outcome = match ctx.authority() {
        Err(why) => Outcome::waiting(Reason::AuthorityNotReady, why),
        Ok(_) if run.namespace().as_deref() != Some(labels::SYSTEM_NAMESPACE) => Outcome::Failed {
            reason: Reason::NothingToDecide,
            message: format!("expected a run in {}", labels::SYSTEM_NAMESPACE),
        },
        Ok(authority) => match accepted(ctx, &authority, run, step).await {
            Ok(outcome) => outcome,
            Err(error) => awaited(&error),
        },
    };
    stopped(outcome, ctx.cx.now())
}

async fn accepted(
    ctx: &Ctx,
    a: &Authority,
    run: &WorkflowRun,
    step: &WorkflowStep,
) -> Result<Outcome, Error> {
    let name = labels::AUTHORITY_NAME;
    let Some(found) = runtime_authority(&ctx.cx.api).await? else {
        return Ok(Outcome::waiting(Reason::AuthorityNotReady, "there is no RuntimeAuthority"));
    };
    let status = found.status.clone().unwrap_or_default();
    let run_ref = run_ref(run, step);
    let before = status.accepted_restore.filter(|accepted| accepted.run == run_ref.name);
    let gone = match before {
        Some(accepted) => accepted.heads,
        None => {
            let gone = gone(a, &status.ledger_heads).await?;
            if gone.is_empty() {
                let message = "every ledger chain reaches the head that was published of it; there is no restore to accept";
                let reason = Reason::NothingToDecide;
                return Ok(Outcome::Failed { reason, message: message.to_owned() });
            }
            let accepted = AcceptedRestore {
                by: run_ref.actor.clone(),
                run: run_ref.name.clone(),
                at: Time(ctx.cx.now()),
                heads: gone.clone(),
            };
            let patch = serde_json::json!({
                "metadata": { "resourceVersion": found.metadata.resource_version },
                "status": { "acceptedRestore": accepted },
            });
            let api: Api<RuntimeAuthority> = Api::all(ctx.cx.api.clone());
            let params = ctx.cx.manager().patch();
            let patched = api.patch_status(name, &params, &Patch::Merge(patch)).await;
            let object = format!("RuntimeAuthority {name}");
            patched.map_err(|e| Error::api("patch status of", object, &e))?;
            gone
        }
    };
    let chains: Vec<&str> = gone.keys().map(String::as_str).collect();
    a.ledger
        .append(Event {
            id: event_id(kinds::RESTORE_ACCEPTED, None, None, Some(&run_ref.name), &run_ref.uid),
            kind: kinds::RESTORE_ACCEPTED.into(),
            at: ctx.cx.now(),
            writer: "orchestrator".into(),
            actor: run_ref.actor,
            cause: run_ref.cause,
            path: None,
            version: None,
            run: Some(run_ref.name),
            result: "succeeded".into(),
            detail: format!("ledger chains that went back: {}", chains.join(", ")),
        })
        .await?;
    Ok(Outcome::Done)
}

/// Those of the published `heads` whose entry is not there any more.
async fn gone(
    a: &Authority,
    heads: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut gone = BTreeMap::new();
    for (chain, text) in heads {
        let Some(head) = Head::parse(text) else { continue };
        let folder = day_path(chain, &head.day);
        let (there, place) =
            (a.regent.list(&folder).await?, entry_path(chain, &head.day, head.seq));
        if !there.iter().any(|name| format!("{folder}/{name}") == place) {
            gone.insert(chain.clone(), text.clone());
        }
    }
    Ok(gone)
}
