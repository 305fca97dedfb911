//! Terms of a sale as the tests write them.

use seckill::domain::ids::SaleId;
use seckill::domain::sale::values::{Checked, TermValue};

use super::redis::{World, run};

/// A text that the rule of the term accepts.
pub fn term_text<T: Checked>(text: &str) -> T {
    T::check("text", TermValue::Text(text.to_owned())).expect("accepted")
}

/// A number that the rule of the term accepts.
pub fn term_number<T: Checked>(number: u64) -> T {
    T::check("number", TermValue::Number(number)).expect("accepted")
}

impl World {
    /// Writes a term by hand: no rule looks at it.
    pub async fn write_term(&self, sale: &SaleId, name: &str, value: &str) {
        let key = self.store.keys().sale(sale);
        let mut raw = self.raw.clone();
        let _: u64 = run(&mut raw, &["HSET", &key, name, value]).await;
    }

    /// Holds the orders of a sale from now on, perhaps for less than an operator may say.
    pub async fn hold_for(&self, sale: &SaleId, ms: u64) {
        self.write_term(sale, "hold", &ms.to_string()).await;
    }
}
