use super::Merge::{AskStripe, Stay, To};
use super::PaymentState::{Authorised, Cancelled, Captured, Failed, Planned, Processing, RequiresAction};
use super::*;

#[test]
fn each_piece_of_news_leads_where_the_table_says() {
    // The columns are Stripe's statuses in the order of `IntentStatus::ALL`.
    let table = [
        (Planned, [To(Failed), Stay, To(RequiresAction), To(Processing), To(Authorised), To(Captured), To(Cancelled)]),
        (RequiresAction, [To(Failed), Stay, Stay, To(Processing), To(Authorised), To(Captured), To(Cancelled)]),
        (Processing, [To(Failed), Stay, Stay, Stay, To(Authorised), To(Captured), To(Cancelled)]),
        (Authorised, [AskStripe, Stay, Stay, Stay, Stay, To(Captured), To(Cancelled)]),
        (Captured, [Stay, Stay, Stay, Stay, Stay, Stay, AskStripe]),
        (Failed, [Stay, Stay, Stay, Stay, AskStripe, AskStripe, To(Cancelled)]),
        (Cancelled, [Stay, Stay, Stay, Stay, AskStripe, AskStripe, Stay]),
    ];
    assert_eq!(table.map(|(state, _)| state), PaymentState::ALL);
    for (state, after) in table {
        assert_eq!(IntentStatus::ALL.map(|status| state.merge(status)), after, "{state:?}");
    }
}

#[test]
fn the_order_of_news_does_not_matter_on_the_way_to_captured() {
    use IntentStatus::{Processing, RequiresAction, RequiresCapture, Succeeded};
    for order in [
        [RequiresAction, Processing, RequiresCapture, Succeeded],
        [Succeeded, RequiresCapture, Processing, RequiresAction],
        [RequiresCapture, Succeeded, RequiresAction, Processing],
    ] {
        let end = order.into_iter().fold(Planned, |state, status| match state.merge(status) {
            To(next) => next,
            Stay | AskStripe => state,
        });
        assert_eq!(end, Captured, "{order:?}");
    }
}

#[test]
fn words_read_back() {
    for state in PaymentState::ALL {
        assert_eq!(PaymentState::from_word(state.word()), Some(state));
    }
    for status in IntentStatus::ALL {
        assert_eq!(IntentStatus::from_word(status.word()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.word());
    }
}
