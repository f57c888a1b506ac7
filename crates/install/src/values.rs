//! What differs from installation to installation: flags of `regent install`, its `--values` file and the values of
//! the Helm chart, which are one and the same. `values.yaml`, its schema and its table are made from this.

use crate::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::access::admission::Settings;
use regent_types::identity::Identity;

/// All values. Each has a default with which an installation works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Values {
    /// The one image that every workload runs.
    pub image: Image,
    /// Names of Secrets with which the image is pulled: `[{name: …}]`.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    pub image_pull_secrets: Vec<SecretName>,
    /// Namespaces in which regent may read and write Secrets. They must exist; nowhere else may it.
    #[schemars(length(max = limits::NAMESPACES_MAX), extend("uniqueItems" = true))]
    #[schemars(inner(length(min = 1, max = 63), regex(pattern = limits::NAME_PATTERN)))]
    pub namespaces: Vec<String>,
    /// Definitions of External Secrets kinds: `auto` places them where the cluster was looked at and has none, `always`
    /// without looking, `never`. Those of a neighbour are left as they are.
    pub external_secrets_crds: ExternalSecretsCrds,
    /// What workloads log, as tracing filters.
    #[schemars(length(min = 1, max = 1_024))]
    pub log: String,
    /// Whom admission policies exempt or bind. `regent verify` knows the defaults.
    pub admission: Admission,
    /// The components: one Deployment, account and set of rights each.
    pub components: Components,
    /// The authority that comes with regent; off where another one is used.
    pub authority: Authority,
    /// Who may talk to whom.
    pub network_policies: NetworkPolicies,
    /// Priority class of all pods; none where empty.
    #[schemars(length(max = 253))]
    pub priority_class_name: String,
    /// Node labels that all pods need.
    pub node_selector: Map<String, Value>,
    /// Taints that all pods bear, as in a pod.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    pub tolerations: Vec<Map<String, Value>>,
    /// Annotations of all pods.
    pub pod_annotations: Map<String, Value>,
}

/// The image that every pod runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Registry and repository, without a tag.
    #[schemars(length(min = 1, max = 255), regex(pattern = limits::REPOSITORY_PATTERN))]
    pub repository: String,
    /// Tag; `TAG@sha256:DIGEST` pins what it stands for.
    #[schemars(length(min = 1, max = 255), regex(pattern = limits::TAG_PATTERN))]
    pub tag: String,
    /// When it is pulled.
    pub pull_policy: PullPolicy,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Where it is not there.
    #[default]
    IfNotPresent,
    /// At each start of a pod, even where the node has it.
    Always,
    /// It is there already: nothing is pulled.
    Never,
}

/// The name of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// `metadata.name` of a Secret in the namespace `regent-system`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Whether definitions of External Secrets kinds are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExternalSecretsCrds {
    /// Where the cluster was looked at and has none.
    #[default]
    Auto,
    /// Without looking at the cluster first.
    Always,
    /// The cluster's own definitions are used.
    Never,
}

/// Whom admission policies exempt or bind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admission {
    /// User names of Kubernetes' own controllers, which collect garbage and end namespaces.
    #[schemars(length(min = 1, max = limits::LIST_LEN_MAX))]
    #[schemars(inner(length(min = 1, max = 253), regex(pattern = limits::USER_PATTERN)))]
    pub kubernetes: Vec<String>,
    /// User names of GitOps controllers, which may write no Secret.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    #[schemars(inner(length(min = 1, max = 253), regex(pattern = limits::USER_PATTERN)))]
    pub gitops: Vec<String>,
    /// ClusterSecretStores of regent's: a PushSecret that names one has to be explicit.
    #[schemars(length(min = 1, max = limits::LIST_LEN_MAX))]
    #[schemars(inner(length(min = 1, max = 253), regex(pattern = limits::USER_PATTERN)))]
    pub stores: Vec<String>,
}

/// What is installed of each component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Components {
    /// GitOps controller; leave it out where Flux or Argo CD is there.
    pub intent: Component,
    /// Decrypts manifests into bootstrap Secrets.
    pub bootstrap: Component,
    /// Initializes, unseals and configures the authority.
    pub warden: Component,
    /// Introduces, rotates and revokes secrets in the authority.
    pub orchestrator: Component,
    /// Starts rotations by schedule, expiry, change or a reported leak.
    pub triggers: Component,
    /// Materialization; leave it out where another External Secrets controller materializes.
    pub materializer: Component,
    /// Publishes Secrets to the authority, as PushSecrets say.
    pub publisher: Component,
}

impl Components {
    /// The component that runs under `identity`, if it is one.
    pub fn of(&mut self, identity: Identity) -> Option<&mut Component> {
        match identity {
            Identity::Intent => Some(&mut self.intent),
            Identity::Bootstrap => Some(&mut self.bootstrap),
            Identity::Warden => Some(&mut self.warden),
            Identity::Orchestrator => Some(&mut self.orchestrator),
            Identity::Triggers => Some(&mut self.triggers),
            Identity::Materializer => Some(&mut self.materializer),
            Identity::Publisher => Some(&mut self.publisher),
            Identity::Authority | Identity::Reader => None,
        }
    }
}

/// How one component is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// Whether it is installed at all: without it neither its account nor its rights exist.
    pub enabled: bool,
    /// Pods; one works, the others wait for its Lease.
    #[schemars(range(min = 1, max = limits::REPLICAS_MAX))]
    pub replicas: u32,
    /// Further arguments of `regent run`.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    pub args: Vec<String>,
    /// Further egress rules of its network policy: targets of rotation, say.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    pub egress: Vec<Map<String, Value>>,
    /// What a pod asks for and may use.
    pub resources: Map<String, Value>,
}

/// The authority that comes with regent: one pod with a volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authority {
    /// Whether regent's own authority is installed; without it RuntimeAuthority names an external one.
    pub embedded: bool,
    /// Its volume, which an uninstall leaves.
    pub storage: Storage,
    /// Its snapshots, on a volume of yours.
    pub snapshots: Snapshots,
    /// What its pod asks for and may use.
    pub resources: Map<String, Value>,
}

/// The volume that holds the authority's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// Size of the volume, such as `1Gi`.
    #[schemars(regex(pattern = limits::SIZE_PATTERN))]
    pub size: String,
    /// Its storage class; the cluster's default where empty.
    #[schemars(length(max = 253))]
    pub class_name: String,
}

/// Where and how often the authority takes snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshots {
    /// PersistentVolumeClaim in `regent-system` that they lie on, which you make: on another machine than the authority's
    /// own volume. None are taken where empty.
    #[schemars(length(max = 253), regex(pattern = limits::CLAIM_PATTERN))]
    pub claim: String,
    /// From one to the next, such as `15m` or `1h`.
    #[schemars(regex(pattern = limits::INTERVAL_PATTERN))]
    pub interval: String,
    /// How many that were restored on trial stay.
    #[schemars(range(min = 1, max = limits::SNAPSHOTS_MAX))]
    pub keep: u32,
}

/// Who may talk to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicies {
    /// Whether they are installed: nothing reaches regent's pods and they reach nothing, but for what is listed here.
    pub enabled: bool,
    /// The API server, from every pod.
    pub api_server: Destination,
    /// Git servers, from intent alone.
    pub git: Destination,
    /// An external authority, from the components that log in to it.
    pub external_authority: Destination,
    /// Who else may reach regent's own authority: NetworkPolicy peers. Workloads do not need to.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    pub authority_clients: Vec<Map<String, Value>>,
}

/// Where connections may go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// TCP ports, at least one.
    #[schemars(length(min = 1, max = limits::LIST_LEN_MAX), inner(range(min = 1, max = 65_535)))]
    pub ports: Vec<u16>,
    /// NetworkPolicy peers; any where empty.
    #[schemars(length(max = limits::LIST_LEN_MAX))]
    pub peers: Vec<Map<String, Value>>,
}

impl Values {
    /// The defaults with `given` over them, as Helm lays them: maps are merged, anything else is replaced, and
    /// `null` takes away.
    ///
    /// # Errors
    /// A field that is not known, is missing or is of another type.
    pub fn over_defaults(given: &Value) -> Result<Self, serde_json::Error> {
        let mut values = serde_json::to_value(Self::default())?;
        if !given.is_null() {
            merge(&mut values, given);
        }
        serde_json::from_value(values)
    }
}

fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match value {
                    Value::Null => drop(under.remove(key)),
                    value => merge(under.entry(key.clone()).or_insert(Value::Null), value),
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

impl Destination {
    fn ports(ports: &[u16]) -> Self {
        Self { ports: ports.to_vec(), peers: Vec::new() }
    }
}

fn resources(cpu: &str, memory: &str, memory_max: &str) -> Map<String, Value> {
    let wanted = json!({ "cpu": cpu, "memory": memory });
    let most = json!({ "memory": memory_max });
    Map::from_iter([("limits".to_owned(), most), ("requests".to_owned(), wanted)])
}

impl Default for Values {
    fn default() -> Self {
        Self {
            image: Image::default(),
            image_pull_secrets: Vec::new(),
            namespaces: Vec::new(),
            external_secrets_crds: ExternalSecretsCrds::default(),
            log: "info".into(),
            admission: Admission::default(),
            components: Components::default(),
            authority: Authority::default(),
            network_policies: NetworkPolicies::default(),
            priority_class_name: String::new(),
            node_selector: Map::new(),
            tolerations: Vec::new(),
            pod_annotations: Map::new(),
        }
    }
}

impl Default for Admission {
    fn default() -> Self {
        let Settings { kubernetes, gitops, stores } = Settings::default();
        Self { kubernetes, gitops, stores }
    }
}

impl Default for Image {
    fn default() -> Self {
        Self {
            repository: "regent".into(),
            tag: env!("CARGO_PKG_VERSION").into(),
            pull_policy: PullPolicy::default(),
        }
    }
}

impl Default for Component {
    fn default() -> Self {
        Self {
            enabled: true,
            replicas: 1,
            args: Vec::new(),
            egress: Vec::new(),
            resources: resources("10m", "32Mi", "256Mi"),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self {
            embedded: true,
            storage: Storage::default(),
            snapshots: Snapshots::default(),
            resources: resources("50m", "64Mi", "512Mi"),
        }
    }
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { claim: String::new(), interval: "1h".into(), keep: 24 }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: "10Gi".into(), class_name: String::new() }
    }
}

impl Default for NetworkPolicies {
    fn default() -> Self {
        Self {
            enabled: true,
            // As a Service and as most API servers listen: policies see one or the other.
            api_server: Destination::ports(&[443, 6443]),
            git: Destination::ports(&[443]),
            external_authority: Destination::ports(&[8200]),
            authority_clients: Vec::new(),
        }
    }
}
