//! What a visitor takes home from `GET /v1/sales/{sale}/queue/place/proof`: that they were in the draw, and where.
//!
//! It tells its holder alone what their leaf was made of, and the way from it to the root that everybody sees.

use serde::{Deserialize, Serialize};

use super::file::{FairnessDraw, FairnessFile};
use super::merkle::{Hash, leaf, root_of_path};
use super::report::{Check, Outcome, Subject};
use super::text;
use crate::ids::{PhaseId, PlaceNumber};
use crate::sale::PhaseNo;
use crate::token::Holder;

/// That a registration was in a draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The phase's name.
    pub phase: PhaseId,
    /// The phase's index.
    pub phase_no: PhaseNo,
    /// How many had registered before.
    pub index: u32,
    /// How many registered in all.
    pub count: u32,
    /// What makes the leaf say nothing to others.
    #[serde(with = "text::array")]
    pub salt: [u8; 16],
    /// The thumbprint of the visitor's secret.
    #[serde(with = "text::array")]
    pub holder: [u8; 16],
    /// See [`leaf`].
    #[serde(with = "text::array")]
    pub leaf: Hash,
    /// The neighbours on the way from the leaf to the root, from below.
    #[serde(with = "text::hashes")]
    pub path: Vec<Hash>,
    /// The root that was published.
    #[serde(with = "text::array")]
    pub root: Hash,
    /// The place in the order, from 0; null before the draw.
    pub rank: Option<u32>,
    /// The number in the queue; null before the draw.
    pub number: Option<PlaceNumber>,
}

impl InclusionProof {
    /// Checks the proof against the file of its sale.
    #[must_use]
    pub fn verify(&self, file: &FairnessFile) -> Check {
        let draw = file.draws.iter().find(|draw| (&draw.phase, draw.phase_no) == (&self.phase, self.phase_no));
        let fault = match draw {
            None => Some("the file has no draw of this phase".to_owned()),
            Some(draw) => self.path_fault().or_else(|| self.leaf_fault(draw)).or_else(|| self.rank_fault(draw)),
        };
        let (index, count) = (self.index, self.count);
        let (outcome, detail) = match (fault, self.rank.zip(self.number)) {
            (Some(fault), _) => (Outcome::Broken, fault),
            (None, Some((rank, number))) => {
                (Outcome::Holds, format!("registration {index} of {count} has rank {rank} and number {number}"))
            }
            (None, None) => (Outcome::Open, format!("registration {index} of {count} is in, and not drawn yet")),
        };
        Check { phase: self.phase.clone(), subject: Subject::Yours, outcome, detail }
    }

    fn path_fault(&self) -> Option<String> {
        if leaf(self.salt, self.index, Holder(self.holder)) != self.leaf {
            return Some("salt, index and holder do not give the leaf".to_owned());
        }
        let led_to = root_of_path(self.leaf, self.index, self.count, &self.path);
        (led_to != Some(self.root)).then(|| "the path does not lead from the leaf to the root".to_owned())
    }

    fn leaf_fault(&self, draw: &FairnessDraw) -> Option<String> {
        if (Some(self.root), self.count) != (draw.root, draw.count) {
            return Some("the file has another root or count".to_owned());
        }
        let there = draw.leaves.as_ref().and_then(|leaves| leaves.get(self.index as usize));
        (there != Some(&self.leaf)).then(|| format!("the file has another leaf at {}", self.index))
    }

    fn rank_fault(&self, draw: &FairnessDraw) -> Option<String> {
        let rank = draw.order.as_ref().and_then(|order| order.get(self.index as usize).copied());
        let number_of = |(first, rank): (PlaceNumber, u32)| PlaceNumber(first.0.saturating_add(u64::from(rank)));
        let number = draw.first_number.zip(rank).map(number_of);
        let told = (self.rank, self.number);
        (told != (rank, number) && told != (None, None))
            .then(|| format!("the file gives rank {} and number {}", shown(rank), shown(number)))
    }
}

fn shown(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
