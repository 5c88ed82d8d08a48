//! Asking for holds: as fast as answers come, or at a rate whatever comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::client::Client;

/// Connections that ask at once.
pub(crate) const CONNECTIONS: usize = 256;

/// How often those are let go who are due.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What is asked, once for each pass, and then again.
pub(crate) struct Asks {
    pub(crate) sale: String,
    pub(crate) body: &'static str,
    pub(crate) passes: Vec<String>,
}

/// What an answer was, and how long it took.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) took_s: f64,
}

impl Asks {
    /// A buyer's request, as the page sends it; each buyer has an address of their own.
    pub(crate) fn request(&self, number: usize) -> Request<Full<Bytes>> {
        self.posts(&format!("/v1/sales/{}/holds", self.sale), number, self.body)
    }

    /// The same of any path.
    pub(crate) fn posts(&self, path: &str, number: usize, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let buyer = number % self.passes.len();
        let [.., a, b, c] = buyer.to_be_bytes();
        Request::post(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.passes[buyer]))
            .header("content-type", "application/json")
            .header("idempotency-key", "3f1b2a52-5b7c-4f5c-9d0e-7f4f5f3f0a11")
            .header("x-forwarded-for", format!("10.{a}.{b}.{c}"))
            .body(Full::new(body.into()))
            .unwrap()
    }

    /// Asks so often in all, each connection again as soon as it has its answer; how often, and how often a second. The
    /// status must be that one.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        authority: &str,
        count: usize,
        status: StatusCode,
        tasks: &TaskTracker,
    ) -> (f64, f64) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut clients = connect(authority, tasks).await;
        let begun = Instant::now();
        let askers = clients.drain(..).map(|mut client| {
            let (asks, next) = (Arc::clone(self), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let (told, body) = asks.ask_until_known(&mut client, number).await;
                    assert_eq!(told, status, "{body:?}");
                }
            })
        });
        for asker in askers.collect::<Vec<_>>() {
            asker.await.unwrap();
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousand answers")]
        let count = count as f64;
        (count, count / begun.elapsed().as_secs_f64())
    }

    /// What a buyer is told, who asks again when a machine with other things to do let Redis be late.
    async fn ask_until_known(&self, client: &mut Client, number: usize) -> (StatusCode, Bytes) {
        loop {
            let (head, body) = client.sends(self.request(number)).await;
            if head.status != StatusCode::SERVICE_UNAVAILABLE {
                return (head.status, body);
            }
        }
    }

    /// Asks once for each pass at that rate, whoever still waits for an answer. An answer takes from when it should have
    /// been asked for, so nobody is spared the wait for those before.
    pub(crate) async fn ask_at(self: &Arc<Self>, authority: &str, per_s: f64, tasks: &TaskTracker) -> Vec<Told> {
        let (count, next, due) = (self.passes.len(), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let clients = connect(authority, tasks).await;
        let begun = Instant::now();
        let mut askers = Vec::new();
        for mut client in clients {
            let (asks, next, due) = (Arc::clone(self), Arc::clone(&next), Arc::clone(&due));
            askers.push(tasks.spawn(async move {
                let mut told = Vec::new();
                while let Ok(turn) = due.acquire().await {
                    turn.forget();
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let (status, _) = asks.ask_until_known(&mut client, number).await;
                    told.push(Told { status, took_s: begun.elapsed().as_secs_f64() - per(number, per_s) });
                    if next.load(Ordering::Relaxed) == count {
                        due.close();
                    }
                }
                told
            }));
        }
        let mut let_go = 0;
        while let_go < count {
            tokio::time::sleep(LOOK_EVERY).await;
            while let_go < count && per(let_go, per_s) <= begun.elapsed().as_secs_f64() {
                let_go += 1;
                due.add_permits(1);
            }
        }
        let mut told = Vec::new();
        for asker in askers {
            told.extend(asker.await.unwrap());
        }
        told
    }
}

/// When that one is due, in seconds.
fn per(number: usize, per_s: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some thousand answers")]
    let number = number as f64;
    number / per_s
}

async fn connect(authority: &str, tasks: &TaskTracker) -> Vec<Client> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(authority, tasks).await);
    }
    clients
}
