//! `POST /seckill` sells from list stock, `POST /incr` from counter stock. Same request, same
//! answers.

use actix_web::{HttpRequest, HttpResponse, web};

use super::Context;
use super::answer;
use super::attempt::AttemptRequest;
use super::negotiate::Manner;
use super::standstill;
use crate::domain::ids::SaleId;
use crate::domain::sale::Door;

/// `POST /seckill`
pub async fn seckill(
    context: web::Data<Context>,
    request: HttpRequest,
    body: web::Payload,
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
    body: web::Payload,
) -> HttpResponse {
    buy(&context, Door::Incr, &context.doors.incr, &request, body).await
}

async fn buy(
    context: &Context,
    door: Door,
    default_goods: &SaleId,
    request: &HttpRequest,
    body: web::Payload,
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
