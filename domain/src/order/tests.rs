use super::OrderEvent::{Authorise, Cancel, Capture, Dispute, GiveUp, RefundAll, RefundPart, TimeOut};
use super::OrderState::{AwaitingPayment, Cancelled, Disputed, Expired, Paid, PartiallyRefunded, Processing, Refunded};
use super::*;

const EVENTS: [OrderEvent; 8] = [Authorise, Capture, GiveUp, TimeOut, Cancel, RefundPart, RefundAll, Dispute];

#[test]
fn each_event_leads_where_the_table_says() {
    let table = [
        (AwaitingPayment, [Some(Processing), Some(Paid), None, Some(Expired), Some(Cancelled), None, None, None]),
        (Processing, [Some(Processing), Some(Paid), Some(Cancelled), None, None, None, None, None]),
        (Paid, [None, Some(Paid), None, None, None, Some(PartiallyRefunded), Some(Refunded), Some(Disputed)]),
        (Expired, [Some(Processing), Some(Paid), None, Some(Expired), None, None, None, None]),
        (Cancelled, [None, None, Some(Cancelled), None, Some(Cancelled), None, None, None]),
        (PartiallyRefunded, [None, None, None, None, None, Some(PartiallyRefunded), Some(Refunded), Some(Disputed)]),
        (Refunded, [None, None, None, None, None, None, Some(Refunded), Some(Disputed)]),
        (Disputed, [None, None, None, None, None, Some(Disputed), Some(Refunded), Some(Disputed)]),
    ];
    assert_eq!(table.map(|(state, _)| state), OrderState::ALL);
    for (state, after) in table {
        assert_eq!(EVENTS.map(|event| state.apply(event).ok()), after, "{state:?}");
    }
}

#[test]
fn an_authorised_order_never_times_out() {
    assert_eq!(Processing.apply(TimeOut).unwrap_err().to_string(), "an order that is processing does not take TimeOut");
}

#[test]
fn states_read_back_from_their_words() {
    for state in OrderState::ALL {
        assert_eq!(OrderState::from_word(state.word()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.word());
    }
}
