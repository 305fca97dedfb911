//! The table of all paths and their methods.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder};

use super::admin;
use super::buyer::{bid, grab, orders, place, sales};
use super::caller::operator;
use super::context::Face;
use super::probes::{health, metrics};
use super::respond::problem;
use super::wechat::{endpoint, pages};

/// Start of every path that needs the operators' token.
const ADMIN: &str = "/admin";
/// Start of every path of the ticket office. Without an office none of them exists.
const WECHAT: &str = "/wechat";

/// A path and its methods.
struct Route {
    path: &'static str,
    methods: Vec<Method>,
    resource: Resource,
}

fn at(path: &'static str) -> Route {
    Route {
        path,
        methods: Vec::new(),
        resource: web::resource(path),
    }
}

/// The same, with or without a slash at the end.
fn at_either(path: &'static str) -> Route {
    Route {
        resource: web::resource([path.to_owned(), format!("{path}/")]),
        ..at(path)
    }
}

impl Route {
    /// HEAD goes where GET goes: the HTTP library leaves out the body.
    fn on<F, Args>(self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        if method != Method::GET {
            return self.with(method, handler);
        }
        self.with(method, handler.clone())
            .with(Method::HEAD, handler)
    }

    fn with<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::method(method.clone()).to(handler);
        self.resource = self.resource.route(route);
        self.methods.push(method);
        self
    }

    /// The resource. It refuses every other method.
    fn closed(self) -> Resource {
        let allowed: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        let allowed = allowed.join(", ");
        let refuse = move |request: HttpRequest, body: Payload| {
            problem::method_not_allowed(request, body, allowed.clone())
        };
        self.resource.default_service(web::to(refuse))
    }
}

/// The paths of buyers, shops and machines.
fn open() -> Vec<Route> {
    vec![
        at("/seckill").on(Method::POST, grab::seckill),
        at("/incr").on(Method::POST, grab::incr),
        at("/sales").on(Method::GET, sales::list),
        at("/sales/{id}").on(Method::GET, sales::show),
        at("/orders").on(Method::POST, place::place),
        at("/orders/{id}").on(Method::GET, orders::show),
        at("/orders/{id}/confirm").on(Method::POST, orders::confirm),
        at("/orders/{id}/cancel").on(Method::POST, orders::cancel),
        at("/orders/{id}/use").on(Method::POST, orders::redeem),
        at("/bids").on(Method::POST, bid::bid),
        at_either("/wechat")
            .on(Method::GET, endpoint::verify)
            .on(Method::POST, endpoint::receive),
        at("/healthz").on(Method::GET, health::healthz),
        at("/readyz").on(Method::GET, health::readyz),
    ]
}

/// The paths for programs that watch the server. Operators may want to hide them from others.
fn watched() -> Vec<Route> {
    vec![at("/metrics").on(Method::GET, metrics::metrics)]
}

/// The paths of operators, below [`ADMIN`].
fn guarded() -> Vec<Route> {
    vec![
        at("/sales/{id}").on(Method::PUT, admin::sale::put),
        at("/sales/{id}/pause").on(Method::POST, admin::sale::pause),
        at("/sales/{id}/resume").on(Method::POST, admin::sale::resume),
        at("/sales/{id}/audit").on(Method::GET, admin::sale::audit),
        at("/sales/{id}/stock").on(Method::POST, admin::stock::change),
        // Without HEAD: if nobody reads the body, all orders would be read at once.
        at("/sales/{id}/orders").with(Method::GET, admin::export::orders),
        at("/accounts/{event}/{user}").on(Method::PUT, admin::account::put),
        at("/accounts/{event}/{user}/deposit").on(Method::POST, admin::payment::deposit),
        at("/accounts/{event}/{user}/withdraw").on(Method::POST, admin::payment::withdraw),
    ]
}

/// The pages of the ticket office, below [`WECHAT`], and their files.
fn pages() -> Vec<Route> {
    vec![
        at_either("/bind")
            .on(Method::GET, pages::bind::show)
            .on(Method::POST, pages::bind::bind),
        at_either("/activity").on(Method::GET, pages::activity::show),
        at_either("/ticket").on(Method::GET, pages::ticket::show),
        at_either("/help").on(Method::GET, pages::help::show),
        at_either("/checkin")
            .on(Method::GET, pages::checkin::show)
            .on(Method::POST, pages::checkin::check),
        at_either("/checkin.js").on(Method::GET, pages::files::script),
        at_either("/style.css").on(Method::GET, pages::files::style),
    ]
}

/// Registers all paths of this face.
pub(super) fn configure(config: &mut ServiceConfig, face: Face) {
    let is_public = face == Face::Public;
    let watched = if is_public { Vec::new() } else { watched() };
    for route in open().into_iter().chain(watched) {
        config.service(route.closed());
    }
    if !is_public {
        config.service(admin());
    }
    let mut wechat = web::scope(WECHAT).default_service(web::to(problem::not_found));
    for route in pages() {
        let page = route.closed().wrap(from_fn(pages::without_slash));
        wechat = wechat.service(page);
    }
    config
        .service(wechat.wrap(from_fn(pages::guard)))
        .default_service(web::to(problem::not_found));
}

/// Unknown paths are guarded, too: without the token a client learns nothing about these paths.
fn admin() -> impl HttpServiceFactory {
    let mut admin = web::scope(ADMIN).default_service(web::to(problem::not_found));
    for route in guarded() {
        admin = admin.service(route.closed());
    }
    admin.wrap(from_fn(operator::guard))
}

/// Method and path of every route, for tests that visit them all.
pub fn all() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let tables = [
        ("", open()),
        ("", watched()),
        (ADMIN, guarded()),
        (WECHAT, pages()),
    ];
    for (prefix, table) in tables {
        for route in table {
            let path = format!("{prefix}{}", route.path);
            let methods = route.methods.iter();
            all.extend(methods.map(|method| (method.to_string(), path.clone())));
        }
    }
    all
}
