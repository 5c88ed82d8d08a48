//! Handles of the metrics that every answer touches, kept once they are there.
//!
//! A recorder looks a handle up by the text of all its labels, and copies those for every look; that was a tenth of what a
//! hold allocates. Bounds: a handle for each set of labels, of which the recorder keeps as many for itself. What is
//! counted before a recorder is installed is lost, and what is counted with the same labels afterwards, too.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

/// Handles `H` by what tells their labels apart.
pub(super) struct Handles<L, H>(RwLock<HashMap<L, H>>);

impl<L, H> Default for Handles<L, H> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<L: Eq + Hash, H: Clone> Handles<L, H> {
    /// The handle with those labels, registered when there is none yet.
    pub(super) fn of(&self, labels: L, register: impl FnOnce() -> H) -> H {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            return known.clone();
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(labels).or_insert_with(register).clone()
    }
}
