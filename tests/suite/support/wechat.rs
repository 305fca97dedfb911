//! Users of an official account, who send what the platform sends for them, signed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::hmac;
use seckill::config::{Config, Secret, Site};
use seckill::domain::ids::SaleId;
use seckill::domain::sale::activity::Keyword;
use seckill::domain::sale::{SaleEdit, StockKind};
use seckill::store::wechat::bindings::BindOutcome;

use super::PATIENCE;
use super::app::TestApp;
use super::bindings::{number, openid};
use super::buyer::{Buyer, Reply};
use super::redis::{World, sale_id};
use super::terms::term_text;

/// The token of the platform in tests.
pub const TOKEN: &str = "AAAAA";
/// The official account.
pub const ACCOUNT: &str = "gh_1";
/// Start of the links in replies.
pub const SITE: &str = "http://tickets.example";
/// A time that no test sees the end of: the year 2100.
pub const FAR: u64 = 4_102_444_800_000;
/// A second long ago: nothing may depend on what senders say about time.
const LONG_AGO: u64 = 1_539_793_148;

/// A server with a ticket office.
pub async fn office(world: &World) -> TestApp {
    TestApp::with(world, open).await
}

/// An office that books so many tickets of the activity `a`, whose keyword is `key`, and a follower
/// `o-1` with a student number.
pub async fn booking(tickets: u64) -> (World, SaleId, TestApp, Follower) {
    let world = World::new().await;
    let sale = world.activity("a", tickets, &on_show("key")).await;
    let app = office(&world).await;
    let follower = world.bound(&app, "o-1", "2019010001").await;
    (world, sale, app, follower)
}

/// Opens the ticket office in a configuration.
pub fn open(config: &mut Config) {
    config.wechat.token = Some(Secret::new(TOKEN));
    config.wechat.site = Site::parse(SITE).ok();
}

/// A number that no other message has.
fn fresh() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// The query of a request that is signed with `token`.
pub fn signed(token: &str, timestamp: &str, nonce: &str) -> String {
    let mut parts = [token, timestamp, nonce];
    parts.sort_unstable();
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, parts.concat().as_bytes());
    let signature = hex(digest.as_ref());
    format!("signature={signature}&timestamp={timestamp}&nonce={nonce}")
}

/// The page where an openid binds a number, with the seal that [`TOKEN`] gives.
pub fn binding_page(openid: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes());
    let seal = hex(hmac::sign(&key, format!("bind\0{openid}").as_bytes()).as_ref());
    format!("{SITE}/wechat/bind?openid={openid}&seal={}", &seal[..32])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path for the platform, signed.
pub fn path() -> String {
    let (timestamp, nonce) = ((LONG_AGO + fresh()).to_string(), fresh().to_string());
    format!("/wechat?{}&openid=o-1", signed(TOKEN, &timestamp, &nonce))
}

/// A user who follows the account.
#[derive(Clone)]
pub struct Follower {
    buyer: Buyer,
    openid: String,
}

/// What a follower is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The body, as it came.
    pub body: String,
    /// `text` or `news`; empty when nothing is shown.
    pub kind: String,
    /// The text, or the titles of the cards, a line each.
    pub text: String,
    /// Where the cards lead.
    pub urls: Vec<String>,
}

impl Heard {
    pub fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.body.clone();
        if body == "success" {
            let (kind, text, urls) = (String::new(), String::new(), Vec::new());
            return Self {
                body,
                kind,
                text,
                urls,
            };
        }
        assert_eq!(reply.content_type, "application/xml; charset=utf-8");
        let one = |name| values(&body, name).join("");
        assert_eq!(one("FromUserName"), ACCOUNT);
        let kind = one("MsgType");
        let text = match kind.as_str() {
            "text" => one("Content"),
            _ => values(&body, "Title").join("\n"),
        };
        let urls = values(&body, "Url");
        Self {
            body,
            kind,
            text,
            urls,
        }
    }

    /// The tickets that it leads to.
    pub fn tickets(&self) -> Vec<String> {
        let tickets = self
            .urls
            .iter()
            .filter_map(|url| url.split_once("&ticket="));
        tickets.map(|(_, ticket)| ticket.to_owned()).collect()
    }

    /// The one ticket that it leads to.
    pub fn ticket(&self) -> String {
        let tickets = self.tickets();
        assert_eq!(tickets.len(), 1, "{self:?}");
        tickets[0].clone()
    }
}

/// The texts of all elements of this name.
fn values(body: &str, name: &str) -> Vec<String> {
    let (start, end) = (format!("<{name}><![CDATA["), format!("]]></{name}>"));
    let parts = body.split(&start).skip(1);
    let texts = parts.filter_map(|part| part.split(&end).next());
    texts
        .map(|text| text.replace("]]]]><![CDATA[>", "]]>"))
        .collect()
}

/// A message of fields, as the platform writes it.
pub fn xml(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| match *name {
        "CreateTime" | "MsgId" => format!("<{name}>{value}</{name}>"),
        _ => format!("<{name}><![CDATA[{value}]]></{name}>"),
    });
    format!("<xml>{}</xml>", fields.collect::<String>())
}

/// A text of a follower, with a number of its own.
pub fn text(openid: &str, text: &str) -> String {
    let id = (6_613_361_214_134_013_343 + fresh()).to_string();
    numbered_text(openid, text, &id)
}

/// A text of a follower with this number.
pub fn numbered_text(openid: &str, text: &str, id: &str) -> String {
    xml(&[
        ("ToUserName", ACCOUNT),
        ("FromUserName", openid),
        ("CreateTime", &LONG_AGO.to_string()),
        ("MsgType", "text"),
        ("Content", text),
        ("MsgId", id),
    ])
}

/// An event of a follower, in a second of its own.
pub fn event(openid: &str, event: &str, key: &str) -> String {
    xml(&[
        ("ToUserName", ACCOUNT),
        ("FromUserName", openid),
        ("CreateTime", &(LONG_AGO + fresh()).to_string()),
        ("MsgType", "event"),
        ("Event", event),
        ("EventKey", key),
    ])
}

/// The apology.
pub const BUSY: &str = "对不起，服务器现在有点忙，暂时不能给您答复 T T";

/// Delivers a message.
pub async fn deliver(buyer: &Buyer, message: &str) -> Reply {
    let xml = ("content-type", "text/xml");
    buyer
        .send("POST", &path(), &[xml], message.as_bytes().to_vec())
        .await
}

impl Follower {
    pub fn new(app: &TestApp, openid: &str) -> Self {
        Self {
            buyer: app.buyer.clone(),
            openid: openid.to_owned(),
        }
    }

    pub fn openid(&self) -> &str {
        &self.openid
    }

    /// Delivers a message of the follower.
    pub async fn delivers(&self, message: &str) -> Heard {
        let heard = Heard::of(&deliver(&self.buyer, message).await);
        let to = format!("<xml><ToUserName><![CDATA[{}]]>", self.openid);
        assert!(
            heard.kind.is_empty() || heard.body.starts_with(&to),
            "{heard:?}"
        );
        heard
    }

    pub async fn says(&self, words: &str) -> Heard {
        self.insists(&text(&self.openid, words)).await
    }

    /// Delivers it again, as the platform does, if the time for an answer was over: the office
    /// apologises then, also when it was the machine that stood still.
    pub async fn insists(&self, message: &str) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let since = Instant::now();
            let heard = self.delivers(message).await;
            let in_time = since.elapsed() < Duration::from_secs(4);
            if heard.text != BUSY || in_time || Instant::now() > deadline {
                return heard;
            }
        }
    }

    /// The path of the page where the follower binds a number: the link in the answer to 绑定.
    pub async fn binding_path(&self) -> String {
        let heard = self.says("绑定").await;
        let link = heard.text.split_once(&format!("<a href=\"{SITE}"));
        let path = link.and_then(|(_, rest)| rest.split('"').next());
        path.unwrap_or_else(|| panic!("no link in {heard:?}"))
            .to_owned()
    }

    pub async fn clicks(&self, key: &str) -> Heard {
        self.does("CLICK", key).await
    }

    pub async fn does(&self, name: &str, key: &str) -> Heard {
        self.insists(&event(&self.openid, name, key)).await
    }
}

/// An edit that puts an activity of this keyword on show.
pub fn on_show(keyword: &str) -> SaleEdit {
    let keyword = Keyword::parse(keyword).expect("a keyword");
    SaleEdit {
        kind: Some(StockKind::Counter),
        title: Some(term_text(&format!("活动 {keyword}"))),
        cancel_until: Some(Some(FAR)),
        keyword: Some(Some(keyword)),
        ..SaleEdit::default()
    }
}

impl World {
    /// Puts an activity on show and stocks it.
    pub async fn activity(&self, id: &str, stock: u64, edit: &SaleEdit) -> SaleId {
        let id = sale_id(id);
        self.put(&id, edit).await;
        if stock > 0 {
            self.store.stock_add_count(&id, stock).await.expect("added");
        }
        id
    }

    /// Keys of the messages that are remembered.
    pub async fn messages(&mut self) -> Vec<String> {
        let pattern = format!("{}*:reply:*", self.prefix);
        self.run(&["KEYS", &pattern]).await
    }

    /// Ends the leases of all claims, as if their owners had died long ago.
    pub async fn end_leases(&mut self) {
        for key in self.messages().await {
            let kept: String = self.run(&["GET", &key]).await;
            let Some(claim) = kept.strip_prefix('?') else {
                continue;
            };
            let parts: Vec<&str> = claim.split('\t').collect();
            let [owner, _, note] = parts.as_slice() else {
                panic!("{key} is no claim: {kept:?}");
            };
            let ended = format!("?{owner}\t1\t{note}");
            let _: String = self.run(&["SET", &key, &ended, "KEEPTTL"]).await;
        }
    }

    /// A follower with a student number.
    pub async fn bound(&self, app: &TestApp, name: &str, digits: &str) -> Follower {
        let bound = self.store.number_bind(&openid(name), &number(digits)).await;
        assert_eq!(bound.expect("decided"), BindOutcome::Bound);
        Follower::new(app, name)
    }
}
