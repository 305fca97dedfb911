//! How a sale stands, as the scripts say it that sell from it, and which refusals that leaves in
//! doubt.

use redis::Value;

use crate::domain::purchase::outcome::{Refusal, RestsOn};
use crate::domain::purchase::standing::{Grants, Standing};
use crate::domain::sale::Door;
use crate::failure::{Failure, Result};
use crate::store::decode::{number, unexpected, word};

/// What becomes of an answer that rests on this, when too few replicas have it.
pub(in crate::store) fn doubt(rests_on: RestsOn, short: &Failure) -> Option<Failure> {
    match rests_on {
        RestsOn::Order => Some(short.clone()),
        RestsOn::Stock => Some(refusal_in_doubt(short)),
        RestsOn::Terms => None,
    }
}

/// What becomes of a refusal that may not be true after a failover.
pub(in crate::store) fn refusal_in_doubt(short: &Failure) -> Failure {
    let why = short.reason();
    Failure::Busy(format!(
        "it was refused by what may yet be forgotten: {why}"
    ))
}

/// Decodes how a sale stands that was asked for at `door`, as `script` says it.
pub fn standing(script: &str, parts: &[Value], door: Door) -> Result<Standing> {
    let [left, count, last_at, phase, purchase_max, opens_in] = parts else {
        return Err(unexpected(script, &format!("{parts:?}")));
    };
    let closed = match word(script, phase)?.as_str() {
        "open" => None,
        word => Some(Refusal::parse(word).ok_or_else(|| unexpected(script, word))?),
    };
    let purchase_max = number(script, purchase_max)?;
    Ok(Standing {
        door,
        left: number(script, left)?,
        grants: Grants {
            last_at: number(script, last_at)?,
            count: number(script, count)?,
        },
        closed,
        purchase_max: u32::try_from(purchase_max).unwrap_or(u32::MAX),
        opens_in: number(script, opens_in)?,
    })
}
