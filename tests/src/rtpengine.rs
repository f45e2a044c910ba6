//! rtpengine, without its kernel module, as the media relay of Kamailio.

use crate::child::Program;
use crate::ports;
use crate::wait::PATIENCE;
use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use tokio::net::UdpSocket;

/// A running media relay.
pub struct Rtpengine {
    program: Program,
    control: SocketAddr,
}

impl Rtpengine {
    /// Starts rtpengine and waits until it responds.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn start() -> Self {
        // A control port, and enough ports for the media of a few calls.
        let first = ports::free(60);
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, first));
        let mut command = Command::new("rtpengine");
        command.args(["--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--log-level=5"]);
        command.args(["--interface=127.0.0.1", "--num-threads=1"]).arg(format!("--listen-ng={control}"));
        command.arg(format!("--port-min={}", first + 2)).arg(format!("--port-max={}", first + 59));
        let engine = Self { program: Program::start("rtpengine", command), control };
        assert!(answers(control).await, "rtpengine answers:\n{}", engine.program.log());
        engine
    }

    /// Returns the address of its control port.
    #[must_use]
    pub const fn control(&self) -> SocketAddr {
        self.control
    }

    /// Terminates it and waits until it has ended.
    pub async fn end(&mut self) {
        self.program.end().await;
    }
}

/// Returns whether a ping of the control protocol is answered within [`PATIENCE`].
async fn answers(control: SocketAddr) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut buffer = [0; 512];
    while tokio::time::Instant::now() < deadline {
        let _ = socket.send_to(b"ready d7:command4:pinge", control).await;
        let answer = tokio::time::timeout(Duration::from_millis(50), socket.recv_from(&mut buffer)).await;
        if matches!(answer, Ok(Ok((length, _))) if buffer.get(..length).is_some_and(|text| text.ends_with(b"4:ponge")))
        {
            return true;
        }
    }
    false
}
