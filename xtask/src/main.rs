//! Project tasks: `cargo xtask gen|test|ci|bench|tidy|tools`. Each runs alone and says what it did.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod banner;
mod bench;
mod bench_requests;
mod chart;
mod generate;
mod load;
mod models;
mod repeat;
mod root;
mod run;
mod tidy;
mod tools;

use std::process::ExitCode;

use root::root;

const HELP: &str = "\
cargo xtask TASK

  gen [--check]        writes config/ (CRDs, RBAC, authority policies, route table) and charts/regent; --check fails on a diff
  test [--hermetic]    every test: unit, scenarios through the real binary; ends with the closing counts
  test --repeat N [--load]  the same N times, in all four worlds unless hermetic: how often each test failed; fails if
                       anything failed once. --load keeps every core busy meanwhile
  ci                   what CI runs: fmt, clippy, tidy, gen --check, deny, doc, test
  tidy [CHECK ...]     house rules that no lint knows; of checks that are named, with details
  models               the protocols explored whole: how many worlds each model went through
  bench [N ...]        empty cluster to steady state: the example, 100 and 1,000 secrets; RSS, idle CPU, size
  bench real [N ...]   the same on a real control plane, 1,000 secrets: memory, requests while idle and at a restart
  bench authority [SECONDS]  the embedded authority beside OpenBao: reads, writes, tokens, logins, health; ratios
  bench authority strain [KEYS]  what the embedded one's opening, held bodies and forged logins cost
  bench delivery [N]   the materializer on a real control plane with OpenBao: N ExternalSecrets, cold; requests each
  bench git [N]        one GitSource of N ConfigMaps on a real control plane: time, requests, and what a minute costs
  tools [--only NAME,NAME]  builds the real control plane of the tests once: kube-apiserver, kube-controller-manager,
                       kubectl, etcd, bao (OpenBao), sops, helm; links them in target/tools/bin; needs Go
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let done = match args.first().map(String::as_str) {
        Some("gen") => generate::run(rest.contains(&"--check")),
        Some("test") => run::test(&rest),
        Some("ci") => run::ci(),
        Some("tidy") => tidy::run_named(&rest),
        // What `test --load` starts.
        Some("busy") => {
            load::busy();
            Ok(())
        }
        Some("models") => models::run(),
        Some("bench") => bench::run(&rest),
        Some("tools") => tools::run(&rest),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
