//! Steps of somebody who equals root in the authority and puts there whatever the Vault API lets them.

use anyhow::{Context, Result};
use regent_vault::Method;
use serde_json::Value;

use super::login::{end, root};
use crate::World;

/// Runs `words` if they are one of these steps; `block` is the body of a request.
pub(super) async fn run(
    world: &mut World,
    word: &str,
    words: &[&str],
    block: &str,
) -> Result<bool> {
    let ("when", ["somebody", "who", "equals", "root", rest @ ..]) = (word, words) else {
        return Ok(false);
    };
    match rest {
        ["posts", path] => {
            let body: Value = regent_lab::yaml(block)?;
            ask(world, Method::POST, path, Some(&body)).await?;
        }
        ["deletes", path] => ask(world, Method::DELETE, path, None).await?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What is answered is dropped: a token that is made is nobody's.
async fn ask(world: &mut World, method: Method, path: &str, body: Option<&Value>) -> Result<()> {
    let root = root(world).await?;
    let answer = root.request(method, path, body).await;
    answer.with_context(|| path.to_owned())?;
    // What the token made beside itself ends with it, unless it is an orphan.
    end(&root).await
}
