//! The other end: plain HTTP over connections that are kept.

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// One kept connection. When the server closed it because nobody asked for a while, the next question opens another.
pub(crate) struct Client {
    authority: String,
    tasks: TaskTracker,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(authority: &str, tasks: &TaskTracker) -> Self {
        Self { authority: authority.to_owned(), tasks: tasks.clone(), sender: open(authority, tasks).await }
    }

    /// Asks, and reads the answer to its end.
    pub(crate) async fn asks(&mut self, method: Method, path: &str, bearer: Option<&str>, body: &str) -> Bytes {
        self.asks_for_all(method, path, bearer, body).await.1
    }

    /// Asks, and says the headers too.
    pub(crate) async fn asks_for_all(
        &mut self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: &str,
    ) -> (HeaderMap, Bytes) {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let (head, body) = self.sends(request).await;
        assert!(head.status.is_success(), "{path}: {} {body:?}", head.status);
        (head.headers, body)
    }

    /// Sends a request as it is, and says all of the answer, whatever it is.
    pub(crate) async fn sends(&mut self, request: Request<Full<Bytes>>) -> (Parts, Bytes) {
        if self.sender.ready().await.is_err() {
            self.sender = open(&self.authority, &self.tasks).await;
        }
        let answer = self.sender.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn asks_json(&mut self, method: Method, path: &str, bearer: Option<&str>, body: &str) -> Value {
        serde_json::from_slice(&self.asks(method, path, bearer, body).await).unwrap()
    }

    /// Publishes a sale and says its id; it is not loaded yet.
    pub(crate) async fn publishes(&mut self, api_key: &str, sale: &Value) -> String {
        let created = self.asks_json(Method::POST, "/v1/organizer/sales", Some(api_key), &sale.to_string()).await;
        let id = created["id"].as_str().unwrap().to_owned();
        self.asks(Method::POST, &format!("/v1/organizer/sales/{id}/publish"), Some(api_key), "").await;
        id
    }

    /// Joins, and says the place token.
    pub(crate) async fn joins(&mut self, sale: &str) -> String {
        let joined = self.asks_json(Method::POST, &format!("/v1/sales/{sale}/queue"), None, "").await;
        joined["place"]["token"].as_str().unwrap().to_owned()
    }
}

async fn open(authority: &str, tasks: &TaskTracker) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(authority).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tasks.spawn(connection);
    sender
}
