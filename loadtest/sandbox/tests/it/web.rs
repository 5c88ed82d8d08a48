//! A small HTTP client, and a small HTTP server that is told what to answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::tasks::beside;

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a request; an error is a connection that broke.
pub(crate) async fn send(
    client: &HttpClient,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<Answer, hyper_util::client::legacy::Error> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = client.request(request.body(Full::from(body)).unwrap()).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// Gets a page.
pub(crate) async fn get(url: &str) -> Answer {
    send(&client(), Method::GET, url, &[], String::new()).await.unwrap()
}

/// A webhook endpoint that keeps what it gets.
#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    refuse: Arc<Mutex<u32>>,
}

impl Receiver {
    /// Refuses the first `refused` deliveries with 500.
    pub(crate) async fn start(refused: u32) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            refuse: Arc::new(Mutex::new(refused)),
        };
        let serving = receiver.clone();
        beside(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = serving.clone();
                let service = service_fn(move |request| receiver.clone().take(request));
                beside(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/stripe/webhook", self.address)
    }

    /// Headers and bodies, refused ones included, in the order of arrival.
    pub(crate) fn received(&self) -> Vec<(HeaderMap, Bytes)> {
        self.received.lock().unwrap().clone()
    }

    /// The types of the events received.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.received().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.received.lock().unwrap().push((head.headers, body));
        let mut answer = Response::new(Full::default());
        let mut refuse = self.refuse.lock().unwrap();
        if *refuse > 0 {
            *refuse -= 1;
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        Ok(answer)
    }
}
