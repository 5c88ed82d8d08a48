use super::*;

impl SaleDraws {
    /// One draw whose registrations were drawn these ranks, or that is still collecting when there are none.
    pub(crate) fn one(phase: PhaseNo, first_number: u64, ranks: &[u32]) -> Self {
        let drawn = !ranks.is_empty();
        let draw = Draw {
            phase,
            state: if drawn { DrawState::Drawn } else { DrawState::Collecting },
            seed_hash: [0; 32],
            count: u32::try_from(ranks.len()).unwrap(),
            first_number,
            root: None,
            frozen_at: None,
            beacon: None,
            self_attested: None,
            seed: None,
            drawn_at: None,
            opens_at: Timestamp::UNIX_EPOCH,
        };
        let order = drawn.then(|| ranks.into());
        Self(vec![Arc::new(PhaseDraw { draw, order, leaves: OnceCell::new() })])
    }
}

const PHASE: PhaseNo = PhaseNo(1);

fn sale() -> SaleId {
    SaleId::from_uuid(uuid::Uuid::from_u128(7))
}

#[test]
fn a_registration_has_the_number_of_its_rank() {
    let draws = SaleDraws::one(PHASE, 101, &[2, 0, 1]);
    let numbers: Vec<_> = (0..4).map(|index| draws.number(PHASE, index)).collect();
    assert_eq!(numbers, [Some(PlaceNumber(103)), Some(PlaceNumber(101)), Some(PlaceNumber(102)), None]);
    assert_eq!(draws.number(PhaseNo(0), 0), None, "another phase has another draw");
}

#[test]
fn before_the_draw_nobody_has_a_number() {
    let draws = SaleDraws::one(PHASE, 0, &[]);
    assert_eq!(draws.number_of(Spot::Registration { phase: PHASE, index: 0 }), None);
    assert_eq!(draws.number_of(Spot::Number(PlaceNumber(5))), Some(PlaceNumber(5)));
    assert!(draws.is_due(Timestamp::UNIX_EPOCH) && !draws.is_due(Timestamp::MIN));
}

#[test]
fn a_draw_that_is_not_known_was_not_held() {
    let (undrawn, drawn) = (SaleDraws::one(PHASE, 0, &[]), SaleDraws::one(PHASE, 1, &[0]));
    assert!(SaleDraws::default().were_held(0) && !SaleDraws::default().were_held(1));
    assert!(undrawn.were_held(0) && !undrawn.were_held(1));
    assert!(drawn.were_held(1) && !drawn.were_held(2));
}

#[test]
fn what_was_shown_never_goes_back() {
    let draws = Draws::default();
    draws.keep(sale(), Arc::new(SaleDraws::one(PHASE, 1, &[0])));
    let kept = draws.keep(sale(), Arc::new(SaleDraws::one(PHASE, 0, &[])));
    assert!(kept.are_drawn() && draws.of(sale()).are_drawn());
}

#[test]
fn draws_of_sales_that_are_over_are_kept_while_somebody_asks() {
    let draws = Draws::default();
    draws.keep(sale(), Arc::new(SaleDraws::one(PHASE, 1, &[0])));
    draws.retain(|_| false);
    assert_eq!(draws.of(sale()).all().count(), 1);
    draws.kept().get_mut(&sale()).unwrap().asked_at -= KEPT_FOR;
    draws.retain(|_| true);
    assert!(draws.kept().contains_key(&sale()), "a live sale's stay");
    draws.kept().get_mut(&sale()).unwrap().asked_at -= KEPT_FOR;
    draws.retain(|_| false);
    assert!(draws.kept().is_empty());
}

#[test]
fn of_the_sales_that_are_over_only_the_last_asked_for_are_kept() {
    let draws = Draws::default();
    let id = |n: usize| SaleId::from_uuid(uuid::Uuid::from_u128(n as u128));
    for n in 0..=ENDED_MAX + 1 {
        draws.keep(id(n), Arc::new(SaleDraws::one(PHASE, 1, &[0])));
        draws.kept().get_mut(&id(n)).unwrap().asked_at -= KEPT_FOR / 2;
    }
    draws.of(id(1));
    draws.retain(|sale| sale == id(0));
    assert_eq!(draws.kept().len(), ENDED_MAX + 1, "and the live one");
    assert!([0, 1].iter().all(|n| draws.kept().contains_key(&id(*n))));
    assert!(!draws.kept().contains_key(&id(2)), "nobody asked for it since");
}
