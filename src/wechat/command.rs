//! Commands: what a message asks for.
//!
//! A command without a keyword is the whole text. A command with one is a word, white space, and
//! one more word, so 抢火车票 is not 抢票.

use super::message::Content;

/// What a message can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// 帮助, a new subscriber, or a scanned code: a list of commands.
    Help,
    /// 绑定: where to bind a student number.
    BindingPage,
    /// 绑定 with a student number.
    Bind(String),
    /// 解绑.
    Unbind,
    /// The user unsubscribed: nobody sees an answer.
    Leave,
    /// 抢啥: which activities can be booked.
    Activities,
    /// The menu entry of a time without activities.
    NoActivities,
    /// A command that needs a bound student number.
    Ticket(TicketCommand),
    /// A command that needs one word after it, but has none or several.
    Incomplete(&'static str),
    /// Other text of a user.
    Unclear,
    /// A notice of the platform that needs no answer.
    Notice,
}

/// What a user with a student number can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketCommand {
    /// 抢票 with a keyword.
    Book(String),
    /// An entry of the menu, with the id of a sale.
    BookSale(String),
    /// 查票: all tickets.
    List,
    /// 取票 with a keyword.
    Show(String),
    /// 退票 with a keyword.
    Return(String),
}

/// The command that one more word completes.
type WithWord = fn(String) -> Command;

/// Commands that need one more word.
const WITH_A_WORD: [(&str, WithWord); 4] = [
    ("绑定", Command::Bind),
    ("抢票", |word| Command::Ticket(TicketCommand::Book(word))),
    ("取票", |word| Command::Ticket(TicketCommand::Show(word))),
    ("退票", |word| {
        Command::Ticket(TicketCommand::Return(word))
    }),
];

/// Start of the key of a menu entry that books: the id of the sale follows.
pub const BOOKING_KEY: &str = "BOOKING_ACTIVITY_";
/// Key of the entry of a menu without activities.
pub const EMPTY_KEY: &str = "BOOKING_EMPTY";
/// Key of the entry that is 帮助.
pub const HELP_KEY: &str = "SERVICE_HELP";
/// Key of the entry that is 绑定.
pub const BINDING_KEY: &str = "SERVICE_BIND";
/// Key of the entry that is 抢啥.
pub const ACTIVITIES_KEY: &str = "SERVICE_BOOK_WHAT";
/// Key of the entry that is 查票.
pub const TICKETS_KEY: &str = "SERVICE_GET_TICKET";

impl Command {
    /// What this content asks for.
    pub fn of(content: &Content) -> Self {
        match content {
            Content::Text(text) => Self::of_text(text),
            Content::Event { name, entry } => Self::of_event(name, entry),
            Content::Other => Self::Unclear,
        }
    }

    fn of_text(text: &str) -> Self {
        match text {
            "帮助" => return Self::Help,
            "绑定" => return Self::BindingPage,
            "解绑" => return Self::Unbind,
            "抢啥" => return Self::Activities,
            "查票" => return Self::Ticket(TicketCommand::List),
            help if help.eq_ignore_ascii_case("help") => return Self::Help,
            _ => {}
        }
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let known = WITH_A_WORD
            .into_iter()
            .find(|(command, _)| *command == first);
        match (known, words.next(), words.next()) {
            (None, _, _) => Self::Unclear,
            (Some((_, with)), Some(word), None) => with(word.to_owned()),
            (Some((command, _)), _, _) => Self::Incomplete(command),
        }
    }

    fn of_event(name: &str, key: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "subscribe" | "scan" => Self::Help,
            "unsubscribe" => Self::Leave,
            "click" => Self::of_click(key),
            _ => Self::Notice,
        }
    }

    fn of_click(key: &str) -> Self {
        match key {
            HELP_KEY => Self::Help,
            BINDING_KEY => Self::BindingPage,
            ACTIVITIES_KEY => Self::Activities,
            TICKETS_KEY => Self::Ticket(TicketCommand::List),
            EMPTY_KEY => Self::NoActivities,
            _ => match key.strip_prefix(BOOKING_KEY) {
                Some(sale) => Self::Ticket(TicketCommand::BookSale(sale.to_owned())),
                None => Self::Unclear,
            },
        }
    }

    /// The word in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::BindingPage | Self::Bind(_) => "bind",
            Self::Unbind | Self::Leave => "unbind",
            Self::Activities | Self::NoActivities => "activities",
            Self::Ticket(TicketCommand::Book(_) | TicketCommand::BookSale(_)) => "book",
            Self::Ticket(TicketCommand::List | TicketCommand::Show(_)) => "tickets",
            Self::Ticket(TicketCommand::Return(_)) => "return",
            Self::Incomplete(_) | Self::Unclear => "unclear",
            Self::Notice => "notice",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TicketCommand::{Book, BookSale, List, Return, Show};
    use super::*;

    #[test]
    fn texts_are_commands_to_the_letter() {
        let word = || "k".to_owned();
        for (text, command) in [
            ("帮助", Command::Help),
            ("help", Command::Help),
            ("HeLp", Command::Help),
            ("绑定", Command::BindingPage),
            ("绑定 k", Command::Bind(word())),
            ("解绑", Command::Unbind),
            ("抢啥", Command::Activities),
            ("查票", Command::Ticket(List)),
            ("抢票 k", Command::Ticket(Book(word()))),
            (" 抢票\u{3000}\n k ", Command::Ticket(Book(word()))),
            ("取票 k", Command::Ticket(Show(word()))),
            ("退票 k", Command::Ticket(Return(word()))),
            ("抢票", Command::Incomplete("抢票")),
            ("抢票 ", Command::Incomplete("抢票")),
            ("退票 k l", Command::Incomplete("退票")),
            ("绑定 1 2", Command::Incomplete("绑定")),
        ] {
            let content = Content::Text(text.to_owned());
            assert_eq!(Command::of(&content), command, "{text:?}");
        }
        for text in [
            "",
            " ",
            "k",
            "抢火车票",
            "抢火车票 k",
            "抢票k",
            "帮助 ",
            " help",
            "help me",
            "解绑 k",
            "查票 k",
            "我要抢票 k",
            "BOOKING_EMPTY",
        ] {
            let content = Content::Text(text.to_owned());
            assert_eq!(Command::of(&content), Command::Unclear, "{text:?}");
        }
        assert_eq!(Command::of(&Content::Other), Command::Unclear);
    }

    #[test]
    fn events_are_commands_to_the_letter() {
        for (name, key, command) in [
            ("subscribe", "", Command::Help),
            ("subscribe", "qrscene_1", Command::Help),
            ("SCAN", "1", Command::Help),
            ("scan", "1", Command::Help),
            ("unsubscribe", "", Command::Leave),
            ("CLICK", "SERVICE_HELP", Command::Help),
            ("CLICK", "SERVICE_BIND", Command::BindingPage),
            ("CLICK", "SERVICE_BOOK_WHAT", Command::Activities),
            ("CLICK", "SERVICE_GET_TICKET", Command::Ticket(List)),
            ("CLICK", "BOOKING_EMPTY", Command::NoActivities),
            (
                "CLICK",
                "BOOKING_ACTIVITY_a.b-12",
                Command::Ticket(BookSale("a.b-12".to_owned())),
            ),
            (
                "CLICK",
                "BOOKING_ACTIVITY_",
                Command::Ticket(BookSale(String::new())),
            ),
            ("CLICK", "service_help", Command::Unclear),
            ("CLICK", "", Command::Unclear),
            ("VIEW", "http://x", Command::Notice),
            ("LOCATION", "", Command::Notice),
        ] {
            let (name, entry) = (name.to_owned(), key.to_owned());
            let content = Content::Event { name, entry };
            assert_eq!(Command::of(&content), command, "{content:?}");
        }
    }
}
