//! The text of the cases, parsed.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// A claim about the API.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is claimed of the API, in words.
    pub name: String,
    /// Where the claim stands, as `file:line`.
    pub place: String,
    pub(super) steps: Vec<(usize, Step)>,
}

impl Case {
    /// Whether it needs `kubectl`.
    pub fn needs_kubectl(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Kubectl { .. }))
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A request and what is expected.
    Ask(Ask),
    /// Remembers a field of the last answer.
    Keep { name: String, path: String },
    /// What a `Warning` header of the last answer says; `none`: there is none.
    Warning(String),
    /// A file for kubectl.
    File { name: String, text: String },
    /// A command, whether it succeeds, and what it prints.
    Kubectl { args: String, succeeds: bool, output: String },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) path: String,
    /// `as=`, `group=`, `token=`, `type=`, `accept=`, `raw=`.
    pub(super) options: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) until: bool,
    pub(super) code: u16,
    pub(super) expected: String,
}

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "WATCH"];

/// Parses a file of cases.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut cases: Vec<Case> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (number, line) = (at + 1, lines[at]);
        at += 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let block = indented(&lines, &mut at);
        let placed = || format!("{file}:{number}: {line}");
        if let Some(name) = line.strip_prefix("case ") {
            let (name, place) = (name.to_owned(), format!("{file}:{number}"));
            cases.push(Case { name, place, steps: Vec::new() });
            continue;
        }
        let case = cases.last_mut().with_context(|| format!("{} is in no case", placed()))?;
        if let Some(rest) = line.strip_prefix("=> ") {
            let last = case.steps.last_mut();
            let Some((_, Step::Ask(ask))) = last else { bail!("{} follows no request", placed()) };
            answer(ask, rest, &block).with_context(placed)?;
        } else {
            case.steps.push((number, step(line, block).with_context(placed)?));
        }
    }
    for case in &cases {
        let open = case.steps.iter().find(|(_, s)| matches!(s, Step::Ask(ask) if ask.code == 0));
        ensure!(open.is_none(), "{file}: a request of {:?} expects nothing", case.name);
        ensure!(!case.steps.is_empty(), "{file}: {:?} claims nothing", case.name);
    }
    Ok(cases)
}

fn indented(lines: &[&str], at: &mut usize) -> String {
    let mut block = String::new();
    while let Some(line) = lines.get(*at) {
        // An empty line is of the block where the block goes on after it.
        let next = lines[*at..].iter().find(|line| !line.is_empty());
        let goes_on = next.is_some_and(|next| next.starts_with("  "));
        let Some(line) = line.strip_prefix("  ").or((line.is_empty() && goes_on).then_some(""))
        else {
            break;
        };
        block.push_str(line);
        block.push('\n');
        *at += 1;
    }
    block
}

fn step(line: &str, block: String) -> Result<Step> {
    let (word, rest) = line.split_once(' ').context("a word and more")?;
    let kubectl = |succeeds| -> Result<Step> {
        let args = rest.strip_prefix("kubectl ").context("only kubectl is run")?.to_owned();
        Ok(Step::Kubectl { args, succeeds, output: block.clone() })
    };
    Ok(match word {
        "keep" => {
            let (name, path) = rest.split_once(" = ").context("keep NAME = PATH")?;
            Step::Keep { name: name.to_owned(), path: path.to_owned() }
        }
        "warning" => Step::Warning(rest.to_owned()),
        "file" => Step::File { name: rest.to_owned(), text: block },
        "$" => kubectl(true)?,
        "!" => kubectl(false)?,
        method if METHODS.contains(&method) => {
            let mut parts = rest.split(" | ");
            let path = parts.next().unwrap_or_default().trim().to_owned();
            let options = parts
                .map(|part| {
                    let (name, value) = part.split_once('=').context("NAME=VALUE after `|`")?;
                    Ok((name.to_owned(), value.to_owned()))
                })
                .collect::<Result<_>>()?;
            let method = method.to_owned();
            Step::Ask(Ask { method, path, options, body: block, ..Ask::default() })
        }
        other => bail!("unknown step {other:?}"),
    })
}

fn answer(ask: &mut Ask, rest: &str, block: &str) -> Result<()> {
    let (until, rest) = match rest.strip_prefix("until ") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (code, inline) = rest.split_once(' ').unwrap_or((rest, ""));
    ensure!(ask.code == 0, "a second answer to one request");
    ask.code = code.parse().context("a status code")?;
    ask.until = until;
    ask.expected = format!("{inline}\n{block}");
    Ok(())
}

/// YAML, of which JSON is a part.
pub(super) fn yaml(text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    serde_saphyr::from_str(text).with_context(|| format!("not YAML: {text}"))
}
