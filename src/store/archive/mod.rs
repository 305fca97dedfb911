//! Archiving: exports what nobody needs of an event that is over, and then drops it.
//!
//! First the event is closed for good: no sale of it opens again, none is created, and no payment
//! is made, so that a request that was dropped and is asked again does nothing new. Then come the
//! feed, its dead letters, the dead orders, the requests and the payments, page by page. Each page
//! is kept elsewhere before it is dropped, and only what was kept is dropped. So the command may
//! break off at any point: run again, it exports what is left.

mod erase;

use redis::Value;

use super::connection::scan::{Pair, Scan, Scanner};
use super::decode::{number, unexpected, word, words};
use super::feed::Row as FoundRow;
use super::script::{ARCHIVE_BEGIN, ARCHIVE_ENTRIES, ARCHIVE_FIELDS, ARCHIVE_ORDERS, Call};
use super::{Store, record};
use crate::domain::archive::{ArchiveOutcome, ArchiveRefusal, Archived, Field, Piece, Row};
use crate::domain::ids::{Event, SaleId};
use crate::domain::order::Order;
use crate::error::{self, Error};
use crate::failure::{Failure, Result};

/// What is dropped in one script call: a few milliseconds of Redis.
const BATCH: usize = 500;

/// Where an archive is kept.
pub trait Keeper {
    /// Keeps these pieces, so that they survive a power failure: they are dropped next.
    ///
    /// # Errors
    /// They are not kept, and stay where they are.
    fn keep(&mut self, pieces: &[Piece]) -> error::Result<()>;

    /// Hears that so many more entries of the event were looked at.
    fn looked_at(&mut self, entries: u64);
}

/// A step that went wrong, or that the event refused.
enum Stop {
    Failed(Error),
    Refused(ArchiveRefusal),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a script says that drops something.
enum Told {
    Dropped(u64),
    /// The feed has entries again.
    FeedLeft,
}

/// A hash whose fields belong to persons and request ids.
#[derive(Debug, Clone, Copy)]
enum Hash {
    Requests,
    Payments,
}

impl Store {
    /// Archives what nobody needs of an event that is over. `erase`: also takes the names of
    /// persons out of what stays.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer, or `keeper` kept nothing: what was dropped
    /// was kept before, and the same again goes on.
    pub async fn event_archive(
        &self,
        event: &Event,
        erase: bool,
        keeper: &mut dyn Keeper,
    ) -> error::Result<ArchiveOutcome> {
        let event = event.as_str();
        let mut archived = Archived::default();
        match self.archive(event, erase, keeper, &mut archived).await {
            Ok(()) => Ok(ArchiveOutcome::Done(archived)),
            Err(Stop::Refused(refusal)) => Ok(ArchiveOutcome::Refused(refusal)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// How many entries [`Store::event_archive`] will look at.
    ///
    /// # Errors
    /// Redis is not there, or not in a state to answer.
    pub async fn event_size(&self, event: &Event) -> Result<u64> {
        let event = event.as_str();
        let (feed, dead) = (self.keys.feed(event), self.keys.dead(event));
        let (orders, requests) = (self.keys.orders(event), self.keys.requests(event));
        let payments = self.keys.payments(event);
        let mut sizes = redis::pipe();
        sizes.cmd("XLEN").arg(&feed).cmd("XLEN").arg(&dead);
        sizes.hlen(&orders).hlen(&requests).hlen(&payments);
        let keys = [&*feed, &*dead, &*orders, &*requests, &*payments];
        let mut scan = self.scan(Scanner::Operator).await?;
        let sizes: Vec<u64> = scan.ask_all(&keys, &sizes).await?;
        scan.end().await?;
        Ok(sizes.iter().sum())
    }

    async fn archive(
        &self,
        event: &str,
        erase: bool,
        keeper: &mut dyn Keeper,
        archived: &mut Archived,
    ) -> Result<(), Stop> {
        let sales = self.archive_begin(event).await?;
        self.archive_feed(event, keeper, archived).await?;
        self.archive_orders(event, &sales, keeper, archived).await?;
        for hash in [Hash::Requests, Hash::Payments] {
            self.archive_fields(event, hash, keeper, archived).await?;
        }
        if erase {
            let erased = self.archive_erase(event, &sales, keeper).await?;
            let erased = erased.ok_or(Stop::Refused(ArchiveRefusal::Deleted))?;
            archived.erased = Some(erased);
        }
        Ok(())
    }

    /// Closes the event for good, and says which sales it has. No sale is created in it while they
    /// are looked for.
    async fn archive_begin(&self, event: &str) -> Result<Vec<SaleId>, Stop> {
        let closed = |failure: Failure| {
            failure.and("the event may take no new sales until the same command has ended")
        };
        self.event_close(event).await.map_err(closed)?;
        let sales = self.sale_ids().await.map_err(closed)?;
        let sales: Vec<SaleId> = sales.into_iter().filter(|id| id.event() == event).collect();
        let ids: Vec<&str> = sales.iter().map(SaleId::as_str).collect();
        let keys = self.keys.of_archive_begin(event, &sales);
        let call = ARCHIVE_BEGIN.on(&keys).arg(ids);
        let told = self.change(call).await.map_err(closed)?;
        match words("archive_begin", told)?.as_slice() {
            [word] if word == "begun" => Ok(sales),
            told => Err(Stop::Refused(refusal("archive_begin", told)?)),
        }
    }

    /// The feed, then its dead letters.
    async fn archive_feed(
        &self,
        event: &str,
        keeper: &mut dyn Keeper,
        archived: &mut Archived,
    ) -> Result<(), Stop> {
        let stream = self.keys.feed(event);
        let piece = Piece::Entry;
        archived.entries += self.archive_entries(event, &stream, piece, keeper).await?;
        let stream = self.keys.dead(event);
        let piece = Piece::DeadLetter;
        archived.dead_letters += self.archive_entries(event, &stream, piece, keeper).await?;
        Ok(())
    }

    /// The entries of one stream.
    async fn archive_entries(
        &self,
        event: &str,
        stream: &str,
        piece: fn(Row) -> Piece,
        keeper: &mut dyn Keeper,
    ) -> Result<u64, Stop> {
        let keys = [
            self.keys.archived(event),
            self.keys.feed(event),
            stream.to_owned(),
        ];
        let mut scan = self.scan(Scanner::Operator).await?;
        let (mut dropped, mut after) = (0, "-".to_owned());
        loop {
            let rows = scan.entries(stream, &after, BATCH).await?;
            let Some((last, _)) = rows.last() else {
                scan.end().await?;
                return Ok(dropped);
            };
            after = format!("({last}");
            let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
            let pieces: Vec<Piece> = rows.iter().map(|found| piece(row(found))).collect();
            keeper.keep(&pieces)?;
            let call = ARCHIVE_ENTRIES.on(&keys).arg(&ids);
            if let Told::Dropped(entries) = self.drop_kept(call).await? {
                dropped += entries;
            }
            keeper.looked_at(rows.len() as u64);
        }
    }

    /// The dead orders. One that dies meanwhile has an entry in the feed, which goes first.
    async fn archive_orders(
        &self,
        event: &str,
        sales: &[SaleId],
        keeper: &mut dyn Keeper,
        archived: &mut Archived,
    ) -> Result<(), Stop> {
        let key = self.keys.orders(event);
        let mut scan = self.scan(Scanner::Operator).await?;
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, pairs) = scan.page("HSCAN", &key, at).await?;
            let (dead, unreadable) = dead_orders(&pairs);
            archived.unreadable += unreadable;
            for batch in dead.chunks(BATCH) {
                self.archive_batch(event, sales, batch, keeper, archived)
                    .await?;
            }
            keeper.looked_at(pairs.len() as u64);
            cursor = next;
        }
        scan.end().await?;
        Ok(())
    }

    async fn archive_batch(
        &self,
        event: &str,
        sales: &[SaleId],
        dead: &[Order],
        keeper: &mut dyn Keeper,
        archived: &mut Archived,
    ) -> Result<(), Stop> {
        let keys = self.keys.of_archive_orders(event, sales);
        let names: Vec<&str> = sales.iter().map(SaleId::as_str).collect();
        let ids: Vec<&str> = dead.iter().map(|order| order.id.as_str()).collect();
        let pieces: Vec<Piece> = dead.iter().cloned().map(Piece::Order).collect();
        keeper.keep(&pieces)?;
        loop {
            let call = ARCHIVE_ORDERS.on(&keys).arg(&names).arg(&ids);
            match self.drop_kept(call).await? {
                Told::Dropped(orders) => {
                    archived.orders += orders;
                    return Ok(());
                }
                Told::FeedLeft => self.archive_feed(event, keeper, archived).await?,
            }
        }
    }

    /// The fields of one hash.
    async fn archive_fields(
        &self,
        event: &str,
        hash: Hash,
        keeper: &mut dyn Keeper,
        archived: &mut Archived,
    ) -> Result<(), Stop> {
        let (key, piece): (String, fn(Field) -> Piece) = match hash {
            Hash::Requests => (self.keys.requests(event), Piece::Request),
            Hash::Payments => (self.keys.payments(event), Piece::Payment),
        };
        let keys = [self.keys.archived(event), key.clone()];
        let mut scan = self.scan(Scanner::Operator).await?;
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            let (next, pairs) = scan.page("HSCAN", &key, at).await?;
            let fields: Vec<Field> = pairs.iter().filter_map(field).collect();
            archived.unreadable += (pairs.len() - fields.len()) as u64;
            for batch in fields.chunks(BATCH) {
                let pieces: Vec<Piece> = batch.iter().cloned().map(piece).collect();
                keeper.keep(&pieces)?;
                let mut call = ARCHIVE_FIELDS.on(&keys);
                for Field {
                    username,
                    request,
                    value,
                } in batch
                {
                    call = call.arg(format!("{username}\t{request}")).arg(value);
                }
                let Told::Dropped(fields) = self.drop_kept(call).await? else {
                    continue;
                };
                match hash {
                    Hash::Requests => archived.requests += fields,
                    Hash::Payments => archived.payments += fields,
                }
            }
            keeper.looked_at(pairs.len() as u64);
            cursor = next;
        }
        scan.end().await?;
        Ok(())
    }

    /// Drops what was kept.
    async fn drop_kept(&self, call: Call<'_>) -> Result<Told, Stop> {
        let script = call.name();
        let reply = self.change(call).await?;
        if let Value::Array(parts) = &reply
            && let [answer, count] = parts.as_slice()
            && word(script, answer)? == "dropped"
        {
            return Ok(Told::Dropped(number(script, count)?));
        }
        match words(script, reply)?.as_slice() {
            [word] if word == "feed_left" => Ok(Told::FeedLeft),
            told => Err(Stop::Refused(refusal(script, told)?)),
        }
    }
}

impl Scan {
    /// Whether the event was archived: then requests of its orders may be gone.
    pub(super) async fn is_archived(&mut self, event: &str) -> Result<bool> {
        let key = self.store().keys.archived(event);
        let mut exists = redis::cmd("EXISTS");
        exists.arg(&key);
        self.ask(&[&key], &exists).await
    }
}

/// The dead ones of these orders, and how many cannot be read.
fn dead_orders(pairs: &[Pair]) -> (Vec<Order>, u64) {
    let (mut dead, mut unreadable) = (Vec::new(), 0);
    for (id, found) in pairs {
        match record::decode(&String::from_utf8_lossy(id), found) {
            Ok(order) if order.state.is_alive() => {}
            Ok(order) => dead.push(order),
            Err(_) => unreadable += 1,
        }
    }
    (dead, unreadable)
}

/// An entry of a stream as it is exported.
fn row((id, fields): &FoundRow) -> Row {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = fields.iter().flatten();
    Row {
        id: id.clone(),
        fields: fields
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
    }
}

/// A field as it is exported; `None` for one that is not text, or of no person and request.
fn field((name, value): &Pair) -> Option<Field> {
    let (username, request) = str::from_utf8(name).ok()?.split_once('\t')?;
    Some(Field {
        username: username.to_owned(),
        request: request.to_owned(),
        value: str::from_utf8(value).ok()?.to_owned(),
    })
}

/// Decodes a refusal of a script that archives.
fn refusal(script: &str, told: &[String]) -> Result<ArchiveRefusal> {
    let nothing = || unexpected(script, &format!("{told:?}"));
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    match told.as_slice() {
        ["no_such_event"] => Ok(ArchiveRefusal::NoSuchEvent),
        ["not_archived"] => Ok(ArchiveRefusal::Deleted),
        ["not_ended", id, closes_at @ ..] => Ok(ArchiveRefusal::NotEnded {
            sale: SaleId::parse(id).map_err(|_| nothing())?,
            closes_at: match closes_at {
                [] => None,
                [ms] => Some(ms.parse().map_err(|_| nothing())?),
                _ => return Err(nothing()),
            },
        }),
        ["feed_needed", group] => Ok(ArchiveRefusal::FeedNeeded {
            group: (*group).to_owned(),
        }),
        ["being_cleared", command] => Ok(ArchiveRefusal::BeingCleared {
            command: (*command).to_owned(),
        }),
        _ => Err(nothing()),
    }
}
