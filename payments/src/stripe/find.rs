//! Intents whose id nobody was told: looked for by what they say they are for.
//!
//! An intent names its order and the number of its attempt ([`ORDER_KEY`], [`ATTEMPT_KEY`]), which together are one call. Search
//! finds it in one request, but knows it only after up to a minute, and in an outage of Stripe later
//! (<https://docs.stripe.com/search>). A list has it at once, among everything else that was made then. So whoever finds
//! nothing by search and has to be sure reads the list.

use domain::OrderId;
use jiff::Timestamp;
use stripe_core::payment_intent::{ListPaymentIntent, SearchPaymentIntent};
use stripe_types::{RangeBoundsTs, RangeQueryTs};

use super::{Stripe, unreadable};
use crate::error::{StripeError, UnknownOutcome};
use crate::intent::{ATTEMPT_KEY, Intent, ORDER_KEY};

/// Intents asked for at once, which is the most that Stripe tells.
const PAGE: i64 = 100;
/// The most pages looked through: 200 seconds of what Stripe's usual limit lets through, read in two.
const PAGES_MAX: u32 = 200;

impl Stripe {
    /// The intent of an attempt, as search knows it: what was made within the last minute may be missing.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn find(&self, order: OrderId, attempt: u32) -> Result<Option<Intent>, StripeError> {
        // Both are written by us and have nothing in them that would need an escape.
        let query = format!("metadata['{ORDER_KEY}']:'{order}' AND metadata['{ATTEMPT_KEY}']:'{attempt}'");
        let found = self.call(&SearchPaymentIntent::new(query).limit(PAGE), None).await?;
        let found = found.data.into_iter().map(Intent::from_generated).collect::<Result<Vec<_>, _>>();
        Ok(found.map_err(unreadable)?.into_iter().find(|intent| intent.is_of(order, attempt)))
    }

    /// All intents that were made in that time, both ends included, ours and others.
    ///
    /// # Errors
    /// [`StripeError`]; [`UnknownOutcome::Unreadable`] when there are too many to look through.
    pub async fn made_between(&self, first: Timestamp, last: Timestamp) -> Result<Vec<Intent>, StripeError> {
        let span = RangeBoundsTs { gte: Some(first.as_second()), lte: Some(last.as_second()), ..Default::default() };
        let mut request = ListPaymentIntent::new().created(RangeQueryTs::Bounds(span)).limit(PAGE);
        let mut made = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.call(&request, None).await?;
            let next = page.data.last().map(|last| last.id.to_string()).filter(|_| page.has_more);
            for generated in page.data {
                made.push(Intent::from_generated(generated).map_err(unreadable)?);
            }
            match next {
                Some(last) => request = request.starting_after(last),
                None => return Ok(made),
            }
        }
        Err(StripeError::Unknown(UnknownOutcome::Unreadable("more intents than are looked through".to_owned())))
    }
}

impl Intent {
    /// Whether it says that it is that attempt to pay that order.
    #[must_use]
    pub fn is_of(&self, order: OrderId, attempt: u32) -> bool {
        self.order == Some(order) && self.attempt == Some(attempt)
    }
}
