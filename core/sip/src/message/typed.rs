//! Headers by their types.

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

/// A header that the message needs. `None` cannot be in a message that was parsed, but in one that is being made.
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
        Some(saturating(number.trim()).ok_or(Malformed("no number of seconds")))
    }

    /// All hops, the last sender's first.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn vias(&self) -> Parsed<Vec<Via>> {
        self.each(HeaderName::Via)
    }

    /// The last sender's hop.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn top_via(&self) -> Parsed<Via> {
        self.first(HeaderName::Via).ok_or(MISSING)?
    }

    /// `From`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn from(&self) -> Parsed<NameAddr> {
        self.first(HeaderName::From).ok_or(MISSING)?
    }

    /// `To`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn to(&self) -> Parsed<NameAddr> {
        self.first(HeaderName::To).ok_or(MISSING)?
    }

    /// `Call-ID`.
    ///
    /// # Errors
    /// When it is missing or no word.
    pub fn call_id(&self) -> Parsed<&str> {
        let text = self.get(HeaderName::CallId).ok_or(MISSING)?;
        if is_call_id(text) { Ok(text) } else { Err(Malformed("no Call-ID")) }
    }

    /// `CSeq`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn cseq(&self) -> Parsed<CSeq> {
        self.first(HeaderName::CSeq).ok_or(MISSING)?
    }

    /// Everything in `Contact`.
    ///
    /// # Errors
    /// When one of them is malformed, or an asterisk is not alone.
    pub fn contacts(&self) -> Parsed<Contacts> {
        let mut values = self.all(HeaderName::Contact);
        if values.clone().any(|value| value == "*") {
            values.next();
            return if values.next().is_none() {
                Ok(Contacts::All)
            } else {
                Err(Malformed("an asterisk among contacts"))
            };
        }
        self.each(HeaderName::Contact).map(Contacts::List)
    }

    /// The first `Contact`: of a request or response that makes a dialog there is one.
    #[must_use]
    pub fn contact(&self) -> Option<Parsed<NameAddr>> {
        self.first(HeaderName::Contact)
    }

    /// `Route`.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn routes(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::Route)
    }

    /// `Record-Route`.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn record_routes(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::RecordRoute)
    }

    /// `Path` (RFC 3327).
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn path(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::Path)
    }

    /// `Service-Route` (RFC 3608).
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn service_route(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::ServiceRoute)
    }

    /// `Max-Forwards`.
    #[must_use]
    pub fn max_forwards(&self) -> Option<Parsed<u8>> {
        let text = self.get(HeaderName::MaxForwards)?;
        let hops = saturating(text).and_then(|hops| u8::try_from(hops).ok());
        Some(hops.ok_or(Malformed("no number of hops below 256")))
    }

    /// `Expires` in seconds; what is too large for a number counts as the largest.
    #[must_use]
    pub fn expires(&self) -> Option<Parsed<u32>> {
        self.seconds(HeaderName::Expires)
    }

    /// `Min-Expires` in seconds.
    #[must_use]
    pub fn min_expires(&self) -> Option<Parsed<u32>> {
        self.seconds(HeaderName::MinExpires)
    }

    /// `Min-SE` in seconds (RFC 4028 §5).
    #[must_use]
    pub fn min_se(&self) -> Option<Parsed<u32>> {
        self.seconds(HeaderName::MinSe)
    }

    /// `Session-Expires` (RFC 4028 §4).
    #[must_use]
    pub fn session_expires(&self) -> Option<Parsed<SessionExpires>> {
        self.first(HeaderName::SessionExpires)
    }

    /// The option tags of `Supported`.
    pub fn supported(&self) -> impl Iterator<Item = &str> + Clone {
        self.all(HeaderName::Supported)
    }

    /// The option tags of `Require`.
    pub fn require(&self) -> impl Iterator<Item = &str> + Clone {
        self.all(HeaderName::Require)
    }

    /// The option tags of `Unsupported`.
    pub fn unsupported(&self) -> impl Iterator<Item = &str> + Clone {
        self.all(HeaderName::Unsupported)
    }

    /// The methods of `Allow`; what is no method is left out.
    pub fn allow(&self) -> impl Iterator<Item = Method> {
        self.all(HeaderName::Allow).filter_map(|name| name.parse().ok())
    }

    /// The option tag is in `Supported` or `Require`: either says that the sender knows the extension.
    #[must_use]
    pub fn supports(&self, option: &str) -> bool {
        self.supported().chain(self.require()).any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// The option tag is in `Require`.
    #[must_use]
    pub fn requires(&self, option: &str) -> bool {
        self.require().any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// The method is in `Allow`. Without that header nothing is known (RFC 3261 §20.5).
    #[must_use]
    pub fn allows(&self, method: &Method) -> Option<bool> {
        self.has(HeaderName::Allow).then(|| self.allow().any(|allowed| allowed == *method))
    }

    /// `RAck` (RFC 3262 §7.2).
    #[must_use]
    pub fn rack(&self) -> Option<Parsed<RAck>> {
        self.first(HeaderName::RAck)
    }

    /// `RSeq` (RFC 3262 §7.1).
    #[must_use]
    pub fn rseq(&self) -> Option<Parsed<u32>> {
        let text = self.get(HeaderName::RSeq)?;
        Some(text.parse().map_err(|_| Malformed("no response number")))
    }

    /// `Refer-To` (RFC 3515 §2.1).
    #[must_use]
    pub fn refer_to(&self) -> Option<Parsed<NameAddr>> {
        self.first(HeaderName::ReferTo)
    }

    /// `Referred-By` (RFC 3892).
    #[must_use]
    pub fn referred_by(&self) -> Option<Parsed<NameAddr>> {
        self.first(HeaderName::ReferredBy)
    }

    /// `Replaces` (RFC 3891).
    #[must_use]
    pub fn replaces(&self) -> Option<Parsed<Replaces>> {
        self.first(HeaderName::Replaces)
    }

    /// `Event` (RFC 6665 §8.2.1).
    #[must_use]
    pub fn event(&self) -> Option<Parsed<Event>> {
        self.first(HeaderName::Event)
    }

    /// `Subscription-State` (RFC 6665 §8.2.3).
    #[must_use]
    pub fn subscription_state(&self) -> Option<Parsed<SubscriptionState>> {
        self.first(HeaderName::SubscriptionState)
    }

    /// `P-Asserted-Identity` (RFC 3325 §9.1).
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn p_asserted_identity(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::PAssertedIdentity)
    }

    /// `Privacy` (RFC 3323 §4.2).
    #[must_use]
    pub fn privacy(&self) -> Option<Parsed<Privacy>> {
        self.first(HeaderName::Privacy)
    }

    /// `Reason` (RFC 3326), one for each protocol.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn reason(&self) -> Parsed<Vec<Reason>> {
        self.each(HeaderName::Reason)
    }

    /// `History-Info` (RFC 7044): addresses with `index`, the cause of each in the headers of its URI.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn history_info(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::HistoryInfo)
    }

    /// `Diversion` (RFC 5806): addresses with `reason` and `counter`, the last diverter's first.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn diversion(&self) -> Parsed<Vec<NameAddr>> {
        self.each(HeaderName::Diversion)
    }

    /// `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<Parsed<MediaType>> {
        self.first(HeaderName::ContentType)
    }

    /// The challenges of `WWW-Authenticate`, for [`crate::auth::Challenge`].
    pub fn www_authenticate(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::WwwAuthenticate)
    }

    /// The challenges of `Proxy-Authenticate`.
    pub fn proxy_authenticate(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::ProxyAuthenticate)
    }

    /// The credentials of `Authorization`, for [`crate::auth::Credentials`].
    pub fn authorization(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::Authorization)
    }

    /// The credentials of `Proxy-Authorization`.
    pub fn proxy_authorization(&self) -> impl Iterator<Item = &str> + Clone {
        self.lines(HeaderName::ProxyAuthorization)
    }

    /// `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Parsed<RetryAfter>> {
        self.first(HeaderName::RetryAfter)
    }

    /// Writes one line for each route, in their order, in place of those there are.
    pub fn set_routes<'a>(&mut self, routes: impl IntoIterator<Item = &'a NameAddr>) {
        self.remove(HeaderName::Route);
        routes.into_iter().for_each(|route| self.push(HeaderName::Route, route));
    }

    /// Writes `Contact: <uri>` in place of the contacts there are.
    pub fn set_contact(&mut self, uri: &Uri) {
        self.set(HeaderName::Contact, format_args!("<{uri}>"));
    }
}
