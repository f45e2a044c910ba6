//! `offhook-relay health`: requests `/healthz` of the relay with the same configuration, for the health check of containers.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Time limit for each step of the request.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of the response, in octets.
const RESPONSE: u64 = 65_536;

/// Requests the health check at the first of these addresses of plain HTTP.
///
/// # Errors
/// If there is no address, no response, or the relay is not healthy.
pub fn request(listen: &[SocketAddr]) -> io::Result<()> {
    let listen =
        listen.first().ok_or_else(|| io::Error::other("[listen] plain has no address to send the request to"))?;
    let address = reachable(*listen);
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut response = String::new();
    stream.take(RESPONSE).read_to_string(&mut response)?;
    let head = response.lines().next().unwrap_or_default();
    if head.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(io::Error::other(format!("the relay is not healthy: {head}")))
}

/// Returns an address of this machine for an address that stands for all of them.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::{reachable, request};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    #[test]
    fn request_succeeds_only_with_status_200() {
        let check = |response: &'static str| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut received = [0; 512];
                let length = stream.read(&mut received).unwrap();
                stream.write_all(response.as_bytes()).unwrap();
                assert!(received[..length].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            });
            let result = request(&[address]);
            server.join().unwrap();
            result
        };
        assert!(check("HTTP/1.1 200 OK\r\n\r\n{}").is_ok());
        assert!(check("HTTP/1.1 503 Service Unavailable\r\n\r\n{}").unwrap_err().to_string().contains("503"));
        assert!(request(&[]).is_err());
    }

    #[test]
    fn wildcard_address_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(reachable("[::]:8080".parse().unwrap()), "[::1]:8080".parse().unwrap());
        assert_eq!(reachable("192.0.2.7:80".parse().unwrap()), "192.0.2.7:80".parse().unwrap());
    }
}
