//! Challenges and credentials in SIP messages (RFC 3261 §22.2, §22.3).

use super::{AuthClient, AuthRefusal, Challenger, CoveredParts, Credentials};
use crate::message::{HeaderName, Request, Response};
use rand_chacha::ChaCha20Rng;

impl Challenger {
    const fn header(self) -> HeaderName {
        match self {
            Self::UserAgent => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

impl AuthClient {
    /// Replaces the credentials in a request with credentials for all realms that have challenged.
    pub fn sign(&mut self, request: &mut Request, rng: &mut ChaCha20Rng) {
        request.headers.remove(HeaderName::Authorization);
        request.headers.remove(HeaderName::ProxyAuthorization);
        let uri = request.uri.to_string();
        let covered = CoveredParts { method: request.method.name(), uri: &uri, body: &request.body };
        for (challenger, credentials) in self.credentials(&covered, rng) {
            request.headers.push(challenger.header(), credentials);
        }
    }

    /// Stores the challenges of a 401 or 407 to `request`. The request can then be signed and sent again.
    ///
    /// # Errors
    /// Returns the reason that the request must not be sent again.
    pub fn store_challenges_of(&mut self, request: &Request, response: &Response) -> Result<(), AuthRefusal> {
        let of_servers = response.headers.www_authenticate().map(|text| (Challenger::UserAgent, text));
        let of_proxies = response.headers.proxy_authenticate().map(|text| (Challenger::Proxy, text));
        self.store_challenges(of_servers.chain(of_proxies), &sent(request))
    }
}

/// Returns the credentials of a sent request.
fn sent(request: &Request) -> Vec<(Challenger, Credentials)> {
    let of_servers = request.headers.authorization().map(|text| (Challenger::UserAgent, text));
    let of_proxies = request.headers.proxy_authorization().map(|text| (Challenger::Proxy, text));
    of_servers.chain(of_proxies).filter_map(|(of, text)| Some((of, text.parse().ok()?))).collect()
}
