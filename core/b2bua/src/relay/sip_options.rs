//! Conversion of a page's `sipOptions` to an account of the user agent.

use crate::address::Server;
use crate::config::{Config, Destinations, Servers, Sip};
use offhook_signaling::message::SipOptions;
use offhook_sip::auth::Login;
use offhook_sip::message::Uri;
use offhook_sip::transport::Transport;
use offhook_sip::user_agent::destinations::NamedBy;
use offhook_sip::user_agent::io::{Account, CalledNumberSource, Identity};

/// A page's account at a SIP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageAccount {
    /// The account; its `contact_user` is not generated yet.
    pub(super) settings: Account,
    /// The server for calls whose destination contains no host.
    pub(super) domain: Server,
    /// The account is in the operator's configuration.
    pub(super) is_configured: bool,
}

/// The SIP server that a page requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestedServer {
    /// None: the relay routes its calls.
    None,
    /// The host of a server that pages may not use. The relay routes the calls, as without a request.
    Refused(String),
    /// This account.
    Account(Box<PageAccount>),
}

/// The servers in `sipOptions`.
struct Named {
    domain: Option<Server>,
    outbound: Option<Server>,
    further: Option<Server>,
}

impl Named {
    fn read(options: &SipOptions) -> Result<Self, String> {
        let server = |field: &str, value: &Option<String>| match value.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => Server::parse(text)
                .map(Some)
                .map_err(|_| format!("{field} is not a host name: use `host` or `host:port`")),
        };
        let mut named = Self {
            domain: server("sipDomain", &options.domain)?,
            outbound: server("sipOutboundProxy", &options.outbound_proxy)?,
            further: server("sipProxy", &options.proxy)?,
        };
        let port = match options.port.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => {
                Some(text.parse().ok().filter(|port| *port > 0).ok_or("sipPort is not a port: use 1 to 65535")?)
            }
        };
        if let Some(next_hop) = named.outbound.as_mut().or(named.domain.as_mut()) {
            let default = next_hop.transport.unwrap_or(Transport::Udp).default_port();
            next_hop.port = next_hop.port.or(port).filter(|port| *port != default);
        }
        Ok(named)
    }

    /// Returns the servers to which requests may be sent. A domain behind an outbound proxy is not one of them, because
    /// the proxy locates it.
    fn next_hops(&self) -> impl Iterator<Item = &Server> {
        let first = self.outbound.as_ref().or(self.domain.as_ref());
        // If domain and outbound proxy are the same host, no Route is added and requests are sent to the domain's port.
        // In this case, the domain must be permitted as well.
        let same = self.domain.as_ref().filter(|domain| self.outbound.as_ref().is_some_and(|o| o.host == domain.host));
        first.into_iter().chain(same).chain(&self.further)
    }
}

/// Returns the account or server that `options` request.
///
/// # Errors
///
/// Returns the error in the options, as text for the page.
pub(super) fn page_account(
    options: &SipOptions,
    login: &str,
    password: Option<String>,
    config: &Sip,
) -> Result<RequestedServer, String> {
    let named = Named::read(options)?;
    let may_reach =
        |server: &&Server| config.user_agent.destinations.reach(&server.host, server.port, NamedBy::Page).is_some();
    if let Some(refused) = named.next_hops().find(|server| !may_reach(server)) {
        return Ok(RequestedServer::Refused(refused.host.bare()));
    }
    let Named { domain, mut outbound, further } = named;
    let Some(next_hop) = outbound.clone().or_else(|| domain.clone()) else { return Ok(RequestedServer::None) };
    let transport = next_hop.transport;
    let domain = match domain {
        // The proxy is the domain's own server. Its port and transport are in the URI, so that a Route to it would be
        // redundant.
        Some(domain) if domain.host == next_hop.host => {
            outbound = None;
            Server { port: domain.port.or(next_hop.port), ..domain }
        }
        Some(domain) => domain,
        None => {
            outbound = None;
            next_hop
        }
    };
    let aor = Server { port: None, ..domain.clone() }.user(login);
    let username = options.authentication_name.clone().filter(|name| !name.is_empty());
    let registers = options.register_required != Some(false);
    let settings = Account {
        identity: Identity { name: None, uri: Uri::Sip(aor) },
        login: password.map(|password| Login::new(username.unwrap_or_else(|| login.to_owned()), password)),
        registrar: registers.then(|| domain.domain()),
        route: [outbound, further].into_iter().flatten().map(|proxy| proxy.route()).collect(),
        transport,
        expires: config.expires,
        options_interval: core::time::Duration::ZERO,
        sources: Vec::new(),
        called_number: CalledNumberSource::ALL.to_vec(),
        is_trunk: false,
        persists: false,
        retry_interval: core::time::Duration::from_secs(60),
        contact_user: String::new(),
    };
    Ok(RequestedServer::Account(Box::new(PageAccount { settings, domain, is_configured: false })))
}

/// Returns the host of the first server in `options` that pages may not use.
pub(super) fn refused_server(options: &SipOptions, config: Option<&Sip>) -> Option<String> {
    let named = Named::read(options).ok()?;
    let may_reach = |server: &&Server| {
        let reach = |config: &Sip| config.user_agent.destinations.reach(&server.host, server.port, NamedBy::Page);
        config.and_then(reach).is_some()
    };
    named.next_hops().find(|server| !may_reach(server)).map(|server| server.host.bare())
}

/// Returns whether `options` select the relay itself: by port 0, or by a domain or outbound proxy that is one of its
/// own names. `host` is that of the URL by which the page reached the relay.
///
/// A SIP server on the same machine is selected instead in two cases: if pages may use it and `options` give a port on
/// which the relay does not listen, or if the operator lists it and `options` give no port.
pub(super) fn selects_relay(options: &SipOptions, host: Option<&str>, config: &Config) -> bool {
    if options.port.as_deref().is_some_and(|port| port.trim().parse() == Ok(0_u16)) {
        return true;
    }
    let Ok(named) = Named::read(options) else { return false };
    let url = host.and_then(|host| Server::parse(host).ok());
    let sip = config.sip.as_deref();
    let is_own = |server: &Server| {
        let host = server.host.bare();
        let name = host.strip_suffix('.').unwrap_or(&host);
        config.own.hosts.contains(name)
            || url.as_ref().is_some_and(|url| url.host.bare() == name)
            || sip.is_some_and(|sip| sip.user_agent.domain.eq_ignore_ascii_case(name))
    };
    let is_meant = |server: &Server| {
        let destinations = sip.map(|sip| &sip.user_agent.destinations);
        let may_reach = |to: &Destinations| to.reach(&server.host, server.port, NamedBy::Page).is_some();
        let is_allowed = destinations.is_some_and(may_reach);
        let is_listed = is_allowed && destinations.is_some_and(|to| matches!(to.servers, Servers::Listed(_)));
        match server.port {
            Some(port) => !is_allowed || config.own.listens(&server.host.bare(), port, server.transport),
            None => !is_listed,
        }
    };
    // A domain behind a proxy at the same host has the proxy's port.
    let port = |domain: &Server| named.outbound.as_ref().filter(|proxy| proxy.host == domain.host)?.port;
    let domain = named.domain.clone().map(|domain| Server { port: domain.port.or_else(|| port(&domain)), ..domain });
    [domain.as_ref(), named.outbound.as_ref()].into_iter().flatten().any(|server| is_own(server) && is_meant(server))
}

/// Returns the server for calls whose destination contains no host, for an account in the operator's configuration.
pub(super) fn domain_of(account: &Account) -> Option<Server> {
    account.registrar.as_ref().or(account.identity.uri.as_sip()).map(Server::of_uri)
}

#[cfg(test)]
mod tests;
