//! What stands in front of a gateway: it ends TLS with a certificate of an authority of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Makes an authority, and two certificates of it for `localhost`: one that is good for 90 days, one that ended yesterday.
const MAKE: &str = r#"
import datetime as d, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.asymmetric import ec
folder, now, day = sys.argv[1], d.datetime.now(d.timezone.utc), d.timedelta(days=1)
name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
key, ca_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
def made(subject, public, first, last, extensions):
    it = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("authority")).public_key(public)
    it = it.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)
    for extension, critical in extensions: it = it.add_extension(extension, critical)
    return it.sign(ca_key, hashes.SHA256()).public_bytes(s.Encoding.PEM)
put = lambda file, data: open(f"{folder}/{file}", "wb").write(data)
ca = [(x509.BasicConstraints(True, None), True)]
own = [(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)]
put("ca.pem", made("authority", ca_key.public_key(), now - day, now + 400 * day, ca))
put("good.pem", made("us", key.public_key(), now - 10 * day, now + 90 * day, own))
put("expired.pem", made("us", key.public_key(), now - 10 * day, now - day, own))
put("key.pem", key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
"#;

pub(super) struct Terminator {
    port: u16,
    folder: PathBuf,
    expired: Arc<AtomicBool>,
    /// Ends with the test.
    _tasks: JoinSet<()>,
}

impl Terminator {
    /// In front of the gateway at that address.
    pub(super) async fn start(gateway: SocketAddr) -> Self {
        let folder = std::env::temp_dir().join(format!("preflight-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let mut python = sandbox::strangers::python(&["cryptography"]);
        assert!(python.args(["-c", MAKE]).arg(&folder).status().unwrap().success());
        let [good, bad] = ["good.pem", "expired.pem"].map(|file| acceptor(&folder, file));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let expired = Arc::new(AtomicBool::new(false));
        let (switch, mut tasks) = (Arc::clone(&expired), JoinSet::new());
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = if switch.load(Ordering::Relaxed) { bad.clone() } else { good.clone() };
                lines.spawn(async move {
                    // Whoever does not like the certificate hangs up.
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let mut inside = TcpStream::connect(gateway).await.unwrap();
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Self { port, folder, expired, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// By a name that is not in its certificate.
    pub(super) fn url_by_address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The authority, to be trusted.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// From now on it shows the certificate that ended yesterday.
    pub(super) fn lets_expire(&self) {
        self.expired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        // What is left of it is in the folder for what is temporary.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn acceptor(folder: &Path, certificate: &str) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(folder.join(certificate)).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()))
}
