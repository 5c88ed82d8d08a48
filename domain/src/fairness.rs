//! The committed shuffle: how registrations of a prequeue get their numbers, so that anybody can check it afterwards.
//!
//! | when                 | what is published                                                          |
//! |----------------------|----------------------------------------------------------------------------|
//! | at publishing        | [`Seed::hash`], before anybody can register                                |
//! | at the opening       | the registrations are frozen: their count and [`merkle_root`], and the      |
//! |                      | beacon round that will be used, whose value nobody knows yet               |
//! | when the round is out | the beacon's value, the seed, and with them the order                      |
//!
//! The order is a function of four things and nothing else: seed, root, count, beacon value ([`draw_key`], [`order`]).
//! The seed was fixed before the registrations, the registrations before the beacon's value: neither the operator nor a
//! visitor could choose one in the light of the others. Without a beacon that last part is only the operator's word:
//! who knows the seed could add a last leaf, and the draw says *self-attested*.
//!
//! [`FairnessFile`] holds all that is needed to draw it again, and [`FairnessFile::verify`] does. Leaves are salted hashes
//! ([`leaf`]): they tell nobody who registered, and let each visitor prove that they did ([`inclusion_path`]).
//!
//! `docs/fairness.md` says the same exactly enough to be recomputed elsewhere, with a test vector.
//!
//! What it does not do: it proves nothing about who the registrants are, nor that nobody was turned away before.

mod chain;
mod file;
mod merkle;
mod proof;
mod report;
mod seed;
mod shuffle;
mod text;
mod verify;

pub use chain::Chain;
pub use file::{FILE_VERSION, FairnessBeacon, FairnessDraw, FairnessFile};
pub use merkle::{Hash, inclusion_path, leaf, merkle_root, root_of_path};
pub use proof::InclusionProof;
pub use report::{Check, FairnessReport, Outcome, Subject, Verdict};
pub use seed::Seed;
pub use shuffle::{DrawKey, draw_key, order};
