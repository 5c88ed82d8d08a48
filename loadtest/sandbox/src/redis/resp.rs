//! One Redis command over one short connection: all the sandbox needs, so it stays free of a client library.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::ports;

/// Loopback answers come in microseconds, except while a large file is read at start.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Longest text taken; `INFO` has about 6 KiB.
const TEXT_MAX_BYTES: usize = 1 << 20;

/// What Redis answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Text(String),
    /// Of texts; lists of other things are not asked for.
    List(Vec<String>),
    Error(String),
}

/// Sends one command and reads its answer.
pub(super) async fn call(port: u16, command: &[&str]) -> io::Result<Reply> {
    tokio::time::timeout(CALL_MAX, exchange(port, command)).await?
}

async fn exchange(port: u16, command: &[&str]) -> io::Result<Reply> {
    let mut stream = BufReader::new(TcpStream::connect(ports::loopback(port)).await?);
    stream.write_all(&encode(command)).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", text)) => Ok(Reply::Text(text.to_owned())),
        Some(("-", text)) => Ok(Reply::Error(text.to_owned())),
        Some(("$", length)) => read_text(&mut stream, length).await.map(Reply::Text),
        Some(("*", length)) => read_list(&mut stream, length).await.map(Reply::List),
        _ => Err(io::Error::other(format!("unexpected answer {line:?}"))),
    }
}

async fn read_text(stream: &mut BufReader<TcpStream>, length: &str) -> io::Result<String> {
    let length: usize = length.parse().map_err(io::Error::other)?;
    if length > TEXT_MAX_BYTES {
        return Err(io::Error::other(format!("an answer of {length} bytes")));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(io::Error::other)
}

async fn read_list(stream: &mut BufReader<TcpStream>, length: &str) -> io::Result<Vec<String>> {
    let length: usize = length.parse().map_err(io::Error::other)?;
    let mut list = Vec::new();
    for _ in 0..length {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some(length) = line.trim_end().strip_prefix('$') else {
            return Err(io::Error::other(format!("unexpected answer {line:?}")));
        };
        list.push(read_text(stream, length).await?);
        let mut end = [0; 2];
        stream.read_exact(&mut end).await?;
    }
    Ok(list)
}

fn encode(command: &[&str]) -> Vec<u8> {
    let mut encoded = format!("*{}\r\n", command.len());
    for word in command {
        encoded += &format!("${}\r\n{word}\r\n", word.len());
    }
    encoded.into_bytes()
}
