//! Who may write what (S5.5-3), as a table: each rule of the admission policies with cases that pass and cases that
//! are refused, tried dry over HTTP as the component itself, the wrong component, a namespace's admin, a cluster's
//! admin, a holder of the break-glass verb and Kubernetes' own controllers. RBAC lets every one of them through, so
//! that whatever is refused, a policy refused.
//!
//! ```text
//! people    who tries       fixtures   what is there before       row    one case
//! secrets   rows about Secrets         declarations   rows about PushSecrets and RuntimeSecrets
//! removal   rows about what takes other things with it
//! endings   garbage collection and the end of a namespace, for real
//! ```
//!
//! Nothing here knows which API server answers.

mod declarations;
mod endings;
mod fixtures;
mod people;
mod removal;
mod row;
mod secrets;

use anyhow::{Result, bail};
use regent_operator::Shutdown;
use regent_types::identity::Identity;

pub use endings::endings;
pub use fixtures::{accounts, install};
pub use people::{Who, client};

/// Runs every row; `admin` is of `system:masters`. Fails with all that went another way.
pub async fn table(admin: &kube::Client) -> Result<()> {
    fixtures::prepare(admin).await?;
    in_force(admin).await?;
    let mut wrong = Vec::new();
    let rows = secrets::rows().into_iter().chain(declarations::rows()).chain(removal::rows());
    let rows: Vec<_> = rows.collect();
    for row in &rows {
        if let Err(found) = row.run(admin).await {
            wrong.push(found);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{} of {} rows went another way:\n{}", wrong.len(), rows.len(), wrong.join("\n"))
}

/// Waits as the components do. The other policies were installed before these two.
async fn in_force(admin: &kube::Client) -> Result<()> {
    let (_stop, shutdown) = Shutdown::new();
    let api = client(admin, Who::Component(Identity::Materializer))?;
    let waited = regent_operator::admission::wait(&api, Identity::Materializer, &shutdown);
    tokio::time::timeout(crate::world::LIMIT, waited).await?;
    Ok(())
}
