use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::*;

/// Far more apart than the other tests ask.
const SAME_LANE: u32 = 20_000;

impl Ask for u32 {
    fn lane(&self) -> u64 {
        u64::from(self % SAME_LANE)
    }
}

/// Calls that are made when the test says so, and what they were asked.
#[derive(Default)]
struct Calls {
    begun: Mutex<Vec<Vec<u32>>>,
    at_once_max: AtomicUsize,
    at_once: AtomicUsize,
    go: Notify,
}

impl Calls {
    async fn tenfold(&self, asks: Vec<u32>) -> Vec<Option<u32>> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
        self.begun.lock().unwrap().push(asks.clone());
        self.go.notified().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        asks.into_iter().map(|ask| (ask % 10 != 7).then_some(ask * 10)).collect()
    }

    fn begun(&self) -> Vec<Vec<u32>> {
        self.begun.lock().unwrap().clone()
    }

    async fn until_begun(&self, count: usize) {
        let begun = async {
            while self.begun().len() < count {
                yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), begun).await.expect("it begins");
    }
}

type Jobs = JoinSet<(u32, Option<u32>)>;

fn ask(jobs: &mut Jobs, together: &Arc<Together<u32, u32>>, calls: &Arc<Calls>, asks: impl IntoIterator<Item = u32>) {
    for ask in asks {
        let (together, calls) = (Arc::clone(together), Arc::clone(calls));
        jobs.spawn(async move { (ask, together.ask(ask, |asks| calls.tenfold(asks)).await) });
    }
}

fn new(calls_max: usize, batch_max: usize) -> (Arc<Together<u32, u32>>, Arc<Calls>, Jobs) {
    (Arc::new(Together::new(calls_max, batch_max)), Arc::default(), Jobs::new())
}

#[tokio::test]
async fn who_is_alone_waits_for_nobody() {
    let (together, calls, mut jobs) = new(1, 10);
    ask(&mut jobs, &together, &calls, [1]);
    calls.until_begun(1).await;
    calls.go.notify_one();
    assert_eq!(jobs.join_all().await, [(1, Some(10))]);
}

/// Some of those whose asks are under way had a turn for themselves and found nobody left: they give it back.
#[tokio::test]
async fn while_many_wait_for_one_call_the_next_begins() {
    let (together, calls, mut jobs) = new(2, 10);
    ask(&mut jobs, &together, &calls, 1..=5);
    calls.until_begun(1).await;
    ask(&mut jobs, &together, &calls, [6]);
    calls.until_begun(2).await;
    assert_eq!(calls.begun(), [vec![1, 2, 3, 4, 5], vec![6]]);
    calls.go.notify_waiters();
    assert_eq!(jobs.join_all().await.len(), 6);
}

#[tokio::test]
async fn what_gathers_during_a_call_is_the_next_one_and_each_has_its_own_answer() {
    let (together, calls, mut jobs) = new(1, 3);
    ask(&mut jobs, &together, &calls, [1]);
    calls.until_begun(1).await;
    ask(&mut jobs, &together, &calls, 2..=6);
    for begun in 2..=3 {
        calls.go.notify_one();
        calls.until_begun(begun).await;
    }
    calls.go.notify_one();
    let mut answers = jobs.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers, [(1, Some(10)), (2, Some(20)), (3, Some(30)), (4, Some(40)), (5, Some(50)), (6, Some(60))]);
    assert_eq!(calls.begun(), [vec![1], vec![2, 3, 4], vec![5, 6]]);
}

#[tokio::test]
async fn what_a_call_leaves_undone_is_told_so_and_the_others_are_not() {
    let (together, calls, mut jobs) = new(1, 10);
    ask(&mut jobs, &together, &calls, [6, 7, 8]);
    calls.until_begun(1).await;
    calls.go.notify_one();
    let mut answers = jobs.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers, [(6, Some(60)), (7, None), (8, Some(80))]);
}

#[tokio::test]
async fn a_call_that_ends_with_its_job_leaves_the_others_to_themselves() {
    let (together, calls, mut jobs) = new(1, 10);
    let mut leader = Jobs::new();
    ask(&mut leader, &together, &calls, [1]);
    ask(&mut jobs, &together, &calls, [2, 3]);
    calls.until_begun(1).await;
    assert_eq!(calls.begun(), [vec![1, 2, 3]]);
    leader.shutdown().await;
    let answers = jobs.join_all().await;
    assert!(answers.iter().all(|(_, answer)| answer.is_none()), "{answers:?}");
    ask(&mut leader, &together, &calls, [4]);
    calls.until_begun(2).await;
    calls.go.notify_one();
    assert_eq!(leader.join_all().await, [(4, Some(40))], "the next call is made");
}

#[tokio::test]
async fn an_ask_whose_job_is_gone_is_not_made() {
    let (together, calls, mut jobs) = new(1, 10);
    ask(&mut jobs, &together, &calls, [1]);
    calls.until_begun(1).await;
    let mut gone = Jobs::new();
    ask(&mut gone, &together, &calls, [2]);
    yield_now().await;
    gone.shutdown().await;
    ask(&mut jobs, &together, &calls, [3]);
    calls.go.notify_one();
    calls.until_begun(2).await;
    calls.go.notify_one();
    jobs.join_all().await;
    assert_eq!(calls.begun(), [vec![1], vec![3]]);
}

/// A call could take them, and they wait: what is asked of one thing goes one by one and in its order, and others pass by.
#[tokio::test]
async fn of_one_lane_one_ask_is_under_way_at_a_time() {
    let (together, calls, mut jobs) = new(2, 10);
    ask(&mut jobs, &together, &calls, [1, 2, SAME_LANE + 1, 2 * SAME_LANE + 1, 3]);
    calls.until_begun(1).await;
    ask(&mut jobs, &together, &calls, [4]);
    calls.until_begun(2).await;
    assert_eq!(calls.begun(), [vec![1, 2, 3], vec![4]]);
    // Nobody asks any more: whoever waits for its lane is woken by the call that had it.
    for begun in 3..=4 {
        calls.go.notify_waiters();
        calls.until_begun(begun).await;
    }
    assert_eq!(calls.begun()[2..], [[SAME_LANE + 1], [2 * SAME_LANE + 1]]);
    calls.go.notify_waiters();
    assert_eq!(jobs.join_all().await.len(), 6);
}

/// Two wait for the lane of a call; the one that is woken by its end is gone before it could call.
#[tokio::test]
async fn who_is_woken_and_gone_wakes_the_next() {
    let (together, calls, mut jobs) = new(2, 10);
    ask(&mut jobs, &together, &calls, [1]);
    calls.until_begun(1).await;
    let (mut gone, mut next) = (Jobs::new(), Jobs::new());
    ask(&mut gone, &together, &calls, [SAME_LANE + 1]);
    ask(&mut next, &together, &calls, [2 * SAME_LANE + 1]);
    for _ in 0..10 {
        yield_now().await;
    }
    calls.go.notify_one();
    // The call ends and wakes the first, which lets others go ahead before it calls.
    while jobs.try_join_next().is_none() {
        yield_now().await;
    }
    gone.shutdown().await;
    calls.until_begun(2).await;
    assert_eq!(calls.begun(), [[1], [2 * SAME_LANE + 1]]);
    calls.go.notify_one();
    assert_eq!(next.join_all().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_each_is_answered_by_few_calls_at_once() {
    let (together, calls, mut jobs) = new(2, 60);
    ask(&mut jobs, &together, &calls, (0..10_000).step_by(10));
    let answered = async {
        let mut answered = 0;
        while answered < 1_000 {
            tokio::select! {
                Some(job) = jobs.join_next() => {
                    let (ask, answer) = job.expect("no panic");
                    assert_eq!(answer, Some(ask * 10));
                    answered += 1;
                }
                () = yield_now() => calls.go.notify_one(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), answered).await.expect("everybody is answered");
    assert!(calls.at_once_max.load(Ordering::SeqCst) <= 2);
    assert!(calls.begun().iter().all(|asks| (1..=60).contains(&asks.len())));
}
