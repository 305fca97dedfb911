//! Who asks for something.

use super::ids::Username;
use super::sale::Door;

/// Who asks, and how far they are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Anyone who gives the name of this buyer. That is enough for an order, but not for a ticket:
    /// a ticket shows the name of its holder.
    Named(Username),
    /// This buyer: the ticket office knows with whom it speaks. Another way to sign in needs a
    /// variant of its own, because this one may use what is sold in the office only.
    Known(Username),
    /// An operator, or the shop with the operators' token.
    Operator,
}

impl Caller {
    /// Whose orders the caller may see and change; `None`: everyone's.
    pub fn buyer(&self) -> Option<&Username> {
        match self {
            Self::Named(username) | Self::Known(username) => Some(username),
            Self::Operator => None,
        }
    }

    /// The word in Lua for where the caller asks: `office`, or nothing for anywhere else.
    pub fn door(&self) -> &'static str {
        match self {
            Self::Named(_) | Self::Operator => "",
            Self::Known(_) => Door::Office.as_str(),
        }
    }
}
