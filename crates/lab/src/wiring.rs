//! What all processes of a run share beside their identities, and where the files of each lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use regent_install::COMPONENTS;
use regent_operator::Endpoints;
use regent_types::identity::Identity;

use super::cluster::Cluster;
use super::folder::Folder;
use super::options::{AuthorityChoice, Options};
use super::projected::Projected;
use super::tokens::Tokens;
use regent_host::component::Given;
use regent_host::hosted::SnapshotPlan;

/// Replicas of one component.
pub(super) const REPLICAS_MAX: u8 = 2;

/// What the components share beside their identities.
#[derive(Clone)]
pub struct Wiring {
    pub(super) tokens: Tokens,
    /// Where the authority answers.
    pub(super) endpoints: Endpoints,
    /// The API server as the authority reaches it.
    pub(super) kubernetes_host: String,
    /// Its CA, for an authority that cannot know it.
    pub(super) kubernetes_ca: Option<String>,
    /// Where files of the run lie.
    pub(super) folder: PathBuf,
    /// The binary that runs components as processes.
    pub(super) processes: Option<PathBuf>,
    /// How the embedded authority runs as a process.
    pub(super) authority: Option<Arc<AuthorityProcess>>,
    /// Where the embedded authority takes snapshots.
    pub(super) snapshots: Option<SnapshotPlan>,
    /// Where a process reaches the API server, by its holder's name, where not at its own address.
    pub(super) api_via: BTreeMap<String, String>,
    /// Variables of a replica's process beside those of all, by its holder's name.
    pub(super) variables: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the embedded authority needs to be a process of its own.
pub(super) struct AuthorityProcess {
    pub(super) binary: PathBuf,
    /// Its certificate, and the CA for its clients.
    pub(super) projected: Projected,
}

impl Wiring {
    /// Projects tokens for everybody and, where the embedded authority is a process, its certificate.
    pub(super) async fn project(
        cluster: &Cluster,
        folder: &Folder,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let external = options.authority.external();
        let pod = external.and_then(|e| e.pod.clone());
        let in_pod = pod.is_some();
        let identities = folder.temporary().join("identities");
        let tokens = Tokens::project(cluster.admin(), &cluster.ca_pem(), &identities, pod).await?;
        let ca_pem = external.and_then(|e| e.ca_pem.clone());
        let mut wiring = Self {
            tokens,
            endpoints: Endpoints { ca_pem, ..Endpoints::default() },
            kubernetes_host: cluster.url(),
            kubernetes_ca: (!in_pod).then(|| cluster.ca_pem()),
            folder: folder.temporary().to_owned(),
            processes: options.processes.clone(),
            authority: None,
            snapshots: options.snapshots.clone(),
            api_via: options.api_via.clone(),
            variables: options.variables.clone(),
        };
        if let (AuthorityChoice::Embedded, Some(binary)) =
            (&options.authority, &options.authority_process)
        {
            let place = folder.temporary().join("authority");
            let projected = Projected::start(&cluster.admin(), place)?;
            wiring.endpoints.ca_file = Some(projected.ca_file());
            let process = AuthorityProcess { binary: binary.clone(), projected };
            wiring.authority = Some(Arc::new(process));
        }
        Ok(wiring)
    }

    /// Where the embedded authority lives.
    pub(super) fn site(folder: &Folder) -> PathBuf {
        folder.lasting().join("authority")
    }

    /// The last lines that each process logged; empty where components are tasks.
    pub(super) fn logs(&self) -> String {
        const SHOWN_MAX: usize = 40;
        let mut text = String::new();
        let replicas = COMPONENTS.into_iter().flat_map(|i| (0..REPLICAS_MAX).map(move |r| (i, r)));
        for (identity, replica) in replicas.chain([(Identity::Authority, 0)]) {
            let Ok(log) = std::fs::read_to_string(self.log(identity, replica)) else { continue };
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN_MAX)..];
            let holder = holder(identity, replica);
            text.push_str(&format!("{holder}:\n  {}\n", last.join("\n  ")));
        }
        text
    }

    /// Where a process logs.
    pub(super) fn log(&self, identity: Identity, replica: u8) -> PathBuf {
        self.folder_of(identity, replica).join("log")
    }

    /// Where the files of a process lie.
    pub(super) fn folder_of(&self, identity: Identity, replica: u8) -> PathBuf {
        self.folder.join("processes").join(holder(identity, replica))
    }

    /// What a component as a task is given beside its context.
    pub(super) fn given(&self) -> Given {
        Given {
            cache: self.folder.join("git-cache"),
            kubernetes_host: self.kubernetes_host.clone(),
            kubernetes_ca: self.kubernetes_ca.clone(),
        }
    }
}

/// Name under which a replica holds its Lease, as a pod of a Deployment has one.
pub(super) fn holder(identity: Identity, replica: u8) -> String {
    format!("{}-{replica}", identity.name())
}
