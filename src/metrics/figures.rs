//! What was read of sales, feeds and gates, in the text format of Prometheus. It is written anew
//! for each reading, so nothing that is gone stays.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::table::{self, Metric};

/// Everything that was read together.
#[derive(Debug, Default)]
pub struct Figures {
    /// The figures of each sale.
    pub sales: Vec<SaleFigures>,
    /// The figures of each feed.
    pub feeds: Vec<FeedFigures>,
    /// Sales and feeds that have no figures, because their data are broken.
    pub unreadable: usize,
}

/// The figures of one sale.
#[derive(Debug)]
pub struct SaleFigures {
    /// The sale's id.
    pub sale: String,
    /// Units in stock, of a target cents: below 0 when somebody decremented it by hand.
    pub left: i64,
    /// The same in orders, by their state: `held`, `confirmed`, `used`.
    pub granted: [(&'static str, u64); 3],
    /// Buyers who hold an order.
    pub buyers: u64,
    /// Orders that were cancelled or expired and are kept; `None` for a target.
    pub dead_orders: Option<u64>,
}

/// The feed of one event.
#[derive(Debug)]
pub struct FeedFigures {
    /// The event.
    pub event: String,
    /// Entries that it has.
    pub entries: u64,
    /// How far the relays are behind; `None` when no relay ever read it.
    pub lag: Option<LagFigures>,
}

/// How far the relays are behind a feed.
#[derive(Debug)]
pub struct LagFigures {
    /// Entries that are not delivered yet.
    pub undelivered: u64,
    /// Age of the oldest of them.
    pub oldest: Duration,
    /// Entries that were given up.
    pub dead: u64,
}

/// A gate that answers without asking Redis.
#[derive(Debug)]
pub struct GateFigures {
    /// The sale's id.
    pub sale: String,
    /// What the gate says.
    pub refusal: &'static str,
    /// Buyers that it lets pass.
    pub buyers: usize,
}

/// The text of what was read, or the sign that it could not be: no figure is shown then that may
/// not be true any more.
pub fn text(read: Option<&Figures>) -> String {
    let mut text = Text::default();
    text.family(&table::FIGURES_UP, [("", i64::from(read.is_some()))]);
    if let Some(read) = read {
        text.read(read);
    }
    text.0
}

/// The text of the gates of this process.
pub fn text_of_gates(gates: &[GateFigures]) -> String {
    let mut text = Text::default();
    let rows = gates.iter().map(|gate| {
        let (refusal, sale) = (gate.refusal, &gate.sale);
        let labels = format!("{{refusal=\"{refusal}\",sale=\"{sale}\"}}");
        (labels, gate.buyers)
    });
    text.family(&table::GATE_BUYERS, rows);
    text.0
}

fn of_feed(feed: &FeedFigures) -> String {
    format!("{{event=\"{}\"}}", feed.event)
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn read(&mut self, read: &Figures) {
        self.family(&table::UNREADABLE, [("", read.unreadable)]);
        let units = read.sales.iter().flat_map(|figures| {
            let granted = figures.granted.iter();
            let granted = granted.map(|&(state, count)| (state, i128::from(count)));
            let left = ("left", i128::from(figures.left));
            [left].into_iter().chain(granted).map(|(state, count)| {
                let sale = &figures.sale;
                (format!("{{sale=\"{sale}\",state=\"{state}\"}}"), count)
            })
        });
        self.family(&table::UNITS, units);
        let of_sale = |figures: &SaleFigures| format!("{{sale=\"{}\"}}", figures.sale);
        let buyers = read
            .sales
            .iter()
            .map(|figures| (of_sale(figures), figures.buyers));
        self.family(&table::BUYERS, buyers);
        let dead = read.sales.iter();
        let dead = dead.filter_map(|figures| Some((of_sale(figures), figures.dead_orders?)));
        self.family(&table::DEAD_ORDERS, dead);
        let entries = read.feeds.iter();
        let entries = entries.map(|feed| (of_feed(feed), feed.entries));
        self.family(&table::FEED_ENTRIES, entries);
        self.lag(read, &table::FEED_UNDELIVERED, |lag| lag.undelivered);
        self.lag(read, &table::FEED_OLDEST_SECONDS, |lag| {
            lag.oldest.as_secs()
        });
        self.lag(read, &table::FEED_DEAD_LETTERS, |lag| lag.dead);
    }

    /// Of the feeds that a relay ever read.
    fn lag(&mut self, read: &Figures, metric: &Metric, value: fn(&LagFigures) -> u64) {
        let rows = read.feeds.iter();
        let rows = rows.filter_map(|feed| Some((of_feed(feed), value(feed.lag.as_ref()?))));
        self.family(metric, rows);
    }

    /// Rows of labels and a value. Ids of sales and events need no escapes. A family without rows
    /// is left out.
    fn family<L: Display, V: Display>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = (L, V)>,
    ) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        let text = &mut self.0;
        let Metric { name, help, .. } = metric;
        let kind = metric.kind.as_str();
        // Writing to a text cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            sales: vec![SaleFigures {
                sale: "a.x".to_owned(),
                left: -7,
                granted: [("held", 0), ("confirmed", 3), ("used", 0)],
                buyers: 3,
                dead_orders: Some(4),
            }],
            feeds: vec![
                FeedFigures {
                    event: "a".to_owned(),
                    entries: 9,
                    lag: Some(LagFigures {
                        undelivered: 5,
                        oldest: Duration::from_millis(2_999),
                        dead: 1,
                    }),
                },
                FeedFigures {
                    event: "b".to_owned(),
                    entries: 8,
                    lag: None,
                },
            ],
            unreadable: 2,
        }
    }

    #[test]
    fn what_was_read_is_told_and_nothing_else_is() {
        let gate = GateFigures {
            sale: "a".to_owned(),
            refusal: "paused",
            buyers: 3,
        };
        let gates = "\
# HELP seckill_gate_buyers Buyers that a closed gate lets pass; absent while the gate is open
# TYPE seckill_gate_buyers gauge
seckill_gate_buyers{refusal=\"paused\",sale=\"a\"} 3
";
        let up = "\
# HELP seckill_figures_up Whether all figures of sales and feeds were read (1) or are left out (0)
# TYPE seckill_figures_up gauge
seckill_figures_up ";
        assert_eq!(text_of_gates(&[gate]), gates);
        assert_eq!(text_of_gates(&[]), "");
        assert_eq!(text(None), format!("{up}0\n"));
        let read = text(Some(&figures()));
        assert!(read.starts_with(&format!("{up}1\n")), "{read}");
        let rows: Vec<&str> = read.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            "seckill_figures_up 1",
            "seckill_unreadable 2",
            "seckill_units{sale=\"a.x\",state=\"left\"} -7",
            "seckill_units{sale=\"a.x\",state=\"held\"} 0",
            "seckill_units{sale=\"a.x\",state=\"confirmed\"} 3",
            "seckill_units{sale=\"a.x\",state=\"used\"} 0",
            "seckill_buyers{sale=\"a.x\"} 3",
            "seckill_dead_orders{sale=\"a.x\"} 4",
            "seckill_feed_entries{event=\"a\"} 9",
            "seckill_feed_entries{event=\"b\"} 8",
            "seckill_feed_undelivered{event=\"a\"} 5",
            "seckill_feed_oldest_seconds{event=\"a\"} 2",
            "seckill_feed_dead_letters{event=\"a\"} 1",
        ];
        assert_eq!(rows, expected);
    }
}
