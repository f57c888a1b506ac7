//! What a run came to: timings, how to look inside, and the audit trail from the ledger.

use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use regent_types::authority_names::REGENT_MOUNT;
use regent_types::identity::Identity;
use serde::Serialize;

use super::measure::{Measured, memory_bytes};
use crate::commands::audit::{self, Trail};
use regent_host::connect;
use regent_host::failure::Failure;
use regent_lab::system::System;
use regent_lab::watch::Watch;

/// The summary; its fields are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    steady_seconds: f64,
    peak_rss_bytes: u64,
    #[serde(flatten)]
    measured: Measured,
    secrets: usize,
    materialized: usize,
    published: usize,
    refused: Vec<String>,
    runs: usize,
    kubernetes: String,
    authority: String,
    env_file: String,
    trail: Vec<Trail>,
}

impl Summary {
    /// Logs in as the reader, writes the env file, reads the ledger.
    pub(super) async fn gather(
        system: &System,
        watch: &Watch,
        steady: Duration,
        measured: Measured,
    ) -> anyhow::Result<Self> {
        let vault = system.vault()?;
        let jwt = system.token(Identity::Reader)?;
        let mount = connect::login_mount(&system.admin()).await?;
        let login = vault
            .login_kubernetes(&mount, &Identity::Reader.account(), &jwt)
            .await
            .map_err(|e| Failure::of("logging in as the reader", &e))?;
        let env_file = write_env(system, login.token.expose())?;
        let session = regent_vault::Session::with_token(vault, login.token);
        let trail = audit::trail(&session.kv(REGENT_MOUNT), None).await?;
        let summary = watch.look(|view| Self {
            steady_seconds: steady.as_secs_f64(),
            peak_rss_bytes: memory_bytes("VmHWM:"),
            measured,
            secrets: view.secrets.len(),
            materialized: view.externals.values().filter(|r| r.ready).count(),
            published: view.pushes.values().filter(|r| r.ready).count(),
            refused: view
                .externals
                .iter()
                .filter(|(_, r)| r.reason == "NotAConsumer")
                .map(|(name, _)| name.clone())
                .collect(),
            runs: view.runs.len(),
            kubernetes: system.cluster.url(),
            authority: system.vault_addr(),
            env_file,
            trail,
        });
        Ok(summary)
    }

    /// The summary for people.
    pub(super) fn text(&self, ends: bool) -> String {
        const TRAIL_MAX: usize = 20;
        let mut text = String::from("\naudit trail\n");
        for event in self.trail.iter().take(TRAIL_MAX) {
            text.push_str(&format!("  {}\n", event.line()));
        }
        if self.trail.len() > TRAIL_MAX {
            text.push_str(&format!("  and {} more\n", self.trail.len() - TRAIL_MAX));
        }
        text.push_str(&format!(
            "\nsteady in {:.2} s, peak memory {:.0} MB\n{} secrets, {} materialized, {} published, {} refused, {} runs\n",
            self.steady_seconds,
            self.peak_rss_bytes as f64 / 1e6,
            self.secrets,
            self.materialized,
            self.published,
            self.refused.len(),
            self.runs,
        ));
        if !ends {
            text.push_str(&format!(
                "\nKubernetes API  {}\nauthority       {}\n\nLook inside:\n\n  . {}\n  kubectl get runtimesecrets,externalsecrets,secrets,workflowruns -A\n  regent verify\n\nCtrl-C ends it.\n",
                self.kubernetes, self.authority, self.env_file,
            ));
        }
        text
    }
}

/// One line to paste sets these; the file is private.
fn write_env(system: &System, reader_token: &str) -> anyhow::Result<String> {
    use std::io::Write;
    let folder = system.folder.temporary();
    let private = |name: &str, text: &str| -> std::io::Result<std::path::PathBuf> {
        let path = folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    };
    let kubeconfig = system.cluster.admin_kubeconfig()?;
    let kubeconfig = private("kubeconfig", kubeconfig.expose())?;
    // An authority outside this process has its own.
    let audit_log = system.audit_log().map(std::path::absolute).transpose()?;
    let audit_log = audit_log.map(|p| format!("export REGENT_AUDIT_LOG='{}'\n", p.display()));
    let env = zeroize::Zeroizing::new(format!(
        "export KUBECONFIG='{}'\nexport VAULT_ADDR='{}'\nexport VAULT_TOKEN='{reader_token}'\n{}",
        kubeconfig.display(),
        system.vault_addr(),
        audit_log.unwrap_or_default(),
    ));
    Ok(private("env", &env)?.display().to_string())
}
