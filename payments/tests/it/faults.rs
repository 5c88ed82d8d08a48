//! What a caller is told when a call goes wrong, and what happened then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::payment::IntentStatus;
use domain::sale::CaptureMode;
use payments::{StripeError, UnknownOutcome};
use sandbox::{Availability, CallFault, Latency};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::till::{TIMEOUT, Till, VISA, client};

#[tokio::test]
async fn the_same_key_is_the_same_payment_however_often_it_is_asked_for() {
    let till = Till::open().await;
    let payment = till.payment(VISA, CaptureMode::Manual).await;
    let first = till.stripe.create_and_confirm(&payment, "create:1").await.expect("the card works");
    // The metadata is a hash map inside: each call would write it in another order.
    for _ in 0..20 {
        let again = till.stripe.create_and_confirm(&payment, "create:1").await.expect("the first answer");
        assert_eq!(again.id, first.id);
    }
    assert_eq!(till.fake.payment_intents().len(), 1);
}

#[tokio::test]
async fn the_same_key_for_another_payment_is_refused() {
    let till = Till::open().await;
    let mut payment = till.payment(VISA, CaptureMode::Manual).await;
    till.stripe.create_and_confirm(&payment, "create:1").await.expect("the card works");
    payment.attempt = 2;
    let error = till.stripe.create_and_confirm(&payment, "create:1").await.expect_err("another payment");
    assert!(matches!(&error, StripeError::Refused { code, .. } if code == "idempotency_error"), "{error:?}");
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_same_key_finds_out() {
    let till = Till::open().await;
    let payment = till.payment(VISA, CaptureMode::Manual).await;
    till.fake.fail_next(1, CallFault::AnswerLost);
    let error = till.stripe.create_and_confirm(&payment, "create:1").await.expect_err("the answer is lost");
    assert!(matches!(error, StripeError::Unknown(UnknownOutcome::Connection(_))), "{error:?}");
    assert_eq!(till.fake.payment_intents().len(), 1, "it happened");

    let intent = till.stripe.create_and_confirm(&payment, "create:1").await.expect("the answer that was lost");
    assert_eq!(intent.id, till.fake.payment_intents()[0].id);
    assert_eq!(till.fake.payment_intents().len(), 1);
}

#[tokio::test]
async fn a_lost_capture_is_one_capture() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    till.fake.fail_next(1, CallFault::AnswerLost);
    let error = till.stripe.capture(&intent.id, "capture:1").await.expect_err("the answer is lost");
    assert!(matches!(error, StripeError::Unknown(_)), "{error:?}");
    let captured = till.stripe.capture(&intent.id, "capture:1").await.expect("the answer that was lost");
    assert_eq!(captured.status, IntentStatus::Succeeded);
    assert_eq!(till.fake.captured_total("eur"), 4_350);
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_unknown() {
    let till = Till::open_with(Duration::from_millis(200)).await;
    let intent = till.authorised().await;
    till.fake.set_latency(Latency::Fixed(Duration::from_secs(30)));
    let error = till.stripe.capture(&intent.id, "capture:1").await.expect_err("no answer in time");
    assert!(matches!(error, StripeError::Unknown(UnknownOutcome::Timeout(_))), "{error:?}");
}

#[tokio::test]
async fn each_way_to_be_busy_has_its_name() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    let answer = async |fault| {
        till.fake.fail_next(1, fault);
        till.stripe.capture(&intent.id, "capture:1").await.expect_err("it goes wrong")
    };
    let error = answer(CallFault::RateLimited).await;
    assert!(matches!(error, StripeError::RateLimited { .. }), "{error:?}");
    let error = answer(CallFault::LockTimeout).await;
    assert!(matches!(error, StripeError::InUse), "{error:?}");
    let error = answer(CallFault::ServerError).await;
    assert!(matches!(error, StripeError::Unknown(UnknownOutcome::Server(500))), "{error:?}");
    till.stripe.capture(&intent.id, "capture:1").await.expect("nothing had happened");
}

/// The first 500 may be anything; that the key repeats it says that it is spent, whether or not the payment was made.
#[tokio::test]
async fn a_key_that_a_failure_is_kept_under_is_spent() {
    for (fault, made) in [(CallFault::ServerErrorRemembered, 0), (CallFault::ServerErrorAfterwards, 1)] {
        let till = Till::open().await;
        let payment = till.payment(VISA, CaptureMode::Manual).await;
        till.fake.fail_next(1, fault);
        let first = till.stripe.create_and_confirm(&payment, "create:1").await.expect_err("it fails");
        assert!(!first.is_spent(), "{first:?}");
        let again = till.stripe.create_and_confirm(&payment, "create:1").await.expect_err("it fails for good");
        assert!(again.is_spent(), "{again:?}");
        assert_eq!(till.fake.payment_intents().len(), made);
    }
}

#[tokio::test]
async fn two_calls_under_one_key_at_once_are_one_payment() {
    let till = Till::open().await;
    let payment = till.payment(VISA, CaptureMode::Manual).await;
    till.fake.set_latency(Latency::Fixed(Duration::from_millis(300)));
    let call = || till.stripe.create_and_confirm(&payment, "create:1");
    let (one, other) = tokio::join!(call(), call());
    let in_use = |answer: &Result<_, _>| matches!(answer, Err(StripeError::InUse));
    assert!(in_use(&one) != in_use(&other), "one is told that the key is in use: {one:?} {other:?}");
    assert_eq!(till.fake.payment_intents().len(), 1);
}

#[tokio::test]
async fn stripe_away_is_unknown_and_back_is_back() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    till.fake.set_availability(Availability::Unreachable).await.expect("it goes away");
    let error = till.stripe.fetch(&intent.id).await.expect_err("nobody is there");
    assert!(matches!(error, StripeError::Unknown(UnknownOutcome::Connection(_))), "{error:?}");
    till.fake.set_availability(Availability::Available).await.expect("it comes back");
    till.stripe.fetch(&intent.id).await.expect("no restart is needed");
}

#[tokio::test]
async fn connections_are_kept() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    let counter = ConnectionCounter::before(till.fake.address()).await;
    let stripe = client(&counter.url, TIMEOUT);
    for _ in 0..20 {
        stripe.fetch(&intent.id).await.expect("through the counter");
    }
    assert_eq!(counter.connections.load(Ordering::SeqCst), 1);
}

/// Passes connections on and counts them.
struct ConnectionCounter {
    url: String,
    connections: Arc<AtomicU32>,
    /// Ends with the test.
    _tasks: JoinSet<()>,
}

impl ConnectionCounter {
    async fn before(target: SocketAddr) -> ConnectionCounter {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let connections = Arc::<AtomicU32>::default();
        let counted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                lines.spawn(async move {
                    let mut far = TcpStream::connect(target).await.expect("the fake listens");
                    // The line ends as its ends please; what went over it is what the test looks at.
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                });
            }
        });
        ConnectionCounter { url, connections, _tasks: tasks }
    }
}
