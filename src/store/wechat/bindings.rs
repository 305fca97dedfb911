//! Bindings: which student number a chat user has, one to one.

use crate::domain::ids::{Number, OpenId};
use crate::failure::{Failure, Result};
use crate::store::Store;
use crate::store::connection::lane::Needs;
use crate::store::decode::{unexpected, words};
use crate::store::script::{NUMBER_BIND, NUMBER_UNBIND};

/// All possible answers when a number is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindOutcome {
    /// They are bound to each other from now on.
    Bound,
    /// They were bound already.
    Repeated,
    /// Refused: the openid has this other number, which must be unbound first.
    BoundOtherwise(Number),
    /// Refused: the number is bound to another openid.
    Taken,
}

impl Store {
    /// Binds an openid and a number to each other. Safe to repeat.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn number_bind(&self, openid: &OpenId, number: &Number) -> Result<BindOutcome> {
        let keys = self.keys.of_bindings();
        let call = NUMBER_BIND.on(&keys);
        let call = call.arg(openid.as_str()).arg(number.as_str());
        let reply = self.change_in_time(call, Needs::Everything).await?;
        let parts = words("number_bind", reply)?;
        match parts.as_slice() {
            [outcome] if outcome == "bound" => Ok(BindOutcome::Bound),
            [outcome] if outcome == "repeated" => Ok(BindOutcome::Repeated),
            [outcome] if outcome == "taken" => Ok(BindOutcome::Taken),
            [outcome, bound] if outcome == "bound_otherwise" => {
                Ok(BindOutcome::BoundOtherwise(number_in(bound)?))
            }
            other => Err(unexpected("number_bind", &format!("{other:?}"))),
        }
    }

    /// Unbinds an openid from its number, and returns the number; `None` if it had none. The
    /// tickets stay with the number.
    ///
    /// # Errors
    /// As [`Store::number_bind`].
    pub async fn number_unbind(&self, openid: &OpenId) -> Result<Option<Number>> {
        let freed = self.unbind("openid", openid.as_str()).await?;
        freed.as_deref().map(number_in).transpose()
    }

    /// Unbinds a number from its openid, and returns the openid; `None` if it had none.
    ///
    /// # Errors
    /// As [`Store::number_bind`]; [`Failure::Unreadable`] also when what had the number is no
    /// openid. The number is free then, too.
    pub async fn number_free(&self, number: &Number) -> Result<Option<OpenId>> {
        let freed = self.unbind("number", number.as_str()).await?;
        let freed = freed.map(|openid| {
            let wrong = |e| format!("number {number} is free now; it was bound to {openid:?}: {e}");
            OpenId::parse(&openid).map_err(|e| Failure::Unreadable(wrong(e)))
        });
        freed.transpose()
    }

    async fn unbind(&self, by: &str, name: &str) -> Result<Option<String>> {
        let keys = self.keys.of_bindings();
        let call = NUMBER_UNBIND.on(&keys).arg(by).arg(name);
        let reply = self.change_in_time(call, Needs::Everything).await?;
        let parts = words("number_unbind", reply)?;
        match parts.as_slice() {
            [outcome] if outcome == "not_bound" => Ok(None),
            [outcome, other] if outcome == "unbound" => Ok(Some(other.clone())),
            other => Err(unexpected("number_unbind", &format!("{other:?}"))),
        }
    }

    /// The number that an openid is bound to; `None` if there is none.
    ///
    /// # Errors
    /// [`Failure::Busy`] when there is no answer within the timeout, [`Failure::Unreadable`] when
    /// what is stored is no number.
    pub async fn number_of(&self, openid: &OpenId) -> Result<Option<Number>> {
        let [numbers, _] = self.keys.of_bindings();
        let found = self.hash_field(numbers, openid.as_str()).await?;
        found.as_deref().map(number_in).transpose()
    }

    /// The openid that a number is bound to; `None` if there is none.
    ///
    /// # Errors
    /// As [`Store::number_of`].
    pub async fn openid_of(&self, number: &Number) -> Result<Option<OpenId>> {
        let [_, openids] = self.keys.of_bindings();
        let found = self.hash_field(openids, number.as_str()).await?;
        let openid = found.map(|openid| {
            let wrong =
                |e| Failure::Unreadable(format!("number {number} is bound to {openid:?}: {e}"));
            OpenId::parse(&openid).map_err(wrong)
        });
        openid.transpose()
    }
}

fn number_in(text: &str) -> Result<Number> {
    let wrong = |e| Failure::Unreadable(format!("an openid is bound to {text:?}: {e}"));
    Number::parse(text).map_err(wrong)
}
