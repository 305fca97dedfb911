//! Every key, one function each. All keys of an event share the hash tag `{event}`, so one script
//! touches one slot of a Redis Cluster. No key of a running sale has a TTL.

use crate::domain::ids::SaleId;
use crate::domain::place::Basket;

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

    /// `[hash]` `kind`, `title`, `opens_at`, `closes_at`, `purchase_max`, `paused`,
    /// `hold`, `cancel_until`, `feed`, `bid_min`, `bonus_bp`, and the counters `added`, `removed`,
    /// `held`, `confirmed`, `used`, `grants`. Written by `sale_put`, `stock_*`, `bid_*` and
    /// everything that happens to orders.
    pub fn sale(&self, id: &SaleId) -> String {
        self.of_sale("sale", id)
    }

    /// `[list]` the units, or `[string]` the number left, of a target in cents. Absent is 0. This
    /// is the stock.
    pub fn stock(&self, id: &SaleId) -> String {
        self.of_sale("stock", id)
    }

    /// `[hash]` username → id of the order that the buyer holds.
    pub fn buyers(&self, id: &SaleId) -> String {
        self.of_sale("buyers", id)
    }

    /// `[hash]` order id → record (see `record`), for all sales of the event.
    pub fn orders(&self, event: &str) -> String {
        self.of_event("orders", event)
    }

    /// `[zset]` order id by deadline, in ms: the held orders of the event.
    pub fn holds(&self, event: &str) -> String {
        self.of_event("holds", event)
    }

    /// `[stream]` one entry for each thing that happened to an order of the event.
    pub fn feed(&self, event: &str) -> String {
        self.of_event("feed", event)
    }

    /// `[hash]` username, a tab, request id → id of the order that the request made.
    pub fn requests(&self, event: &str) -> String {
        self.of_event("requests", event)
    }

    /// `[hash]` username → balance in cents. An event keeps accounts when this exists.
    pub fn accounts(&self, event: &str) -> String {
        self.of_event("accounts", event)
    }

    /// `[hash]` username → cents that operators put into the account, less what they took out.
    pub fn accounts_paid_in(&self, event: &str) -> String {
        self.of_event("accounts:paid_in", event)
    }

    /// `[string]` how often the accounts of the event changed: two readings of the same number saw
    /// the same accounts.
    pub fn accounts_changes(&self, event: &str) -> String {
        self.of_event("accounts:changes", event)
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

    /// The keys of `bid_cancel`, in its order.
    pub fn of_bid_cancel(&self, goods: &SaleId) -> [String; 6] {
        let event = goods.event();
        [
            self.orders(event),
            self.feed(event),
            self.sale(goods),
            self.stock(goods),
            self.accounts(event),
            self.accounts_changes(event),
        ]
    }

    /// The keys of `account_set`, in its order.
    pub fn of_accounts(&self, event: &str) -> [String; 3] {
        [
            self.accounts(event),
            self.accounts_paid_in(event),
            self.accounts_changes(event),
        ]
    }

    /// The keys of `order_place`, in its order.
    pub fn of_placement(&self, basket: &Basket) -> Vec<String> {
        let event = basket.event();
        let mut keys = vec![
            self.requests(event),
            self.orders(event),
            self.holds(event),
            self.feed(event),
        ];
        for wish in basket.wishes() {
            let goods = &wish.goods;
            keys.extend([self.sale(goods), self.stock(goods), self.buyers(goods)]);
        }
        keys
    }

    /// `[stream]` entries of the feed that could not be delivered, with the reason.
    pub fn dead(&self, event: &str) -> String {
        self.of_event("feed:dead", event)
    }

    /// Matches the feeds of all events; see [`Keys::feed_event`] for the way back.
    pub fn feeds_pattern(&self) -> String {
        format!("{}{{*}}:feed", glob_escaped(&self.prefix))
    }

    /// The event of a feed's key; `None` for any other key.
    pub fn feed_event(&self, key: &str) -> Option<String> {
        let event = key.strip_suffix("}:feed")?.rsplit('{').next()?;
        let id = SaleId::parse(event).ok()?;
        (id.event() == event && self.feed(event) == key).then(|| event.to_owned())
    }

    /// The keys of `sale_grab`, in its order.
    pub fn of_grab(&self, id: &SaleId) -> [String; 6] {
        let event = id.event();
        [
            self.sale(id),
            self.stock(id),
            self.buyers(id),
            self.orders(event),
            self.holds(event),
            self.feed(event),
        ]
    }

    /// The keys of `order_confirm`, in its order.
    pub fn of_confirm(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let mut keys = vec![self.orders(event), self.holds(event), self.feed(event)];
        keys.extend(sales.iter().map(|sale| self.sale(sale)));
        keys
    }

    /// The keys of `order_use`, in its order.
    pub fn of_use(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let mut keys = vec![self.orders(event), self.feed(event)];
        keys.extend(sales.iter().map(|sale| self.sale(sale)));
        keys
    }

    /// The keys of `order_cancel` and `order_expire`, in their order.
    pub fn of_return(&self, event: &str, sales: &[&SaleId]) -> Vec<String> {
        let mut keys = vec![self.orders(event), self.holds(event), self.feed(event)];
        for sale in sales {
            keys.extend([self.sale(sale), self.stock(sale), self.buyers(sale)]);
        }
        keys
    }

    /// Matches the holds of all events; see [`Keys::event_of_holds`] for the way back.
    pub fn holds_pattern(&self) -> String {
        format!("{}{{*}}:holds", glob_escaped(&self.prefix))
    }

    /// The event of a holds key; `None` for any other key.
    pub fn event_of_holds(&self, key: &str) -> Option<String> {
        let event = key.strip_prefix(&self.prefix)?;
        let event = event.strip_prefix('{')?.strip_suffix("}:holds")?;
        let sale = SaleId::parse(event).ok()?;
        (sale.event() == event).then(|| event.to_owned())
    }

    /// Matches the sale keys of all events; see [`Keys::sale_id`] for the way back.
    pub fn sales_pattern(&self) -> String {
        format!("{}{{*}}:sale:*", glob_escaped(&self.prefix))
    }

    /// The sale of a sale key; `None` for any other key.
    pub fn sale_id(&self, key: &str) -> Option<SaleId> {
        let (_, id) = key.rsplit_once(":sale:")?;
        let id = SaleId::parse(id).ok()?;
        (self.sale(&id) == key).then_some(id)
    }

    /// A sale that no operator can create, because `~` is in no sale id: for probes.
    pub fn of_probe(&self) -> [String; 6] {
        ["sale:~", "stock:~", "buyers:~", "orders", "holds", "feed"]
            .map(|name| self.of_event(name, "~"))
    }

    fn of_event(&self, name: &str, event: &str) -> String {
        format!("{}{{{event}}}:{name}", self.prefix)
    }

    fn of_sale(&self, name: &str, id: &SaleId) -> String {
        format!("{}{{{}}}:{name}:{id}", self.prefix, id.event())
    }
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
        assert_eq!(keys.sales_pattern(), "seckill:{*}:sale:*");
        assert_eq!(Keys::new("a*b[").sales_pattern(), r"a\*b\[{*}:sale:*");
        assert_eq!(keys.holds_pattern(), "seckill:{*}:holds");
    }

    #[test]
    fn a_holds_key_leads_back_to_its_event() {
        let keys = Keys::new("x:");
        let event = keys.event_of_holds(&keys.holds("spring"));
        assert_eq!(event.as_deref(), Some("spring"));
        for other in [
            "x:{spring}:feed",
            "y:{a}:holds",
            "x:{a.b}:holds",
            "x:{a}:holds:holds",
        ] {
            assert_eq!(keys.event_of_holds(other), None, "{other}");
        }
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

    #[test]
    fn a_feed_key_leads_back_to_its_event() {
        let keys = Keys::new("x:");
        let event = keys.feed_event(&keys.feed("spring"));
        assert_eq!(event.as_deref(), Some("spring"));
        for other in [
            "x:{~}:feed",
            "x:{a.b}:feed",
            "y:{a}:feed",
            "x:{a}:feed:dead",
        ] {
            assert_eq!(keys.feed_event(other), None, "{other}");
        }
    }
}
