//! Ten scripted buyers, each a story that the public API must tell the same way every time.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{ActorError, Buyer, Card, Edge, Order, Visitor};
use serde_json::Value;

/// How long a buyer waits for the opening and the draw.
const NUMBER_WITHIN: Duration = Duration::from_secs(60);
/// How long a buyer waits for the turn; the demo's queue is short.
const TURN_WITHIN: Duration = Duration::from_secs(30);
/// How long a paid order may take to have its tickets.
const TICKETS_WITHIN: Duration = Duration::from_secs(30);

/// What a buyer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// Buys so many.
    Buys(u32),
    /// Is declined, gives up.
    Declined,
    /// Is declined, tries another card.
    TriesAgain(u32),
    /// Leaves the queue.
    Leaves,
    /// Holds, and lets the time run out.
    LetsItExpire,
}

/// The cast; they all register before the doors open.
pub(super) const CAST: [(&str, Story); 10] = [
    ("Ada", Story::Buys(2)),
    ("Blaise", Story::Buys(1)),
    ("Carl", Story::Declined),
    ("Dorothy", Story::Buys(4)),
    ("Edsger", Story::Leaves),
    ("Frances", Story::TriesAgain(2)),
    ("Grace", Story::LetsItExpire),
    ("Hedy", Story::Buys(3)),
    ("Ida", Story::Buys(1)),
    ("Jean", Story::Buys(2)),
];

/// How a story ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) name: &'static str,
    pub(super) story: Story,
    pub(super) result: Result<Outcome, ActorError>,
}

/// What a buyer has at the end.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A paid order with that many valid tickets.
    Tickets { order: String, valid: usize, paid: String },
    /// The bank said no, and the units went back.
    Declined { code: String },
    /// Out of the queue.
    Left,
    /// The hold ran out.
    Expired { hold: String },
}

impl Outcome {
    /// Whether this is how the story should end.
    pub(super) fn fits(&self, story: Story) -> bool {
        match (story, self) {
            (Story::Buys(wanted) | Story::TriesAgain(wanted), Self::Tickets { valid, .. }) => {
                usize::try_from(wanted) == Ok(*valid)
            }
            (Story::Declined, Self::Declined { .. })
            | (Story::Leaves, Self::Left)
            | (Story::LetsItExpire, Self::Expired { .. }) => true,
            (
                Story::Buys(_) | Story::TriesAgain(_) | Story::Declined | Story::Leaves | Story::LetsItExpire,
                Self::Tickets { .. } | Self::Declined { .. } | Self::Left | Self::Expired { .. },
            ) => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tickets { order, valid: 1, paid } => write!(f, "1 valid ticket for {paid}, {order}"),
            Self::Tickets { order, valid, paid } => write!(f, "{valid} valid tickets for {paid}, {order}"),
            Self::Declined { code } => write!(f, "declined ({code}), units given back"),
            Self::Left => f.write_str("left the queue"),
            Self::Expired { hold } => write!(f, "{hold} ran out, its unit is on sale again"),
        }
    }
}

/// Where the stories take place.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) edge: Edge,
    pub(super) sale: String,
    pub(super) tier: String,
    pub(super) stripe_api_base: String,
    /// A hold lasts no longer than this.
    pub(super) hold_expires_within: Duration,
}

/// Somebody who registered and waits for the draw.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) name: &'static str,
    story: Story,
    visitor: Visitor,
}

impl Registered {
    /// The number that the draw gave.
    pub(super) async fn waits_for_number(&self) -> Result<u64, ActorError> {
        self.visitor.waits_for_number(NUMBER_WITHIN).await
    }
}

/// Plays one story from the draw to its end.
pub(super) async fn play(stage: Stage, registered: Registered) -> Ending {
    let Registered { name, story, visitor } = registered;
    let result = stage.play(&visitor, name, story).await;
    Ending { name, story, result }
}

impl Stage {
    /// Somebody of the cast registers in the prequeue.
    pub(super) async fn registers(&self, name: &'static str, story: Story) -> Result<Registered, ActorError> {
        let mut visitor = Visitor::new(&self.edge, &self.sale);
        visitor.registers().await?;
        Ok(Registered { name, story, visitor })
    }

    async fn play(&self, visitor: &Visitor, name: &str, story: Story) -> Result<Outcome, ActorError> {
        if story == Story::Leaves {
            visitor.leaves().await?.expect(StatusCode::NO_CONTENT)?;
            return Ok(Outcome::Left);
        }
        let buyer = visitor.waits_for_turn(TURN_WITHIN).await?;
        match story {
            Story::Buys(quantity) => self.buys(&buyer, name, quantity, &[Card::Visa]).await,
            Story::TriesAgain(quantity) => self.buys(&buyer, name, quantity, &[Card::Declined, Card::Visa]).await,
            Story::Declined => self.is_declined(&buyer, name).await,
            Story::LetsItExpire => self.lets_it_expire(&buyer).await,
            Story::Leaves => Ok(Outcome::Left),
        }
    }

    async fn buys(&self, buyer: &Buyer, name: &str, quantity: u32, cards: &[Card]) -> Result<Outcome, ActorError> {
        let order = self.orders(buyer, name, quantity).await?;
        for card in cards {
            let answer = buyer.pays(&order, *card, &self.stripe_api_base).await?;
            if *card == Card::Declined {
                answer.expect(StatusCode::PAYMENT_REQUIRED)?;
            } else {
                answer.expect(StatusCode::OK)?;
            }
        }
        let paid = buyer.waits_until_order_is(&order, "paid", TICKETS_WITHIN).await?;
        let tickets = paid["tickets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let valid = tickets.iter().filter(|ticket| ticket["state"] == "valid").count();
        Ok(Outcome::Tickets { order: order.id, valid, paid: amount(&paid["total"]) })
    }

    async fn is_declined(&self, buyer: &Buyer, name: &str) -> Result<Outcome, ActorError> {
        let hold = buyer.holds(&self.tier, 1).await?;
        let order = buyer.orders(&hold, &email(name), name).await?;
        let refused = buyer.pays(&order, Card::Declined, &self.stripe_api_base).await?;
        let code = refused.code().unwrap_or("no code").to_owned();
        refused.expect(StatusCode::PAYMENT_REQUIRED)?;
        buyer.gives_back(&hold).await?.expect(StatusCode::NO_CONTENT)?;
        Ok(Outcome::Declined { code })
    }

    async fn lets_it_expire(&self, buyer: &Buyer) -> Result<Outcome, ActorError> {
        let hold = buyer.holds(&self.tier, 1).await?;
        tokio::time::sleep(self.hold_expires_within).await;
        let refused = buyer.asks_to_order(&hold, &email("late"), "Late").await?;
        match refused.code() {
            Some("hold_expired") => Ok(Outcome::Expired { hold: hold.id }),
            _ => Err(refused.into_error()),
        }
    }

    async fn orders(&self, buyer: &Buyer, name: &str, quantity: u32) -> Result<Order, ActorError> {
        let hold = buyer.holds(&self.tier, quantity).await?;
        buyer.orders(&hold, &email(name), name).await
    }
}

fn email(name: &str) -> String {
    format!("{}@example.com", name.to_lowercase())
}

fn amount(total: &Value) -> String {
    let money: Option<domain::Money> = serde_json::from_value(total.clone()).ok();
    money.map_or_else(|| total.to_string(), |money| money.to_string())
}
