//! Which captures go before all others.

use domain::{OrderId, PaymentId, SaleId};
use jiff::Timestamp;
use uuid::Uuid;

use super::*;

const DAY_S: u64 = 24 * 3_600;

fn class_at(age_s: u64, urgent_after_s: Option<u64>) -> WriteClass {
    let call = IntentCall {
        order: OrderId::from_uuid(Uuid::nil()),
        payment: PaymentId::from_uuid(Uuid::nil()),
        intent: "pi_1".to_owned(),
        key: "capture".to_owned(),
        urgent_after_s,
    };
    let job = Job {
        id: Uuid::nil(),
        sale: SaleId::from_uuid(Uuid::nil()),
        queue: Queue::Stripe,
        work: Work::PaymentCapture(call.clone()),
        attempts: 1,
        created_at: Timestamp::UNIX_EPOCH,
        age_s,
        lease: Uuid::nil(),
        trace: None,
    };
    class_of_capture(&job, &call)
}

#[test]
fn a_capture_is_urgent_by_what_stripe_says_and_by_its_age_where_it_says_nothing() {
    for (urgent_after_s, last_s) in [
        (Some(0), None),
        (Some(5 * 3_600), Some(5 * 3_600 - 1)),
        (Some(29 * DAY_S), Some(29 * DAY_S - 1)),
        (None, Some(4 * DAY_S - 1)),
    ] {
        if let Some(last_s) = last_s {
            assert_eq!(class_at(last_s, urgent_after_s), WriteClass::Capture, "{urgent_after_s:?}");
        }
        let first_s = last_s.map_or(0, |last_s| last_s + 1);
        assert_eq!(class_at(first_s, urgent_after_s), WriteClass::UrgentCapture, "{urgent_after_s:?}");
    }
}
