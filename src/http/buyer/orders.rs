//! The endpoints of one order: show, confirm, cancel and use it.
//!
//! Confirm and use need the operators' token: the shop's payment and the check-in staff send them.
//! Show and cancel need the token or the buyer's name. For a ticket the name is not enough. If a
//! client may not see an order, the answer is the same as for an order that does not exist.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use crate::domain::caller::Caller;
use crate::domain::ids::OrderId;
use crate::domain::order::Order;
use crate::domain::order::change::{Change, ChangeOutcome, ChangeRefusal};
use crate::failure::Failure;
use crate::http::caller::token::Door;
use crate::http::caller::{self, named_in_body, named_in_query, operator, who};
use crate::http::context::Context;
use crate::http::extract::body::{discard, read_body};
use crate::http::extract::fault::BODY_BYTES_MAX;
use crate::http::extract::manner::Manner;
use crate::http::respond::answer::RESULT_HEADER;
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::{More, Problem};
use crate::http::respond::words::{self, Text};
use crate::view::order::OrderView;

/// An answer that shows an order. The order of the fields is part of the contract.
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
    let named = || named_in_query(request.query_string());
    let caller = caller::of_order(&context.token, &request, named, manner)?;
    let id = order_id(&request, manner)?;
    let found = context.store.order_seen_by(&id, &caller).await;
    let found = found.map_err(|failure| match caller {
        Caller::Operator => Problem::of_reading(&failure),
        Caller::Named(_) | Caller::Known(_) => unseen(&failure, manner),
    })?;
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
    let (store, order) = (context.store.clone(), id.clone());
    let confirming = async move { store.order_confirm(&order).await };
    let outcome = carry_out(&context, &request, Change::Confirm, id, confirming).await?;
    answer(Change::Confirm, outcome, manner)
}

/// `POST /orders/{id}/use`
pub async fn redeem(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, manner) = asked_by_operator(&context, &request, body).await?;
    let (store, order) = (context.store.clone(), id.clone());
    let using = async move { store.order_use(&order).await };
    let outcome = carry_out(&context, &request, Change::Use, id, using).await?;
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
    let named = || named_in_body(&request, &body);
    let caller = caller::of_order(&context.token, &request, named, manner)?;
    let id = order_id(&request, manner)?;
    let outcome = match caller {
        Caller::Operator => {
            let (admission, order) = (context.admission.clone(), id.clone());
            let cancelling = async move { admission.cancel(&order, &Caller::Operator).await };
            carry_out(&context, &request, Change::Cancel, id, cancelling).await?
        }
        Caller::Named(_) | Caller::Known(_) if context.standstill.held_up(&request) => {
            return Err(busy(manner));
        }
        buyer @ (Caller::Named(_) | Caller::Known(_)) => {
            context.admission.cancel(&id, &buyer).await
        }
    };
    answer(Change::Cancel, outcome, manner)
}

/// Carries out an operator's change of an order, and logs what became of it.
async fn carry_out(
    context: &Context,
    request: &HttpRequest,
    change: Change,
    id: OrderId,
    changing: impl Future<Output = Result<ChangeOutcome, Failure>> + 'static,
) -> Result<Result<ChangeOutcome, Failure>, Problem> {
    let who = who(request);
    let logged = async move {
        let outcome = changing.await;
        log(change, &who, &id, &outcome);
        outcome
    };
    operator::carry_out(context, request, logged).await
}

/// The order that the path names, and how to answer, if the request has the operators' token.
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

fn order_id(request: &HttpRequest, manner: Manner) -> Result<OrderId, Problem> {
    let id = request.match_info().get("id").unwrap_or_default();
    OrderId::parse(id).map_err(|_| no_such_order(manner))
}

fn no_such_order(manner: Manner) -> Problem {
    let detail = words::orders::NO_SUCH_ORDER.said(manner);
    Problem::new(StatusCode::NOT_FOUND, "no_such_order", detail)
}

/// Logs what an operator requested, and the result.
fn log(change: Change, who: &str, id: &OrderId, outcome: &Result<ChangeOutcome, Failure>) {
    let became = match outcome {
        Ok(ChangeOutcome::Changed(_)) => change_code(change),
        Ok(ChangeOutcome::Repeated(_)) => repeat_code(change),
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
    let shown = |code, text: Text, order: &Order| {
        with_order(&mut HttpResponse::Ok(), code, text.said(manner), order)
    };
    match outcome {
        Ok(ChangeOutcome::Changed(order)) => Ok(shown(
            change_code(change),
            words::orders::changed(change),
            &order,
        )),
        Ok(ChangeOutcome::Repeated(order)) => Ok(shown(
            repeat_code(change),
            words::orders::repeated(change),
            &order,
        )),
        Ok(ChangeOutcome::Refused(refusal, order)) => Err(refused(change, refusal, &order, manner)),
        Ok(ChangeOutcome::NoSuchOrder) => Err(no_such_order(manner)),
        Err(error) => Err(failed(&error, manner)),
    }
}

fn change_code(change: Change) -> &'static str {
    match change {
        Change::Confirm => "confirmed",
        Change::Cancel => "cancelled",
        Change::Use => "used",
    }
}

fn repeat_code(change: Change) -> &'static str {
    match change {
        Change::Confirm => "already_confirmed",
        Change::Cancel => "already_cancelled",
        Change::Use => "already_used",
    }
}

/// An answer that shows the order after the change.
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
    let detail = words::orders::refusal(refusal, refund_due, order).said(manner);
    let problem = Problem::new(StatusCode::CONFLICT, refusal.code(), detail);
    if refund_due {
        problem.with(More::RefundDue { refund_due: true })
    } else {
        problem
    }
}

fn failed(error: &Failure, manner: Manner) -> Problem {
    match error {
        Failure::Busy(_) => busy(manner),
        Failure::Unknown(_) => Problem::later("unknown", words::orders::UNKNOWN.said(manner)),
        Failure::Unreadable(_) => unreadable(error, manner),
    }
}

/// Hides from buyers where Redis is and what a record says.
fn unseen(error: &Failure, manner: Manner) -> Problem {
    match error {
        Failure::Busy(_) | Failure::Unknown(_) => busy(manner),
        Failure::Unreadable(_) => unreadable(error, manner),
    }
}

fn unreadable(failure: &Failure, manner: Manner) -> Problem {
    tracing::error!(%failure, "cannot read an order: run `seckill audit --deep`");
    Problem::unreadable(words::orders::UNREADABLE.said(manner))
}

fn busy(manner: Manner) -> Problem {
    Problem::later("busy", words::BUSY.said(manner))
}

fn json(response: &mut HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    guarded(response).content_type("application/json; charset=utf-8");
    // Strings and numbers always serialise.
    response.body(serde_json::to_vec(body).unwrap_or_default())
}
