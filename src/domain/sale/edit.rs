//! The closed sets of answers to what an operator changes about a sale.

/// The closed set of answers to a [`SaleEdit`](super::SaleEdit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditOutcome {
    /// The sale did not exist and does now.
    Created,
    /// The sale existed and was changed.
    Updated,
    /// Nothing changed.
    Refused(EditRefusal),
}

/// What became of resuming a sale after a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// It sells again, with a new history.
    Resumed,
    /// There is no such sale.
    NoSuchSale,
    /// It is being reset or deleted.
    BeingCleared,
}

/// Why a [`SaleEdit`](super::SaleEdit) changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditRefusal {
    /// The sale does not exist and the edit names no kind, so it cannot be created.
    NoSuchSale,
    /// The kind of a sale never changes.
    KindIsFixed,
    /// The sale has opened; its opening time is a fact now.
    AlreadyOpen,
    /// Orders exist, and a lower limit would turn a buyer's retry into a refusal.
    PurchaseMaxLowered,
    /// The sale would close before it opens.
    WindowIsEmpty,
    /// Orders were granted, and a feed that knows only some of them would mislead.
    FeedIsFixed,
    /// Bids were accepted on these terms, and all bids have the same.
    TermsAreFixed,
    /// Targets have a smallest bid and a bonus, other sales a limit, a hold and an activity.
    NotOfThisKind,
    /// A ticket is granted at once: an activity has no hold.
    HoldAndKeyword,
    /// An activity gives one ticket to each number.
    OneTicketEach,
    /// Orders were granted at another door than that of an activity.
    SoldElsewhere,
    /// Tickets were granted: without a keyword nobody would find them.
    TicketsAreOut,
    /// Only an activity has a place, times, a picture and a description.
    NotAnActivity,
    /// The activity would end before it starts.
    EndsBeforeStart,
    /// The activity would be over while it can still be booked.
    EndsBeforeClosing,
    /// Redis lost orders of the sale.
    Forgot,
    /// The sale is being reset or deleted.
    BeingCleared,
    /// The event was archived: no sale is created in it, and none opens again.
    Archived,
}

impl EditRefusal {
    /// Every refusal, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::NoSuchSale,
        Self::KindIsFixed,
        Self::AlreadyOpen,
        Self::PurchaseMaxLowered,
        Self::WindowIsEmpty,
        Self::FeedIsFixed,
        Self::TermsAreFixed,
        Self::NotOfThisKind,
        Self::HoldAndKeyword,
        Self::OneTicketEach,
        Self::SoldElsewhere,
        Self::TicketsAreOut,
        Self::NotAnActivity,
        Self::EndsBeforeStart,
        Self::EndsBeforeClosing,
        Self::Forgot,
        Self::BeingCleared,
        Self::Archived,
    ];

    /// The word in Lua and in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSuchSale => "no_such_sale",
            Self::KindIsFixed => "kind_is_fixed",
            Self::AlreadyOpen => "already_open",
            Self::PurchaseMaxLowered => "purchase_max_lowered",
            Self::WindowIsEmpty => "window_is_empty",
            Self::FeedIsFixed => "feed_is_fixed",
            Self::TermsAreFixed => "terms_are_fixed",
            Self::NotOfThisKind => "not_of_this_kind",
            Self::HoldAndKeyword => "hold_and_keyword",
            Self::OneTicketEach => "one_ticket_each",
            Self::SoldElsewhere => "sold_elsewhere",
            Self::TicketsAreOut => "tickets_are_out",
            Self::NotAnActivity => "not_an_activity",
            Self::EndsBeforeStart => "ends_before_start",
            Self::EndsBeforeClosing => "ends_before_closing",
            Self::Forgot => "forgot",
            Self::BeingCleared => "being_cleared",
            Self::Archived => "archived",
        }
    }

    /// The refusal of a Lua word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_found_by_its_word() {
        for refusal in EditRefusal::ALL {
            assert_eq!(EditRefusal::parse(refusal.code()), Some(refusal));
        }
        assert_eq!(EditRefusal::parse("created"), None);
    }
}
