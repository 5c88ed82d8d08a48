//! How often one client may ask.
//!
//! Two kinds of bucket (GCRA, by `governor`): per address, wide enough that 5,000 people behind one address get in, and
//! per person, wide enough that no person meets it. A request passes its route's address limit before its body is read;
//! endpoints count persons once they know whom they deal with. Counts are per process: they protect this gateway, the
//! store-wide budgets are the admission rate and Postgres' pool.
//!
//! Bounds: one entry per client seen within its period; [`Limits::prune`] forgets the others, on a timer.
//!
//! Answers tell what is left (`RateLimit`, `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers), refusals also when
//! to come back.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::token::Holder;
use governor::clock::{Clock as _, QuantaClock, QuantaInstant};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use http::{HeaderName, HeaderValue};

use crate::answer::Answer;
use crate::problem::{Code, Problem};

mod config;

pub use config::{RateLimits, RateLimitsError};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    /// Joining, per address.
    Join,
    /// Reading what is public, per address.
    Read,
    /// Pages and what they are made of, per address.
    Page,
    /// Large public files, per address.
    File,
    /// Opening sockets, per address.
    Live,
    /// Everything with a token, per address: also guessing tokens.
    Shop,
    /// The organizer API, per address.
    Organizer,
    /// Showing access codes, per address: a wrong one counts as many.
    Code,
    /// Joining a waitlist, per address: each is a letter to whoever was named.
    Wish,
    /// Looking at one's place, per person.
    Place,
    /// Taking and giving back units, per person.
    Hold,
    /// Ordering and looking at orders, per person.
    Order,
    /// Pressing Pay, per order.
    Pay,
    /// Scans at the door, per address: batches count as one.
    Door,
}

impl Limit {
    /// Every limit, in the order of their buckets.
    pub(crate) const ALL: [Self; 14] = [
        Self::Join,
        Self::Read,
        Self::Page,
        Self::File,
        Self::Live,
        Self::Shop,
        Self::Organizer,
        Self::Code,
        Self::Wish,
        Self::Place,
        Self::Hold,
        Self::Order,
        Self::Pay,
        Self::Door,
    ];

    /// Its name in the configuration and in headers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Read => "read",
            Self::Page => "page",
            Self::File => "file",
            Self::Live => "live",
            Self::Shop => "shop",
            Self::Organizer => "organizer",
            Self::Code => "code",
            Self::Wish => "wish",
            Self::Place => "place",
            Self::Hold => "hold",
            Self::Order => "order",
            Self::Pay => "pay",
            Self::Door => "door",
        }
    }
}

/// Whom a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// An address, or an IPv6 /64.
    Address(IpAddr),
    /// A visitor.
    Holder(Holder),
    /// An order's buyer.
    Order(domain::OrderId),
    /// Who waits.
    Entry(domain::EntryId),
}

type Bucket = RateLimiter<Client, DashMapStateStore<Client>, QuantaClock, StateInformationMiddleware>;

/// The buckets of this process.
pub(crate) struct Limits {
    buckets: Vec<Option<Limited>>,
    clock: QuantaClock,
}

/// A limit that is on.
struct Limited {
    rate: RateLimit,
    /// What every answer says of it.
    policy: HeaderValue,
    bucket: Bucket,
}

/// So many at once, and so many again in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// How many at once.
    pub(crate) burst: NonZeroU32,
    /// How long until as many may come again.
    pub(crate) period_s: NonZeroU32,
}

/// What is left after a request was let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    limit: Limit,
    rate: RateLimit,
    policy: HeaderValue,
    remaining: u32,
}

impl Limits {
    /// Buckets as configured.
    pub(crate) fn new(config: &RateLimits) -> Self {
        let limited = |limit| config.of(limit).map(|rate| Limited::new(limit, rate));
        Self { buckets: Limit::ALL.into_iter().map(limited).collect(), clock: QuantaClock::default() }
    }

    /// Counts a request; nothing is left to tell when there is no such limit.
    ///
    /// # Errors
    /// It is one too many.
    pub(crate) fn count(&self, limit: Limit, client: Client) -> Result<Option<Left>, Problem> {
        let Some(limited) = self.limited(limit) else {
            return Ok(None);
        };
        match limited.bucket.check_key(&client) {
            Ok(state) => Ok(Some(limited.left(limit, state.remaining_burst_capacity()))),
            Err(refusal) => Err(self.refused(limited.left(limit, 0), &refusal)),
        }
    }

    /// Counts a wrong access code on top of having been shown: guessing runs dry a good while before a crowd does whose
    /// members each type their code once.
    ///
    /// # Errors
    /// There were too many.
    pub(crate) fn count_wrong_code(&self, client: Client) -> Result<(), Problem> {
        let Some(limited) = self.limited(Limit::Code) else {
            return Ok(());
        };
        let times = WRONG_CODE_COSTS.min(limited.rate.burst);
        match limited.bucket.check_key_n(&client, times).expect("no more than the burst is asked for") {
            Ok(_) => Ok(()),
            Err(refusal) => Err(self.refused(limited.left(Limit::Code, 0), &refusal)),
        }
    }

    /// Forgets whoever has not been seen for a period.
    pub(crate) fn prune(&self) {
        for Limited { bucket, .. } in self.buckets.iter().flatten() {
            bucket.retain_recent();
            bucket.shrink_to_fit();
        }
    }

    /// The buckets of a limit; none when it is off.
    fn limited(&self, limit: Limit) -> Option<&Limited> {
        let index = Limit::ALL.iter().position(|other| *other == limit).expect("ALL has every limit");
        self.buckets[index].as_ref()
    }

    fn refused(&self, left: Left, refusal: &NotUntil<QuantaInstant>) -> Problem {
        let wait = refusal.wait_time_from(self.clock.now());
        let wait_s = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let state = left.state(wait_s);
        Problem::new(Code::RateLimited).retry_after_s(wait_s).header(POLICY, left.policy).header(STATE, state)
    }
}

impl Limited {
    fn new(limit: Limit, rate: RateLimit) -> Self {
        let policy = header(&format!("\"{}\";q={};w={}", limit.word(), rate.burst, rate.period_s));
        Self { rate, policy, bucket: bucket(rate) }
    }

    fn left(&self, limit: Limit, remaining: u32) -> Left {
        Left { limit, rate: self.rate, policy: self.policy.clone(), remaining }
    }
}

/// How many right codes a wrong one counts as: of 5,000 people behind one address a hundred may mistype theirs, and a
/// guesser gets two hundred tries, then a few a second.
const WRONG_CODE_COSTS: NonZeroU32 = NonZeroU32::new(50).expect("it is not 0");

/// The longest word of a limit, two numbers, and what is around them.
const STATE_BYTES_MAX: usize = 48;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

impl Left {
    /// Tells it with the answer.
    pub(crate) fn tell(self, answer: &mut Answer) {
        let state = self.state(self.rate.period_s.get());
        answer.headers_mut().append(POLICY, self.policy);
        answer.headers_mut().append(STATE, state);
    }

    fn state(&self, reset_s: u32) -> HeaderValue {
        let mut text = String::with_capacity(STATE_BYTES_MAX);
        write!(text, "\"{}\";r={};t={reset_s}", self.limit.word(), self.remaining).expect("a String takes any text");
        header(&text)
    }
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("words and numbers are fit for a header")
}

fn bucket(rate: RateLimit) -> Bucket {
    let one_more_after = Duration::from_secs(rate.period_s.get().into()) / rate.burst.get();
    let quota = Quota::with_period(one_more_after).unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX));
    RateLimiter::dashmap(quota.allow_burst(rate.burst)).with_middleware()
}

/// Buckets are keyed by small values; a large one here would be paid for each client.
const _: () = assert!(size_of::<Client>() <= 24);

#[cfg(test)]
mod tests;
