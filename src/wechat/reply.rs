//! Replies of the office, and their exact XML.

use super::wording::{self, List};
use super::xml::is_allowed;

/// Most articles that the platform shows of an answer to an event.
pub const ARTICLES_MAX: usize = 8;
/// Most articles that the platform shows of an answer to a text.
const ARTICLES_MAX_TO_TEXT: usize = 1;

/// The reply to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A text; `<a href="…">` in it is a link.
    Text(String),
    /// Cards with a link.
    News(Articles),
    /// No reply: the user sees nothing.
    Silence,
}

/// One card or several, at most [`ARTICLES_MAX`]. The platform treats an empty list as a broken
/// answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Articles(Vec<Article>);

/// A card: title, text, picture, and the page that it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// What it is about.
    pub title: String,
    /// A few lines.
    pub description: String,
    /// The address of a picture, or nothing.
    pub picture: String,
    /// The address of a page.
    pub url: String,
}

/// One page of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The text of a link to it.
    pub entry: String,
    /// Its card.
    pub article: Article,
}

impl Reply {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of pages: cards if the platform shows all of them, which depends on the message that
    /// is answered; if not, links in a text.
    pub fn list(listed: Vec<Listed>, to_event: bool, words: &List) -> Self {
        let cards_max = if to_event {
            ARTICLES_MAX
        } else {
            ARTICLES_MAX_TO_TEXT
        };
        if listed.len() > cards_max {
            let pages = listed.iter().map(|page| (&*page.article.url, &*page.entry));
            return Self::Text(wording::pages(words, &pages.collect::<Vec<_>>()));
        }
        let articles = listed.into_iter().map(|page| page.article).collect();
        Articles::new(articles).map_or_else(|| Self::text(words.none), Self::News)
    }
}

impl Articles {
    /// All of these; `None` if there are none, or more than [`ARTICLES_MAX`].
    pub fn new(articles: Vec<Article>) -> Option<Self> {
        let fits = (1..=ARTICLES_MAX).contains(&articles.len());
        fits.then_some(Self(articles))
    }
}

impl From<Article> for Reply {
    fn from(article: Article) -> Self {
        Self::News(Articles(vec![article]))
    }
}

/// Who a reply goes to, from which account, and when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The user.
    pub user: &'a str,
    /// The official account.
    pub account: &'a str,
    /// Seconds since the Unix epoch.
    pub created: u64,
}

impl Reply {
    /// The body of the answer. For silence it is a word that the platform knows.
    pub fn body(&self, envelope: Envelope<'_>) -> String {
        let (kind, content) = match self {
            Self::Silence => return SILENCE.to_owned(),
            Self::Text(text) => ("text", element("Content", text)),
            Self::News(articles) => ("news", articles.xml()),
        };
        let user = element("ToUserName", envelope.user);
        let account = element("FromUserName", envelope.account);
        let created = envelope.created;
        let kind = element("MsgType", kind);
        format!("<xml>{user}{account}<CreateTime>{created}</CreateTime>{kind}{content}</xml>")
    }
}

/// The body of an answer that the user does not see.
pub const SILENCE: &str = "success";

impl Articles {
    fn xml(&self) -> String {
        let count = self.0.len();
        let items: String = self.0.iter().map(Article::xml).collect();
        format!("<ArticleCount>{count}</ArticleCount><Articles>{items}</Articles>")
    }
}

impl Article {
    fn xml(&self) -> String {
        let title = element("Title", &self.title);
        let description = element("Description", &self.description);
        let picture = element("PicUrl", &self.picture);
        let url = element("Url", &self.url);
        format!("<item>{title}{description}{picture}{url}</item>")
    }
}

/// An element with a text, without escapes. A `]]>` would end it early, so it is split over two
/// sections. Characters that XML does not allow are left out.
fn element(name: &str, text: &str) -> String {
    let text: String = text.chars().filter(|char| is_allowed(*char)).collect();
    let text = text.replace("]]>", "]]]]><![CDATA[>");
    format!("<{name}><![CDATA[{text}]]></{name}>")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wechat::xml;

    const ENVELOPE: Envelope<'static> = Envelope {
        user: "o-1",
        account: "gh_1",
        created: 1_539_793_148,
    };

    fn article(title: &str) -> Article {
        Article {
            title: title.to_owned(),
            description: "a <b> & c".to_owned(),
            picture: String::new(),
            url: "http://x/wechat/ticket?openid=o-1&ticket=e-1".to_owned(),
        }
    }

    #[test]
    fn a_text_has_its_exact_form() {
        let body = Reply::Text("a\n<a href=\"http://x?a=1&b=2\">b</a>".to_owned()).body(ENVELOPE);
        assert_eq!(
            body,
            "<xml><ToUserName><![CDATA[o-1]]></ToUserName>\
             <FromUserName><![CDATA[gh_1]]></FromUserName>\
             <CreateTime>1539793148</CreateTime>\
             <MsgType><![CDATA[text]]></MsgType>\
             <Content><![CDATA[a\n<a href=\"http://x?a=1&b=2\">b</a>]]></Content></xml>"
        );
    }

    #[test]
    fn articles_have_their_exact_form() {
        let body = Reply::from(article("票")).body(ENVELOPE);
        assert_eq!(
            body,
            "<xml><ToUserName><![CDATA[o-1]]></ToUserName>\
             <FromUserName><![CDATA[gh_1]]></FromUserName>\
             <CreateTime>1539793148</CreateTime>\
             <MsgType><![CDATA[news]]></MsgType>\
             <ArticleCount>1</ArticleCount><Articles><item>\
             <Title><![CDATA[票]]></Title>\
             <Description><![CDATA[a <b> & c]]></Description>\
             <PicUrl><![CDATA[]]></PicUrl>\
             <Url><![CDATA[http://x/wechat/ticket?openid=o-1&ticket=e-1]]></Url>\
             </item></Articles></xml>"
        );
    }

    fn articles(count: usize) -> Vec<Article> {
        (1..=count)
            .map(|number| article(&format!("t{number}")))
            .collect()
    }

    #[test]
    fn there_is_never_an_empty_list_nor_too_long_a_one() {
        for count in [0, 9, 20] {
            assert_eq!(Articles::new(articles(count)), None, "{count}");
        }
        for count in [1, 8] {
            let body = Reply::News(Articles::new(articles(count)).expect("fits")).body(ENVELOPE);
            let counted = format!("<ArticleCount>{count}</ArticleCount>");
            assert!(body.contains(&counted), "{body}");
            assert_eq!(body.matches("<item>").count(), count);
        }
    }

    #[test]
    fn a_list_is_shown_as_cards_only_when_all_of_them_are_shown() {
        for (to_event, cards_max) in [(true, 8), (false, 1)] {
            for count in 0..=10 {
                let listed = articles(count).into_iter().map(|article| Listed {
                    entry: article.title.clone(),
                    article,
                });
                let reply = Reply::list(listed.collect(), to_event, &wording::TICKETS);
                let body = reply.body(ENVELOPE);
                let shown = body.matches("<item>").count() + body.matches("<a href").count();
                assert_eq!(shown, count, "{body}");
                let has_cards = matches!(reply, Reply::News(_));
                assert_eq!(has_cards, (1..=cards_max).contains(&count), "{count}");
            }
            let none = Reply::list(Vec::new(), to_event, &wording::TICKETS);
            assert_eq!(none, Reply::text(wording::TICKETS.none));
        }
    }

    #[test]
    fn silence_is_a_word_of_the_platform() {
        assert_eq!(Reply::Silence.body(ENVELOPE), "success");
    }

    proptest! {
        #[test]
        fn any_text_survives(text in ".*", end in "(\\]\\]>|\\]|>|&lt;|<)*") {
            let text = text + &end;
            let body = Reply::Text(text.clone()).body(ENVELOPE);
            let read = xml::read(body.as_bytes()).expect("well formed");
            let kept: String = text.chars().filter(|char| is_allowed(*char)).collect();
            prop_assert_eq!(read["Content"].as_deref(), Some(kept.as_str()));
        }
    }
}
