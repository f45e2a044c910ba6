//! Periodic RTCP of a leg: receiver reports, sender reports and BYE.

use super::Leg;
use super::stream::MediaStream;
use crate::io::Io;
use crate::rtcp::statistics::{Reception, ReportBlock};
use crate::rtcp::write::{self, SenderFigures};
use core::time::Duration;
use offhook_clock::Time;
use rand_core::Rng;

/// The interval of reports to a peer with video.
const VIDEO_INTERVAL: Duration = Duration::from_secs(1);

impl Leg {
    pub(super) fn report_interval(&self) -> Duration {
        let has_video = self.streams.iter().any(MediaStream::is_video);
        if has_video { VIDEO_INTERVAL } else { self.transport.audio_report_interval() }
    }

    /// The time of the next report, a random time of 0.5 to 1.5 intervals from now, so that the reports of many legs are
    /// not synchronized (RFC 3550 §6.2, §6.3.1).
    pub(super) fn next_report(&self, rng: &mut impl Rng, now: Time) -> Time {
        now + self.report_interval() * (500 + rng.next_u32() % 1001) / 1000
    }

    /// Sends the reports and key frame requests that are due.
    pub(super) fn send_due_control(&mut self, io: &mut Io, rng: &mut impl Rng, now: Time) {
        self.send_key_frame_requests(io, now);
        if self.report_at.is_none_or(|due| due > now) {
            return;
        }
        self.report_at = Some(self.next_report(rng, now));
        if self.transport.is_bundled() {
            self.report_bundled(io, now);
        } else {
            (0..self.streams.len()).for_each(|section| self.report_section(section, io, now));
        }
    }

    /// Sends receiver reports about all sources of bundled sections. Also sends sender reports with the relay's clock,
    /// unless the leg has video, or a source sends sender reports. In these cases, only the sender reports of the
    /// sources are relayed, because the receiver synchronizes audio and video by them.
    fn report_bundled(&mut self, io: &mut Io, now: Time) {
        // Such reports were relayed when they arrived.
        let is_relayed = self.streams.iter().any(|stream| stream.is_video() || stream.clock().is_some());
        if !is_relayed {
            for stream in 0..self.streams.len() {
                if let Some(figures) = self.figures_of(stream, now) {
                    self.send_control(stream, io, |_, out| write::sender_report(&figures, &[], out));
                }
            }
        }
        let blocks: Vec<ReportBlock> = self
            .sources
            .iter_mut()
            .filter_map(|(id, source)| Some(source.reception.as_mut()?.report(id.ssrc(), now)))
            .collect();
        for blocks in blocks.chunks(write::MAX_BLOCKS) {
            self.send_control(0, io, |sender, out| write::receiver_report(sender, blocks, out));
        }
    }

    /// Reports in the session of one section: an SR if packets were sent recently, else an RR, which may be empty (RFC
    /// 3550 §6.4).
    fn report_section(&mut self, section: usize, io: &mut Io, now: Time) {
        // Only sources received since the last report are included (RFC 3550 §6.4).
        let sources = self.sources.iter_mut().filter(|(_, source)| source.stream == section);
        let blocks: Vec<ReportBlock> = sources
            .filter_map(|(id, source)| Some((id, source.reception.as_mut().filter(|r| Reception::has_new_packets(r))?)))
            .map(|(id, reception)| reception.report(id.ssrc(), now))
            .collect();
        let figures = self.figures_of(section, now);
        if let Some(stream) = self.streams.get_mut(section) {
            stream.has_reported = true;
        }
        self.send_control(section, io, |sender, out| match &figures {
            Some(figures) => write::sender_report(figures, &blocks, out),
            None => write::receiver_report(sender, &blocks, out),
        });
    }

    /// Returns the sender information of a stream, if packets were sent in it within two intervals (RFC 3550 §6.4).
    /// Returns `None` if only another stream has a sender report of its source, because a receiver that synchronizes
    /// the streams would combine two clocks.
    fn figures_of(&mut self, index: usize, now: Time) -> Option<SenderFigures> {
        let stream = self.streams.get(index)?;
        let sent_at = stream.rewriter.sent_at()?;
        let is_ambiguous = stream.clock().is_none() && self.streams.iter().any(|other| other.clock().is_some());
        let is_due = now.since(sent_at) < self.report_interval() * 2 && !is_ambiguous;
        let stream = self.streams.get_mut(index).filter(|_| is_due)?;
        Some(stream.report_figures(now))
    }

    /// Sends BYE in every session in which anything was sent (RFC 3550 §6.3.7).
    pub(super) fn send_bye(&mut self, io: &mut Io, now: Time) {
        for section in 0..self.streams.len() {
            let Some(stream) = self.streams.get(section) else { continue };
            if !stream.has_reported && stream.packets == 0 {
                continue;
            }
            let figures = stream.rewriter.sent_at().map(|_| stream.figures(now));
            let (sender, cname) = (stream.negotiated.local_ssrc, self.cname.clone());
            let Some(path) = self.transport.rtcp_path(section) else { continue };
            let mut buffer = io.buffer();
            match &figures {
                Some(figures) => write::sender_report(figures, &[], &mut buffer),
                None => write::receiver_report(sender, &[], &mut buffer),
            }
            write::source_description(sender, &cname, &mut buffer);
            write::goodbye(sender, &mut buffer);
            super::transport::send_rtcp(path, buffer, io);
        }
    }
}
