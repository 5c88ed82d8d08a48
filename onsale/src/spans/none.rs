//! In place of the export, in a build without it. Nothing leads here: a collector is refused when the settings are read.

use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::Identity;

use super::SpansTo;

/// There is none.
pub(crate) enum Exporter {}

impl Exporter {
    /// Never called.
    pub(crate) async fn run(self, _stopped: CancellationToken) {
        match self {}
    }
}

/// Nothing.
pub(crate) const fn pipe(_to: &SpansTo, _service: &'static str) -> Option<(Identity, Exporter)> {
    None
}
