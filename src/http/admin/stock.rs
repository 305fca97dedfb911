//! `POST /admin/sales/{id}/stock`: adds units, or removes unsold ones.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{
    JSON_BYTES_MAX, answer, fault, field, fields, must_be_json, no_parameter, sale_id, text, who,
    whole,
};
use crate::domain::counted::counted;
use crate::domain::ids::SaleId;
use crate::domain::money::CENTS_MAX;
use crate::domain::sale::{Sale, StockKind};
use crate::failure::Failure;
use crate::http::caller::operator::carry_out;
use crate::http::context::Context;
use crate::http::extract::body::{discard, media_type, next_piece, read_body};
use crate::http::respond::problem::{More, Problem};
use crate::http::turns::Turn;
use crate::operation::stock::{Load, StopReason, Stopped, add, check_count, unit_of};
use crate::operation::units::{UnitList, UnitReader, WrongLine};
use crate::store::Store;
use crate::store::sales::stock::{RemoveOutcome, UNITS_PER_CALL_MAX};

/// Most units of list stock in one request: some seconds of work, and 150 MB if every unit is as
/// long as it may be. One text is read at a time.
const LOAD_UNITS_MAX: usize = 1_000_000;

/// The fields of the body: exactly one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    count: Option<Value>,
    units: Option<Value>,
    remove: Option<Value>,
}

/// Units were added. The order of the fields is part of the contract.
#[derive(Serialize)]
struct Added<'a> {
    added: u64,
    left: i64,
    sale: &'a str,
}

/// Units were removed: these, if they have identities.
#[derive(Serialize)]
struct Removed<'a> {
    asked: u64,
    left: i64,
    removed: u64,
    sale: &'a str,
    units: &'a [String],
}

/// `POST /admin/sales/{id}/stock`
pub async fn change(
    context: Data<Context>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    if is_text(&request) {
        let Some(turn) = context.turns.loading.take() else {
            discard(body).await;
            return Err(Problem::later("busy", "another load is being read"));
        };
        let units = read_lines(body).await?;
        let id = sale_id(&request)?;
        no_parameter(&request)?;
        return load(&context, &request, id, Load::Units(units), Some(turn)).await;
    }
    let body = read_body(body, JSON_BYTES_MAX).await;
    let body = body.map_err(|e| fault(&e))?;
    let id = sale_id(&request)?;
    no_parameter(&request)?;
    must_be_json(&request)?;
    let asked = fields::<Asked>(&body)?;
    let count = field("count", asked.count, in_bounds)?;
    let units = field("units", asked.units, list)?;
    let removed = field("remove", asked.remove, in_bounds)?;
    match (count, units, removed) {
        (Some(count), None, None) => load(&context, &request, id, Load::Count(count), None).await,
        (None, Some(units), None) => {
            let units = aside(move || listed(units)).await??;
            load(&context, &request, id, Load::Units(units), None).await
        }
        (None, None, Some(count)) => remove(&context, &request, &id, count).await,
        _ => Err(Problem::invalid("say one of count, units and remove")),
    }
}

fn is_text(request: &HttpRequest) -> bool {
    media_type(request).is_some_and(|name| name.eq_ignore_ascii_case(b"text/plain"))
}

/// Checks a number before the kind of the sale is known.
fn in_bounds(value: Value) -> Result<u64, String> {
    let count = whole(value)?;
    let fits = (1..=CENTS_MAX).contains(&count).then_some(count);
    fits.ok_or_else(|| format!("{count} is not in 1..={CENTS_MAX}"))
}

fn list(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err("it must be a list of texts".to_owned()),
    }
}

/// Reads units as they come, one a line. None is sent before all are read and valid.
async fn read_lines(mut body: Payload) -> Result<UnitList, Problem> {
    let mut reader = UnitReader::default();
    while let Some(piece) = next_piece(&mut body).await.map_err(|e| fault(&e))? {
        let problem = match reader.read(&piece) {
            Err(wrong) => wrong_line(wrong),
            Ok(()) if reader.len() > LOAD_UNITS_MAX => too_many(),
            Ok(()) => continue,
        };
        discard(body).await;
        return Err(problem);
    }
    aside(move || reader.finish()).await?.map_err(wrong_line)
}

/// Runs long work on another thread. To look for repeated units takes a second for a million.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| Problem::later("busy", error.to_string()))
}

fn wrong_line(wrong: WrongLine) -> Problem {
    Problem::invalid(format!("units: {wrong}; nothing was added"))
}

fn too_many() -> Problem {
    let detail = format!("more than {LOAD_UNITS_MAX} units in one request; nothing was added");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", detail)
}

/// The units of a JSON list.
fn listed(values: Vec<Value>) -> Result<UnitList, Problem> {
    let mut units = UnitList::default();
    for (place, value) in values.into_iter().enumerate() {
        let wrong = |why| Problem::invalid(format!("units[{place}]: {why}"));
        let unit = text(value).map_err(wrong)?;
        units.push(&unit).map_err(|why| wrong(why.to_string()))?;
    }
    match units.repeated() {
        Some(repeated) => Err(Problem::invalid(format!(
            "units[{}]: {:?} is units[{}] already; nothing was added",
            repeated.again - 1,
            repeated.unit,
            repeated.first - 1
        ))),
        None if units.is_empty() => Err(Problem::invalid("units: there are none")),
        None => Ok(units),
    }
}

/// Adds a load. `turn` is returned when its units are no longer in memory.
async fn load(
    context: &Context,
    request: &HttpRequest,
    id: SaleId,
    load: Load,
    turn: Option<Turn>,
) -> Result<HttpResponse, Problem> {
    let who = who(request);
    let count = load.len();
    let (store, catalogue) = (context.store.for_request(), context.catalogue.clone());
    let adding = async move {
        let added = add_within_bounds(&store, &id, &load).await;
        drop((load, turn));
        if added.is_ok() {
            catalogue.refresh(&id).await;
        }
        let left = added.as_ref().ok();
        tracing::info!(who, sale = %id, asked = count, left, "units added over HTTP");
        added.map(|left| (id, left))
    };
    let (id, left) = carry_out(context, request, adding).await??;
    let body = Added {
        added: count,
        left,
        sale: id.as_str(),
    };
    Ok(answer(StatusCode::OK, "added", &body))
}

/// Counters and targets take any number at once. A list takes its units in steps.
async fn add_within_bounds(store: &Store, id: &SaleId, load: &Load) -> Result<i64, Problem> {
    if load.len() > LOAD_UNITS_MAX as u64 {
        let kind = kind(store, id).await?;
        fitting("count", id, kind, load.len())?;
        if kind == StockKind::List {
            return Err(too_many());
        }
    }
    let added = add(store, id, load, &|_| {}).await;
    added.map_err(|stopped| {
        tracing::warn!(sale = %id, %stopped, "load stopped");
        stopped_problem(&stopped)
    })
}

/// Refuses a number that no sale of this kind can have.
fn fitting(name: &str, id: &SaleId, kind: StockKind, count: u64) -> Result<(), Problem> {
    let checked = check_count(id, kind, count);
    checked.map_err(|why| Problem::invalid(format!("{name}: {why}")))
}

async fn kind(store: &Store, id: &SaleId) -> Result<StockKind, Problem> {
    let found = store.sale_snapshot(id).await;
    let found = found.map_err(|error| Problem::of_reading(&error))?;
    let sale = found.ok_or_else(|| Problem::no_such_sale(id.as_str()))?;
    Ok(sale.sale.kind())
}

fn stopped_problem(stopped: &Stopped) -> Problem {
    let detail = stopped.to_string();
    let problem = match &stopped.why {
        StopReason::NoSuchSale => return Problem::no_such_sale(stopped.id.as_str()),
        StopReason::NeedsCount => Problem::new(StatusCode::CONFLICT, "needs_count", detail),
        StopReason::LimitPassed(_) => Problem::new(StatusCode::CONFLICT, "limit_passed", detail),
        // Some units are in stock: a repeat of the request would add them again.
        StopReason::Failed(Failure::Busy(_)) if stopped.done == 0 => Problem::later("busy", detail),
        StopReason::Failed(Failure::Unreadable(_)) if stopped.done == 0 => {
            Problem::unreadable(detail)
        }
        StopReason::Failed(_) => Problem::unknown(detail),
    };
    problem.with(More::Added {
        added: stopped.done,
    })
}

/// Removes units in one step, so that the answer always says which ones.
async fn remove(
    context: &Context,
    request: &HttpRequest,
    id: &SaleId,
    count: u64,
) -> Result<HttpResponse, Problem> {
    let store = context.store.for_request();
    let found = store.sale_snapshot(id).await;
    let found = found.map_err(|error| Problem::of_reading(&error))?;
    let sale = found.ok_or_else(|| Problem::no_such_sale(id.as_str()))?;
    fitting("remove", id, sale.sale.kind(), count)?;
    if count > sale.figures.for_sale() {
        return Err(too_few(&sale.sale, count, sale.figures.left));
    }
    if sale.sale.kind() == StockKind::List && count > UNITS_PER_CALL_MAX as u64 {
        let detail = format!("remove: at most {UNITS_PER_CALL_MAX} units of list stock at a time");
        return Err(Problem::invalid(detail));
    }
    let removing = remove_and_log(store, who(request), id.clone(), count);
    let (catalogue, changed) = (context.catalogue.clone(), id.clone());
    let removing = async move {
        let removed = removing.await;
        if removed.is_ok() {
            catalogue.refresh(&changed).await;
        }
        removed
    };
    let (taken, left, units) = match carry_out(context, request, removing).await? {
        Ok(RemoveOutcome::Removed { taken, left, units }) => (taken, left, units),
        Ok(RemoveOutcome::NoSuchSale) => return Err(Problem::no_such_sale(id.as_str())),
        Err(error) => return Err(removal_failed(id, &error)),
    };
    // Buyers may have taken units since the stock was read.
    if taken == 0 {
        return Err(too_few(&sale.sale, count, left));
    }
    let body = Removed {
        asked: count,
        left,
        removed: taken,
        sale: id.as_str(),
        units: &units,
    };
    Ok(answer(StatusCode::OK, "removed", &body))
}

async fn remove_and_log(
    store: Store,
    who: String,
    id: SaleId,
    count: u64,
) -> crate::failure::Result<RemoveOutcome> {
    let removed = store.stock_remove(&id, count).await;
    match &removed {
        Ok(RemoveOutcome::Removed { taken, left, .. }) => {
            tracing::info!(who, sale = %id, asked = count, taken, left, "units removed over HTTP");
        }
        Ok(RemoveOutcome::NoSuchSale) => {}
        Err(error) => {
            tracing::warn!(who, sale = %id, asked = count, %error, "units not removed");
        }
    }
    removed
}

fn too_few(sale: &Sale, count: u64, left: i64) -> Problem {
    let (id, has) = (&sale.id, counted(left, unit_of(sale.kind())));
    let detail = format!(
        "sale {id} has {has} left, which is fewer than {count}: what is sold stays sold; \
         nothing was removed"
    );
    Problem::new(StatusCode::CONFLICT, "insufficient_stock", detail).with(More::Left { left })
}

fn removal_failed(id: &SaleId, error: &Failure) -> Problem {
    match error {
        Failure::Busy(_) | Failure::Unreadable(_) => Problem::of_changing(error),
        Failure::Unknown(_) => Problem::unknown(format!(
            "{error}; compare `removed` of sale {id} before you ask again"
        )),
    }
}
