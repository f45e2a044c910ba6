//! What a worker counts, for metrics.

/// Totals since the worker was made; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that arrived.
    pub rx_datagrams: u64,
    /// Datagrams handed out for sending.
    pub tx_datagrams: u64,
    /// RTP packets that arrived, were authentic and new.
    pub rx_rtp: u64,
    /// RTP packets sent, forwarded or made here.
    pub tx_rtp: u64,
    /// RTCP datagrams that arrived and were authentic.
    pub rx_rtcp: u64,
    /// RTCP datagrams sent.
    pub tx_rtcp: u64,
    /// STUN checks answered with success.
    pub stun_checks: u64,
    /// Legs whose media came up.
    pub legs_connected: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

/// Dropped datagrams and packets, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Neither STUN nor DTLS nor RTP (RFC 7983), or too short to tell.
    pub unknown_protocol: u64,
    /// DTLS or media from an address of no leg.
    pub unknown_address: u64,
    /// Media for a SIP leg from an address that is not its peer's.
    pub foreign_address: u64,
    /// Media for a SIP leg from an address that may be its peer's and has not sent enough yet.
    pub on_probation: u64,
    /// Malformed STUN, or not a Binding request.
    pub bad_stun: u64,
    /// STUN with a user name of no leg, or a wrong password.
    pub bad_credentials: u64,
    /// DTLS for a leg whose description is not known yet, beyond what is kept.
    pub early_dtls: u64,
    /// DTLS for a leg that was restored: its association ended with the process that had it.
    pub no_association: u64,
    /// Media before the keys are there.
    pub no_keys: u64,
    /// Malformed RTP or RTCP.
    pub malformed: u64,
    /// SRTP or SRTCP that failed authentication.
    pub unauthentic: u64,
    /// SRTP or SRTCP seen before, or too old to tell.
    pub replayed: u64,
    /// RTP that belongs to no negotiated stream or payload type.
    pub unknown_stream: u64,
    /// RTP from a leg that hears and is heard by nobody.
    pub not_bridged: u64,
    /// RTP that one side's direction or the other's formats do not allow.
    pub not_negotiated: u64,
    /// Digits that came faster than anybody dials and were not reported; their packets were passed on.
    pub excess_digits: u64,
    /// Impossible orders: for a leg that is not there, or twice.
    pub bad_command: u64,
}
