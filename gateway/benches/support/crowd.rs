//! Many who listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handshakes at once.
const OPENING_MAX: usize = 128;
/// Sockets from one address: there are some 28,000 ports.
const PORTS_PER_ADDRESS: usize = 20_000;
/// How long telling everybody may take.
const TOLD_MAX: Duration = Duration::from_secs(20);

/// Sockets that note when they hear something.
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    over: CancellationToken,
    count: usize,
}

/// From the first who heard to the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) span: Duration,
}

struct Shared {
    begun: Instant,
    frames: AtomicUsize,
    /// What is listened for, and in which round.
    sign: RwLock<(usize, String)>,
    heard: AtomicUsize,
    first_us: AtomicU64,
    last_us: AtomicU64,
    text: Mutex<String>,
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            frames: AtomicUsize::new(0),
            sign: RwLock::new((1, "\"position\"".to_owned())),
            heard: AtomicUsize::new(0),
            first_us: AtomicU64::new(u64::MAX),
            last_us: AtomicU64::new(0),
            text: Mutex::default(),
        });
        Self { shared, over: CancellationToken::new(), count: 0 }
    }

    /// Opens a socket for each place.
    pub(crate) async fn grow(&mut self, url: &str, places: &[String], tasks: &TaskTracker) {
        let opening = Arc::new(Semaphore::new(OPENING_MAX));
        let mut opened = Vec::with_capacity(places.len());
        for (number, place) in places.iter().enumerate() {
            let number = self.count + number;
            let (url, place) = (url.to_owned(), place.clone());
            let (shared, over) = (Arc::clone(&self.shared), self.over.clone());
            let permit = Arc::clone(&opening).acquire_owned().await.unwrap();
            let (is_open, waits) = tokio::sync::oneshot::channel();
            tasks.spawn(async move {
                let socket = open(&url, &place, number).await;
                drop(permit);
                let _ = is_open.send(());
                over.run_until_cancelled(listen(socket, &shared)).await;
            });
            opened.push(waits);
        }
        for waits in opened {
            waits.await.unwrap();
        }
        self.count += places.len();
    }

    /// Everybody listens for something from now on.
    pub(crate) fn listens_for(&self, sign: &str) {
        let shared = &self.shared;
        let mut current = shared.sign.write().unwrap();
        shared.heard.store(0, Ordering::SeqCst);
        shared.first_us.store(u64::MAX, Ordering::SeqCst);
        shared.last_us.store(0, Ordering::SeqCst);
        *current = (current.0 + 1, sign.to_owned());
    }

    /// Waits until everybody heard it.
    pub(crate) async fn has_been_told(&self) -> Told {
        let deadline = Instant::now() + TOLD_MAX;
        while self.shared.heard.load(Ordering::SeqCst) < self.count {
            let heard = self.shared.heard.load(Ordering::SeqCst);
            assert!(Instant::now() < deadline, "{heard} of {} were told {:?}", self.count, self.shared.sign);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let [first, last] = [&self.shared.first_us, &self.shared.last_us].map(|at| at.load(Ordering::SeqCst));
        Told { span: Duration::from_micros(last - first) }
    }

    /// Frames heard in all.
    pub(crate) fn frames(&self) -> usize {
        self.shared.frames.load(Ordering::SeqCst)
    }

    /// What was heard last.
    pub(crate) fn last_text(&self) -> String {
        self.shared.text.lock().unwrap().clone()
    }

    pub(crate) fn hang_up(&self) {
        self.over.cancel();
    }
}

async fn listen(mut socket: WebSocketStream<TcpStream>, shared: &Shared) {
    let mut noted = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        shared.frames.fetch_add(1, Ordering::Relaxed);
        let sign = shared.sign.read().unwrap();
        if noted == sign.0 || !text.contains(sign.1.as_str()) {
            continue;
        }
        noted = sign.0;
        let at = u64::try_from(shared.begun.elapsed().as_micros()).unwrap();
        shared.first_us.fetch_min(at, Ordering::SeqCst);
        shared.last_us.fetch_max(at, Ordering::SeqCst);
        if shared.heard.fetch_add(1, Ordering::SeqCst) == 0 {
            text.as_str().clone_into(&mut shared.text.lock().unwrap());
        }
    }
}

/// A socket that showed its place.
pub(crate) async fn open(url: &str, place: &str, number: usize) -> WebSocketStream<TcpStream> {
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {place}")).unwrap());
    // A bare loop knows of no protocol, and a client would not take that for an answer.
    if url.ends_with("/live") {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static("v1.onsale"));
    }
    let stream = connect(request.uri().authority().unwrap().as_str(), number).await;
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    client_async_with_config(request, stream, Some(config)).await.unwrap().0
}

/// Opens event streams; they are only held.
pub(crate) async fn open_streams(authority: &str, path: &str, places: &[String]) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(places.len());
    for place in places {
        let mut stream = TcpStream::connect(authority).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {authority}\r\naccept: text/event-stream\r\nauthorization: Bearer {place}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 1024];
        let read = stream.read(&mut first).await.unwrap();
        assert!(first[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first[..read]));
        streams.push(stream);
    }
    streams
}

async fn connect(authority: &str, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let address = u8::try_from(1 + number / PORTS_PER_ADDRESS).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, address), 0))).unwrap();
    socket.connect(authority.parse().unwrap()).await.unwrap()
}
