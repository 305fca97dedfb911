//! Payments: what operators put into an account of an event, or take out of it, each once.

use redis::Value;

use crate::domain::ids::Event;
use crate::domain::money::CENTS_MAX;
use crate::domain::payment::{PayOutcome, PayRefusal, Payment};
use crate::failure::Result;
use crate::store::Store;
use crate::store::decode::{number, unexpected, word};
use crate::store::script::ACCOUNT_PAY;

impl Store {
    /// Makes a payment. A repeat gets the first answer and pays nothing.
    ///
    /// # Errors
    /// As [`Failure`](crate::failure::Failure) says.
    pub async fn account_pay(&self, event: &Event, payment: &Payment) -> Result<PayOutcome> {
        let keys = self.keys.of_payment(event.as_str());
        let call = ACCOUNT_PAY
            .on(&keys)
            .arg(payment.username.as_str())
            .arg(payment.request.as_str())
            .arg(payment.signed_amount())
            .arg(CENTS_MAX);
        let changes = |outcome: &PayOutcome| matches!(outcome, PayOutcome::Paid { .. });
        self.change_as(call, |reply| outcome(&reply), changes).await
    }
}

fn outcome(reply: &Value) -> Result<PayOutcome> {
    let script = "account_pay";
    let nothing = || unexpected(script, &format!("{reply:?}"));
    let Value::Array(parts) = reply else {
        return Err(nothing());
    };
    let (answer, balance) = match parts.as_slice() {
        [answer] => (word(script, answer)?, None),
        [answer, balance] => (word(script, answer)?, Some(number(script, balance)?)),
        _ => return Err(nothing()),
    };
    match (answer.as_str(), balance) {
        ("paid", Some(balance)) => Ok(PayOutcome::Paid { balance }),
        (word, balance) => {
            let refusal = PayRefusal::parse(word, balance).ok_or_else(nothing)?;
            Ok(PayOutcome::Refused(refusal))
        }
    }
}
