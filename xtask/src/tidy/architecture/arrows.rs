//! The arrows of the code map, one line for each crate between ```` ```arrows ```` and ```` ``` ````, are the table of
//! `layers.rs`: `gitops → types, operator` says that gitops may use types and operator, and nothing else.

use super::super::layers::{LAYERS, Layer};
use super::super::report::Report;
use super::holders::DOCUMENT;

const OPENS: &str = "```arrows";

/// Finds a block that differs from the table.
pub(super) fn check(report: &mut Report, text: &str) {
    let drawn: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != OPENS)
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    let line = text.lines().position(|line| line == OPENS).map_or(1, |at| at + 1);
    let expected = expected(LAYERS);
    if drawn.is_empty() {
        let what = format!("draws no arrows, write\n{OPENS}\n{}\n```", expected.join("\n"));
        return report.find(DOCUMENT, line, what);
    }
    for number in 0..drawn.len().max(expected.len()) {
        let (drawn, expected) = (drawn.get(number), expected.get(number).map(String::as_str));
        if drawn.copied() != expected {
            let (drawn, expected) = (drawn.unwrap_or(&"nothing"), expected.unwrap_or("nothing"));
            let what = format!("draws `{drawn}`, xtask/src/tidy/layers.rs allows `{expected}`");
            report.find(DOCUMENT, line + 1 + number, what);
        }
    }
}

fn expected(layers: &[Layer]) -> Vec<String> {
    let line = |layer: &Layer| match layer.uses {
        [] => layer.name.to_owned(),
        uses => format!("{} → {}", layer.name, uses.join(", ")),
    };
    layers.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(&mut report, text);
        report.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_that_is_drawn_wrong_and_a_map_without_arrows_are_found() {
        let right = format!("# A\n\n{OPENS}\n{}\n```\n", expected(LAYERS).join("\n"));
        assert_eq!(found(&right), Vec::<String>::new());
        let wrong = found(&right.replace("api → types", "api → types, vault"));
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].starts_with("ARCHITECTURE.md:5: error: draws `api → types, vault`"),
            "{wrong:?}"
        );
        assert_eq!(found("# A\n").len(), 1);
        assert_eq!(found(&right.replace("types\napi", "types\n```\napi")).len(), LAYERS.len() - 1);
    }
}
