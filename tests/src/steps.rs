//! The steps. Each is one function of the world; a text that no step knows is an error.
//!
//! ```text
//! authority  how it runs, what it holds, whom it serves      git      what is committed, and who may read it
//! objects    what is made, changed, deleted and found        words    what steps are made of
//! login      who logs in to the authority                    removal  what an uninstall leaves
//! second     two clusters on one authority                   faults   what goes wrong around components
//! left_behind  what a killed orchestrator leaves          person   commands that people give
//! root       what somebody who equals root puts anywhere
//! ```

mod authority;
mod faults;
mod git;
mod left_behind;
mod login;
mod objects;
mod person;
mod removal;
mod root;
mod second;
mod words;

use anyhow::{Result, bail, ensure};
use regent::commands::verify;
use regent_protocol::invariants::Finding;

use crate::leases;
use crate::step::Step;
use crate::waits;
use crate::{World, binary};
use words::identity;

pub(crate) async fn run(world: &mut World, step: &Step) -> Result<()> {
    let words: Vec<&str> = step.text.split_whitespace().collect();
    if faults::run(world, &step.word, &words, &step.text).await?
        || left_behind::run(world, &step.word, &words).await?
        || login::run(world, &step.word, &words).await?
        || person::run(world, &step.word, &words, &step.text).await?
        || removal::run(world, &step.word, &words).await?
        || root::run(world, &step.word, &words, &step.block).await?
        || second::run(world, &step.word, &words, &step.text, &step.block).await?
        || authority::run(world, &step.word, &words).await?
        || git::run(world, &step.word, &words, &step.block).await?
        || objects::run(world, &step.word, &words, &step.text, &step.block).await?
    {
        return Ok(());
    }
    match step.word.as_str() {
        "given" => given(world, &words, &step.block),
        "when" => when(world, &words).await,
        _ => then(world, &words).await,
    }
}

fn given(world: &mut World, words: &[&str], block: &str) -> Result<()> {
    match words {
        ["the", "example", "platform"] => {}
        ["a", "kept", "folder"] => world.options.data_dir = Some(world.folder("kept")),
        ["the", "authority", "is", "served", "over", "TLS"] => {
            world.options.authority_process = Some(binary::path()?);
        }
        ["the", "repository", "is", "served", "over", "http"] => world.serve_git()?,
        ["no", "authority"] => world.without_authority()?,
        ["no", component] => world.options.without.push(identity(component)?),
        ["the", "file", name] => {
            let text = world.text(block);
            world.options.overlay.insert((*name).to_owned(), Some(text.into_bytes()));
        }
        ["no", "file", name] => {
            world.options.overlay.insert((*name).to_owned(), None);
        }
        ["the", "sealed", "file", name] => {
            let sealed = seal_for_another(block)?;
            world.options.overlay.insert((*name).to_owned(), Some(sealed.into_bytes()));
        }
        _ => bail!("no such given step"),
    }
    Ok(())
}

/// A manifest sealed to an identity that nobody in the world holds.
fn seal_for_another(plain: &str) -> Result<String> {
    let recipients = vec![regent_manifest::keys::generate().recipient];
    let options = regent_manifest::sops::SealOptions::new(recipients, jiff::Timestamp::now());
    Ok(regent_manifest::sops::seal(plain, &options)?)
}

async fn when(world: &mut World, words: &[&str]) -> Result<()> {
    match words {
        ["it", "settles"] => {
            world.until(crate::world::steady).await?;
        }
        ["it", "starts"] => {
            world.system().await?;
        }
        ["the", "cluster", "is", "lost"] => world.lose_cluster().await?,
        ["installation", name, "takes", "its", "place"] => world.another_installation(name).await?,
        ["the", "person", "recovers"] => world.recover().await?,
        ["the", "identity", "file", "is", "lost"] => {
            std::fs::remove_file(world.folder("kept.root-of-trust"))?;
        }
        [component, "is", "killed"] => {
            let identity = identity(component)?;
            world.system().await?.kill(identity, 0).await;
        }
        [component, "is", "started"] => {
            let identity = identity(component)?;
            world.system().await?.start_component(identity, 0)?;
        }
        ["every", "component", "finds", "its", "Lease", "held", "by", "another"] => {
            leases::change_hands(world).await?;
        }
        _ => bail!("no such when step"),
    }
    Ok(())
}

async fn then(world: &mut World, words: &[&str]) -> Result<()> {
    match words {
        ["verify", "finds", "nothing"] => {
            let findings = findings(world).await?;
            ensure!(findings.is_empty(), "found {findings:?}");
            Ok(())
        }
        ["verify", "finds", predicate] => {
            let findings = findings(world).await?;
            let found = findings.iter().any(|f| f.predicate == *predicate);
            ensure!(found, "found only {findings:?}");
            Ok(())
        }
        ["verify", "finds", predicate, "at", object @ ..] => {
            let (findings, object) = (findings(world).await?, object.join(" "));
            let mut of_predicate = findings.iter().filter(|f| f.predicate == *predicate);
            ensure!(of_predicate.any(|f| f.object == object), "found only {findings:?}");
            Ok(())
        }
        ["no", "file", "of", "the", "kept", "folder", "holds", "an", "age", "identity"] => {
            no_identity(&world.folder("kept"))
        }
        _ => bail!("no such then step"),
    }
}

async fn findings(world: &mut World) -> Result<Vec<Finding>> {
    let session = world.reader().await?;
    let api = world.system().await?.admin();
    let found = waits::ask_all(|| verify::look(&api, &session, None, &[])).await?;
    Ok(found.findings)
}

fn no_identity(folder: &std::path::Path) -> Result<()> {
    let mut looked = 0;
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            looked += 1;
            let bytes = std::fs::read(&path)?;
            let found = bytes.windows(15).any(|w| w == b"AGE-SECRET-KEY-");
            ensure!(!found, "{} holds an age identity", path.display());
        }
    }
    ensure!(looked > 0, "the kept folder is empty");
    Ok(())
}
