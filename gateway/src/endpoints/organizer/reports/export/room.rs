//! Room for exports: how many a gateway writes at once, and how many of them for one organizer.
//!
//! An export has two pages in memory and asks Postgres for the next one when a client took one, so it costs little; but a client
//! decides how long it lasts. So one organizer's downloads, however slow, leave room for the others'.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::OrganizerId;

/// Exports that one gateway writes at once: a few megabytes of pages.
const EXPORTS_MAX: usize = 16;
/// Of them, those of one organizer's sales: one to read, and one of another sale beside it.
const EXPORTS_OF_ONE_MAX: usize = 2;

/// The exports under way.
#[derive(Default)]
pub(crate) struct ExportRoom {
    of: Mutex<HashMap<OrganizerId, usize>>,
}

/// A place in the room; dropping it leaves.
pub(crate) struct ExportPlace {
    room: Arc<ExportRoom>,
    whose: OrganizerId,
}

impl ExportRoom {
    /// A place for an export of this organizer's sale, when there is one.
    pub(crate) fn enter(self: &Arc<Self>, whose: OrganizerId) -> Option<ExportPlace> {
        let mut of = self.lock();
        let (all, own) = (of.values().sum::<usize>(), of.get(&whose).copied().unwrap_or_default());
        (all < EXPORTS_MAX && own < EXPORTS_OF_ONE_MAX).then(|| {
            of.insert(whose, own + 1);
            ExportPlace { room: Arc::clone(self), whose }
        })
    }

    /// Counts are whole at every moment, also of one who panicked.
    fn lock(&self) -> MutexGuard<'_, HashMap<OrganizerId, usize>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ExportPlace {
    fn drop(&mut self) {
        let mut of = self.room.lock();
        match of.get_mut(&self.whose) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(of.remove(&self.whose)),
        }
    }
}

#[cfg(test)]
mod tests;
