//! The fake beacon, as a client of drand sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sandbox::{BeaconClock, BeaconFault, FakeBeacon, FakeBeaconOptions};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::web::{client, get, send};

/// A clock that stands where the test puts it.
fn clock() -> (BeaconClock, Arc<AtomicI64>) {
    let now_ms = Arc::new(AtomicI64::new(1_800_000_000_000));
    let reading = now_ms.clone();
    (BeaconClock::by(move || reading.load(Ordering::Relaxed)), now_ms)
}

async fn beacon(clock: BeaconClock) -> FakeBeacon {
    let options = FakeBeaconOptions { clock, period_s: 3, ..FakeBeaconOptions::default() };
    FakeBeacon::start_with(options).await.unwrap()
}

async fn latest(beacon: &FakeBeacon) -> Value {
    get(&format!("{}/public/latest", beacon.url())).await.json()
}

#[tokio::test]
async fn rounds_come_with_the_clock_and_what_they_say_belongs_to_their_signature() {
    let (clock, now_ms) = clock();
    let beacon = beacon(clock).await;
    let info = get(&format!("{}/info", beacon.url())).await.json();
    assert_eq!((info["period"].as_u64(), info["hash"].as_str()), (Some(3), Some(beacon.chain_hash().as_str())));
    let seen = latest(&beacon).await;
    let expected = (1_800_000_000 - info["genesis_time"].as_i64().unwrap()) / 3 + 1;
    assert_eq!(seen["round"].as_i64(), Some(expected));
    let signature = hex::decode(seen["signature"].as_str().unwrap()).unwrap();
    assert_eq!(seen["randomness"], hex::encode(Sha256::digest(signature)));

    let next = format!("{}/public/{}", beacon.url(), expected + 1);
    assert_eq!(get(&next).await.status, 404);
    now_ms.fetch_add(3_000, Ordering::Relaxed);
    let came = get(&next).await.json();
    assert_eq!(came, latest(&beacon).await);
    assert_ne!(came["randomness"], seen["randomness"]);
    let behind_hash = format!("{}/{}/public/{}", beacon.url(), beacon.chain_hash(), expected + 1);
    assert_eq!(get(&behind_hash).await.json(), came);
    assert_eq!(get(&format!("{}/elsewhere/info", beacon.url())).await.status, 404);
}

#[tokio::test]
async fn each_fault_looks_to_the_client_as_it_should() {
    let (clock, _) = clock();
    let beacon = beacon(clock).await;
    let good = latest(&beacon).await;
    let round = good["round"].as_u64().unwrap();
    let asked = format!("{}/public/{round}", beacon.url());

    beacon.set_fault(BeaconFault::WrongRandomness).await.unwrap();
    let wrong = get(&asked).await.json();
    assert_eq!((&wrong["round"], &wrong["signature"]), (&good["round"], &good["signature"]));
    assert_ne!(wrong["randomness"], good["randomness"]);

    beacon.set_fault(BeaconFault::WrongRound).await.unwrap();
    assert_eq!(get(&asked).await.json()["round"].as_u64(), Some(round + 1));

    beacon.set_fault(BeaconFault::Late { by: Duration::from_secs(6) }).await.unwrap();
    assert_eq!(get(&asked).await.status, 404);
    assert_eq!(latest(&beacon).await["round"].as_u64(), Some(round - 2));

    beacon.set_fault(BeaconFault::Failing).await.unwrap();
    assert_eq!(get(&asked).await.status, 500);

    beacon.set_fault(BeaconFault::Silent).await.unwrap();
    let asking = client();
    let silent = send(&asking, http::Method::GET, &asked, &[], String::new());
    assert!(tokio::time::timeout(Duration::from_millis(100), silent).await.is_err());

    beacon.set_fault(BeaconFault::Down).await.unwrap();
    assert!(send(&client(), http::Method::GET, &asked, &[], String::new()).await.is_err());
    beacon.set_fault(BeaconFault::None).await.unwrap();
    assert_eq!(get(&asked).await.json(), good);
    assert!(beacon.asked() >= 7);
}
