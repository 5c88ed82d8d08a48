//! The private Redis: outages, persistence, clock offset.

use std::path::PathBuf;

use sandbox::{Persistence, Redis, RedisOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends one inline command and returns the raw answer; every answer here fits one read.
async fn raw(address: &str, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// The directory a Redis works in.
pub(crate) async fn directory_of(address: &str) -> PathBuf {
    raw(address, "CONFIG GET dir").await.unwrap().lines().nth(4).unwrap().into()
}

fn address(redis: &Redis) -> String {
    format!("127.0.0.1:{}", redis.port())
}

#[tokio::test]
async fn an_append_only_redis_keeps_what_it_answered() {
    let redis = Redis::start(RedisOptions { persistence: Persistence::AppendOnly }).await.unwrap();
    raw(&address(&redis), "SET seat taken").await.unwrap();
    redis.kill().await.unwrap();
    assert!(raw(&address(&redis), "PING").await.is_err());
    redis.restart().await.unwrap();
    assert_eq!(raw(&address(&redis), "GET seat").await.unwrap(), "$5\r\ntaken\r\n");
}

#[tokio::test]
async fn a_redis_without_files_comes_back_empty() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    raw(&address(&redis), "SET seat taken").await.unwrap();
    redis.stop().await.unwrap();
    redis.restart().await.unwrap();
    assert_eq!(raw(&address(&redis), "GET seat").await.unwrap(), "$-1\r\n");
    assert_eq!(raw(&address(&redis), "CONFIG GET maxmemory-policy").await.unwrap().lines().nth(4), Some("noeviction"));
}

#[tokio::test]
async fn the_clock_offset_is_a_key_and_a_flush_removes_it() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    redis.set_clock_offset("onsale:clock", -1_500).await.unwrap();
    assert_eq!(raw(&address(&redis), "GET onsale:clock").await.unwrap(), "$5\r\n-1500\r\n");
    redis.flush().await.unwrap();
    assert_eq!(raw(&address(&redis), "DBSIZE").await.unwrap(), ":0\r\n");
}

#[tokio::test]
async fn flushed_scripts_are_forgotten_and_keys_are_not() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let loaded = raw(&address(&redis), "SCRIPT LOAD \"return 7\"").await.unwrap();
    let digest = loaded.lines().nth(1).unwrap();
    raw(&address(&redis), "SET seat taken").await.unwrap();
    assert_eq!(raw(&address(&redis), &format!("EVALSHA {digest} 0")).await.unwrap(), ":7\r\n");
    redis.flush_scripts().await.unwrap();
    assert!(raw(&address(&redis), &format!("EVALSHA {digest} 0")).await.unwrap().starts_with("-NOSCRIPT"));
    assert_eq!(raw(&address(&redis), "DBSIZE").await.unwrap(), ":1\r\n");
}
