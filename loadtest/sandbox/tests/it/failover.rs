//! Several servers of which one is lost: sentinels and a cluster find out by themselves.

use sandbox::{RedisCluster, RedisSentinel};

/// Keys in three slots of three different primaries.
const KEYS: [&str; 3] = ["{a}seat", "{b}seat", "{c}seat"];

#[tokio::test]
async fn sentinels_make_a_replica_the_primary_and_the_old_one_its_replica() {
    let redis = RedisSentinel::start().await.unwrap();
    assert_eq!(redis.url().matches("127.0.0.1:").count(), 3);
    redis.command(&["SET", "seat", "taken"]).await.unwrap();
    redis.wait_until_replicated().await.unwrap();
    let lost = redis.kill_primary().await.unwrap();
    let new = redis.wait_until_failed_over(lost).await.unwrap();
    assert_ne!(new, lost);
    assert_eq!(redis.command(&["GET", "seat"]).await.unwrap(), "taken");
    redis.restart(lost).await.unwrap();
    assert_eq!(redis.primary().await.unwrap(), new);
    assert_eq!(redis.command(&["GET", "seat"]).await.unwrap(), "taken");
}

#[tokio::test]
async fn a_primary_that_is_back_before_it_is_missed_empties_its_replicas() {
    let redis = RedisSentinel::start().await.unwrap();
    redis.command(&["SET", "seat", "taken"]).await.unwrap();
    redis.restart_primary_empty().await.unwrap();
    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
async fn a_cluster_spreads_keys_and_replaces_a_lost_primary() {
    let redis = RedisCluster::start().await.unwrap();
    assert_eq!(redis.url().matches("127.0.0.1:").count(), 6);
    let mut owners = Vec::new();
    for key in KEYS {
        redis.command(key, &["SET", key, "taken"]).await.unwrap();
        redis.wait_until_replicated(key).await.unwrap();
        owners.push(redis.owner(key).await.unwrap());
    }
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), 3, "{owners:?}");

    let lost = redis.kill_owner(KEYS[0]).await.unwrap();
    let new = redis.wait_until_failed_over(KEYS[0], lost).await.unwrap();
    redis.restart(lost).await.unwrap();
    assert_eq!(redis.owner(KEYS[0]).await.unwrap(), new);
    for key in KEYS {
        assert_eq!(redis.command(key, &["GET", key]).await.unwrap(), "taken");
    }
    redis.flush().await.unwrap();
    assert_eq!(redis.command(KEYS[0], &["DBSIZE"]).await.unwrap(), "0");
    redis.restart_all_empty().await.unwrap();
}

#[tokio::test]
async fn a_slot_moves_with_its_keys_and_a_replica_takes_over_in_order() {
    let redis = RedisCluster::start().await.unwrap();
    let key = KEYS[0];
    redis.command(key, &["SET", key, "taken"]).await.unwrap();
    let from = redis.owner(key).await.unwrap();
    let moving = redis.begin_to_move(key).await.unwrap();
    moving.keys().await.unwrap();
    let to = moving.finish().await.unwrap();
    assert_ne!(from, to);
    assert_eq!(redis.owner(key).await.unwrap(), to);
    assert_eq!(redis.command(key, &["GET", key]).await.unwrap(), "taken");

    redis.wait_until_replicated(key).await.unwrap();
    let new = redis.hand_over(key).await.unwrap();
    assert!(new != to && new != from);
    assert_eq!(redis.command(key, &["GET", key]).await.unwrap(), "taken");
}
