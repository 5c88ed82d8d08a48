use super::Crowd;
use crate::rehearse::faults::FaultKind;

fn read(text: &str) -> Result<Crowd, Vec<String>> {
    Crowd::read(text, &["stalls".to_owned(), "balcony".to_owned()])
}

#[test]
fn nothing_said_is_the_default_and_what_is_said_counts() {
    assert_eq!(read("{}"), Ok(Crowd::default()));
    let said = r#"{"arrivals":{"before_share":0.2},"wishes":{"quantities":[1],"tiers":{"balcony":3}},
                   "faults":[{"kind":"stripe_slow","at_s":20,"for_s":5},{"kind":"redis_emptied","at_s":10}]}"#;
    let crowd = read(said).unwrap();
    assert_eq!(crowd.arrivals.before_share.to_bits(), 0.2_f64.to_bits());
    assert_eq!(crowd.wishes.tiers, [("balcony".to_owned(), 3.0)]);
    let kinds: Vec<_> = crowd.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::RedisEmptied, FaultKind::StripeSlow]);
}

#[test]
fn every_fault_is_named_at_once() {
    let said = r#"{"arrivels":{},"arrivals":{"before_share":0.9,"second_wave_share":0.2,"after_s":-1},
                   "devices":{"poll_share":"half","fax_share":1},"wishes":{"quantities":[0,0],"tiers":{"pit":1}},
                   "payments":[],"faults":[{"kind":"flood","at_s":1},{"kind":"redis_emptied","for_s":1}]}"#;
    let wrong = read(said).unwrap_err();
    let mut pointers: Vec<_> = wrong.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/arrivals",
            "/arrivals/after_s",
            "/arrivels",
            "/devices/fax_share",
            "/devices/poll_share",
            "/faults/0/for_s",
            "/faults/0/kind",
            "/faults/1/at_s",
            "/faults/1/for_s",
            "/payments",
            "/wishes/quantities",
            "/wishes/tiers/pit",
        ],
        "{wrong:#?}"
    );
    assert_eq!(read("[").unwrap_err().len(), 1);
    assert_eq!(read("[]").unwrap_err(), ["the file: must be an object"]);
}
