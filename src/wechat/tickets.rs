//! What somebody with a student number can ask for: tickets. A ticket is an order of the sale,
//! held by the number.

use super::activities::Shown;
use super::command::TicketCommand;
use super::office::Office;
use super::reply::{Article, Listed, Reply};
use super::wording::{self, List};
use crate::admission;
use crate::domain::caller::Caller;
use crate::domain::ids::{Number, OpenId, OrderId};
use crate::domain::order::change::ChangeOutcome;
use crate::domain::order::{Order, OrderState};
use crate::domain::purchase::attempt::Purchase;
use crate::domain::purchase::outcome::{Grant, Outcome};
use crate::domain::sale::Door;
use crate::domain::time::EpochMs;
use crate::failure::{Failure, Result};
use crate::store::wechat::claims::{Claim, SettleOutcome};

/// A user with a number, and the activities as they were just read, in the order in which tickets
/// are listed.
pub(super) struct Holder<'a> {
    pub office: &'a Office,
    pub user: &'a OpenId,
    pub number: &'a Number,
    /// The user's message, claimed.
    pub claim: &'a Claim,
    pub to_event: bool,
    /// When the activities were read.
    pub now: EpochMs,
    pub activities: Vec<Shown<'a>>,
}

/// A ticket that is not dead, and what it is for.
type Ticket<'a> = (Shown<'a>, Order);

impl<'a> Holder<'a> {
    /// Does it, and says what became of it.
    pub async fn ask(&self, command: &TicketCommand) -> Result<Reply> {
        match command {
            TicketCommand::Book(keyword) => self.book(&self.meant(keyword)).await,
            TicketCommand::BookSale(id) => {
                let sales = self.activities.iter().copied();
                let sale: Vec<_> = sales.filter(|shown| shown.sale.id.as_str() == id).collect();
                self.book(&sale).await
            }
            TicketCommand::List => self.list(&self.activities, &wording::TICKETS).await,
            TicketCommand::Show(keyword) => match self.named(keyword) {
                none if none.is_empty() => Ok(Reply::text(wording::NO_SUCH_ACTIVITY)),
                named => self.list(&named, &wording::SAME_KEYWORD_TICKETS).await,
            },
            TicketCommand::Return(keyword) => self.give_back(&self.named(keyword)).await,
        }
    }

    fn named(&self, keyword: &str) -> Vec<Shown<'a>> {
        let activities = self.activities.iter().copied();
        activities
            .filter(|shown| shown.keyword.as_str() == keyword)
            .collect()
    }

    /// What a keyword names when somebody wants to book: of several, not those of last year.
    fn meant(&self, keyword: &str) -> Vec<Shown<'a>> {
        preferred(self.named(keyword), |shown| shown.is_bookable(self.now))
    }

    async fn book(&self, named: &[Shown<'a>]) -> Result<Reply> {
        // What an earlier delivery has booked is booked, also if it went back since.
        if let Some(ticket) = self.noted().await? {
            return Ok(self.told_again(&ticket));
        }
        let shown = match named {
            [] => return Ok(Reply::text(wording::NO_SUCH_ACTIVITY)),
            [one] => *one,
            [_, _, ..] => return Ok(Reply::text(wording::SAME_KEYWORD)),
        };
        let (sale, buyer) = (&shown.sale.id, self.number.username());
        let id = async {
            let id = admission::new_id(sale);
            self.note(&id).await.map(|()| id)
        };
        let admission = &self.office.admission;
        let decided = admission.grab_as(id, sale, Door::Office, buyer, Purchase::ONE);
        Ok(match decided.await? {
            Outcome::Grabbed(Grant { order, line }) => {
                self.booked(shown, &order, &line.units, wording::BOOKED)
            }
            Outcome::AlreadyGrabbed(Grant { order, line }) => {
                self.booked(shown, &order, &line.units, wording::BOOKED_BEFORE)
            }
            Outcome::Refused(refusal) => Reply::text(wording::not_booked(refusal)),
        })
    }

    /// The ticket that an earlier delivery of this message was about to book, if it did. To confirm
    /// a ticket changes nothing, and tells of it only when replicas have it that must.
    async fn noted(&self) -> Result<Option<Order>> {
        let Some(noted) = &self.claim.note else {
            return Ok(None);
        };
        let confirmed = self.office.store.order_confirm(noted).await;
        let ticket = match confirmed.map_err(harmless)? {
            ChangeOutcome::Changed(order)
            | ChangeOutcome::Repeated(order)
            | ChangeOutcome::Refused(_, order) => order,
            ChangeOutcome::NoSuchOrder => return Ok(None),
        };
        Ok(Some(ticket).filter(|ticket| ticket.username == self.number.username()))
    }

    /// What is said of a ticket that an earlier delivery booked.
    fn told_again(&self, ticket: &Order) -> Reply {
        match self.activity_of(ticket) {
            _ if !ticket.state.is_alive() => Reply::text(wording::BOOKED_AND_RETURNED),
            Some(shown) => {
                let units = ticket.units(&shown.sale.id);
                self.booked(shown, &ticket.id, units, wording::BOOKED)
            }
            None => Reply::text(wording::NO_SUCH_ACTIVITY),
        }
    }

    fn booked(&self, shown: Shown<'a>, ticket: &OrderId, units: &[String], title: &str) -> Reply {
        let description = wording::booked(shown, units);
        Reply::from(self.article(shown, ticket, title.to_owned(), description))
    }

    /// The unused tickets. One that cannot be read hides no other, but where none is left, nobody
    /// knows that there is none.
    async fn list(&self, activities: &[Shown<'a>], words: &List) -> Result<Reply> {
        let (mut listed, mut unreadable) = (Vec::new(), None);
        for ticket in self.tickets(activities).await? {
            match ticket {
                Ok((shown, order)) if is_unused(&order) => listed.push(self.listed(shown, &order)),
                Ok(_) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        match unreadable {
            Some(error) if listed.is_empty() => Err(error),
            Some(_) | None => Ok(Reply::list(listed, self.to_event, words)),
        }
    }

    fn listed(&self, shown: Shown<'a>, ticket: &Order) -> Listed {
        let description = wording::ticket(shown, ticket.units(&shown.sale.id));
        let title = shown.name().to_owned();
        Listed {
            entry: wording::entry(shown, false),
            article: self.article(shown, &ticket.id, title, description),
        }
    }

    async fn give_back(&self, named: &[Shown<'a>]) -> Result<Reply> {
        // An earlier delivery meant this ticket. The user may have booked another one since.
        if let Some(noted) = &self.claim.note {
            return self.cancel(noted, wording::RETURNED).await;
        }
        if named.is_empty() {
            return Ok(Reply::text(wording::NO_SUCH_ACTIVITY));
        }
        let tickets = self.tickets(named).await?;
        // Any of them may be the one that is meant.
        let tickets: Vec<_> = tickets.into_iter().collect::<Result<_>>()?;
        // A used one is asked about only when there is no other: to be told that it is used.
        let tickets = preferred(tickets, |(_, order)| is_unused(order));
        let tickets = preferred(tickets, |(shown, _)| !shown.activity.is_over(self.now));
        let (_, order) = match tickets.as_slice() {
            [] => return Ok(Reply::text(wording::NO_TICKET)),
            [one] => one,
            [_, _, ..] => return Ok(Reply::text(wording::SAME_KEYWORD_RETURN)),
        };
        self.note(&order.id).await?;
        // Another message that has given it back meanwhile was told so.
        self.cancel(&order.id, wording::NO_TICKET).await
    }

    /// Notes which ticket is meant: the next delivery of this message books or gives back no other.
    async fn note(&self, ticket: &OrderId) -> Result<()> {
        let noted = self.office.store.reply_note(self.claim, ticket).await;
        match noted.map_err(harmless)? {
            SettleOutcome::Settled => Ok(()),
            SettleOutcome::Lost => Err(Failure::Busy("another delivery took over".to_owned())),
        }
    }

    /// Gives a ticket back; `repeated` is said when it is cancelled already.
    async fn cancel(&self, ticket: &OrderId, repeated: &str) -> Result<Reply> {
        let caller = Caller::Known(self.number.username());
        let outcome = self.office.admission.cancel(ticket, &caller).await?;
        Ok(Reply::text(match outcome {
            ChangeOutcome::Changed(_) => wording::RETURNED,
            ChangeOutcome::Repeated(_) => repeated,
            ChangeOutcome::Refused(refusal, order) => {
                wording::not_returned(refusal, self.cancel_until(&order))
            }
            ChangeOutcome::NoSuchOrder => wording::NO_TICKET,
        }))
    }

    /// Until when a ticket may go back, if that is ever possible.
    fn cancel_until(&self, ticket: &Order) -> Option<EpochMs> {
        self.activity_of(ticket)?.sale.cancel_until
    }

    /// What a ticket is for, if that is on show.
    fn activity_of(&self, ticket: &Order) -> Option<Shown<'a>> {
        let mut activities = self.activities.iter().copied();
        activities.find(|shown| ticket.line(&shown.sale.id).is_some())
    }

    /// The user's tickets of these activities; one that cannot be read is an error of its own.
    async fn tickets(&self, activities: &[Shown<'a>]) -> Result<Vec<Result<Ticket<'a>>>> {
        let sales: Vec<_> = activities.iter().map(|shown| &shown.sale.id).collect();
        let buyer = self.number.username();
        let orders = self.office.store.orders_of_buyer(&sales, &buyer).await?;
        let tickets = activities.iter().copied().zip(orders);
        let held = tickets.filter_map(|(shown, order)| match order {
            Ok(order) => {
                let alive = order.filter(|order| order.state.is_alive())?;
                Some(Ok((shown, alive)))
            }
            Err(error) => {
                let sale = &shown.sale.id;
                tracing::error!(
                    %sale, %error,
                    "a ticket cannot be shown: run `seckill audit --deep`"
                );
                Some(Err(error))
            }
        });
        Ok(held.collect())
    }

    fn article(
        &self,
        shown: Shown<'_>,
        ticket: &OrderId,
        title: String,
        description: String,
    ) -> Article {
        Article {
            title,
            description,
            picture: shown.activity.picture.clone(),
            url: self.office.account.links.ticket(self.user, ticket),
        }
    }
}

/// The failure of what did nothing to tickets, if it was executed at all: it is tried again.
fn harmless(error: Failure) -> Failure {
    match error {
        Failure::Unknown(why) => Failure::Busy(why),
        other => other,
    }
}

/// Those that are meant, if there are any; or else all of them.
fn preferred<T>(all: Vec<T>, is_meant: impl Fn(&T) -> bool) -> Vec<T> {
    if !all.iter().any(&is_meant) {
        return all;
    }
    all.into_iter().filter(is_meant).collect()
}

fn is_unused(order: &Order) -> bool {
    match order.state {
        OrderState::Confirmed => true,
        OrderState::Held | OrderState::Used | OrderState::Cancelled | OrderState::Expired => false,
    }
}
