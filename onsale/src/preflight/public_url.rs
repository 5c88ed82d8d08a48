//! The public address: whether it leads to a gateway that knows the sale, and how long its certificate is good.
//!
//! The chain is judged by rustls, as a browser would, at several times: how long it is good is the last day on which it still is, so no
//! date has to be read out of a certificate.

use std::sync::Arc;
use std::time::Duration;

use domain::sale::StoredState;
use gateway::Transport;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::fetch::{Fetched, encrypt, fetch, server_name};
use super::report::Check;
use super::{Looked, Wish, is_local};

pub(super) const NAMES: [&str; 2] = ["public_url", "certificate"];

/// A certificate that ends sooner is renewed before the sale, not during it.
const DAYS_WARN: u64 = 14;
/// Sooner than this, it may end while people still pay.
const DAYS_FAIL: u64 = 2;
/// No certificate is good for longer; further ahead nobody looks.
const DAYS_MAX: u64 = 825;
const DAY_S: u64 = 86_400;

pub(super) async fn look(wish: &Wish<'_>) -> Looked {
    let public_url = &wish.gateway().process.public_url;
    let Ok(uri) = format!("{}{}", public_url.origin(), path(wish)).parse::<Uri>() else {
        return Looked::of(super::report::unanswered(&NAMES, "ONSALE_PUBLIC_URL is no URL", "set it"));
    };
    if public_url.transport() == Transport::Http {
        let certificate = if is_local(public_url.host()) {
            Check::ok("certificate", format!("none: {} is of this machine or network", public_url.origin()))
        } else {
            Check::fail(
                "certificate",
                format!("none: {} can be read by everybody on the way", public_url.origin()),
                "https",
                "put TLS in front of the gateways and set ONSALE_PUBLIC_URL",
            )
        };
        return Looked::of(vec![reached(fetch(&uri, None).await, wish), certificate]);
    }
    match encrypt(&uri).await {
        Ok(line) => {
            let shown: Vec<_> = line.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
            let certificate = certificate(wish, &uri, &shown);
            Looked::of(vec![reached(fetch(&uri, Some(line)).await, wish), certificate])
        }
        Err(error) => Looked::of(super::report::unanswered(&NAMES, &error, "see that a gateway is behind it")),
    }
}

/// What every gateway answers: the sale, once people may see it.
fn path(wish: &Wish<'_>) -> String {
    match wish.sale() {
        Some(sale) if !matches!(sale.state, StoredState::Draft | StoredState::Cancelled) => {
            format!("/v1/sales/{}", sale.id)
        }
        Some(_) | None => "/openapi.json".to_owned(),
    }
}

fn reached(fetched: Result<Fetched, String>, wish: &Wish<'_>) -> Check {
    const NAME: &str = "public_url";
    let (origin, wanted) = (wish.gateway().process.public_url.origin(), "a gateway of this installation");
    let advice = "see what is behind ONSALE_PUBLIC_URL, and that gateways run";
    match fetched {
        Err(error) => Check::fail(NAME, format!("{origin}: {error}"), wanted, advice),
        Ok(Fetched { status: StatusCode::OK, body }) if is_ours(&body, wish) => {
            Check::ok(NAME, format!("{origin} answers as a gateway of this installation"))
        }
        Ok(Fetched { status, .. }) => {
            Check::fail(NAME, format!("{origin} answers {status}, not as we do"), wanted, advice)
        }
    }
}

fn is_ours(body: &str, wish: &Wish<'_>) -> bool {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let is_sale = wish.sale().is_some_and(|sale| answer["id"] == sale.id.to_string());
    is_sale || answer["openapi"].is_string()
}

fn certificate(wish: &Wish<'_>, uri: &Uri, shown: &[CertificateDer<'_>]) -> Check {
    const NAME: &str = "certificate";
    let advice = "renew it, with its whole chain, where TLS ends";
    let name = match server_name(uri) {
        Ok(name) => name,
        Err(error) => return Check::fail(NAME, error, "a name", "set ONSALE_PUBLIC_URL"),
    };
    let roots = match roots(wish) {
        Ok(roots) => roots,
        Err(error) => return Check::open(NAME, error, "certificates to trust", "see --ca-file"),
    };
    let now = wish.clock.now();
    let Some((first, rest)) = shown.split_first() else {
        return Check::fail(NAME, "none was shown", "one", advice);
    };
    let chain = Chain { roots, name: &name, first, rest, now };
    let wanted = format!("good for {DAYS_WARN} days and more, for {}, by a public authority", name.to_str());
    if let Err(error) = chain.is_good_in(0) {
        return Check::fail(NAME, told(&error), wanted, advice);
    }
    let days = chain.days_left();
    let seen = format!("good for {} for {days} more days", name.to_str());
    match days {
        ..DAYS_FAIL => Check::fail(NAME, seen, wanted, advice),
        DAYS_FAIL..DAYS_WARN => Check::warn(NAME, seen, wanted, advice),
        _ => Check::ok(NAME, seen),
    }
}

/// What browsers trust, and what the operator does.
fn roots(wish: &Wish<'_>) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &wish.options.ca_file {
        let read = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| read(&error))? {
            roots.add(certificate.map_err(|error| read(&error))?).map_err(|error| read(&error))?;
        }
    }
    Ok(Arc::new(roots))
}

/// What was shown, and by what it is judged.
struct Chain<'a> {
    roots: Arc<RootCertStore>,
    name: &'a ServerName<'static>,
    first: &'a CertificateDer<'a>,
    rest: &'a [CertificateDer<'a>],
    now: Timestamp,
}

impl Chain<'_> {
    fn is_good_in(&self, days: u64) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let now_s = u64::try_from(self.now.as_second()).unwrap_or_default();
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now_s.saturating_add(days.saturating_mul(DAY_S))));
        verifier.verify_server_cert(self.first, self.rest, self.name, &[], then).map(|_| ())
    }

    /// The last day on which it is still good, found by halving: it is good from now on up to that day.
    fn days_left(&self) -> u64 {
        let (mut good, mut bad) = (0, DAYS_MAX);
        while good + 1 < bad {
            let middle = u64::midpoint(good, bad);
            match self.is_good_in(middle) {
                Ok(()) => good = middle,
                Err(_) => bad = middle,
            }
        }
        good
    }
}

fn told(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(fault) = error else { return error.to_string() };
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not good yet".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is of another name".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "no authority that is trusted vouches for it, or its chain is not whole".to_owned()
        }
        other => format!("{other:?}"),
    }
}
