//! `gen`: everything under `config/` and the Helm chart are made from the types; CI fails on a diff.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use regent_install::access::{admission, authority, rbac};
use regent_types::login::Login;
use serde_json::Value;

use crate::banner::BANNER;

/// Writes `config/` and `charts/regent`, or with `check` only compares.
pub(crate) fn run(check: bool) -> Result<()> {
    folder("config", &files()?, &[], check)?;
    folder("charts/regent", &crate::chart::files()?, crate::chart::BY_HAND, check)
}

fn folder(
    name: &str,
    files: &BTreeMap<String, String>,
    by_hand: &[&str],
    check: bool,
) -> Result<()> {
    let home = crate::root().join(name);
    let mut stale = Vec::new();
    for (name, text) in files {
        let path = home.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() == Some(text) {
            continue;
        }
        stale.push(name.clone());
        if !check {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    let mut strangers = strangers(&home, files)?;
    strangers.retain(|stranger| !by_hand.contains(&stranger.as_str()));
    if check && !(stale.is_empty() && strangers.is_empty()) {
        bail!(
            "{name}/ differs from the types: {stale:?} stale, {strangers:?} unknown; run `cargo xtask gen`"
        );
    }
    if !check {
        for name in &strangers {
            std::fs::remove_file(home.join(name))?;
        }
    }
    println!("gen: {name}: {} files, {} changed", files.len(), stale.len());
    Ok(())
}

fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for crd in regent_api::all_crds() {
        let name = format!("crds/{}.yaml", crd.metadata.name.clone().unwrap_or_default());
        files.insert(name, yaml(&[serde_json::to_value(&crd)?])?);
    }
    // The namespace stands for each one that an installation names.
    files.insert("rbac.yaml".into(), yaml(&rbac::objects(&["NAMESPACE".to_owned()]))?);
    let write_paths = admission::objects(&admission::Settings::default());
    files.insert("admission.yaml".into(), yaml(&write_paths)?);
    files.insert("workloads.yaml".into(), yaml(&workloads()?)?);
    for policy in authority::policies(regent_types::authority_names::KUBERNETES_MOUNT, &[]) {
        files.insert(format!("authority/policies/{}.hcl", policy.name), policy.text);
    }
    let roles: BTreeMap<String, Value> = authority::roles(&Login::default())
        .into_iter()
        .map(|r| (r.name.clone(), r.body()))
        .collect();
    files.insert("authority/roles.json".into(), serde_json::to_string_pretty(&roles)? + "\n");
    Ok(files)
}

/// What is installed with defaults beside definitions, rights and write paths, which have files of their own.
fn workloads() -> Result<Vec<Value>> {
    let mut all = regent_install::objects(&regent_install::Values::default(), &BTreeSet::new())?;
    all.retain(|object| {
        let kind = object["kind"].as_str().unwrap_or_default();
        let elsewhere = ["CustomResourceDefinition", "ServiceAccount", admission::POLICY_KIND];
        !(elsewhere.contains(&kind) || kind.ends_with("Role") || kind.ends_with("Binding"))
    });
    Ok(all)
}

fn yaml(documents: &[Value]) -> Result<String> {
    let mut text = String::from(BANNER);
    for document in documents {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(document)?);
    }
    Ok(text)
}

fn strangers(home: &std::path::Path, known: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(folder) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(home.join(&folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            let relative = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                todo.push(relative);
            } else if !known.contains_key(&relative.to_string_lossy().into_owned()) {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}
