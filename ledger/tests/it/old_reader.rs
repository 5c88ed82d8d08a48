//! A reader who holds an old snapshot: vacuum may clean up nothing behind it, and the queues go on all the same.

use std::time::{Duration, Instant};

use ledger::outbox::{Queue, claim, done};

use crate::world::{Price, World, connect};

/// Jobs that pass, and those of one claim. A claim walks over what is dead in front of it, so it gets slower by about a sixth of a
/// millisecond each thousand: of ten times as many the last claims take as long as the bound (`docs/operations.md`).
const JOBS: u32 = 10_000;
const CLAIMED: u32 = 50;
/// So many are added before they are taken: a queue that is worked off as it fills.
const ADDED: u32 = 500;
/// What a claim may take at most.
const CLAIM_MAX: Duration = Duration::from_millis(20);

/// As `job_add` does, so many at once.
fn adds(sale: &str, from: u32) -> String {
    format!(
        "INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload)
         SELECT '{sale}', onsale_uuid(), 'mail', 'mail_order_paid', 'job:' || n, '{{}}'
           FROM generate_series({from}, {from} + {ADDED} - 1) AS n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_stay_quick_behind_a_reader_who_reads_for_long() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Free).await.id.uuid().to_string();
    let reader = connect(&world.database.url).await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox").await.unwrap();
    let (jobs, mut took, mut passed) = (JOBS, Vec::new(), 0);
    for from in (0..jobs).step_by(ADDED as usize) {
        world.database.execute(&adds(&sale, from)).await.unwrap();
        for _ in 0..ADDED / CLAIMED {
            let begun = Instant::now();
            let claimed = claim(&world.workers, Queue::Mail, CLAIMED, 60).await.unwrap();
            took.push(begun.elapsed());
            passed += claimed.len();
            for job in &claimed {
                done(&world.workers, job).await.unwrap();
            }
        }
    }
    assert_eq!(passed, jobs as usize);
    reader.batch_execute("COMMIT").await.unwrap();
    let tenth = took.len() / 10;
    let (first, last) = (median(&took[..tenth]), median(&took[took.len() - tenth..]));
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    eprintln!(
        "{jobs} jobs past an old reader: a claim of {CLAIMED} takes {first:?} at first, {last:?} at last; p99 {p99:?}"
    );
    // Of the last claims, because they have the most in front of them; of the middle one, because outliers are the machine's.
    assert!(last < CLAIM_MAX, "{last:?}");
}

fn median(took: &[Duration]) -> Duration {
    let mut took = took.to_vec();
    took.sort();
    took[took.len() / 2]
}
