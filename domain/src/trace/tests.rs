use super::*;

const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_reads_as_it_is_written() {
    let read: Traceparent = TEXT.parse().unwrap();
    assert_eq!(read.to_string(), TEXT);
    assert_eq!(read.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(read.span.to_string(), "00f067aa0ba902b7");
    assert!(read.sampled);
}

#[test]
fn of_the_flags_the_first_counts_and_no_other_is_sent_on() {
    for (flags, sampled, sent) in [("00", false, "00"), ("02", false, "00"), ("03", true, "01"), ("ff", true, "01")] {
        let read: Traceparent = format!("{}{flags}", &TEXT[..53]).parse().unwrap();
        assert_eq!((read.sampled, &read.to_string()[53..]), (sampled, sent), "{flags}");
    }
}

#[test]
fn whatever_is_not_of_version_00_is_not_read() {
    let bad = [
        "",
        "00",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
        " 0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-0",
    ];
    for text in bad {
        assert_eq!(text.parse::<Traceparent>(), Err(BadTraceparent), "{text:?}");
    }
}

#[test]
fn what_begins_or_goes_on_is_never_zero() {
    let begun = Traceparent::begin([0; BEGIN_BYTES], Sampling::Nothing);
    assert_eq!(begun.to_string(), "00-00000000000000000000000000000001-0000000000000001-00");
    assert_eq!(begun.to_string().parse(), Ok(begun));
    let mut random = [0; BEGIN_BYTES];
    (0..).zip(&mut random).for_each(|(n, byte)| *byte = n);
    let begun = Traceparent::begin(random, Sampling::Nothing);
    assert_eq!(begun.to_string(), "00-000102030405060708090a0b0c0d0e0f-1011121314151617-00");
    let below = begun.below([7; BELOW_BYTES]);
    assert_eq!((below.trace, below.span, below.sampled), (begun.trace, SpanId([7; 8]), false));
}

#[test]
fn one_in_so_many_is_recorded_by_its_id_alone() {
    let sampled = |sampling| {
        let begins = |n: u64| {
            let mut random = [9; BEGIN_BYTES];
            random[8..16].copy_from_slice(&n.to_be_bytes());
            Traceparent::begin(random, sampling)
        };
        (0..1_000).filter(|n| begins(*n).sampled).count()
    };
    let one_in = |many| Sampling::OneIn(NonZeroU32::new(many).unwrap());
    assert_eq!([sampled(Sampling::Nothing), sampled(one_in(1)), sampled(one_in(10))], [0, 1_000, 100]);
}
