//! What a component does with its Lease, made to happen: it waits for one that another holds, takes it over, and renews
//! one that somebody wrote to meanwhile. Components that are tasks lead without Leases: they are only started again.

use anyhow::Result;
use kube::api::{Patch, PatchParams};
use regent_install::COMPONENTS;
use serde_json::{Value, json};

use crate::World;

/// Seconds that the other holder is believed to live.
const HELD_S: u32 = 1;

/// Ends every component, hands its Lease to nobody who is there, and starts it again.
pub(crate) async fn change_hands(world: &mut World) -> Result<()> {
    for identity in COMPONENTS {
        world.system().await?.kill(identity, 0).await;
        if world.has_leases() {
            let held =
                json!({ "spec": { "holderIdentity": "another", "leaseDurationSeconds": HELD_S } });
            write(world, &identity.account(), &held).await?;
        }
        world.system().await?.start_component(identity, 0)?;
    }
    if !world.has_leases() {
        return Ok(());
    }
    let mut renewed = Vec::new();
    for identity in COMPONENTS {
        let (name, own) = (identity.account(), format!("{}-0", identity.name()));
        until(world, &name, |spec| spec["holderIdentity"] == own.as_str()).await?;
        let noted = json!({ "metadata": { "annotations": { "noted": "by-somebody" } } });
        let lease = write(world, &name, &noted).await?;
        renewed.push((name, lease["spec"]["renewTime"].clone()));
    }
    for (name, before) in renewed {
        until(world, &name, |spec| spec["renewTime"] != before).await?;
    }
    Ok(())
}

async fn write(world: &mut World, name: &str, patch: &Value) -> Result<Value> {
    let api = world.api("Lease", Some(regent_types::labels::SYSTEM_NAMESPACE)).await?;
    let lease = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(lease.data)
}

async fn until(
    world: &mut World,
    name: &str,
    fine: impl Fn(&Value) -> bool + Send + Sync,
) -> Result<()> {
    let object = format!("{}/{name}", regent_types::labels::SYSTEM_NAMESPACE);
    world
        .await_object("Lease", &object, |lease| match lease.map(|l| &l["spec"]) {
            Some(spec) if fine(spec) => Ok(()),
            spec => Err(format!("found {spec:?}")),
        })
        .await
}
