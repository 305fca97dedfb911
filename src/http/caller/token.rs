//! The operators' token: whether a request has it. Every wrong token is counted. The log gets a
//! line at most once a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use ring::digest::{Digest, SHA256, digest};
use subtle::ConstantTimeEq;

use super::who;
use crate::config::AdminToken;
use crate::http::respond::problem::Problem;
use crate::metrics::Metrics;

/// Pause between two lines of the log.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Where a token is sent.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    /// Below `/admin`.
    Admin,
    /// At the endpoints of an order.
    Orders,
    /// At the check-in.
    CheckIn,
    /// At `/readyz`.
    Readiness,
}

impl Door {
    const ALL: [Self; 4] = [Self::Admin, Self::Orders, Self::CheckIn, Self::Readiness];

    fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Orders => "orders",
            Self::CheckIn => "checkin",
            Self::Readiness => "readyz",
        }
    }
}

/// The token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// No bearer token.
    Nothing,
    /// A token, but not the right one.
    Wrong,
    /// The operators' token.
    Token,
}

/// The token of a server, shared by its workers.
pub struct Token {
    digest: Digest,
    metrics: Arc<Metrics>,
    log: Mutex<Log>,
}

/// What was logged about wrong tokens.
#[derive(Default)]
struct Log {
    told: Option<Instant>,
    untold: u64,
}

impl Log {
    /// Counts one more at `now`; returns how many to log, if a line is due.
    fn another(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now < told + LOG_PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Token {
    /// The right token. Wrong ones are counted in `metrics`.
    pub fn new(token: &AdminToken, metrics: Arc<Metrics>) -> Self {
        for door in Door::ALL {
            metrics.intruders.expect(door.as_str());
        }
        Self {
            digest: digest(&SHA256, token.expose().as_bytes()),
            metrics,
            log: Mutex::default(),
        }
    }

    /// Checks the token of a request. The time that it takes says nothing about the right one:
    /// digests have one length.
    pub fn shown(&self, request: &HttpRequest) -> Shown {
        let header = request.headers().get(AUTHORIZATION);
        let Some(bearer) = header.and_then(|header| bearer(header.as_bytes())) else {
            return Shown::Nothing;
        };
        let shown = digest(&SHA256, bearer);
        if shown.as_ref().ct_eq(self.digest.as_ref()).into() {
            Shown::Token
        } else {
            Shown::Wrong
        }
    }

    /// Refuses a request without the right token.
    ///
    /// # Errors
    /// 401.
    pub fn required(&self, request: &HttpRequest, door: Door) -> Result<(), Problem> {
        match self.shown(request) {
            Shown::Token => Ok(()),
            Shown::Wrong => Err(self.wrong(request, door)),
            Shown::Nothing => Err(Problem::unauthorized(
                "Send the operators' token: `Authorization: Bearer TOKEN`.",
            )),
        }
    }

    /// 401 for a wrong token, which is counted and logged.
    pub fn wrong(&self, request: &HttpRequest, door: Door) -> Problem {
        let door = door.as_str();
        self.metrics.intruders.wrong_token(door);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = log.another(Instant::now()) {
            let who = who(request);
            tracing::warn!(who, door, times, "wrong operators' token");
        }
        Problem::unauthorized("This is not the operators' token (setting `admin.token`).")
    }
}

/// The token of `Bearer TOKEN`; `None` for other schemes, which proxies may use.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_token_itself_opens() {
        let token = AdminToken::parse("secret-1").expect("valid");
        let token = Token::new(&token, Arc::new(Metrics::new().expect("registered")));
        for (header, expected) in [
            ("Bearer secret-1", Shown::Token),
            ("bearer secret-1", Shown::Token),
            ("BEARER  secret-1 ", Shown::Token),
            ("Bearer secret-2", Shown::Wrong),
            ("Bearer secret-", Shown::Wrong),
            ("Bearer secret-11", Shown::Wrong),
            ("Bearer Secret-1", Shown::Wrong),
            ("Bearer ", Shown::Wrong),
            ("Bearer", Shown::Nothing),
            ("Basic secret-1", Shown::Nothing),
            ("secret-1", Shown::Nothing),
            ("", Shown::Nothing),
        ] {
            let request = TestRequest::default().insert_header((AUTHORIZATION, header));
            let request = request.to_http_request();
            assert_eq!(token.shown(&request), expected, "{header:?}");
        }
        let request = TestRequest::default().to_http_request();
        assert_eq!(token.shown(&request), Shown::Nothing);
    }

    #[test]
    fn the_log_hears_once_a_second_of_all() {
        let (mut log, start) = (Log::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(log.another(at(0)), Some(1));
        assert_eq!(log.another(at(1)), None);
        assert_eq!(log.another(at(999)), None);
        assert_eq!(log.another(at(1_000)), Some(3));
        assert_eq!(log.another(at(1_001)), None);
        assert_eq!(log.another(at(9_000)), Some(2));
    }
}
