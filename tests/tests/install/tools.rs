//! Running regent, helm and kubectl, and what they printed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regent_tests::binary;
use regent_tests::real::{self, Error, Options, Real, Tools};
use serde_json::Value;

/// What a command printed, and whether it succeeded.
pub(crate) struct Printed {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) fine: bool,
}

impl Printed {
    /// Standard output of a command that had to succeed.
    pub(crate) fn expect(self) -> String {
        assert!(self.fine, "{}{}", self.out, self.err);
        self.out
    }
}

/// Runs to the end, with nothing but what is given: no kubeconfig of whoever runs the tests.
pub(crate) fn run(program: &Path, args: &[&str], env: &[(&str, &str)], input: &str) -> Printed {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(program)
        .args(args)
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", home.path())
        .envs(env.iter().copied())
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Beside the reading of its output: neither pipe may fill up. One that reads no input may close it.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
    let output = child.wait_with_output().unwrap();
    let _written = writer.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Printed { out: text(&output.stdout), err: text(&output.stderr), fine: output.status.success() }
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `regent` without a cluster.
pub(crate) fn regent(args: &[&str]) -> Printed {
    run(&binary::path().unwrap(), args, &[], "")
}

/// The binaries, or that they are not there, which is a failure where all worlds are wanted.
pub(crate) fn tools() -> Option<Tools> {
    match Tools::find() {
        Err(error @ Error::Absent { .. }) if !real::all_worlds_wanted() => {
            eprintln!("skipped: real kube-apiserver, Helm: {error}");
            None
        }
        found => Some(found.unwrap()),
    }
}

/// A cluster of its own, or that it cannot be had.
pub(crate) async fn cluster() -> Option<Cluster> {
    let tools = tools()?;
    let real = Real::start(Options::default()).await.unwrap();
    let kubeconfig = real.kubeconfig().display().to_string();
    Some(Cluster { real, tools, kubeconfig })
}

/// A real control plane and the programs that a person uses on it.
pub(crate) struct Cluster {
    pub(crate) real: Real,
    pub(crate) tools: Tools,
    kubeconfig: String,
}

impl Cluster {
    pub(crate) fn env(&self) -> [(&str, &str); 1] {
        [("KUBECONFIG", &self.kubeconfig)]
    }

    pub(crate) fn kubectl(&self, args: &[&str], input: &str) -> Printed {
        run(&self.real.kubectl(), args, &self.env(), input)
    }

    pub(crate) fn helm(&self, args: &[&str]) -> Printed {
        run(&self.tools.path("helm"), args, &self.env(), "")
    }

    pub(crate) fn regent(&self, args: &[&str]) -> Printed {
        run(&binary::path().unwrap(), args, &self.env(), "")
    }

    /// Applies as docs/install.md does; a warning is a failure.
    pub(crate) fn apply(&self, objects: &str) -> String {
        let printed = self.kubectl(&["apply", "--server-side", "-f", "-"], objects);
        assert!(!printed.err.contains("Warning"), "{}", printed.err);
        printed.expect()
    }

    /// The bytes that the API server answers.
    pub(crate) fn raw(&self, path: &str) -> String {
        self.kubectl(&["get", "--raw", path], "").expect()
    }

    /// The names of all objects of a kind.
    pub(crate) fn names(&self, kind: &str, namespace: &str) -> Vec<String> {
        let args = ["-n", namespace, "get", kind, "-o", "jsonpath={.items[*].metadata.name}"];
        self.kubectl(&args, "").expect().split_whitespace().map(str::to_owned).collect()
    }

    /// Waits until `kind` has the condition.
    pub(crate) fn wait(&self, what: &[&str]) {
        let args = [&["wait", "--timeout=60s"], what].concat();
        self.kubectl(&args, "").expect();
    }
}

/// Objects as a set: by kind, namespace and name. The same object twice is a failure.
pub(crate) fn set(objects: &[Value]) -> BTreeMap<String, Value> {
    let mut set = BTreeMap::new();
    for object in objects {
        let meta = &object["metadata"];
        let key = format!("{} {} {}", object["kind"], meta["namespace"], meta["name"]);
        assert!(set.insert(key.clone(), object.clone()).is_none(), "{key} twice");
    }
    set
}

/// The objects of a `kind: List` in JSON.
pub(crate) fn items(text: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(text).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// The objects of a stream of YAML documents.
pub(crate) fn stream(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    all.into_iter().filter(|document| !document.is_null()).collect()
}
