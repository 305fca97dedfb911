//! Reads the accounts of an event and what operators paid into them.

use super::{Reader, entry, request, text};
use crate::domain::audit::account::AccountRecount;
use crate::domain::audit::recount::Recount;
use crate::domain::ids::{SaleId, Username};
use crate::domain::payment::is_record;
use crate::domain::whole::whole;
use crate::failure::Result;
use crate::store::whole::whole_of;

impl Reader<'_> {
    /// How often the accounts of the event changed; 0 when it never kept any.
    pub(super) async fn account_changes(&mut self, id: &SaleId) -> Result<u64> {
        let key = self.scan.store().keys.accounts_changes(id.event());
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let changes: Option<Vec<u8>> = self.scan.ask(&[&key], &get).await?;
        changes.map_or(Ok(0), |changes| whole_of(&key, &changes))
    }

    pub(super) async fn accounts(
        &mut self,
        id: &SaleId,
        recount: &mut Recount,
        accounts: &mut AccountRecount,
    ) -> Result<()> {
        let [balances, paid_in, _] = self.scan.store().keys.of_accounts(id.event());
        for (key, is_balance) in [(balances, true), (paid_in, false)] {
            self.fields(&key, |field, value| {
                let (field, value) = (text(field), text(value));
                match (Username::parse(field.clone()), whole(&value)) {
                    (Ok(username), Some(cents)) if is_balance => accounts.balance(username, cents),
                    (Ok(username), Some(cents)) => accounts.paid_in(username, cents),
                    (username, _) => {
                        recount.unreadable(entry(&key, &field, &value));
                        accounts.unreadable(username.ok());
                    }
                }
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn payments(
        &mut self,
        id: &SaleId,
        recount: &mut Recount,
        accounts: &mut AccountRecount,
    ) -> Result<()> {
        let key = self.scan.store().keys.payments(id.event());
        self.fields(&key, |field, value| {
            let (field, value) = (text(field), text(value));
            match request(&field) {
                Some((username, _)) if is_record(&value) => accounts.payment(username),
                _ => recount.unreadable(entry(&key, &field, &value)),
            }
        })
        .await
    }
}
