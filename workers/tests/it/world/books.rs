//! What became of orders, in the ledger and at Stripe, to be compared.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::IntentSnapshot;
use serde_json::Value;

use super::{Sale, World};

/// Everything about an order that money, seats or people hang on, without ids and times. What was promised on the way and how an
/// order ended that nobody paid depend on what was heard, and are left out: only that it ended.
const BOOKS: &str = "
    jsonb_build_object(
        'order', CASE WHEN o.state IN ('expired', 'cancelled') THEN 'over' ELSE o.state END,
        'payments', (SELECT jsonb_agg(jsonb_build_array(state, captured, refunded, disputed, lost) ORDER BY attempt)
                       FROM payments p WHERE p.sale_id = o.sale_id AND p.order_id = o.id),
        'units', (SELECT jsonb_object_agg(state, n) FROM (
                    SELECT u.state, count(*) AS n FROM order_units ou JOIN units u USING (sale_id, tier_id, unit_no)
                     WHERE ou.sale_id = o.sale_id AND ou.order_id = o.id GROUP BY 1) AS s),
        'tickets', (SELECT jsonb_object_agg(state, n) FROM (
                    SELECT state, count(*) AS n FROM tickets t
                     WHERE t.sale_id = o.sale_id AND t.order_id = o.id GROUP BY 1) AS s),
        'refunds', (SELECT jsonb_agg(jsonb_build_array(r.origin, r.state, r.amount) ORDER BY r.origin, r.state, r.amount)
                      FROM refunds r JOIN payments p ON p.sale_id = r.sale_id AND p.id = r.payment_id
                     WHERE p.sale_id = o.sale_id AND p.order_id = o.id),
        'disputes', (SELECT jsonb_agg(jsonb_build_array(d.status, d.taken, d.withdrawn, d.lost) ORDER BY d.stripe_id)
                       FROM disputes d JOIN payments p ON p.sale_id = d.sale_id AND p.id = d.payment_id
                      WHERE p.sale_id = o.sale_id AND p.order_id = o.id),
        'accounts', (SELECT jsonb_object_agg(account || ' ' || unit_of_account, sum) FROM (
                    SELECT account, unit_of_account, sum(amount) FROM transfers t
                      JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
                     WHERE t.sale_id = o.sale_id AND t.order_id = o.id GROUP BY 1, 2 HAVING sum(amount) <> 0) AS s))";

impl World {
    /// The books of each order of a sale, told once for those that have the same; with how many have them.
    pub(crate) async fn books(&self, sale: &Sale) -> Vec<(i64, Value)> {
        let query = format!(
            "SELECT coalesce(jsonb_agg(jsonb_build_array(n, books) ORDER BY n DESC), '[]')::text FROM (
                SELECT count(*) AS n, books FROM (SELECT {BOOKS} AS books FROM orders o WHERE sale_id = '{}') AS b
                 GROUP BY books) AS same",
            sale.id.uuid()
        );
        let told = self.database.text(&query).await.expect("Postgres answers");
        serde_json::from_str(&told).expect("counts and books")
    }

    /// How many letters were sent, those that came twice counted once, as a mail program shows them.
    pub(crate) fn letters(&self) -> usize {
        let messages = self.mail.messages();
        messages.iter().map(|mail| mail.header("message-id").expect("a name")).collect::<BTreeSet<_>>().len()
    }

    /// What Stripe has and what we have of each intent, to the cent: captured, and given back.
    pub(crate) async fn agrees_with_stripe(&self) {
        let query = "SELECT coalesce(jsonb_object_agg(intent_id, jsonb_build_array(captured, refunded)), '{}')::text
                       FROM payments WHERE intent_id IS NOT NULL";
        let told = self.database.text(query).await.expect("Postgres answers");
        let ours: BTreeMap<String, (i64, i64)> = serde_json::from_str(&told).expect("intents");
        let theirs = |intent: IntentSnapshot| (intent.id, (intent.captured, intent.refunded));
        let theirs: BTreeMap<_, _> = self.stripe.payment_intents().into_iter().map(theirs).collect();
        let differ: Vec<_> = theirs.iter().filter(|(id, books)| ours.get(*id) != Some(books)).collect();
        assert!(differ.is_empty(), "Stripe's books are others: {differ:?}");
        assert_eq!(ours.len(), theirs.len(), "and it knows every intent of ours");
    }
}
