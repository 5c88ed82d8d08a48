//! One HTTP request over a connection of its own, with the certificates of the other side kept to be looked at.
//!
//! Whoever is on the other side is let in here and judged by the caller: a certificate that is no good must be told from a server that is
//! not there. So nothing secret is ever sent. Bounds: [`BODY_BYTES_MAX`]; the time is the caller's.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The largest answer that is read: the metrics of a busy gateway.
const BODY_BYTES_MAX: usize = 4 << 20;

/// An answer.
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

/// Gets a URL, over `line` when there is one already.
pub(super) async fn fetch(uri: &Uri, line: Option<TlsStream<TcpStream>>) -> Result<Fetched, String> {
    match line {
        Some(line) => exchange(line, uri).await,
        None => exchange(connect(uri).await?, uri).await,
    }
}

async fn connect(uri: &Uri) -> Result<TcpStream, String> {
    let host = uri.host().ok_or("no host")?.trim_matches(['[', ']']);
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    TcpStream::connect((host, uri.port_u16().unwrap_or(usual))).await.map_err(|error| error.to_string())
}

/// Connects and encrypts, whoever it is.
pub(super) async fn encrypt(uri: &Uri) -> Result<TlsStream<TcpStream>, String> {
    let name = server_name(uri)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(JudgedLater(provider)))
        .with_no_client_auth();
    let stream = connect(uri).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| error.to_string())
}

/// Who a URL says it is of.
pub(super) fn server_name(uri: &Uri) -> Result<ServerName<'static>, String> {
    let host = uri.host().ok_or("no host")?.trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())
}

async fn exchange<S>(stream: S, uri: &Uri) -> Result<Fetched, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tell = |error: &dyn std::error::Error| crate::command::with_causes(error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| tell(&error))?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("onsale-preflight/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| tell(&error))?;
    let asking = async move {
        let answer = sender.send_request(request).await.map_err(|error| tell(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(Fetched { status, body: String::from_utf8_lossy(&body).into_owned() })
    };
    // The connection ends when its sender is dropped; how it ends says nothing about the answer.
    tokio::join!(asking, connection).0
}

/// Takes any certificate, but only from who has its key.
#[derive(Debug)]
struct JudgedLater(Arc<CryptoProvider>);

impl ServerCertVerifier for JudgedLater {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
