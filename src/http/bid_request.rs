//! Reads a request at `POST /bids` into domain types. After this nothing is checked again.

use actix_web::HttpRequest;
use actix_web::web::Payload;
use serde_json::Value;

use super::attempt::{FaultyRequest, digits, required, sale, text};
use super::fault::{Fault, FieldName};
use super::fields::Fields;
use crate::domain::bid::Amount;
use crate::domain::ids::{RequestId, SaleId, Username};

/// What the door knows.
const FIELDS: [FieldName; 4] = ["username", "goods", "amount", "request_id"];

/// What a buyer offered.
#[derive(Debug, PartialEq, Eq)]
pub struct BidRequest {
    /// Who bids.
    pub username: Username,
    /// For which target.
    pub goods: SaleId,
    /// How much.
    pub amount: Amount,
    /// The client's name for this request.
    pub request: RequestId,
}

impl BidRequest {
    /// Reads and checks a whole request.
    pub async fn read(request: &HttpRequest, body: Payload) -> Result<Self, FaultyRequest> {
        Self::of(Fields::read(request, body, FIELDS).await?)
    }

    fn of(fields: Fields<4>) -> Result<Self, FaultyRequest> {
        let [username, goods, amount, request] = fields.into_values();
        let goods = sale(required(goods, "goods")?)?;
        match bidder(username, amount, request) {
            Ok((username, amount, request)) => Ok(Self {
                username,
                goods,
                amount,
                request,
            }),
            Err(fault) => Err(FaultyRequest {
                fault,
                goods: Some(goods),
            }),
        }
    }
}

fn bidder(
    username: Option<Value>,
    amount: Option<Value>,
    request: Option<Value>,
) -> Result<(Username, Amount, RequestId), Fault> {
    let username = text(required(username, "username")?, "username")?;
    let amount = digits(amount, "amount")?;
    let request = text(required(request, "request_id")?, "request_id")?;
    Ok((
        Username::parse(username).map_err(|_| Fault::Username)?,
        Amount::parse(&amount).map_err(|_| Fault::Amount)?,
        RequestId::parse(request).map_err(|_| Fault::RequestId)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Result<BidRequest, FaultyRequest> {
        BidRequest::of(Fields::from_json(FIELDS, body.as_bytes())?)
    }

    fn form(body: &str) -> Result<BidRequest, FaultyRequest> {
        BidRequest::of(Fields::from_form(FIELDS, body.as_bytes())?)
    }

    #[test]
    fn form_and_json_say_the_same() {
        for read in [
            form("username=%E7%A7%92&goods=p2p.loan&amount=300&request_id=r+1&csrf=1"),
            json(r#"{"username":"秒","goods":"p2p.loan","amount":300,"request_id":"r 1","x":{}}"#),
            json(r#"{"username":"秒","goods":"p2p.loan","amount":"300","request_id":"r 1"}"#),
        ] {
            let read = read.expect("well formed");
            assert_eq!(read.username.as_str(), "秒");
            assert_eq!(read.goods.as_str(), "p2p.loan");
            assert_eq!((read.amount.get(), read.request.as_str()), (300, "r 1"));
        }
    }

    #[test]
    fn each_fault_is_named_with_the_sale_if_it_can_be_read() {
        use Fault::{Amount, Goods, Missing, Repeated, RequestId, Username};
        let good = "username=x&goods=p&amount=1&request_id=r";
        let goods = SaleId::parse("p").ok();
        for (wrong, fault, goods) in [
            (good.replace("username=x", ""), Missing("username"), &goods),
            (good.replace("goods=p", ""), Missing("goods"), &None),
            (good.replace("amount=1", ""), Missing("amount"), &goods),
            (
                good.replace("request_id=r", ""),
                Missing("request_id"),
                &goods,
            ),
            (good.replace("=x", "="), Username, &goods),
            (good.replace("=p", "=P"), Goods, &None),
            (good.replace("=1", "=0"), Amount, &goods),
            (good.replace("=1", "=1.5"), Amount, &goods),
            (good.replace("=1", "=100000000000001"), Amount, &goods),
            (good.replace("=r", "="), RequestId, &goods),
            (good.replace("=r", "=r&amount=1"), Repeated("amount"), &None),
        ] {
            let faulty = form(&wrong).expect_err(&wrong);
            assert_eq!((&faulty.fault, &faulty.goods), (&fault, goods), "{wrong}");
        }
        let number = json(r#"{"username":"x","goods":"p","amount":1,"request_id":7}"#);
        let fault = number.expect_err("a number").fault;
        assert_eq!(fault, Fault::WrongType("request_id"));
        let fraction = json(r#"{"username":"x","goods":"p","amount":1.0,"request_id":"r"}"#);
        assert_eq!(fraction.expect_err("a fraction").fault, Amount);
    }
}
