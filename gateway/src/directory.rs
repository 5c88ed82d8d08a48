//! The sales, as this gateway knows them.
//!
//! Every live sale is in memory, refreshed each second and at once after a decision made here, so a change made through
//! any gateway acts within a second and an ordinary request asks Postgres nothing. A sale that is not live (closed, or
//! unknown) is asked for when somebody asks, and the answer kept for a second: however popular a sale is that just
//! ended, it costs one query a second.
//!
//! While Postgres is away the last known sales stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::SaleId;
use domain::sale::StoredState;
use ledger::sales::{SaleName, SaleRow};
use ledger::{Ledger, LedgerError};

use crate::sale::Sale;

/// How old the memory of a live sale may be. The contract: changes act within a second.
pub(crate) const REFRESH: Duration = Duration::from_millis(800);

/// How long an answer about a sale that is not live is kept.
const RECENT_FOR: Duration = Duration::from_secs(1);

/// How many such answers are kept; then all are forgotten.
const RECENT_MAX: usize = 1_024;

/// The sales.
#[derive(Default)]
pub(crate) struct Directory {
    live: RwLock<Arc<Live>>,
    recent: Mutex<HashMap<String, Recent>>,
}

/// What was answered about a sale that is not live.
struct Recent {
    at: Instant,
    sale: Option<Arc<Sale>>,
}

/// Every live sale at one moment.
#[derive(Default)]
pub(crate) struct Live {
    by_id: HashMap<SaleId, Arc<Sale>>,
    by_slug: HashMap<String, SaleId>,
}

impl Live {
    /// The sales.
    pub(crate) fn sales(&self) -> impl Iterator<Item = &Arc<Sale>> {
        self.by_id.values()
    }

    /// Whether a sale is live.
    pub(crate) fn has(&self, sale: SaleId) -> bool {
        self.by_id.contains_key(&sale)
    }

    fn named(&self, name: &str) -> Option<&Arc<Sale>> {
        let id = name.parse().ok().or_else(|| self.by_slug.get(name).copied())?;
        self.by_id.get(&id)
    }

    fn of(sales: impl IntoIterator<Item = Arc<Sale>>) -> Self {
        let by_id: HashMap<_, _> = sales.into_iter().map(|sale| (sale.id(), sale)).collect();
        let by_slug = by_id.values().map(|sale| (sale.slug().to_owned(), sale.id())).collect();
        Self { by_id, by_slug }
    }
}

impl Directory {
    /// Every live sale.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads every live sale anew.
    ///
    /// # Errors
    /// Postgres is away; the last known sales stay.
    pub(crate) async fn refresh(&self, ledger: &Ledger) -> Result<Arc<Live>, LedgerError> {
        let rows = ledger::sales::sales_live(ledger).await?;
        let known = self.live();
        let sale = |row: SaleRow| match known.by_id.get(&row.id) {
            Some(sale) if sale.is_as(&row) => Arc::clone(sale),
            _ => Arc::new(Sale::new(row)),
        };
        let live = Arc::new(Live::of(rows.into_iter().map(sale)));
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&live);
        Ok(live)
    }

    /// A sale that visitors may see, by id or slug.
    ///
    /// # Errors
    /// It is not known here and Postgres is away.
    pub(crate) async fn find(&self, ledger: &Ledger, name: &str) -> Result<Option<Arc<Sale>>, LedgerError> {
        if let Some(sale) = self.live().named(name) {
            return Ok(Some(Arc::clone(sale)));
        }
        if let Some(answer) = self.recent(name) {
            return Ok(answer);
        }
        let name_of = name.parse().map_or(SaleName::Slug(name), SaleName::Id);
        let row = ledger::sales::sale_fetch(ledger, name_of).await?;
        let sale = row.filter(|row| row.state != StoredState::Draft).map(|row| Arc::new(Sale::new(row)));
        self.remember(name, sale.clone());
        Ok(sale)
    }

    /// Forgets what was answered about sales that are not live: a decision was made.
    pub(crate) fn forget_recent(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn recent(&self, name: &str) -> Option<Option<Arc<Sale>>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(name).filter(|recent| recent.at.elapsed() < RECENT_FOR).map(|recent| recent.sale.clone())
    }

    fn remember(&self, name: &str, sale: Option<Arc<Sale>>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT_MAX {
            recent.clear();
        }
        recent.insert(name.to_owned(), Recent { at: Instant::now(), sale });
    }
}
