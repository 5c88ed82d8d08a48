use super::*;

fn limit(writes_per_s: u32) -> NonZeroU32 {
    NonZeroU32::new(writes_per_s).unwrap()
}

fn waits(alone: &Alone) -> Option<Duration> {
    match alone.ask() {
        Asked::Granted(_) => None,
        Asked::Wait(wait) => Some(wait),
    }
}

#[test]
fn each_of_the_processes_spends_its_part_of_half_the_limit() {
    let alone = Alone::new(limit(10), 8);
    assert_eq!(waits(&alone), None);
    let wait = waits(&alone).expect("one at a time");
    assert!(wait > Duration::from_millis(400) && wait <= Duration::from_millis(1_600), "{wait:?}");
    alone.share_with(1);
    assert_eq!(waits(&alone), None);
    let wait = waits(&alone).expect("one at a time");
    assert!(wait <= Duration::from_millis(200), "{wait:?}");
}

#[test]
fn nobody_writes_while_stripe_wants_to_hear_nothing() {
    let alone = Alone::new(limit(1_000), 1);
    alone.pause(Duration::from_secs(30));
    assert!(waits(&alone).expect("a pause") > Duration::from_secs(20));
}
