//! Histories: their form in replies, and the new one that follows a loss.

use redis::Value;

use crate::domain::ids::SaleId;
use crate::domain::purchase::standing::Grants;
use crate::domain::sale::ResumeOutcome;
use crate::domain::sale::history::{History, Past};
use crate::failure::Result;
use crate::store::Store;
use crate::store::decode::{unexpected, word};
use crate::store::script::SALE_RESUME;
use crate::store::whole::whole_of;

/// Random bytes of the word of a history.
const WORD_BYTES: usize = 5;

/// A word that no other history has.
pub(in crate::store) fn new_word() -> String {
    let bytes = rand::random::<[u8; WORD_BYTES]>();
    data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase()
}

/// Decodes the history in a reply of `script`; `None` for an empty text.
pub(in crate::store) fn past(
    script: &str,
    history: &Value,
    grants: Grants,
) -> Result<Option<Past>> {
    let text = word(script, history)?;
    if text.is_empty() {
        return Ok(None);
    }
    let history =
        History::parse(&text).map_err(|e| unexpected(script, &format!("{text:?}: {e}")))?;
    Ok(Some(Past { history, grants }))
}

fn resumed(reply: &Value) -> Result<ResumeOutcome> {
    match word("sale_resume", reply)?.as_str() {
        "resumed" => Ok(ResumeOutcome::Resumed),
        "no_such_sale" => Ok(ResumeOutcome::NoSuchSale),
        "being_cleared" => Ok(ResumeOutcome::BeingCleared),
        other => Err(unexpected("sale_resume", other)),
    }
}

impl Store {
    /// Lets a sale sell again after Redis lost orders of it, with a new history. It goes on with
    /// what Redis has now.
    ///
    /// # Errors
    /// As [`Failure`](crate::failure::Failure) says. It may safely be sent again.
    pub async fn sale_resume(&self, id: &SaleId) -> Result<ResumeOutcome> {
        let keys = [self.keys.sale(id), self.keys.deleted(id.event())];
        let call = SALE_RESUME.on(&keys).arg(id.as_str()).arg(new_word());
        let changes = |outcome: &ResumeOutcome| *outcome == ResumeOutcome::Resumed;
        self.change_as(call, |reply| resumed(&reply), changes).await
    }

    /// The number of the last history of a deleted sale; `None` if no operator deleted it.
    ///
    /// # Errors
    /// [`Failure::Busy`](crate::failure::Failure::Busy): no answer within the timeout.
    pub async fn sale_deleted(&self, id: &SaleId) -> Result<Option<u64>> {
        let key = self.keys.deleted(id.event());
        let found = self.hash_field(key.clone(), id.as_str()).await?;
        let number = found.map(|number| whole_of(format_args!("{id} of {key}"), number.as_bytes()));
        number.transpose()
    }
}
