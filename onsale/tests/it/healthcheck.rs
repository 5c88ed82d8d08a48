//! What `onsale healthcheck` says of a process that is ready, that is not, that is not there, and of something else in its place.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{Process, World, command};

/// The command gives up after 5 s; the rest is a busy machine.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(15);

fn asks(arguments: &[&str], admin: &str) -> Output {
    let variables = [("ONSALE_ADMIN_LISTEN", admin.to_owned())];
    command(&[&["healthcheck"], arguments].concat(), &variables).output().unwrap()
}

fn of(process: &Process, arguments: &[&str]) -> (Option<i32>, String) {
    let output = asks(arguments, process.admin.base().strip_prefix("http://").unwrap());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_well_while_it_is_ready_and_alive_while_it_is_not() {
    let mut world = World::start().await;
    makes_the_sandboxs_sale_once(&world).await;
    for process in [&world.gateway, &world.workers] {
        let (code, told) = of(process, &[]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("[+] postgres"), "{told}");
    }
    // Where everybody is listened to, loopback is asked.
    let port = world.gateway.admin.base().rsplit(':').next().unwrap().to_owned();
    assert_eq!(asks(&["gateway"], &format!("0.0.0.0:{port}")).status.code(), Some(0));

    world.redis.stop().await.unwrap();
    let started = Instant::now();
    let (code, told) = loop {
        let (code, told) = of(&world.workers, &["workers"]);
        if code != Some(0) || started.elapsed() > GIVES_UP_WITHIN {
            break (code, told);
        }
    };
    assert_eq!(code, Some(1));
    assert!(told.contains("[-] redis"), "{told}");
    assert_eq!(of(&world.workers, &["--live"]).0, Some(0));

    world.gateway.is_killed();
    let silent = asks(&["gateway"], &format!("127.0.0.1:{port}"));
    assert_eq!(silent.status.code(), Some(1));
}

/// A port that something else has, or nobody answers on, is not well, and the command does not wait for ever.
#[test]
fn what_answers_wrong_or_never_is_not_well() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let output = asks(&[], &silent.local_addr().unwrap().to_string());
    assert_eq!(output.status.code(), Some(1));
    assert!(started.elapsed() < GIVES_UP_WITHIN);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("did not answer within 5s"), "{said}");

    let strange = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = strange.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        for answer in [
            "220 mail.example.com ESMTP\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ] {
            let (mut stream, _) = strange.accept().unwrap();
            let _ = stream.read(&mut [0; 512]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for wrong in ["a mail server", "404", "204"] {
        assert_eq!(asks(&[], &address).status.code(), Some(1), "{wrong}");
    }
    answering.join().unwrap();
    assert_eq!(asks(&[], "everywhere").status.code(), Some(64));
    assert_eq!(asks(&["sale"], &address).status.code(), Some(64));
}

/// What the demo of the compose file begins with, and what says that it is there.
async fn makes_the_sandboxs_sale_once(world: &World) {
    let url = world.edge.base();
    let sale = format!("{url}/v1/sales/night-at-the-opera");
    let is_there = || asks(&["--url", &sale], "").status.code() == Some(0);
    assert!(!is_there());
    let variables = [("DATABASE_URL", world.database.url.clone())];
    for _ in 0..2 {
        let mut seller =
            command(&["sandbox", "sale", "--url", url], &variables).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(seller.stdout.take().unwrap()).lines();
        assert!(told.any(|line| line.unwrap() == "page /s/night-at-the-opera"));
        assert!(is_there());
        kill_process(Pid::from_child(&seller), Signal::TERM).unwrap();
        assert!(seller.wait().unwrap().success());
    }
    assert_eq!(world.counts("SELECT count(*) FROM sales").await, 1);
    let listed = world.edge.ask(Method::GET, "/v1/sales", &[], &Value::Null).await.unwrap();
    let listed = listed.expect(StatusCode::OK).unwrap();
    assert_eq!(listed["data"][0]["state"], "open", "{listed}");
}
