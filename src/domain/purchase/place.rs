//! A basket: one buyer asks for units of several sales of one event in one order, all of them or
//! none.

use super::attempt::Purchase;
use super::outcome::{Refusal, RestsOn};
use crate::domain::ids::{OrderId, RequestId, SaleId, Username};
use crate::domain::order::Order;
use crate::domain::time::EpochMs;

/// Most lines in a request for a basket.
pub const LINES_MAX: usize = 20;

/// What a basket asks of one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The sale.
    pub goods: SaleId,
    /// How many units.
    pub purchase: Purchase,
}

/// Why lines are not a valid basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongBasket {
    /// None, or more than [`LINES_MAX`].
    LineCount,
    /// Sales of more than one event.
    SeveralEvents,
}

/// The sales of one event that a request asks for, each once, in the order in which they were
/// first named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    first: SaleId,
    wishes: Vec<Wish>,
}

impl Basket {
    /// Accepts 1 to [`LINES_MAX`] lines of one event. Lines of the same sale are added up.
    ///
    /// # Errors
    /// The rule that `lines` break.
    pub fn new(lines: Vec<Wish>) -> Result<Self, WrongBasket> {
        let first = match lines.first() {
            Some(line) if lines.len() <= LINES_MAX => line.goods.clone(),
            Some(_) | None => return Err(WrongBasket::LineCount),
        };
        let mut wishes: Vec<Wish> = Vec::with_capacity(lines.len());
        for line in lines {
            if line.goods.event() != first.event() {
                return Err(WrongBasket::SeveralEvents);
            }
            match wishes.iter_mut().find(|wish| wish.goods == line.goods) {
                Some(wish) => wish.purchase = wish.purchase.plus(line.purchase),
                None => wishes.push(line),
            }
        }
        Ok(Self { first, wishes })
    }

    /// The event of all its sales.
    pub fn event(&self) -> &str {
        self.first.event()
    }

    /// The sale that was named first.
    pub fn first(&self) -> &SaleId {
        &self.first
    }

    /// What it asks of each sale. Never empty.
    pub fn wishes(&self) -> &[Wish] {
        &self.wishes
    }
}

/// One buyer's request for a basket, with the id that its order gets if it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The buyer.
    pub username: Username,
    /// The client's name for this request. A repeat gets the same order.
    pub request: RequestId,
    /// What is requested.
    pub basket: Basket,
    /// The id for the order, if it is granted.
    pub order: OrderId,
}

/// The result of a request for a basket. A failure to decide is an error, not an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceOutcome {
    /// All units taken, order written.
    Grabbed(Order),
    /// This request got an order before: the order, with the state that it has now.
    Repeated(Order),
    /// Nothing was taken.
    Refused(PlaceRefusal),
}

impl PlaceOutcome {
    /// What the answer depends on.
    pub fn rests_on(&self) -> RestsOn {
        match self {
            Self::Grabbed(_) | Self::Repeated(_) => RestsOn::Order,
            Self::Refused(PlaceRefusal::AlreadyGrabbed { .. }) => RestsOn::Order,
            Self::Refused(PlaceRefusal::Line { refusal, .. }) => refusal.rests_on(),
            Self::Refused(PlaceRefusal::RequestIdReused) => RestsOn::Stock,
            Self::Refused(PlaceRefusal::NotStarted { .. }) => RestsOn::Terms,
        }
    }

    /// The word in answers and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Grabbed(_) => "grabbed",
            Self::Repeated(_) | Self::Refused(PlaceRefusal::AlreadyGrabbed { .. }) => {
                "already_grabbed"
            }
            Self::Refused(PlaceRefusal::RequestIdReused) => "request_id_reused",
            Self::Refused(PlaceRefusal::NotStarted { .. }) => Refusal::NotStarted.code(),
            Self::Refused(PlaceRefusal::Line { refusal, .. }) => refusal.code(),
        }
    }
}

/// Why nothing was taken. A refusal changes nothing, and the request may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceRefusal {
    /// This request id of this buyer belongs to a different request.
    RequestIdReused,
    /// The buyer already holds an order of this sale.
    AlreadyGrabbed {
        /// The sale.
        goods: SaleId,
        /// The order that the buyer holds.
        order: OrderId,
    },
    /// A sale has not opened.
    NotStarted {
        /// The sale.
        goods: SaleId,
        /// When it opens.
        opens_at: EpochMs,
    },
    /// A sale refuses its line for another reason.
    Line {
        /// The sale.
        goods: SaleId,
        /// Why.
        refusal: Refusal,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(goods: &str, purchase: &str) -> Wish {
        Wish {
            goods: SaleId::parse(goods).expect("valid"),
            purchase: Purchase::parse(purchase).expect("valid"),
        }
    }

    #[test]
    fn lines_of_one_sale_are_added_up_where_it_was_first_named() {
        let lines = vec![
            wish("e.b", "2"),
            wish("e.a", "1"),
            wish("e.b", "3"),
            wish("e", "1"),
        ];
        let basket = Basket::new(lines).expect("one event");
        assert_eq!(
            basket.wishes(),
            [wish("e.b", "5"), wish("e.a", "1"), wish("e", "1")]
        );
        assert_eq!((basket.event(), basket.first().as_str()), ("e", "e.b"));
        let huge = vec![wish("e", "4294967295"), wish("e", "4294967295")];
        let most = Basket::new(huge).expect("one event");
        assert_eq!(
            most.wishes(),
            [wish("e", "4294967295")],
            "more than any sale allows"
        );
    }

    #[test]
    fn a_basket_has_1_to_20_lines_of_one_event() {
        assert!(Basket::new(vec![wish("e", "1"); LINES_MAX]).is_ok());
        for lines in [
            vec![],
            vec![wish("e", "1"); LINES_MAX + 1],
            vec![wish("e", "1"), wish("f", "1")],
            vec![wish("e.a", "1"), wish("f.a", "1")],
        ] {
            assert!(Basket::new(lines.clone()).is_err(), "{lines:?}");
        }
    }
}
