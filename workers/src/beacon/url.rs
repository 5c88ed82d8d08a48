//! Where a beacon is.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// The base URL of a drand chain, without a slash at the end: `https://api.drand.sh/{chain hash}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeaconUrl(String);

/// Why something is no address of a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBeaconUrl {
    /// Not an absolute `http` or `https` URL.
    #[error("must be an absolute http or https URL")]
    NotAbsolute,
    /// Paths are put behind it, and it is published: nothing may follow the path, and nothing secret be in it.
    #[error("must have no query and no credentials")]
    MoreThanAPath,
}

impl BeaconUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BeaconUrl {
    type Err = BadBeaconUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| BadBeaconUrl::NotAbsolute)?;
        let authority = uri.authority().ok_or(BadBeaconUrl::NotAbsolute)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(BadBeaconUrl::NotAbsolute);
        }
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(BadBeaconUrl::MoreThanAPath);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BeaconUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
