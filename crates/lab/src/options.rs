//! How a run is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regent_host::hosted::SnapshotPlan;
use regent_types::identity::Identity;
use regent_types::login::Login;

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The user's own repository; the example by default.
    pub repo: Option<String>,
    /// Folder of the repository that is applied; all of it when empty.
    pub path: String,
    /// Namespaces with access to Secrets beside those that the repository names.
    pub namespaces: Vec<String>,
    /// Account that intent acts as for kinds beyond its own.
    pub account: Option<String>,
    /// Where a remote repository was fetched to, so that it is known what it declares.
    pub fetched: Option<PathBuf>,
    /// Where intent fetches the run's own repository, where that is served from somewhere.
    pub repo_url: Option<String>,
    /// Branch or tag of the repository that intent follows.
    pub reference: String,
    /// Identity file that opens the manifests; the run's own by default.
    pub identity: Option<PathBuf>,
    /// Folder that outlives the run; a temporary one by default.
    pub data_dir: Option<PathBuf>,
    /// Where the embedded authority takes snapshots every hour, and how many it keeps; nowhere by default.
    pub snapshots: Option<SnapshotPlan>,
    /// Port of the API server, 0 for a free one.
    pub api_port: u16,
    /// Port of the authority, 0 for a free one.
    pub authority_port: u16,
    /// Kubeconfig of a real cluster; the sandbox by default.
    pub kubeconfig: Option<PathBuf>,
    /// Further secrets for the example.
    pub extra_secrets: u32,
    /// Changes to the example's files before they are committed: path → new content, `None` removes.
    pub overlay: BTreeMap<String, Option<Vec<u8>>>,
    /// Components that are not started.
    pub without: Vec<Identity>,
    /// Which authority there is.
    pub authority: AuthorityChoice,
    /// The binary that runs each component as a process of its own; absent, they are tasks of this one.
    pub processes: Option<PathBuf>,
    /// The binary that serves the embedded authority as a process, over TLS with warden's certificates; absent, it is
    /// served by this one, on loopback without TLS.
    pub authority_process: Option<PathBuf>,
    /// Where a process reaches the API server, by its holder's name (`COMPONENT-REPLICA`); others reach it at its own
    /// address. Whatever answers there shows a certificate of the API server's CA.
    pub api_via: BTreeMap<String, String>,
    /// Variables of a process beside those of all, by its holder's name. Never a value of a secret.
    pub variables: BTreeMap<String, BTreeMap<String, String>>,
}

/// The authority of a run.
#[derive(Clone, Debug, Default)]
pub enum AuthorityChoice {
    /// The embedded one, hosted by this process.
    #[default]
    Embedded,
    /// None answers at the address, as in an outage.
    Absent,
    /// One that runs already.
    External(External),
}

/// An authority outside this process: OpenBao or Vault.
#[derive(Clone, Debug, Default)]
pub struct External {
    /// Base URL, as RuntimeAuthority and the stores name it.
    pub address: String,
    /// CA of its certificate, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Folder where it finds its own ServiceAccount token and the API server's CA, as a kubelet projects them into
    /// its pod; absent, it is told the CA, and whoever runs it has given it an account to ask for TokenReviews with.
    pub pod: Option<PathBuf>,
    /// How components log in there, as RuntimeAuthority and the stores name it.
    pub login: Login,
}

impl AuthorityChoice {
    /// The authority outside this process, if it is one.
    pub(super) fn external(&self) -> Option<&External> {
        match self {
            Self::External(external) => Some(external),
            Self::Embedded | Self::Absent => None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            repo: None,
            path: String::new(),
            namespaces: Vec::new(),
            account: None,
            fetched: None,
            repo_url: None,
            reference: "main".into(),
            identity: None,
            data_dir: None,
            snapshots: None,
            api_port: 0,
            authority_port: 0,
            kubeconfig: None,
            extra_secrets: 0,
            overlay: BTreeMap::new(),
            without: Vec::new(),
            authority: AuthorityChoice::default(),
            processes: None,
            authority_process: None,
            api_via: BTreeMap::new(),
            variables: BTreeMap::new(),
        }
    }
}
