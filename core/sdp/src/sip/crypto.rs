//! SDP Security Descriptions (SDES): SRTP keys in `a=crypto` (RFC 4568; RFC 7714 §14.1 for AEAD).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use core::fmt;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// The maximum number of session parameters of one attribute.
const MAX_PARAMETERS: usize = 16;
/// The maximum length of a session parameter in octets.
const MAX_PARAMETER: usize = 128;

/// Base64 as in `inline:`. Received keys may lack padding or have non-zero trailing bits, because some peers write such
/// keys.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An SRTP crypto suite, ordered by the relay's preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// `AEAD_AES_128_GCM`
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM`
    AeadAes256Gcm,
    /// `AES_CM_128_HMAC_SHA1_80`
    AesCm128HmacSha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`: RTCP keeps tags of 80 bits (RFC 4568 §6.2.2).
    AesCm128HmacSha1Tag32,
}

impl Suite {
    /// All supported suites, most preferred first.
    pub const ALL: [Self; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1Tag80, Self::AesCm128HmacSha1Tag32];

    /// Returns the registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Returns the length of master key and master salt together in octets.
    const fn length(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16 + 12,
            Self::AeadAes256Gcm => 32 + 12,
            Self::AesCm128HmacSha1Tag80 | Self::AesCm128HmacSha1Tag32 => 16 + 14,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }
}

/// The SRTP master key of one direction followed by its master salt, as in `inline:` (RFC 4568 §6.1).
/// It is serialized only inside state that is encrypted as a whole ([`offhook_secret`]).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineKey(#[serde(serialize_with = "offhook_secret::serialize")] pub Vec<u8>);

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl InlineKey {
    /// Generates a random key for `suite`.
    #[must_use]
    pub fn generate(suite: Suite, random: &mut impl CryptoRng) -> Self {
        let mut octets = vec![0; suite.length()];
        random.fill_bytes(&mut octets);
        Self(octets)
    }

    fn parse(text: &str, suite: Suite) -> Option<Self> {
        BASE64.decode(text).ok().filter(|octets| octets.len() == suite.length()).map(Self)
    }
}

/// The master key identifier (MKI), which is contained in every packet (RFC 3711 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mki {
    /// The value.
    pub value: u64,
    /// Length in a packet in octets, 1 to 128.
    pub length: u8,
}

impl Mki {
    /// Returns the identifier as written in packets: the value, big-endian and right-aligned.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        let value = self.value.to_be_bytes();
        let length = usize::from(self.length);
        let mut octets = vec![0; length.saturating_sub(value.len())];
        octets.extend(value.iter().skip(value.len().saturating_sub(length)));
        octets
    }
}

/// An `a=crypto` attribute (RFC 4568 §4): the parameters of the SRTP that its author sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoAttribute {
    /// Identifies the attribute in offer and answer.
    pub tag: u32,
    /// The suite.
    pub suite: Suite,
    /// The first key. Further keys are ignored.
    pub key: InlineKey,
    /// Maximum number of packets sent with the key.
    pub lifetime: Option<u64>,
    /// The key's identifier in packets.
    pub mki: Option<Mki>,
    /// Session parameters as written.
    pub parameters: Vec<String>,
}

impl CryptoAttribute {
    /// Creates an attribute with a random key and without optional parameters.
    #[must_use]
    pub fn generate(tag: u32, suite: Suite, random: &mut impl CryptoRng) -> Self {
        let key = InlineKey::generate(suite, random);
        Self { tag, suite, key, lifetime: None, mki: None, parameters: Vec::new() }
    }

    /// Parses the attribute's value. Returns `None` if the suite is unknown or the key has the wrong length; such a line is
    /// ignored (RFC 4568 §5.1.2).
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let tag = words.next()?;
        let tag = tag.parse().ok().filter(|_| tag.len() <= 9)?;
        let suite = Suite::parse(words.next()?)?;
        let first = words.next()?.split(';').next()?;
        let (method, keys) = first.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") {
            return None;
        }
        let mut parts = keys.split('|');
        let key = InlineKey::parse(parts.next()?, suite)?;
        let (mut lifetime, mut mki) = (None, None);
        for part in parts {
            match part.split_once(':') {
                Some((value, length)) => {
                    let length = length.parse().ok().filter(|length| (1..=128).contains(length))?;
                    mki = Some(Mki { value: value.parse().ok()?, length });
                }
                None => lifetime = Some(packets(part)?),
            }
        }
        let parameters: Vec<String> = words.map(str::to_owned).collect();
        if parameters.len() > MAX_PARAMETERS || parameters.iter().any(|parameter| parameter.len() > MAX_PARAMETER) {
            return None;
        }
        Some(Self { tag, suite, key, lifetime, mki, parameters })
    }

    /// Returns whether the relay supports all session parameters. Parameters that do not change the packets are
    /// supported, and unknown ones are acceptable only if they begin with `-` (RFC 4568 §6.3.7).
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        let is_harmless = |parameter: &String| {
            let name = parameter.split('=').next().unwrap_or_default().to_ascii_uppercase();
            parameter.starts_with('-') || name == "WSH" || parameter.eq_ignore_ascii_case("KDR=0")
        };
        self.parameters.iter().all(is_harmless)
    }
}

impl fmt::Display for CryptoAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode(&self.key.0);
        write!(f, "{} {} inline:{key}", self.tag, self.suite.name())?;
        match self.lifetime {
            Some(packets) if packets.is_power_of_two() => write!(f, "|2^{}", packets.trailing_zeros())?,
            Some(packets) => write!(f, "|{packets}")?,
            None => {}
        }
        if let Some(Mki { value, length }) = self.mki {
            write!(f, "|{value}:{length}")?;
        }
        for parameter in &self.parameters {
            write!(f, " {parameter}")?;
        }
        Ok(())
    }
}

/// Parses a lifetime: a number or a power of two, at most the 2^48 packets of a key (RFC 3711 §9.2).
fn packets(text: &str) -> Option<u64> {
    const MAX_PACKETS: u64 = 1 << 48;
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => 1_u64.checked_shl(exponent.parse().ok()?)?,
        None => text.parse().ok()?,
    };
    Some(packets).filter(|packets| (1..=MAX_PACKETS).contains(packets))
}
