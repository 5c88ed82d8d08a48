//! The crowd: how many come when, with what, how patient they are, what they want, how they pay, and what goes wrong meanwhile.
//!
//! `CROWD.json` names only what differs from the defaults below; docs/rehearsing.md has the table. Reading it names every fault
//! at once, unknown fields too, as a JSON pointer and what must hold. Times are seconds of the sale, shares are from 0 to 1.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use super::faults::{Fault, FaultKind};

/// A day: nothing in a crowd lasts longer.
const DAY_S: f64 = 86_400.0;
/// The most faults of one rehearsal.
const FAULTS_MAX: usize = 20;
/// The most different quantities.
const QUANTITIES_MAX: usize = 20;

/// How fans behave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Crowd {
    pub(super) arrivals: Arrivals,
    pub(super) devices: Devices,
    pub(super) patience: Patience,
    pub(super) wishes: Wishes,
    pub(super) thinking: Thinking,
    pub(super) abandons: Abandons,
    pub(super) payments: Payments,
    pub(super) faults: Vec<Fault>,
}

/// When they come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Arrivals {
    /// Who comes before the opening, and over what time.
    pub(super) before_share: f64,
    pub(super) before_s: f64,
    /// The others come with the opening, fewer and fewer: this is the mean.
    pub(super) after_s: f64,
    /// Some of the others come later at once: when somebody famous says so.
    pub(super) second_wave_share: f64,
    pub(super) second_wave_at_s: f64,
    pub(super) second_wave_s: f64,
}

/// What they watch with; the rest has a socket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Devices {
    pub(super) poll_share: f64,
    /// A socket that goes silent once and comes back.
    pub(super) mobile_share: f64,
    pub(super) silent_after_s: f64,
    pub(super) silent_for_s: f64,
}

/// Who stays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Patience {
    /// Look at the page and go.
    pub(super) looks_only_share: f64,
    /// Join and are never heard of again.
    pub(super) vanishes_share: f64,
    /// The others wait that long for their turn: the median, and how unlike they are.
    pub(super) waits_s: f64,
    pub(super) sigma: f64,
}

/// What they want.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Wishes {
    /// Weights of wanting one, two, three … units.
    pub(super) quantities: Vec<f64>,
    /// Weights of the tiers by id, for who comes first; every other one weighs as much as it has units.
    pub(super) tiers: Vec<(String, f64)>,
    /// Take any other tier when theirs is gone.
    pub(super) flexible_share: f64,
}

/// How long they take; medians.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Thinking {
    pub(super) choosing_s: f64,
    pub(super) form_s: f64,
    pub(super) paying_s: f64,
    pub(super) sigma: f64,
}

/// Who goes away in the middle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Abandons {
    pub(super) choosing_share: f64,
    pub(super) form_share: f64,
    pub(super) paying_share: f64,
    /// Of those who go away from a form: who gives back what is held.
    pub(super) gives_back_share: f64,
}

/// How they pay, and how Stripe answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Payments {
    /// Median time of a call to Stripe.
    pub(super) answer_s: f64,
    pub(super) sigma: f64,
    pub(super) declined_share: f64,
    pub(super) tries_again_share: f64,
    pub(super) three_ds_share: f64,
    pub(super) three_ds_s: f64,
    pub(super) three_ds_failed_share: f64,
    /// What Stripe takes a second from the account; `ONSALE_STRIPE_WRITES_PER_S` says the same.
    pub(super) writes_per_s: f64,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            arrivals: Arrivals {
                before_share: 0.6,
                before_s: 60.0,
                after_s: 45.0,
                second_wave_share: 0.1,
                second_wave_at_s: 120.0,
                second_wave_s: 30.0,
            },
            devices: Devices { poll_share: 0.15, mobile_share: 0.15, silent_after_s: 30.0, silent_for_s: 40.0 },
            patience: Patience { looks_only_share: 0.05, vanishes_share: 0.05, waits_s: 2_400.0, sigma: 0.7 },
            wishes: Wishes { quantities: vec![0.25, 0.5, 0.1, 0.15], tiers: Vec::new(), flexible_share: 0.8 },
            thinking: Thinking { choosing_s: 12.0, form_s: 40.0, paying_s: 20.0, sigma: 0.4 },
            abandons: Abandons { choosing_share: 0.05, form_share: 0.06, paying_share: 0.03, gives_back_share: 0.5 },
            payments: Payments {
                answer_s: 1.0,
                sigma: 0.4,
                declined_share: 0.06,
                tries_again_share: 0.7,
                three_ds_share: 0.25,
                three_ds_s: 15.0,
                three_ds_failed_share: 0.05,
                writes_per_s: 100.0,
            },
            faults: Vec::new(),
        }
    }
}

impl Crowd {
    /// What a file says, of the tiers that the sale has.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(text: &str, tiers: &[String]) -> Result<Self, Vec<String>> {
        let value: Value = serde_json::from_str(text).map_err(|error| vec![format!("is not JSON: {error}")])?;
        let mut wrong = Vec::new();
        let crowd = Self::of(value, tiers, &mut wrong);
        if wrong.is_empty() { Ok(crowd) } else { Err(wrong) }
    }

    fn of(value: Value, tiers: &[String], wrong: &mut Vec<String>) -> Self {
        let default = Self::default();
        let mut all = Fields::of(value, String::new(), wrong);
        let crowd = Self {
            arrivals: Arrivals::of(all.group("arrivals", wrong), default.arrivals, wrong),
            devices: Devices::of(all.group("devices", wrong), default.devices, wrong),
            patience: Patience::of(all.group("patience", wrong), default.patience, wrong),
            wishes: Wishes::of(all.group("wishes", wrong), default.wishes, tiers, wrong),
            thinking: Thinking::of(all.group("thinking", wrong), default.thinking, wrong),
            abandons: Abandons::of(all.group("abandons", wrong), default.abandons, wrong),
            payments: Payments::of(all.group("payments", wrong), default.payments, wrong),
            faults: faults(&mut all, wrong),
        };
        all.finish(wrong);
        crowd
    }
}

impl Arrivals {
    fn of(mut fields: Fields, default: Self, wrong: &mut Vec<String>) -> Self {
        let read = Self {
            before_share: fields.share("before_share", default.before_share, wrong),
            before_s: fields.seconds("before_s", default.before_s, wrong),
            after_s: fields.seconds("after_s", default.after_s, wrong),
            second_wave_share: fields.share("second_wave_share", default.second_wave_share, wrong),
            second_wave_at_s: fields.seconds("second_wave_at_s", default.second_wave_at_s, wrong),
            second_wave_s: fields.seconds("second_wave_s", default.second_wave_s, wrong),
        };
        fields.at_most_all(read.before_share + read.second_wave_share, "before_share + second_wave_share", wrong);
        fields.finish(wrong);
        read
    }
}

impl Devices {
    fn of(mut fields: Fields, default: Self, wrong: &mut Vec<String>) -> Self {
        let read = Self {
            poll_share: fields.share("poll_share", default.poll_share, wrong),
            mobile_share: fields.share("mobile_share", default.mobile_share, wrong),
            silent_after_s: fields.seconds("silent_after_s", default.silent_after_s, wrong),
            silent_for_s: fields.seconds("silent_for_s", default.silent_for_s, wrong),
        };
        fields.at_most_all(read.poll_share + read.mobile_share, "poll_share + mobile_share", wrong);
        fields.finish(wrong);
        read
    }
}

impl Patience {
    fn of(mut fields: Fields, default: Self, wrong: &mut Vec<String>) -> Self {
        let read = Self {
            looks_only_share: fields.share("looks_only_share", default.looks_only_share, wrong),
            vanishes_share: fields.share("vanishes_share", default.vanishes_share, wrong),
            waits_s: fields.seconds("waits_s", default.waits_s, wrong),
            sigma: fields.sigma(default.sigma, wrong),
        };
        fields.at_most_all(read.looks_only_share + read.vanishes_share, "looks_only_share + vanishes_share", wrong);
        fields.finish(wrong);
        read
    }
}

impl Wishes {
    fn of(mut fields: Fields, default: Self, tiers: &[String], wrong: &mut Vec<String>) -> Self {
        let read = Self {
            quantities: fields.weights("quantities", default.quantities, wrong),
            tiers: fields.named_weights("tiers", tiers, wrong),
            flexible_share: fields.share("flexible_share", default.flexible_share, wrong),
        };
        fields.finish(wrong);
        read
    }
}

impl Thinking {
    fn of(mut fields: Fields, default: Self, wrong: &mut Vec<String>) -> Self {
        let read = Self {
            choosing_s: fields.seconds("choosing_s", default.choosing_s, wrong),
            form_s: fields.seconds("form_s", default.form_s, wrong),
            paying_s: fields.seconds("paying_s", default.paying_s, wrong),
            sigma: fields.sigma(default.sigma, wrong),
        };
        fields.finish(wrong);
        read
    }
}

impl Abandons {
    fn of(mut fields: Fields, default: Self, wrong: &mut Vec<String>) -> Self {
        let read = Self {
            choosing_share: fields.share("choosing_share", default.choosing_share, wrong),
            form_share: fields.share("form_share", default.form_share, wrong),
            paying_share: fields.share("paying_share", default.paying_share, wrong),
            gives_back_share: fields.share("gives_back_share", default.gives_back_share, wrong),
        };
        let all = read.choosing_share + read.form_share + read.paying_share;
        fields.at_most_all(all, "choosing_share + form_share + paying_share", wrong);
        fields.finish(wrong);
        read
    }
}

impl Payments {
    fn of(mut fields: Fields, default: Self, wrong: &mut Vec<String>) -> Self {
        let read = Self {
            answer_s: fields.seconds("answer_s", default.answer_s, wrong),
            sigma: fields.sigma(default.sigma, wrong),
            declined_share: fields.share("declined_share", default.declined_share, wrong),
            tries_again_share: fields.share("tries_again_share", default.tries_again_share, wrong),
            three_ds_share: fields.share("three_ds_share", default.three_ds_share, wrong),
            three_ds_s: fields.seconds("three_ds_s", default.three_ds_s, wrong),
            three_ds_failed_share: fields.share("three_ds_failed_share", default.three_ds_failed_share, wrong),
            writes_per_s: fields.number("writes_per_s", default.writes_per_s, (1.0, 1_000_000.0), wrong),
        };
        fields.at_most_all(read.declined_share + read.three_ds_share, "declined_share + three_ds_share", wrong);
        fields.finish(wrong);
        read
    }
}

fn faults(all: &mut Fields, wrong: &mut Vec<String>) -> Vec<Fault> {
    let given = match all.map.remove("faults") {
        None => return Vec::new(),
        Some(Value::Array(given)) if given.len() <= FAULTS_MAX => given,
        Some(_) => {
            wrong.push(format!("/faults: a list of at most {FAULTS_MAX}"));
            return Vec::new();
        }
    };
    let mut faults = Vec::with_capacity(given.len());
    for (index, fault) in given.into_iter().enumerate() {
        let mut fields = Fields::of(fault, format!("/faults/{index}"), wrong);
        let kind = fields.kind(wrong);
        let at_s = fields.required_seconds("at_s", wrong);
        let for_s = if kind.is_none_or(FaultKind::lasts) { fields.required_seconds("for_s", wrong) } else { 0.0 };
        let times = if kind.is_none_or(|kind| kind == FaultKind::StripeSlow) {
            fields.number("times", 5.0, (1.0, 1_000.0), wrong)
        } else {
            1.0
        };
        fields.finish(wrong);
        faults.extend(kind.map(|kind| Fault { kind, at_s, for_s, times }));
    }
    faults.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    faults
}

/// The fields of an object that nobody read yet.
struct Fields {
    map: Map<String, Value>,
    at: String,
}

impl Fields {
    fn of(value: Value, at: String, wrong: &mut Vec<String>) -> Self {
        let map = match value {
            Value::Object(map) => map,
            _ => {
                let place = if at.is_empty() { "the file" } else { at.as_str() };
                wrong.push(format!("{place}: must be an object"));
                Map::new()
            }
        };
        Self { map, at }
    }

    fn group(&mut self, name: &str, wrong: &mut Vec<String>) -> Self {
        let value = self.map.remove(name).unwrap_or_else(|| Value::Object(Map::new()));
        Self::of(value, format!("{}/{name}", self.at), wrong)
    }

    fn share(&mut self, name: &str, default: f64, wrong: &mut Vec<String>) -> f64 {
        self.number(name, default, (0.0, 1.0), wrong)
    }

    fn seconds(&mut self, name: &str, default: f64, wrong: &mut Vec<String>) -> f64 {
        self.number(name, default, (0.0, DAY_S), wrong)
    }

    fn sigma(&mut self, default: f64, wrong: &mut Vec<String>) -> f64 {
        self.number("sigma", default, (0.0, 3.0), wrong)
    }

    fn required_seconds(&mut self, name: &str, wrong: &mut Vec<String>) -> f64 {
        if !self.map.contains_key(name) {
            self.say(name, "is required", wrong);
        }
        self.seconds(name, 0.0, wrong)
    }

    fn number(&mut self, name: &str, default: f64, (min, max): (f64, f64), wrong: &mut Vec<String>) -> f64 {
        let Some(given) = self.map.remove(name) else { return default };
        match given.as_f64().filter(|number| (min..=max).contains(number)) {
            Some(number) => number,
            None => {
                self.say(name, format!("a number from {min} to {max}"), wrong);
                default
            }
        }
    }

    fn weights(&mut self, name: &str, default: Vec<f64>, wrong: &mut Vec<String>) -> Vec<f64> {
        let Some(given) = self.map.remove(name) else { return default };
        let list = given.as_array().filter(|list| (1..=QUANTITIES_MAX).contains(&list.len()));
        let weights: Option<Vec<_>> = list.and_then(|list| list.iter().map(weight).collect());
        match weights.filter(|weights| weights.iter().sum::<f64>() > 0.0) {
            Some(weights) => weights,
            None => {
                self.say(name, format!("1 to {QUANTITIES_MAX} weights of 0 to 1,000, not all 0"), wrong);
                default
            }
        }
    }

    fn named_weights(&mut self, name: &str, known: &[String], wrong: &mut Vec<String>) -> Vec<(String, f64)> {
        let mut fields = self.group(name, wrong);
        let named = known.iter().filter(|tier| fields.map.contains_key(*tier)).cloned().collect::<Vec<_>>();
        let weights = named.into_iter().map(|tier| {
            let weight = fields.number(&tier, 0.0, (0.0, 1_000.0), wrong);
            (tier, weight)
        });
        let weights = weights.collect();
        for tier in std::mem::take(&mut fields.map).keys() {
            fields.say(tier, "the sale has no such tier", wrong);
        }
        weights
    }

    fn kind(&mut self, wrong: &mut Vec<String>) -> Option<FaultKind> {
        let given = self.map.remove("kind");
        let kind = given.as_ref().and_then(Value::as_str).and_then(FaultKind::from_word);
        if kind.is_none() {
            let words: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.word()).collect();
            self.say("kind", format!("one of {}", words.join(", ")), wrong);
        }
        kind
    }

    fn at_most_all(&self, sum: f64, which: &str, wrong: &mut Vec<String>) {
        const ROUNDING: f64 = 1e-9;
        if sum > 1.0 + ROUNDING {
            wrong.push(format!("{}: {which} must be at most 1", self.at));
        }
    }

    fn say(&self, name: &str, what: impl Display, wrong: &mut Vec<String>) {
        wrong.push(format!("{}/{name}: {what}", self.at));
    }

    /// Whatever is left has a name that means nothing.
    fn finish(self, wrong: &mut Vec<String>) {
        for name in self.map.keys() {
            self.say(name, "there is no such field", wrong);
        }
    }
}

fn weight(value: &Value) -> Option<f64> {
    value.as_f64().filter(|weight| (0.0..=1_000.0).contains(weight))
}

#[cfg(test)]
mod tests;
