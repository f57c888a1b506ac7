//! A scenario: which worlds its text is for, and how it is run there.

use anyhow::{Context, Result, ensure};

use crate::World;
use crate::named;
use crate::step::parse;
use crate::steps;
use crate::times::Times;
use crate::worlds::{Api, Authority, WorldKind};

/// Steps that nobody wants, or is able, to do to a cluster that is somebody's own.
const NOT_ON_OWN: [(&str, &str); 1] =
    [("when the cluster is lost", "a cluster of your own is not taken away")];

/// Why a text is not for worlds of `kind`: a line `# only WORLD: why` names another one, or a step needs what a
/// cluster of the user's own does not give.
pub fn unfit(text: &str, kind: WorldKind) -> Option<&str> {
    let only = text.lines().find_map(|line| line.strip_prefix("# only "));
    let elsewhere = |only: &&str| {
        let word = only.split(':').next().unwrap_or_default();
        !kind.to_string().contains(word)
    };
    let missing = || NOT_ON_OWN.iter().find(|(step, _)| text.lines().any(|line| line == *step));
    let beyond = |line: &str| named::NOT_ON_NAMED.iter().any(|begin| line.starts_with(begin));
    let named = kind.authority == Authority::Named;
    only.filter(elsewhere)
        .or_else(|| (kind.api == Api::Own).then(missing).flatten().map(|(_, why)| *why))
        .or_else(|| {
            (named && text.lines().any(beyond))
                .then_some("an authority of your own is left as it runs")
        })
}

/// Runs a text in a world of `kind`, which it has for itself.
pub async fn run(text: &str, kind: WorldKind) -> Result<()> {
    let steps = parse(text)?;
    let mut times = Times::start(kind);
    let mut world = World::new(kind).await?;
    times.tell(0, "a world")?;
    let mut done = Ok(());
    for step in &steps {
        done = steps::run(&mut world, step)
            .await
            .with_context(|| format!("line {}: {} {}", step.line, step.word, step.text));
        times.tell(step.line, &format!("{} {}", step.word, step.text))?;
        if done.is_err() {
            break;
        }
    }
    let state = if done.is_err() { world.describe().await } else { String::new() };
    let (refused, ended) = world.end().await;
    times.tell(0, "its end")?;
    done.with_context(|| state)?;
    ended.context("ending the world")?;
    ensure!(refused.is_empty(), "components beyond their Roles or policies: {refused:#?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_skipped_where_it_cannot_hold() {
        use crate::worlds::Authority::{Embedded, Named, OpenBao};
        let kind = |api, authority| WorldKind { api, authority };
        let why = "# only openbao: of no other\ngiven a\n";
        assert_eq!(unfit(why, kind(Api::Real, OpenBao)), None);
        assert_eq!(unfit(why, kind(Api::Real, Embedded)), Some("openbao: of no other"));
        let lost = "when the cluster is lost\n";
        assert_eq!(unfit(lost, kind(Api::Sandbox, Embedded)), None);
        assert!(unfit(lost, kind(Api::Own, Embedded)).is_some());
        let stopped = "given a\nwhen the authority is stopped\n";
        assert_eq!(unfit(stopped, kind(Api::Own, Embedded)), None);
        assert!(unfit(stopped, kind(Api::Own, Named)).is_some());
        assert!(unfit(why, kind(Api::Own, Named)).is_some());
    }
}
