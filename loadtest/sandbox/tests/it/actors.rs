//! The actors' own part: what they send, and how they read a stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sandbox::actors::{Edge, Visitor};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::tasks::beside;

/// Says the same to each request, and keeps the requests.
async fn parrot(says: Value) -> (Edge, Arc<Mutex<Vec<(HeaderMap, Value)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::new(&format!("http://{}", listener.local_addr().unwrap()));
    let heard: Arc<Mutex<Vec<(HeaderMap, Value)>>> = Arc::default();
    let keeping = heard.clone();
    beside(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (keeping, says) = (keeping.clone(), says.to_string());
            let service = service_fn(move |request: Request<Incoming>| {
                let (keeping, says) = (keeping.clone(), says.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    keeping.lock().unwrap().push((head.headers, body));
                    let answer = Response::builder().header("set-cookie", "visitor=abc; HttpOnly; Path=/");
                    Ok::<_, hyper::Error>(answer.body(Full::new(Bytes::from(says))).unwrap())
                }
            });
            beside(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (edge, heard)
}

#[tokio::test]
async fn a_visitor_says_what_was_wished_and_shows_a_proof_for_the_same_cookie() {
    let challenge = json!({ "challenge": "chl_1", "bits": 8, "place": { "token": "plc_1", "state": "prequeue" } });
    let (edge, heard) = parrot(challenge).await;
    let mut visitor = Visitor::new(&edge, "sale_1").with_access_code("early").needing_more_time();
    visitor.solves_challenge().await.unwrap();
    visitor.registers().await.unwrap();
    assert_eq!(visitor.place(), Some("plc_1"));

    let (headers, body) = heard.lock().unwrap().last().cloned().unwrap();
    assert_eq!(headers["cookie"], "visitor=abc");
    assert_eq!((body["access_code"].as_str(), body["more_time"].as_bool()), (Some("early"), Some(true)));
    assert_eq!(body["proof"]["challenge"], "chl_1");
    let nonce = body["proof"]["nonce"].as_str().unwrap();
    assert_eq!(Sha256::digest(format!("chl_1:{nonce}"))[0], 0, "8 zero bits");
}

#[tokio::test]
async fn a_visitor_without_wishes_sends_no_body() {
    let (edge, heard) = parrot(json!({})).await;
    Visitor::new(&edge, "sale_1").joins().await.unwrap();
    let (headers, body) = heard.lock().unwrap().last().cloned().unwrap();
    assert_eq!((body, headers.get("content-type")), (Value::Null, None));
}

#[tokio::test]
async fn a_stream_is_read_whatever_pieces_it_comes_in() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    const PIECES: [&str; 4] = [
        ": hello\n\nretry: 3000\n\nid: 1\ndata: {\"type\":\"posi",
        "tion\",\"seq\":1}\n",
        "\nid: 2\ndata: {\"type\":\"sale\",\"seq\":2}\n\ndata: {\"type\":",
        "\"admitted\",\"seq\":3}\n\n",
    ];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = Edge::new(&format!("http://{}", listener.local_addr().unwrap()));
    let (asked, says) = tokio::sync::oneshot::channel();
    beside(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        asked.send(String::from_utf8_lossy(&request[..read]).to_lowercase()).unwrap();
        for piece in std::iter::once(HEAD).chain(PIECES) {
            stream.write_all(piece.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut visitor = Visitor::new(&edge, "sale_1");
    visitor.shows("plc_9");
    let mut stream = visitor.streams().await.unwrap();
    let request = says.await.unwrap();
    assert!(request.contains("accept: text/event-stream") && request.contains("bearer plc_9"), "{request}");

    let first = stream.next_event().await.unwrap().unwrap();
    assert_eq!(first.id.as_deref(), Some("1"));
    let admitted = stream.waits_for("admitted", Duration::from_secs(5)).await.unwrap();
    assert_eq!(admitted["seq"], 3);
    assert_eq!(stream.next_event().await.unwrap(), None, "the server closed");
}
