//! The OpenAPI 3.1 document, generated from the table of routes and the types of the answers.
//!
//! Paths, methods, parameters and who may call come from `Route`; what goes in and out is one arm for each route in
//! `exchange`. Every answer that is not named is a problem.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Components, ComponentsBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use crate::endpoints::{challenge, fairness, holds, orders, organizer, pay, queue, sales, waitlist};
use crate::position::Position;
use crate::problem::{Code, MEDIA_TYPE, ProblemBody};
use crate::route::{Access, Route};
use crate::seat_map::SeatMapBody;
use crate::socket::Frame;

mod examples;
mod exchange;
pub(crate) mod schema;

use exchange::{Exchange, Given, Key, Need};

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let mut paths = Paths::new();
    for route in Route::ALL {
        paths.add_path_operation(path(*route), vec![method(*route)], operation(*route));
    }
    OpenApiBuilder::new().info(info()).paths(paths).components(Some(components())).build()
}

/// OpenAPI has no placeholder for the rest of a path; it is written like one segment.
fn path(route: Route) -> String {
    route.path().replace("{*", "{")
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Onsale")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Ticket sales that far more people want than there are seats."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build()
}

fn method(route: Route) -> HttpMethod {
    match route.method().as_str() {
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        _ => HttpMethod::Get,
    }
}

fn operation(route: Route) -> OperationBuilder {
    let exchange = exchange::of(route);
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.operation()))
        .summary(Some(route.summary().trim()))
        .tag(tag(route))
        .request_body(exchange.body.as_ref().map(|given| request_body(route, given, exchange.body_need)));
    for name in placeholders(route.path()) {
        operation = operation.parameter(parameter(name, ParameterIn::Path, Required::True, PLACEHOLDER));
    }
    for (name, description) in exchange.query {
        operation = operation.parameter(parameter(name, ParameterIn::Query, Required::False, description));
    }
    if let Some(required) = key_required(exchange.key) {
        operation = operation.parameter(parameter("Idempotency-Key", ParameterIn::Header, required, KEY));
    }
    if route == Route::ChangeSale {
        operation = operation.parameter(parameter("If-Match", ParameterIn::Header, Required::True, VERSION));
    }
    for requirement in security(route.access()) {
        operation = operation.security(requirement);
    }
    for (status, description, given) in &exchange.answers {
        operation = operation.response(status.to_string(), answer(description, given.as_ref()));
    }
    problems(route, &exchange)
        .into_iter()
        .fold(operation, |operation, (status, codes)| operation.response(status.to_string(), problem(&codes)))
}

const PLACEHOLDER: &str = "An id, or where a sale is meant also its slug.";
const VERSION: &str = "The `ETag` of the answer that showed what is changed.";
const KEY: &str = "Makes it safe to send the request again, for 24 h; quoted or bare.";

fn tag(route: Route) -> &'static str {
    match route.path() {
        path if path.starts_with("/v1/organizer") => "organizer",
        path if path.starts_with("/v1/stripe") => "stripe",
        path if path.starts_with("/v1/") => "attendee",
        _ => "pages",
    }
}

fn placeholders(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_matches('*'))
}

fn parameter(name: &str, place: ParameterIn, required: Required, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
}

const fn key_required(key: Key) -> Option<Required> {
    match key {
        Key::No => None,
        Key::Optional => Some(Required::False),
        Key::Required => Some(Required::True),
    }
}

fn content(given: &Given) -> Content {
    let shape = given.shape.as_ref().map(|name| RefOr::<Schema>::Ref(Ref::from_schema_name(name)));
    ContentBuilder::new().schema(shape).build()
}

fn request_body(route: Route, given: &Given, need: Need) -> RequestBody {
    let required = match need {
        Need::Must => Required::True,
        Need::May => Required::False,
    };
    let mut content = content(given);
    content.example = examples::of(route);
    RequestBodyBuilder::new().content(given.media_type, content).required(Some(required)).build()
}

fn answer(description: &str, given: Option<&Given>) -> Response {
    let answer = ResponseBuilder::new().description(description);
    match given {
        Some(given) => answer.content(given.media_type, content(given)).build(),
        None => answer.build(),
    }
}

/// The problems of a route, by status: its own, and what its access, its body, its key and its stores bring with them.
fn problems(route: Route, exchange: &Exchange) -> BTreeMap<u16, Vec<Code>> {
    let mut codes = exchange.codes.to_vec();
    codes.extend(of_access(route.access()));
    if exchange.body.is_some() && route.access() != Access::Signature {
        codes.extend([Code::ValidationFailed, Code::BodyTooLarge, Code::UnsupportedMediaType]);
    }
    if exchange.key == Key::Required {
        codes.push(Code::IdempotencyKeyMissing);
    }
    if exchange.key != Key::No {
        codes.extend([Code::IdempotencyKeyReused, Code::RequestInProgress]);
    }
    if placeholders(route.path()).next().is_some() {
        codes.push(Code::NotFound);
    }
    if route.limit().is_some() {
        codes.push(Code::RateLimited);
    }
    codes.extend([Code::InternalError, Code::StoreUnavailable, Code::Overloaded]);
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let of_status = by_status.entry(code.status().as_u16()).or_default();
        if !of_status.contains(&code) {
            of_status.push(code);
        }
    }
    by_status
}

const fn of_access(access: Access) -> &'static [Code] {
    match access {
        Access::Anyone | Access::Visitor | Access::Signature => &[],
        Access::Place => &[Code::Unauthorized, Code::PlaceInvalid, Code::Forbidden],
        Access::Pass => &[Code::Unauthorized, Code::PassInvalid],
        Access::Receipt | Access::Order | Access::Artefact | Access::Entry => &[Code::Unauthorized, Code::TokenInvalid],
        Access::Organizer => &[Code::Unauthorized],
    }
}

fn problem(codes: &[Code]) -> Response {
    let words: Vec<_> = codes.iter().map(|code| format!("`{}`", code.word())).collect();
    let given = Given { media_type: MEDIA_TYPE, shape: Some(ProblemBody::name().into_owned()) };
    answer(&words.join(", "), Some(&given))
}

fn security(access: Access) -> Vec<SecurityRequirement> {
    let any_of: &[&str] = match access {
        Access::Anyone => &[],
        Access::Visitor => &["visitor", "place"],
        Access::Place => &["place", "place_cookie"],
        Access::Pass => &["pass"],
        Access::Receipt => &["receipt"],
        Access::Order => &["order"],
        Access::Artefact => &["order", "artefact"],
        Access::Entry => &["entry"],
        Access::Organizer => &["organizer"],
        Access::Signature => &["signature"],
    };
    let named = any_of.iter().map(|name| SecurityRequirement::new(*name, [""; 0]));
    // An empty requirement says that none is needed.
    let nobody = (access == Access::Visitor).then(SecurityRequirement::default);
    nobody.into_iter().chain(named).collect()
}

fn components() -> Components {
    let mut shapes = Vec::new();
    add::<ProblemBody<'_>>(&mut shapes);
    add::<sales::SaleList>(&mut shapes);
    add::<sales::SaleBody>(&mut shapes);
    add::<queue::JoinBody>(&mut shapes);
    add::<queue::JoinedBody>(&mut shapes);
    add::<queue::JoinedBody>(&mut shapes);
    add::<Position>(&mut shapes);
    add::<Frame<'_>>(&mut shapes);
    add::<holds::TakeBody>(&mut shapes);
    add::<holds::HoldBody>(&mut shapes);
    add::<orders::CreateBody>(&mut shapes);
    add::<orders::OrderBody>(&mut shapes);
    add::<waitlist::WishBody>(&mut shapes);
    add::<waitlist::EntryBody>(&mut shapes);
    add::<waitlist::claim::ClaimBody>(&mut shapes);
    add::<pay::PayBody>(&mut shapes);
    add::<pay::PaidBody>(&mut shapes);
    add::<schema::SaleConfigBody>(&mut shapes);
    add::<organizer::OwnSaleBody>(&mut shapes);
    add::<organizer::change::ChangeBody>(&mut shapes);
    add::<organizer::notices::TellBody>(&mut shapes);
    add::<organizer::line::AdmissionPatch>(&mut shapes);
    add::<organizer::access_codes::MakeCodesBody>(&mut shapes);
    add::<organizer::access_codes::CodesBody>(&mut shapes);
    add::<organizer::line::BypassBody>(&mut shapes);
    add::<organizer::waitlist::OwnWaitlistBody>(&mut shapes);
    add::<organizer::withholding::UnitsBody>(&mut shapes);
    add::<organizer::withholding::DoneBody>(&mut shapes);
    add::<organizer::refunds::RefundBody>(&mut shapes);
    add::<organizer::refunds::RefundedBody>(&mut shapes);
    add::<organizer::refunds::RefundList>(&mut shapes);
    add::<crate::endpoints::tickets::acts::RotateBody>(&mut shapes);
    add::<crate::endpoints::tickets::acts::RotatedBody>(&mut shapes);
    add::<organizer::door::CheckInBody>(&mut shapes);
    add::<organizer::door::CheckedInBody>(&mut shapes);
    add::<organizer::door::manifest::SignedManifestBody>(&mut shapes);
    add::<organizer::door::conflicts::ConflictList>(&mut shapes);
    add::<organizer::line::BypassedBody>(&mut shapes);
    add::<organizer::line::OwnQueueBody>(&mut shapes);
    add::<organizer::reports::ledger::LedgerBody>(&mut shapes);
    add::<organizer::reports::audit::AuditBody>(&mut shapes);
    add::<organizer::reports::orders::OrderListBody>(&mut shapes);
    add::<organizer::reports::statement::StatementBody>(&mut shapes);
    add::<challenge::ChallengeBody>(&mut shapes);
    add::<fairness::ProofBody>(&mut shapes);
    add::<schema::FairnessFileBody>(&mut shapes);
    add::<SeatMapBody>(&mut shapes);
    let components = ComponentsBuilder::new().schemas_from_iter(shapes);
    schemes()
        .into_iter()
        .fold(components, |components, (name, scheme)| components.security_scheme(name, scheme))
        .build()
}

fn add<T: ToSchema + PartialSchema>(shapes: &mut Vec<(String, RefOr<Schema>)>) {
    shapes.push((T::name().into_owned(), T::schema()));
    T::schemas(shapes);
}

fn schemes() -> [(&'static str, SecurityScheme); 10] {
    let bearer = |description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
    };
    let cookie = |name: &str, description: &str| {
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, description)))
    };
    let header = ApiKeyValue::with_description("Stripe-Signature", "Stripe's signature of the raw body.");
    let query = ApiKeyValue::with_description("token", "An artefact token, art_….");
    [
        ("visitor", cookie("__Host-onsale_visitor", "The visitor's secret; from our own pages only.")),
        ("place", bearer("A place token, plc_….")),
        ("place_cookie", cookie("__Host-onsale_place_{sale}", "The same as a cookie; from our own pages only.")),
        ("pass", bearer("A pass, pas_….")),
        ("receipt", bearer("The receipt of the hold, rcp_….")),
        ("order", bearer("An order token, ort_….")),
        ("artefact", SecurityScheme::ApiKey(ApiKey::Query(query))),
        ("entry", bearer("An entry token, wlt_….")),
        ("organizer", bearer("An API key, osk_….")),
        ("signature", SecurityScheme::ApiKey(ApiKey::Header(header))),
    ]
}

#[cfg(test)]
mod tests;
