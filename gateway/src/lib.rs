//! The HTTP and WebSocket edge.
//!
//! Everybody outside meets Onsale here: visitors and buyers over HTTP and a socket, organizers over the organizer API,
//! Stripe over the webhook, and people over pages. The gateway joins the organs and owns no state of its own that matters:
//! any number of gateways serve the same sales, and one that dies takes nothing with it.
//!
//! ```text
//! connection ─► route ─► limit ─► body ─► endpoint ─► answer or problem
//!   server       route    limits   request  endpoints    answer, problem, headers
//!
//!                      ┌──────────── tick, five times a second and sale ─────────────┐
//! sockets, polls ◄── floor ◄── view (Redis)      signs of life, turns ─► Redis, grants ─► Postgres
//! ```
//!
//! What it guarantees: every answer that is not what was asked for is a problem with a code of a closed list; every
//! queue, body, frame, wait and retry has a named bound; a store that is away is 503 within its call's bound, and normal
//! service needs no restart. What it does not do: it takes no decision about money or units (Postgres and Redis do), and
//! runs no sweep and no job (workers do).
//!
//! Reading order: [`Gateway`] and its configuration; then `route`, the table of everything; then an endpoint.

mod config;
mod gateway;
mod public_url;

mod app;
mod batcher;
mod directory;
mod draws;
mod floor;
mod joins;
mod pulse;
mod sale;
mod takes;

mod server;

mod headers;
mod limits;
mod request;
mod route;
mod trace;

mod answer;
mod csv;
mod json;
mod problem;

mod access;
mod idempotency;
mod identity;

mod alternatives;
mod artefacts;
mod availability;
mod eta;
mod odds;
mod position;
mod seat_map;
mod written;

mod assets;
mod endpoints;
mod entries;
mod socket;

pub mod metrics;
pub mod openapi;

pub use app::{GatewayParts, SHOPPER_S, SOCKETS_MAX, WRITES_PER_SHOPPER};
pub use config::{Drain, ExportPatience, GatewayConfig};
pub use gateway::{Gateway, StartError};
pub use limits::{RateLimits, RateLimitsError};
pub use public_url::{PublicUrl, PublicUrlError, Transport};
pub use request::address::{Cidr, CidrError, TrustedProxies};
pub use server::CONNECTIONS_MAX;
