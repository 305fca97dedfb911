//! The placer: decides baskets, each in one script call, on a lane of its own, so that other
//! attempts never wait for them.
//!
//! It asks no gate: only Redis knows whether a request got an order before. But it tells the gates
//! of every sale that an answer is about, before the answer goes out. So a buyer who was shown an
//! order by this process is never refused by one of its gates.

use std::time::Instant;

use super::names::Pass;
use super::new_id;
use super::solo::{Room, Solo, Turn};
use crate::domain::ids::{RequestId, SaleId, Username};
use crate::domain::purchase::outcome::Refusal;
use crate::domain::purchase::place::{Basket, PlaceOutcome, PlaceRefusal, Placement};
use crate::domain::sale::history::Past;
use crate::failure::Result;
use crate::store::orders::place::Placed;

/// Most placements of one worker that Redis has not answered.
const PLACEMENTS_MAX: usize = 256;

/// Decides placements.
pub struct Placer {
    room: Room,
    solo: Solo,
}

impl Placer {
    pub fn new(solo: Solo) -> Self {
        let room = Room::new(PLACEMENTS_MAX, "placements");
        Self { room, solo }
    }

    /// Decides one placement, within the timeout.
    pub async fn place(
        &self,
        username: Username,
        request: RequestId,
        basket: Basket,
    ) -> Result<PlaceOutcome> {
        let turn = self.room.turn(self.solo.timeout)?;
        if let Some(goods) = self.denied(&basket).await? {
            return Ok(of_sale(goods, Refusal::NoSuchSale));
        }
        let placement = Placement {
            username,
            request,
            order: new_id(basket.first()),
            basket,
        };
        let decided = self.decide(&placement, &turn).await;
        let (learner, wishes) = (&self.solo.learner, placement.basket.wishes());
        for wish in wishes {
            learner.names.settle(&wish.goods);
        }
        decided.inspect_err(|error| {
            learner.metrics.redis_error(error);
            for wish in wishes {
                learner.doubt(&wish.goods, error);
            }
        })
    }

    /// A sale of the basket that Redis has just said is not there.
    ///
    /// # Errors
    /// As [`Names::pass`](super::names::Names::pass).
    async fn denied<'a>(&self, basket: &'a Basket) -> Result<Option<&'a SaleId>> {
        let mut goods: Vec<&SaleId> = basket.wishes().iter().map(|wish| &wish.goods).collect();
        // In one order for all baskets: else two could wait for what the other is to ask.
        goods.sort_unstable();
        for goods in goods {
            if self.solo.learner.names.pass(goods).await? == Pass::Denied {
                return Ok(Some(goods));
            }
        }
        Ok(None)
    }

    async fn decide(&self, placement: &Placement, turn: &Turn<'_>) -> Result<PlaceOutcome> {
        let Solo {
            lane,
            learner,
            memory,
            ..
        } = &self.solo;
        let sent_at = Instant::now();
        let wishes = placement.basket.wishes();
        let recalled = wishes.iter().map(|wish| memory.recall(&wish.goods));
        let recalled: Vec<Option<Past>> = recalled.collect();
        let given = recalled.iter().map(|past| memory.given(past).cloned());
        let given: Vec<_> = given.collect();
        let placed = lane.order_place(placement, &given, turn.deadline.into());
        let Placed {
            outcome,
            standings,
            pasts,
            kept,
            acknowledged,
        } = placed.await?;
        if !kept {
            learner.doubt_all();
        }
        let outcome = outcome?;
        let granted = matches!(outcome, PlaceOutcome::Grabbed(_));
        // Before the buyer hears of an order, the gates do.
        for (wish, standing) in wishes.iter().zip(&standings).filter(|_| kept) {
            learner.hear(&wish.goods, standing, granted, turn.asked_at);
        }
        for (wish, _) in wishes.iter().zip(&standings) {
            learner.names.confirm(&wish.goods);
        }
        for ((wish, recalled), found) in wishes.iter().zip(&recalled).zip(&pasts) {
            let Some(found) = found else { continue };
            memory.hear(&wish.goods, recalled.as_ref(), found, acknowledged);
        }
        let Some(goods) = not_there(&outcome) else {
            return Ok(outcome);
        };
        let mut known = wishes.iter().zip(&recalled);
        let known = known.find(|(wish, _)| wish.goods == *goods);
        let known = known.and_then(|(_, past)| past.as_ref());
        if self.solo.has_lost(goods, known, turn.deadline).await? {
            return Ok(of_sale(goods, Refusal::Forgot));
        }
        learner.names.deny(goods, sent_at);
        Ok(outcome)
    }
}

/// The sale that Redis says does not exist, if it says so.
fn not_there(outcome: &PlaceOutcome) -> Option<&SaleId> {
    match outcome {
        PlaceOutcome::Refused(PlaceRefusal::Line {
            goods,
            refusal: Refusal::NoSuchSale,
        }) => Some(goods),
        _ => None,
    }
}

fn of_sale(goods: &SaleId, refusal: Refusal) -> PlaceOutcome {
    PlaceOutcome::Refused(PlaceRefusal::Line {
        goods: goods.clone(),
        refusal,
    })
}
