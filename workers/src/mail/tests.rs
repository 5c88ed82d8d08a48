use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

fn parsed(url: &str, from: &str) -> Result<MailConfig, BadMailConfig> {
    MailConfig::parse(&SecretString::from(url), from)
}

#[test]
fn a_server_and_a_sender_are_checked_before_anything_starts() {
    for url in ["smtp://localhost:2525", "smtps://user:secret@mail.example.com", "smtp://mail.example.com?tls=required"]
    {
        assert!(parsed(url, "Tickets <tickets@example.com>").is_ok(), "{url}");
    }
    for url in ["", "mail.example.com", "http://mail.example.com"] {
        assert_eq!(parsed(url, "tickets@example.com").err(), Some(BadMailConfig::Url), "{url}");
    }
    assert_eq!(parsed("smtp://localhost", "tickets").err(), Some(BadMailConfig::From));
}

#[test]
fn credentials_are_not_in_the_debug_text() {
    let config = parsed("smtps://user:s3cr3t@mail.example.com", "tickets@example.com").expect("a good configuration");
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

/// A server that is there and knows nobody: it refuses every log-in for good.
async fn knows_nobody(mut lines: BufReader<TcpStream>) -> std::io::Result<()> {
    lines.write_all(b"220 knows.nobody\r\n").await?;
    let mut line = String::new();
    while lines.read_line(&mut line).await? > 0 {
        let answer: &[u8] = match line.split_whitespace().next() {
            Some("EHLO") => b"250-knows.nobody\r\n250 AUTH PLAIN LOGIN\r\n",
            Some("AUTH") => b"535 who are you?\r\n",
            _ => b"250 ok\r\n",
        };
        lines.write_all(answer).await?;
        line.clear();
    }
    Ok(())
}

#[tokio::test]
async fn wrong_credentials_are_no_mails_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut sessions = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            sessions.spawn(knows_nobody(BufReader::new(stream)));
        }
    });
    let config = parsed(&format!("smtp://user:wrong@{address}"), "tickets@example.com").expect("a good configuration");
    let mailer = Mailer::new(config, 1);
    let message = Message::builder()
        .from(mailer.from().clone())
        .to("ada@example.org".parse().expect("a mailbox"))
        .body("Hello".to_owned())
        .expect("a mail");
    let error = mailer.send(message).await.expect_err("nobody may send");
    assert!(matches!(&error, SendError::Away(why) if why.contains("who are you?")), "{error:?}");
}
