//! The waitlist with workers: mail, offers that lapse, and a Redis that sells nothing past the line.

use std::time::{Duration, Instant};

use domain::EntryId;
use domain::sale::CaptureMode::Manual;
use domain::token::EntryProof;
use ledger::orders::{CancelOrder, OrderRow, order_cancel};
use ledger::waitlist::{
    Confirm, EntryState, Join, NewEntry, waitlist_confirm, waitlist_fetch, waitlist_join, waitlist_leave,
};
use sandbox::Mail;
use uuid::Uuid;

use crate::eventually::eventually;
use crate::world::{Post, Sale, World};

const SOON: Duration = Duration::from_secs(30);
/// Longer than the queue has to join.
pub(crate) const GATHERED: Duration = Duration::from_secs(301);
/// Longer than an offer lives.
pub(crate) const LAPSED: Duration = Duration::from_secs(1_801);

impl World {
    /// Somebody asks for a unit of a sale that is sold out.
    pub(crate) async fn asks_to_wait(&self, sale: &Sale, email: &str) -> EntryId {
        let entry = NewEntry {
            id: EntryId::from_uuid(Uuid::now_v7()),
            sale: sale.id,
            tiers: vec![sale.tier.clone()],
            quantity: 1,
            email: email.to_owned(),
            number: None,
        };
        let joined = waitlist_join(&self.gateway, &entry).await.expect("Postgres answers");
        assert!(matches!(joined, Join::Joined(_)), "{joined:?}");
        entry.id
    }

    /// The same, and confirms it.
    pub(crate) async fn waits(&self, sale: &Sale, email: &str) -> EntryId {
        let entry = self.asks_to_wait(sale, email).await;
        let confirmed = waitlist_confirm(&self.gateway, sale.id, entry).await.expect("Postgres answers");
        assert!(matches!(confirmed, Confirm::Confirmed(_)), "{confirmed:?}");
        entry
    }

    /// Its buyer gives an order up that is not paid.
    pub(crate) async fn gives_back_unpaid(&self, order: &OrderRow) {
        let cancelled = order_cancel(&self.gateway, order.sale, order.id).await.expect("Postgres answers");
        assert!(matches!(cancelled, CancelOrder::Cancelled(_)), "{cancelled:?}");
    }

    /// Leaves the line, or gives an offer back.
    pub(crate) async fn leaves_the_line(&self, sale: &Sale, entry: EntryId) {
        waitlist_leave(&self.gateway, sale.id, entry).await.expect("Postgres answers").expect("the entry");
    }

    pub(crate) async fn entry_state(&self, sale: &Sale, entry: EntryId) -> EntryState {
        let row = waitlist_fetch(&self.gateway, sale.id, entry).await.expect("Postgres answers");
        row.expect("the entry").state
    }
}

/// The link of a letter: where it leads, and that it opens the entry as its mail's reader.
fn follows(world: &World, sale: &Sale, entry: EntryId, mail: &Mail) {
    let text = mail.text().expect("a text part");
    let link = text.lines().find(|line| line.starts_with("https://tickets.example/s/")).expect("a link");
    let (page, token) = link.split_once("#token=").expect("a token in the fragment");
    assert!(page.ends_with(&format!("/waitlist/{entry}")), "{page}");
    let opens = world.signer.verify_entry(token.trim()).expect("our token");
    assert_eq!((opens.sale, opens.entry, opens.proof), (sale.id, entry, EntryProof::Mailed));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_by_mail_and_redis_sells_nothing_past_the_line() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    world.orders(&sale, 1).await;
    eventually("the unit left Redis", async || world.stock(&sale).await == (0, 0)).await;
    let first = world.asks_to_wait(&sale, "first@example.org").await;
    let asked = world.mail.wait_for(|mail| mail.to == ["first@example.org"], SOON).await.expect("a mail");
    assert_eq!(asked.subject(), "Confirm your place on the waitlist for Night <Live>");
    assert_eq!(asked.header("message-id"), Some(format!("<waitlist_joined.{first}@tickets.example>")));
    follows(&world, &sale, first, &asked);
    waitlist_confirm(&world.gateway, sale.id, first).await.expect("Postgres answers");
    let second = world.waits(&sale, "second@example.org").await;

    // The order runs out by then, too.
    world.advances(GATHERED).await;
    let offer = |mail: &Mail| mail.subject().starts_with("Your turn: 1 × ");
    let offered =
        world.mail.wait_for(|mail| offer(mail) && mail.to == ["first@example.org"], SOON).await.expect("a mail");
    follows(&world, &sale, first, &offered);

    let ran_out = Instant::now();
    world.advances(LAPSED).await;
    eventually("the next has it", async || world.entry_state(&sale, second).await == EntryState::Offered).await;
    eprintln!("the next in line had an offer {:?} after the first one's time ran out", ran_out.elapsed());
    assert_eq!(world.entry_state(&sale, first).await, EntryState::Lapsed);
    let over = |mail: &Mail| mail.subject() == "Your offer for Night <Live> is over";
    let told = world.mail.wait_for(|mail| over(mail) && mail.to == ["first@example.org"], SOON).await.expect("a mail");
    follows(&world, &sale, first, &told);
    world.mail.wait_for(|mail| offer(mail) && mail.to == ["second@example.org"], SOON).await.expect("a mail");

    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE kind = 'units_return'").await, 0);
    assert_eq!(world.stock(&sale).await, (0, 0), "Redis never had it to sell");
    world.leaves_the_line(&sale, second).await;
    eventually("nobody waits any more, so it is on sale", async || world.stock(&sale).await == (1, 0)).await;
    world.until_idle().await;
    world.audit().await;
    workers.stop().await;
}

/// "You sent me an offer after it was over": what is not so any more when the mail leaves is not said.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_would_be_wrong_by_now_is_not_sent() {
    let world = World::new().await;
    let without_mail = world.start(Post::None);
    let sale = world.open_sale(1, Manual).await;
    world.orders(&sale, 1).await;
    let entry = world.waits(&sale, "ada@example.org").await;
    // The order runs out by then, too.
    world.advances(GATHERED).await;
    eventually("it is offered", async || world.entry_state(&sale, entry).await == EntryState::Offered).await;
    world.advances(LAPSED).await;
    eventually("it lapsed", async || world.entry_state(&sale, entry).await == EntryState::Lapsed).await;
    without_mail.stop().await;
    let workers = world.start(Post::Open);
    world.until_idle().await;
    let to_ada: Vec<_> = world.mail.messages().into_iter().filter(|mail| mail.to == ["ada@example.org"]).collect();
    let subjects: Vec<_> = to_ada.iter().map(Mail::subject).collect();
    assert_eq!(subjects, ["Your offer for Night <Live> is over"], "neither to confirm nor to take anything");
    workers.stop().await;
}
