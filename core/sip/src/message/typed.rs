//! Typed accessors of headers.

use super::address::{Contacts, NameAddr};
use super::headers::Headers;
use super::method::Method;
use super::name::HeaderName;
use super::scan::{Malformed, saturating};
use super::uri::Uri;
use super::values::{
    CSeq, Event, MediaType, Privacy, RAck, Reason, Replaces, RetryAfter, SessionExpires, SubscriptionState, is_call_id,
};
use super::via::Via;
use core::str::FromStr;

type Parsed<T> = Result<T, Malformed>;

/// The error for a mandatory header that is missing. This cannot occur in a parsed message, only in one under
/// construction.
const MISSING: Malformed = Malformed("the header is missing");

impl Headers {
    fn first<T: FromStr<Err = Malformed>>(&self, name: HeaderName) -> Option<Parsed<T>> {
        self.all(name).next().map(str::parse)
    }

    fn each<T: FromStr<Err = Malformed>>(&self, name: HeaderName) -> Parsed<Vec<T>> {
        self.all(name).map(str::parse).collect()
    }

    fn seconds(&self, name: HeaderName) -> Option<Parsed<u32>> {
        let text = self.get(name)?;
        let number = text.split(';').next().unwrap_or_default();
        Some(saturating(number.trim()).ok_or(Malformed("invalid number of seconds")))
    }

    /// Returns all hops, most recent first.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn vias(&self) -> Parsed<Vec<Via>> {
        self.each(HeaderName::Via)
    }

    /// Returns the most recent hop.
    ///
    /// # Errors
    /// Returns an error if it is missing or malformed.
    pub fn top_via(&self) -> Parsed<Via> {
        self.first(HeaderName::Via).ok_or(MISSING)?
    }

    /// Returns `From`.
    ///
    /// # Errors
    /// Returns an error if it is missing or malformed.
    pub fn from(&self) -> Parsed<NameAddr> {
        self.first(HeaderName::From).ok_or(MISSING)?
    }

    /// Returns `To`.
    ///
    /// # Errors
    /// Returns an error if it is missing or malformed.
    pub fn to(&self) -> Parsed<NameAddr> {
        self.first(HeaderName::To).ok_or(MISSING)?
    }

    /// Returns `Call-ID`.
    ///
    /// # Errors
    /// Returns an error if it is missing or contains white space.
    pub fn call_id(&self) -> Parsed<&str> {
        let text = self.get(HeaderName::CallId).ok_or(MISSING)?;
        if is_call_id(text) { Ok(text) } else { Err(Malformed("invalid Call-ID")) }
    }

    /// Returns `CSeq`.
    ///
    /// # Errors
    /// Returns an error if it is missing or malformed.
    pub fn cseq(&self) -> Parsed<CSeq> {
        self.first(HeaderName::CSeq).ok_or(MISSING)?
    }

    /// Returns all values of `Contact`.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed, or an asterisk is combined with other values.
    pub fn contacts(&self) -> Parsed<Contacts> {
        let mut values = self.all(HeaderName::Contact);
        if values.clone().any(|value| value == "*") {
            values.next();
            return if values.next().is_none() {
                Ok(Contacts::All)
            } else {
                Err(Malformed("asterisk combined with contacts"))
            };
        }
        self.each(HeaderName::Contact).map(Contacts::List)
    }

    /// Returns the first `Contact`. A request or response that creates a dialog has exactly one.
    #[must_use]
    pub fn contact(&self) -> Option<Parsed<NameAddr>> {
        self.first(HeaderName::Contact)
    }

    /// Returns `Route`.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn routes(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::Route)
    }

    /// Returns `Record-Route`.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn record_routes(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::RecordRoute)
    }

    /// Returns `Path` (RFC 3327).
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn path(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::Path)
    }

    /// Returns `Service-Route` (RFC 3608).
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn service_route(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::ServiceRoute)
    }

    /// Returns `Max-Forwards`.
    #[must_use]
    pub fn max_forwards(&self) -> Option<Parsed<u8>> {
        let text = self.get(HeaderName::MaxForwards)?;
        let hops = saturating(text).and_then(|hops| u8::try_from(hops).ok());
        Some(hops.ok_or(Malformed("invalid number of hops")))
    }

    /// Returns `Expires` in seconds. A number that is too large becomes the maximum.
    #[must_use]
    pub fn expires(&self) -> Option<Parsed<u32>> {
        self.seconds(HeaderName::Expires)
    }

    /// Returns `Min-Expires` in seconds.
    #[must_use]
    pub fn min_expires(&self) -> Option<Parsed<u32>> {
        self.seconds(HeaderName::MinExpires)
    }

    /// Returns `Min-SE` in seconds (RFC 4028 §5).
    #[must_use]
    pub fn min_se(&self) -> Option<Parsed<u32>> {
        self.seconds(HeaderName::MinSe)
    }

    /// Returns `Session-Expires` (RFC 4028 §4).
    #[must_use]
    pub fn session_expires(&self) -> Option<Parsed<SessionExpires>> {
        self.first(HeaderName::SessionExpires)
    }

    /// Returns the option tags of `Supported`.
    pub fn supported(&self) -> impl Iterator<Item = &str> + Clone {
        self.all(HeaderName::Supported)
    }

    /// Returns the option tags of `Require`.
    pub fn require(&self) -> impl Iterator<Item = &str> + Clone {
        self.all(HeaderName::Require)
    }

    /// Returns the option tags of `Unsupported`.
    pub fn unsupported(&self) -> impl Iterator<Item = &str> + Clone {
        self.all(HeaderName::Unsupported)
    }

    /// Returns the methods of `Allow`. Invalid methods are skipped.
    pub fn allow(&self) -> impl Iterator<Item = Method> {
        self.all(HeaderName::Allow).filter_map(|name| name.parse().ok())
    }

    /// Returns whether the option tag is in `Supported` or `Require`, both of which indicate support.
    #[must_use]
    pub fn supports(&self, option: &str) -> bool {
        self.supported().chain(self.require()).any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// Returns whether the option tag is in `Require`.
    #[must_use]
    pub fn requires(&self, option: &str) -> bool {
        self.require().any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// Returns whether the method is in `Allow`. `None` if the header is absent (RFC 3261 §20.5).
    #[must_use]
    pub fn allows(&self, method: &Method) -> Option<bool> {
        self.has(HeaderName::Allow).then(|| self.allow().any(|allowed| allowed == *method))
    }

    /// Returns `RAck` (RFC 3262 §7.2).
    #[must_use]
    pub fn rack(&self) -> Option<Parsed<RAck>> {
        self.first(HeaderName::RAck)
    }

    /// Returns `RSeq` (RFC 3262 §7.1).
    #[must_use]
    pub fn rseq(&self) -> Option<Parsed<u32>> {
        let text = self.get(HeaderName::RSeq)?;
        Some(text.parse().map_err(|_| Malformed("invalid response number")))
    }

    /// Returns `Refer-To` (RFC 3515 §2.1).
    #[must_use]
    pub fn refer_to(&self) -> Option<Parsed<NameAddr>> {
        self.first(HeaderName::ReferTo)
    }

    /// Returns `Referred-By` (RFC 3892).
    #[must_use]
    pub fn referred_by(&self) -> Option<Parsed<NameAddr>> {
        self.first(HeaderName::ReferredBy)
    }

    /// Returns `Replaces` (RFC 3891).
    #[must_use]
    pub fn replaces(&self) -> Option<Parsed<Replaces>> {
        self.first(HeaderName::Replaces)
    }

    /// Returns `Event` (RFC 6665 §8.2.1).
    #[must_use]
    pub fn event(&self) -> Option<Parsed<Event>> {
        self.first(HeaderName::Event)
    }

    /// Returns `Subscription-State` (RFC 6665 §8.2.3).
    #[must_use]
    pub fn subscription_state(&self) -> Option<Parsed<SubscriptionState>> {
        self.first(HeaderName::SubscriptionState)
    }

    /// Returns `P-Asserted-Identity` (RFC 3325 §9.1).
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn p_asserted_identity(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::PAssertedIdentity)
    }

    /// Returns `Privacy` (RFC 3323 §4.2).
    #[must_use]
    pub fn privacy(&self) -> Option<Parsed<Privacy>> {
        self.first(HeaderName::Privacy)
    }

    /// Returns `Reason` (RFC 3326), one value per protocol.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn reason(&self) -> Parsed<Vec<Reason>> {
        self.each(HeaderName::Reason)
    }

    /// Returns `History-Info` (RFC 7044): addresses with `index`. The cause of each is in the headers of its URI.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn history_info(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::HistoryInfo)
    }

    /// Returns `Diversion` (RFC 5806): addresses with `reason` and `counter`, most recent diversion first.
    ///
    /// # Errors
    /// Returns an error if one of them is malformed.
    pub fn diversion(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::Diversion)
    }

    /// Returns `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<Parsed<MediaType>> {
        self.first(HeaderName::ContentType)
    }

    /// Returns the challenges of `WWW-Authenticate`, for [`crate::auth::Challenge`].
    pub fn www_authenticate(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::WwwAuthenticate)
    }

    /// Returns the challenges of `Proxy-Authenticate`.
    pub fn proxy_authenticate(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::ProxyAuthenticate)
    }

    /// Returns the credentials of `Authorization`, for [`crate::auth::Credentials`].
    pub fn authorization(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::Authorization)
    }

    /// Returns the credentials of `Proxy-Authorization`.
    pub fn proxy_authorization(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::ProxyAuthorization)
    }

    /// Returns `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Parsed<RetryAfter>> {
        self.first(HeaderName::RetryAfter)
    }

    /// Replaces the `Route` headers with one line for each route.
    pub fn set_routes<'a>(&mut self, routes: impl IntoIterator<Item = &'a NameAddr>) {
        self.remove(HeaderName::Route);
        routes.into_iter().for_each(|route| self.push(HeaderName::Route, route));
    }

    /// Replaces the contacts with `Contact: <uri>`.
    pub fn set_contact(&mut self, uri: &Uri) {
        self.set(HeaderName::Contact, format_args!("<{uri}>"));
    }
}
