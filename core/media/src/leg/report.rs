//! What a leg reports by itself: receiver and sender reports, goodbye.

use super::Leg;
use super::stream::MediaStream;
use super::transport::Transport;
use crate::io::Io;
use crate::rtcp::statistics::{Reception, ReportBlock};
use crate::rtcp::write::{self, SenderFigures};
use core::time::Duration;
use offhook_clock::Time;
use rand_core::Rng;

/// Between the reports to a browser.
const VIDEO_INTERVAL: Duration = Duration::from_secs(1);
const AUDIO_INTERVAL: Duration = Duration::from_secs(2);
/// Between those to a SIP peer that has audio alone (RFC 3550 §6.2).
const SIP_INTERVAL: Duration = Duration::from_secs(5);

impl Leg {
    pub(super) fn report_interval(&self) -> Duration {
        match &self.transport {
            _ if self.streams.iter().any(MediaStream::is_video) => VIDEO_INTERVAL,
            Transport::WebRtc(_) => AUDIO_INTERVAL,
            Transport::Rtp(_) => SIP_INTERVAL,
        }
    }

    /// When the next report is due: between half of the interval and one and a half, so that reports of many legs do not
    /// fall into step (RFC 3550 §6.2, §6.3.1).
    pub(super) fn next_report(&self, rng: &mut impl Rng, now: Time) -> Time {
        now + self.report_interval() * (500 + rng.next_u32() % 1001) / 1000
    }

    /// Reports and key frame requests that are due.
    pub(super) fn send_due_control(&mut self, io: &mut Io, rng: &mut impl Rng, now: Time) {
        self.send_key_frame_requests(io, now);
        if self.report_at.is_none_or(|due| due > now) {
            return;
        }
        self.report_at = Some(self.next_report(rng, now));
        match &self.transport {
            Transport::WebRtc(_) => self.report_bundled(io, now),
            Transport::Rtp(_) => (0..self.streams.len()).for_each(|section| self.report_section(section, io, now)),
        }
    }

    /// To a browser: how all its sources are received. What it receives, its source tells the time of; where no source
    /// does, and there are no pictures to be kept in step with the sound, the relay's clock does.
    fn report_bundled(&mut self, io: &mut Io, now: Time) {
        // What a source says was passed on when it said it.
        let is_told = self.streams.iter().any(|stream| stream.is_video() || stream.clock().is_some());
        if !is_told {
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

    /// In a SIP peer's session: an SR where something was sent lately, else an RR, even of nothing (RFC 3550 §6.4).
    fn report_section(&mut self, section: usize, io: &mut Io, now: Time) {
        // Only who was heard since the last report is in it (RFC 3550 §6.4).
        let heard = self.sources.iter_mut().filter(|(_, source)| source.stream == section);
        let blocks: Vec<ReportBlock> = heard
            .filter_map(|(id, source)| Some((id, source.reception.as_mut().filter(|r| Reception::has_news(r))?)))
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

    /// What a sender report says of a stream, if anything was sent in it within two intervals (RFC 3550 §6.4). While the
    /// source of one stream tells its time and that of another does not yet, nothing is said of the other: a receiver
    /// that keeps them in step would take two clocks for one.
    fn figures_of(&self, stream: usize, now: Time) -> Option<SenderFigures> {
        let stream = self.streams.get(stream)?;
        let sent_at = stream.rewriter.sent_at()?;
        let is_ambiguous = stream.clock().is_none() && self.streams.iter().any(|other| other.clock().is_some());
        let is_due = now.since(sent_at) < self.report_interval() * 2 && !is_ambiguous;
        is_due.then(|| stream.figures(now))
    }

    /// BYE in every session in which anything was ever sent (RFC 3550 §6.3.7).
    pub(super) fn say_goodbye(&mut self, io: &mut Io, now: Time) {
        for section in 0..self.streams.len() {
            let Some(stream) = self.streams.get(section) else { continue };
            if !stream.has_reported && stream.packets == 0 {
                continue;
            }
            let figures = stream.rewriter.sent_at().map(|_| stream.figures(now));
            let (sender, cname) = (stream.negotiated.local_ssrc, self.cname.clone());
            let Some(way) = self.transport.rtcp_way(section) else { continue };
            let mut buffer = io.buffer();
            match &figures {
                Some(figures) => write::sender_report(figures, &[], &mut buffer),
                None => write::receiver_report(sender, &[], &mut buffer),
            }
            write::source_description(sender, &cname, &mut buffer);
            write::goodbye(sender, &mut buffer);
            super::transport::send_rtcp(way, buffer, io);
        }
    }
}
