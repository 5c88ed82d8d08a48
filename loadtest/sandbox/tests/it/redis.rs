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

#[tokio::test]
async fn the_rest_of_a_keys_life_is_told() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    raw(&address(&redis), "SET seat taken PX 60000").await.unwrap();
    raw(&address(&redis), "SET hall open").await.unwrap();
    assert!(redis.ttl_ms("seat").await.unwrap().is_some_and(|ttl| (1..=60_000).contains(&ttl)));
    assert_eq!((redis.ttl_ms("hall").await.unwrap(), redis.ttl_ms("roof").await.unwrap()), (None, None));
}

#[tokio::test]
async fn a_failover_brings_back_what_was_kept_and_a_restart_nothing() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    raw(&address(&redis), "SET seat taken").await.unwrap();
    redis.keep_snapshot().await.unwrap();
    raw(&address(&redis), "SET seat sold").await.unwrap();
    for _ in 0..2 {
        redis.restart_from_snapshot().await.unwrap();
        assert_eq!(raw(&address(&redis), "GET seat").await.unwrap(), "$5\r\ntaken\r\n");
    }
    redis.restart().await.unwrap();
    assert_eq!(raw(&address(&redis), "DBSIZE").await.unwrap(), ":0\r\n");
}

#[tokio::test]
async fn a_frozen_redis_answers_when_it_is_thawed() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    redis.freeze().await;
    let address = address(&redis);
    let mut answer = crate::tasks::beside(async move { raw(&address, "PING").await });
    let soon = tokio::time::timeout(std::time::Duration::from_millis(300), &mut answer).await;
    assert!(soon.is_err(), "{soon:?}");
    redis.thaw().await;
    assert_eq!(answer.await.unwrap().unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_redis_out_of_memory_refuses_to_write_and_reads_on() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    raw(&address(&redis), "SET seat taken").await.unwrap();
    redis.set_memory_max(1).await.unwrap();
    assert!(raw(&address(&redis), "SET seat sold").await.unwrap().starts_with("-OOM"));
    assert_eq!(raw(&address(&redis), "GET seat").await.unwrap(), "$5\r\ntaken\r\n");
    redis.set_memory_max(0).await.unwrap();
    assert_eq!(raw(&address(&redis), "SET seat sold").await.unwrap(), "+OK\r\n");
}
