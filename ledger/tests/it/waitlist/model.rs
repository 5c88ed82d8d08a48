//! Random acts on two tiers beside a small model of their lines: after every act each entry, each offer and each unit is where the
//! model says, and every invariant holds. A failure names its seed; the same seed plays the same acts.
//!
//! Time goes in steps that are longer than the queue has to join, and now and then the sale is paused. Offers of every other seed live
//! longer than units are kept for who wants more, those of the others shorter.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use domain::{EntryId, OrderId, TierId, UnitNo};
use ledger::orders::CreateOrder;
use ledger::sales::{sale_pause, sale_resume};
use ledger::waitlist::claims::Claim;
use ledger::waitlist::{Confirm, Join, NewEntry};
use serde_json::json;
use uuid::Uuid;

use self::oracle::{Life, Oracle, TIERS, Unit};
use super::{GATHERED_MS, Line};
use crate::dice::Dice;
use crate::soak;
use crate::world::{TestSale, World, connect};

mod oracle;

const SEEDS: u64 = 2;
const SEEDS_SOAK: u64 = 60;
const ACTS: u32 = 150;
const ACTS_SOAK: u32 = 500;

/// Which tiers a wish may name, the best liked first.
const WANTED: [&[usize]; 4] = [&[0], &[1], &[0, 1], &[1, 0]];

/// Of each tier.
const UNITS: usize = 5;

/// How a seed plays.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// How long an offer lives, and how many steps are longer than that: one less is not.
    offer_ttl_s: u32,
    offer_steps: u64,
    /// What people wish for.
    quantities: [u32; 4],
    /// Of so many acts that are none of buying, one is nevertheless: where what is free is bought soon, lines are long.
    buys_every: u64,
}

/// Lines that come and go, and lines of many who want more than there is.
const KINDS: [Kind; 2] = [
    Kind { offer_ttl_s: 3_600, offer_steps: 12, quantities: [1, 1, 2, 3], buys_every: 100 },
    Kind { offer_ttl_s: 1_200, offer_steps: 4, quantities: [1, 2, 3, 3], buys_every: 3 },
];

/// Every entry with its offer.
const ENTRIES: &str = "
    SELECT e.id, e.state, o.tier_id, o.unit_nos FROM waitlist_entries e
      LEFT JOIN offers o ON o.sale_id = e.sale_id AND o.entry_id = e.id";

/// Every unit: free, ordered, kept or in an offer.
const PLACES: &str = "
    SELECT u.tier_id, u.unit_no,
           CASE WHEN u.state <> 'offered' THEN u.state WHEN o.offer_id IS NULL THEN 'kept' ELSE 'offered' END
      FROM units u LEFT JOIN offered_units o USING (sale_id, tier_id, unit_no)";

/// The database and the model, act by act.
struct Play<'w> {
    line: Line<'w>,
    oracle: Oracle,
    kind: Kind,
    dice: Dice,
    client: tokio_postgres::Client,
    /// Of each entry of the model, its id.
    entries: Vec<EntryId>,
    /// Orders that have their units, and which.
    orders: Vec<(OrderId, usize, Vec<usize>)>,
}

#[tokio::test]
async fn the_lines_do_what_the_oracle_does() {
    let (seeds, acts) = if soak::is_on() { (SEEDS_SOAK, ACTS_SOAK) } else { (SEEDS, ACTS) };
    let mut seen = BTreeMap::new();
    for seed in 0..seeds {
        let world = World::new().await;
        let kind = KINDS[usize::from(seed % 2 == 1)];
        let sale = two_tiers(&world, kind.offer_ttl_s).await;
        let mut play = Play {
            line: Line { world: &world, sale: &sale },
            oracle: Oracle::of(UNITS, kind.offer_steps),
            kind,
            dice: Dice::of_seed(seed),
            client: connect(&world.database.url).await,
            entries: Vec::new(),
            orders: Vec::new(),
        };
        play.sells_out().await;
        for act in 0..acts {
            let did = play.acts().await;
            *seen.entry(did).or_insert(0) += 1;
            play.compare(&format!("seed {seed}, act {act}: {did}")).await;
        }
        world.audits_clean().await;
        *seen.entry("gets fewer").or_insert(0) += play.oracle.got_fewer();
        for life in play.oracle.lives() {
            *seen.entry(life).or_insert(0) += 1;
        }
    }
    eprintln!("{seen:?}");
    for wanted in [
        "joins",
        "claims",
        "declines",
        "leaves",
        "gives back",
        "waits",
        "pauses",
        "goes on",
        "buys",
        "is told to buy",
        "gets fewer",
        "Lapsed",
        "Claimed",
    ] {
        assert!(seen.get(wanted).is_some_and(|times| *times > 0), "nobody {wanted}: {seen:?}");
    }
}

async fn two_tiers(world: &World, ttl_s: u32) -> TestSale<'_> {
    let tier = |id: &str| json!({ "id": id, "name": id, "price": 4500, "capacity": UNITS });
    world.sale_with(json!({ "tiers": TIERS.map(tier), "offer_ttl_s": ttl_s })).await
}

fn tier(index: usize) -> TierId {
    TIERS[index].parse().expect("a tier")
}

impl Play<'_> {
    /// One act, in both; what it was.
    async fn acts(&mut self) -> &'static str {
        // A pause is a few acts long.
        if self.oracle.is_paused() && self.dice.below(3) == 0 {
            return self.pauses_or_goes_on().await;
        }
        if self.dice.below(self.kind.buys_every) == 0 {
            return self.buys().await;
        }
        match self.dice.below(16) {
            0..=3 => self.joins().await,
            4..=6 => self.gives_back().await,
            7 | 8 => self.leaves().await,
            9 | 10 => self.claims().await,
            11 | 12 => self.waits().await,
            13 => self.pauses_or_goes_on().await,
            _ => self.buys().await,
        }
    }

    /// Before anybody can wait, all is bought, one or two at a time.
    async fn sells_out(&mut self) {
        for of in 0..TIERS.len() {
            while let Some(most) = NonZeroUsize::new(self.oracle.free(of).len()) {
                let quantity = usize::try_from(self.dice.between(1, 2)).expect("few").min(most.get());
                self.buys_of(of, quantity).await;
            }
        }
    }

    async fn joins(&mut self) -> &'static str {
        let tiers = *self.dice.of(&WANTED);
        let quantity = *self.dice.of(&self.kind.quantities);
        let wish = NewEntry { tiers: tiers.iter().copied().map(tier).collect(), ..self.line.sale.wish(quantity) };
        let joined = self.line.joins(&wish).await;
        assert!(matches!(joined, Join::Joined(_)), "{joined:?}");
        self.entries.push(wish.id);
        let entry = self.oracle.joins(tiers, usize::try_from(quantity).expect("few"));
        match (self.line.confirms(wish.id).await, self.oracle.confirms(entry)) {
            (Confirm::Confirmed(_), None) => "joins",
            (Confirm::OnSale(said), Some(on_sale)) => {
                assert_eq!(said, tier(on_sale));
                self.line.leaves(wish.id).await;
                self.oracle.leaves(entry);
                "is told to buy"
            }
            (said, expected) => panic!("{said:?}, expected {expected:?}"),
        }
    }

    async fn gives_back(&mut self) -> &'static str {
        if self.orders.is_empty() {
            return "nothing to give back";
        }
        let which = usize::try_from(self.dice.below(self.orders.len() as u64)).expect("few");
        let (order, of, units) = self.orders.swap_remove(which);
        self.line.gives_back(order).await;
        self.oracle.frees(of, &units);
        "gives back"
    }

    async fn leaves(&mut self) -> &'static str {
        let Some(entry) = self.some(|life| matches!(life, Life::Waiting | Life::Offered { .. })) else {
            return "nobody to leave";
        };
        let was_waiting = matches!(self.oracle.life(entry), Life::Waiting);
        self.line.leaves(self.entries[entry]).await;
        self.oracle.leaves(entry);
        if was_waiting { "leaves" } else { "declines" }
    }

    async fn claims(&mut self) -> &'static str {
        let Some(entry) = self.some(|life| matches!(life, Life::Offered { .. })) else {
            return "nobody to claim";
        };
        let claim = self.line.claims(self.entries[entry]).await;
        if self.oracle.is_paused() {
            assert_eq!(claim, Claim::SalePaused);
            return "is told of the pause";
        }
        let Claim::Created(order) = claim else { panic!("{claim:?}") };
        let (of, units) = self.oracle.claims(entry);
        self.orders.push((order.id, of, units));
        "claims"
    }

    /// Time passes, and the sweeps are there.
    async fn waits(&mut self) -> &'static str {
        let steps = self.dice.between(1, 8);
        self.line.passes(GATHERED_MS * steps).await;
        self.line.lapse().await;
        self.line.tend().await;
        self.oracle.waits(u64::try_from(steps).expect("some"));
        "waits"
    }

    async fn pauses_or_goes_on(&mut self) -> &'static str {
        let (gateway, sale) = (&self.line.world.gateway, self.line.sale);
        if self.oracle.is_paused() {
            sale_resume(gateway, sale.organizer, sale.id).await.expect("it goes on");
            self.line.tend().await;
            self.oracle.goes_on();
            "goes on"
        } else {
            sale_pause(gateway, sale.organizer, sale.id).await.expect("it is paused");
            self.oracle.pauses();
            "pauses"
        }
    }

    /// Somebody buys one or two of each tier that has some.
    async fn buys(&mut self) -> &'static str {
        let mut bought = "nothing to buy";
        for of in 0..TIERS.len() {
            let free = self.oracle.free(of).len();
            if free > 0 && !self.oracle.is_paused() {
                self.buys_of(of, free.min(2)).await;
                bought = "buys";
            }
        }
        bought
    }

    async fn buys_of(&mut self, of: usize, quantity: usize) {
        let units: Vec<_> = self.oracle.free(of).into_iter().take(quantity).collect();
        let mut order = self.line.sale.order(units.iter().map(|unit| u32::try_from(*unit).expect("few")));
        for (of_unit, _) in &mut order.units {
            *of_unit = tier(of);
        }
        for of_line in &mut order.lines {
            of_line.tier = tier(of);
        }
        let created = self.line.sale.creates(&order).await;
        let CreateOrder::Created(order) = created else { panic!("{created:?}") };
        self.oracle.buys(of, &units);
        self.orders.push((order.id, of, units));
    }

    fn some(&mut self, wanted: impl Fn(&Life) -> bool) -> Option<usize> {
        let fit: Vec<_> = (0..self.entries.len()).filter(|entry| wanted(self.oracle.life(*entry))).collect();
        (!fit.is_empty()).then(|| *self.dice.of(&fit))
    }

    async fn compare(&self, when: &str) {
        let rows = self.client.query(ENTRIES, &[]).await.expect("the entries");
        let stored: BTreeMap<Uuid, _> = rows.iter().map(|row| (row.get(0), row)).collect();
        for (entry, id) in self.entries.iter().enumerate() {
            let row = stored[&id.uuid()];
            let life = self.oracle.life(entry);
            assert_eq!(row.get::<_, &str>(1), life.word(), "{when}: entry {entry}, {life:?}");
            if let Life::Offered { tier, units, .. } = life {
                let offered: Vec<usize> =
                    row.get::<_, Vec<i32>>(3).into_iter().map(|unit| usize::try_from(unit).expect("few")).collect();
                assert_eq!((row.get::<_, &str>(2), &offered), (TIERS[*tier], units), "{when}: entry {entry}");
            }
        }
        for row in self.client.query(PLACES, &[]).await.expect("the units") {
            let of = TIERS.iter().position(|name| *name == row.get::<_, &str>(0)).expect("a tier");
            let unit = UnitNo(u32::try_from(row.get::<_, i32>(1)).expect("few"));
            let expected = match self.oracle.unit(of, usize::try_from(unit.0).expect("few")) {
                Unit::Free => "free",
                Unit::Ordered => "ordered",
                Unit::Kept { .. } => "kept",
                Unit::Offered => "offered",
            };
            assert_eq!(row.get::<_, &str>(2), expected, "{when}: unit {unit} of {}", TIERS[of]);
        }
    }
}
