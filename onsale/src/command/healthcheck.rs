//! `onsale healthcheck`: asks a running process whether it is ready, so that an image needs no other program to be asked.
//!
//! One request to its admin address, and [`WITHIN`] for all of it: 200 is yes; another answer, or none, is no. What was answered
//! is printed up to [`SHOWN_MAX`], because engines keep that beside the verdict. It judges nothing by itself: what ready means
//! is `/readyz`'s to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::cli::{Healthcheck, LongRunning};
use crate::command::{Failure, block_on};
use crate::config::AdminSettings;

/// Longer than `/readyz` takes to give a store up, and shorter than what an engine waits.
const WITHIN: Duration = Duration::from_secs(5);
/// What is printed of an answer, in bytes; `/readyz?verbose` has some hundred.
const SHOWN_MAX: usize = 1_024;

/// Why a process is not well.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("{0} answered {1}")]
    Answered(Uri, StatusCode),
    #[error("{0} did not answer within {WITHIN:?}")]
    Slow(Uri),
}

pub(super) fn run(wanted: &Healthcheck) -> Result<(), Failure> {
    let url = url(wanted)?;
    block_on(async {
        let answered = tokio::time::timeout(WITHIN, ask(url.clone())).await;
        match answered.map_err(|_| Unwell::Slow(url.clone()))?? {
            StatusCode::OK => Ok(()),
            status => Err(Unwell::Answered(url, status).into()),
        }
    })
}

/// What is asked.
fn url(wanted: &Healthcheck) -> Result<Uri, Failure> {
    if let Some(url) = &wanted.url {
        return Ok(url.clone());
    }
    let settings = match wanted.process {
        LongRunning::Gateway => AdminSettings::gateway(wanted.admin_listen.as_ref())?,
        LongRunning::Workers => AdminSettings::workers(wanted.admin_listen.as_ref())?,
    };
    let path = if wanted.live { "livez" } else { "readyz?verbose" };
    Ok(format!("http://{}/{path}", reached(settings.admin_listen)).parse()?)
}

/// Whoever listens on every address is reached by loopback.
fn reached(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

async fn ask(url: Uri) -> Result<StatusCode, Failure> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(url).await?;
    let status = answer.status();
    print!("{}", shown(answer.into_body()).await?);
    Ok(status)
}

/// The beginning of an answer.
async fn shown(mut body: Incoming) -> Result<String, Failure> {
    let mut text = Vec::new();
    while text.len() < SHOWN_MAX
        && let Some(frame) = body.frame().await
    {
        text.extend(frame?.into_data().unwrap_or_default());
    }
    text.truncate(SHOWN_MAX);
    Ok(String::from_utf8_lossy(&text).into_owned())
}
