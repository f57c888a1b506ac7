//! `docs/install.md`: its commands, as they stand there, in order, each section on a cluster of its own.

use std::os::unix::fs::symlink;
use std::path::Path;

use regent_tests::binary;

use crate::tools::{Cluster, cluster, repository, run};

/// The `sh` blocks of the section under `heading`.
fn commands(heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let blocks: Vec<String> =
        blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "no commands under {heading}");
    blocks
}

/// A folder as a reader of the document has it: the chart beside, and the programs on the path.
fn desk(cluster: &Cluster) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(binary::path().unwrap(), bin.join("regent")).unwrap();
    symlink(cluster.real.kubectl(), bin.join("kubectl")).unwrap();
    symlink(cluster.tools.path("helm"), bin.join("helm")).unwrap();
    symlink(repository().join("charts"), place.path().join("charts")).unwrap();
    place
}

async fn works_as_written(heading: &str) {
    let Some(cluster) = cluster().await else { return };
    let desk = desk(&cluster);
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}/bin:{path}", desk.path().display());
    let home = desk.path().display().to_string();
    for block in commands(heading) {
        let script = format!("cd {home}\n{block}");
        let env = [&cluster.env()[..], &[("PATH", &path), ("HOME", &home)]].concat();
        let printed = run(Path::new("/bin/sh"), &["-eu"], &env, &script);
        assert!(printed.fine, "{block}{}{}", printed.out, printed.err);
        assert!(!printed.err.contains("Warning"), "{block}{}", printed.err);
    }
}

/// C2-4: no step that is not written down.
#[tokio::test(flavor = "multi_thread")]
async fn installing_with_kubectl_works_as_written() {
    works_as_written("With kubectl").await;
}

/// C2-4: the example of an authority outside the cluster is what the definitions take, with no field unknown.
#[tokio::test(flavor = "multi_thread")]
async fn an_own_authority_is_declared_as_written() {
    works_as_written("With your own OpenBao or Vault").await;
}

/// C2-4: the same with Helm.
#[tokio::test(flavor = "multi_thread")]
async fn installing_with_helm_works_as_written() {
    works_as_written("With Helm").await;
}
