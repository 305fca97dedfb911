//! Payments: money that an operator puts into an account, or takes out of it, exactly once.

use super::ids::{RequestId, Username};
use super::money::{Amount, CENTS_MAX};
use super::whole::whole;

/// Which way the money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the account.
    Deposit,
    /// Out of it.
    Withdrawal,
}

impl Direction {
    /// The code of the answer to a payment that was made.
    pub fn code(self) -> &'static str {
        match self {
            Self::Deposit => "deposited",
            Self::Withdrawal => "withdrawn",
        }
    }
}

/// A requested payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Whose account.
    pub username: Username,
    /// The operator's name for this payment. A repeat gets the same answer.
    pub request: RequestId,
    /// Which way.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
}

impl Payment {
    /// The amount as Redis keeps it: with a minus if it is taken out.
    pub fn signed_amount(&self) -> String {
        let minus = match self.direction {
            Direction::Deposit => "",
            Direction::Withdrawal => "-",
        };
        format!("{minus}{}", self.amount.get())
    }
}

/// The result of a payment. A failure to decide is an error, not an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayOutcome {
    /// It was made, now or by an earlier request with the same id.
    Paid {
        /// Cents that the account had right after it.
        balance: u64,
    },
    /// Nothing was paid.
    Refused(PayRefusal),
}

/// Why nothing was paid. A refusal changes nothing, and the request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayRefusal {
    /// This request id of this account belongs to a different payment.
    RequestIdReused,
    /// The account does not exist, so nothing can be taken out.
    NoSuchAccount,
    /// The account has less than the amount.
    InsufficientBalance {
        /// Cents that it has.
        balance: u64,
    },
    /// More than [`CENTS_MAX`] would have been paid into the account.
    LimitPassed,
    /// The event was archived: Redis does not know its payments any more.
    Archived,
}

impl PayRefusal {
    /// The code in answers and logs, and the word in Lua.
    pub fn code(self) -> &'static str {
        match self {
            Self::RequestIdReused => "request_id_reused",
            Self::NoSuchAccount => "no_such_account",
            Self::InsufficientBalance { .. } => "insufficient_balance",
            Self::LimitPassed => "limit_passed",
            Self::Archived => "archived",
        }
    }

    /// The refusal of a Lua word, and the balance that one of them has. `None` if the word is
    /// unknown.
    pub fn parse(word: &str, balance: Option<u64>) -> Option<Self> {
        match (word, balance) {
            ("request_id_reused", None) => Some(Self::RequestIdReused),
            ("no_such_account", None) => Some(Self::NoSuchAccount),
            ("insufficient_balance", Some(balance)) => Some(Self::InsufficientBalance { balance }),
            ("limit_passed", None) => Some(Self::LimitPassed),
            ("archived", None) => Some(Self::Archived),
            _ => None,
        }
    }
}

/// True for a valid record of a payment: the signed amount, a tab, and the balance after it. The
/// balance has at least the deposit; with a withdrawal added back it is within the limit.
pub fn is_record(text: &str) -> bool {
    let Some((amount, balance)) = text.split_once('\t') else {
        return false;
    };
    let taken_out = amount.strip_prefix('-');
    let amount = Amount::parse(taken_out.unwrap_or(amount)).map(Amount::get);
    match (amount, whole(balance)) {
        (Ok(amount), Some(balance)) if taken_out.is_some() => amount + balance <= CENTS_MAX,
        (Ok(amount), Some(balance)) => amount <= balance && balance <= CENTS_MAX,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_word() {
        for refusal in [
            PayRefusal::RequestIdReused,
            PayRefusal::NoSuchAccount,
            PayRefusal::InsufficientBalance { balance: 7 },
            PayRefusal::LimitPassed,
            PayRefusal::Archived,
        ] {
            let has_balance = matches!(refusal, PayRefusal::InsufficientBalance { .. });
            for balance in [None, Some(7)] {
                let found = PayRefusal::parse(refusal.code(), balance);
                let expected = (has_balance == balance.is_some()).then_some(refusal);
                assert_eq!(found, expected, "{refusal:?}");
            }
        }
        assert_eq!(PayRefusal::parse("paid", None), None);
    }

    #[test]
    fn a_record_is_a_payment_that_can_have_been_made() {
        for text in [
            "1\t1",
            "500\t900",
            "-500\t0",
            "100000000000000\t100000000000000",
        ] {
            assert!(is_record(text), "{text:?}");
        }
        for text in [
            "",
            "5",
            "5 9",
            "0\t9",
            "-0\t9",
            "05\t9",
            "+5\t9",
            "--5\t9",
            "5\t09",
            "5\t-9",
            "5\t9\t",
            "5\t",
            "\t9",
            // Less is there than was put in; more than there ever can be.
            "5\t4",
            "1\t100000000000001",
            "-1\t100000000000000",
        ] {
            assert!(!is_record(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_taken_out_has_a_minus() {
        let payment = |direction| Payment {
            username: Username::parse("x".to_owned()).expect("valid"),
            request: RequestId::parse("r".to_owned()).expect("valid"),
            direction,
            amount: Amount::parse("500").expect("valid"),
        };
        assert_eq!(payment(Direction::Deposit).signed_amount(), "500");
        assert_eq!(payment(Direction::Withdrawal).signed_amount(), "-500");
    }
}
