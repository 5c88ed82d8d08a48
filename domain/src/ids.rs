//! Ids: prefixed, typed, sortable.
//!
//! An id is a UUID behind a newtype; its text form carries a prefix (`sale_`, `ord_`, …), so a log line or a URL says
//! what it names and an id of another kind does not parse. All are UUIDv7 except tickets, which are UUIDv5 of what was
//! paid for (see [`crate::ticket`]). The text form is the UUID's 32 hex digits: it sorts like the UUID.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix is missing or belongs to another kind of id.
    #[error("must start with {expected}")]
    Prefix {
        /// The prefix that this kind of id has.
        expected: &'static str,
    },
    /// What follows the prefix is not 32 lower-case hex digits.
    #[error("must be a prefix and 32 lower-case hex digits")]
    Digits,
    /// A name chosen by people breaks the rule for names.
    #[error("must be 1 to 32 of a-z, 0-9, - and _, starting with a letter or digit")]
    Name,
}

macro_rules! prefixed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID that is known to name this kind of thing.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside, as the database stores it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_prefixed(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

prefixed_ids! {
    /// Somebody's wish for units that come back.
    EntryId = "wle_";
    /// Units reserved for a pass for a while.
    HoldId = "hold_";
    /// An organizer's API key.
    KeyId = "key_";
    /// Freed units that an entry of the waitlist may claim.
    OfferId = "off_";
    /// Units being paid for.
    OrderId = "ord_";
    /// Who runs sales here.
    OrganizerId = "org_";
    /// One attempt to pay an order.
    PaymentId = "pay_";
    /// Money going back.
    RefundId = "ref_";
    /// One on-sale: stock, phases, queue.
    SaleId = "sale_";
    /// One unit that was paid for.
    TicketId = "tkt_";
    /// One act in the books.
    TransferId = "trf_";
}

fn parse_prefixed(text: &str, prefix: &'static str) -> Result<Uuid, IdError> {
    let digits = text.strip_prefix(prefix).ok_or(IdError::Prefix { expected: prefix })?;
    let lower_hex = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !lower_hex {
        return Err(IdError::Digits);
    }
    Uuid::try_parse(digits).map_err(|_| IdError::Digits)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_name(text).map(|()| Self(text.to_owned()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

names! {
    /// A date the sale sells for, named by the organizer.
    PerformanceId;
    /// A window with its access rule, named by the organizer.
    PhaseId;
    /// A price category of a performance, named by the organizer. The rule for names keeps it fit for Redis keys,
    /// metric labels, account names and URLs without any escaping.
    TierId;
}

/// The longest name of a tier, a phase or a performance: they are part of keys and labels.
const NAME_BYTES_MAX: usize = 32;

fn check_name(text: &str) -> Result<(), IdError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let plain = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    if fits && starts_well && plain { Ok(()) } else { Err(IdError::Name) }
}

/// A visitor's number in the queue of one sale. The first is 1; numbers are never reused, also not by a rebuilt Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlaceNumber(pub u64);

impl fmt::Display for PlaceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a unit within its tier, from 0: the index of its bit in Redis and of its row in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitNo(pub u32);

impl fmt::Display for UnitNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
