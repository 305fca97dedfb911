//! An isolated master whose stock goes to buyers who only get `unknown`. At `replicated:1` nobody
//! is told that it is sold out, because the replica has the stock and sells it when it takes over.

use std::time::Instant;

use futures_util::future::join_all;
use seckill::domain::ids::SaleId;

use super::lab::{Host, Lab, in_lab};
use super::shop::Shop;
use super::till::{Way, codes, disbelieved};
use crate::support::PATIENCE;
use crate::support::history::History;

/// A way to buy, the stock, the quantity that all buyers ask for, and how much is sold before the
/// cut.
struct Case {
    way: Way,
    goods: &'static str,
    stock: u64,
    each: u32,
    before: usize,
}

/// Of the pairs one unit stays, which is not enough for any buyer.
const CASES: [Case; 5] = [
    Case {
        way: Way::List,
        goods: "list.a",
        stock: 20,
        each: 1,
        before: 5,
    },
    Case {
        way: Way::List,
        goods: "pairs.a",
        stock: 7,
        each: 2,
        before: 1,
    },
    Case {
        way: Way::Counter,
        goods: "count.a",
        stock: 20,
        each: 1,
        before: 5,
    },
    Case {
        way: Way::Basket,
        goods: "basket.a",
        stock: 20,
        each: 1,
        before: 5,
    },
    Case {
        way: Way::Bid,
        goods: "loan.a",
        stock: 2_000,
        each: 100,
        before: 5,
    },
];
const WAVE: usize = 20;
const LATER: usize = 40;

impl Case {
    /// Buyers who are told that they got something while the network is whole.
    async fn sells(&self, shop: &Shop) -> History {
        let till = shop.till(&[0, 1], self.way, self.goods);
        let mut history = till.wave("first", self.before, self.each).await;
        till.settle(&mut history).await;
        assert_eq!(history.promises().len(), self.before, "{}", self.goods);
        history
    }

    /// New buyers until the master has not enough for one more, then many at both servers.
    async fn exhausts(&self, shop: &Shop, sale: &SaleId) -> History {
        let till = shop.till(&[0], self.way, self.goods);
        let mut history = History::default();
        let deadline = Instant::now() + PATIENCE;
        for number in 0.. {
            if shop.master.left(sale).await < u64::from(self.each) {
                break;
            }
            assert!(Instant::now() < deadline, "{} is not taken", self.goods);
            let wave = format!("wave-{number}");
            let told = till.wave(&wave, WAVE, self.each).await;
            history.entries.extend(told.entries);
        }
        let till = shop.till(&[0, 1], self.way, self.goods);
        let told = till.wave("later", LATER, self.each).await;
        history.entries.extend(told.entries);
        history
    }
}

/// Sells a little, isolates the master and lets the rest be taken there: what was told before and
/// after the cut, for each case.
async fn cut_and_exhausted(shop: &Shop) -> Vec<(History, History)> {
    let mut sales = Vec::new();
    for case in &CASES {
        sales.push(shop.sale(case.way, case.goods, case.stock).await);
    }
    let before = join_all(CASES.iter().map(|case| case.sells(shop))).await;
    shop.lab.cut(Host::M, Host::R);
    let exhausted = CASES.iter().zip(&sales);
    let told = join_all(exhausted.map(|(case, sale)| case.exhausts(shop, sale))).await;
    before.into_iter().zip(told).collect()
}

#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn nobody_hears_of_an_end_of_stock_that_no_replica_knows() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "replicated:1").await;
        let told = cut_and_exhausted(&shop).await;
        shop.promote().await;
        shop.lab.heal();
        shop.demote().await;
        let (mut lies, mut wrong) = (0, Vec::new());
        for (case, (mut history, cut)) in CASES.iter().zip(told) {
            println!("{} while cut: {}", case.goods, codes(&cut));
            history.entries.extend(cut.entries);
            lies += disbelieved(&mut history, Instant::now());
            let till = shop.till(&[0, 1], case.way, case.goods);
            till.settle(&mut history).await;
            let sold = history.promises().len() - case.before;
            println!("{} by the promoted replica: {sold} orders", case.goods);
            let units = case.stock / u64::from(case.each);
            assert_eq!(history.promises().len() as u64, units, "{}", case.goods);
            wrong.extend(Shop::wrong(&mut shop.replica, case.goods, &history).await);
        }
        assert_eq!(wrong, [""; 0]);
        assert_eq!(lies, 0, "told to buyers of what the replica sold");
    });
}

/// The control: where the master alone counts, the same buyers are told so.
#[test]
#[ignore = "needs root and iproute2: make test-partition"]
fn where_the_master_alone_counts_the_end_of_its_stock_is_told() {
    in_lab(async |lab: Lab| {
        let mut shop = Shop::open(lab, "fsync").await;
        let told = cut_and_exhausted(&shop).await;
        for (case, (mut history, cut)) in CASES.iter().zip(told) {
            println!("{} while cut: {}", case.goods, codes(&cut));
            history.entries.extend(cut.entries);
            let wrong = Shop::wrong(&mut shop.master, case.goods, &history).await;
            assert_eq!(wrong, [""; 0]);
            let refused = disbelieved(&mut history, Instant::now());
            assert!(refused >= LATER, "{}: {refused}", case.goods);
        }
    });
}
