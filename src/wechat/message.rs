//! Messages of the platform: what a user typed or did, and the key that all deliveries share.

use super::xml::{self, Fields, WrongXml};
use crate::domain::Invalid;
use crate::domain::ids::OpenId;
use crate::store::wechat::claims::MessageKey;

/// Largest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongMessage {
    /// It is not the XML of a message.
    #[error(transparent)]
    Xml(#[from] WrongXml),
    /// It is encrypted with a key that this server does not have.
    #[error(
        "the message is encrypted: choose the plain mode (明文模式) in the settings of the platform"
    )]
    Encrypted,
    /// A field that must be there, with a text.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A sender that is not a valid user.
    #[error("FromUserName: {0}")]
    User(#[from] Invalid),
}

impl WrongMessage {
    /// What is wrong, for the log, without any text of the message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Xml(_) => "not the XML of a message",
            Self::Encrypted => "encrypted: not supported",
            Self::Missing(_) => "a field is missing",
            Self::User(_) => "not a valid user",
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The official account that it was sent to.
    pub account: String,
    /// Who sent it.
    pub user: OpenId,
    /// What it says.
    pub content: Content,
    /// The key that all deliveries of this message have, and no other message.
    pub key: MessageKey,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What the user typed.
    Text(String),
    /// What the user did, in names of the platform.
    Event {
        /// The event.
        name: String,
        /// The key of the entry of a menu. Often empty.
        entry: String,
    },
    /// A picture, a voice, a place: this office does not read them.
    Other,
}

impl Message {
    /// Reads a whole message.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, WrongMessage> {
        let fields = xml::read(bytes)?;
        if fields.contains_key("Encrypt") && !fields.contains_key("FromUserName") {
            return Err(WrongMessage::Encrypted);
        }
        let account = required(&fields, "ToUserName")?;
        let sender = required(&fields, "FromUserName")?;
        let kind = required(&fields, "MsgType")?;
        let (content, key) = match kind {
            "event" => event(&fields, sender)?,
            "text" => {
                let text = optional(&fields, "Content");
                let key = key(&fields, sender, text)?;
                (Content::Text(text.to_owned()), key)
            }
            _ => (Content::Other, key(&fields, sender, "")?),
        };
        Ok(Self {
            account: account.to_owned(),
            user: OpenId::parse(sender)?,
            content,
            key,
        })
    }
}

fn event(fields: &Fields, sender: &str) -> Result<(Content, MessageKey), WrongMessage> {
    let name = required(fields, "Event")?;
    let entry = optional(fields, "EventKey");
    let created = required(fields, "CreateTime")?;
    let key = MessageKey::new(&["event", sender, created, name, entry]);
    let (name, entry) = (name.to_owned(), entry.to_owned());
    Ok((Content::Event { name, entry }, key))
}

/// The platform numbers what users send. A message without a number is known by its second.
fn key(fields: &Fields, sender: &str, text: &str) -> Result<MessageKey, WrongMessage> {
    match optional(fields, "MsgId") {
        "" => {
            let created = required(fields, "CreateTime")?;
            Ok(MessageKey::new(&["time", sender, created, text]))
        }
        id => Ok(MessageKey::new(&["message", sender, id, text])),
    }
}

fn required<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, WrongMessage> {
    match optional(fields, name) {
        "" => Err(WrongMessage::Missing(name)),
        text => Ok(text),
    }
}

fn optional<'a>(fields: &'a Fields, name: &str) -> &'a str {
    let field = fields.get(name);
    field.and_then(Option::as_deref).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&str, &str)]) -> Result<Message, WrongMessage> {
        let fields = fields
            .iter()
            .map(|(name, text)| format!("<{name}><![CDATA[{text}]]></{name}>"));
        Message::read(format!("<xml>{}</xml>", fields.collect::<String>()).as_bytes())
    }

    const TEXT: [(&str, &str); 6] = [
        ("ToUserName", "gh_1"),
        ("FromUserName", "o-1"),
        ("CreateTime", "1539793148"),
        ("MsgType", "text"),
        ("Content", "抢票 key"),
        ("MsgId", "6613361214134013343"),
    ];
    const EVENT: [(&str, &str); 6] = [
        ("ToUserName", "gh_1"),
        ("FromUserName", "o-1"),
        ("CreateTime", "1539793148"),
        ("MsgType", "event"),
        ("Event", "CLICK"),
        ("EventKey", "SERVICE_HELP"),
    ];

    /// The same fields, with another text in one of them; an empty one is as good as none.
    fn with<'a>(
        fields: &[(&'a str, &'a str); 6],
        name: &str,
        text: &'a str,
    ) -> Result<Message, WrongMessage> {
        let changed = fields.map(|(own, old)| (own, if own == name { text } else { old }));
        message(&changed)
    }

    #[test]
    fn texts_events_and_others_are_told_apart() {
        let text = message(&TEXT).expect("valid");
        assert_eq!(text.account, "gh_1");
        assert_eq!(text.user.as_str(), "o-1");
        assert_eq!(text.content, Content::Text("抢票 key".to_owned()));
        let click = message(&EVENT).expect("valid");
        let (name, entry) = ("CLICK".to_owned(), "SERVICE_HELP".to_owned());
        assert_eq!(click.content, Content::Event { name, entry });
        let image = with(&TEXT, "MsgType", "image").expect("valid");
        assert_eq!(image.content, Content::Other);
        let empty = with(&TEXT, "Content", "").expect("valid");
        assert_eq!(empty.content, Content::Text(String::new()));
    }

    #[test]
    fn each_message_has_its_key() {
        let key = |message: Result<Message, WrongMessage>| message.expect("valid").key;
        let text = key(message(&TEXT));
        assert_eq!(text, key(message(&TEXT)));
        // A repeated message has the same number. The rest may differ.
        assert_eq!(text, key(with(&TEXT, "CreateTime", "1539793149")));
        let event = key(message(&EVENT));
        let nameless = key(with(&TEXT, "MsgId", ""));
        let others = [
            key(with(&TEXT, "FromUserName", "o-2")),
            key(with(&TEXT, "MsgId", "6613361214134013344")),
            key(with(&TEXT, "Content", "抢票 key2")),
            key(with(&EVENT, "FromUserName", "o-2")),
            key(with(&EVENT, "CreateTime", "1539793149")),
            key(with(&EVENT, "Event", "VIEW")),
            key(with(&EVENT, "EventKey", "SERVICE_BIND")),
            nameless.clone(),
            event.clone(),
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(*other, text);
            assert!(!others[..place].contains(other), "{place}");
        }
        assert_eq!(event, key(with(&EVENT, "ToUserName", "gh_2")));
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["ToUserName", "FromUserName", "MsgType"] {
            assert_eq!(with(&TEXT, name, ""), Err(WrongMessage::Missing(name)));
        }
        for name in ["CreateTime", "Event"] {
            assert_eq!(with(&EVENT, name, ""), Err(WrongMessage::Missing(name)));
        }
        let nameless = TEXT.map(|(name, text)| match name {
            "CreateTime" | "MsgId" => (name, ""),
            _ => (name, text),
        });
        assert_eq!(message(&nameless), Err(WrongMessage::Missing("CreateTime")));
        for sender in ["o 1", "学生", "o/1", &"o".repeat(65)] {
            let wrong = with(&TEXT, "FromUserName", sender);
            assert!(matches!(wrong, Err(WrongMessage::User(_))), "{sender}");
        }
        let packed = message(&[("ToUserName", "gh_1"), ("Encrypt", "aGlkZGVu")]);
        assert_eq!(packed, Err(WrongMessage::Encrypted));
        // In the mode of both, which the platform has too, the plain fields are there.
        let both = [&TEXT[..], &[("Encrypt", "aGlkZGVu")]].concat();
        assert_eq!(message(&both), message(&TEXT));
        let broken = Message::read(b"<xml>");
        assert!(matches!(broken, Err(WrongMessage::Xml(_))));
    }
}
