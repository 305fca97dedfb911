//! What can be asked without a ticket: help, bindings, activities.

use super::command::{Command, TicketCommand};
use super::message::{Content, Message};
use super::office::Office;
use super::reply::{Article, Listed, Reply};
use super::tickets::Holder;
use super::{activities, wording};
use crate::domain::ids::OpenId;
use crate::failure::Result;
use crate::store::wechat::bindings::BindOutcome;
use crate::store::wechat::claims::Claim;

impl Office {
    /// Does what a claimed message asks for, and says what became of it.
    ///
    /// # Errors
    /// Redis is not there, or what is in it cannot be read.
    pub(super) async fn reply(
        &self,
        message: &Message,
        command: &Command,
        claim: &Claim,
    ) -> Result<Reply> {
        let user = &message.user;
        let to_event = matches!(message.content, Content::Event { .. });
        match command {
            Command::Help => self.help(user).await,
            Command::BindingPage => self.binding_page(user).await,
            Command::Bind(number) => self.bind(user, number).await,
            Command::Unbind => self.unbind(user).await,
            Command::Leave => {
                self.store.number_unbind(user).await?;
                Ok(Reply::Silence)
            }
            Command::Activities => self.activities(to_event).await,
            Command::NoActivities => Ok(Reply::text(wording::NO_ACTIVITIES)),
            Command::Ticket(command) => self.ticket(user, to_event, command, claim).await,
            Command::Incomplete(command) => Ok(Reply::text(wording::incomplete(command))),
            Command::Unclear => Ok(Reply::text(wording::UNCLEAR)),
            Command::Notice => Ok(Reply::Silence),
        }
    }

    async fn help(&self, user: &OpenId) -> Result<Reply> {
        let number = self.store.number_of(user).await?;
        let account = &self.account;
        Ok(Reply::from(Article {
            title: wording::help_title(&account.name),
            description: wording::help(&account.name, number.as_ref()),
            picture: String::new(),
            url: account.links.help(),
        }))
    }

    async fn binding_page(&self, user: &OpenId) -> Result<Reply> {
        Ok(match self.store.number_of(user).await? {
            Some(number) => Reply::Text(wording::already_bound(&number)),
            None => self.binding_needed(user),
        })
    }

    fn binding_needed(&self, user: &OpenId) -> Reply {
        Reply::Text(wording::binding_needed(&self.account.links.bind(user)))
    }

    async fn bind(&self, user: &OpenId, text: &str) -> Result<Reply> {
        let Some(number) = self.account.number(text) else {
            return Ok(Reply::text(wording::WRONG_NUMBER));
        };
        let outcome = self.store.number_bind(user, &number).await?;
        Ok(Reply::Text(match outcome {
            BindOutcome::Bound => wording::bound(&number),
            BindOutcome::Repeated => wording::already_bound(&number),
            BindOutcome::BoundOtherwise(other) => wording::already_bound(&other),
            BindOutcome::Taken => wording::NUMBER_TAKEN.to_owned(),
        }))
    }

    async fn unbind(&self, user: &OpenId) -> Result<Reply> {
        Ok(match self.store.number_unbind(user).await? {
            Some(_) => Reply::Text(wording::unbound(&self.account.links.bind(user))),
            None => Reply::text(wording::NOT_BOUND),
        })
    }

    async fn activities(&self, to_event: bool) -> Result<Reply> {
        let reading = self.catalogue.look().await?;
        let sales = reading.sales.as_ref().map_err(Clone::clone)?;
        let sales = sales.iter().map(AsRef::as_ref);
        let bookable = activities::bookable(sales, reading.server_time().unwrap_or_default());
        let shared = activities::shared_keywords(&bookable);
        let listed = bookable.into_iter().map(|shown| Listed {
            entry: wording::entry(shown, shared.contains(shown.keyword)),
            article: Article {
                title: shown.name().to_owned(),
                description: wording::booking(shown, shared.contains(shown.keyword)),
                picture: shown.activity.picture.clone(),
                url: self.account.links.activity(&shown.sale.id),
            },
        });
        let listed = listed.collect();
        Ok(Reply::list(listed, to_event, &wording::ACTIVITIES))
    }

    async fn ticket(
        &self,
        user: &OpenId,
        to_event: bool,
        command: &TicketCommand,
        claim: &Claim,
    ) -> Result<Reply> {
        let Some(number) = self.store.number_of(user).await? else {
            return Ok(self.binding_needed(user));
        };
        let reading = self.catalogue.look().await?;
        let sales = reading.sales.as_ref().map_err(Clone::clone)?;
        let sales = sales.iter().map(AsRef::as_ref);
        let now = reading.server_time().unwrap_or_default();
        let holder = Holder {
            office: self,
            user,
            number: &number,
            claim,
            to_event,
            now,
            activities: activities::by_time(sales, now),
        };
        holder.ask(command).await
    }
}
