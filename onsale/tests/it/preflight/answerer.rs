//! A DNS server that knows a few texts: what is asked for anything else is not there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

type Texts = Arc<Mutex<BTreeMap<String, String>>>;

pub(super) struct Answerer {
    address: SocketAddr,
    texts: Texts,
    /// Ends with the test.
    _tasks: JoinSet<()>,
}

impl Answerer {
    pub(super) async fn start(texts: &[(&str, &str)]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let texts: Texts =
            Arc::new(Mutex::new(texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(socket, Arc::clone(&texts)));
        Self { address, texts, _tasks: tasks }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn says(&self, name: &str, text: &str) {
        self.texts.lock().unwrap().insert(name.to_owned(), text.to_owned());
    }

    pub(super) fn forgets(&self, name: &str) {
        self.texts.lock().unwrap().remove(name);
    }
}

async fn serve(socket: UdpSocket, texts: Texts) {
    let mut question = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut question).await.unwrap();
        let text = texts.lock().unwrap().get(&name(&question[12..length])).cloned();
        socket.send_to(&answer(&question[..length], text.as_deref()), from).await.unwrap();
    }
}

fn name(mut labels: &[u8]) -> String {
    let mut parts = Vec::new();
    while labels[0] != 0 {
        let (label, rest) = labels[1..].split_at(usize::from(labels[0]));
        parts.push(String::from_utf8(label.to_vec()).unwrap());
        labels = rest;
    }
    parts.join(".")
}

/// The question again, and a text of its name; or that there is no such name.
fn answer(question: &[u8], text: Option<&str>) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2..4].copy_from_slice(if text.is_some() { &[0x81, 0x80] } else { &[0x81, 0x83] });
    if let Some(text) = text {
        bytes[7] = 1;
        let length = u8::try_from(text.len()).unwrap();
        bytes.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
        bytes.extend(text.as_bytes());
    }
    bytes
}
