//! The sale that is rehearsed: the organizer's own configuration, read strictly, and what is changed in it for the rehearsal.
//!
//! Nothing is changed but what a rehearsal cannot have: dates lie seconds ahead; at a speed the paces are multiplied and the
//! windows divided, so that the sale keeps its shape; phases become one, access codes and proofs of work are not asked for.
//! Each change is a line of the report.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::Path;

use domain::sale::{SaleConfig, TierConfig};
use serde_json::Value;

use super::crowd::Crowd;
use super::plan::TierOnSale;
use crate::command::Failure;

/// A configuration has no more than this; the API takes less.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What `GET /v1/organizer/sales/{sale}` says beside the configuration.
const NOT_CONFIGURED: [&str; 6] = ["id", "organizer", "state", "version", "published_at", "notice"];
/// No window gets shorter than this, however fast the rehearsal is: it is what silence takes to count, which has no other speed.
const WINDOW_MIN_S: f64 = 15.0;
/// The shortest that a sale may have.
const RECLAIM_WINDOW_MIN_S: f64 = 3.0;
/// The highest that a sale may have.
const RATE_MAX_PER_S: f64 = 100_000.0;
/// What one core carries of paid orders a second beside the fans who make them, on a machine like that of docs/performance.md.
const ORDERS_PER_S_OF_CORE: f64 = 10.0;
/// Faster than this, what cannot be scaled (silence, ticks, calls) shapes the sale.
const SPEED_MAX: f64 = 20.0;

/// Whether the order of the first comes from a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Drawn,
    FirstCome,
}

/// A sale, as configured.
pub(super) struct Configured {
    pub(super) config: SaleConfig,
    pub(super) opening: Opening,
}

/// The same as it is rehearsed.
pub(super) struct Rehearsed {
    pub(super) config: SaleConfig,
    pub(super) changes: Vec<String>,
}

/// Text of a file, or of standard input for `-`.
pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| unreadable(path, [error.to_string()]))?;
    Ok(text)
}

/// What is wrong with a file, all of it.
pub(super) fn unreadable(path: &Path, wrong: impl IntoIterator<Item = String>) -> Failure {
    let wrong: Vec<_> = wrong.into_iter().collect();
    Failure::Unreadable(format!("{} cannot be used:\n  {}", path.display(), wrong.join("\n  ")).into())
}

impl Configured {
    /// Reads what the organizer API takes or answers.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, Vec<String>> {
        let mut value: Value = serde_json::from_str(text).map_err(|error| vec![format!("is not JSON: {error}")])?;
        if let Some(answer) = value.as_object_mut().filter(|answer| answer.contains_key("id")) {
            answer.retain(|name, _| !NOT_CONFIGURED.contains(&name.as_str()));
        }
        let config: SaleConfig = serde_json::from_value(value).map_err(|error| vec![error.to_string()])?;
        let faults: Vec<_> =
            config.faults().into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let opening = match config.phases.first() {
            Some(first) if first.prequeue_opens_at == Some(first.opens_at) => Opening::FirstCome,
            None if config.prequeue_opens_at == Some(config.opens_at) => Opening::FirstCome,
            _ => Opening::Drawn,
        };
        Ok(Self { config, opening })
    }

    /// What can be bought, tier by tier.
    pub(super) fn tiers(&self) -> Vec<TierOnSale> {
        let on_sale = |tier: &TierConfig| TierOnSale {
            id: tier.id.to_string(),
            units: self.config.for_sale(tier),
            seated: !tier.rows.is_empty(),
        };
        self.config.tiers.iter().map(on_sale).collect()
    }

    /// How fast this machine can rehearse it: the speed, and why.
    pub(super) fn speed(&self, crowd: &Crowd, cores: usize) -> (f64, String) {
        let admission = &self.config.admission;
        let inside_s =
            crowd.thinking.choosing_s + crowd.thinking.form_s + crowd.thinking.paying_s + crowd.payments.answer_s;
        let by_cap = f64::from(admission.max_shoppers) / inside_s.max(1.0);
        let pace = f64::from(admission.rate_per_s).min(by_cap);
        let carried = ORDERS_PER_S_OF_CORE * cores as f64;
        let speed = (carried / pace).clamp(1.0, SPEED_MAX);
        let speed = (speed * 10.0).floor() / 10.0;
        let why = format!(
            "{cores} cores carry about {carried:.0} paid orders a second beside the fans; the sale lets in {pace:.1} a second at \
             most (the smaller of its rate {} and {} shoppers over {inside_s:.0} s inside): {carried:.0} / {pace:.1}, from 1 to \
             {SPEED_MAX:.0}",
            admission.rate_per_s, admission.max_shoppers
        );
        (speed, why)
    }

    /// The sale as it is rehearsed at a speed.
    pub(super) fn rehearsed(&self, speed: f64) -> Rehearsed {
        let mut config = self.config.clone();
        let mut changes = vec!["dates: the opening lies seconds ahead, and the sale does not close".to_owned()];
        config.closes_at = None;
        config.offer_ttl_s = None;
        if !config.phases.is_empty() {
            changes.push(format!("{} phases: one for everybody, that sells every tier whole", config.phases.len()));
            config.phases.clear();
        }
        if config.join.proof_of_work_bits > 0 {
            changes.push("proof of work: none is asked for; fans on one machine could not pay for it".to_owned());
            config.join.proof_of_work_bits = 0;
        }
        let mut scale = |name: &str, value: &mut u32, (by, min, max): (f64, f64, f64)| {
            let scaled = whole((f64::from(*value) * by).round().clamp(min, max));
            if scaled != *value {
                changes.push(format!("{name}: {value} as configured, {scaled} at this speed"));
            }
            *value = scaled;
        };
        let (faster, shorter) = ((speed, 1.0, RATE_MAX_PER_S), (1.0 / speed, WINDOW_MIN_S, f64::from(u32::MAX)));
        let window = |value: u32| (shorter.0, shorter.1.min(f64::from(value)), shorter.2);
        scale("admission.rate_per_s", &mut config.admission.rate_per_s, faster);
        for (name, value) in [
            ("admission.session_s", &mut config.admission.session_s),
            ("admission.claim_window_s", &mut config.admission.claim_window_s),
            ("hold.checkout_window_s", &mut config.hold.checkout_window_s),
            ("hold.min_ttl_s", &mut config.hold.min_ttl_s),
            ("hold.max_ttl_s", &mut config.hold.max_ttl_s),
        ] {
            let bounds = window(*value);
            scale(name, value, bounds);
        }
        let reclaim = (shorter.0, RECLAIM_WINDOW_MIN_S, shorter.2);
        scale("hold.reclaim_window_s", &mut config.hold.reclaim_window_s, reclaim);
        Rehearsed { config, changes }
    }
}

/// A whole number within what a configuration can have.
pub(super) fn whole(value: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of the target")]
    let whole = value.clamp(0.0, f64::from(u32::MAX)) as u32;
    whole
}
