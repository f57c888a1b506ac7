//! Steps about Git: what is committed, sealed or not, and who may read from it.

use anyhow::{Result, ensure};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::PostParams;
use regent_types::identity::Identity;
use regent_types::labels;
use serde_json::json;

use crate::World;
use crate::waits;

/// Runs one step; `false` where it is none of these.
pub(super) async fn run(
    world: &mut World,
    word: &str,
    words: &[&str],
    block: &str,
) -> Result<bool> {
    match word {
        "when" => when(world, words, block).await,
        "then" => then(world, words).await,
        _ => Ok(false),
    }
}

async fn when(world: &mut World, words: &[&str], block: &str) -> Result<bool> {
    match words {
        ["Git", "changes", file] => {
            let text = world.text(block);
            commit(world, file, Some(text.into_bytes())).await?;
        }
        ["Git", "removes", file] => commit(world, file, None).await?,
        ["Git", "reseals", file] => {
            let sealed = world.system().await?.seal(block)?;
            commit(world, file, Some(sealed.into_bytes())).await?;
        }
        ["Git", "reseals", "and", "then", "alters", file] => {
            // What is in clear is under the MAC too.
            let sealed = world.system().await?.seal(block)?;
            ensure!(sealed.contains("as-sealed"), "nothing to alter: a value as-sealed in clear");
            let altered = sealed.replace("as-sealed", "altered");
            commit(world, file, Some(altered.into_bytes())).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn then(world: &mut World, words: &[&str]) -> Result<bool> {
    match words {
        ["Git", "was", "only", "read"] => world.git()?.only_read()?,
        ["only", "intent", "may", "read", "the", "credentials", "of", "Git"] => {
            only_intent_reads_credentials(world).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn commit(world: &mut World, file: &str, content: Option<Vec<u8>>) -> Result<()> {
    world.commit(&std::iter::once((file.to_owned(), content)).collect()).await
}

/// Asks the API server who may get the one Secret that a GitSource may name (S5.2-3).
async fn only_intent_reads_credentials(world: &mut World) -> Result<()> {
    let reviews: kube::Api<SubjectAccessReview> = kube::Api::all(world.system().await?.admin());
    let params = PostParams::default();
    for identity in Identity::ALL {
        let system = labels::SYSTEM_NAMESPACE;
        let review = serde_json::from_value(json!({ "metadata": {}, "spec": {
            "user": format!("system:serviceaccount:{system}:{}", identity.account()),
            "resourceAttributes": {
                "verb": "get", "resource": "secrets", "namespace": system, "name": "regent-git-credentials",
            },
        } }))?;
        let answer = waits::ask(|| reviews.create(&params, &review)).await?;
        let allowed = answer.status.is_some_and(|s| s.allowed);
        let expected = identity == Identity::Intent;
        ensure!(allowed == expected, "{}: expected {expected}, found {allowed}", identity.name());
    }
    Ok(())
}
