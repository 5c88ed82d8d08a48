//! The fault proxy in front of a real Redis.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sandbox::{FaultProxy, LostReplies, Redis, RedisOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One connection through the proxy.
struct Line(TcpStream);

impl Line {
    async fn to(proxy: &FaultProxy) -> std::io::Result<Line> {
        TcpStream::connect(proxy.address()).await.map(Line)
    }

    /// Sends a command and reads its answer; `None` when the line was cut.
    async fn says(&mut self, command: &str) -> Option<String> {
        self.0.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 256];
        let length = self.0.read(&mut answer).await.ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

async fn start() -> (Redis, FaultProxy) {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    (redis, proxy)
}

#[tokio::test]
async fn without_faults_everything_passes() {
    let (redis, proxy) = start().await;
    assert_eq!(proxy.through(&redis.url()), format!("redis://{}", proxy.address()));
    assert_eq!(Line::to(&proxy).await.unwrap().says("PING").await.unwrap(), "+PONG\r\n");
    let mut straight = TcpStream::connect(redis.address()).await.map(Line).unwrap();
    assert_eq!(straight.says("PING").await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_cut_proxy_refuses_until_it_is_restored() {
    let (_redis, proxy) = start().await;
    let mut line = Line::to(&proxy).await.unwrap();
    line.says("PING").await.unwrap();
    proxy.cut().await;
    assert_eq!(line.says("PING").await, None);
    assert!(Line::to(&proxy).await.is_err());
    proxy.restore().await.unwrap();
    assert!(Line::to(&proxy).await.unwrap().says("PING").await.is_some());
}

#[tokio::test]
async fn a_lost_reply_was_carried_out_and_takes_its_line_along() {
    let (_redis, proxy) = start().await;
    proxy.lose_replies(LostReplies::Next(1), b"INCR");
    let mut line = Line::to(&proxy).await.unwrap();
    assert!(line.says("PING").await.is_some(), "only INCR is meant");
    assert_eq!(line.says("INCR sold").await, None);
    let mut line = Line::to(&proxy).await.unwrap();
    assert_eq!(line.says("INCR sold").await.unwrap(), ":2\r\n");
    assert_eq!(proxy.lost(), 1);
}

#[tokio::test]
async fn every_nth_reply_is_lost() {
    let (_redis, proxy) = start().await;
    proxy.lose_replies(LostReplies::EveryNth(3), b"");
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.push(Line::to(&proxy).await.unwrap().says("PING").await.is_some());
    }
    assert_eq!(heard, [true, true, false, true, true, false]);
}

#[tokio::test]
async fn a_stalled_line_goes_on_where_it_was() {
    let (_redis, proxy) = start().await;
    let mut line = Line::to(&proxy).await.unwrap();
    line.says("PING").await.unwrap();
    proxy.stall();
    let stalled = tokio::time::timeout(Duration::from_millis(100), line.says("INCR sold")).await;
    assert!(stalled.is_err());
    proxy.restore().await.unwrap();
    let mut answer = [0; 4];
    line.0.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b":1\r\n");
}

#[tokio::test]
async fn a_delay_holds_every_answer_back() {
    let (_redis, proxy) = start().await;
    proxy.delay(Duration::from_millis(80));
    let mut line = Line::to(&proxy).await.unwrap();
    let before = Instant::now();
    line.says("PING").await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_request_that_is_held_back_arrives_later_and_the_others_at_once() {
    let (redis, proxy) = start().await;
    let mut straight = TcpStream::connect(redis.address()).await.map(Line).unwrap();
    proxy.hold_back(b"INCR");
    let (mut waits, mut passes) = (Line::to(&proxy).await.unwrap(), Line::to(&proxy).await.unwrap());
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { waits.says("INCR sold").await });
    let begun = Instant::now();
    while proxy.held_back() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is held back");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(passes.says("GET sold").await.unwrap(), "$-1\r\n");
    assert!(waiting.try_join_next().is_none());
    proxy.restore().await.unwrap();
    assert_eq!(waiting.join_next().await.unwrap().unwrap().unwrap(), ":1\r\n");
    assert_eq!((straight.says("GET sold").await.unwrap(), proxy.held_back()), ("$1\r\n1\r\n".to_owned(), 1));
}

/// A process that is being started has a copy of every open file until it runs its own program.
#[tokio::test]
async fn a_cut_proxy_refuses_also_while_processes_are_started() {
    const CUTS: usize = 300;
    let (_redis, proxy) = start().await;
    let starting = Arc::new(AtomicBool::new(true));
    let starters: Vec<_> = (0..4)
        .map(|_| {
            let starting = starting.clone();
            std::thread::spawn(move || {
                while starting.load(Ordering::Relaxed) {
                    assert!(Command::new("true").process_group(0).status().unwrap().success());
                }
            })
        })
        .collect();
    let mut let_in = 0;
    for _ in 0..CUTS {
        proxy.cut().await;
        let_in += usize::from(Line::to(&proxy).await.is_ok());
        proxy.restore().await.unwrap();
    }
    starting.store(false, Ordering::Relaxed);
    starters.into_iter().for_each(|starter| starter.join().unwrap());
    assert_eq!(let_in, 0, "of {CUTS}");
}
