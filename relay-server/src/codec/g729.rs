//! G.729 Annex A and B (RFC 3551 §4.5.6) by the library libbcg729, which is loaded at run time. Its licence is the GNU GPL,
//! so that it is not part of the program.
#![expect(unsafe_code, reason = "calls of a C library")]

use super::frames_in;
use core::ffi::c_void;
use core::fmt;
use core::ptr::NonNull;
use core::time::Duration;
use libloading::Library;
use offhook_media::graph::codec::{CodecError, Decoder, Encoder, SampleFormat};
use offhook_sdp::codec::Codec;
use std::sync::Arc;

const FILE: &str = "libbcg729.so.0";
const RATE: u32 = 8000;
/// A frame of 10 ms in samples and in octets.
const FRAME: usize = 80;
const FRAME_OCTETS: usize = 10;
/// A silence insertion descriptor (Annex B).
const SILENCE_OCTETS: usize = 2;
/// The longest payload has 24 frames, 240 ms.
const LONGEST: usize = 24;

/// The functions of the library that are used. They are valid as long as the library is loaded.
pub(super) struct G729Library {
    encoder_init: unsafe extern "C" fn(u8) -> *mut c_void,
    encoder_close: unsafe extern "C" fn(*mut c_void),
    encode: unsafe extern "C" fn(*mut c_void, *const i16, *mut u8, *mut u8),
    decoder_init: unsafe extern "C" fn() -> *mut c_void,
    decoder_close: unsafe extern "C" fn(*mut c_void),
    decode: unsafe extern "C" fn(*mut c_void, *const u8, u8, u8, u8, u8, *mut i16),
    /// Unloads the library when it is dropped, after the last decoder and encoder.
    _library: Library,
}

impl fmt::Debug for G729Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FILE)
    }
}

impl G729Library {
    pub(super) fn load() -> Result<Self, libloading::Error> {
        // SAFETY: the library has no initialisation with side effects. The types of the functions are those of
        // bcg729/encoder.h and bcg729/decoder.h, which belong to the version in the file name.
        unsafe {
            let library = Library::new(FILE)?;
            Ok(Self {
                encoder_init: *library.get(b"initBcg729EncoderChannel\0")?,
                encoder_close: *library.get(b"closeBcg729EncoderChannel\0")?,
                encode: *library.get(b"bcg729Encoder\0")?,
                decoder_init: *library.get(b"initBcg729DecoderChannel\0")?,
                decoder_close: *library.get(b"closeBcg729DecoderChannel\0")?,
                decode: *library.get(b"bcg729Decoder\0")?,
                _library: library,
            })
        }
    }
}

fn is_g729(codec: &Codec) -> bool {
    codec.is("G729") && codec.clock_rate == RATE && codec.channels == 1
}

/// The state of a decoder or an encoder.
struct Channel {
    library: Arc<G729Library>,
    pointer: NonNull<c_void>,
    close: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: the state is used by one thread at a time, and the library keeps no state of the thread.
unsafe impl Send for Channel {}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("G729")
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: the state was made by the library and is not used afterwards.
        unsafe { (self.close)(self.pointer.as_ptr()) };
    }
}

pub(super) fn decoder(library: &Arc<G729Library>, codec: &Codec) -> Option<Box<dyn Decoder>> {
    if !is_g729(codec) {
        return None;
    }
    // SAFETY: the function has no arguments; it returns null if memory is exhausted.
    let pointer = unsafe { NonNull::new((library.decoder_init)())? };
    let channel = Channel { library: Arc::clone(library), pointer, close: library.decoder_close };
    Some(Box::new(G729Decoder(channel)))
}

#[derive(Debug)]
struct G729Decoder(Channel);

impl G729Decoder {
    /// Decodes a frame, or conceals one if `frame` is empty.
    fn frame(&mut self, frame: &[u8], out: &mut Vec<i16>) {
        let mut octets = [0; FRAME_OCTETS];
        octets.iter_mut().zip(frame).for_each(|(octet, received)| *octet = *received);
        let (is_lost, is_silence) = (u8::from(frame.is_empty()), u8::from(frame.len() == SILENCE_OCTETS));
        let length = u8::try_from(frame.len()).unwrap_or(0);
        let mut samples = [0; FRAME];
        let (state, input) = (self.0.pointer.as_ptr(), octets.as_ptr());
        // SAFETY: `input` has the size of the longest frame, and `samples` that of the output of each.
        unsafe { (self.0.library.decode)(state, input, length, is_lost, is_silence, 0, samples.as_mut_ptr()) };
        out.extend_from_slice(&samples);
    }
}

impl Decoder for G729Decoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(RATE)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        let is_whole = matches!(payload.len() % FRAME_OCTETS, 0 | SILENCE_OCTETS);
        if payload.is_empty() || !is_whole || payload.len() > LONGEST * FRAME_OCTETS {
            return Err(CodecError::Malformed);
        }
        payload.chunks(FRAME_OCTETS).for_each(|frame| self.frame(frame, out));
        Ok(())
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let end = out.len() + samples;
        while out.len() < end {
            self.frame(&[], out);
        }
        out.truncate(end);
    }
}

pub(super) fn encoder(library: &Arc<G729Library>, codec: &Codec, packet: Duration) -> Option<Box<dyn Encoder>> {
    if !is_g729(codec) {
        return None;
    }
    // Annex B is the default (RFC 4856 §2.1.9), but not every receiver that omits the parameter implements it.
    let has_silence = codec.parameter("annexb") == Some("yes");
    // SAFETY: the function returns null if memory is exhausted.
    let pointer = unsafe { NonNull::new((library.encoder_init)(u8::from(has_silence)))? };
    let channel = Channel { library: Arc::clone(library), pointer, close: library.encoder_close };
    Some(Box::new(G729Encoder { channel, frames: frames_in(packet, 10) }))
}

#[derive(Debug)]
struct G729Encoder {
    channel: Channel,
    frames: usize,
}

impl Encoder for G729Encoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(RATE)
    }

    fn frame_size(&self) -> usize {
        self.frames * FRAME
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if samples.len() != self.frame_size() {
            return Err(CodecError::FrameSize);
        }
        for frame in samples.chunks_exact(FRAME) {
            let (mut octets, mut length) = ([0; FRAME_OCTETS], 0);
            let state = self.channel.pointer.as_ptr();
            // SAFETY: `frame` has one frame, and `octets` has room for the longest one.
            unsafe {
                (self.channel.library.encode)(state, frame.as_ptr(), octets.as_mut_ptr(), &raw mut length);
            }
            out.extend_from_slice(octets.get(..usize::from(length)).unwrap_or_default());
            // A silence insertion descriptor ends a payload (RFC 3551 §4.5.6); the rest of the silence is not sent.
            if usize::from(length) == SILENCE_OCTETS {
                break;
            }
        }
        Ok(())
    }
}
