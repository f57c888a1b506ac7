//! Steps about people who give commands: the real binary, with an admin's kubeconfig.

use anyhow::{Result, ensure};
use regent_lab::options::{AuthorityChoice, External};

use crate::{World, binary};

/// Runs one step; `false` where it is none of these.
pub(super) async fn run(world: &mut World, word: &str, words: &[&str], text: &str) -> Result<bool> {
    match (word, words) {
        ("when", ["an", "admin", "says", "regent", ..]) => {
            let (command, _) = said(text);
            let (fine, told) = say(world, command).await?;
            ensure!(fine, "it failed: {told}");
        }
        ("then", ["an", "admin", "who", "says", "regent", ..]) => {
            let (command, expected) = said(text);
            let (_, told) = say(world, command).await?;
            ensure!(told.contains(expected), "expected {expected:?}, found {told}");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What is said behind `regent`, and what is to be told (`… is told TEXT`).
fn said(text: &str) -> (&str, &str) {
    let command = text.split_once("regent ").map_or("", |(_, rest)| rest);
    command.split_once(" is told ").unwrap_or((command, ""))
}

/// Whether the command ended well, and all that it printed.
async fn say(world: &mut World, command: &str) -> Result<(bool, String)> {
    let config = world.folder("admin-kubeconfig");
    let kubeconfig = world.system().await?.admin_kubeconfig()?;
    std::fs::write(&config, kubeconfig.expose())?;
    let mut env = vec![("KUBECONFIG".to_owned(), config.display().to_string())];
    env.push(("VAULT_ADDR".to_owned(), world.system().await?.vault_addr()));
    if let AuthorityChoice::External(External { ca_pem: Some(pem), .. }) = &world.options.authority
    {
        let ca = world.folder("admin-authority-ca.crt");
        std::fs::write(&ca, pem)?;
        env.push(("VAULT_CACERT".to_owned(), ca.display().to_string()));
    }
    let args: Vec<&str> = command.split_whitespace().collect();
    let done = binary::say(&args, env).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((done.status.success(), format!("{}{}", text(&done.stdout), text(&done.stderr))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_where_what_is_told_begins() {
        let text = "an admin who says regent runs retry a/b is told NothingToRetry";
        assert_eq!(said(text), ("runs retry a/b", "NothingToRetry"));
        assert_eq!(said("an admin says regent runs"), ("runs", ""));
    }
}
