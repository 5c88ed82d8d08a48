//! Money that goes back, or that came for nothing: by the organizer, by hand at Stripe, by the bank.

use domain::sale::CaptureMode;
use domain::{Currency, Money, OrderId, RefundId};
use ledger::orders::OrderRow;
use ledger::refunds::{AskRefund, RefundAsk, RefundRow, RefundWish, refund_ask};
use ledger::sales::{SaleName, sale_fetch};
use ledger::tickets::{Asker, Rotate, Rotation, SendAgain, TicketRow, ticket_rotate, tickets_send_again};
use payments::{CreateIntent, RefundIntent};
use sandbox::RefundOutcome;
use uuid::Uuid;

use super::{PRICE, Sale, VISA, World};

impl World {
    /// Somebody gives money back in Stripe's dashboard.
    pub(crate) async fn refunds_at_stripe(&self, order: &OrderRow, intent: &str, minor: i64) {
        self.refunds_under_key(order, intent, minor, &Uuid::now_v7().to_string()).await;
    }

    /// The bank sends back the one refund of an order, which had succeeded.
    pub(crate) async fn sends_the_refund_back(&self, order: &OrderRow) {
        let refund = format!(
            "SELECT stripe_id FROM refunds r JOIN payments p ON p.sale_id = r.sale_id AND p.id = r.payment_id
              WHERE p.order_id = '{}'",
            order.id.uuid()
        );
        let refund = self.database.text(&refund).await.expect("a refund that Stripe made");
        self.stripe.refund_ends(&refund, RefundOutcome::Fails).expect("it succeeded");
        self.posts_events().await;
    }

    /// The same, under an idempotency key that may be another call's too.
    pub(crate) async fn refunds_under_key(&self, order: &OrderRow, intent: &str, minor: i64, key: &str) {
        let amount = Money::new(minor, order.total.currency);
        let id = RefundId::from_uuid(Uuid::now_v7());
        let refund =
            RefundIntent { id, intent: intent.to_owned(), sale: order.sale, order: order.id, amount, memo: Vec::new() };
        self.till.refund(&refund, key).await.expect("a refund");
    }

    /// Stripe takes money for an order of the sale that we never wrote; answers its intent.
    pub(crate) async fn takes_money_for_no_order(&self, sale: &Sale) -> String {
        let request = CreateIntent {
            sale: sale.id,
            order: OrderId::from_uuid(Uuid::now_v7()),
            attempt: 1,
            amount: Money::new(PRICE, Currency::EUR),
            confirmation_token: self.token(VISA).await,
            return_url: "https://tickets.example/s/night".to_owned(),
            capture: CaptureMode::Automatic,
            description: "tickets".to_owned(),
            memo: Vec::new(),
        };
        self.till.create_and_confirm(&request, &Uuid::now_v7().to_string()).await.expect("an intent").id
    }

    /// The organizer asks for everything to go back.
    pub(crate) async fn asks_for_everything(&self, order: &OrderRow) -> RefundRow {
        self.asks_back(order, RefundWish::Whole).await
    }

    /// The organizer asks for something to go back, once an order.
    pub(crate) async fn asks_back(&self, order: &OrderRow, wish: RefundWish) -> RefundRow {
        self.asks_back_under(order, wish, 1).await
    }

    /// A buyer asks for the tickets once more.
    pub(crate) async fn sends_tickets_again(&self, order: &OrderRow) {
        let asked = tickets_send_again(&self.gateway, order.sale, order.id, Uuid::now_v7(), Asker::Organizer).await;
        assert_eq!(asked.expect("an answer"), SendAgain::Sent);
    }

    /// A buyer has the code of a ticket replaced, which signs with the key that tickets get.
    pub(crate) async fn replaces_code(&self, order: &OrderRow, ticket: &TicketRow) {
        let kid = self.ticket_signer.kid();
        let wanted = Rotation { sale: order.sale, order: order.id, ticket: ticket.id, from: ticket.rotation, kid };
        let rotated = ticket_rotate(&self.gateway, &wanted, Asker::Buyer, "buyer").await.expect("an answer");
        assert_eq!(rotated, Rotate::Rotated { rotation: ticket.rotation + 1 });
    }

    /// The same, as the ask of that number.
    pub(crate) async fn asks_back_under(&self, order: &OrderRow, wish: RefundWish, number: u8) -> RefundRow {
        let sale = sale_fetch(&self.gateway, SaleName::Id(order.sale)).await.expect("an answer").expect("the sale");
        let mut key = order.id.uuid().as_bytes().repeat(2);
        key[0] ^= number;
        let ask = RefundAsk {
            organizer: sale.organizer,
            sale: order.sale,
            order: order.id,
            key: key.try_into().expect("32 bytes"),
            content: [number; 32],
            wish,
            reason: "called off".to_owned(),
            by: "test".to_owned(),
        };
        match refund_ask(&self.gateway, &ask).await.expect("an answer") {
            AskRefund::Asked(refund) => refund,
            other => panic!("{other:?}"),
        }
    }
}
