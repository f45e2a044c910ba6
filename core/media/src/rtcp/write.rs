//! Writer for RTCP packets. Each function appends one packet. A compound packet begins with a report and contains a
//! source description.

use super::packet::{AFB, BYE, FIR, NACK, PLI, PSFB, RR, RTPFB, SDES, SR, TRANSPORT_CC};
use super::statistics::ReportBlock;

/// Appends a packet: its header, then the body, which `write` appends.
fn packet(kind: u8, count: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | (count & 0x1f), kind, 0, 0]);
    write(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = u16::try_from((out.len() - start) / 4 - 1).unwrap_or(u16::MAX);
    if let Some(slot) = out.get_mut(start + 2..start + 4) {
        slot.copy_from_slice(&words.to_be_bytes());
    }
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Sender information of a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderFigures {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// NTP timestamp.
    pub ntp: u64,
    /// RTP timestamp of the same instant.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// The most report blocks in one packet: the count has five bits.
pub const MAX_BLOCKS: usize = 31;

/// A sender report (RFC 3550 §6.4.1).
pub fn sender_report(figures: &SenderFigures, blocks: &[ReportBlock], out: &mut Vec<u8>) {
    let blocks = blocks.get(..MAX_BLOCKS).unwrap_or(blocks);
    let [n0, n1, n2, n3, n4, n5, n6, n7] = figures.ntp.to_be_bytes();
    packet(SR, u8::try_from(blocks.len()).unwrap_or(0), out, |out| {
        put(out, &[figures.ssrc]);
        out.extend_from_slice(&[n0, n1, n2, n3, n4, n5, n6, n7]);
        put(out, &[figures.timestamp, figures.packets, figures.octets]);
        put_blocks(out, blocks);
    });
}

/// A receiver report of at most 31 blocks (RFC 3550 §6.4.2).
pub fn receiver_report(ssrc: u32, blocks: &[ReportBlock], out: &mut Vec<u8>) {
    let blocks = blocks.get(..MAX_BLOCKS).unwrap_or(blocks);
    packet(RR, u8::try_from(blocks.len()).unwrap_or(0), out, |out| {
        put(out, &[ssrc]);
        put_blocks(out, blocks);
    });
}

fn put_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks {
        let lost = u32::from(block.fraction_lost) << 24 | (block.lost & 0x00ff_ffff);
        put(out, &[block.ssrc, lost, block.highest, block.jitter, block.last_sr, block.delay]);
    }
}

/// Goodbye (RFC 3550 §6.6).
pub fn goodbye(ssrc: u32, out: &mut Vec<u8>) {
    packet(BYE, 1, out, |out| put(out, &[ssrc]));
}

/// A source description with the canonical name (RFC 3550 §6.5.1).
pub fn source_description(ssrc: u32, cname: &str, out: &mut Vec<u8>) {
    let name = cname.as_bytes().get(..255).unwrap_or(cname.as_bytes());
    packet(SDES, 1, out, |out| {
        put(out, &[ssrc]);
        out.extend_from_slice(&[1, u8::try_from(name.len()).unwrap_or(0)]);
        out.extend_from_slice(name);
        // The chunk ends with at least one null octet.
        out.push(0);
    });
}

/// Picture loss indication (RFC 4585 §6.3.1).
pub fn picture_loss(sender: u32, media: u32, out: &mut Vec<u8>) {
    packet(PSFB, PLI, out, |out| put(out, &[sender, media]));
}

/// Full intra request (RFC 5104 §4.3.1).
pub fn full_intra_request(sender: u32, media: u32, number: u8, out: &mut Vec<u8>) {
    packet(PSFB, FIR, out, |out| put(out, &[sender, 0, media, u32::from(number) << 24]));
}

/// Generic NACK of sequence numbers in ascending order (RFC 4585 §6.2.1).
pub fn nack(sender: u32, media: u32, lost: &[u16], out: &mut Vec<u8>) {
    packet(RTPFB, NACK, out, |out| {
        put(out, &[sender, media]);
        let mut rest = lost.iter().copied().peekable();
        while let Some(first) = rest.next() {
            let mut mask = 0_u16;
            while let Some(next) = rest.next_if(|next| (1..=16).contains(&next.wrapping_sub(first))) {
                mask |= 1 << (next.wrapping_sub(first) - 1);
            }
            put(out, &[u32::from(first) << 16 | u32::from(mask)]);
        }
    });
}

/// REMB for one source, with the bit rate as received.
pub fn remb(sender: u32, rate: [u8; 4], media: u32, out: &mut Vec<u8>) {
    let [_, r1, r2, r3] = rate;
    packet(PSFB, AFB, out, |out| {
        put(out, &[sender, 0]);
        out.extend_from_slice(b"REMB");
        out.extend_from_slice(&[1, r1, r2, r3]);
        put(out, &[media]);
    });
}

/// Transport-wide congestion control feedback, with the control information as received.
pub fn transport_feedback(sender: u32, media: u32, control: &[u8], out: &mut Vec<u8>) {
    packet(RTPFB, TRANSPORT_CC, out, |out| {
        put(out, &[sender, media]);
        out.extend_from_slice(control);
    });
}
