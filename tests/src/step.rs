//! A scenario's text: `given`, `when` and `then` lines; a line ending in `:` takes the indented block below it.

use anyhow::{Context, Result, bail};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Line number, from 1.
    pub(crate) line: usize,
    /// `given`, `when` or `then`.
    pub(crate) word: String,
    /// The rest of the line, without a closing `:`.
    pub(crate) text: String,
    /// The indented block, with its indentation taken off.
    pub(crate) block: String,
}

/// Reads a text into steps. Blank lines and lines starting with `#` are for people.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(rest) = line.strip_prefix("  ") {
            let step =
                steps.last_mut().with_context(|| format!("line {}: a block first", index + 1))?;
            step.block.push_str(rest);
            step.block.push('\n');
        } else if !(line.trim().is_empty() || line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if !["given", "when", "then"].contains(&word) {
                bail!("line {}: expected given, when or then, found {word:?}", index + 1);
            }
            let text = rest.trim_end_matches(':').to_owned();
            steps.push(Step { line: index + 1, word: word.to_owned(), text, block: String::new() });
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_belongs_to_the_line_above_it() {
        let steps = parse("# why\ngiven a:\n  x: 1\n    y\n\nthen b\n").unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0].text.as_str(), steps[0].block.as_str()), ("a", "x: 1\n  y\n"));
        assert_eq!((steps[1].line, steps[1].word.as_str()), (6, "then"));
    }

    #[test]
    fn an_unknown_word_is_named_with_its_line() {
        let error = parse("given a\nmaybe b\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: expected given, when or then, found \"maybe\"");
    }
}
