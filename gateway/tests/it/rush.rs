//! Everybody at once for the last unit.
//!
//! Requests are streams of HTTP/2, so as many are under way at once as are asked for, whatever files a process may have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::inside;
use crate::world::{World, jazz_with};

const BUYERS: usize = 2_000;
const BUYERS_SOAK: usize = 50_000;
/// Requests of one connection; a gateway takes 128.
const STREAMS: usize = 100;
/// Everybody has an answer within this long, however often the gateway has to ask for patience.
const ANSWERED_WITHIN: Duration = Duration::from_secs(300);

/// A button that was pressed.
#[derive(Clone)]
struct Press {
    authority: String,
    sale: String,
    pass: String,
    number: usize,
}

/// What a buyer heard in the end, and how often it was asked for patience before.
struct Told {
    code: String,
    patience: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_want_the_last_unit_at_once_one_has_it_and_everybody_is_told() {
    let is_soak = std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1");
    let buyers = if is_soak { BUYERS_SOAK } else { BUYERS };
    let world = World::new().await;
    let second = world.second_gateway().await;
    let sale = world.sale(&jazz_with(1, json!({ "admission": { "overbook": 100_000 } }))).await;
    let (id, count) = (sale.parse().unwrap(), u64::try_from(buyers).unwrap());
    let queue = world.queue();
    // From the first on: letting so many in takes a busy machine longer than silence lasts.
    let (mut staying, stayers) = (JoinSet::new(), queue.clone());
    staying.spawn(async move { inside::stays(&stayers, id, count).await });
    inside::comes_in(&queue, id, count).await;

    let edges = [world.edge.base(), second.edge.base()].map(|base| base.trim_start_matches("http://").to_owned());
    let (all_here, connections) = (Arc::new(Barrier::new(buyers)), TaskTracker::new());
    let mut rush = JoinSet::new();
    for (connection, passes) in inside::passes(id, count).chunks(STREAMS).enumerate() {
        let authority = edges[connection % edges.len()].clone();
        let sender = connect(&authority, &connections).await;
        for (stream, pass) in passes.iter().enumerate() {
            let number = connection * STREAMS + stream;
            let press = Press { authority: authority.clone(), sale: sale.clone(), pass: pass.clone(), number };
            let (sender, all_here) = (sender.clone(), Arc::clone(&all_here));
            rush.spawn(async move {
                all_here.wait().await;
                press.until_told(sender).await
            });
        }
    }
    let begun = Instant::now();
    let told = rush.join_all().await;
    let took = begun.elapsed();
    assert!(staying.try_join_next().is_none(), "they stay until everybody is told");
    let mut codes = BTreeMap::new();
    for one in &told {
        *codes.entry(one.code.as_str()).or_insert(0_usize) += 1;
    }
    let patience: usize = told.iter().map(|one| one.patience).sum();
    eprintln!("{buyers} buyers for one unit: all told within {took:?}; {patience} times to be patient; {codes:?}");
    assert_eq!(codes, BTreeMap::from([("held", 1), ("all_held", buyers - 1)]));
    let stock = queue.view(id).await.unwrap().stock[&"ga".parse::<domain::TierId>().unwrap()];
    assert_eq!((stock.free, stock.held), (0, 1));
    second.stop().await;
    world.stop().await;
}

impl Press {
    /// Sends it until the answer is another than to be patient.
    async fn until_told(&self, mut sender: SendRequest<Full<Bytes>>) -> Told {
        let (mut patience, begun) = (0, Instant::now());
        loop {
            let (status, body) = self.sends(&mut sender).await;
            let code = if status == StatusCode::CREATED { "held" } else { body["code"].as_str().unwrap() };
            if !matches!(code, "overloaded" | "store_unavailable") {
                return Told { code: code.to_owned(), patience };
            }
            assert!(begun.elapsed() < ANSWERED_WITHIN, "{body}");
            patience += 1;
            // Not all at the same moment again.
            tokio::time::sleep(Duration::from_millis(1_000 + (self.number as u64 * 7) % 1_000)).await;
        }
    }

    async fn sends(&self, sender: &mut SendRequest<Full<Bytes>>) -> (StatusCode, Value) {
        let [.., a, b, c] = self.number.to_be_bytes();
        let request = Request::post(format!("http://{}/v1/sales/{}/holds", self.authority, self.sale))
            .header("authorization", format!("Bearer {}", self.pass))
            .header("content-type", "application/json")
            .header("idempotency-key", "press-1")
            .header("x-forwarded-for", format!("10.{a}.{b}.{c}"))
            .body(Full::from(r#"{"items":[{"tier":"ga","quantity":1}]}"#));
        sender.ready().await.unwrap();
        let (head, body) = sender.send_request(request.unwrap()).await.unwrap().into_parts();
        (head.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
    }
}

/// A connection that ends with its last sender.
async fn connect(authority: &str, connections: &TaskTracker) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(authority).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    connections.spawn(connection);
    sender
}
