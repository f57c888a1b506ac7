//! Creates the runs of a trigger, once its watermark holds them.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use regent_api::workflow_run::Cause;
use regent_api::{EventTrigger, RuntimeSecret, WorkflowRun, WorkflowRunSpec};

use super::ctx::{Ctx, Key};
use super::decision::RunRequest;
use super::observed::Run;
use regent_operator::error::ReconcileError;

impl Ctx {
    pub(super) async fn create_all(
        &self,
        trigger: &EventTrigger,
        key: &Key,
        secrets: &[Arc<RuntimeSecret>],
        requests: &[RunRequest],
        now: Timestamp,
    ) -> Result<(), ReconcileError> {
        for request in requests {
            let Some(secret) = secrets.iter().find(|s| s.name_any() == request.secret) else {
                continue;
            };
            self.create(trigger, key, secret, request, now).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        trigger: &EventTrigger,
        key: &Key,
        secret: &RuntimeSecret,
        request: &RunRequest,
        now: Timestamp,
    ) -> Result<(), ReconcileError> {
        let name = request.run(&key.1);
        if self.runs.get(&ObjectRef::new(&name).within(&key.0)).is_some() {
            return Ok(());
        }
        let api: Api<WorkflowRun> = Api::namespaced(self.operator.api.clone(), &key.0);
        let run = run(trigger, key, secret, request, &name);
        match api.create(&self.operator.manager().post(), &run).await {
            Ok(_) => {
                tracing::info!(
                    component = "triggers",
                    run = name,
                    object = request.secret,
                    slot = request.slot,
                    "run started"
                );
            }
            // The same slot or delivery, told twice.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => {
                return Err(ReconcileError::api(
                    "create",
                    &format!("WorkflowRun {}/{name}", key.0),
                    &error,
                ));
            }
        }
        let run = Run { secret: request.secret.clone(), ended: false, created: now };
        self.remember_created((key.0.clone(), name), key.1.clone(), run);
        Ok(())
    }
}

/// The run, collected together with its RuntimeSecret.
fn run(
    trigger: &EventTrigger,
    key: &Key,
    secret: &RuntimeSecret,
    request: &RunRequest,
    name: &str,
) -> WorkflowRun {
    let owner = OwnerReference {
        api_version: "regent.dev/v1alpha1".into(),
        kind: "RuntimeSecret".into(),
        name: secret.name_any(),
        uid: secret.uid().unwrap_or_default(),
        controller: None,
        block_owner_deletion: None,
    };
    WorkflowRun {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(key.0.clone()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: WorkflowRunSpec {
            runtime_secret: request.secret.clone(),
            workflow: Some(trigger.spec.workflow.clone()),
            uses: None,
            with: Default::default(),
            retry_of: None,
            control: None,
            cause: Cause {
                kind: request.kind,
                by: key.1.clone(),
                slot: Some(request.slot.clone()),
                reason: request.reason.clone(),
            },
        },
        status: None,
    }
}
