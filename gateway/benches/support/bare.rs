//! What the gateway is compared with: the same libraries with nothing of ours around them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::SinkExt as _;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use tokio_util::task::TaskTracker;

/// Sockets that are told things in one loop.
pub(crate) struct BareSockets {
    addr: SocketAddr,
    sockets: Arc<tokio::sync::Mutex<Vec<WebSocketStream<TcpStream>>>>,
}

impl BareSockets {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let sockets = Arc::new(tokio::sync::Mutex::new(Vec::new()));
        let (tasks, opened) = (TaskTracker::new(), Arc::clone(&sockets));
        tasks.clone().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let opened = Arc::clone(&opened);
                tasks.spawn(async move {
                    stream.set_nodelay(true).unwrap();
                    let config = WebSocketConfig::default().read_buffer_size(256).write_buffer_size(0);
                    if let Ok(socket) = accept_async_with_config(stream, Some(config)).await {
                        opened.lock().await.push(socket);
                    }
                });
            }
        });
        Self { addr, sockets }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Tells everybody.
    pub(crate) async fn tell(&self, text: &str) {
        for socket in &mut *self.sockets.lock().await {
            socket.send(Message::text(text)).await.unwrap();
        }
    }

    pub(crate) async fn hang_up(&self) {
        self.sockets.lock().await.clear();
    }
}

/// A server that reads every request to its end and gives the same answer.
pub(crate) struct BareHttp {
    addr: SocketAddr,
    said: Arc<Mutex<Said>>,
}

/// An answer, headers and all.
#[derive(Clone, Default)]
struct Said {
    headers: HeaderMap,
    text: Bytes,
}

impl BareHttp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let to_say = Arc::new(Mutex::new(Said::default()));
        let (tasks, said) = (TaskTracker::new(), Arc::clone(&to_say));
        tasks.clone().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let said = Arc::clone(&said);
                tasks.spawn(async move {
                    let service = service_fn(|request| answer(request, &said));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { addr, said: to_say }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers with these headers, as `[name, value]`, and that text.
    pub(crate) fn answers(&self, headers: &[(String, String)], text: &str) {
        let mut said = Said { text: Bytes::copy_from_slice(text.as_bytes()), ..Said::default() };
        for (name, value) in headers {
            said.headers.append(name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
        }
        *self.said.lock().unwrap() = said;
    }
}

async fn answer(request: Request<Incoming>, said: &Mutex<Said>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let Said { headers, text } = said.lock().unwrap().clone();
    let mut answer = Response::new(Full::new(text));
    *answer.headers_mut() = headers;
    Ok(answer)
}
