//! How the outside sees this gateway: in links, in cookies, in checks of where a request comes from.

use http::Uri;

/// Whether what goes over the wire can be read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// It cannot.
    Https,
    /// It can: for loopback and private networks.
    Http,
}

/// An absolute `http` or `https` URL without path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    transport: Transport,
}

/// Why a text is no public URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an http or https URL without a path")]
pub struct PublicUrlError(String);

impl std::str::FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let fault = || PublicUrlError(text.to_owned());
        let url: Uri = text.parse().map_err(|_| fault())?;
        let transport = match url.scheme_str() {
            Some("https") => Transport::Https,
            Some("http") => Transport::Http,
            _ => return Err(fault()),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(fault());
        }
        Ok(Self { origin: text.trim_end_matches('/').to_ascii_lowercase(), transport })
    }
}

impl PublicUrl {
    /// The origin: scheme, host and port. Paths are put behind it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host alone: part of names that are to be ours in the whole world.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.origin.split_once("://").map_or(self.origin.as_str(), |(_, authority)| authority);
        authority
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(authority, |(host, _)| host)
    }

    /// How the outside reaches us.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }
}

#[cfg(test)]
mod tests;
