//! Erasing: takes the names of persons out of what stays of an archived event.
//!
//! A person gets one random word in place of the name, in orders, buyers and the account at once.
//! Nothing keeps which word was whose name, so nobody can find out later, and nobody guesses one.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use super::Keeper;
use crate::domain::archive::{Erased, is_erased};
use crate::domain::ids::SaleId;
use crate::failure::Result;
use crate::store::connection::scan::Scanner;
use crate::store::decode::{number, unexpected, word};
use crate::store::script::ARCHIVE_ERASE;
use crate::store::{Store, record};

/// Orders and persons in one script call: a few milliseconds of Redis. A person is never divided.
const BATCH: usize = 500;
/// Random bytes of a word.
const WORD_BYTES: usize = 16;

/// Persons by their names, each with the ids of all orders.
type Persons = BTreeMap<String, BTreeSet<String>>;

impl Store {
    /// Replaces the names in everything that an archived event still has. `None`: the event was
    /// deleted meanwhile.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer: some names are replaced, each wholly. The
    /// same again goes on.
    pub(in crate::store) async fn archive_erase(
        &self,
        event: &str,
        sales: &[SaleId],
        keeper: &mut dyn Keeper,
    ) -> Result<Option<Erased>> {
        let keys = self.keys.of_archive_erase(event, sales);
        let names: Vec<&str> = sales.iter().map(SaleId::as_str).collect();
        let persons: Vec<_> = self.persons(event, keeper).await?.into_iter().collect();
        let mut erased = Erased::default();
        for batch in batches(&persons) {
            let mut call = ARCHIVE_ERASE.on(&keys).arg(&names);
            for (name, orders) in batch {
                let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
                call = call.arg(name).arg(new_word()).arg(orders.len()).arg(orders);
            }
            let Some(more) = told(&self.change(call).await?)? else {
                return Ok(None);
            };
            erased.persons += more.persons;
            erased.kept += more.kept;
        }
        Ok(Some(erased))
    }

    /// Everybody who is named in the event. It is closed, so nobody comes to it.
    async fn persons(&self, event: &str, keeper: &mut dyn Keeper) -> Result<Persons> {
        let mut persons = Persons::new();
        let mut scan = self.scan(Scanner::Operator).await?;
        let [accounts, paid_in, _] = self.keys.of_accounts(event);
        for key in [self.keys.orders(event), accounts, paid_in] {
            let is_orders = key == self.keys.orders(event);
            let mut cursor = Some(0);
            while let Some(at) = cursor {
                let (next, pairs) = scan.page("HSCAN", &key, at).await?;
                for (field, value) in &pairs {
                    let field = String::from_utf8_lossy(field);
                    if !is_orders {
                        persons.entry(field.into_owned()).or_default();
                    } else if let Ok(order) = record::decode(&field, value) {
                        let orders = persons.entry(order.username.to_string()).or_default();
                        orders.insert(field.into_owned());
                    }
                }
                keeper.looked_at(pairs.len() as u64);
                cursor = next;
            }
        }
        scan.end().await?;
        persons.retain(|name, _| !is_erased(name));
        Ok(persons)
    }
}

/// Slices of so many persons and orders.
fn batches(persons: &[(String, BTreeSet<String>)]) -> Vec<&[(String, BTreeSet<String>)]> {
    let (mut batches, mut begin, mut size) = (Vec::new(), 0, 0);
    for (n, (_, orders)) in persons.iter().enumerate() {
        size += 1 + orders.len();
        if size >= BATCH {
            batches.push(&persons[begin..=n]);
            (begin, size) = (n + 1, 0);
        }
    }
    if begin < persons.len() {
        batches.push(&persons[begin..]);
    }
    batches
}

/// A word that nobody guesses, and that [`is_erased`] knows.
fn new_word() -> String {
    let bytes = rand::random::<[u8; WORD_BYTES]>();
    let random = data_encoding::BASE32_NOPAD.encode(&bytes);
    format!("erased-{}", random.to_lowercase())
}

/// Decodes the reply of `archive_erase`; `None`: the event was deleted meanwhile.
fn told(reply: &Value) -> Result<Option<Erased>> {
    let script = "archive_erase";
    let nothing = || unexpected(script, &format!("{reply:?}"));
    let Value::Array(parts) = reply else {
        return Err(nothing());
    };
    match parts.as_slice() {
        [answer] if word(script, answer)? == "not_archived" => Ok(None),
        [answer, persons, kept] if word(script, answer)? == "erased" => Ok(Some(Erased {
            persons: number(script, persons)?,
            kept: number(script, kept)?,
        })),
        _ => Err(nothing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_known_as_one_and_comes_once() {
        let words: BTreeSet<String> = (0..1000).map(|_| new_word()).collect();
        assert_eq!(words.len(), 1000);
        assert!(words.iter().all(|word| is_erased(word)));
        for name in [
            "alice",
            "erased-",
            "erased-alice",
            "ERASED-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(!is_erased(name), "{name}");
        }
    }

    #[test]
    fn no_person_is_divided() {
        let person = |n: usize| {
            let orders = (0..n).map(|order| format!("{n}-{order}"));
            (n.to_string(), orders.collect())
        };
        let persons: Vec<_> = [0, 600, 3, 495, 2, 1].map(person).into_iter().collect();
        let sizes: Vec<usize> = batches(&persons).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [2, 2, 2]);
        assert!(batches(&[]).is_empty());
    }
}
