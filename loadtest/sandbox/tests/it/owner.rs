//! Servers end with their owner, however it ends.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sandbox::{Postgres, PostgresOptions, Redis, RedisOptions};
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::postgres::ask;
use crate::redis::directory_of;
use crate::tasks::beside;

/// A process that owns a Postgres and a Redis.
struct Owner {
    process: Child,
    postgres: String,
    redis: String,
}

impl Owner {
    fn start() -> Owner {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sandbox-servers"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("the owner prints two URLs").unwrap();
        Owner { postgres: line(), redis: line(), process }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

/// Where servers are, learnt while they ran.
struct Traces {
    addresses: [String; 2],
    directories: [PathBuf; 2],
}

impl Traces {
    async fn of(postgres: &str, redis: &str) -> Traces {
        let data: PathBuf = ask(postgres, "SHOW data_directory").await.into();
        let address = |url: &str| url.rsplit(['@', '/']).find(|part| part.contains(':')).unwrap().to_owned();
        Traces {
            addresses: [address(postgres), address(redis)],
            directories: [data.parent().unwrap().to_owned(), directory_of(&address(redis)).await],
        }
    }

    async fn are_gone(&self) {
        for address in &self.addresses {
            eventually(&format!("{address} is closed"), async || TcpStream::connect(address).await.is_err()).await;
        }
        for directory in &self.directories {
            eventually(&format!("{} is removed", directory.display()), async || !Path::exists(directory)).await;
        }
    }
}

#[tokio::test]
async fn servers_end_after_kill_9_of_their_owner() {
    let mut owner = Owner::start();
    let traces = Traces::of(&owner.postgres, &owner.redis).await;
    kill_process(owner.pid(), Signal::KILL).unwrap();
    owner.process.wait().unwrap();
    traces.are_gone().await;
}

#[tokio::test]
async fn servers_end_after_ctrl_c_in_the_terminal() {
    let mut owner = Owner::start();
    let traces = Traces::of(&owner.postgres, &owner.redis).await;
    kill_process_group(owner.pid(), Signal::INT).unwrap();
    assert!(
        owner.process.wait().unwrap().success(),
        "the servers were not hit by the Ctrl-C, so the owner ended in order"
    );
    traces.are_gone().await;
}

#[tokio::test]
async fn servers_end_when_their_owner_panics() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let owner = beside(async move {
        let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        let traces = Traces::of(&postgres.url("postgres"), &redis.url()).await;
        assert!(tell.send(traces).is_err(), "this panic is the test");
    });
    let traces = told.await.unwrap();
    assert!(owner.await.unwrap_err().is_panic());
    traces.are_gone().await;
}
