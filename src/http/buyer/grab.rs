//! `POST /seckill` sells from list stock, `POST /incr` from counter stock. Same request, same
//! answers.

use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::domain::ids::{SaleId, Username};
use crate::domain::purchase::attempt::Purchase;
use crate::domain::sale::Door;
use crate::http::caller::Claim;
use crate::http::context::Context;
use crate::http::extract::fault::{Fault, FaultyRequest, FieldName};
use crate::http::extract::fields::Fields;
use crate::http::extract::manner::Manner;
use crate::http::extract::values::{digits, sale};
use crate::http::respond::answer;
use crate::http::standstill;

/// What a buying door knows.
const FIELDS: [FieldName; 3] = ["username", "purchase", "goods"];

/// What a buyer asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct AttemptRequest {
    /// Who asks.
    pub username: Username,
    /// For how many units.
    pub purchase: Purchase,
    /// From which sale.
    pub goods: SaleId,
}

/// `POST /seckill`
pub async fn seckill(
    context: web::Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> HttpResponse {
    buy(
        &context,
        Door::Seckill,
        &context.doors.seckill,
        &request,
        body,
    )
    .await
}

/// `POST /incr`
pub async fn incr(
    context: web::Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> HttpResponse {
    buy(&context, Door::Incr, &context.doors.incr, &request, body).await
}

async fn buy(
    context: &Context,
    door: Door,
    default_goods: &SaleId,
    request: &HttpRequest,
    body: Payload,
) -> HttpResponse {
    let manner = Manner::of(request, context.strict_status);
    let asked = match AttemptRequest::read(request, body, default_goods).await {
        Ok(asked) => asked,
        Err(faulty) => {
            context.metrics.wrong_attempt(faulty.fault.code());
            return answer::faulty(&faulty, manner);
        }
    };
    let goods = asked.goods;
    if context.standstill.held_up(request) {
        return answer::failure(&goods, &standstill::busy(), manner);
    }
    let admission = &context.admission;
    let decided = admission
        .grab(&goods, door, asked.username, asked.purchase)
        .await;
    match decided {
        Ok(outcome) => answer::outcome(&goods, &outcome, manner),
        Err(error) => answer::failure(&goods, &error, manner),
    }
}

impl AttemptRequest {
    /// Reads and checks a whole request. `default_goods` is the door's sale.
    pub async fn read(
        request: &HttpRequest,
        body: Payload,
        default_goods: &SaleId,
    ) -> Result<Self, FaultyRequest> {
        let fields = Fields::read(request, body, FIELDS).await?;
        Self::of(fields, default_goods)
    }
}

impl AttemptRequest {
    fn of(fields: Fields<3>, default_goods: &SaleId) -> Result<Self, FaultyRequest> {
        let [username, purchase, goods] = fields.into_values();
        let goods = match goods.filter(|goods| !goods.is_null()) {
            None => default_goods.clone(),
            Some(goods) => sale(goods)?,
        };
        match buyer(username, purchase) {
            Ok((username, purchase)) => Ok(Self {
                username,
                purchase,
                goods,
            }),
            Err(fault) => Err(FaultyRequest {
                fault,
                goods: Some(goods),
            }),
        }
    }
}

fn buyer(named: Option<Value>, purchase: Option<Value>) -> Result<(Username, Purchase), Fault> {
    // What is missing or of a wrong type is named before what breaks a rule.
    let claim = Claim::read(named)?;
    let purchase = digits(purchase, "purchase")?;
    let username = claim.buyer()?;
    let purchase = Purchase::parse(&purchase).map_err(|_| Fault::Purchase)?;
    Ok((username, purchase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(id: &str) -> SaleId {
        SaleId::parse(id).expect("valid")
    }

    fn json(body: &str) -> Result<AttemptRequest, FaultyRequest> {
        AttemptRequest::of(Fields::from_json(FIELDS, body.as_bytes())?, &sale("a"))
    }

    fn form(body: &str) -> Result<AttemptRequest, FaultyRequest> {
        AttemptRequest::of(Fields::from_form(FIELDS, body.as_bytes())?, &sale("a"))
    }

    fn fault(read: Result<AttemptRequest, FaultyRequest>) -> Option<Fault> {
        read.err().map(|faulty| faulty.fault)
    }

    #[test]
    fn form_and_json_say_the_same() {
        let expected = AttemptRequest {
            username: Username::parse("秒 a".to_owned()).expect("valid"),
            purchase: Purchase::parse("2").expect("valid"),
            goods: sale("spring.tea"),
        };
        for read in [
            form("username=%E7%A7%92+a&purchase=2&goods=spring.tea&csrf=1"),
            json(r#"{"username":"秒 a","purchase":2,"goods":"spring.tea","x":[{}]}"#),
            json(r#" {"goods":"spring.tea","purchase":"2","username":"\u79d2 a"} "#),
        ] {
            assert_eq!(read.as_ref(), Ok(&expected));
        }
        assert_eq!(
            json(r#"{"username":"x","purchase":1,"goods":null}"#).map(|r| r.goods),
            Ok(sale("a"))
        );
    }

    #[test]
    fn each_fault_is_named() {
        use Fault::{Goods, Missing, NotUtf8, Purchase, Repeated, Username, WrongType};
        for (body, expected) in [
            ("purchase=1", Missing("username")),
            ("username=x", Missing("purchase")),
            ("username=x&username=x&purchase=1", Repeated("username")),
            ("username=x&purchase=1&purchase=1", Repeated("purchase")),
            ("username=x&purchase=1&goods=a&goods=a", Repeated("goods")),
            ("username=&purchase=1", Username),
            ("username=a%00&purchase=1", Username),
            ("username=x&purchase=", Purchase),
            ("username=x&purchase=%EF%BC%91", Purchase),
            ("username=x&purchase=1&goods=", Goods),
            ("username=x&purchase=1&goods={b}", Goods),
            ("username=%ff&purchase=1", NotUtf8),
        ] {
            assert_eq!(fault(form(body)), Some(expected), "{body}");
        }
        for (body, expected) in [
            (r#"{"username":1,"purchase":1}"#, WrongType("username")),
            (r#"{"username":"x","purchase":[1]}"#, WrongType("purchase")),
            (r#"{"username":"x","purchase":true}"#, WrongType("purchase")),
            (
                r#"{"username":"x","purchase":1,"goods":7}"#,
                WrongType("goods"),
            ),
            (r#"{"username":null,"purchase":1}"#, Missing("username")),
            (
                r#"{"username":"x","username":"x","purchase":1}"#,
                Repeated("username"),
            ),
            (r#"{"username":"x","purchase":1.0}"#, Purchase),
            (r#"{"username":"x","purchase":1e0}"#, Purchase),
            (r#"{"username":"x","purchase":-1}"#, Purchase),
            (r#"{"username":"x","purchase":"01"}"#, Purchase),
        ] {
            assert_eq!(fault(json(body)), Some(expected), "{body}");
        }
        for body in [
            "",
            "[]",
            "1",
            "{",
            r#"{"username":"x"}}"#,
            r#"{"username":"\ud800"}"#,
        ] {
            assert!(
                matches!(fault(json(body)), Some(Fault::BrokenJson(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_faulty_request_still_names_its_sale_when_it_can_be_read() {
        let goods = |read: Result<AttemptRequest, FaultyRequest>| read.err().and_then(|f| f.goods);
        assert_eq!(
            goods(form("username=x&purchase=0&goods=b")),
            Some(sale("b"))
        );
        assert_eq!(goods(form("username=x&purchase=0")), Some(sale("a")));
        assert_eq!(goods(form("username=x&purchase=1&goods=B")), None);
        assert_eq!(goods(form("username=%")), None);
    }
}
