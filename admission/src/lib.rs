//! The waiting room and the holds, in Redis.
//!
//! Redis owns what is hot and can be rebuilt: who waits and is alive, who is inside, which units are free or held. Every
//! change is one Lua script, so it happens as a whole or not at all, for any number of gateways and workers and without a
//! leader. What must outlive Redis (reserved numbers, grants, orders, units that were ordered) is in Postgres, which this
//! crate does not know: its callers write there first and confirm here.
//!
//! Reading order:
//!
//! - [`Store`]: the connection; what happens when Redis is away.
//! - [`Queue`]: numbers, liveness, admission, and the [`View`] from which a gateway answers everybody.
//! - [`Holds`]: units for a pass, for a while.
//! - [`StripeBudget`]: what all processes together may write to Stripe.
//! - [`Loader`]: fills an emptied Redis from a [`Snapshot`].
//! - [`keys`]: every key, with its type, TTL, writers and readers. `scripts`: every script, beside its keys.
//!
//! Guarantees: a unit is in one live hold at most (I1); nobody is admitted before a live visitor with a smaller number
//! (I7); admissions and shoppers stay within rate, burst and cap in every window (I8). No call waits longer than
//! [`StoreConfig::command_timeout`]; a call whose answer was lost is never sent again by this crate, and every script says
//! in its header what a second execution does.

pub mod keys;
mod scripts;

mod error;
pub mod metrics;
mod server;
mod store;

mod bitmap;
mod holds;
mod loader;
mod pacer;
mod queue;
mod rows;
mod stripe_budget;
mod units;

pub use error::AdmissionError;
pub use holds::{
    Commit, EXPIRE_MAX, Expired, Extend, ExtendHold, FREEZE_S, Freeze, HoldView, Holds, Inventory, InventoryFault,
    Lose, NOBODY, RETURN_MAX, Reclaim, ReclaimHold, Release, RequestId, SeatBits, SeatState, SeatsView, TAKE_BATCH_MAX,
    Take, TakeHold, UnitsReturn, UnitsWish, WITHHOLD_MAX, WITHHOLD_S, Withhold, WithholdWish,
};
pub use loader::{ENDED_KEPT_S, GrantRow, Load, Loader, Pause, Snapshot, TierSnapshot};
pub use pacer::{Health, Incident, PULSE_WINDOW_S, Pulse, Standstill};
pub use queue::{
    Bypass, Leave, Queue,
    event::{EventKind, QueueEvent, Returned, Stop},
    join::{JOIN_BATCH_MAX, Join, JoinAsk},
    mark::Mark,
    tick::{Admission, Grant, Pace, PaceState},
    view::{Pacing, PlaceView, TierStock, View},
};
pub use server::ServerSeen;
pub use store::{Store, StoreConfig};
pub use stripe_budget::{BudgetSeen, Spend, StripeBudget, WAITING_MAX, WriteClass};
pub use units::HeldUnit;
