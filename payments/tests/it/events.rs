//! Events as Stripe sends them: caught on a real socket, verified, read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::clock::Clock;
use domain::payment::IntentStatus;
use domain::sale::CaptureMode;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use payments::webhook::{self, BadSignature, EventObject};
use payments::{RefundIntent, RefundStatus};
use sandbox::{DisputeKind, DisputeStep, RefundOutcome, Webhook};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::till::{DECLINED, Till, VISA, order, price, sale};

const SECRET: &str = "whsec_of_this_test";

/// One delivery: the header and the body, byte for byte.
type Delivery = (String, Bytes);

/// An endpoint that keeps what it is sent and answers 200.
struct Catcher {
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    /// Ends with the test.
    _tasks: JoinSet<()>,
}

impl Catcher {
    async fn of(till: &Till) -> Catcher {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let deliveries = Arc::<Mutex<Vec<Delivery>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&deliveries)));
        till.fake.set_webhook(Webhook { url, secret: SECRET.to_owned() });
        Catcher { deliveries, _tasks: tasks }
    }

    async fn all(&self, till: &Till) -> Vec<Delivery> {
        assert!(till.fake.wait_until_delivered(Duration::from_secs(10)).await, "deliveries under way");
        self.deliveries.lock().expect("no panic under this lock").clone()
    }
}

async fn serve(listener: TcpListener, deliveries: Arc<Mutex<Vec<Delivery>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let deliveries = Arc::clone(&deliveries);
        connections.spawn(async move {
            let keep = service_fn(|request: Request<Incoming>| {
                let deliveries = Arc::clone(&deliveries);
                async move {
                    let header = request.headers()["stripe-signature"].to_str().expect("text").to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    deliveries.lock().expect("no panic under this lock").push((header, body));
                    Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
                }
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), keep).await;
            served.expect("the fake speaks HTTP");
        });
    }
}

#[tokio::test]
async fn every_event_of_a_payment_verifies_and_reads() {
    let till = Till::open().await;
    let catcher = Catcher::of(&till).await;
    let intent = till.authorised().await;
    till.stripe.capture(&intent.id, "capture:1").await.expect("it was authorised");
    let refund = RefundIntent {
        id: "ref_0192f0a1b2c37d4e8f90a1b2c3d4e5f8".parse().expect("an id"),
        intent: intent.id.clone(),
        sale: sale(),
        order: order(),
        amount: price(),
        memo: Vec::new(),
    };
    till.stripe.refund(&refund, "refund:1").await.expect("it was captured");

    let mut statuses = Vec::new();
    let mut refunds = Vec::new();
    for (header, body) in catcher.all(&till).await {
        webhook::verify(&body, &header, &[SecretString::from(SECRET)], Clock::system().now())
            .expect("Stripe signed it");
        let event = webhook::parse(&body).expect("Stripe wrote it");
        let envelope = webhook::envelope(&body).expect("Stripe wrote it");
        assert_eq!((&event.id, &event.kind, event.created), (&envelope.id, &envelope.kind, envelope.created));
        assert!(!event.livemode && event.account.is_none());
        match event.object {
            EventObject::Intent(told) => {
                assert_eq!((&told.id, told.sale, told.order), (&intent.id, Some(sale()), Some(order())));
                statuses.push(told.status);
            }
            EventObject::Refund(told) => refunds.push((told.refund, told.amount)),
            EventObject::Dispute(_) | EventObject::Other { .. } => {}
        }
    }
    assert!(statuses.contains(&IntentStatus::RequiresCapture), "{statuses:?}");
    assert!(statuses.contains(&IntentStatus::Succeeded), "{statuses:?}");
    assert!(refunds.contains(&(Some(refund.id), price())), "{refunds:?}");
}

#[tokio::test]
async fn every_event_of_a_dispute_and_of_a_failed_refund_reads() {
    let till = Till::open().await;
    let catcher = Catcher::of(&till).await;
    let intent = till.pay(VISA, CaptureMode::Automatic).await.expect("the card works");
    let id = till.fake.open_dispute(&intent.id, 1_000, DisputeKind::Inquiry).expect("it was captured");
    for step in [DisputeStep::FundsWithdrawn, DisputeStep::Updated, DisputeStep::Won] {
        till.fake.dispute_goes_on(&id, step).expect("a step that follows");
    }
    let refund = RefundIntent {
        id: "ref_0192f0a1b2c37d4e8f90a1b2c3d4e5f8".parse().expect("an id"),
        intent: intent.id.clone(),
        sale: sale(),
        order: order(),
        amount: price(),
        memo: Vec::new(),
    };
    let refunded = till.stripe.refund(&refund, "refund:1").await.expect("the dispute is won");
    till.fake.refund_ends(&refunded.id, RefundOutcome::Fails).expect("it had arrived");

    let (mut disputes, mut refunds) = (BTreeSet::new(), BTreeSet::new());
    for (_, body) in catcher.all(&till).await {
        match webhook::parse(&body).expect("Stripe wrote it").object {
            EventObject::Dispute(told) => {
                assert_eq!((told.payment_intent.as_ref(), told.amount.minor), (Some(&intent.id), 1_000));
                let moved: Vec<i64> = told.movements.iter().map(|movement| movement.amount).collect();
                disputes.insert((told.status, moved));
            }
            EventObject::Refund(told) => drop(refunds.insert(told.status.word())),
            EventObject::Intent(_) | EventObject::Other { .. } => {}
        }
    }
    let expected = [
        ("needs_response", vec![]),
        ("needs_response", vec![-1_000]),
        ("under_review", vec![-1_000]),
        ("warning_needs_response", vec![]),
        ("won", vec![-1_000, 1_000]),
    ];
    assert_eq!(disputes, expected.map(|(status, moved)| (status.to_owned(), moved)).into());
    assert_eq!(refunds, ["failed", "succeeded"].into());
    let listed = till.stripe.refunds_of(&intent.id).await.expect("a list");
    assert_eq!(listed.iter().map(|refund| refund.status).collect::<Vec<_>>(), [RefundStatus::Failed]);
}

#[tokio::test]
async fn a_failed_payment_tells_why_in_its_event() {
    let till = Till::open().await;
    let catcher = Catcher::of(&till).await;
    till.pay(DECLINED, CaptureMode::Manual).await.expect_err("the card is declined");
    let deliveries = catcher.all(&till).await;
    let failures: Vec<_> = deliveries
        .iter()
        .map(|(_, body)| webhook::parse(body).expect("Stripe wrote it"))
        .filter(|event| event.kind == "payment_intent.payment_failed")
        .map(|event| match event.object {
            EventObject::Intent(intent) => intent.failure,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(failures, [Some("generic_decline".to_owned())]);
}

#[tokio::test]
async fn a_delivery_that_was_touched_on_the_way_is_refused() {
    let till = Till::open().await;
    let catcher = Catcher::of(&till).await;
    till.pay(VISA, CaptureMode::Manual).await.expect("the card works");
    let (header, body) = catcher.all(&till).await.swap_remove(0);
    let dearer = String::from_utf8(body.to_vec()).expect("JSON").replace("4350", "1");
    let now = Clock::system().now();
    let secrets = [SecretString::from(SECRET)];
    assert_eq!(webhook::verify(dearer.as_bytes(), &header, &secrets, now), Err(BadSignature::Mismatch));
    assert_eq!(webhook::verify(&body, &header, &[SecretString::from("whsec_other")], now), Err(BadSignature::Mismatch));
}
