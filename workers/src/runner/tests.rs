//! The pool over a queue in memory, so that outcomes can be scripted. The queues in Postgres are tested in `tests/it`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::*;

/// What an item does when it runs.
#[derive(Debug, Clone, Copy)]
enum Script {
    Succeed,
    Fail,
    Panic,
    FindAway,
    TakeMs(u64),
}

#[derive(Debug, Clone)]
struct Item {
    name: &'static str,
    script: Script,
    attempts: u32,
}

/// Shared by the pool and the test.
#[derive(Default)]
struct Memory {
    due: Mutex<VecDeque<Item>>,
    leased: Mutex<BTreeMap<&'static str, Item>>,
    verdicts: Mutex<Vec<(&'static str, Verdict)>>,
    claims: AtomicUsize,
    refusals: AtomicUsize,
    running: AtomicUsize,
    running_max: AtomicUsize,
}

impl Memory {
    fn add(&self, name: &'static str, script: Script) {
        self.due.lock().expect("no panic under this lock").push_back(Item { name, script, attempts: 0 });
    }

    /// The lease of whatever was claimed and not settled is over.
    fn end_leases(&self) {
        let leased = std::mem::take(&mut *self.leased.lock().expect("no panic under this lock"));
        self.due.lock().expect("no panic under this lock").extend(leased.into_values());
    }

    fn verdicts_of(&self, name: &str) -> Vec<Verdict> {
        let verdicts = self.verdicts.lock().expect("no panic under this lock");
        verdicts.iter().filter(|(item, _)| *item == name).map(|(_, verdict)| verdict.clone()).collect()
    }

    fn count(&self, word: &str) -> usize {
        let verdicts = self.verdicts.lock().expect("no panic under this lock");
        verdicts.iter().filter(|(_, verdict)| verdict.word() == word).count()
    }
}

struct InMemory(Arc<Memory>);

impl Source for InMemory {
    type Item = Item;

    fn queue(&self) -> &'static str {
        "memory"
    }

    fn attempt(&self, item: &Item) -> (String, u32) {
        (item.name.to_owned(), item.attempts)
    }

    fn about<'a>(&self, item: &'a Item) -> About<'a> {
        About { kind: item.name, ..About::default() }
    }

    async fn claim(&self, limit: u32) -> Result<Vec<Item>, LedgerError> {
        let Self(memory) = self;
        memory.claims.fetch_add(1, Ordering::SeqCst);
        if memory.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(LedgerError::Unavailable("scripted".into()));
        }
        let mut due = memory.due.lock().expect("no panic under this lock");
        let count = due.len().min(limit as usize);
        let claimed: Vec<Item> = due.drain(..count).map(|item| Item { attempts: item.attempts + 1, ..item }).collect();
        let mut leased = memory.leased.lock().expect("no panic under this lock");
        leased.extend(claimed.iter().map(|item| (item.name, item.clone())));
        Ok(claimed)
    }

    async fn run(&self, item: &Item) -> Outcome {
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.running_max.fetch_max(running, Ordering::SeqCst);
        let outcome = match item.script {
            Script::Succeed => Outcome::Done("scripted"),
            Script::Fail => Outcome::Retry("scripted".to_owned()),
            Script::Panic => {
                self.0.running.fetch_sub(1, Ordering::SeqCst);
                panic!("scripted")
            }
            Script::FindAway => Outcome::Away("scripted".to_owned()),
            Script::TakeMs(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Outcome::Settled
            }
        };
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    async fn settle(&self, item: &Item, verdict: &Verdict) -> Result<Leased, LedgerError> {
        self.0.leased.lock().expect("no panic under this lock").remove(item.name);
        self.0.verdicts.lock().expect("no panic under this lock").push((item.name, verdict.clone()));
        let again = match verdict {
            Verdict::Retry { .. } => Some(item.clone()),
            Verdict::Postpone { .. } | Verdict::NotYet { .. } => {
                Some(Item { attempts: item.attempts - 1, ..item.clone() })
            }
            Verdict::Done(_) | Verdict::Settled | Verdict::Park(_) | Verdict::Quarantine(_) => None,
        };
        self.0.due.lock().expect("no panic under this lock").extend(again);
        Ok(Leased::Yes)
    }
}

/// A running pool and what it works on.
struct Bench {
    memory: Arc<Memory>,
    wake: Arc<Notify>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// A poll so long that only a bell can be the reason for what a test sees.
const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(10);

fn start(memory: Memory, size: u16, poll_every: Duration) -> Bench {
    let (memory, wake) = (Arc::new(memory), Arc::new(Notify::new()));
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let source = InMemory(Arc::clone(&memory));
    let pool = Pool { source, size: PoolSize(size), poll_every, sampling: Sampling::Nothing, wake: Arc::clone(&wake) };
    tracker.spawn(pool.run(tracker.clone(), stop.clone()));
    tracker.close();
    Bench { memory, wake, tracker, stop }
}

impl Bench {
    async fn until(&self, what: &str, holds: impl Fn(&Memory) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !holds(&self.memory) {
            assert!(tokio::time::Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn stop(self) -> Arc<Memory> {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.tracker.wait()).await.expect("a pool ends when told");
        self.memory
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[tokio::test]
async fn everything_is_run_and_never_more_at_once_than_the_pool_is_large() {
    let memory = Memory::default();
    NAMES.into_iter().for_each(|name| memory.add(name, Script::TakeMs(20)));
    let bench = start(memory, 3, NEVER);
    bench.until("all done", |memory| memory.count("done") == NAMES.len()).await;
    assert_eq!(bench.stop().await.running_max.load(Ordering::SeqCst), 3);
}

/// Of those who write at once one rings, and may be the first to commit.
#[tokio::test]
async fn what_comes_a_little_after_a_bell_is_found_without_another() {
    let bench = start(Memory::default(), 1, NEVER);
    bench.until("a first look", |memory| memory.claims.load(Ordering::SeqCst) == 1).await;
    bench.wake.notify_one();
    bench.until("the look after the bell", |memory| memory.claims.load(Ordering::SeqCst) == 2).await;
    bench.memory.add("late", Script::Succeed);
    bench.until("the late one", |memory| memory.count("done") == 1).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_poisonous_item_is_parked_in_the_end_and_blocks_nobody() {
    let memory = Memory::default();
    memory.add("poison", Script::Fail);
    NAMES.into_iter().for_each(|name| memory.add(name, Script::Succeed));
    let bench = start(memory, 1, SOON);
    bench.until("parked", |memory| memory.count("parked") == 1).await;
    let memory = bench.stop().await;
    assert_eq!(memory.count("done"), NAMES.len());
    let verdicts = memory.verdicts_of("poison");
    assert_eq!(verdicts.len(), ATTEMPTS_MAX as usize);
    assert_eq!(verdicts.last(), Some(&Verdict::Park("scripted".to_owned())));
}

#[tokio::test]
async fn an_item_that_kills_its_worker_is_parked_without_being_run_again() {
    let memory = Memory::default();
    memory.add("killer", Script::Panic);
    let bench = start(memory, 1, SOON);
    bench
        .until("parked", |memory| {
            memory.end_leases();
            memory.count("parked") == 1
        })
        .await;
    let verdicts = bench.stop().await.verdicts_of("killer");
    assert_eq!(verdicts, [Verdict::Park(format!("claimed {} times without an end", ATTEMPTS_MAX + 1))]);
}

#[tokio::test]
async fn a_bell_wakes_the_pool_before_its_poll() {
    let bench = start(Memory::default(), 1, NEVER);
    bench.until("asked once", |memory| memory.claims.load(Ordering::SeqCst) == 1).await;
    bench.memory.add("rung for", Script::Succeed);
    bench.wake.notify_one();
    bench.until("done", |memory| memory.count("done") == 1).await;
}

#[tokio::test]
async fn a_missed_bell_costs_one_poll() {
    let bench = start(Memory::default(), 1, SOON);
    bench.until("asked once", |memory| memory.claims.load(Ordering::SeqCst) >= 1).await;
    bench.memory.add("not rung for", Script::Succeed);
    bench.until("done", |memory| memory.count("done") == 1).await;
}

#[tokio::test]
async fn a_refused_claim_is_tried_again() {
    let memory = Memory::default();
    memory.refusals.store(1, Ordering::SeqCst);
    memory.add("a", Script::Succeed);
    let bench = start(memory, 1, NEVER);
    bench.until("done", |memory| memory.count("done") == 1).await;
}

#[tokio::test]
async fn a_pool_rests_while_its_service_is_away_and_spends_no_attempts() {
    let memory = Memory::default();
    memory.add("letter", Script::FindAway);
    let bench = start(memory, 1, SOON);
    let started = Instant::now();
    bench.until("twice", |memory| memory.count("postponed") == 3).await;
    assert!(started.elapsed() >= AWAY_PAUSE, "{:?}", started.elapsed());
    let memory = bench.stop().await;
    let due = memory.due.lock().expect("no panic under this lock");
    assert_eq!(due.iter().map(|item| item.attempts).collect::<Vec<_>>(), [0]);
}

#[test]
fn what_comes_too_early_waits_its_turn_at_the_last_attempt_too() {
    let verdict = Verdict::of(Outcome::Early("scripted".to_owned()), ATTEMPTS_MAX, "letter");
    assert!(matches!(verdict, Verdict::Postpone { .. }), "{verdict:?}");
}

#[tokio::test]
async fn what_has_begun_ends_and_nothing_begins_after_the_stop() {
    let memory = Memory::default();
    NAMES.into_iter().for_each(|name| memory.add(name, Script::TakeMs(200)));
    let bench = start(memory, 2, SOON);
    bench.until("two run", |memory| memory.running.load(Ordering::SeqCst) == 2).await;
    let memory = bench.stop().await;
    assert_eq!(memory.count("done"), 2, "what had begun, and no more");
    assert!(memory.leased.lock().expect("no panic under this lock").is_empty(), "nothing is left leased");
}
