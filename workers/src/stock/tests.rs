//! Two looks at a sale that is busy meanwhile.

use uuid::Uuid;

use super::*;

fn unit(unit: u32) -> HeldUnit {
    HeldUnit { tier: "ga".parse().expect("a tier's name"), unit: UnitNo(unit) }
}

/// A sold unit that is in some hold in Redis.
fn held(no: u32) -> (HeldUnit, Difference) {
    let redis = InRedis::Held(HoldId::from_uuid(Uuid::now_v7()));
    (unit(no), Difference { redis, postgres: "sold".to_owned() })
}

fn free(no: u32) -> (HeldUnit, Difference) {
    (unit(no), Difference { redis: InRedis::Free, postgres: "sold".to_owned() })
}

fn differing<const N: usize>(differences: [(HeldUnit, Difference); N]) -> Seen {
    Seen { differences: differences.into(), ..Seen::default() }
}

#[test]
fn a_unit_that_differs_at_both_looks_is_told_as_the_second_saw_it() {
    let look_1 = differing([held(0), held(1), held(2)]);
    let look_2 = differing([free(0), held(2), free(3)]);
    let expected = BTreeMap::from([free(0), (unit(2), look_2.differences[&unit(2)].clone())]);
    let seen = look_1.confirmed_by(Ok(look_2));
    assert_eq!((seen.differences, seen.unconfirmed), (expected, None));
}

#[test]
fn a_second_look_takes_no_fault_of_redis_back() {
    let faulty = |fault: &str| Seen { faults: vec![fault.to_owned()], ..differing([free(0)]) };
    let fault_is = |seen: Seen, fault: &str| assert_eq!(seen.faults, [fault]);
    fault_is(faulty("8 counted").confirmed_by(Ok(differing([]))), "8 counted");
    fault_is(faulty("8 counted").confirmed_by(Ok(faulty("9 counted"))), "8 counted");
    fault_is(differing([free(0)]).confirmed_by(Ok(faulty("9 counted"))), "9 counted");
}

#[test]
fn what_cannot_be_looked_at_again_stays_and_is_marked() {
    let seen = differing([free(0)]).confirmed_by(Err(AdmissionError::NotLoaded));
    let told: Vec<_> = seen.differences_told().collect();
    let said = format!(
        "unit 0 of ga is free in Redis and sold in Postgres (seen once; the second look failed: {})",
        AdmissionError::NotLoaded
    );
    assert_eq!(told, [said]);
}
