//! Limits how many connections one address may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::origin::Origin;
use crate::config::Networks;

/// The open connections of each address, over all workers.
#[derive(Debug)]
pub struct Addresses {
    max: u32,
    /// Each of these is the address of many clients.
    proxies: Networks,
    open: Mutex<HashMap<Origin, u32>>,
}

impl Addresses {
    /// At most this many for each address, except the proxies.
    pub fn new(max: u32, proxies: Networks) -> Arc<Self> {
        Arc::new(Self {
            max,
            proxies,
            open: Mutex::default(),
        })
    }

    /// A seat for one more connection of an address; `None` if it has as many as it may have.
    pub fn seat(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let addresses = self.clone();
        if self.proxies.contain(peer) {
            return Some(Seat {
                addresses,
                origin: None,
            });
        }
        let origin = Origin::of(peer);
        let mut open = self.lock();
        let count = open.entry(origin).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        let origin = Some(origin);
        Some(Seat { addresses, origin })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub struct Seat {
    addresses: Arc<Addresses>,
    origin: Option<Origin>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(origin) = self.origin else { return };
        let mut open = self.addresses.lock();
        if let Some(count) = open.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                open.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_seats_and_gets_them_back() {
        let proxies = Networks::parse("10.0.0.0/8").expect("networks");
        let addresses = Addresses::new(2, proxies);
        let seat = |peer: &str| addresses.seat(peer.parse().expect("address"));
        let (first, _second) = (seat("2001:db8::1"), seat("2001:db8::2"));
        assert!(seat("2001:db8::3").is_none(), "one network of a home");
        assert!(seat("2001:db8:0:1::3").is_some(), "another");
        drop(first);
        assert!(seat("2001:db8::3").is_some());
        let proxied: Vec<_> = (0..10).map(|_| seat("10.1.2.3")).collect();
        assert!(proxied.iter().all(Option::is_some));
        drop(proxied);
        drop(_second);
        assert!(addresses.lock().is_empty());
    }
}
