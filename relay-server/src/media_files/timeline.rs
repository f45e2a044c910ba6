//! Combines the channels of a recording: samples with positions become consecutive stereo frames.

use offhook_media::command::RecordingChannel;
use std::collections::VecDeque;

/// The most frames that a channel may be ahead of what is written; samples beyond are dropped.
const MOST_AHEAD: u64 = 480_000;

/// One channel.
#[derive(Debug, Default)]
struct Lane {
    /// Samples from the position up to which both channels are written.
    samples: VecDeque<i16>,
    /// No samples before this position follow.
    advanced: u64,
    /// The number of sinks of the channel.
    sinks: u32,
}

/// Two channels and the position up to which they are written.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    lanes: [Lane; 2],
    written: u64,
}

impl Timeline {
    fn lane(&mut self, channel: RecordingChannel) -> &mut Lane {
        let [left, right] = &mut self.lanes;
        match channel {
            RecordingChannel::Left => left,
            RecordingChannel::Right => right,
        }
    }

    /// Adds a sink of a channel, whose positions delay writing from now on.
    pub(super) fn open(&mut self, channel: RecordingChannel) {
        let written = self.written;
        let lane = self.lane(channel);
        lane.sinks += 1;
        lane.advanced = lane.advanced.max(written);
    }

    /// Removes a sink. A channel without sinks is silent.
    pub(super) fn close(&mut self, channel: RecordingChannel) {
        let lane = self.lane(channel);
        lane.sinks = lane.sinks.saturating_sub(1);
    }

    /// Whether a channel has a sink.
    pub(super) fn is_open(&self) -> bool {
        self.lanes.iter().any(|lane| lane.sinks > 0)
    }

    /// Places samples. Those that are already written are dropped; gaps are silence.
    pub(super) fn write(&mut self, channel: RecordingChannel, position: u64, samples: &[i16]) {
        let written = self.written;
        let late = usize::try_from(written.saturating_sub(position)).unwrap_or(usize::MAX);
        let Some(samples) = samples.get(late..).filter(|samples| !samples.is_empty()) else { return };
        let ahead = position.max(written) - written;
        if ahead > MOST_AHEAD {
            return;
        }
        let (begin, lane) = (usize::try_from(ahead).unwrap_or(0), self.lane(channel));
        if lane.samples.len() < begin + samples.len() {
            lane.samples.resize(begin + samples.len(), 0);
        }
        for (place, sample) in lane.samples.range_mut(begin..).zip(samples) {
            *place = *sample;
        }
    }

    /// Declares that no samples of a channel before `position` follow.
    pub(super) fn advance(&mut self, channel: RecordingChannel, position: u64) {
        let lane = self.lane(channel);
        lane.advanced = lane.advanced.max(position);
    }

    /// Appends the frames that are complete in both channels.
    pub(super) fn read(&mut self, frames: &mut Vec<i16>) {
        let open = self.lanes.iter().filter(|lane| lane.sinks > 0).map(|lane| lane.advanced).min();
        if let Some(until) = open {
            self.read_until(until, frames);
        }
    }

    /// Appends all frames up to the last position of a channel.
    pub(super) fn finish(&mut self, frames: &mut Vec<i16>) {
        let ends = self.lanes.iter().map(|lane| lane.advanced.max(self.written + lane.samples.len() as u64));
        let until = ends.max().unwrap_or(0).min(self.written + MOST_AHEAD);
        self.read_until(until, frames);
    }

    fn read_until(&mut self, until: u64, frames: &mut Vec<i16>) {
        let [left, right] = &mut self.lanes;
        for _ in self.written..until {
            frames.push(left.samples.pop_front().unwrap_or(0));
            frames.push(right.samples.pop_front().unwrap_or(0));
        }
        self.written = self.written.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::Timeline;
    use offhook_media::command::RecordingChannel::{Left, Right};

    fn read(timeline: &mut Timeline) -> Vec<i16> {
        let mut frames = Vec::new();
        timeline.read(&mut frames);
        frames
    }

    #[test]
    fn channels_are_interleaved_up_to_the_slower_one() {
        let mut timeline = Timeline::default();
        timeline.open(Left);
        timeline.open(Right);
        timeline.write(Left, 1, &[10, 11, 12]);
        timeline.write(Right, 0, &[20, 21]);
        timeline.advance(Left, 4);
        assert!(read(&mut timeline).is_empty());
        timeline.advance(Right, 2);
        assert_eq!(read(&mut timeline), [0, 20, 10, 21]);
        timeline.write(Right, 0, &[90, 91, 22]);
        timeline.advance(Right, 4);
        assert_eq!(read(&mut timeline), [11, 22, 12, 0], "what is written does not change");
    }

    #[test]
    fn closed_channel_is_silent_and_may_open_again() {
        let mut timeline = Timeline::default();
        timeline.open(Left);
        timeline.open(Right);
        timeline.close(Right);
        timeline.write(Left, 0, &[1, 2]);
        timeline.advance(Left, 2);
        assert_eq!(read(&mut timeline), [1, 0, 2, 0]);
        timeline.open(Right);
        timeline.write(Left, 2, &[3]);
        timeline.write(Right, 2, &[4]);
        timeline.advance(Left, 3);
        assert!(read(&mut timeline).is_empty(), "the new sink is waited for");
        timeline.close(Left);
        timeline.close(Right);
        assert!(!timeline.is_open());
        let mut rest = Vec::new();
        timeline.finish(&mut rest);
        assert_eq!(rest, [3, 4]);
    }

    #[test]
    fn samples_far_ahead_are_dropped() {
        let mut timeline = Timeline::default();
        timeline.open(Left);
        timeline.write(Left, u64::MAX - 1, &[1]);
        timeline.write(Left, 1_000_000, &[1]);
        let mut rest = Vec::new();
        timeline.finish(&mut rest);
        assert!(rest.is_empty());
    }
}
