//! What grows without limit: memory, feeds without a reader, dead orders of events that are over.

use std::collections::BTreeMap;

use super::finding::{Finding, Grade};
use crate::domain::counted::counted;
use crate::domain::memory::Fullness;
use crate::domain::sale::Phase;
use crate::error::Result;
use crate::store::Store;
use crate::store::server::ServerFacts;

/// Entries that a feed without a reader may have: about 5 MiB.
const FEED_ENTRIES_MAX: u64 = 100_000;
/// Dead orders that an event that is over may keep: about 2 MiB.
const DEAD_ORDERS_MAX: u64 = 10_000;
/// Names in one finding. The rest are counted.
const NAMED_MAX: usize = 5;

/// How much memory is used; `None` when Redis hides it.
pub(super) fn memory_used(facts: &ServerFacts) -> Option<Finding> {
    let memory = facts.memory()?;
    let (grade, mend) = match (memory.max, memory.fullness()) {
        (0, _) => (
            Grade::Warning,
            "set maxmemory, for instance to 60 % of the memory of the machine (redis.maxmemory for \
             the private Redis, else CONFIG SET maxmemory). Without it, the kernel kills Redis \
             when the memory is used up",
        ),
        (_, Fullness::Fine) => (Grade::Good, ""),
        (_, Fullness::High | Fullness::Full) => (
            Grade::Warning,
            "raise maxmemory, or run `seckill event archive EVENT` for events that are over. A \
             full Redis sells nothing",
        ),
    };
    Some(Finding::new("memory used", grade, memory.to_string(), mend))
}

/// Feeds without a reader.
pub(super) async fn feeds(store: &Store) -> Finding {
    let what = "feeds";
    let unread = match unread(store).await {
        Ok(unread) => unread,
        Err(error) => return unknown(what, error),
    };
    let Some((largest, _)) = unread.first() else {
        return Finding::new(what, Grade::Good, "none grows without a reader", "");
    };
    let names = unread
        .iter()
        .map(|(event, entries)| format!("{event} ({entries} entries)"));
    let found = format!("no consumer group reads the feed of {}", listed(names));
    let key = store.keys().feed(largest);
    let mend = format!(
        "`seckill relay` delivers and trims it. If the event is over, `seckill event archive \
         {largest}` exports and drops it. If nobody will ever read it: `redis-cli XTRIM '{key}' \
         MAXLEN '~' {FEED_ENTRIES_MAX}`"
    );
    Finding::new(what, Grade::Warning, found, mend)
}

/// Events whose feed has no reader, and how many entries each has.
async fn unread(store: &Store) -> Result<Vec<(String, u64)>> {
    let mut unread = Vec::new();
    for event in store.events_with_feeds().await? {
        let entries = store.feed_length(&event).await?;
        if entries > FEED_ENTRIES_MAX && store.feed_groups(&event).await? == 0 {
            unread.push((event, entries));
        }
    }
    unread.sort_by_key(|(_, entries)| std::cmp::Reverse(*entries));
    Ok(unread)
}

/// Events that are over and keep many dead orders.
pub(super) async fn dead_orders(store: &Store) -> Finding {
    let what = "dead orders";
    let over = match over(store).await {
        Ok(over) => over,
        Err(error) => return unknown(what, error),
    };
    let Some((most, _)) = over.first() else {
        return Finding::new(what, Grade::Good, "no event that is over keeps many", "");
    };
    let names = over.iter().map(|(event, orders)| {
        let orders = counted(*orders, "order");
        format!("{event} ({orders})")
    });
    let found = format!(
        "events that are over keep many cancelled or expired orders: {}",
        listed(names)
    );
    let mend = format!("`seckill event archive {most}` exports and drops them");
    Finding::new(what, Grade::Warning, found, mend)
}

/// Events that are over, and how many dead orders each keeps.
async fn over(store: &Store) -> Result<Vec<(String, u64)>> {
    let mut events: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for (id, snapshot) in store.sales().await? {
        let ended = snapshot
            .ok()
            .filter(|sale| sale.sale.window(sale.now) == Phase::Ended);
        let dead = ended.map(|sale| sale.dead_orders().unwrap_or(0));
        let sum = events.entry(id.event().to_owned()).or_insert(Some(0));
        *sum = sum.zip(dead).map(|(sum, dead)| sum.saturating_add(dead));
    }
    let over = events
        .into_iter()
        .filter_map(|(event, dead)| Some((event, dead?)));
    let mut over: Vec<_> = over.filter(|(_, dead)| *dead > DEAD_ORDERS_MAX).collect();
    over.sort_by_key(|(_, dead)| std::cmp::Reverse(*dead));
    Ok(over)
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let named: Vec<String> = names.take(NAMED_MAX).collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn unknown(what: &'static str, error: crate::error::Error) -> Finding {
    Finding::new(
        what,
        Grade::Warning,
        format!("not known: {error}"),
        "see the message of Redis",
    )
}
