//! What `GET /v1/sales/{sale}/fairness` gives: everything about a sale's draws that anybody needs to draw them again.
//!
//! Hashes, seeds and signatures are lower-case hex. `leaves` and `order` are long, so each is one base64url text (no
//! padding): 32 bytes a leaf, 4 big-endian bytes a rank, both by index. What has not happened yet is null.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::merkle::Hash;
use super::seed::Seed;
use super::shuffle::{draw_key, order};
use crate::fairness::text;
use crate::ids::{PhaseId, PlaceNumber, SaleId};
use crate::sale::PhaseNo;

/// The version of the file and of the procedure it is checked by.
pub const FILE_VERSION: u32 = 1;

/// The draws of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FairnessFile {
    /// [`FILE_VERSION`]; a file of another version does not parse.
    #[serde(deserialize_with = "text::version")]
    pub version: u32,
    /// The sale.
    pub sale: SaleId,
    /// One for each phase with a prequeue, in time order.
    pub draws: Vec<FairnessDraw>,
}

/// The draw of one phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FairnessDraw {
    /// The phase's name.
    pub phase: PhaseId,
    /// The phase's index.
    pub phase_no: PhaseNo,
    /// When the hash of the seed was published.
    pub committed_at: Timestamp,
    /// SHA-256 of the seed.
    #[serde(with = "text::array")]
    pub seed_hash: Hash,
    /// When the phase opens.
    pub opens_at: Timestamp,
    /// When the registrations were frozen.
    pub frozen_at: Option<Timestamp>,
    /// How many registrations there are.
    pub count: u32,
    /// The first of the numbers that they share; null when nobody registered.
    pub first_number: Option<PlaceNumber>,
    /// The Merkle root over the leaves.
    #[serde(with = "text::maybe_hash")]
    pub root: Option<Hash>,
    /// A salted hash for each registration.
    #[serde(with = "text::leaves")]
    pub leaves: Option<Arc<[Hash]>>,
    /// The beacon round that was chosen when the registrations were frozen; null when none is configured.
    pub beacon: Option<FairnessBeacon>,
    /// Why the order was drawn without a beacon value.
    pub self_attested: Option<String>,
    /// The seed.
    #[serde(with = "text::maybe_seed")]
    pub seed: Option<Seed>,
    /// When the order was drawn.
    pub drawn_at: Option<Timestamp>,
    /// The rank of each registration; its number is `first_number` + rank.
    #[serde(with = "text::ranks")]
    pub order: Option<Arc<[u32]>>,
}

/// A round of a public randomness beacon that speaks drand's HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FairnessBeacon {
    /// Where it was asked.
    pub url: String,
    /// Which chain it is.
    pub chain_hash: String,
    /// The round.
    pub round: u64,
    /// When the round comes out.
    pub round_at: Timestamp,
    /// Its value.
    #[serde(with = "text::maybe_hash")]
    pub randomness: Option<Hash>,
    /// What the value is the SHA-256 of.
    #[serde(with = "text::maybe_bytes")]
    pub signature: Option<Vec<u8>>,
}

impl FairnessDraw {
    /// The beacon value that the order was drawn with.
    #[must_use]
    pub fn beacon_value(&self) -> Option<&Hash> {
        if self.self_attested.is_some() {
            return None;
        }
        self.beacon.as_ref()?.randomness.as_ref()
    }

    /// Draws the order again from what the file says; `None` before the draw.
    #[must_use]
    pub fn order_again(&self) -> Option<Vec<u32>> {
        let key = draw_key(self.seed.as_ref()?, self.root.as_ref()?, self.count, self.beacon_value());
        Some(order(&key, self.count))
    }
}
