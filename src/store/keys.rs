//! Every key, one function each. All keys of an event share the hash tag `{event}`, so one script
//! touches one slot of a Redis Cluster. No key of a running sale has a TTL.

use crate::domain::ids::{Event, SaleId};
use crate::domain::purchase::place::Basket;

/// The hash tag of what belongs to the chat and to no event.
const CHAT_SLOT: &str = "wechat";

/// The hash tag of what belongs to a master and to no event.
const MASTER_SLOT: &str = "p";

/// Makes keys under one prefix.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys that start with `prefix` (`seckill:` unless configured).
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// `[hash]` the terms of the sale, [`TERMS`](crate::domain::sale::terms::TERMS), `history`,
    /// `known`, `clearing`, and the counters `added`, `removed`, `counted`, `held`, `confirmed`,
    /// `used`, `grants`, `gone`, `gone_most`, and `gone_since`. Written by `sale_*`, `stock_*`,
    /// `bid_*`, `clear_*` and everything that happens to orders.
    pub fn sale(&self, id: &SaleId) -> String {
        self.of_sale("sale", id)
    }

    /// `[list]` the units, or `[string]` the number left, for a target in cents. Absent is 0. This
    /// is the stock.
    pub fn stock(&self, id: &SaleId) -> String {
        self.of_sale("stock", id)
    }

    /// `[hash]` username → id of the order that the buyer holds.
    pub fn buyers(&self, id: &SaleId) -> String {
        self.of_sale("buyers", id)
    }

    /// `[hash]` username → dead orders of the sale that the buyer has had. Valid only if the field
    /// `gone` of the sale is above 0.
    pub fn gone(&self, id: &SaleId) -> String {
        self.of_sale("gone", id)
    }

    /// `[hash]` order id → record (see `record`), for all sales of the event.
    pub fn orders(&self, event: &str) -> String {
        self.of_event("orders", event)
    }

    /// `[zset]` order id by deadline, in ms: the held orders of the event.
    pub fn holds(&self, event: &str) -> String {
        self.of_event("holds", event)
    }

    /// `[stream]` one entry for each change of an order of the event.
    pub fn feed(&self, event: &str) -> String {
        self.of_event("feed", event)
    }

    /// `[stream]` entries of the feed that could not be delivered, with the reason.
    pub fn dead(&self, event: &str) -> String {
        self.of_event("feed:dead", event)
    }

    /// `[hash]` username, a tab, request id → id of the order that the request made.
    pub fn requests(&self, event: &str) -> String {
        self.of_event("requests", event)
    }

    /// `[hash]` username → balance in cents. An event keeps accounts when this exists.
    pub fn accounts(&self, event: &str) -> String {
        self.of_event("accounts", event)
    }

    /// `[hash]` username → cents that operators put into the account, minus what they took out.
    pub fn accounts_paid_in(&self, event: &str) -> String {
        self.of_event("accounts:paid_in", event)
    }

    /// `[string]` how often the accounts of the event changed: two readings with the same number
    /// saw the same accounts.
    pub fn accounts_changes(&self, event: &str) -> String {
        self.of_event("accounts:changes", event)
    }

    /// `[hash]` username, a tab, request id → signed amount, a tab, balance after it, in cents: the
    /// payments of operators, each once. Written by `account_pay`.
    pub fn payments(&self, event: &str) -> String {
        self.of_event("payments", event)
    }

    /// `[hash]` sale id → number of its last history, for deleted sales: so a server can tell a
    /// deletion from a loss. The field `*` exists while the event is being deleted. Never deleted.
    pub fn deleted(&self, event: &str) -> String {
        self.of_event("deleted", event)
    }

    /// `[string]` when the event was first archived, in epoch ms: from then on it is closed for
    /// good. Written by `archive_begin`.
    pub fn archived(&self, event: &str) -> String {
        self.of_event("archived", event)
    }

    /// The start of every key.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `[string]` the version of the data and the program that wrote it. Belongs to no event.
    pub fn data_version(&self) -> String {
        format!("{}data_version", self.prefix)
    }

    /// A key for asking Redis whether commands may be run on our keys.
    pub fn for_commands(&self) -> String {
        self.of_event("orders", "~")
    }

    /// A sale that no operator can create, because no sale id has a `~`: for probes.
    pub fn of_probe(&self) -> [String; 7] {
        let names = [
            "sale:~", "stock:~", "buyers:~", "orders", "holds", "feed", "gone:~",
        ];
        names.map(|name| self.of_event(name, "~"))
    }

    /// The keys of `sale_snapshot`, in its order: what each of these sales has.
    pub fn of_snapshots(&self, sales: &[SaleId]) -> Vec<String> {
        list([], sales.iter(), |sale| self.of_snapshot(sale))
    }

    /// The keys of a sale.
    pub fn of_snapshot(&self, id: &SaleId) -> [String; 3] {
        [self.sale(id), self.stock(id), self.buyers(id)]
    }

    /// The same, and the dead orders of its buyers.
    fn of_deaths(&self, id: &SaleId) -> [String; 4] {
        let [sale, stock, buyers] = self.of_snapshot(id);
        [sale, stock, buyers, self.gone(id)]
    }

    /// The keys of the orders of an event.
    fn of_orders(&self, event: &str) -> [String; 3] {
        [self.orders(event), self.holds(event), self.feed(event)]
    }

    /// The keys of `sale_grab`, in its order.
    pub fn of_grab(&self, id: &SaleId) -> [String; 7] {
        let [sale, stock, buyers] = self.of_snapshot(id);
        let [orders, holds, feed] = self.of_orders(id.event());
        [sale, stock, buyers, orders, holds, feed, self.gone(id)]
    }

    /// The keys of `order_place`, in its order.
    pub fn of_placement(&self, basket: &Basket) -> Vec<String> {
        let event = basket.event();
        let [orders, holds, feed] = self.of_orders(event);
        let goods = basket.wishes().iter().map(|wish| &wish.goods);
        let of_event = [self.requests(event), orders, holds, feed];
        list(of_event, goods, |goods| self.of_deaths(goods))
    }

    /// The keys of `order_confirm`, in its order.
    pub fn of_confirm(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let sales = sales.iter().copied();
        list(self.of_orders(event), sales, |sale| [self.sale(sale)])
    }

    /// The keys of `order_use`, in its order.
    pub fn of_use(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let sales = sales.iter().copied();
        let of_event = [self.orders(event), self.feed(event)];
        list(of_event, sales, |sale| [self.sale(sale)])
    }

    /// The keys of `order_cancel` and `order_expire`, in their order.
    pub fn of_return(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let sales = sales.iter().copied();
        list(self.of_orders(event), sales, |sale| self.of_deaths(sale))
    }

    /// The keys of `clear_begin`, in its order.
    pub fn of_clear_begin(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let sales = sales.iter().copied();
        list([self.feed(event)], sales, |sale| [self.sale(sale)])
    }

    /// The keys of `clear_orders`, in its order.
    pub fn of_clear_orders(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let of_event = [self.orders(event), self.holds(event), self.requests(event)];
        let sales = sales.iter().copied();
        list(of_event, sales, |sale| self.of_snapshot(sale))
    }

    /// The keys of `sale_reset` and `sale_delete`, in their order.
    pub fn of_clear_end(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let sales = sales.iter().copied();
        list([self.deleted(event)], sales, |sale| self.of_deaths(sale))
    }

    /// The keys of `event_delete`, in its order.
    pub fn of_event_delete(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let [accounts, paid_in, changes] = self.of_accounts(event);
        let of_event = [
            self.deleted(event),
            self.feed(event),
            accounts,
            self.orders(event),
            self.holds(event),
            self.requests(event),
            self.dead(event),
            paid_in,
            changes,
            self.payments(event),
            self.archived(event),
        ];
        let sales = sales.iter().copied();
        list(of_event, sales, |sale| self.of_deaths(sale))
    }

    /// The keys of `sale_put`, in its order.
    pub fn of_put(&self, id: &SaleId) -> [String; 4] {
        let event = id.event();
        let (deleted, archived) = (self.deleted(event), self.archived(event));
        [self.sale(id), self.buyers(id), deleted, archived]
    }

    /// The keys of `archive_begin`, in its order.
    pub fn of_archive_begin(&self, event: &str, sales: &[SaleId]) -> Vec<String> {
        let of_event = [self.archived(event), self.deleted(event), self.feed(event)];
        list(of_event, sales.iter(), |sale| [self.sale(sale)])
    }

    /// The keys of `archive_orders`, in its order.
    pub fn of_archive_orders(&self, event: &str, sales: &[SaleId]) -> Vec<String> {
        let [orders, holds, feed] = self.of_orders(event);
        let of_event = [
            self.archived(event),
            feed,
            orders,
            holds,
            self.requests(event),
        ];
        list(of_event, sales.iter(), |sale| {
            [self.sale(sale), self.gone(sale)]
        })
    }

    /// The keys of `archive_erase`, in its order.
    pub fn of_archive_erase(&self, event: &str, sales: &[SaleId]) -> Vec<String> {
        let [accounts, paid_in, changes] = self.of_accounts(event);
        let (archived, orders) = (self.archived(event), self.orders(event));
        let of_event = [archived, orders, accounts, paid_in, changes];
        list(of_event, sales.iter(), |sale| [self.buyers(sale)])
    }

    /// The keys of `bid_place`, in its order.
    pub fn of_bid(&self, goods: &SaleId) -> [String; 7] {
        let event = goods.event();
        [
            self.requests(event),
            self.orders(event),
            self.feed(event),
            self.sale(goods),
            self.stock(goods),
            self.accounts(event),
            self.accounts_changes(event),
        ]
    }

    /// The keys of `bid_cancel`, in its order. It looks up no request.
    pub fn of_bid_cancel(&self, goods: &SaleId) -> [String; 6] {
        let [_requests, keys @ ..] = self.of_bid(goods);
        keys
    }

    /// The keys of `account_set` and `account_set_if`, in their order.
    pub fn of_accounts(&self, event: &str) -> [String; 3] {
        [
            self.accounts(event),
            self.accounts_paid_in(event),
            self.accounts_changes(event),
        ]
    }

    /// The keys of `account_pay`, in its order.
    pub fn of_payment(&self, event: &str) -> [String; 5] {
        let [accounts, paid_in, changes] = self.of_accounts(event);
        let (payments, archived) = (self.payments(event), self.archived(event));
        [accounts, paid_in, changes, payments, archived]
    }

    /// `[hash]` openid → student number, and `[hash]` student number → openid: the keys of
    /// `number_bind` and `number_unbind`, in their order.
    pub fn of_bindings(&self) -> [String; 2] {
        ["numbers", "openids"].map(|name| self.of_event(name, CHAT_SLOT))
    }

    /// `[string]` the claim of a message, or the reply to it: the key of `reply_*`. It has a TTL.
    pub fn reply(&self, message: &str) -> String {
        self.of_event(&format!("reply:{message}"), CHAT_SLOT)
    }

    /// `[hash]` run id of a master → the most replicas that it has had online at the same time.
    /// Written by `peak_record`.
    pub fn peaks(&self) -> String {
        self.of_event("peaks", MASTER_SLOT)
    }

    /// A key that is written so that replicas can be waited for.
    pub fn wait_mark(&self) -> String {
        self.of_event("wait_mark", MASTER_SLOT)
    }

    /// Matches the sale keys of all events. [`Keys::sale_id`] is the inverse.
    pub fn sales_pattern(&self) -> String {
        self.pattern("sale:*")
    }

    /// The sale of a sale key; `None` for any other key.
    pub fn sale_id(&self, key: &str) -> Option<SaleId> {
        let (_, id) = key.rsplit_once(":sale:")?;
        let id = SaleId::parse(id).ok()?;
        (self.sale(&id) == key).then_some(id)
    }

    /// Matches the holds of all events. [`Keys::event_of_holds`] is the inverse.
    pub fn holds_pattern(&self) -> String {
        self.pattern("holds")
    }

    /// The event of a holds key; `None` for any other key.
    pub fn event_of_holds(&self, key: &str) -> Option<String> {
        self.event_of("holds", key)
    }

    /// Matches the feeds of all events. [`Keys::event_of_feed`] is the inverse.
    pub fn feeds_pattern(&self) -> String {
        self.pattern("feed")
    }

    /// The event of a feed's key; `None` for any other key.
    pub fn event_of_feed(&self, key: &str) -> Option<String> {
        self.event_of("feed", key)
    }

    fn pattern(&self, name: &str) -> String {
        format!("{}{{*}}:{name}", glob_escaped(&self.prefix))
    }

    /// The inverse of [`Keys::of_event`].
    fn event_of(&self, name: &str, key: &str) -> Option<String> {
        let event = key.strip_prefix(&self.prefix)?.strip_prefix('{')?;
        let event = event.strip_suffix(name)?.strip_suffix("}:")?;
        Event::parse(event).is_ok().then(|| event.to_owned())
    }

    fn of_event(&self, name: &str, event: &str) -> String {
        format!("{}{{{event}}}:{name}", self.prefix)
    }

    fn of_sale(&self, name: &str, id: &SaleId) -> String {
        format!("{}{{{}}}:{name}:{id}", self.prefix, id.event())
    }
}

/// The keys of an event, then those of each of these sales.
fn list<'a, const EVENT: usize, const SALE: usize>(
    of_event: [String; EVENT],
    sales: impl Iterator<Item = &'a SaleId>,
    of_sale: impl Fn(&SaleId) -> [String; SALE],
) -> Vec<String> {
    of_event
        .into_iter()
        .chain(sales.flat_map(of_sale))
        .collect()
}

fn glob_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_operators_and_consumers_rely_on() {
        let keys = Keys::new("seckill:");
        let id = SaleId::parse("spring.tea").expect("valid");
        assert_eq!(keys.sale(&id), "seckill:{spring}:sale:spring.tea");
        assert_eq!(keys.stock(&id), "seckill:{spring}:stock:spring.tea");
        assert_eq!(keys.buyers(&id), "seckill:{spring}:buyers:spring.tea");
        assert_eq!(keys.gone(&id), "seckill:{spring}:gone:spring.tea");
        assert_eq!(keys.orders(id.event()), "seckill:{spring}:orders");
        assert_eq!(keys.holds(id.event()), "seckill:{spring}:holds");
        assert_eq!(keys.feed(id.event()), "seckill:{spring}:feed");
        assert_eq!(keys.requests(id.event()), "seckill:{spring}:requests");
        assert_eq!(keys.dead(id.event()), "seckill:{spring}:feed:dead");
        assert_eq!(keys.feeds_pattern(), "seckill:{*}:feed");
        assert_eq!(keys.accounts(id.event()), "seckill:{spring}:accounts");
        assert_eq!(
            keys.of_accounts(id.event())[1..],
            [
                "seckill:{spring}:accounts:paid_in",
                "seckill:{spring}:accounts:changes"
            ]
        );
        assert_eq!(keys.payments(id.event()), "seckill:{spring}:payments");
        assert_eq!(
            keys.of_bindings(),
            ["seckill:{wechat}:numbers", "seckill:{wechat}:openids"]
        );
        assert_eq!(keys.reply("ab"), "seckill:{wechat}:reply:ab");
        assert_eq!(keys.peaks(), "seckill:{p}:peaks");
        assert_eq!(keys.wait_mark(), "seckill:{p}:wait_mark");
        assert_eq!(keys.sales_pattern(), "seckill:{*}:sale:*");
        assert_eq!(Keys::new("a*b[").sales_pattern(), r"a\*b\[{*}:sale:*");
        assert_eq!(keys.holds_pattern(), "seckill:{*}:holds");
    }

    #[test]
    fn a_key_of_an_event_leads_back_to_it() {
        let keys = Keys::new("x:");
        let holds = keys.event_of_holds(&keys.holds("spring"));
        let feed = keys.event_of_feed(&keys.feed("spring"));
        assert_eq!(
            (holds.as_deref(), feed.as_deref()),
            (Some("spring"), Some("spring"))
        );
        for other in [
            "x:{~}:NAME",
            "x:{a.b}:NAME",
            "x:{a}:NAME:NAME",
            "x:{a}:NAME:dead",
            "x:{a}:other:NAME",
            "x:{a}:other",
            "y:{a}:NAME",
            "xx:{a}:NAME",
            "x:{}:NAME",
            "x:NAME",
        ] {
            let (holds, feed) = (
                other.replace("NAME", "holds"),
                other.replace("NAME", "feed"),
            );
            assert_eq!(keys.event_of_holds(&holds), None, "{holds}");
            assert_eq!(keys.event_of_feed(&feed), None, "{feed}");
        }
        assert_eq!(keys.event_of_holds(&keys.feed("spring")), None);
    }

    #[test]
    fn a_sale_key_leads_back_to_its_sale() {
        let keys = Keys::new("x:");
        let id = SaleId::parse("spring.tea").expect("valid");
        assert_eq!(keys.sale_id(&keys.sale(&id)), Some(id.clone()));
        for other in [
            keys.stock(&id),
            "y:{a}:sale:a".into(),
            "x:{b}:sale:a".into(),
        ] {
            assert_eq!(keys.sale_id(&other), None, "{other}");
        }
    }
}
