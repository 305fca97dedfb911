//! `GET /wechat` and `POST /wechat`: the endpoints for the platform of an official account. They do
//! not exist without `wechat.token`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tokio::time::Instant;

use crate::http::caller::who;
use crate::http::context::{Context, TicketOffice};
use crate::http::extract::body::{discard, media_type, read_body};
use crate::http::extract::form;
use crate::http::extract::manner::Manner;
use crate::http::respond::headers::guarded;
use crate::http::respond::problem::Problem;
use crate::wechat::message::{MESSAGE_BYTES_MAX, Message};
use crate::wechat::office::Office;
use crate::wechat::reply::SILENCE;

/// `GET /wechat`: the platform checks that this server has its owner's token.
pub async fn verify(context: Data<Context>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    admitted(&context, &request)?;
    let echo = parameter(&request, "echostr");
    let echo =
        echo.ok_or_else(|| Problem::invalid("Name one echostr in the query, to be echoed."))?;
    Ok(answered("text/plain; charset=utf-8", echo))
}

/// `POST /wechat`: a message of a user.
pub async fn receive(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let since = Instant::now();
    let office = match admitted(&context, &request) {
        Ok(office) if is_xml(&request) => office,
        refused => {
            discard(body).await;
            refused?;
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "invalid_request", "Send text/xml."));
        }
    };
    let manner = Manner::of(&request, context.strict_status);
    let body = read_body(body, MESSAGE_BYTES_MAX).await;
    let body = body.map_err(|fault| Problem::of_fault(&fault, manner))?;
    if context.standstill.held_up(&request) {
        // The platform gave this delivery up, and delivers the message again if it still waits.
        return Err(Problem::held_up());
    }
    let message = Message::read(&body).map_err(|wrong| {
        context.metrics.chat.refused("malformed");
        // The sender can sign it (or nobody must), so strangers cannot fill the log.
        let (who, why) = (who(&request), wrong.kind());
        tracing::warn!(who, why, "a message is refused");
        Problem::invalid(format!("{wrong}."))
    })?;
    let answer = office.answer(message, since).await;
    let media_type = match answer.as_str() {
        SILENCE => "text/plain; charset=utf-8",
        _ => "application/xml; charset=utf-8",
    };
    Ok(answered(media_type, answer))
}

/// The answer repeats text from the request, so browsers must not guess its type.
fn answered(media_type: &'static str, body: String) -> HttpResponse {
    guarded(&mut HttpResponse::Ok())
        .content_type(media_type)
        .body(body)
}

/// The office, if the request is signed.
fn admitted<'a>(context: &'a Context, request: &HttpRequest) -> Result<&'a Office, Problem> {
    let tickets = context.tickets.as_ref();
    let TicketOffice { guard, office } = tickets.ok_or_else(|| Problem::not_found(request))?;
    let [signature, timestamp, nonce] = ["signature", "timestamp", "nonce"]
        .map(|name| parameter(request, name).unwrap_or_default());
    if guard.admits(&timestamp, &nonce, &signature) {
        return Ok(office);
    }
    context.metrics.chat.refused("wrong_signature");
    tracing::debug!(
        who = who(request),
        "wrong signature: is wechat.token the token of the platform?"
    );
    Err(wrong_signature())
}

fn wrong_signature() -> Problem {
    let detail = "The query has no valid signature of timestamp and nonce with the token of this \
                  server (setting `wechat.token`).";
    Problem::new(StatusCode::FORBIDDEN, "wrong_signature", detail)
}

/// A parameter that the query has exactly once, decoded.
fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let fields = form::fields(request.query_string().as_bytes());
    let mut named = fields.flatten().filter(|(own, _)| own == name);
    let (_, value) = named.next()?;
    named.next().is_none().then(|| value.into_owned())
}

/// True for XML that is not compressed, and if no type is named.
fn is_xml(request: &HttpRequest) -> bool {
    let headers = request.headers();
    if !headers.contains_key(CONTENT_TYPE) && !headers.contains_key(CONTENT_ENCODING) {
        return true;
    }
    media_type(request).is_some_and(|named| {
        let xml: [&[u8]; 2] = [b"text/xml", b"application/xml"];
        xml.iter().any(|xml| named.eq_ignore_ascii_case(xml))
    })
}
