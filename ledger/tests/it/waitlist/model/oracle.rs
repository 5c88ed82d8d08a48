//! The lines of two tiers as the page describes them, without a database.

/// The tiers, by index.
pub(super) const TIERS: [&str; 2] = ["ga", "stalls"];

/// How often anybody is passed over in a line for wanting more than there is.
const OVERTAKEN_MAX: u32 = 3;
/// Steps of time that units are kept at most for who wants more.
const STEPS_KEPT_MAX: u64 = 6;

/// Where a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Free,
    Ordered,
    /// For the line; nobody there could have it since that selling step, or nobody was asked yet.
    Kept {
        unwanted: Option<u64>,
    },
    Offered,
}

/// Where an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    Unconfirmed,
    Waiting,
    Offered { tier: usize, units: Vec<usize>, since: u64, turn: u64 },
    Claimed,
    Lapsed,
    Declined,
    Left,
}

impl Life {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Waiting => "waiting",
            Self::Offered { .. } => "offered",
            Self::Claimed => "claimed",
            Self::Lapsed => "lapsed",
            Self::Declined => "declined",
            Self::Left => "left",
        }
    }
}

/// Somebody in line; the index is the order in which they came.
#[derive(Debug)]
struct Entry {
    tiers: Vec<usize>,
    quantity: usize,
    /// By tier.
    overtaken: [u32; 2],
    life: Life,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Oracle {
    units: [Vec<Unit>; 2],
    entries: Vec<Entry>,
    /// In which step each line began, if it did.
    began: [Option<u64>; 2],
    step: u64,
    /// Steps in which the sale was not paused.
    selling: u64,
    is_paused: bool,
    /// Selling steps that an offer lives.
    offer_steps: u64,
    offers: u64,
    /// Offers of fewer units than were asked for.
    short: u32,
}

impl Oracle {
    pub(super) fn of(units: usize, offer_steps: u64) -> Self {
        Self {
            units: [vec![Unit::Free; units], vec![Unit::Free; units]],
            entries: Vec::new(),
            began: [None; 2],
            step: 0,
            selling: 0,
            is_paused: false,
            offer_steps,
            offers: 0,
            short: 0,
        }
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) const fn got_fewer(&self) -> u32 {
        self.short
    }

    pub(super) const fn pauses(&mut self) {
        self.is_paused = true;
    }

    pub(super) fn goes_on(&mut self) {
        self.is_paused = false;
        self.promotes();
    }

    pub(super) fn life(&self, entry: usize) -> &Life {
        &self.entries[entry].life
    }

    pub(super) fn lives(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.entries.iter().map(|entry| match entry.life {
            Life::Claimed => "Claimed",
            Life::Lapsed => "Lapsed",
            _ => "another end",
        })
    }

    pub(super) fn unit(&self, tier: usize, unit: usize) -> Unit {
        self.units[tier][unit]
    }

    pub(super) fn free(&self, tier: usize) -> Vec<usize> {
        (0..self.units[tier].len()).filter(|unit| self.units[tier][*unit] == Unit::Free).collect()
    }

    pub(super) fn joins(&mut self, tiers: &[usize], quantity: usize) -> usize {
        for tier in tiers {
            let is_gathering = self.began[*tier] == Some(self.step);
            let wants = |entry: &Entry| entry.tiers.contains(tier);
            let lives = self.entries.iter().any(|entry| match entry.life {
                Life::Unconfirmed | Life::Waiting => wants(entry),
                Life::Offered { tier: of, .. } => of == *tier,
                _ => false,
            });
            if !is_gathering && !lives {
                self.began[*tier] = Some(self.step);
            }
        }
        let entry = Entry { tiers: tiers.to_vec(), quantity, overtaken: [0; 2], life: Life::Unconfirmed };
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// The tier that is on sale, when one is.
    pub(super) fn confirms(&mut self, entry: usize) -> Option<usize> {
        let tiers = self.entries[entry].tiers.clone();
        if let Some(on_sale) = tiers.into_iter().find(|tier| !self.waits_for(*tier) && !self.free(*tier).is_empty()) {
            return Some(on_sale);
        }
        self.entries[entry].life = Life::Waiting;
        self.promotes();
        None
    }

    pub(super) fn leaves(&mut self, entry: usize) {
        match self.entries[entry].life.clone() {
            Life::Unconfirmed | Life::Waiting => self.entries[entry].life = Life::Left,
            Life::Offered { tier, units, .. } => self.ends(entry, tier, &units, Life::Declined),
            life => panic!("{life:?} does not leave"),
        }
        self.promotes();
    }

    pub(super) fn claims(&mut self, entry: usize) -> (usize, Vec<usize>) {
        let Life::Offered { tier, units, .. } = self.entries[entry].life.clone() else { panic!("no offer") };
        for unit in &units {
            self.units[tier][*unit] = Unit::Ordered;
        }
        self.entries[entry].life = Life::Claimed;
        (tier, units)
    }

    pub(super) fn buys(&mut self, tier: usize, units: &[usize]) {
        for unit in units {
            self.units[tier][*unit] = Unit::Ordered;
        }
    }

    pub(super) fn frees(&mut self, tier: usize, units: &[usize]) {
        let place = if self.waits_for(tier) { Unit::Kept { unwanted: None } } else { Unit::Free };
        for unit in units {
            self.units[tier][*unit] = place;
        }
        self.promotes();
    }

    /// Offers that are due lapse, the oldest first.
    pub(super) fn waits(&mut self, steps: u64) {
        self.step += steps;
        self.selling += if self.is_paused { 0 } else { steps };
        while let Some((_, entry)) = (0..self.entries.len())
            .filter_map(|entry| match self.entries[entry].life {
                Life::Offered { since, turn, .. } if !self.is_paused && since + self.offer_steps <= self.selling => {
                    Some((turn, entry))
                }
                _ => None,
            })
            .min()
        {
            let Life::Offered { tier, units, .. } = self.entries[entry].life.clone() else { unreachable!() };
            self.ends(entry, tier, &units, Life::Lapsed);
            self.promotes();
        }
        self.promotes();
    }

    fn ends(&mut self, entry: usize, tier: usize, units: &[usize], life: Life) {
        for unit in units {
            self.units[tier][*unit] = Unit::Kept { unwanted: None };
        }
        self.entries[entry].life = life;
    }

    fn waits_for(&self, tier: usize) -> bool {
        self.entries.iter().any(|entry| entry.life == Life::Waiting && entry.tiers.contains(&tier))
    }

    fn kept(&self, tier: usize) -> Vec<(usize, Option<u64>)> {
        let kept = self.units[tier].iter().enumerate();
        kept.filter_map(|(unit, place)| match place {
            Unit::Kept { unwanted } => Some((unit, *unwanted)),
            _ => None,
        })
        .collect()
    }

    /// Whether anybody is asked: not while the queue has its time, nor in a pause.
    fn asks(&self, tier: usize) -> bool {
        !self.is_paused && self.began[tier].is_none_or(|began| began < self.step)
    }

    /// Who may have what is kept of a tier.
    fn first(&self, tier: usize) -> Option<usize> {
        let kept = self.kept(tier);
        if kept.is_empty() || !self.asks(tier) {
            return None;
        }
        let steps = self.offer_steps.min(STEPS_KEPT_MAX);
        let kept_long = kept.iter().any(|(_, unwanted)| unwanted.is_some_and(|since| since + steps <= self.selling));
        let in_line = (0..self.entries.len())
            .filter(|entry| self.entries[*entry].life == Life::Waiting && self.entries[*entry].tiers.contains(&tier));
        for entry in in_line {
            if kept_long || self.entries[entry].quantity <= kept.len() {
                return Some(entry);
            } else if self.entries[entry].overtaken[tier] >= OVERTAKEN_MAX {
                return None;
            }
        }
        None
    }

    fn promotes(&mut self) {
        loop {
            let preference = |entry: usize, tier: usize| self.entries[entry].tiers.iter().position(|own| *own == tier);
            let next =
                (0..2).filter_map(|tier| self.first(tier).map(|entry| (entry, preference(entry, tier), tier))).min();
            let Some((entry, _, tier)) = next else { break };
            let kept: Vec<_> = self.kept(tier).into_iter().map(|(unit, _)| unit).collect();
            let units: Vec<_> = kept.into_iter().take(self.entries[entry].quantity).collect();
            for unit in &units {
                self.units[tier][*unit] = Unit::Offered;
            }
            for ahead in &mut self.entries[..entry] {
                if ahead.life == Life::Waiting && ahead.tiers.contains(&tier) {
                    ahead.overtaken[tier] += 1;
                }
            }
            self.offers += 1;
            self.short += u32::from(units.len() < self.entries[entry].quantity);
            self.entries[entry].life = Life::Offered { tier, units, since: self.selling, turn: self.offers };
        }
        for tier in 0..2 {
            if self.asks(tier) {
                for (unit, unwanted) in self.kept(tier) {
                    self.units[tier][unit] = Unit::Kept { unwanted: unwanted.or(Some(self.selling)) };
                }
            }
            if !self.waits_for(tier) {
                for (unit, _) in self.kept(tier) {
                    self.units[tier][unit] = Unit::Free;
                }
            }
        }
    }
}
