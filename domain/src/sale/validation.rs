//! What a sale's configuration must satisfy beyond its shape: every fault at once, each with a JSON pointer.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::money::Money;
use crate::price::{CHARGE_MAX, charge_min, dearest_order, unit_price};

use super::letters::{self, OPENING_CHARS_MAX};
use super::{
    PERFORMANCES_MAX, PHASES_MAX, PROOF_OF_WORK_BITS_MAX, SLUG_BYTES_MAX, SaleConfig, TERMS_CHARS_MAX, UNITS_MAX,
    is_of_our_era,
};

mod changes;
mod tiers;
mod withheld;

/// One thing wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What must hold.
    pub detail: String,
}

/// The longest name people read.
const NAME_CHARS_MAX: usize = 200;
/// The highest price of a unit.
const PRICE_MAX: i64 = CHARGE_MAX;
/// The most fees and the most taxes of a sale.
const CHARGES_MAX: usize = 8;
/// The largest share a fee or a tax may take: all of the price.
const BASIS_POINTS_MAX: u32 = 10_000;
/// The highest admission rate; beyond it the rate is no limit on any machine we know.
const RATE_MAX_PER_S: u32 = 100_000;
/// The shortest window in which only receipts are honoured: every gateway must have seen the new epoch before anything new is
/// held in it, and what a gateway shows is at most 2 s old.
const RECLAIM_WINDOW_MIN_S: u32 = 3;
/// The longest one: nobody else can buy meanwhile, and whoever is not back by then has closed the page.
const RECLAIM_WINDOW_MAX_S: u32 = 300;
/// The longest window of a turn, a session or a hold: a day.
const WINDOW_MAX_S: u32 = 86_400;
/// The longest an offer may keep units from everybody else: a week.
const OFFER_TTL_MAX_S: u32 = 604_800;

impl SaleConfig {
    /// Everything that is wrong with the configuration; empty when it may be published.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.check_names(&mut faults);
        self.check_dates(&mut faults);
        self.check_performances(&mut faults);
        self.check_letters(&mut faults);
        self.check_phases(&mut faults);
        self.check_tiers(&mut faults);
        self.check_allocations(&mut faults);
        self.check_withheld(&mut faults);
        self.check_join(&mut faults);
        self.check_admission(&mut faults);
        self.check_hold(&mut faults);
        self.check_offers(&mut faults);
        self.check_charges(&mut faults);
        if faults.0.is_empty() {
            self.check_dearest_order(&mut faults);
            self.check_cheapest_units(&mut faults);
        }
        faults.0
    }

    /// An order that Stripe would not take could be made and never be paid.
    fn check_dearest_order(&self, faults: &mut Faults) {
        let fits = dearest_order(self).is_ok_and(|total| total.minor <= CHARGE_MAX);
        let most = format!("so cheap that all one buyer may have costs at most {CHARGE_MAX}, fees and taxes included");
        faults.require(fits, "/tiers", most);
    }

    /// An order of one unit, which is the cheapest that costs anything, must be one that Stripe takes.
    fn check_cheapest_units(&self, faults: &mut Faults) {
        let least = Money::new(charge_min(self.currency), self.currency);
        for (index, tier) in self.tiers.iter().enumerate() {
            let price = unit_price(self, tier).map_or(0, |price| price.total.minor);
            let fits = price == 0 || price >= least.minor;
            let enough = format!(
                "0, or so high that one ticket costs at least {least}, fees and taxes included: Stripe takes no less"
            );
            faults.require(fits, format!("/tiers/{index}/price"), enough);
        }
    }

    fn check_names(&self, faults: &mut Faults) {
        faults.require(is_name(&self.name), "/name", format!("1 to {NAME_CHARS_MAX} characters"));
        let slug = self.slug_or_from_name();
        faults.require(is_slug(&slug), "/slug", format!("1 to {SLUG_BYTES_MAX} of a-z, 0-9 and -"));
        for (pointer, text) in [("/venue", &self.venue), ("/category", &self.category)] {
            faults.require(
                text.is_empty() || is_name(text),
                pointer,
                format!("at most {NAME_CHARS_MAX} characters, none of them a control character"),
            );
        }
        let zone = jiff::tz::TimeZone::get(&self.time_zone);
        faults.require(zone.is_ok(), "/time_zone", "an IANA time zone, like Europe/Berlin");
    }

    fn check_dates(&self, faults: &mut Faults) {
        faults.require(is_of_our_era(&self.opens_at), "/opens_at", "after the year 0");
        let in_order = self.closes_at.is_none_or(|closes_at| self.opens_at < closes_at);
        faults.require(in_order, "/closes_at", "later than opens_at");
        let registers_before = self.prequeue_opens_at.is_none_or(|at| is_of_our_era(&at) && at <= self.opens_at);
        faults.require(registers_before, "/prequeue_opens_at", "at or before opens_at");
    }

    fn check_performances(&self, faults: &mut Faults) {
        let few = self.performances.len() <= PERFORMANCES_MAX;
        faults.require(few, "/performances", format!("at most {PERFORMANCES_MAX}"));
        for (index, performance) in self.performances.iter().enumerate() {
            let at = |field: &str| format!("/performances/{index}/{field}");
            for (field, text) in [("name", &performance.name), ("venue", &performance.venue)] {
                let fits = text.is_empty() || is_name(text);
                faults.require(
                    fits,
                    at(field),
                    format!("at most {NAME_CHARS_MAX} characters, none of them a control character"),
                );
            }
            faults.require(is_of_our_era(&performance.starts_at), at("starts_at"), "after the year 0");
            let in_order = performance.ends_at.is_none_or(|ends_at| performance.starts_at < ends_at);
            faults.require(in_order, at("ends_at"), "later than starts_at");
        }
        let printable = self.terms.chars().count() <= TERMS_CHARS_MAX
            && !self.terms.chars().any(|character| character.is_control() && character != '\n');
        let rule = format!("at most {TERMS_CHARS_MAX} characters, no control characters but line ends");
        faults.require(printable, "/terms", rule);
    }

    fn check_letters(&self, faults: &mut Faults) {
        for (kind, letter) in &self.letters {
            let at = |field: &str| format!("/letters/{}/{field}", kind.word());
            let one_line = letter.subject.is_empty() || is_name(&letter.subject);
            let rule = format!("at most {NAME_CHARS_MAX} characters, none of them a control character");
            faults.require(one_line, at("subject"), rule);
            let printable = letter.opening.chars().count() <= OPENING_CHARS_MAX
                && !letter.opening.chars().any(|character| character.is_control() && character != '\n');
            let rule = format!("at most {OPENING_CHARS_MAX} characters, no control characters but line ends");
            faults.require(printable, at("opening"), rule);
            for (field, text) in [("subject", &letter.subject), ("opening", &letter.opening)] {
                if let Err(bad) = letters::check(*kind, text) {
                    faults.require(false, at(field), bad.to_string());
                }
            }
        }
    }

    fn check_phases(&self, faults: &mut Faults) {
        faults.require(self.phases.len() <= PHASES_MAX, "/phases", format!("at most {PHASES_MAX}"));
        let Some(first) = self.phases.first() else {
            return;
        };
        faults.require(first.opens_at == self.opens_at, "/opens_at", "when the first phase opens");
        let mut ids = BTreeSet::new();
        for (index, phase) in self.phases.iter().enumerate() {
            let at = |field: &str| format!("/phases/{index}/{field}");
            faults.require(ids.insert(&phase.id), at("id"), "different from the other phases' ids");
            faults.require(is_of_our_era(&phase.opens_at), at("opens_at"), "after the year 0");
            let registers_before = phase.prequeue_opens_at.is_none_or(|at| is_of_our_era(&at) && at <= phase.opens_at);
            faults.require(registers_before, at("prequeue_opens_at"), "at or before opens_at");
            let in_order = phase.closes_at.is_none_or(|closes_at| phase.opens_at < closes_at);
            faults.require(in_order, at("closes_at"), "later than opens_at");
            let within = phase.closes_at.zip(self.closes_at).is_none_or(|(phase, sale)| phase <= sale);
            faults.require(within, at("closes_at"), "at or before the sale's closes_at");
        }
        for (index, pair) in self.phases.windows(2).enumerate() {
            let (before, after) = (&pair[0], &pair[1]);
            let apart = before.opens_at < after.opens_at && before.closes_at.is_none_or(|end| end <= after.opens_at);
            faults.require(apart, format!("/phases/{}/opens_at", index + 1), "after the phase before it");
        }
        let last_opens = self.phases.last().map(|last| last.opens_at);
        let ends_after = self.closes_at.zip(last_opens).is_none_or(|(closes_at, opens_at)| opens_at < closes_at);
        faults.require(ends_after, "/closes_at", "later than the last phase's opens_at");
    }

    fn check_join(&self, faults: &mut Faults) {
        let bits = self.join.proof_of_work_bits;
        faults.require(
            bits <= PROOF_OF_WORK_BITS_MAX,
            "/join/proof_of_work_bits",
            format!("at most {PROOF_OF_WORK_BITS_MAX}"),
        );
    }

    fn check_admission(&self, faults: &mut Faults) {
        let admission = &self.admission;
        for (field, value, max) in [
            ("rate_per_s", admission.rate_per_s, RATE_MAX_PER_S),
            ("burst", admission.burst, RATE_MAX_PER_S),
            ("max_shoppers", admission.max_shoppers, UNITS_MAX),
            ("session_s", admission.session_s, WINDOW_MAX_S),
            ("claim_window_s", admission.claim_window_s, WINDOW_MAX_S),
        ] {
            faults.require((1..=max).contains(&value), format!("/admission/{field}"), format!("1 to {max}"));
        }
        faults.require(admission.overbook <= UNITS_MAX, "/admission/overbook", format!("at most {UNITS_MAX}"));
    }

    fn check_hold(&self, faults: &mut Faults) {
        let hold = &self.hold;
        for (field, value) in [
            ("checkout_window_s", hold.checkout_window_s),
            ("min_ttl_s", hold.min_ttl_s),
            ("max_ttl_s", hold.max_ttl_s),
        ] {
            faults.require(
                (1..=WINDOW_MAX_S).contains(&value),
                format!("/hold/{field}"),
                format!("1 to {WINDOW_MAX_S}"),
            );
        }
        faults.require(hold.min_ttl_s <= hold.max_ttl_s, "/hold/max_ttl_s", "at least min_ttl_s");
        faults.require(hold.p99_multiple <= 100, "/hold/p99_multiple", "at most 100");
        faults.require(hold.extensions_max <= 10, "/hold/extensions_max", "at most 10");
        faults.require(
            (RECLAIM_WINDOW_MIN_S..=RECLAIM_WINDOW_MAX_S).contains(&hold.reclaim_window_s),
            "/hold/reclaim_window_s",
            format!("{RECLAIM_WINDOW_MIN_S} to {RECLAIM_WINDOW_MAX_S}"),
        );
    }

    /// Whoever gets an offer by mail is not to have less time than who stands at the counter.
    fn check_offers(&self, faults: &mut Faults) {
        let in_range = self.offer_ttl_s.is_none_or(|ttl_s| (self.hold.max_ttl_s..=OFFER_TTL_MAX_S).contains(&ttl_s));
        faults.require(in_range, "/offer_ttl_s", format!("hold.max_ttl_s to {OFFER_TTL_MAX_S}"));
    }

    fn check_charges(&self, faults: &mut Faults) {
        faults.require(self.fees.len() <= CHARGES_MAX, "/fees", format!("at most {CHARGES_MAX}"));
        faults.require(self.taxes.len() <= CHARGES_MAX, "/taxes", format!("at most {CHARGES_MAX}"));
        for (index, fee) in self.fees.iter().enumerate() {
            let at = |field: &str| format!("/fees/{index}/{field}");
            faults.require(is_name(&fee.name), at("name"), format!("1 to {NAME_CHARS_MAX} characters"));
            faults.require((0..=PRICE_MAX).contains(&fee.per_unit), at("per_unit"), format!("0 to {PRICE_MAX}"));
            faults.require(
                fee.basis_points <= BASIS_POINTS_MAX,
                at("basis_points"),
                format!("at most {BASIS_POINTS_MAX}"),
            );
        }
        for (index, tax) in self.taxes.iter().enumerate() {
            let at = |field: &str| format!("/taxes/{index}/{field}");
            faults.require(is_name(&tax.name), at("name"), format!("1 to {NAME_CHARS_MAX} characters"));
            faults.require(
                tax.basis_points <= BASIS_POINTS_MAX,
                at("basis_points"),
                format!("at most {BASIS_POINTS_MAX}"),
            );
        }
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    #[expect(clippy::fn_params_excessive_bools, reason = "the bool is the checked condition, not a mode")]
    fn require(&mut self, holds: bool, pointer: impl Into<String>, detail: impl Into<String>) {
        if !holds {
            self.0.push(Fault { pointer: pointer.into(), detail: format!("must be {}", detail.into()) });
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control)
}

fn is_slug(text: &str) -> bool {
    (1..=SLUG_BYTES_MAX).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
