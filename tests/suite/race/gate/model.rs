//! What a gate may say: a model that knows everything, and the lies that it must convict.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::STALE_MAX;
use crate::support::history::{Answer, Entry, Promise};
use crate::support::table::rows;

/// How the sale stood for some time; a burst of attempts passes through many stocks.
struct Stood {
    from: Instant,
    until: Option<Instant>,
    paused: bool,
    left: RangeInclusive<u64>,
}

impl Stood {
    fn says(&self, code: &str, asked: u32) -> bool {
        match code {
            "paused" => self.paused,
            "sold_out" => !self.paused && self.left.contains(&0),
            "insufficient_stock" => {
                let mut few = 1..u64::from(asked);
                !self.paused && few.any(|few| self.left.contains(&few))
            }
            _ => false,
        }
    }

    fn stood_within(&self, from: Instant, until: Instant) -> bool {
        self.from <= until && self.until.is_none_or(|ended| ended >= from)
    }
}

/// One life of a server process.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub number: usize,
    pub began: Instant,
}

/// An order as its buyer knows it, and which servers have shown it since when.
pub struct Held {
    promise: Promise,
    shown: Vec<(usize, Instant)>,
}

impl Held {
    /// True when this server must return the order to a request sent then.
    fn is_known(&self, server: Life, sent: Instant) -> bool {
        let old = |&(_, at): &(usize, Instant)| at < server.began || at + STALE_MAX < sent;
        let own = |&(number, at): &(usize, Instant)| number == server.number && at < sent;
        self.shown.iter().any(|shown| own(shown) || old(shown))
    }
}

/// The sale as somebody sees it who knows everything.
pub struct Model {
    pub paused: bool,
    pub left: u64,
    pub stocked: u64,
    stood: Vec<Stood>,
    pub held: HashMap<String, Held>,
}

impl Model {
    pub fn new(stock: u64, now: Instant) -> Self {
        let mut model = Self {
            paused: false,
            left: stock,
            stocked: stock,
            stood: Vec::new(),
            held: HashMap::new(),
        };
        model.changed(now, now);
        model
    }

    /// The sale is no longer as it was; when exactly within this time, nobody knows.
    pub fn changed(&mut self, began: Instant, ended: Instant) {
        if let Some(last) = self.stood.last_mut() {
            last.until = Some(ended);
        }
        self.stood.push(Stood {
            from: began,
            until: None,
            paused: self.paused,
            left: self.left..=self.left,
        });
    }

    pub fn stock(&mut self, units: u64, began: Instant) {
        self.left += units;
        self.stocked += units;
        self.changed(began, Instant::now());
    }

    /// Takes in what a burst that began then saw, then judges all of it.
    pub fn burst(&mut self, began: Instant, seen: &[(Life, Entry)]) -> Result<(), String> {
        let before = self.left;
        for (server, entry) in seen {
            self.shown(*server, entry)?;
        }
        let ended = seen.iter().map(|(_, entry)| entry.answered).max();
        let ended = ended.unwrap_or(began);
        if self.left != before {
            self.stood.push(Stood {
                from: began,
                until: Some(ended),
                paused: self.paused,
                left: self.left..=before,
            });
            // The state before the burst ends with it, too.
            let last = self.stood.len() - 1;
            self.stood[last - 1].until = Some(ended);
            self.changed(began, ended);
        }
        let refused = seen
            .iter()
            .filter(|(_, entry)| entry.answer.order.is_none());
        for (server, entry) in refused {
            self.refused(*server, entry)?;
        }
        Ok(())
    }

    fn shown(&mut self, server: Life, entry: &Entry) -> Result<(), String> {
        let Some(promise) = &entry.answer.order else {
            return Ok(());
        };
        let shown = (server.number, entry.answered);
        if let Some(held) = self.held.get_mut(&entry.user) {
            held.shown.push(shown);
            let same = held.promise == *promise;
            return same
                .then_some(())
                .ok_or(format!("another order: {entry:?}"));
        }
        let units = u64::from(promise.purchase);
        let left = self.left.checked_sub(units);
        self.left = left.ok_or(format!("oversold: {entry:?}"))?;
        let (promise, shown) = (promise.clone(), vec![shown]);
        self.held
            .insert(entry.user.clone(), Held { promise, shown });
        Ok(())
    }

    fn refused(&self, server: Life, entry: &Entry) -> Result<(), String> {
        if let Some(held) = self.held.get(&entry.user)
            && held.is_known(server, entry.sent)
        {
            return Err(format!("a buyer was refused: {entry:?}"));
        }
        let code = &entry.answer.code;
        // Only what holds for everybody is said by gates; the rest must be true now.
        let stale = if code == "insufficient_stock" {
            Duration::ZERO
        } else {
            STALE_MAX
        };
        let right = self.stood.iter().any(|stood| {
            stood.says(code, entry.asked) && stood.stood_within(entry.sent - stale, entry.answered)
        });
        right
            .then_some(())
            .ok_or(format!("it was never so: {entry:?}, {} left", self.left))
    }
}

/// What is said, by which server (3 is a new one), how many ms after the start, to whom, the
/// answer, and whether the model must convict it.
const ANSWERS: &str = "
    sold out       1  500   y  sold_out            true
    stale          1  1100  y  sold_out            true
    never opens    1  1200  y  sold_out            LIE
    too early      1  5     y  sold_out            LIE
    not paused     1  500   y  paused              LIE
    too few        1  1100  y  insufficient_stock  true
    not too few    1  990   y  insufficient_stock  LIE
    unknown        1  500   y  unknown             LIE
    buyer refused  1  12    x  sold_out            LIE
    lags           2  12    x  sold_out            true
    lags too long  2  200   x  sold_out            LIE
    new server     3  30    x  sold_out            LIE
    oversold       1  1100  y  order of y          LIE
    another order  1  1100  x  order of y          LIE
";

/// The times of the answers above.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn at(self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn server(self, number: usize) -> Life {
        let began = self.at(if number == 3 { 20 } else { 0 });
        Life { number, began }
    }

    /// Somebody asks for two and is told this.
    fn entry(self, ms: u64, user: &str, said: &str) -> Entry {
        let answer = match said.strip_prefix("order of ") {
            None => Answer::refusal(said),
            Some(owner) => Answer {
                code: "grabbed".to_owned(),
                order: Some(Promise {
                    order: format!("o-{owner}"),
                    purchase: 2,
                    units: Vec::new(),
                }),
            },
        };
        Entry {
            user: user.to_owned(),
            asked: 2,
            sent: self.at(ms),
            answered: self.at(ms + 1),
            answer,
        }
    }

    /// Two units; x takes both at server 1 after 10 ms; one comes back after 1000 ms.
    fn model(self) -> Model {
        let mut model = Model::new(2, self.start);
        let bought = [(self.server(1), self.entry(10, "x", "order of x"))];
        model.burst(self.at(10), &bought).expect("true");
        model.left += 1;
        model.changed(self.at(1000), self.at(1001));
        model
    }
}

/// The control of the model: it convicts what a broken gate would say, and only that.
#[test]
fn every_lie_of_a_gate_is_caught() {
    let clock = Clock {
        start: Instant::now() + Duration::from_secs(1),
    };
    for row in rows(ANSWERS) {
        let [_, server, ms, user, said, verdict] = row.cells();
        let server = clock.server(server.parse().expect("a server"));
        let seen = clock.entry(ms.parse().expect("a time"), user, said);
        let judged = clock.model().burst(seen.sent, &[(server, seen)]);
        assert_eq!(judged.is_err(), verdict == "LIE", "{judged:?}");
    }
}
