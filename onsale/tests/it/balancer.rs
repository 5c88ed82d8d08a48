//! A load balancer, as plain as they come: it looks at each gateway's `/readyz`, and passes new connections on to those that
//! are ready, in turns. It repeats nothing: what a gateway refuses or drops, its client gets no answer to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use sandbox::actors::Edge;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world::Process;

/// Between two looks at one gateway.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// In front of gateways; dropping it ends it.
pub(crate) struct Balancer {
    gateways: Arc<Mutex<Vec<Arc<Gateway>>>>,
    tasks: JoinSet<()>,
}

struct Gateway {
    address: SocketAddr,
    is_ready: AtomicBool,
}

impl Balancer {
    /// Listens at that address, with nobody behind it yet.
    pub(crate) async fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let gateways = Arc::<Mutex<Vec<Arc<Gateway>>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(pass_on(listener, Arc::clone(&gateways)));
        Self { gateways, tasks }
    }

    /// One more gateway, which is ready.
    pub(crate) async fn adds(&mut self, address: &str, process: &Process) {
        process.is_ready().await;
        let gateway = Arc::new(Gateway { address: address.parse().unwrap(), is_ready: AtomicBool::new(true) });
        self.gateways.lock().unwrap().push(Arc::clone(&gateway));
        self.tasks.spawn(look(gateway, process.admin.clone()));
    }
}

/// Anything but a 200 is not ready: a probe has no patience.
async fn look(gateway: Arc<Gateway>, admin: Edge) {
    loop {
        let answer = admin.ask(Method::GET, "/readyz", &[], &Value::Null).await;
        gateway.is_ready.store(answer.is_ok_and(|answer| answer.status.is_success()), Ordering::Relaxed);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn pass_on(listener: TcpListener, gateways: Arc<Mutex<Vec<Arc<Gateway>>>>) {
    let (turn, mut connections) = (AtomicUsize::new(0), JoinSet::new());
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let ready: Vec<_> = {
            let gateways = gateways.lock().unwrap();
            gateways.iter().filter(|gateway| gateway.is_ready.load(Ordering::Relaxed)).map(|one| one.address).collect()
        };
        let Some(address) = ready.get(turn.fetch_add(1, Ordering::Relaxed) % ready.len().max(1)).copied() else {
            continue;
        };
        connections.spawn(async move {
            // A gateway that takes no connection ends that of the client, which counts it.
            if let Ok(mut gateway) = TcpStream::connect(address).await {
                drop(tokio::io::copy_bidirectional(&mut client, &mut gateway).await);
            }
        });
    }
}
