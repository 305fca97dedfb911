//! Targets, bids and accounts for tests.

use seckill::domain::ids::{Event, RequestId, SaleId};
use seckill::domain::money::Amount;
use seckill::domain::order::Order;
use seckill::domain::payment::{Direction, PayOutcome, Payment};
use seckill::domain::purchase::bid::{Bid, BidOutcome};
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::domain::time::EpochMs;
use seckill::store::orders::accounts::SetOutcome;

use super::TIMEOUT;
use super::orders::{new_order_id, username};
use super::redis::World;
use super::terms::term_number;

/// An end of cancelling that no test sees.
pub const FAR: EpochMs = 99_999_999_999_999;

/// A bid as the endpoint would read it.
pub fn a_bid(user: &str, request: &str, goods: &SaleId, cents: u64) -> Bid {
    Bid {
        username: username(user),
        request: RequestId::parse(request.to_owned()).expect("valid"),
        goods: goods.clone(),
        amount: Amount::parse(&cents.to_string()).expect("valid"),
        order: new_order_id(goods),
    }
}

/// A payment as the endpoint would read it, out of the account if the cents are below 0.
pub fn a_payment(user: &str, request: &str, cents: i64) -> Payment {
    let direction = if cents < 0 {
        Direction::Withdrawal
    } else {
        Direction::Deposit
    };
    Payment {
        username: username(user),
        request: RequestId::parse(request.to_owned()).expect("valid"),
        direction,
        amount: Amount::parse(&cents.unsigned_abs().to_string()).expect("valid"),
    }
}

pub fn event(name: &str) -> Event {
    Event::parse(name).expect("valid")
}

/// The terms of a target, whose bids may be cancelled.
pub fn terms(bid_min: u64, bonus_bp: u32) -> SaleEdit {
    SaleEdit {
        bid_min: Some(term_number(bid_min)),
        bonus_bp: Some(term_number(bonus_bp.into())),
        cancel_until: Some(Some(FAR)),
        ..SaleEdit::default()
    }
}

impl World {
    /// Creates a target of this many cents on these terms.
    pub async fn target(&self, id: &str, cents: u64, terms: &SaleEdit) -> SaleId {
        let sale = self.sale(id, StockKind::Target, cents).await;
        if *terms != SaleEdit::default() {
            self.put(&sale, terms).await;
        }
        sale
    }

    /// Decides a bid.
    pub async fn bid(&self, user: &str, request: &str, goods: &SaleId, cents: u64) -> BidOutcome {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let bid = a_bid(user, request, goods, cents);
        let decided = self.store.lane().bid_place(&bid, None, deadline).await;
        decided.expect("decided").outcome.expect("kept")
    }

    /// The order of a bid that is accepted.
    pub async fn accepted(&self, user: &str, request: &str, goods: &SaleId, cents: u64) -> Order {
        match self.bid(user, request, goods, cents).await {
            BidOutcome::Accepted(order) => order,
            other => panic!("{user} bids {cents}: {other:?}"),
        }
    }

    /// States balances.
    pub async fn set_accounts(&self, name: &str, balances: &[(&str, u64)]) -> SetOutcome {
        let balances: Vec<_> = balances
            .iter()
            .map(|&(user, cents)| (username(user), cents))
            .collect();
        let set = self.store.account_set(&event(name), &balances).await;
        set.expect("answered")
    }

    /// Pays this many cents in, or out if they are below 0.
    pub async fn pay(&self, name: &str, user: &str, request: &str, cents: i64) -> PayOutcome {
        let payment = a_payment(user, request, cents);
        let paid = self.store.account_pay(&event(name), &payment).await;
        paid.expect("answered")
    }

    /// The balance of an account, if there is one.
    pub async fn balance(&self, name: &str, user: &str) -> Option<u64> {
        let account = self.store.account(&event(name), &username(user)).await;
        account.expect("read").map(|account| account.balance)
    }

    /// What has been accepted of a target, by its counter.
    pub async fn confirmed(&self, sale: &SaleId) -> u64 {
        let snapshot = self.store.sale_snapshot(sale).await.expect("read");
        snapshot.expect("the sale exists").figures.confirmed
    }
}
