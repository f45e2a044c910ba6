//! Speex (RFC 5574) by the library libspeex, which is loaded at run time.
#![expect(unsafe_code, reason = "calls of a C library")]

use super::frames_in;
use core::ffi::{c_char, c_int, c_void};
use core::fmt;
use core::ptr::{self, NonNull};
use core::time::Duration;
use libloading::Library;
use offhook_media::graph::codec::{CodecError, Decoder, Encoder, SampleFormat};
use offhook_sdp::codec::Codec;
use std::sync::Arc;

const FILE: &str = "libspeex.so.1";
/// Quality 8 of 10: 15 kbit/s in narrowband, 28 kbit/s in wideband.
const QUALITY: c_int = 8;
const COMPLEXITY: c_int = 3;
const SET_QUALITY: c_int = 4;
const SET_COMPLEXITY: c_int = 16;
/// Every mode has frames of 20 ms.
const FRAMES_PER_SECOND: u32 = 50;
/// The longest payload has 12 frames, 240 ms.
const LONGEST: usize = 12;
const LONGEST_OCTETS: usize = 2048;
/// The number of malformed payloads of one source that are passed to the library, which writes a line to the standard error
/// output for each.
const MAX_MALFORMED: u32 = 16;

/// `SpeexBits` of speex_bits.h.
#[repr(C)]
struct Bits {
    chars: *mut c_char,
    bit_count: c_int,
    char_position: c_int,
    bit_position: c_int,
    owner: c_int,
    overflow: c_int,
    buffer_size: c_int,
    reserved1: c_int,
    reserved2: *mut c_void,
}

/// The functions of the library that are used. They are valid as long as the library is loaded.
pub(super) struct SpeexLibrary {
    bits_init: unsafe extern "C" fn(*mut Bits),
    bits_destroy: unsafe extern "C" fn(*mut Bits),
    bits_reset: unsafe extern "C" fn(*mut Bits),
    bits_read_from: unsafe extern "C" fn(*mut Bits, *const c_char, c_int),
    bits_write: unsafe extern "C" fn(*mut Bits, *mut c_char, c_int) -> c_int,
    bits_remaining: unsafe extern "C" fn(*mut Bits) -> c_int,
    mode: unsafe extern "C" fn(c_int) -> *const c_void,
    encoder_init: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    encoder_destroy: unsafe extern "C" fn(*mut c_void),
    encoder_ctl: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int,
    encode: unsafe extern "C" fn(*mut c_void, *mut i16, *mut Bits) -> c_int,
    decoder_init: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    decoder_destroy: unsafe extern "C" fn(*mut c_void),
    decode: unsafe extern "C" fn(*mut c_void, *mut Bits, *mut i16) -> c_int,
    /// Unloads the library when it is dropped, after the last decoder and encoder.
    _library: Library,
}

impl fmt::Debug for SpeexLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FILE)
    }
}

impl SpeexLibrary {
    pub(super) fn load() -> Result<Self, libloading::Error> {
        // SAFETY: the library has no initialisation with side effects. The types of the functions are those of speex.h and
        // speex_bits.h, which belong to the version in the file name.
        unsafe {
            let library = Library::new(FILE)?;
            Ok(Self {
                bits_init: *library.get(b"speex_bits_init\0")?,
                bits_destroy: *library.get(b"speex_bits_destroy\0")?,
                bits_reset: *library.get(b"speex_bits_reset\0")?,
                bits_read_from: *library.get(b"speex_bits_read_from\0")?,
                bits_write: *library.get(b"speex_bits_write\0")?,
                bits_remaining: *library.get(b"speex_bits_remaining\0")?,
                mode: *library.get(b"speex_lib_get_mode\0")?,
                encoder_init: *library.get(b"speex_encoder_init\0")?,
                encoder_destroy: *library.get(b"speex_encoder_destroy\0")?,
                encoder_ctl: *library.get(b"speex_encoder_ctl\0")?,
                encode: *library.get(b"speex_encode_int\0")?,
                decoder_init: *library.get(b"speex_decoder_init\0")?,
                decoder_destroy: *library.get(b"speex_decoder_destroy\0")?,
                decode: *library.get(b"speex_decode_int\0")?,
                _library: library,
            })
        }
    }
}

/// Returns the number of the library's mode and the sample rate.
fn mode_of(codec: &Codec) -> Option<(c_int, u32)> {
    let modes = [(0, 8000), (1, 16_000), (2, 32_000)];
    let is_speex = codec.is("speex") && codec.channels == 1;
    modes.into_iter().find(|(_, rate)| is_speex && codec.clock_rate == *rate)
}

/// The state of a decoder or an encoder, with the buffer of its bits.
struct State {
    library: Arc<SpeexLibrary>,
    pointer: NonNull<c_void>,
    /// In a box, because the library may keep no other address of it.
    bits: Box<Bits>,
    rate: u32,
    destroy: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: the state is used by one thread at a time, and the library keeps no state of the thread.
unsafe impl Send for State {}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speex").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: both were initialised in `new`, and are not used afterwards.
        unsafe {
            (self.destroy)(self.pointer.as_ptr());
            (self.library.bits_destroy)(&raw mut *self.bits);
        }
    }
}

impl State {
    fn new(
        library: &Arc<SpeexLibrary>,
        codec: &Codec,
        init: unsafe extern "C" fn(*const c_void) -> *mut c_void,
        destroy: unsafe extern "C" fn(*mut c_void),
    ) -> Option<Self> {
        let (mode, rate) = mode_of(codec)?;
        // SAFETY: the mode exists in every version of the library; `init` returns null if memory is exhausted.
        let pointer = unsafe { NonNull::new(init((library.mode)(mode)))? };
        let mut bits = Box::new(Bits {
            chars: ptr::null_mut(),
            bit_count: 0,
            char_position: 0,
            bit_position: 0,
            owner: 0,
            overflow: 0,
            buffer_size: 0,
            reserved1: 0,
            reserved2: ptr::null_mut(),
        });
        // SAFETY: `bits` has the layout of the library's structure.
        unsafe { (library.bits_init)(&raw mut *bits) };
        Some(Self { library: Arc::clone(library), pointer, bits, rate, destroy })
    }

    /// The number of samples in a frame.
    const fn frame(&self) -> usize {
        (self.rate / FRAMES_PER_SECOND) as usize
    }
}

pub(super) fn decoder(library: &Arc<SpeexLibrary>, codec: &Codec) -> Option<Box<dyn Decoder>> {
    let state = State::new(library, codec, library.decoder_init, library.decoder_destroy)?;
    Some(Box::new(SpeexDecoder { state, malformed: 0 }))
}

#[derive(Debug)]
struct SpeexDecoder {
    state: State,
    malformed: u32,
}

impl SpeexDecoder {
    /// Appends one frame; returns whether there was one. Without `has_bits` the frame is concealed.
    fn frame(&mut self, has_bits: bool, out: &mut Vec<i16>) -> Result<bool, CodecError> {
        let state = &mut self.state;
        let bits = if has_bits { &raw mut *state.bits } else { ptr::null_mut() };
        let (begin, frame) = (out.len(), state.frame());
        out.resize(begin + frame, 0);
        let samples = out.get_mut(begin..).unwrap_or_default().as_mut_ptr();
        // SAFETY: the state is initialised, and `samples` has room for one frame of its mode.
        let result = unsafe { (state.library.decode)(state.pointer.as_ptr(), bits, samples) };
        if result != 0 {
            out.truncate(begin);
        }
        match result {
            0 => Ok(true),
            // The end of the payload.
            -1 => Ok(false),
            _ => Err(CodecError::Malformed),
        }
    }
}

impl Decoder for SpeexDecoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.state.rate)
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        let length = c_int::try_from(payload.len()).map_err(|_| CodecError::Malformed)?;
        if self.malformed >= MAX_MALFORMED {
            return Err(CodecError::Malformed);
        }
        let bits = &raw mut *self.state.bits;
        // SAFETY: the library copies `payload` into the buffer of `bits`, which it enlarges.
        unsafe { (self.state.library.bits_read_from)(bits, payload.as_ptr().cast(), length) };
        let begin = out.len();
        for _ in 0..LONGEST {
            // SAFETY: `bits` is initialised. Fewer than 5 bits are not a frame.
            let remaining = unsafe { (self.state.library.bits_remaining)(&raw mut *self.state.bits) };
            match if remaining < 5 { Ok(false) } else { self.frame(true, out) } {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.malformed += 1;
                    out.truncate(begin);
                    return Err(error);
                }
            }
        }
        if out.len() == begin { Err(CodecError::Malformed) } else { Ok(()) }
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let end = out.len() + samples;
        while out.len() < end {
            if !self.frame(false, out).unwrap_or(false) {
                out.resize(end, 0);
            }
        }
        out.truncate(end);
    }
}

pub(super) fn encoder(library: &Arc<SpeexLibrary>, codec: &Codec, packet: Duration) -> Option<Box<dyn Encoder>> {
    let state = State::new(library, codec, library.encoder_init, library.encoder_destroy)?;
    for (request, mut value) in [(SET_QUALITY, QUALITY), (SET_COMPLEXITY, COMPLEXITY)] {
        // SAFETY: both requests read one int.
        unsafe { (library.encoder_ctl)(state.pointer.as_ptr(), request, (&raw mut value).cast()) };
    }
    Some(Box::new(SpeexEncoder { state, frames: frames_in(packet, 20), frame: Vec::new() }))
}

#[derive(Debug)]
struct SpeexEncoder {
    state: State,
    frames: usize,
    /// A copy of the input, because the library overwrites it.
    frame: Vec<i16>,
}

impl Encoder for SpeexEncoder {
    fn format(&self) -> SampleFormat {
        SampleFormat::mono(self.state.rate)
    }

    fn frame_size(&self) -> usize {
        self.frames * self.state.frame()
    }

    fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if samples.len() != self.frame_size() {
            return Err(CodecError::FrameSize);
        }
        let length = self.state.frame();
        let (library, bits) = (&self.state.library, &raw mut *self.state.bits);
        // SAFETY: `bits` is initialised.
        unsafe { (library.bits_reset)(bits) };
        for samples in samples.chunks_exact(length) {
            self.frame.clear();
            self.frame.extend_from_slice(samples);
            // SAFETY: the frame has the size of the mode. The library enlarges the buffer of `bits`.
            unsafe { (library.encode)(self.state.pointer.as_ptr(), self.frame.as_mut_ptr(), bits) };
        }
        let begin = out.len();
        out.resize(begin + LONGEST_OCTETS, 0);
        let octets = out.get_mut(begin..).unwrap_or_default();
        let room = c_int::try_from(octets.len()).unwrap_or(0);
        // SAFETY: the library writes at most `room` octets.
        let written = unsafe { (library.bits_write)(bits, octets.as_mut_ptr().cast(), room) };
        out.truncate(begin + usize::try_from(written).unwrap_or(0));
        Ok(())
    }
}
