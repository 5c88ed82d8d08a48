//! A sale that is called off, over a Stripe: all money is back, and everybody was told once.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use domain::PlaceNumber;
use domain::UnitNo;
use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::sales::cancelling::sale_cancel;
use ledger::sales::{Decided, SaleName, sale_fetch};
use ledger::waitlist::EntryState;
use sandbox::Authentication;
use workers::{PoolSize, WorkersConfig};

use crate::eventually::eventually;
use crate::soak;
use crate::world::{Answer, PRICE, Post, Sale, Vouched, World, pools};

/// Orders of each kind that is not paid.
const EACH: u32 = 4;

impl World {
    /// The organizer calls a sale off.
    pub(crate) async fn calls_off(&self, sale: &Sale) {
        let row = sale_fetch(&self.gateway, SaleName::Id(sale.id)).await.expect("an answer").expect("the sale");
        let decided = sale_cancel(&self.gateway, row.organizer, sale.id, "test").await.expect("an answer");
        assert!(matches!(decided, Decided::Done(_)), "{decided:?}");
    }

    /// Whom the letters went to that say that a sale was called off, each letter once.
    fn told_that_it_is_off(&self) -> usize {
        let is_off =
            |mail: &&sandbox::Mail| mail.header("subject").is_some_and(|subject| subject.contains("was called off"));
        let messages = self.mail.messages();
        messages
            .iter()
            .filter(is_off)
            .map(|mail| mail.header("message-id").expect("a name"))
            .collect::<BTreeSet<_>>()
            .len()
    }
}

/// More writes than a test makes.
fn quick_pools() -> WorkersConfig {
    let stripe_writes_per_s = NonZeroU32::new(10_000).expect("a limit");
    WorkersConfig { stripe: PoolSize(16), mail: PoolSize(8), stripe_writes_per_s, ..pools() }
}

/// 40 have paid, in the long run 2,000; some are promised, some are at their bank, some did nothing yet, and somebody waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_is_called_off_gives_everybody_their_money_back() {
    let buyers = if soak::is_on() { 2_000 } else { 40 };
    let world = World::new().await;
    let workers = world.start_as(quick_pools(), Post::Open, Vouched::ByBeacon);
    let units = buyers + 3 * EACH;
    let sale = world.open_sale(units, Manual).await;
    let paid = world.at_the_bank(&sale, 0..buyers, Manual, Answer::Heard).await;
    for history in &paid {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), i64::from(buyers) * PRICE);

    world.holds_back_what_comes("payment_capture").await;
    let promised = world.at_the_bank(&sale, buyers..buyers + EACH, Manual, Answer::Heard).await;
    world.at_the_bank(&sale, buyers + EACH..buyers + 2 * EACH, Manual, Answer::Heard).await;
    for unit in buyers + 2 * EACH..units {
        let place = PlaceNumber(u64::from(unit) + 1_000_000);
        world.orders_unheld(&sale, place, vec![(sale.tier.clone(), UnitNo(unit))]).await;
    }
    let fan = world.waits(&sale, "fan@example.org").await;
    for history in &promised {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
        world.until_order_is(&history.order, OrderState::Processing).await;
    }
    world.calls_off(&sale).await;

    let left = "SELECT count(*) FROM orders WHERE state NOT IN ('refunded', 'cancelled')";
    eventually("every order is over", async || {
        world.posts_events().await;
        world.count(left).await == 0
    })
    .await;
    eventually("nobody waits", async || world.entry_state(&sale, fan).await == EntryState::Over).await;
    world.until_idle().await;
    let (captured, refunded) = (world.stripe.captured_total("eur"), world.stripe.refunded_total("eur"));
    assert!(captured >= i64::from(buyers) * PRICE, "{captured}");
    assert_eq!(refunded, captured, "to the cent");
    assert_eq!(world.count("SELECT coalesce(sum(captured - refunded), 0)::bigint FROM payments").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM payments WHERE state = 'authorised'").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM tickets WHERE state <> 'void'").await, 0);
    assert_eq!(
        world.count("SELECT count(*) FROM outbox WHERE kind = 'units_return'").await,
        0,
        "nothing is sold again"
    );
    let everybody = usize::try_from(units).expect("few") + 1;
    assert_eq!(world.told_that_it_is_off(), everybody, "each order, and who waited");
    let other = "SELECT count(*) FROM outbox
                  WHERE kind IN ('mail_refund_made', 'mail_payment_released', 'mail_payment_refunded', 'mail_waitlist_offer')";
    assert_eq!(world.count(other).await, 0, "nobody is told the same twice, nor offered anything");
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}
