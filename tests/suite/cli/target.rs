//! Targets: from their accounts to their audit, and the warning of tiny bids.

use seckill::domain::ids::OrderId;
use serde_json::json;

use super::Shop;
use crate::support::bids::terms;
use crate::support::redis::{PrivateRedis, World, sale_id};

/// The target of cents that the steps below lead through its life.
struct Loan {
    shop: Shop,
    world: World,
}

impl Loan {
    fn is_put_and_stocked(&self) {
        self.shop.ok(
            "sale put p.loan --kind target --bid-min 50 --bonus-bp 100 --cancel-until 9999999999",
        );
        let raised = self.shop.ok("stock add p.loan --count 5000000000");
        assert_eq!(
            raised,
            "added 5000000000 cents to sale p.loan: 5000000000 left\n"
        );
        let lowered = self.shop.ok("stock remove p.loan --count 4999990000");
        assert_eq!(
            lowered,
            "removed 4999990000 cents from sale p.loan: 10000 left\n"
        );
        let sale = self.shop.json("sale show p.loan");
        assert_eq!(
            (&sale["bid_min"], &sale["bonus_bp"]),
            (&50.into(), &100.into())
        );
        assert_eq!(sale.get("purchase_max"), None, "{sale}");
    }

    fn shows_what_a_target_has(&self) {
        let shown = self.shop.ok("sale show p.loan");
        assert!(shown.contains("bid min") && shown.contains("bonus bp"));
        assert!(!shown.contains("purchase max"), "{shown}");
        assert!(!shown.contains("buyers"), "{shown}");
        let audit = self.shop.ok("audit p.loan");
        assert!(!audit.contains("buyers"), "{audit}");
        self.shop.ok("sale put p.tea --kind list");
        let shown = self.shop.ok("sale show p.tea");
        assert!(
            shown.contains("purchase max") && shown.contains("buyers"),
            "{shown}"
        );
        assert!(
            !shown.contains("bid") && !shown.contains("bonus"),
            "{shown}"
        );
    }

    fn accounts_are_loaded(&self) {
        let accounts: String = (0..2500).map(|n| format!("user {n},{n}\n")).collect();
        self.shop.write("accounts.csv", &accounts);
        let loaded = self.shop.ok("account load p accounts.csv");
        assert_eq!(
            loaded,
            "set 2500 accounts of event p: 2500 new, 0 changed, 0 as before\n\
             event p keeps accounts from now on: who has none cannot bid\n"
        );
        self.shop
            .write("wrong.csv", format!("{accounts}user 7,1\n"));
        let said = self.shop.fails("account load p wrong.csv", 2);
        assert!(
            said.contains("line 2501")
                && said.contains("line 8")
                && said.contains("nothing was changed"),
            "{said}"
        );
    }

    fn an_account_is_set(&self) {
        let set = self.shop.json("account set p alice 6000");
        assert_eq!((&set["created"], &set["changed"]), (&1.into(), &0.into()));
        for wrong in [
            "account set p alice -1",
            "account set p.x alice 1",
            "account set p alice 1.5",
            "account set p alice +5",
            "account set p alice 007",
        ] {
            self.shop.fails(wrong, 2);
        }
        let said = self.shop.fails("account show p bob", 1);
        assert!(said.contains("bob has no account in event p"), "{said}");
        assert_eq!(
            self.shop.json("account show p").as_array().map(Vec::len),
            Some(2501)
        );
    }

    fn a_bid_is_shown(&self, bid: &OrderId) {
        let shown = self.shop.ok("account show p alice");
        assert_eq!(shown, "USER   BALANCE  PAID IN\nalice  1050     6000\n");
        let shown = self.shop.ok(&format!("order show {}", bid));
        assert!(
            shown.contains("5000 of 5000 cents for p.loan, bonus 50, paid from the account\n"),
            "{shown}"
        );
        let csv = self.shop.ok("orders p.loan --format csv");
        assert!(
            csv.ends_with(",r,p.loan,5000,,5000,50,true,false\r\n"),
            "{csv}"
        );
        let orders = self.shop.json("orders p.loan");
        let line = json!([{
            "goods": "p.loan", "requested": 5000, "accepted": 5000, "bonus": 50, "paid": true,
        }]);
        assert_eq!(orders["lines"], line);
    }

    fn a_bid_fixes_the_terms(&self, bid: &OrderId) {
        for (edit, why) in [
            ("sale put p.loan --bid-min 60", "p.loan has bids"),
            ("sale put p.loan --bonus-bp 0", "p.loan has bids"),
            ("sale put p.loan --hold 5m", "are for targets"),
        ] {
            let said = self.shop.fails(edit, 1);
            assert!(said.contains(why), "{edit}: {said}");
        }
        let said = self.shop.fails(&format!("order use {}", bid), 1);
        assert!(said.contains("is a bid"), "{said}");
        let said = self.shop.fails(&format!("order confirm {}", bid), 1);
        let nothing = format!("order {} is a bid: there is nothing to confirm\n", bid);
        assert!(said.ends_with(&nothing), "{said}");
    }

    fn the_audit_counts_the_accounts(&self) {
        let audit = self.shop.json("audit p.loan --deep");
        assert_eq!(
            (&audit["holds"], &audit["confirmed"], &audit["accounts"]),
            (&true.into(), &5000.into(), &2501.into())
        );
        let said = self.shop.ok("audit p.loan --deep");
        assert!(
            said.contains("for each account paid in = balance"),
            "{said}"
        );
        let shallow = self.shop.json("audit p.loan");
        assert_eq!(shallow.get("accounts"), None, "they were not looked at");
    }

    async fn a_bid_is_cancelled_unless_its_target_is_full(&self, bid: &OrderId) {
        let full = self.world.target("q.full", 10, &terms(1, 0)).await;
        let last = self.world.accepted("alice", "full", &full, 10).await;
        let said = self.shop.fails(&format!("order cancel {}", last.id), 1);
        assert!(said.contains("is a bid, and its target is full"), "{said}");
        self.shop.ok(&format!("order cancel {}", bid));
        let account = self.shop.json("account show p alice");
        assert_eq!(account["balance"], 6000);
    }

    async fn a_cent_from_nowhere_is_named(&mut self) {
        let accounts = self.world.store.keys().accounts("p");
        let _: u64 = self.world.run(&["HINCRBY", &accounts, "alice", "1"]).await;
        let said = self.shop.ends("audit p.loan --deep", 1).printed;
        assert!(
            said.contains("\"alice\" has a balance of 6001, but"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_target_from_its_accounts_to_its_audit() {
    let (shop, world) = Shop::with_world().await;
    let mut loan = Loan { shop, world };
    loan.is_put_and_stocked();
    loan.shows_what_a_target_has();
    loan.accounts_are_loaded();
    loan.an_account_is_set();
    let sale = sale_id("p.loan");
    let bid = loan.world.accepted("alice", "r", &sale, 5000).await;
    loan.a_bid_is_shown(&bid.id);
    loan.a_bid_fixes_the_terms(&bid.id);
    loan.the_audit_counts_the_accounts();
    loan.a_bid_is_cancelled_unless_its_target_is_full(&bid.id)
        .await;
    loan.a_cent_from_nowhere_is_named().await;
}

#[tokio::test]
async fn targets_that_take_tiny_bids_are_warned_of() {
    let redis = PrivateRedis::forgetful();
    let world = World::at(redis.url()).await;
    let shop = Shop::of(&world);
    let put = |line: &str| {
        let line = format!("sale put {line}");
        shop.ends(&line, 0).said
    };
    let target = || {
        let found = shop.json("doctor");
        let findings = found.as_array().expect("a list").clone();
        let finding = findings
            .into_iter()
            .find(|finding| finding["what"] == "targets");
        finding.map(|finding| {
            let word = |name: &str| finding[name].as_str().expect("a text").to_owned();
            (word("grade"), word("found"), word("mend"))
        })
    };
    assert_eq!(put("p.tea --kind list"), "");
    assert_eq!(target(), None, "there is no target");
    assert_eq!(put("p.fine --kind target --bid-min 100"), "");
    assert_eq!(target().expect("a finding").0, "ok");
    let warned = put("p.loan --kind target");
    for words in ["p.loan", "1 cent", "308 bytes", "--bid-min"] {
        assert!(warned.contains(words), "{words} is not in {warned}");
    }
    assert_eq!(
        put("p.loan --title loan"),
        "",
        "only a new target is warned of"
    );
    let (grade, found, mend) = target().expect("a finding");
    assert_eq!(grade, "warning");
    assert!(
        found.contains("p.loan: smallest bid 1 cent, which nobody set"),
        "{found}"
    );
    assert!(mend.contains("--bid-min"), "{mend}");
    put("p.loan --bid-min 1");
    assert_eq!(target().expect("a finding").0, "ok", "somebody chose it");
    shop.ok("stock add p.fine --count 1000000000");
    assert_eq!(target().expect("a finding").0, "ok", "10 million bids");
    shop.ok("stock add p.fine --count 100");
    let (grade, found, _) = target().expect("a finding");
    assert_eq!(grade, "warning");
    let words = "p.fine: smallest bid 100 cents; 10000001 bids may come, of 2937 MiB of Redis";
    assert_eq!(found, words);
    put("p.fine --closes-at 1");
    assert_eq!(
        target().expect("a finding").0,
        "ok",
        "it takes no more bids"
    );
}
