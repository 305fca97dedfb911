//! The clock of Redis as the expirer trusts it. A step of that clock would take orders from buyers
//! who still have time, so after one nothing expires for a while, in which somebody can put it
//! right. Then it decides again, whatever it shows.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::time::EpochMs;
use crate::failure::Result;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::server::clock::{Reading, Step};

/// A smaller step does not count: clocks are set right by a little, now and then.
const STEP_MIN: Duration = Duration::from_secs(5);
/// How long nothing expires after a step.
const PAUSE: Duration = Duration::from_secs(60);

/// What the clock of Redis showed last, against the clock of this process, which never steps.
#[derive(Debug, Default)]
pub struct Clock {
    last: Option<Reading>,
    paused_until: Option<Instant>,
}

/// What a reading means for what may expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Steady,
    Stepped(Step),
    SteppedAgain(Step),
    Resumed,
}

impl Clock {
    /// Orders whose deadline is before this moment may expire; `None`: none may now. Reads the
    /// clock when the last reading is older than `age_max`.
    ///
    /// A step after the reading does no harm: what is overdue by this moment was so before it.
    pub async fn due(
        &mut self,
        store: &Store,
        metrics: &Metrics,
        age_max: Duration,
    ) -> Result<Option<EpochMs>> {
        let last = self
            .last
            .filter(|last| last.answered_at.elapsed() < age_max);
        let reading = match last {
            Some(reading) => reading,
            None => {
                let reading = store.clock().await?;
                tell(self.hear(reading), metrics);
                reading
            }
        };
        Ok(self.paused_until.is_none().then_some(reading.time))
    }

    fn hear(&mut self, reading: Reading) -> News {
        let step = self.last.and_then(|last| reading.step_since(&last));
        self.last = Some(reading);
        let was_paused = self.paused_until.is_some();
        if let Some(step) = step.filter(|step| step.size() > STEP_MIN) {
            self.paused_until = Some(reading.answered_at + PAUSE);
            return if was_paused {
                News::SteppedAgain(step)
            } else {
                News::Stepped(step)
            };
        }
        if self
            .paused_until
            .is_some_and(|until| until <= reading.answered_at)
        {
            self.paused_until = None;
            return News::Resumed;
        }
        News::Steady
    }
}

/// Counts each step; the log hears of the first, and of the end.
fn tell(news: News, metrics: &Metrics) {
    match news {
        News::Steady => {}
        News::Stepped(step) => {
            metrics.expiry.clock_stepped();
            tracing::error!(
                ?step,
                pause = ?PAUSE,
                "the clock of Redis stepped: no order expires for a while, sales go on; set the \
                 clock of its machine right, or orders expire by what it shows then"
            );
        }
        News::SteppedAgain(_) => metrics.expiry.clock_stepped(),
        News::Resumed => {
            metrics.expiry.resumed();
            tracing::info!("orders expire again, by the clock of Redis");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Redis whose clock can be set, heard each 100 ms of a time that does not pass by itself.
    struct Heard {
        clock: Clock,
        now: Instant,
        redis_ms: u64,
    }

    impl Heard {
        fn new() -> Self {
            Self {
                clock: Clock::default(),
                now: Instant::now(),
                redis_ms: 1_000_000_000,
            }
        }

        fn step(&mut self, ms: i64) {
            self.redis_ms = self.redis_ms.checked_add_signed(ms).expect("a time");
        }

        /// Lets time pass and listens: what there was to say.
        fn pass(&mut self, time: Duration) -> Vec<News> {
            let tick = Duration::from_millis(100);
            let mut news = Vec::new();
            let end = self.now + time;
            while self.now < end {
                self.now += tick;
                self.redis_ms += 100;
                let reading = Reading {
                    time: self.redis_ms,
                    asked_at: self.now - Duration::from_millis(2),
                    answered_at: self.now,
                };
                news.push(self.clock.hear(reading));
            }
            news.retain(|news| *news != News::Steady);
            news
        }

        fn may_expire(&self) -> bool {
            self.clock.paused_until.is_none()
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_runs_says_nothing() {
        let mut heard = Heard::new();
        assert_eq!(heard.pass(SECOND * 100), []);
        for small in [4_900, -4_900] {
            heard.step(small);
            assert_eq!(heard.pass(SECOND), []);
        }
        assert!(heard.may_expire());
    }

    #[test]
    fn a_step_pauses_for_a_minute_and_is_told_once() {
        for by in [5_200, -5_200, 660_000, -660_000] {
            let mut heard = Heard::new();
            heard.pass(SECOND);
            heard.step(by);
            assert!(
                matches!(heard.pass(SECOND * 59)[..], [News::Stepped(_)]),
                "{by}"
            );
            assert!(!heard.may_expire());
            assert_eq!(heard.pass(SECOND * 2), [News::Resumed]);
            assert!(heard.may_expire());
        }
    }

    #[test]
    fn a_second_step_in_the_pause_makes_it_longer_and_is_not_told() {
        let mut heard = Heard::new();
        heard.pass(SECOND);
        heard.step(660_000);
        heard.pass(SECOND * 30);
        heard.step(-660_000);
        assert!(matches!(
            heard.pass(SECOND * 59)[..],
            [News::SteppedAgain(_)]
        ));
        assert!(!heard.may_expire());
        assert_eq!(heard.pass(SECOND * 2), [News::Resumed]);
    }
}
