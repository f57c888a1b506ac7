//! Steps about an installation that is taken away as `regent install` printed it, and about Secrets that outlive it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use regent_types::labels::SYSTEM_NAMESPACE;

use crate::world::split;
use crate::{World, binary};

/// Runs one step; `false` where it is none of these.
pub(super) async fn run(world: &mut World, word: &str, words: &[&str]) -> Result<bool> {
    match (word, words) {
        ("when", ["Secret", name, "is", "noted"]) => {
            let state = state(world, name).await?;
            world.remembered.insert(format!("state of {name}"), state);
        }
        ("then", ["Secret", name, "is", "untouched"]) => {
            let before = world.remembered.get(&format!("state of {name}")).cloned();
            let (before, now) = (before.context("never noted")?, state(world, name).await?);
            ensure!(before == now, "it was {before} and is {now}");
        }
        ("when", ["what", "regent", "install", "prints", "for", namespaces, "is", "applied"]) => {
            let printed = printed(namespaces)?;
            let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
            let output = kubectl(world, &args, &printed)?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        ("when", ["what", "regent", "install", "prints", "for", namespaces, "is", "deleted"]) => {
            delete(world, namespaces)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// uid and resourceVersion: a write, even one that changes nothing else, makes another state.
async fn state(world: &mut World, name: &str) -> Result<String> {
    let (namespace, secret) = split(name);
    let found = world.api("Secret", namespace).await?.get(secret).await?;
    let (uid, version) = (found.uid(), found.resource_version());
    Ok(format!("{} at {}", uid.context("a uid")?, version.context("a resourceVersion")?))
}

/// The whole installation, for namespaces `a,b`.
fn printed(namespaces: &str) -> Result<String> {
    let mut args = vec!["install", "--external-secrets-crds", "always"];
    args.extend(namespaces.split(',').flat_map(|namespace| ["--namespace", namespace]));
    let output = binary::run(&args, &[])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Deletes it as a person would who does not know what that takes along: admission lets everything go but the
/// definitions and the namespace, and says of each how it is meant.
fn delete(world: &World, namespaces: &str) -> Result<()> {
    let printed = printed(namespaces)?;
    let output = kubectl(world, &["delete", "--ignore-not-found", "-f", "-"], &printed)?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it was deleted");
    let mut kept = vec![format!("kubectl annotate namespace {SYSTEM_NAMESPACE}")];
    for crd in regent_api::all_crds() {
        kept.push(format!("kubectl annotate customresourcedefinition {}", crd.name_any()));
    }
    for command in kept {
        let sentence = format!("do: {command} regent.dev/confirm-deletion=true");
        ensure!(told.contains(&sentence), "no {sentence:?} in {told}");
    }
    Ok(())
}

fn kubectl(world: &World, args: &[&str], input: &str) -> Result<Output> {
    let real = world.lent.as_ref().context("this world has no API server of its own")?.real()?;
    let mut child = Command::new(real.kubectl())
        .args(args)
        .env("KUBECONFIG", real.kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    let input = input.to_owned();
    // Beside the reading of its output: neither pipe may fill up.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    let _written = writer.join();
    Ok(output)
}
