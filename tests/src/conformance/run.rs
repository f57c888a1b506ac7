//! One case: a namespace of its own, variables, steps.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::http::{self, Answer};
use super::limit::LIMIT;
use super::server::Server;
use super::text::{Ask, Case, Step, yaml};
use super::{compare, kubectl};

/// First and longest pause between two looks at what a controller does.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(400));

pub(super) async fn case(server: &Server, case: &Case, number: usize) -> Result<()> {
    let namespace = format!("conformance-{number}");
    let object: Namespace = serde_json::from_value(json!({ "metadata": { "name": namespace } }))?;
    let namespaces: Api<Namespace> = Api::all(server.admin.clone());
    namespaces.create(&PostParams::default(), &object).await.context("its namespace")?;
    let folder = server.folder.path().join(&namespace);
    std::fs::create_dir(&folder)?;
    let mut run = Run { server, folder, variables: BTreeMap::new(), last: None };
    run.variables.insert("audience".into(), server.audience.clone());
    run.variables.insert("n".into(), number.to_string());
    run.variables.insert("ns".into(), namespace);
    for (line, step) in &case.steps {
        run.step(step).await.with_context(|| format!("line {line}"))?;
    }
    Ok(())
}

struct Run<'a> {
    server: &'a Server,
    folder: std::path::PathBuf,
    variables: BTreeMap<String, String>,
    last: Option<Answer>,
}

impl Run<'_> {
    async fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Ask(ask) => self.ask(ask).await,
            Step::Keep { name, path } => {
                let found = compare::at(&self.last()?.body, path);
                ensure!(!found.is_null(), "nothing at {path}");
                let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
                self.variables.insert(name.clone(), text);
                Ok(())
            }
            Step::Warning(expected) => {
                let found = &self.last()?.warnings;
                let fits = match expected.as_str() {
                    "none" => found.is_empty(),
                    text => found.iter().any(|warning| warning.contains(text)),
                };
                ensure!(fits, "expected warning {expected:?}, found {found:?}");
                Ok(())
            }
            Step::File { name, text } => {
                Ok(std::fs::write(self.folder.join(name), self.fill(text))?)
            }
            Step::Kubectl { args, succeeds, output } => self.kubectl(args, *succeeds, output).await,
        }
    }

    fn last(&self) -> Result<&Answer> {
        self.last.as_ref().context("nothing was asked yet")
    }

    /// Replaces `$name`, the longest names first.
    fn fill(&self, text: &str) -> String {
        let mut names: Vec<&String> = self.variables.keys().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.into_iter().fold(text.to_owned(), |text, name| {
            text.replace(&format!("${name}"), &self.variables[name])
        })
    }

    async fn ask(&mut self, ask: &Ask) -> Result<()> {
        let filled = Ask {
            path: self.fill(&ask.path),
            options: ask.options.iter().map(|(n, v)| (n.clone(), self.fill(v))).collect(),
            body: self.fill(&ask.body),
            ..ask.clone()
        };
        let expected = yaml(&self.fill(&ask.expected))?;
        let events = expected.as_array().map_or(0, Vec::len);
        let deadline = tokio::time::Instant::now() + LIMIT;
        let mut pause = LOOK_AGAIN.0;
        loop {
            let answer = http::ask(self.server, &filled, events).await?;
            let wrong = if answer.code == ask.code {
                compare::differs(&expected, &answer.body, "")
            } else {
                Some(format!("expected {}, found {} {}", ask.code, answer.code, answer.body))
            };
            match wrong {
                None => {
                    self.last = Some(answer);
                    return Ok(());
                }
                Some(wrong) if !ask.until || tokio::time::Instant::now() > deadline => {
                    bail!("{wrong}")
                }
                Some(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LOOK_AGAIN.1);
        }
    }

    async fn kubectl(&mut self, args: &str, succeeds: bool, output: &str) -> Result<()> {
        let words = kubectl::words(&self.fill(args));
        let (succeeded, text) = kubectl::run(self.server, &self.folder, &words).await?;
        let found = kubectl::redact(&text, &self.variables["ns"]);
        ensure!(
            found.trim_end() == output.trim_end() && succeeded == succeeds,
            "kubectl {args}: succeeded: {succeeded}\n--- expected\n{output}--- found\n{found}\n---"
        );
        Ok(())
    }
}
