use domain::payment::latency::{ATTEMPTS_ENOUGH, Attempt};
use uuid::Uuid;

use super::*;

fn authorised(after_s: u64, count: u64) -> PaymentTimes {
    let mut times = PaymentTimes::default();
    times.add(Attempt::Authorised, Duration::from_secs(after_s), count);
    times
}

#[test]
fn a_sale_with_few_payments_leans_on_those_of_all_and_these_on_what_is_assumed() {
    let [busy, slow, quiet] = [1, 2, 3].map(|id| SaleId::from_uuid(Uuid::from_u128(id)));
    let live = [busy, slow, quiet];
    let p99s = |times: &BTreeMap<_, _>| measured(live.into_iter(), times).into_iter().map(|(_, p99, _)| p99.as_secs());

    assert_eq!(p99s(&BTreeMap::new()).collect::<Vec<_>>(), [ASSUMED_P99.as_secs(); 3]);
    let mut times = BTreeMap::from([(busy, authorised(2, 2)), (quiet, authorised(1, 1))]);
    assert_eq!(p99s(&times).collect::<Vec<_>>(), [ASSUMED_P99.as_secs(); 3]);
    times.insert(busy, authorised(2, 100 * ATTEMPTS_ENOUGH));
    assert_eq!(p99s(&times).collect::<Vec<_>>(), [2; 3], "what all sales show is better than what is assumed");
    times.insert(slow, authorised(50, ATTEMPTS_ENOUGH / 2));
    assert_eq!(p99s(&times).collect::<Vec<_>>(), [2, 50, 2], "a slow sale does not make the others slow");
    let counts = measured(live.into_iter(), &times).into_iter().map(|(.., authorised)| authorised);
    assert_eq!(counts.collect::<Vec<_>>(), [100 * ATTEMPTS_ENOUGH, ATTEMPTS_ENOUGH / 2, 1]);
}
