//! Which tools there are: one Go module for each family, since their dependency versions clash.

/// A Go module below `tools/` and what is built from it.
pub(super) struct Family {
    /// Its folder below `tools/`.
    pub(super) folder: &'static str,
    /// Its binaries, cheapest last where they share a build.
    pub(super) tools: &'static [Tool],
}

pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    /// The version that it must report, without `v`.
    pub(super) version: &'static str,
    /// What is told to the linker beyond `-s -w`.
    pub(super) ldflags: &'static str,
    /// The arguments that make it print its version.
    pub(super) probe: &'static [&'static str],
}

/// Told to every linker: no symbol table, no debug information.
pub(super) const LDFLAGS: &str = "-s -w";

/// Without these Kubernetes reports v0.0.0, the last one in the user agent.
const KUBERNETES: &str = "-X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36 \
    -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3";

/// Without these helm reports v3.21, and renders for Kubernetes 1.20 where it asks no cluster.
const HELM: &str = "-X helm.sh/helm/v3/internal/version.version=v3.21.4 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36 \
    -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36";

/// Every family, the slowest first.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        folder: "kubernetes",
        tools: &[
            Tool {
                name: "kube-apiserver",
                package: "k8s.io/kubernetes/cmd/kube-apiserver",
                version: "1.36.3",
                ldflags: KUBERNETES,
                probe: &["--version"],
            },
            Tool {
                name: "kube-controller-manager",
                package: "k8s.io/kubernetes/cmd/kube-controller-manager",
                version: "1.36.3",
                ldflags: KUBERNETES,
                probe: &["--version"],
            },
            Tool {
                name: "kubectl",
                package: "k8s.io/kubernetes/cmd/kubectl",
                version: "1.36.3",
                ldflags: KUBERNETES,
                probe: &["version", "--client"],
            },
        ],
    },
    Family {
        folder: "etcd",
        tools: &[Tool {
            name: "etcd",
            package: "go.etcd.io/etcd/server/v3",
            version: "3.7.3",
            ldflags: "",
            probe: &["--version"],
        }],
    },
    Family {
        folder: "openbao",
        tools: &[Tool {
            name: "bao",
            package: "github.com/openbao/openbao",
            version: "2.4.0",
            ldflags: "-X github.com/openbao/openbao/version.fullVersion=2.4.0",
            probe: &["version"],
        }],
    },
    Family {
        folder: "cli",
        tools: &[
            Tool {
                name: "sops",
                package: "github.com/getsops/sops/v3/cmd/sops",
                version: "3.13.3",
                ldflags: "",
                probe: &["--version", "--disable-version-check"],
            },
            Tool {
                name: "helm",
                package: "helm.sh/helm/v3/cmd/helm",
                version: "3.21.4",
                ldflags: HELM,
                probe: &["version", "--short"],
            },
        ],
    },
];

/// The names of all tools.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.tools).map(|tool| tool.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(family: &Family, name: &str) -> String {
        let path = crate::root().join("tools").join(family.folder).join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    #[test]
    fn the_tools_are_these() {
        let expected = "kube-apiserver kube-controller-manager kubectl etcd bao sops helm";
        assert_eq!(names().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn each_tool_is_a_tool_of_its_module_at_its_version() {
        for family in FAMILIES {
            let manifest = file(family, "go.mod");
            for tool in family.tools {
                let declared = |l: &str| l.trim().trim_start_matches("tool ") == tool.package;
                assert!(manifest.lines().any(declared), "{}: no tool directive", tool.name);
                // OpenBao's tag cannot be required by its name: v0.0.0 and the commit stand for it.
                let version = match tool.name {
                    "bao" => "v0.0.0-20250828202315-f9407a27fbee".to_owned(),
                    _ => format!("v{}", tool.version),
                };
                let required = |line: &str| {
                    let mut words = line.split_whitespace().skip_while(|w| *w == "require");
                    let module = words.next().unwrap_or_default();
                    tool.package.starts_with(module) && words.next() == Some(&version)
                };
                assert!(manifest.lines().any(required), "{}: not at {version}", tool.name);
                assert!(tool.ldflags.is_empty() || tool.ldflags.contains(tool.version));
            }
        }
    }

    #[test]
    fn every_module_asks_for_the_same_go_so_that_its_version_is_asked_once() {
        let go = |family: &Family| {
            let wanted = |l: &&str| l.starts_with("go ") || l.starts_with("toolchain ");
            file(family, "go.mod").lines().filter(wanted).collect::<Vec<_>>().join(" ")
        };
        for family in FAMILIES {
            assert_eq!(go(family), go(&FAMILIES[0]), "{}", family.folder);
        }
    }
}
