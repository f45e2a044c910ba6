//! `sipOptions`: from what a page says of its SIP account to what the user agent must know.

use crate::address::{Server, escape_user};
use crate::config::Sip;
use offhook_signaling::message::SipOptions;
use offhook_sip::auth::Login;
use offhook_sip::transport::Transport;
use offhook_sip::user_agent::io::{Account, Identity};

/// A page's account at a SIP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageAccount {
    /// The account; its `contact_user` is yet to be drawn.
    pub(super) settings: Account,
    /// Where calls go that name no host.
    pub(super) domain: Server,
}

/// The account that `options` describe; none when they name no server, or none that pages may name: then the relay is the
/// switch.
///
/// # Errors
/// What is wrong with the options, for the page.
pub(super) fn page_account(
    options: &SipOptions,
    login: &str,
    password: Option<String>,
    config: &Sip,
) -> Result<Option<PageAccount>, String> {
    let server = |field: &str, value: &Option<String>| match value.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => {
            Server::parse(text).map(Some).map_err(|_| format!("{field} is no host name: `host`, `host:port`"))
        }
    };
    let mut domain = server("sipDomain", &options.domain)?;
    let mut outbound = server("sipOutboundProxy", &options.outbound_proxy)?;
    let further = server("sipProxy", &options.proxy)?;
    let Some(next_hop) = outbound.as_mut().or(domain.as_mut()) else { return Ok(None) };
    if !config.servers.allow(&next_hop.host) {
        return Ok(None);
    }
    let port = match options.port.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(text.parse::<u16>().ok().filter(|port| *port > 0).ok_or("sipPort is no port: 1 to 65535")?),
    };
    let default = next_hop.transport.unwrap_or(Transport::Udp).default_port();
    next_hop.port = next_hop.port.or(port).filter(|port| *port != default);
    let transport = next_hop.transport;
    let next_hop = next_hop.clone();
    let domain = match domain {
        // The proxy is the domain's own server: its port and transport are said once, a Route to it would say nothing.
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
    let user = escape_user(login);
    let aor_host = Server { port: None, ..domain.clone() };
    let username = options.authentication_name.clone().filter(|name| !name.is_empty());
    let registers = options.register_required != Some(false);
    let settings = Account {
        identity: Identity { name: None, uri: format!("sip:{user}@{aor_host}") },
        login: password.map(|password| Login::new(username.unwrap_or_else(|| login.to_owned()), password)),
        registrar: registers.then(|| format!("sip:{domain}")),
        route: [outbound, further].into_iter().flatten().map(|proxy| proxy.route()).collect(),
        transport,
        expires: config.expires,
        contact_user: String::new(),
    };
    Ok(Some(PageAccount { settings, domain }))
}

/// The host that `options` name in vain: pages may not use it, and it is not this relay itself.
pub(super) fn passed_over(options: &SipOptions, config: Option<&Sip>) -> Option<String> {
    let mut named = [&options.outbound_proxy, &options.domain].into_iter().flatten().map(|text| text.trim());
    let host = Server::parse(named.find(|text| !text.is_empty())?).ok()?.host;
    let is_known = |config: &Sip| config.servers.allow(&host) || config.user_agent.domain.eq_ignore_ascii_case(&host);
    (!config.is_some_and(is_known)).then_some(host)
}

/// Where calls go that name no host, of an account that the operator defined.
pub(super) fn domain_of(account: &Account) -> Option<Server> {
    let uri = account.registrar.as_deref().unwrap_or(&account.identity.uri);
    let place = uri.rsplit_once('@').map_or(uri, |(_, place)| place);
    Server::parse(place.split(';').next().unwrap_or(place)).ok()
}

#[cfg(test)]
mod tests;
