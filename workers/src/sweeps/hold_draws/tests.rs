use std::time::Duration;

use domain::SaleId;
use domain::sale::PhaseNo;
use jiff::Timestamp;
use ledger::draws::DueDraw;
use sandbox::{BeaconClock, BeaconFault, FakeBeacon, FakeBeaconOptions};
use uuid::Uuid;

use super::round::{Choice, choose};
use super::{BEACON_WAIT_MAX, is_over, of_each_sale};
use crate::beacon::Beacon;

const NOW_S: i64 = 1_800_000_000;
const PERIOD_S: u32 = 3;

fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).expect("a time")
}

async fn fake() -> FakeBeacon {
    let clock = BeaconClock::by(|| NOW_S * 1_000 + 500);
    let options = FakeBeaconOptions { clock, period_s: PERIOD_S, ..FakeBeaconOptions::default() };
    FakeBeacon::start_with(options).await.expect("a free port")
}

fn client(fake: &FakeBeacon) -> Beacon {
    Beacon::new(fake.url().parse().expect("a URL"))
}

#[test]
fn the_draws_of_one_sale_are_held_in_the_order_of_its_phases() {
    let [one, other] = [0, 1].map(|_| SaleId::from_uuid(Uuid::new_v4()));
    let due = [(one, 2), (other, 0), (one, 0)].map(|(sale, no)| DueDraw { sale, phase: PhaseNo(no) });
    let sorted = of_each_sale(due.to_vec());
    assert_eq!(sorted, [(one, vec![PhaseNo(0), PhaseNo(2)]), (other, vec![PhaseNo(0)])]);
}

#[test]
fn a_beacon_is_waited_for_until_the_bound_and_no_longer() {
    assert!(!is_over(now(), now() + BEACON_WAIT_MAX - Duration::from_millis(1)));
    assert!(is_over(now(), now() + BEACON_WAIT_MAX));
}

#[tokio::test]
async fn the_round_comes_a_period_after_freeze_and_now() {
    let fake = fake().await;
    let beacon = client(&fake);
    for (frozen_at, now) in [(now(), now()), (now() - Duration::from_secs(3_600), now())] {
        let Choice::Round(round) = choose(Some(&beacon), frozen_at, now).await else { panic!("it answers") };
        let period = Duration::from_secs(PERIOD_S.into());
        assert!((now + period..now + period * 2).contains(&round.round_at), "{round:?}");
        assert_eq!((round.url, round.chain_hash), (fake.url(), fake.chain_hash()));
    }
}

#[tokio::test]
async fn a_round_that_the_beacon_has_told_is_not_chosen_however_slow_our_clock_is() {
    let fake = fake().await;
    let beacon = client(&fake);
    let latest = beacon.latest().await.expect("it answers");
    let slow = now() - Duration::from_secs(3_600);
    let Choice::Round(round) = choose(Some(&beacon), slow, slow).await else { panic!("it answers") };
    assert_eq!(round.round, latest + 2);
}

#[tokio::test]
async fn without_an_answer_nothing_is_chosen() {
    assert_eq!(choose(None, now(), now()).await, Choice::NoBeacon);
    let fake = fake().await;
    fake.set_fault(BeaconFault::Down).await.expect("it goes down");
    assert_eq!(choose(Some(&client(&fake)), now(), now()).await, Choice::NotNow);
}
