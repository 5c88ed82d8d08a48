//! Stopping: nobody is cut off without a word.

use std::time::{Duration, Instant};

use sandbox::actors::Incoming;

use crate::eventually::eventually;
use crate::world::{SOON, World, jazz};

#[tokio::test]
async fn sockets_are_told_to_reconnect_and_the_gateway_is_gone_soon() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (_, mut socket) = world.watcher(&sale).await;
    let addr = world.gateway.addr();
    let before = Instant::now();
    world.shutdown.cancel();
    let reconnect = socket.waits_for("reconnect", SOON).await.unwrap();
    assert!(reconnect["data"]["after_ms"].is_u64());
    let Incoming::Closed(Some(frame)) = socket.next().await.unwrap() else { panic!("it is closed") };
    assert_eq!(u16::from(frame.code), 1012);
    let lines = world.gateway.ready().await;
    assert!(lines.iter().any(|line| line.name == "accepting" && !line.ok));
    world.gateway.join().await;
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    // A process that another test just starts has a copy of the socket until it runs its own program.
    eventually("nobody listens any more", async || tokio::net::TcpStream::connect(addr).await.is_err()).await;
}

#[tokio::test]
async fn those_who_are_told_to_reconnect_are_spread() {
    const SOCKETS: usize = 20;
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (mut visitors, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..SOCKETS {
        let (visitor, socket) = world.watcher(&sale).await;
        visitors.push(visitor);
        sockets.push(socket);
    }
    let mut stream = visitors[0].streams().await.unwrap();
    stream.waits_for("position", SOON).await.unwrap();
    world.shutdown.cancel();
    let mut after = Vec::new();
    for socket in &mut sockets {
        let reconnect = socket.waits_for("reconnect", SOON).await.unwrap();
        after.push(reconnect["data"]["after_ms"].as_u64().unwrap());
        let Incoming::Closed(Some(frame)) = socket.next().await.unwrap() else { panic!("it is closed") };
        assert_eq!(u16::from(frame.code), 1012);
    }
    let (soonest, latest) = (after.iter().min().unwrap(), after.iter().max().unwrap());
    // Twenty times within a second of each other by chance: less than once in 10^12.
    assert!(latest - soonest > 1_000 && *latest <= 5_000, "{after:?}");
    let told = stream.waits_for("reconnect", SOON).await.unwrap();
    assert!(told["data"]["after_ms"].is_u64());
    assert!(stream.next_event().await.unwrap().is_none(), "the stream ends");
    world.gateway.join().await;
}

#[tokio::test]
async fn a_ready_gateway_says_so_line_by_line() {
    let world = World::new().await;
    let lines = world.gateway.ready().await;
    let names: Vec<_> = lines.iter().map(|line| (line.name, line.ok)).collect();
    assert_eq!(names, [("accepting", true), ("postgres", true), ("redis", true)]);
    world.stop().await;
}
