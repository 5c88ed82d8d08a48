//! I7, as far as it can be told afterwards: every draw can be computed again from what is published.
//!
//! The same as `onsale verify-shuffle` does with the file of a sale, here from the tables that the file is made of.

use domain::SaleId;
use domain::fairness::{draw_key, merkle_root, order};
use ledger::audit::AuditLine;
use ledger::draws::{Draw, DrawState, draw_leaves, draws_of};
use ledger::sales::{SaleFilter, sales_published};
use ledger::{Ledger, LedgerError};
use sha2::{Digest as _, Sha256};

/// Registrations whose leaves are hashed again in one audit: some seconds. Draws beyond are counted as skipped.
const REGISTRATIONS_MAX: u32 = 5_000_000;

/// Sales read at once.
const SALES_PAGE: u32 = 100;

/// Computes every draw of one sale or of all again.
pub(super) async fn recompute(ledger: &Ledger, sale: Option<SaleId>) -> Result<AuditLine, LedgerError> {
    let mut found = Found::default();
    for sale in sales(ledger, sale).await? {
        for draw in draws_of(ledger, sale).await? {
            found.draw(ledger, sale, draw).await?;
        }
    }
    let (draws, drawn, skipped) = (found.draws, found.drawn, found.skipped);
    Ok(AuditLine {
        invariant: "I7",
        title: "every draw computes again from its leaves, seed and beacon",
        figures: vec![
            ("draws", draws),
            ("drawn", drawn),
            ("registrations", i64::from(found.registrations)),
            ("skipped", skipped),
        ],
        breaches: found.breaches,
    })
}

async fn sales(ledger: &Ledger, sale: Option<SaleId>) -> Result<Vec<SaleId>, LedgerError> {
    if let Some(sale) = sale {
        return Ok(vec![sale]);
    }
    let mut sales = Vec::new();
    let mut filter = SaleFilter { limit: SALES_PAGE, ..SaleFilter::default() };
    loop {
        let page = sales_published(ledger, &filter).await?;
        let Some(last) = page.last() else { return Ok(sales) };
        filter.after = Some((last.config.opens_at, last.id));
        sales.extend(page.iter().map(|sale| sale.id));
    }
}

#[derive(Default)]
struct Found {
    draws: i64,
    drawn: i64,
    skipped: i64,
    registrations: u32,
    breaches: Vec<String>,
}

impl Found {
    async fn draw(&mut self, ledger: &Ledger, sale: SaleId, draw: Draw) -> Result<(), LedgerError> {
        self.draws += 1;
        let Some(root) = draw.root.filter(|_| draw.state != DrawState::Collecting) else { return Ok(()) };
        if self.registrations.saturating_add(draw.count) > REGISTRATIONS_MAX {
            self.skipped += 1;
            return Ok(());
        }
        self.registrations += draw.count;
        self.drawn += i64::from(draw.state == DrawState::Drawn);
        let leaves = draw_leaves(ledger, sale, draw.phase).await?;
        let phase = draw.phase;
        let faults = tokio::task::spawn_blocking(move || faults(&draw, root, &leaves)).await;
        let faults = faults.expect("hashing does not panic");
        self.breaches.extend(faults.into_iter().map(|fault| format!("{sale}, phase {phase}: {fault}")));
        Ok(())
    }
}

/// What does not fit together in a draw that has its root.
fn faults(draw: &Draw, root: [u8; 32], leaves: &[[u8; 32]]) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if u32::try_from(leaves.len()) != Ok(draw.count) {
        faults.push("there are not as many leaves as registrations");
    }
    if merkle_root(leaves) != root {
        faults.push("the leaves do not hash to the root");
    }
    if draw.beacon.as_ref().is_some_and(|beacon| draw.frozen_at.is_none_or(|frozen_at| beacon.round_at <= frozen_at)) {
        faults.push("the round came out before the freeze");
    }
    if draw.state == DrawState::Drawn {
        faults.extend(faults_of_drawn(draw, root));
    }
    faults
}

fn faults_of_drawn(draw: &Draw, root: [u8; 32]) -> Vec<&'static str> {
    let Some(seed) = draw.seed else { return vec!["it is drawn and its seed is not revealed"] };
    let mut faults = Vec::new();
    if seed.hash() != draw.seed_hash {
        faults.push("the seed does not hash to what was committed");
    }
    let beacon = draw.beacon.as_ref().filter(|_| draw.self_attested.is_none());
    let value = beacon.and_then(|beacon| beacon.randomness);
    let of_signature = |signature: &[u8]| -> [u8; 32] { Sha256::digest(signature).into() };
    if value != beacon.and_then(|beacon| beacon.signature.as_deref()).map(of_signature) {
        faults.push("the beacon's value is not the hash of its signature");
    }
    if draw.self_attested.is_none() && value.is_none() {
        faults.push("it has neither a beacon's value nor a reason why not");
    }
    if !is_permutation(&order(&draw_key(&seed, &root, draw.count, value.as_ref()), draw.count)) {
        faults.push("the order does not give every rank once");
    }
    faults
}

fn is_permutation(order: &[u32]) -> bool {
    let mut seen = vec![false; order.len()];
    order.iter().all(|rank| {
        let place = usize::try_from(*rank).ok().and_then(|rank| seen.get_mut(rank));
        place.is_some_and(|seen| !std::mem::replace(seen, true))
    })
}

#[cfg(test)]
mod tests;
