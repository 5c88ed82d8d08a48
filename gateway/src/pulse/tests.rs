use super::*;

/// A pulse and a clock that moves by hand.
struct Bench {
    pulse: PaymentPulse,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { pulse: PaymentPulse::new(Uuid::nil()), now: Instant::now() }
    }

    fn passes(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// A call that begins now and ends when it took so long.
    fn calls(&mut self, took_ms: u64, outcome: CallOutcome) {
        let began = self.now;
        self.now += Duration::from_millis(took_ms);
        self.pulse.call(began).end(self.now, outcome);
    }

    fn reads(&self) -> Pulse {
        self.pulse.read(self.now)
    }
}

#[test]
fn answers_count_as_done_and_faults_as_bad() {
    let mut bench = Bench::new();
    bench.calls(200, CallOutcome::Answered);
    bench.calls(300, CallOutcome::Failed);
    let pulse = bench.reads();
    assert_eq!((pulse.payments, pulse.bad, pulse.sum_ms), (2, 1, 500));
    assert_eq!(pulse.stripe, Health::Answers, "one of two answered");
}

#[test]
fn what_is_slow_depends_on_what_is_usual() {
    let mut bench = Bench::new();
    (0..10).for_each(|_| bench.calls(500, CallOutcome::Answered));
    bench.passes(6_000);
    assert_eq!(bench.reads().payments, 0, "the window is over");
    bench.calls(1_400, CallOutcome::Answered);
    assert_eq!(bench.reads().bad, 0, "below three times the mean");
    bench.calls(2_000, CallOutcome::Answered);
    assert_eq!(bench.reads().bad, 1);
}

#[test]
fn slow_calls_do_not_become_the_new_normal() {
    let mut bench = Bench::new();
    (0..10).for_each(|_| bench.calls(100, CallOutcome::Answered));
    (0..100).for_each(|_| bench.calls(1_200, CallOutcome::Answered));
    let pulse = bench.reads();
    assert_eq!(pulse.bad, pulse.payments, "1.2 s stays slow where 0.1 s was usual");
}

#[test]
fn calls_in_flight_for_too_long_are_bad_before_they_end() {
    let bench = Bench::new();
    let call = bench.pulse.call(bench.now);
    let after = |millis| bench.pulse.read(bench.now + Duration::from_millis(millis));
    assert_eq!(after(2_900).payments, 0);
    assert_eq!((after(3_100).payments, after(3_100).bad), (1, 1));
    drop(call);
    assert_eq!(after(10).bad, 1, "a call that was given up failed");
}

#[test]
fn stripe_is_away_when_every_call_failed_and_back_when_nothing_is_known() {
    let mut bench = Bench::new();
    (0..3).for_each(|_| bench.calls(10, CallOutcome::Failed));
    assert_eq!(bench.reads().stripe, Health::Away);
    bench.passes(5_100);
    assert_eq!(bench.reads().stripe, Health::Unknown);
}

#[test]
fn postgres_answers_as_long_as_it_was_heard_lately() {
    let mut bench = Bench::new();
    assert_eq!(bench.reads().postgres, Health::Away, "nobody heard of it yet");
    bench.pulse.postgres_answered(bench.now);
    assert_eq!(bench.reads().postgres, Health::Answers);
    bench.passes(2_600);
    assert_eq!(bench.reads().postgres, Health::Away);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut bench = Bench::new();
    (0..CALLS_MAX + 10).for_each(|_| bench.calls(0, CallOutcome::Answered));
    assert_eq!(bench.reads().payments as usize, CALLS_MAX);
}
