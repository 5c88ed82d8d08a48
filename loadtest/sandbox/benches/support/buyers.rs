//! Buyers on connections that are kept, and a receiver of webhooks that counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

/// Connections of the buyers.
const CONNECTIONS: usize = 32;

const FORM: &str = "amount=4500&automatic_payment_methods[enabled]=true&confirm=true&currency=eur\
    &description=2+tickets&expand[]=latest_charge&metadata[attempt]=1&metadata[order]=ord_0192f0a1b2c37d4e8f90a1b2c3d4e5f7\
    &metadata[sale]=sale_0192f0a1b2c37d4e8f90a1b2c3d4e5f6&payment_method=pm_card_visa\
    &return_url=https://tickets.example/s/night/orders/x";

/// Makes `count` payments at `address`, each under a key of its own.
pub(crate) async fn buy(address: &str, count: usize, round: &str) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, round, next) = (address.to_owned(), round.to_owned(), next.clone());
        connections.spawn(async move {
            let stream = TcpStream::connect(&address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
            let driving = TaskTracker::new().spawn(connection);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                let request = Request::post("/v1/payment_intents")
                    .header("host", &address)
                    .header("authorization", "Bearer sk_test_bench")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("idempotency-key", format!("{round}:{number}"))
                    .body(Full::from(FORM));
                let answer = sender.send_request(request.unwrap()).await.unwrap();
                assert!(answer.status().is_success(), "{}", answer.status());
                answer.into_body().collect().await.unwrap();
            }
            drop(sender);
            driving.await.unwrap().unwrap();
        });
    }
    while let Some(ended) = connections.join_next().await {
        ended.unwrap();
    }
}

/// A webhook endpoint that takes everything.
pub(crate) struct Sink {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Sink {
    pub(crate) async fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Sink { address: listener.local_addr().unwrap(), taken: Arc::default() };
        let taken = sink.taken.clone();
        TaskTracker::new().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let taken = taken.clone();
                let take = service_fn(move |request: Request<Incoming>| {
                    let taken = taken.clone();
                    async move {
                        request.into_body().collect().await.unwrap();
                        taken.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                TaskTracker::new()
                    .spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), take));
            }
        });
        sink
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits until `count` deliveries have come since the start.
    pub(crate) async fn has(&self, count: usize, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        while self.taken.load(Ordering::Relaxed) < count {
            assert!(Instant::now() < deadline, "{} of {count} events came", self.taken.load(Ordering::Relaxed));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
