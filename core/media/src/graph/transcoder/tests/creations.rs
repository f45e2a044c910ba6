//! Numbers of decoders and encoders that are made for a peer that alternates sources and payload types.

use super::{at, received, run};
use crate::graph::codec::tests::{LinearCodecs, linear, payload};
use crate::graph::codec::{CodecFactory, Decoder, Encoder};
use crate::graph::jitter::ArrivingPacket;
use crate::graph::transcoder::{Transcoder, TranscoderFormats};
use crate::rtp::rewrite::SourceId;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use offhook_sdp::codec::{Codec, Payload};
use offhook_sdp::plan::Conversions;
use std::sync::Arc;

/// Linear codecs that are counted.
#[derive(Debug, Default)]
struct CountedCodecs {
    decoders: AtomicU32,
    encoders: AtomicU32,
}

impl CountedCodecs {
    fn created(&self) -> (u32, u32) {
        (self.decoders.load(Ordering::Relaxed), self.encoders.load(Ordering::Relaxed))
    }
}

impl CodecFactory for CountedCodecs {
    fn decoder(&self, codec: &Codec, rate: u32) -> Option<Box<dyn Decoder>> {
        self.decoders.fetch_add(1, Ordering::Relaxed);
        LinearCodecs.decoder(codec, rate)
    }

    fn encoder(&self, codec: &Codec, rate: u32, packet: Duration) -> Option<Box<dyn Encoder>> {
        self.encoders.fetch_add(1, Ordering::Relaxed);
        LinearCodecs.encoder(codec, rate, packet)
    }

    fn conversions(&self) -> Conversions {
        LinearCodecs.conversions()
    }
}

fn transcoder(codecs: &Arc<CountedCodecs>, sources: Vec<(u8, Codec)>, sink: Payload) -> Transcoder {
    let formats = TranscoderFormats { sources, sink, packet: Duration::from_millis(20) };
    Transcoder::new(Arc::<CountedCodecs>::clone(codecs) as Arc<dyn CodecFactory>, formats)
}

#[test]
fn alternating_sources_and_clock_rates_create_no_codecs() {
    let sources = [(96, 8000), (97, 16_000)].map(|(number, rate)| (number, payload(number, "L16", rate).codec));
    for (run_length, least) in [(1, 0), (10, 300)] {
        let codecs = Arc::new(CountedCodecs::default());
        let mut transcoder = transcoder(&codecs, sources.to_vec(), payload(8, "PCMA", 8000));
        let mut packets = 0;
        for number in 0..400_u16 {
            let turn = number / run_length;
            let (ssrc, payload_type) = (u32::from(turn % 2), if turn % 4 < 2 { 96 } else { 97 });
            let packet = linear(&[500; 160]);
            let (sequence, timestamp) = (number, u32::from(number) * 160);
            let packet = ArrivingPacket { sequence, timestamp, payload_type, payload: &packet };
            transcoder.receive(SourceId::new(0, ssrc), packet, at(u64::from(number) * 20));
            packets += run(&mut transcoder, at(u64::from(number) * 20 + 19)).len();
        }
        assert!(packets >= least, "{packets} packets are played");
        // The decoder of 16 kHz is made twice, to find the rate of its encoder.
        assert_eq!(codecs.created(), (3, 2), "{run_length} packets of each source in succession");
    }
}

#[test]
fn alternating_payload_types_create_one_decoder_each() {
    let numbers: Vec<u8> = (100..112).collect();
    let sources: Vec<_> = numbers.iter().map(|number| (*number, payload(*number, "L16", 8000).codec)).collect();
    for (used, decoders) in [(3, 3), (12, 8)] {
        let codecs = Arc::new(CountedCodecs::default());
        let mut transcoder = transcoder(&codecs, sources.clone(), payload(97, "L16", 8000));
        let mut sent = Vec::new();
        for number in 0..300_u16 {
            let payload_type = numbers[usize::from(number) % used];
            let packet = linear(&[i16::from(payload_type); 160]);
            let (sequence, timestamp) = (number, u32::from(number) * 160);
            let packet = ArrivingPacket { sequence, timestamp, payload_type, payload: &packet };
            transcoder.receive(SourceId::new(0, 7), packet, at(u64::from(number) * 20));
            sent.extend(run(&mut transcoder, at(u64::from(number) * 20 + 19)));
        }
        assert_eq!(codecs.created(), (decoders, 1), "{used} payload types");
        let received = received(&sent);
        for number in numbers.iter().take(decoders as usize) {
            let count = received.iter().filter(|sample| **sample == i16::from(*number)).count();
            assert!(count > 20 * 160, "payload type {number} is decoded: {count}");
        }
    }
}
