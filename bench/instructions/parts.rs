//! The pure parts that are public, each as one call.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Instant;

use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::FutureExt;
use seckill::admission::gate::{Gates, Verdict};
use seckill::domain::ids::{ORDER_ID_RANDOM_BYTES, OrderId, SaleId, Username};
use seckill::domain::purchase::attempt::{Attempt, Purchase};
use seckill::domain::purchase::outcome::{Outcome, Refusal};
use seckill::domain::purchase::standing::Grants;
use seckill::domain::sale::Door;
use seckill::domain::sale::history::{History, Past};
use seckill::http::AttemptRequest;
use seckill::http::extract::manner::Manner;
use seckill::http::respond::answer;
use seckill::store::keys::Keys;
use seckill::store::orders::grab;
use seckill::store::script::SALE_GRAB;

const PARSE: &str = "parse a reply to 64 attempts";
/// Attempts in the batches below.
const BATCH: usize = 64;
const FORM: (&str, &str) = (
    "application/x-www-form-urlencoded",
    "goods=a&purchase=1&username=buyer-1234567",
);
const JSON: (&str, &str) = (
    "application/json",
    r#"{"goods":"a","purchase":1,"username":"buyer-1234567"}"#,
);

/// Something that can be called often. The result is a size, so that nothing is optimised away.
pub struct Part {
    /// Its name in the table.
    pub name: &'static str,
    /// The part that does only the preparation, which is subtracted.
    pub without: Option<&'static str>,
    /// One call; the number makes calls differ.
    pub work: fn(u32) -> usize,
}

/// All of them.
pub const PARTS: [Part; 11] = [
    Part {
        name: "(test request, form)",
        without: None,
        work: |_| prepared(FORM),
    },
    Part {
        name: "read a form",
        without: Some("(test request, form)"),
        work: |_| read(FORM),
    },
    Part {
        name: "(test request, JSON)",
        without: None,
        work: |_| prepared(JSON),
    },
    Part {
        name: "read JSON",
        without: Some("(test request, JSON)"),
        work: |_| read(JSON),
    },
    Part {
        name: "make an order id",
        without: None,
        work: order_id,
    },
    Part {
        name: "pass an open gate",
        without: None,
        work: gate,
    },
    Part {
        name: "build a call of 1 attempt",
        without: None,
        work: |_| call(1),
    },
    Part {
        name: "build a call of 64 attempts",
        without: None,
        work: |_| call(BATCH),
    },
    Part {
        name: PARSE,
        without: None,
        work: |_| parsed(),
    },
    Part {
        name: "decode a reply to 64 attempts",
        without: Some(PARSE),
        work: |_| decoded(),
    },
    Part {
        name: "answer a loser",
        without: None,
        work: |_| refused(),
    },
];

fn sale() -> SaleId {
    SaleId::parse("a").expect("a valid id")
}

fn request((media_type, body): (&str, &'static str)) -> (HttpRequest, web::Payload) {
    let request = TestRequest::post()
        .uri("/seckill")
        .insert_header(("content-type", media_type));
    let (request, mut body) = request.set_payload(body).to_http_parts();
    let body = web::Payload::from_request(&request, &mut body).now_or_never();
    (request, body.expect("ready at once").expect("never fails"))
}

fn prepared(sent: (&str, &'static str)) -> usize {
    let (request, _body) = request(sent);
    request.headers().len()
}

fn read(sent: (&str, &'static str)) -> usize {
    let (request, body) = request(sent);
    let read = AttemptRequest::read(&request, body, &sale()).now_or_never();
    read.expect("ready at once")
        .expect("a good request")
        .username
        .as_str()
        .len()
}

fn order_id(call: u32) -> usize {
    let random = [call.to_le_bytes()[0]; ORDER_ID_RANDOM_BYTES];
    OrderId::new(&sale(), random).as_str().len()
}

/// What every attempt pays, as long as the sale sells.
fn gate(call: u32) -> usize {
    static GATES: LazyLock<Gates> = LazyLock::new(Gates::default);
    static ASKED_AT: LazyLock<Instant> = LazyLock::new(Instant::now);
    let buyer = Username::parse(format!("buyer-{call}")).expect("a valid name");
    let one = Purchase::parse("1").expect("a valid number");
    let verdict = GATES.check(&sale(), Door::Seckill, &buyer, one, *ASKED_AT);
    usize::from(verdict == Verdict::Ask)
}

/// All that is left of a request to a sale that is sold out.
fn refused() -> usize {
    static SALE: LazyLock<SaleId> = LazyLock::new(sale);
    let manner = Manner {
        english: false,
        plain: false,
        strict_status: false,
    };
    let answer = answer::outcome(&SALE, &Outcome::Refused(Refusal::SoldOut), manner);
    answer.headers().len()
}

/// The history of the sale that is asked for.
const HISTORY: &str = "1-k3v9q2m8";

fn call(attempts: usize) -> usize {
    let (keys, sale) = (Keys::new("seckill:"), sale());
    let keys = keys.of_grab(&sale);
    let past = Past {
        history: History::parse(HISTORY).expect("valid"),
        grants: Grants {
            last_at: 1_795_322_578_668,
            count: 64,
        },
    };
    let call = SALE_GRAB.on(&keys).arg(sale.as_str()).arg("list").arg(0);
    let mut call = call.past(Some(&past));
    for _ in 0..attempts {
        call = call
            .arg("buyer-1234567")
            .arg(1)
            .arg("a-i8md12cksmn336f2y414");
    }
    black_box(call);
    attempts
}

/// The work of the Redis client.
fn parsed() -> usize {
    black_box(reply_value());
    BATCH
}

/// The work of the project on top of that.
fn decoded() -> usize {
    static ATTEMPTS: LazyLock<Vec<Attempt>> = LazyLock::new(|| vec![attempt(); BATCH]);
    let batch =
        grab::decode(&reply_value(), &sale(), Door::Seckill, &ATTEMPTS).expect("a good reply");
    batch.outcomes.len()
}

fn attempt() -> Attempt {
    Attempt {
        username: Username::parse("buyer-1234567".to_owned()).expect("a valid name"),
        purchase: Purchase::parse("1").expect("a valid number"),
        order: OrderId::parse("a-i8md12cksmn336f2y414").expect("a valid id"),
    }
}

fn reply_value() -> redis::Value {
    static REPLY: LazyLock<String> = LazyLock::new(reply_text);
    redis::parse_redis_value(REPLY.as_bytes()).expect("a whole reply")
}

/// What Redis says when all of a batch are granted.
fn reply_text() -> String {
    let answers = vec!["=sn-1234567"; BATCH].join("\u{1e}");
    let head = "*8\r\n:100\r\n:64\r\n:1795322578668\r\n$4\r\nopen\r\n:2\r\n:0\r\n";
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    [head, &bulk(HISTORY), &bulk(&answers)].concat()
}
