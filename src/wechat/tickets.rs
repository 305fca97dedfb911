//! What somebody with a student number can ask for: tickets. A ticket is an order of the sale,
//! held by the number.

use super::activities::Shown;
use super::command::TicketCommand;
use super::office::Office;
use super::reply::{Article, Reply};
use super::wording;
use crate::domain::attempt::Purchase;
use crate::domain::change::ChangeOutcome;
use crate::domain::ids::{Number, OpenId, OrderId};
use crate::domain::order::{Order, OrderState};
use crate::domain::outcome::Outcome;
use crate::domain::sale::Door;
use crate::error::Result;

/// A user with a number, and the activities as they were just read.
pub(super) struct Holder<'a> {
    pub office: &'a Office,
    pub user: &'a OpenId,
    pub number: &'a Number,
    pub to_event: bool,
    pub activities: Vec<Shown<'a>>,
}

/// A ticket that is not dead, and what it is for.
type Ticket<'a> = (Shown<'a>, Order);

impl<'a> Holder<'a> {
    /// Does it, and says what became of it.
    pub async fn ask(&self, command: &TicketCommand) -> Result<Reply> {
        match command {
            TicketCommand::Book(keyword) => self.book(&self.named(keyword)).await,
            TicketCommand::BookSale(id) => {
                let sales = self.activities.iter().copied();
                let sale: Vec<_> = sales.filter(|shown| shown.sale.id.as_str() == id).collect();
                self.book(&sale).await
            }
            TicketCommand::List => self.list(&self.activities, wording::NO_TICKETS).await,
            TicketCommand::Show(keyword) => match self.named(keyword) {
                none if none.is_empty() => Ok(Reply::text(wording::NO_SUCH_ACTIVITY)),
                named => self.list(&named, wording::NO_TICKET).await,
            },
            TicketCommand::Return(keyword) => self.give_back(&self.named(keyword)).await,
        }
    }

    fn named(&self, keyword: &str) -> Vec<Shown<'a>> {
        let activities = self.activities.iter().copied();
        activities
            .filter(|shown| shown.activity.keyword.as_str() == keyword)
            .collect()
    }

    async fn book(&self, named: &[Shown<'a>]) -> Result<Reply> {
        let shown = match named {
            [] => return Ok(Reply::text(wording::NO_SUCH_ACTIVITY)),
            [one] => *one,
            [_, _, ..] => return Ok(Reply::text(wording::SAME_KEYWORD)),
        };
        let (sale, buyer) = (shown.sale, self.number.username());
        let admission = &self.office.admission;
        let decided = admission
            .grab(&sale.id, Door::Office, buyer, Purchase::ONE)
            .await?;
        let (title, grant) = match decided {
            Outcome::Grabbed(grant) => (wording::BOOKED, grant),
            Outcome::AlreadyGrabbed(grant) => (wording::BOOKED_BEFORE, grant),
            Outcome::Refused(refusal) => return Ok(Reply::text(wording::not_booked(refusal))),
        };
        let (title, description) = (title.to_owned(), wording::ticket(shown));
        Ok(Reply::from(self.article(
            shown,
            &grant.order,
            title,
            description,
        )))
    }

    async fn list(&self, activities: &[Shown<'a>], none: &str) -> Result<Reply> {
        let tickets = self.tickets(activities).await?;
        let unused = tickets.iter().filter(|(_, order)| is_unused(order));
        let articles = unused.map(|(shown, order)| {
            let (title, description) = (shown.name().to_owned(), wording::activity(*shown));
            self.article(*shown, &order.id, title, description)
        });
        Ok(Reply::list(
            articles.collect(),
            self.to_event,
            wording::TICKETS,
            none,
        ))
    }

    async fn give_back(&self, named: &[Shown<'a>]) -> Result<Reply> {
        if named.is_empty() {
            return Ok(Reply::text(wording::NO_SUCH_ACTIVITY));
        }
        let mut tickets = self.tickets(named).await?;
        // A used one is asked about only when there is no other: to be told that it is used.
        if tickets.iter().any(|(_, order)| is_unused(order)) {
            tickets.retain(|(_, order)| is_unused(order));
        }
        let (shown, order) = match tickets.as_slice() {
            [] => return Ok(Reply::text(wording::NO_TICKET)),
            [one] => one,
            [_, _, ..] => return Ok(Reply::text(wording::SAME_KEYWORD_RETURN)),
        };
        let buyer = self.number.username();
        let outcome = self
            .office
            .store
            .order_cancel(&order.id, Some(&buyer))
            .await?;
        Ok(Reply::text(match outcome {
            ChangeOutcome::Changed(_) => {
                self.office.admission.returned(&shown.sale.id);
                wording::RETURNED
            }
            ChangeOutcome::Refused(refusal, _) => wording::not_returned(refusal, shown.sale),
            // Another message has given it back meanwhile, and was told so.
            ChangeOutcome::Repeated(_) | ChangeOutcome::NoSuchOrder => wording::NO_TICKET,
        }))
    }

    /// The user's tickets of these activities.
    async fn tickets(&self, activities: &[Shown<'a>]) -> Result<Vec<Ticket<'a>>> {
        let sales: Vec<_> = activities.iter().map(|shown| &shown.sale.id).collect();
        let buyer = self.number.username();
        let orders = self.office.store.orders_of_buyer(&sales, &buyer).await?;
        let tickets = activities.iter().copied().zip(orders);
        let held = tickets.filter_map(|(shown, order)| Some((shown, order?)));
        Ok(held.filter(|(_, order)| order.state.is_alive()).collect())
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

fn is_unused(order: &Order) -> bool {
    match order.state {
        OrderState::Confirmed => true,
        OrderState::Held | OrderState::Used | OrderState::Cancelled | OrderState::Expired => false,
    }
}
