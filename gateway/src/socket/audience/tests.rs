use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Someone who counts being told.
struct Counts {
    told: AtomicU32,
    next: Next,
}

fn counts(next: Next) -> Arc<Counts> {
    Arc::new(Counts { told: AtomicU32::new(0), next })
}

impl Listener for Counts {
    fn tell(&self, _: Instant) -> Next {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.next
    }
}

fn told(who: &Counts) -> u32 {
    who.told.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_tick_is_for_the_front_and_a_call_for_everybody() {
    let shard = Shard::default();
    let (near, far) = (counts(Next::Tick), counts(Next::At(Instant::now() + Duration::from_secs(60))));
    shard.list().add(Arc::clone(&near) as Arc<dyn Listener>);
    shard.list().add(Arc::clone(&far) as Arc<dyn Listener>);
    shard.pass(Pass::Due, None).await;
    assert_eq!((told(&near), told(&far)), (1, 1), "at first both are asked");
    shard.pass(Pass::Due, None).await;
    assert_eq!((told(&near), told(&far)), (2, 1));
    shard.tell_everybody(&mut tokio::sync::watch::channel(()).1).await;
    assert_eq!((told(&near), told(&far)), (3, 2));
}

#[tokio::test]
async fn who_is_due_is_asked() {
    let shard = Shard::default();
    let due = counts(Next::At(Instant::now()));
    shard.list().add(Arc::clone(&due) as Arc<dyn Listener>);
    for times in 1..4 {
        shard.pass(Pass::Due, None).await;
        assert_eq!(told(&due), times);
    }
}

#[tokio::test]
async fn a_place_in_the_list_goes_to_the_next_one() {
    let shard = Arc::new(Shard::default());
    let (gone, here) = (counts(Next::Tick), counts(Next::Tick));
    let index = shard.list().add(Arc::clone(&gone) as Arc<dyn Listener>);
    let (_, old_id, _) = shard.list().chosen(Pass::Due, &mut 0).pop().unwrap();
    drop(Listed { shard: Arc::clone(&shard), index });
    assert_eq!(shard.list().add(Arc::clone(&here) as Arc<dyn Listener>), index);
    let late = Next::At(Instant::now() + Duration::from_secs(60));
    shard.list().note(vec![(index, old_id, late)]);
    shard.pass(Pass::Due, None).await;
    assert_eq!((told(&gone), told(&here)), (0, 1), "what was noted for the one before is nothing to it");
    assert_eq!(shard.list().len(), 1);
}

#[tokio::test]
async fn everybody_of_a_long_list_is_told_once() {
    let shard = Shard::default();
    let crowd: Vec<_> = (0..3 * CHUNK + 1).map(|_| counts(Next::Tick)).collect();
    for who in &crowd {
        shard.list().add(Arc::clone(who) as Arc<dyn Listener>);
    }
    shard.pass(Pass::Near, None).await;
    assert!(crowd.iter().all(|who| told(who) == 1));
}

/// A socket without a place is asked now and then; once it shows one it has news.
#[tokio::test]
async fn who_shows_a_place_is_asked_at_the_next_tick() {
    let shard = Arc::new(Shard::default());
    let late = counts(Next::At(Instant::now() + Duration::from_secs(60)));
    let index = shard.list().add(Arc::clone(&late) as Arc<dyn Listener>);
    let listed = Listed { shard: Arc::clone(&shard), index };
    for times in 1..4 {
        shard.pass(Pass::Due, None).await;
        shard.pass(Pass::Due, None).await;
        assert_eq!(told(&late), times, "it is asked once, and then when it said");
        listed.ask_next_tick();
    }
}
