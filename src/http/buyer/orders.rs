//! The life of an order over HTTP: look at it, confirm, cancel and use it.
//!
//! Confirming and using need the operators' token: the shop's payment and the doormen ask for
//! that. Looking and cancelling need the token or the buyer's own name; that is not enough for a
//! ticket. Whoever may not see an order is told the same as if there were none.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use crate::domain::ids::{OrderId, Username};
use crate::domain::order::Order;
use crate::domain::order::change::{Asker, Change, ChangeOutcome, ChangeRefusal};
use crate::failure::Failure;
use crate::http::caller::token::{Door, Shown};
use crate::http::caller::{operator, username_in_body, username_in_query, who};
use crate::http::context::Context;
use crate::http::extract::body::{discard, read_body};
use crate::http::extract::fault::BODY_BYTES_MAX;
use crate::http::extract::manner::Manner;
use crate::http::respond::answer::RESULT_HEADER;
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::Problem;
use crate::http::respond::words::Sentence;
use crate::operation::orders::OrderView;

/// What shows an order. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Shows<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(flatten)]
    order: OrderView<'a>,
}

/// `GET /orders/{id}`
pub async fn show(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let manner = Manner::of(&request, context.strict_status);
    let buyer = match context.token.shown(&request) {
        Shown::Token => None,
        Shown::Wrong => return Err(context.token.wrong(&request, Door::Orders)),
        Shown::Nothing => Some(asking(&request, manner)?),
    };
    let id = order_id(&request, manner)?;
    let found = match buyer {
        None => {
            let found = context.store.order_kept(&id).await;
            found.map_err(|error| Problem::of_reading(&error))?
        }
        Some(buyer) => {
            let found = context.store.order_named(&id, &buyer).await;
            found.map_err(|error| unseen(&error, manner))?
        }
    };
    let order = found.ok_or_else(|| no_such_order(manner))?;
    Ok(json(&mut HttpResponse::Ok(), &OrderView::from(&order)))
}

/// `POST /orders/{id}/confirm`
pub async fn confirm(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, manner) = asked_by_operator(&context, &request, body).await?;
    let (store, who) = (context.store.clone(), who(&request));
    let confirming = async move {
        let outcome = store.order_confirm(&id).await;
        log(Change::Confirm, &who, &id, &outcome);
        outcome
    };
    let outcome = operator::carry_out(&context, &request, confirming).await?;
    answer(Change::Confirm, outcome, manner)
}

/// `POST /orders/{id}/use`
pub async fn redeem(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, manner) = asked_by_operator(&context, &request, body).await?;
    let (store, who) = (context.store.clone(), who(&request));
    let using = async move {
        let outcome = store.order_use(&id).await;
        log(Change::Use, &who, &id, &outcome);
        outcome
    };
    let outcome = operator::carry_out(&context, &request, using).await?;
    answer(Change::Use, outcome, manner)
}

/// `POST /orders/{id}/cancel`: with the token, or as the buyer who is named in the body.
pub async fn cancel(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let manner = Manner::of(&request, context.strict_status);
    let body = read_body(body, BODY_BYTES_MAX).await;
    let body = body.map_err(|fault| Problem::of_fault(&fault, manner))?;
    let buyer = match context.token.shown(&request) {
        Shown::Token => None,
        Shown::Wrong => return Err(context.token.wrong(&request, Door::Orders)),
        Shown::Nothing if body.is_empty() => return Err(nobody(manner)),
        Shown::Nothing => {
            let username = username_in_body(&request, &body);
            Some(username.map_err(|fault| Problem::of_fault(&fault, manner))?)
        }
    };
    let id = order_id(&request, manner)?;
    let outcome = match buyer {
        Some(_) if context.standstill.held_up(&request) => return Err(busy(manner)),
        Some(buyer) => {
            let asker = Some(Asker::Named(&buyer));
            context.admission.cancel(&id, asker).await
        }
        None => {
            let (admission, who) = (context.admission.clone(), who(&request));
            let cancelling = async move {
                let outcome = admission.cancel(&id, None).await;
                log(Change::Cancel, &who, &id, &outcome);
                outcome
            };
            operator::carry_out(&context, &request, cancelling).await?
        }
    };
    answer(Change::Cancel, outcome, manner)
}

/// The order that the path names, and how to answer, if the request shows the operators' token.
async fn asked_by_operator(
    context: &Context,
    request: &HttpRequest,
    body: Payload,
) -> Result<(OrderId, Manner), Problem> {
    discard(body).await;
    context.token.required(request, Door::Orders)?;
    let manner = Manner::of(request, context.strict_status);
    Ok((order_id(request, manner)?, manner))
}

/// 401 for whoever shows no token and names no buyer. It does not depend on the order.
fn nobody(manner: Manner) -> Problem {
    let sentence = Sentence::new(
        "请提供买家的 username，或操作员的令牌：`Authorization: Bearer TOKEN`。",
        "Send the buyer's username, or the operators' token: `Authorization: Bearer TOKEN`.",
    );
    Problem::unauthorized(sentence.said(manner))
}

/// The buyer that the query names.
fn asking(request: &HttpRequest, manner: Manner) -> Result<Username, Problem> {
    let username = username_in_query(request.query_string());
    let username = username.map_err(|fault| Problem::of_fault(&fault, manner))?;
    username.ok_or_else(|| nobody(manner))
}

fn order_id(request: &HttpRequest, manner: Manner) -> Result<OrderId, Problem> {
    let id = request.match_info().get("id").unwrap_or_default();
    OrderId::parse(id).map_err(|_| no_such_order(manner))
}

fn no_such_order(manner: Manner) -> Problem {
    let sentence = Sentence::new("没有这个订单。", "There is no such order.");
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_such_order",
        sentence.said(manner),
    )
}

/// What an operator asked for, and what became of it.
fn log(change: Change, who: &str, id: &OrderId, outcome: &Result<ChangeOutcome, Failure>) {
    let became = match outcome {
        Ok(ChangeOutcome::Changed(_)) => change_row(change).0,
        Ok(ChangeOutcome::Repeated(_)) => repeat_row(change).0,
        Ok(ChangeOutcome::Refused(refusal, _)) => refusal.code(),
        Ok(ChangeOutcome::NoSuchOrder) => "no_such_order",
        Err(failure) => failure.label(),
    };
    tracing::info!(who, order = %id, asked = ?change, became, "change of an order over HTTP");
}

fn answer(
    change: Change,
    outcome: Result<ChangeOutcome, Failure>,
    manner: Manner,
) -> Result<HttpResponse, Problem> {
    match outcome {
        Ok(ChangeOutcome::Changed(order)) => Ok(changed(change_row(change), &order, manner)),
        Ok(ChangeOutcome::Repeated(order)) => Ok(changed(repeat_row(change), &order, manner)),
        Ok(ChangeOutcome::Refused(refusal, order)) => Err(refused(change, refusal, &order, manner)),
        Ok(ChangeOutcome::NoSuchOrder) => Err(no_such_order(manner)),
        Err(error) => Err(failed(&error, manner)),
    }
}

fn change_row(change: Change) -> (&'static str, Sentence) {
    match change {
        Change::Confirm => (
            "confirmed",
            Sentence::new("订单已确认。", "The order is confirmed."),
        ),
        Change::Cancel => (
            "cancelled",
            Sentence::new("订单已取消。", "The order is cancelled."),
        ),
        Change::Use => ("used", Sentence::new("订单已使用。", "The order is used.")),
    }
}

fn repeat_row(change: Change) -> (&'static str, Sentence) {
    match change {
        Change::Confirm => (
            "already_confirmed",
            Sentence::new(
                "订单此前已经确认，请勿重复请求。",
                "The order was confirmed before; there is no need to ask again.",
            ),
        ),
        Change::Cancel => (
            "already_cancelled",
            Sentence::new(
                "订单此前已经取消，请勿重复请求。",
                "The order was cancelled before; there is no need to ask again.",
            ),
        ),
        Change::Use => (
            "already_used",
            Sentence::new(
                "订单此前已经使用。",
                "The order was used before: do not hand anything out again.",
            ),
        ),
    }
}

fn changed(row: (&'static str, Sentence), order: &Order, manner: Manner) -> HttpResponse {
    let (code, sentence) = row;
    with_order(&mut HttpResponse::Ok(), code, sentence.said(manner), order)
}

/// An answer that shows what became of an order.
pub(super) fn with_order(
    response: &mut HttpResponseBuilder,
    code: &str,
    message: &str,
    order: &Order,
) -> HttpResponse {
    let order = OrderView::from(order);
    let body = Shows {
        code,
        message,
        order,
    };
    response.insert_header((RESULT_HEADER, code));
    json(response, &body)
}

fn refused(change: Change, refusal: ChangeRefusal, order: &Order, manner: Manner) -> Problem {
    let refund_due = refusal.refund_due(change);
    let detail = refusal_sentence(refusal, refund_due, order).said(manner);
    let problem = Problem::new(StatusCode::CONFLICT, refusal.code(), detail);
    if refund_due {
        problem.with_refund_due()
    } else {
        problem
    }
}

fn refusal_sentence(refusal: ChangeRefusal, refund_due: bool, order: &Order) -> Sentence {
    match refusal {
        ChangeRefusal::Expired if refund_due => Sentence::new(
            "订单已过期，应当退款。",
            "The order has expired: a refund is due.",
        ),
        ChangeRefusal::Expired => Sentence::new("订单已过期。", "The order has expired."),
        ChangeRefusal::Cancelled if refund_due => Sentence::new(
            "订单已取消，应当退款。",
            "The order is cancelled: a refund is due.",
        ),
        ChangeRefusal::Cancelled => Sentence::new("订单已取消。", "The order is cancelled."),
        ChangeRefusal::Used => Sentence::new("订单已使用。", "The order is used."),
        ChangeRefusal::NotConfirmed => {
            Sentence::new("订单尚未确认。", "The order is not confirmed yet.")
        }
        ChangeRefusal::NotCancellable if order.bid().is_some() => Sentence::new(
            "投标不能取消：标的已满标，或不接受取消，或已过取消期限。",
            "The bid cannot be cancelled: its target is full, or takes no bids back, or not any more.",
        ),
        ChangeRefusal::NotCancellable => Sentence::new(
            "订单已确认，不能再取消。",
            "The order is confirmed and cannot be cancelled any more.",
        ),
        ChangeRefusal::NotConfirmable => Sentence::new(
            "投标无需确认。",
            "The order is a bid: there is nothing to confirm.",
        ),
        ChangeRefusal::NotUsable => Sentence::new(
            "投标没有可领取的商品。",
            "The order is a bid: there is nothing to hand out.",
        ),
    }
}

fn failed(error: &Failure, manner: Manner) -> Problem {
    let sentence = Sentence::new(
        "结果未知，请重试，重复请求是安全的。",
        "The outcome is unknown; please try again, which is safe.",
    );
    match error {
        Failure::Busy(_) => busy(manner),
        Failure::Unknown(_) => Problem::later("unknown", sentence.said(manner)),
        Failure::Unreadable(_) => unreadable(error, manner),
    }
}

/// Where Redis is, and what the record of somebody's order says, is nothing for buyers.
fn unseen(error: &Failure, manner: Manner) -> Problem {
    match error {
        Failure::Busy(_) | Failure::Unknown(_) => busy(manner),
        Failure::Unreadable(_) => unreadable(error, manner),
    }
}

fn unreadable(failure: &Failure, manner: Manner) -> Problem {
    tracing::error!(%failure, "an order cannot be read: run `seckill audit --deep`");
    let sentence = Sentence::new("订单数据无法读取。", "The order cannot be read.");
    Problem::unreadable(sentence.said(manner))
}

fn busy(manner: Manner) -> Problem {
    let sentence = Sentence::new(
        "系统繁忙，请稍后再试。",
        "The system is busy; please try again later.",
    );
    Problem::later("busy", sentence.said(manner))
}

fn json(response: &mut HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    guarded(response).content_type("application/json; charset=utf-8");
    // Strings and numbers always serialise.
    response.body(serde_json::to_vec(body).unwrap_or_default())
}
