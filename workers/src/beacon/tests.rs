use std::time::Duration;

use sandbox::{BeaconClock, BeaconFault, FakeBeacon, FakeBeaconOptions};

use super::{Beacon, BeaconError, CALL_MAX_S, REST_S};

const NOW_MS: i64 = 1_800_000_000_000;

async fn fake() -> FakeBeacon {
    let options = FakeBeaconOptions { clock: BeaconClock::by(|| NOW_MS), ..FakeBeaconOptions::default() };
    FakeBeacon::start_with(options).await.expect("a free port")
}

fn client(fake: &FakeBeacon) -> Beacon {
    Beacon::new(fake.url().parse().expect("a URL"))
}

/// Time enough for a rest to be over.
async fn rests() {
    tokio::time::sleep(Duration::from_millis(REST_S * 1_000 + 10)).await;
}

#[tokio::test]
async fn a_round_is_read_and_one_of_the_future_has_not_come() {
    let fake = fake().await;
    let beacon = client(&fake);
    let latest = beacon.latest().await.expect("it answers");
    let value = beacon.value(latest).await.expect("it answers");
    assert_eq!(value.signature.len(), 96);
    assert!(matches!(beacon.value(latest + 1).await, Err(BeaconError::NotYet)));
    assert!(beacon.value(latest).await.is_ok(), "a round that has not come is no outage");
    let chain = beacon.chain().await.expect("it answers");
    assert_eq!(chain.hash, fake.chain_hash());
    assert_eq!(chain.round(latest).map(|round| round.at.as_millisecond()), Some(NOW_MS));
}

#[tokio::test]
async fn the_chain_is_asked_for_once() {
    let fake = fake().await;
    let beacon = client(&fake);
    beacon.chain().await.expect("it answers");
    let asked = fake.asked();
    beacon.chain().await.expect("it is known");
    assert_eq!(fake.asked(), asked);
}

#[tokio::test]
async fn what_does_not_belong_together_is_refused() {
    let fake = fake().await;
    let beacon = client(&fake);
    let latest = beacon.latest().await.expect("it answers");
    fake.set_fault(BeaconFault::WrongRandomness).await.expect("it is up");
    assert!(matches!(beacon.value(latest).await, Err(BeaconError::WrongRandomness)));
    rests().await;
    fake.set_fault(BeaconFault::WrongRound).await.expect("it is up");
    assert!(matches!(beacon.value(latest).await, Err(BeaconError::WrongRound(_))));
    rests().await;
    fake.set_fault(BeaconFault::Failing).await.expect("it is up");
    assert!(matches!(beacon.value(latest).await, Err(BeaconError::Status(500))));
}

#[tokio::test]
async fn a_silent_beacon_is_waited_for_once_and_then_left_alone_for_a_while() {
    let fake = fake().await;
    let beacon = client(&fake);
    fake.set_fault(BeaconFault::Silent).await.expect("it is up");
    let late =
        tokio::time::timeout(Duration::from_secs(CALL_MAX_S + 5), beacon.latest()).await.expect("a bounded wait");
    assert!(matches!(late, Err(BeaconError::Late)), "{late:?}");
    assert!(matches!(beacon.latest().await, Err(BeaconError::Resting)));
    fake.set_fault(BeaconFault::None).await.expect("it is up");
    rests().await;
    assert!(beacon.latest().await.is_ok());
}
