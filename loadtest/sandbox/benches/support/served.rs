//! The process under measurement: the fake, and a bare server that answers with as many bytes.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sandbox::{FakeStripe, FakeStripeOptions, Webhook, processor};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::task::TaskTracker;

/// About as long as an intent with its charge.
const BARE_BYTES: usize = 5_000;

/// That process, seen from the buyers'.
pub(crate) struct Served {
    child: Child,
    /// Host and port of the fake.
    pub(crate) fake: String,
    /// Host and port of the bare server.
    pub(crate) bare: String,
}

impl Served {
    pub(crate) async fn start(webhook: &str) -> Served {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["serve", webhook]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let fake = lines.next_line().await.unwrap().unwrap();
        let bare = lines.next_line().await.unwrap().unwrap();
        Served { child, fake, bare }
    }

    /// Processor time it has used, in seconds.
    pub(crate) fn busy_s(&self) -> f64 {
        processor::of(self.child.id().unwrap()).as_secs_f64()
    }

    pub(crate) async fn stop(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().await.unwrap();
    }
}

/// The process itself: runs until its input ends.
pub(crate) async fn serve(webhook: &str) {
    let webhook = Some(Webhook { url: webhook.to_owned(), secret: "whsec_bench".to_owned() });
    let fake = FakeStripe::start(FakeStripeOptions { webhook, ..FakeStripeOptions::default() }).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "{}\n{}", fake.address(), listener.local_addr().unwrap()).unwrap();
    TaskTracker::new().spawn(bare(listener));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()).unwrap()).await.unwrap();
    fake.shutdown().await;
}

async fn bare(listener: TcpListener) {
    let body = Bytes::from(vec![b' '; BARE_BYTES]);
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let body = body.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let body = body.clone();
            async move {
                request.into_body().collect().await.unwrap();
                Ok::<_, Infallible>(Response::new(Full::new(body)))
            }
        });
        TaskTracker::new()
            .spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
