//! Signed tokens: what a visitor or buyer presents to prove what we told them.
//!
//! | token     | text    | proves                                                        | body |
//! |-----------|---------|---------------------------------------------------------------|------|
//! | place     | `plc_…` | a number or a registration of a sale's queue, and whose it is  | sale, epoch, spot, allowance, holder |
//! | pass      | `pas_…` | that number had its turn                                       | sale, number, allowance, holder, granted at |
//! | receipt   | `rcp_…` | a hold, down to its units, so that it outlives Redis           | sale, hold, epoch, number, expiry, units |
//! | order     | `ort_…` | who may see and pay an order                                   | sale, order |
//! | artefact  | `art_…` | who may see one order's QR codes and files, and nothing else   | sale, order |
//! | entry     | `wlt_…` | who may see, leave and claim an entry of a waitlist, and whether by its mail | sale, entry, proof |
//! | challenge | `chl_…` | what a visitor was asked to work on before joining             | sale, holder, bits, expiry, salt |
//!
//! All are `base64url(version ‖ kind ‖ kid ‖ body ‖ HMAC-SHA256)` behind their prefix, with big-endian fields of fixed
//! size (the receipt ends in a counted list), so two different contents never have the same bytes. The MAC covers
//! everything before it, the kind too: a token of one kind never passes for another. It is compared in constant time.
//! A token is a pure function of its content and key: the same content gives the same text, on every node.
//!
//! A token carries no expiry of its own except where the body says so: whether a turn or a hold is over is decided by
//! Redis, whether an order is, by Postgres.

use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::ids::{EntryId, HoldId, OrderId, PlaceNumber, SaleId, TierId, UnitNo};
use crate::keyring::{Keyring, KeyringError, Kid};

mod contact;
mod spot;
mod wire;

pub use spot::{Allowance, Spot};
use wire::{Reader, Writer};

/// Whose a place is: the first 16 bytes of the SHA-256 of the visitor's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(pub [u8; 16]);

impl Holder {
    /// The thumbprint of a visitor's secret.
    #[must_use]
    pub fn of_secret(secret: &[u8]) -> Self {
        let digest = Sha256::digest(secret);
        Self(digest[..16].try_into().expect("a SHA-256 digest has 32 bytes"))
    }
}

/// Proof of a place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceToken {
    /// The sale.
    pub sale: SaleId,
    /// The epoch in which it was given.
    pub epoch: u32,
    /// Which place it is.
    pub spot: Spot,
    /// How much time its holder asked for.
    pub allowance: Allowance,
    /// Whose it is.
    pub holder: Holder,
}

/// Proof of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassToken {
    /// The sale.
    pub sale: SaleId,
    /// The number that had its turn.
    pub number: PlaceNumber,
    /// How much time its holder asked for.
    pub allowance: Allowance,
    /// Whose it is.
    pub holder: Holder,
    /// When the turn was given.
    pub granted_at: Timestamp,
}

/// Proof of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The sale.
    pub sale: SaleId,
    /// The hold.
    pub hold: HoldId,
    /// The epoch in which it was taken.
    pub epoch: u32,
    /// The number whose pass took it.
    pub number: PlaceNumber,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it holds.
    pub units: Vec<(TierId, UnitNo)>,
}

/// Proof of being the buyer of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderToken {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
}

/// Leave to fetch the artefacts of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtefactToken {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
}

/// Proof of being who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryToken {
    /// The sale.
    pub sale: SaleId,
    /// The entry.
    pub entry: EntryId,
    /// How its holder came by it.
    pub proof: EntryProof,
}

/// How the holder of an entry token came by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryProof {
    /// In the answer to joining.
    Joined,
    /// By mail to the entry's address: whoever shows it reads that mail.
    Mailed,
}

/// What a visitor was asked to work on before joining: see [`crate::proof_of_work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeToken {
    /// The sale it is for.
    pub sale: SaleId,
    /// Who was asked.
    pub holder: Holder,
    /// How many zero bits were asked for.
    pub bits: u8,
    /// From when it is worth nothing.
    pub expires_at: Timestamp,
    /// Makes every challenge a new one.
    pub salt: [u8; 16],
}

/// Why a text is not one of our tokens. On purpose it says little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct TokenError;

/// The longest token that is looked at; a receipt of 20 units with the longest tier names stays below it.
const TOKEN_CHARS_MAX: usize = 2_048;
/// What most tokens fit into, so that they are written without moving house.
const TOKEN_USUAL_BYTES: usize = 256;
const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;

/// What each kind of token puts in its body.
trait Token: Sized {
    const PREFIX: &'static str;
    const KIND: u8;
    fn write(&self, body: &mut Writer);
    fn read(body: &mut Reader<'_>) -> Option<Self>;
}

/// Signs and verifies tokens with `ONSALE_SIGNING_KEYS`.
pub struct Signer(Keyring);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

macro_rules! token_methods {
    ($($sign:ident $verify:ident $token:ty;)+) => {
        impl Signer {$(
            #[doc = concat!("The text of a [`", stringify!($token), "`].")]
            #[must_use]
            pub fn $sign(&self, token: &$token) -> String {
                self.sign(token)
            }

            #[doc = concat!("The [`", stringify!($token), "`] in a text.")]
            ///
            /// # Errors
            /// The text is not one of ours, or of another kind.
            pub fn $verify(&self, text: &str) -> Result<$token, TokenError> {
                self.verify(text)
            }
        )+}
    };
}

token_methods! {
    sign_place verify_place PlaceToken;
    sign_pass verify_pass PassToken;
    sign_receipt verify_receipt Receipt;
    sign_order verify_order OrderToken;
    sign_artefact verify_artefact ArtefactToken;
    sign_entry verify_entry EntryToken;
    sign_challenge verify_challenge ChallengeToken;
}

impl Signer {
    /// A signer with these keys, `kid:base64,…`: the first signs, all verify.
    ///
    /// # Errors
    /// The list is no list of keys.
    pub fn new(keys: &SecretString) -> Result<Self, KeyringError> {
        Keyring::parse(keys).map(Self)
    }

    fn sign<T: Token>(&self, token: &T) -> String {
        let (kid, key) = self.0.signing();
        let mut bytes = Writer::with_capacity(TOKEN_USUAL_BYTES);
        bytes.u8(VERSION);
        bytes.u8(T::KIND);
        bytes.raw(&kid.bytes());
        token.write(&mut bytes);
        let mac = mac(key, bytes.as_slice());
        bytes.raw(&mac.finalize().into_bytes());
        let mut text = String::with_capacity(T::PREFIX.len() + bytes.as_slice().len().div_ceil(3) * 4);
        text.push_str(T::PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text
    }

    fn verify<T: Token>(&self, text: &str) -> Result<T, TokenError> {
        self.read(text).ok_or(TokenError)
    }

    fn read<T: Token>(&self, text: &str) -> Option<T> {
        let encoded = text.strip_prefix(T::PREFIX).filter(|encoded| encoded.len() <= TOKEN_CHARS_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let mut reader = Reader::new(signed);
        let (version, kind, kid) = (reader.u8()?, reader.u8()?, Kid::from_bytes(reader.array()?)?);
        if (version, kind) != (VERSION, T::KIND) {
            return None;
        }
        mac(self.0.find(kid)?, signed).verify_slice(tag).ok()?;
        T::read(&mut reader).filter(|_| reader.is_empty())
    }
}

fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(bytes);
    mac
}

impl Token for PlaceToken {
    const PREFIX: &'static str = "plc_";
    const KIND: u8 = 1;

    fn write(&self, body: &mut Writer) {
        body.uuid(self.sale.uuid());
        body.u32(self.epoch);
        self.spot.write(body);
        self.allowance.write(body);
        body.raw(&self.holder.0);
    }

    fn read(body: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            sale: SaleId::from_uuid(body.uuid()?),
            epoch: body.u32()?,
            spot: Spot::read(body)?,
            allowance: Allowance::read(body)?,
            holder: Holder(body.array()?),
        })
    }
}

impl Token for PassToken {
    const PREFIX: &'static str = "pas_";
    const KIND: u8 = 2;

    fn write(&self, body: &mut Writer) {
        body.uuid(self.sale.uuid());
        body.u64(self.number.0);
        self.allowance.write(body);
        body.raw(&self.holder.0);
        body.time(self.granted_at);
    }

    fn read(body: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            sale: SaleId::from_uuid(body.uuid()?),
            number: PlaceNumber(body.u64()?),
            allowance: Allowance::read(body)?,
            holder: Holder(body.array()?),
            granted_at: body.time()?,
        })
    }
}

impl Token for Receipt {
    const PREFIX: &'static str = "rcp_";
    const KIND: u8 = 3;

    fn write(&self, body: &mut Writer) {
        body.uuid(self.sale.uuid());
        body.uuid(self.hold.uuid());
        body.u32(self.epoch);
        body.u64(self.number.0);
        body.time(self.expires_at);
        body.u8(u8::try_from(self.units.len()).expect("a hold has at most PER_BUYER_LIMIT_MAX units"));
        for (tier, unit) in &self.units {
            body.name(tier.as_str());
            body.u32(unit.0);
        }
    }

    fn read(body: &mut Reader<'_>) -> Option<Self> {
        let (sale, hold) = (SaleId::from_uuid(body.uuid()?), HoldId::from_uuid(body.uuid()?));
        let (epoch, number, expires_at) = (body.u32()?, PlaceNumber(body.u64()?), body.time()?);
        let count = body.u8()?;
        let units = (0..count)
            .map(|_| Some((TierId::from_str(body.name()?).ok()?, UnitNo(body.u32()?))))
            .collect::<Option<_>>()?;
        Some(Self { sale, hold, epoch, number, expires_at, units })
    }
}

macro_rules! order_tokens {
    ($($token:ident $prefix:literal $kind:literal;)+) => {$(
        impl Token for $token {
            const PREFIX: &'static str = $prefix;
            const KIND: u8 = $kind;

            fn write(&self, body: &mut Writer) {
                body.uuid(self.sale.uuid());
                body.uuid(self.order.uuid());
            }

            fn read(body: &mut Reader<'_>) -> Option<Self> {
                let (sale, order): (Uuid, Uuid) = (body.uuid()?, body.uuid()?);
                Some(Self { sale: SaleId::from_uuid(sale), order: OrderId::from_uuid(order) })
            }
        }
    )+};
}

order_tokens! {
    OrderToken "ort_" 4;
    ArtefactToken "art_" 5;
}

impl Token for EntryToken {
    const PREFIX: &'static str = "wlt_";
    const KIND: u8 = 8;

    fn write(&self, body: &mut Writer) {
        body.uuid(self.sale.uuid());
        body.uuid(self.entry.uuid());
        body.u8(match self.proof {
            EntryProof::Joined => 0,
            EntryProof::Mailed => 1,
        });
    }

    fn read(body: &mut Reader<'_>) -> Option<Self> {
        let (sale, entry) = (SaleId::from_uuid(body.uuid()?), EntryId::from_uuid(body.uuid()?));
        let proof = match body.u8()? {
            0 => EntryProof::Joined,
            1 => EntryProof::Mailed,
            _ => return None,
        };
        Some(Self { sale, entry, proof })
    }
}

impl Token for ChallengeToken {
    const PREFIX: &'static str = "chl_";
    const KIND: u8 = 6;

    fn write(&self, body: &mut Writer) {
        body.uuid(self.sale.uuid());
        body.raw(&self.holder.0);
        body.u8(self.bits);
        body.time(self.expires_at);
        body.raw(&self.salt);
    }

    fn read(body: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            sale: SaleId::from_uuid(body.uuid()?),
            holder: Holder(body.array()?),
            bits: body.u8()?,
            expires_at: body.time()?,
            salt: body.array()?,
        })
    }
}

#[cfg(test)]
mod tests;
