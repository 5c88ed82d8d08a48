//! The fairness file of a sale in memory, with what proofs are made of.
//!
//! A draw of a million registrations makes a file of some 50 MB and a tree of two million hashes, so both are made once for
//! each stage of the draws and shared: the text as one buffer, the tree as the roots of its blocks, from which any path is
//! a thousand or so hashes away. Those who ask while it is made wait for it; other sales' are not held up by it. Bounds:
//! [`SALES_MAX`] sales are kept, the one not asked for the longest goes first, and [`MADE_AT_ONCE_MAX`] are made at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::fairness::{FILE_VERSION, FairnessBeacon, FairnessDraw, FairnessFile, Hash, inclusion_path, merkle_root};
use domain::sale::PhaseNo;
use domain::{PlaceNumber, SaleId};
use ledger::draws::{Beacon, Draw};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::draws::SaleDraws;
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// Sales that people ask about at the same time; the largest costs about 100 MB.
const SALES_MAX: usize = 8;

/// Leaves of one block of a tree: a power of two, so that the tree over the blocks' roots is the top of the whole tree.
/// At a million leaves there are as many blocks as leaves in each, which is where a path is cheapest.
const BLOCK_LEAVES: usize = 1_024;

/// Files made at the same time: a large one takes a thread for two seconds.
const MADE_AT_ONCE_MAX: usize = 4;

/// The files that were made.
pub(crate) struct FairnessFiles {
    /// The sale asked for last is last.
    cells: Mutex<VecDeque<(SaleId, Cell)>>,
    making: Semaphore,
}

/// Where a sale's file is made and kept. Whoever makes it locks it.
type Cell = Arc<tokio::sync::Mutex<Option<Kept>>>;

struct Kept {
    draws: Vec<Draw>,
    published: Arc<Published>,
}

/// What is published of a sale's draws.
pub(crate) struct Published {
    text: Bytes,
    etag: String,
    draws: Vec<(FairnessDraw, Tree)>,
}

/// The registrations of a draw, as far as a proof needs them.
pub(crate) struct Tree {
    leaves: Arc<[Hash]>,
    block_roots: Vec<Hash>,
    order: Option<Arc<[u32]>>,
}

impl Default for FairnessFiles {
    fn default() -> Self {
        Self { cells: Mutex::default(), making: Semaphore::new(MADE_AT_ONCE_MAX) }
    }
}

impl FairnessFiles {
    /// What is published of these draws of a sale.
    ///
    /// # Errors
    /// The leaves are not here and Postgres is away.
    pub(super) async fn of(&self, app: &Arc<App>, sale: &Sale, draws: &SaleDraws) -> Result<Arc<Published>, Problem> {
        let cell = self.cell(sale.id());
        let mut kept = cell.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.draws.iter().eq(draws.all())) {
            return Ok(Arc::clone(&kept.published));
        }
        let _turn = self.making.acquire().await.map_err(|_| Code::InternalError)?;
        let published = publish(app, sale, draws).await?;
        *kept = Some(Kept { draws: draws.all().cloned().collect(), published: Arc::clone(&published) });
        Ok(published)
    }

    fn cell(&self, sale: SaleId) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cells.iter().position(|(of, _)| *of == sale).and_then(|at| cells.remove(at));
        let (_, cell) = known.unwrap_or_else(|| (sale, Cell::default()));
        cells.push_back((sale, Arc::clone(&cell)));
        if cells.len() > SALES_MAX {
            cells.pop_front();
        }
        cell
    }
}

impl Published {
    /// The file.
    pub(super) fn text(&self) -> Bytes {
        self.text.clone()
    }

    /// Its version: a digest.
    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// A draw whose registrations are frozen, and their root published.
    pub(super) fn draw(&self, phase: PhaseNo) -> Option<(&FairnessDraw, &Tree)> {
        let found = self.draws.iter().find(|(draw, _)| draw.phase_no == phase && draw.root.is_some())?;
        Some((&found.0, &found.1))
    }

    fn new(sale: SaleId, draws: Vec<FairnessDraw>) -> Self {
        let file = FairnessFile { version: FILE_VERSION, sale, draws };
        let text = Bytes::from(serde_json::to_vec(&file).expect("the file has string keys"));
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&text)[..16]));
        let with_tree = |draw: FairnessDraw| {
            let tree = Tree::new(draw.leaves.clone().unwrap_or_default(), draw.order.clone());
            (draw, tree)
        };
        Self { text, etag, draws: file.draws.into_iter().map(with_tree).collect() }
    }
}

impl Tree {
    fn new(leaves: Arc<[Hash]>, order: Option<Arc<[u32]>>) -> Self {
        let block_roots = leaves.chunks(BLOCK_LEAVES).map(merkle_root).collect();
        Self { leaves, block_roots, order }
    }

    /// The place of a registration in the order, once it is drawn.
    pub(super) fn rank(&self, index: u32) -> Option<u32> {
        self.order.as_ref()?.get(index as usize).copied()
    }

    /// The neighbours on the way from a leaf to the root: through its block, then over the blocks.
    pub(super) fn path(&self, index: u32) -> Vec<Hash> {
        let (block, within) = (index as usize / BLOCK_LEAVES, index as usize % BLOCK_LEAVES);
        let Some(leaves) = self.leaves.chunks(BLOCK_LEAVES).nth(block) else {
            return Vec::new();
        };
        let small = |at: usize| u32::try_from(at).expect("an index has 32 bits");
        let mut path = inclusion_path(leaves, small(within));
        path.extend(inclusion_path(&self.block_roots, small(block)));
        path
    }
}

async fn publish(app: &Arc<App>, sale: &Sale, draws: &SaleDraws) -> Result<Arc<Published>, Problem> {
    let mut described = Vec::new();
    for draw in draws.all() {
        // Frozen registrations are published with their root, which is recorded a moment later.
        let leaves = match draw.root {
            Some(_) => Some(draws.leaves(&app.ledger, sale.id(), draw.phase).await?),
            None => None,
        };
        described.push(describe(sale, draw, leaves)?);
    }
    let sale = sale.id();
    let write = move || {
        for draw in &mut described {
            draw.order = draw.order_again().map(Arc::from);
        }
        Arc::new(Published::new(sale, described))
    };
    app.visits.spawn_blocking(write).await.map_err(|_| Problem::new(Code::InternalError))
}

fn describe(sale: &Sale, draw: &Draw, leaves: Option<Arc<[Hash]>>) -> Result<FairnessDraw, Problem> {
    Ok(FairnessDraw {
        phase: super::phase_id(sale, draw.phase).ok_or(Code::InternalError)?,
        phase_no: draw.phase,
        committed_at: sale.published_at(),
        seed_hash: draw.seed_hash,
        opens_at: draw.opens_at,
        frozen_at: draw.frozen_at.filter(|_| leaves.is_some()),
        count: draw.count,
        first_number: (leaves.is_some() && draw.count > 0).then_some(PlaceNumber(draw.first_number)),
        root: draw.root,
        leaves,
        beacon: draw.beacon.clone().map(beacon),
        self_attested: draw.self_attested.clone(),
        seed: draw.seed,
        drawn_at: draw.drawn_at,
        order: None,
    })
}

fn beacon(beacon: Beacon) -> FairnessBeacon {
    let Beacon { url, chain_hash, round, round_at, randomness, signature } = beacon;
    FairnessBeacon { url, chain_hash, round, round_at, randomness, signature }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(id: u128) -> SaleId {
        SaleId::from_uuid(uuid::Uuid::from_u128(id))
    }

    #[tokio::test]
    async fn while_one_sales_file_is_made_only_those_who_want_that_one_wait() {
        let files = FairnessFiles::default();
        let of_one = files.cell(sale(1));
        let being_made = of_one.lock().await;
        assert!(files.cell(sale(2)).try_lock().is_ok());
        assert!(files.cell(sale(1)).try_lock().is_err());
        drop(being_made);
        assert!(files.cell(sale(1)).try_lock().is_ok());
    }

    #[test]
    fn the_sale_not_asked_for_the_longest_is_forgotten_first() {
        let files = FairnessFiles::default();
        let [first, second] = [1, 2].map(|id| files.cell(sale(id)));
        for id in 3..=8 {
            files.cell(sale(id));
        }
        assert!(Arc::ptr_eq(&files.cell(sale(1)), &first));
        files.cell(sale(9));
        assert!(Arc::ptr_eq(&files.cell(sale(1)), &first));
        assert!(!Arc::ptr_eq(&files.cell(sale(2)), &second));
        assert_eq!(files.cells.lock().unwrap().len(), SALES_MAX);
    }

    #[test]
    fn a_path_over_blocks_is_the_path_of_the_whole_tree() {
        for count in [1, 2, 3, 1_023, 1_024, 1_025, 2_047, 2_048, 2_049, 3_000, 5_121] {
            let leaves: Arc<[Hash]> = (0..count).map(|n: u32| Sha256::digest(n.to_be_bytes()).into()).collect();
            let tree = Tree::new(Arc::clone(&leaves), None);
            for index in [0, 1, count / 2, count.saturating_sub(2), count - 1] {
                assert_eq!(tree.path(index), inclusion_path(&leaves, index), "{index} of {count}");
            }
        }
        assert_eq!(Tree::new(Arc::default(), None).path(0), Vec::<Hash>::new());
    }
}
