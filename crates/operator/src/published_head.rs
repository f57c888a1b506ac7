//! Where a ledger chain was last said to end: RuntimeAuthority status, which no restore of the authority turns back.

use kube::Api;
use kube::api::ListParams;
use regent_api::RuntimeAuthority;
use regent_protocol::ledger::Head;
use regent_types::labels;

use crate::api_error::ApiError;

/// Who says where a chain was last known to end.
#[derive(Clone)]
pub enum Published {
    /// RuntimeAuthority of this cluster.
    In(kube::Client),
    /// Nowhere: the chain lies in an authority of somebody else, and is judged by its entries alone.
    Nowhere,
    /// What a test says.
    #[cfg(test)]
    Said(std::sync::Arc<std::sync::Mutex<PublishedHead>>),
}

/// What is published of one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedHead {
    /// The head that was published last; `None` where none was.
    pub head: Option<Head>,
    /// Who accepted that the authority knows less.
    pub accepted: Option<Accepted>,
}

/// That a person accepted what a restore left, for one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The published head that is given up, as text.
    pub head: String,
    /// User name of who accepted it.
    pub by: String,
    /// `namespace/name` of the run.
    pub run: String,
}

impl Accepted {
    /// Whether it speaks of the head that is published now: what is lost after it is accepted anew.
    pub fn is_of(&self, published: Option<&Head>) -> bool {
        published.is_some_and(|head| self.head == head.text())
    }
}

impl Published {
    /// What is published of `chain`, read now.
    ///
    /// # Errors
    /// Whatever the API server says.
    pub async fn read(&self, chain: &str) -> Result<PublishedHead, ApiError> {
        let found = match self {
            Self::In(client) => runtime_authority(client).await?,
            Self::Nowhere => return Ok(PublishedHead::default()),
            #[cfg(test)]
            Self::Said(said) => {
                let said = said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                return Ok(said.clone());
            }
        };
        Ok(found.map(|found| of(&found, chain)).unwrap_or_default())
    }
}

/// The RuntimeAuthority of this cluster as it is now: listed by its name, as everybody may who watches it.
///
/// # Errors
/// Whatever the API server says.
pub async fn runtime_authority(
    client: &kube::Client,
) -> Result<Option<RuntimeAuthority>, ApiError> {
    let name = labels::AUTHORITY_NAME;
    let api: Api<RuntimeAuthority> = Api::all(client.clone());
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = api.list(&params).await;
    let found = found.map_err(|e| ApiError::new("list", format!("RuntimeAuthority {name}"), &e))?;
    Ok(found.items.into_iter().next())
}

fn of(authority: &RuntimeAuthority, chain: &str) -> PublishedHead {
    let Some(status) = &authority.status else { return PublishedHead::default() };
    let accepted = status.accepted_restore.as_ref().and_then(|restore| {
        let head = restore.heads.get(chain)?.clone();
        Some(Accepted { head, by: restore.by.clone(), run: restore.run.clone() })
    });
    let head = status.ledger_heads.get(chain).and_then(|text| Head::parse(text));
    PublishedHead { head, accepted }
}
