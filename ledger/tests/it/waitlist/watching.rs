//! What the open pages of entries are told without asking.
//!
//! Transactions of other tests run in the same cluster, so a look may answer again what was known: these tests know it, as gateways do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{EntryId, TierId};
use ledger::waitlist::watching::{
    CHANGES_MAX, Change, ChangedEntries, Look, waitlist_changes, waitlist_positions, waitlist_standings,
};
use ledger::waitlist::{EntryRow, EntryState};
use serde_json::json;
use uuid::Uuid;

use super::long_lines::{nothing_on_sale, stand_in_line};
use super::{GATHERED_MS, Line, ga, sold_out};
use crate::world::{Price, TestSale, World, connect};

/// Pages that one gateway may have open of one sale.
const WATCHED: u32 = 10_000;
/// Entries that a look reads of so many that nothing happens to.
const READ: usize = 17;
/// Longer than a transaction of another test takes.
const QUIET_MAX: Duration = Duration::from_secs(60);

impl TestSale<'_> {
    async fn looks(&self, since: Option<&Look>) -> (Look, ChangedEntries) {
        let changes = waitlist_changes(&self.world.gateway, self.id, since).await.expect("an answer");
        (changes.look, changes.entries)
    }

    /// How entries are, as a gateway knows them.
    async fn knows(&self, entries: &[EntryId]) -> Known {
        let standings = waitlist_standings(&self.world.gateway, self.id, entries).await.expect("an answer");
        Known(standings.into_iter().map(|(change, row)| (row.id, change)).collect())
    }

    async fn standings(&self, entries: &[EntryId]) -> Vec<EntryRow> {
        let standings = waitlist_standings(&self.world.gateway, self.id, entries).await.expect("an answer");
        standings.into_iter().map(|(_, row)| row).collect()
    }

    async fn positions(&self, tiers: &[TierId], entries: &[EntryId]) -> BTreeMap<EntryId, u64> {
        let positions = waitlist_positions(&self.world.gateway, self.id, tiers, entries).await.expect("an answer");
        positions.into_iter().collect()
    }
}

/// Changes that were told.
struct Known(Vec<(EntryId, Change)>);

impl Known {
    /// Whose changes are new.
    fn news(&mut self, changed: ChangedEntries) -> Vec<EntryId> {
        let mut news = these(changed);
        news.retain(|change| !self.0.contains(change));
        self.0.extend(news.clone());
        news.into_iter().map(|(entry, _)| entry).collect()
    }
}

fn these(changed: ChangedEntries) -> Vec<(EntryId, Change)> {
    let ChangedEntries::These(changed) = changed else { panic!("not so many") };
    changed
}

#[tokio::test]
async fn a_look_finds_who_changed_since_the_one_before() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second] = line.wait_for([1, 1]).await;
    let (begun, before) = sale.looks(None).await;
    assert_eq!(these(before), [], "nobody knew anything before");
    let mut known = sale.knows(&[first, second]).await;
    let (quiet, nobody) = sale.looks(Some(&begun)).await;
    assert_eq!(known.news(nobody), []);
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    let (offered, changed) = sale.looks(Some(&quiet)).await;
    assert_eq!(known.news(changed), [first], "the offer");
    let [row] = &sale.standings(&[first, EntryId::from_uuid(Uuid::now_v7())]).await[..] else { panic!("one is there") };
    assert_eq!(*row, line.entry(first).await, "the same as by asking");
    line.leaves(first).await;
    let (_, changed) = sale.looks(Some(&offered)).await;
    assert_eq!(known.news(changed), [first, second], "one declined, the other has the offer");
}

/// A transaction that began before a look and commits after it.
#[tokio::test]
async fn no_look_misses_a_change_that_took_long_to_commit() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [slow, quick] = line.wait_for([1, 1]).await;
    let (begun, _) = sale.looks(None).await;
    let mut known = sale.knows(&[slow, quick]).await;
    let leave = |entry: EntryId| format!("SELECT waitlist_leave('{}', '{}')", sale.id.uuid(), entry.uuid());
    let mut client = connect(&world.database.url).await;
    let transaction = client.transaction().await.expect("a transaction");
    // Not through the line's lock, for which the quick one would wait.
    let step = format!("SELECT waitlist_entry_end('{}', '{}', 'left')", sale.id.uuid(), slow.uuid());
    transaction.execute(&step, &[]).await.expect("a step");
    world.database.execute(&leave(quick)).await.expect("an answer");
    let (between, changed) = sale.looks(Some(&begun)).await;
    assert_eq!(known.news(changed), [quick], "what is not committed is not seen");
    transaction.commit().await.expect("a commit");
    let (_, changed) = sale.looks(Some(&between)).await;
    assert_eq!(known.news(changed), [slow], "it was over when the look before had been");
}

#[tokio::test]
async fn more_changes_than_are_told_one_by_one_are_told_as_many() {
    let world = World::new().await;
    let sale = nothing_on_sale(&world, 1).await;
    let (begun, _) = sale.looks(None).await;
    let most = u32::try_from(CHANGES_MAX).expect("a few");
    stand_in_line(&world, &sale, most, 1).await;
    let (_, changed) = sale.looks(Some(&begun)).await;
    assert_eq!(these(changed).len(), CHANGES_MAX);
    stand_in_line(&world, &sale, 1, 1).await;
    assert_eq!(sale.looks(Some(&begun)).await.1, ChangedEntries::Many);
}

#[tokio::test]
async fn positions_are_those_that_each_would_be_told() {
    let world = World::new().await;
    let tier = |id: &str| json!({ "id": id, "name": id, "price": 4500, "capacity": 1 });
    let sale = world.sale_with(json!({ "tiers": [tier("ga"), tier("vip")], "withheld": { "ga": 1, "vip": 1 } })).await;
    let line = Line { world: &world, sale: &sale };
    let vip: TierId = "vip".parse().expect("a tier");
    let wishes = [vec![ga()], vec![vip.clone()], vec![vip.clone(), ga()], vec![ga(), vip.clone()]];
    let mut entries = Vec::new();
    for round in 0..3 {
        for tiers in &wishes {
            let wish = ledger::waitlist::NewEntry { tiers: tiers.clone(), ..sale.wish(1) };
            // One that nobody confirmed counts as well.
            if round == 1 {
                line.joins(&wish).await;
            } else {
                line.waits(&wish).await;
            }
            entries.push(wish.id);
        }
    }
    line.leaves(entries[0]).await;
    let mut positions = BTreeMap::new();
    for wish in [&[ga()][..], std::slice::from_ref(&vip), &[ga(), vip.clone()]] {
        positions.extend(sale.positions(wish, &entries).await);
    }
    for entry in &entries {
        assert_eq!(positions.get(entry).copied(), line.entry(*entry).await.position);
    }
    assert_eq!(positions.len(), entries.len() - 1);
}

/// What ten thousand open pages cost Postgres: the figures are in `docs/waitlist.md`. Here they only stay in the order of it.
#[tokio::test]
async fn ten_thousand_pages_cost_a_few_walks() {
    let world = World::new().await;
    let sale = nothing_on_sale(&world, 1).await;
    stand_in_line(&world, &sale, WATCHED, 1).await;
    world.database.execute("ANALYZE waitlist_entries").await.expect("figures");
    let client = connect(&world.database.url).await;
    let rows = client.query("SELECT id FROM waitlist_entries ORDER BY rank", &[]).await.expect("entries");
    let watched: Vec<EntryId> = rows.iter().map(|row| EntryId::from_uuid(row.get(0))).collect();
    let (mut look, _) = sale.looks(None).await;
    let nothing = ChangedEntries::These(Vec::new());
    let deadline = Instant::now() + QUIET_MAX;
    while sale.looks(Some(&look)).await.1 != nothing {
        assert!(Instant::now() < deadline, "transactions of other tests end");
        tokio::time::sleep(Duration::from_millis(20)).await;
        look = sale.looks(None).await.0;
    }
    let quiet = fastest(async || assert_eq!(sale.looks(Some(&look)).await.1, nothing)).await;
    let read = fastest(async || assert_eq!(sale.standings(&watched[..READ]).await.len(), READ)).await;
    let walk = fastest(async || assert_eq!(sale.positions(&[ga()], &watched).await.len(), watched.len())).await;
    eprintln!("a quiet look {quiet:?}, {READ} read {read:?}, a walk {walk:?}");
    let states = sale.standings(&watched[..1]).await;
    assert_eq!(states[0].state, EntryState::Waiting);
    let alone = fastest(async || drop(line_entry(&sale, *watched.last().expect("one")).await)).await;
    assert!(walk < alone * 1_000, "{walk:?} for all of them, {alone:?} for the last alone");
}

async fn line_entry(sale: &TestSale<'_>, entry: EntryId) -> EntryRow {
    Line { world: sale.world, sale }.entry(entry).await
}

async fn fastest(mut act: impl AsyncFnMut()) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        act().await;
        least = least.min(began.elapsed());
    }
    least
}
