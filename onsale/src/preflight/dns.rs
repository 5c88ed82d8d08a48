//! One kind of question to the DNS: the texts of a name.
//!
//! A stub in the sense of RFC 1035: it asks a resolver that does the work, over UDP and, where the answer does not fit, over TCP. A
//! resolver crate would bring a dozen others for these few questions a sale; whatever is not a plain answer is an error here, never
//! "there is none".
//!
//! Bounds: [`ASK_MAX`] a question and server, [`SERVERS_MAX`] servers, [`TEXTS_MAX`] texts. What it does not do: no cache, no DNSSEC, no
//! walk of its own along names that stand for others, which the resolver does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The longest wait for one server, by either way.
const ASK_MAX: Duration = Duration::from_secs(2);
/// As many as a resolv.conf may name.
const SERVERS_MAX: usize = 3;
/// More texts of one name than anybody has.
const TEXTS_MAX: usize = 100;
/// The largest answer over UDP for who does not ask for more.
const UDP_BYTES_MAX: usize = 512;
const HEADER_BYTES: usize = 12;
const TYPE_TXT: u16 = 16;
const CLASS_IN: u16 = 1;
/// In the flags of an answer.
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RCODE: u16 = 0x000f;
const NO_ERROR: u16 = 0;
const NO_SUCH_NAME: u16 = 3;

/// Why nothing is known of a name.
#[derive(Debug, thiserror::Error)]
pub(super) enum DnsError {
    /// No resolver is configured.
    #[error("no resolver is named in /etc/resolv.conf")]
    NoServer,
    /// No name of the DNS.
    #[error("{0} is no name of the DNS")]
    BadName(String),
    /// No answer in time.
    #[error("no answer within {ASK_MAX:?}")]
    Late,
    /// The network.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The server says that it could not.
    #[error("the resolver answered with code {0}")]
    Refused(u16),
    /// What came is no answer to the question.
    #[error("unreadable answer")]
    Unreadable,
}

/// Who is asked.
#[derive(Debug, Clone)]
pub(super) struct Dns {
    servers: Vec<SocketAddr>,
}

impl Dns {
    /// This resolver, or those of the machine.
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        let servers = match server {
            Some(server) => vec![server],
            None => servers_of(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
        };
        Self { servers }
    }

    /// The texts of a name, each put together from its parts; none where the name has none, or is not there.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let mut last = DnsError::NoServer;
        for server in &self.servers {
            match ask(*server, name).await {
                Ok(texts) => return Ok(texts),
                Err(error @ DnsError::BadName(_)) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn servers_of(resolv_conf: &str) -> Vec<SocketAddr> {
    let named = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok());
    named.take(SERVERS_MAX).map(|address: IpAddr| SocketAddr::new(address, 53)).collect()
}

async fn ask(server: SocketAddr, name: &str) -> Result<Vec<String>, DnsError> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|_| DnsError::Unreadable)?;
    let question = question(id, name)?;
    let answer = timeout(ASK_MAX, over_udp(server, &question)).await.map_err(|_| DnsError::Late)??;
    match read(&question, &answer)? {
        Answer::Texts(texts) => Ok(texts),
        Answer::Truncated => {
            let answer = timeout(ASK_MAX, over_tcp(server, &question)).await.map_err(|_| DnsError::Late)??;
            match read(&question, &answer)? {
                Answer::Texts(texts) => Ok(texts),
                Answer::Truncated => Err(DnsError::Unreadable),
            }
        }
    }
}

async fn over_udp(server: SocketAddr, question: &[u8]) -> Result<Vec<u8>, DnsError> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // From here on only this server is heard.
    socket.connect(server).await?;
    socket.send(question).await?;
    loop {
        let mut answer = vec![0; UDP_BYTES_MAX];
        let length = socket.recv(&mut answer).await?;
        answer.truncate(length);
        if answer.get(..2) == question.get(..2) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> Result<Vec<u8>, DnsError> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(|_| DnsError::Unreadable)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The bytes that ask for the texts of a name.
fn question(id: [u8; 2], name: &str) -> Result<Vec<u8>, DnsError> {
    let bad = || DnsError::BadName(name.to_owned());
    let mut bytes = id.to_vec();
    for field in [RECURSION_DESIRED, 1, 0, 0, 0] {
        bytes.extend(field.to_be_bytes());
    }
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length)).ok_or_else(bad)?;
        if !label.is_ascii() {
            return Err(bad());
        }
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    // The longest name has 255 bytes on the wire.
    if bytes.len() - HEADER_BYTES > 255 {
        return Err(bad());
    }
    bytes.extend([TYPE_TXT.to_be_bytes(), CLASS_IN.to_be_bytes()].concat());
    Ok(bytes)
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Texts(Vec<String>),
    /// There is more than fits.
    Truncated,
}

fn read(question: &[u8], answer: &[u8]) -> Result<Answer, DnsError> {
    let mut bytes = Bytes { all: answer, at: 0 };
    let (id, flags) = (bytes.number()?, bytes.number()?);
    let (questions, answers) = (bytes.number()?, bytes.number()?);
    bytes.skip(4)?;
    // It is ours only when it repeats what was asked, whoever guessed the two bytes of its id.
    let asked = question.get(HEADER_BYTES..).ok_or(DnsError::Unreadable)?;
    let repeats = bytes.take(asked.len())?.eq_ignore_ascii_case(asked);
    if question.get(..2) != Some(id.to_be_bytes().as_slice()) || flags & RESPONSE == 0 || questions != 1 || !repeats {
        return Err(DnsError::Unreadable);
    }
    match flags & RCODE {
        NO_ERROR => {}
        NO_SUCH_NAME => return Ok(Answer::Texts(Vec::new())),
        code => return Err(DnsError::Refused(code)),
    }
    if flags & TRUNCATED != 0 {
        return Ok(Answer::Truncated);
    }
    let mut texts = Vec::new();
    for _ in 0..usize::from(answers).min(TEXTS_MAX) {
        bytes.skip_name()?;
        let kind = bytes.number()?;
        bytes.skip(6)?;
        let length = bytes.number()?;
        let data = bytes.take(usize::from(length))?;
        if kind == TYPE_TXT {
            texts.push(text(data)?);
        }
    }
    Ok(Answer::Texts(texts))
}

/// A text is cut into parts of at most 255 bytes; whoever reads it puts them together without a space.
fn text(data: &[u8]) -> Result<String, DnsError> {
    let mut bytes = Bytes { all: data, at: 0 };
    let mut whole = Vec::new();
    while bytes.at < data.len() {
        let length = bytes.take(1)?[0];
        whole.extend(bytes.take(usize::from(length))?);
    }
    Ok(String::from_utf8_lossy(&whole).into_owned())
}

/// Bytes that are read from the front, never past their end.
struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DnsError> {
        let end = self.at.checked_add(count).ok_or(DnsError::Unreadable)?;
        let taken = self.all.get(self.at..end).ok_or(DnsError::Unreadable)?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), DnsError> {
        self.take(count).map(|_| ())
    }

    fn number(&mut self) -> Result<u16, DnsError> {
        let taken = self.take(2)?;
        Ok(u16::from_be_bytes([taken[0], taken[1]]))
    }

    /// A name ends with an empty label, or with two bytes that point to the rest of it.
    fn skip_name(&mut self) -> Result<(), DnsError> {
        loop {
            match self.take(1)?[0] {
                0 => return Ok(()),
                length if length < 64 => self.skip(usize::from(length))?,
                length if length >= 192 => return self.skip(1),
                _ => return Err(DnsError::Unreadable),
            }
        }
    }
}

#[cfg(test)]
mod tests;
