//! One SMTP connection (RFC 5321): EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, VRFY, QUIT.
//!
//! A fault hits a whole message: it is drawn when its sender is named.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Letters, Mail, MailFault};
use crate::clock::unix_s;

/// Longest line; SMTP allows 1,000 bytes, and senders exceed it.
const LINE_MAX_BYTES: u64 = 16 << 10;
/// Largest message, also said in the answer to EHLO.
const MESSAGE_MAX_BYTES: usize = 16 << 20;
/// Most recipients of one message.
const RECIPIENTS_MAX: usize = 100;
/// Longest silence; SMTP says five minutes.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Serves one connection until it ends.
pub(super) async fn serve(stream: TcpStream, letters: &Letters) {
    let mut session = Session { stream: BufReader::new(stream), letters, envelope: None };
    if let Err(error) = session.run().await {
        tracing::debug!(%error, "a mail connection ended early");
    }
}

struct Session<'a> {
    stream: BufReader<TcpStream>,
    letters: &'a Letters,
    envelope: Option<Envelope>,
}

struct Envelope {
    from: String,
    to: Vec<String>,
    fault: Option<MailFault>,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    HangUp,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        self.say("220 sandbox mail sink").await?;
        while let Some(line) = self.line().await? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if self.command(&line).await? == Then::HangUp {
                break;
            }
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> io::Result<Then> {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                self.say(&format!(
                    "250-sandbox\r\n250-SIZE {MESSAGE_MAX_BYTES}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING"
                ))
                .await?
            }
            "HELO" | "NOOP" => self.say("250 ok").await?,
            "MAIL" => self.mail(line).await?,
            "RCPT" => self.rcpt(line).await?,
            "DATA" => return self.data().await,
            "RSET" => {
                self.envelope = None;
                self.say("250 ok").await?;
            }
            "VRFY" => self.say("252 perhaps").await?,
            "QUIT" => {
                self.say("221 bye").await?;
                return Ok(Then::HangUp);
            }
            _ => self.say("502 not known here").await?,
        }
        Ok(Then::GoOn)
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        let Some(from) = address(line) else { return self.say("501 MAIL FROM:<address>").await };
        let fault = self.letters.next_fault();
        self.envelope = Some(Envelope { from, to: Vec::new(), fault });
        self.say("250 ok").await
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<()> {
        let reply = match (&mut self.envelope, address(line)) {
            (None, _) => "503 MAIL first",
            (_, None) => "501 RCPT TO:<address>",
            (Some(Envelope { fault: Some(MailFault::RefusedForGood), .. }), _) => "550 no such mailbox",
            (Some(envelope), _) if envelope.to.len() >= RECIPIENTS_MAX => "452 too many recipients",
            (Some(envelope), Some(to)) => {
                envelope.to.push(to);
                "250 ok"
            }
        };
        self.say(reply).await
    }

    async fn data(&mut self) -> io::Result<Then> {
        let Some(Envelope { from, to, fault }) = self.envelope.take().filter(|envelope| !envelope.to.is_empty()) else {
            self.say("503 RCPT first").await?;
            return Ok(Then::GoOn);
        };
        self.say("354 end with a line that is a dot").await?;
        let Some(raw) = self.text().await? else {
            self.say("552 too large").await?;
            return Ok(Then::GoOn);
        };
        let mail = Mail { id: 0, from, to, received_s: unix_s(), raw };
        match fault {
            Some(MailFault::RefusedForNow) => self.say("451 try again later").await?,
            Some(MailFault::CutBeforeAccepting) => return Ok(Then::HangUp),
            Some(MailFault::CutAfterAccepting) => {
                self.letters.keep(mail);
                return Ok(Then::HangUp);
            }
            Some(MailFault::RefusedForGood) | None => {
                self.letters.keep(mail);
                self.say("250 kept").await?;
            }
        }
        Ok(Then::GoOn)
    }

    /// The message up to the lone dot, with doubled dots made single; `None` when it is too large.
    async fn text(&mut self) -> io::Result<Option<Bytes>> {
        let mut text = Vec::new();
        let mut fits = true;
        while let Some(line) = self.line().await? {
            if line == b".\r\n" || line == b".\n" {
                return Ok(fits.then(|| text.into()));
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            fits &= text.len() + line.len() <= MESSAGE_MAX_BYTES;
            if fits {
                text.extend_from_slice(line);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// A line with its end; `None` at the end of the connection.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(LINE_MAX_BYTES);
        tokio::time::timeout(SILENCE_MAX, bounded.read_until(b'\n', &mut line)).await??;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(io::Error::other("a line that is too long or broke off")),
        }
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await
    }
}

/// The address between the angle brackets; empty for a bounce.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}
