//! Tests with the examples of RFC 3264 §10 and RFC 4317: the peer is the offerer of the example, and the other leg has the
//! capabilities of the answerer.

use super::renegotiate;
use super::{names, only, peer};
use crate::direction::Direction;
use crate::offer_answer::sip::{accepted, reoffer, sip_offer};
use crate::section::Section;
use crate::sip::{LocalDescriptions, RtpProfile, SipDescription, SipSection};
use std::net::IpAddr;

/// Returns a description with these m-lines and attributes.
fn described(media: &str) -> String {
    let session = "v=0\no=alice 2890844526 2890844526 IN IP4 host.example.test\ns=\nc=IN IP4 192.0.2.10\nt=0 0\n";
    format!("{session}{media}")
}

/// Returns the m-lines and directions of the answer.
fn answered(other: &str, offer: &str) -> Vec<String> {
    let offer = SipDescription::parse(&described(offer)).expect("an offer");
    let answer = renegotiate(&peer(&described(other)), &offer.media(), Direction::SendRecv).expect("an answer").answer;
    let sections =
        answer.into_iter().map(|section| SipSection::new(section, RtpProfile::Avp, "192.0.2.20:4000".parse().unwrap()));
    let text = LocalDescriptions::new(1, IpAddr::from([192, 0, 2, 20])).answer(&offer, sections.collect()).to_string();
    let is_compared =
        |line: &&str| line.starts_with("m=") || ["sendrecv", "sendonly", "recvonly", "inactive"].contains(&&line[2..]);
    text.lines().filter(is_compared).map(str::to_owned).collect()
}

const H261: &str = "a=rtpmap:31 H261/90000\n";
const MPV: &str = "a=rtpmap:32 MPV/90000\n";

/// RFC 3264 §10.1: of audio and two video sections, the answerer accepts audio and the second video section.
#[test]
fn unwanted_stream_gets_port_zero() {
    let offer = format!("m=audio 49170 RTP/AVP 0\nm=video 51372 RTP/AVP 31\n{H261}m=video 53000 RTP/AVP 32\n{MPV}");
    let other = format!("m=audio 49920 RTP/AVP 0\nm=video 0 RTP/AVP 31\n{H261}m=video 53000 RTP/AVP 32\n{MPV}");
    assert_eq!(
        answered(&other, &offer),
        ["m=audio 4000 RTP/AVP 0", "a=sendrecv", "m=video 0 RTP/AVP 31", "m=video 4000 RTP/AVP 32", "a=sendrecv",]
    );
}

/// RFC 3264 §10.1, second exchange: the peer changes its port and adds a section for DTMF only.
#[test]
fn dtmf_only_stream_is_refused_and_port_updated() {
    let before = peer(&described("m=audio 49170 RTP/AVP 0\n"));
    let offer = described(
        "m=audio 49180 RTP/AVP 0\nm=audio 53122 RTP/AVP 110\na=rtpmap:110 telephone-event/8000\na=sendonly\n",
    );
    let moved = SipDescription::parse(&offer).expect("an offer");
    assert_eq!(moved.sections[0].connection.address().map(|address| address.port()), Some(49180));
    let renegotiated = renegotiate(&before, &moved.media(), Direction::SendRecv).expect("an answer");
    assert_eq!(renegotiated.answer.iter().map(|section| section.rejected).collect::<Vec<_>>(), [false, true]);
    assert_eq!(renegotiated.peer.len(), 1);
}

/// RFC 3264 §10.2: one of N codecs. The answerer supports two of three; the next offer has the selected one.
#[test]
fn one_of_n_codecs_is_selected_by_reoffer() {
    let three =
        "m=audio 62986 RTP/AVP 0 4 18\na=rtpmap:0 PCMU/8000\na=rtpmap:4 G723/8000\na=rtpmap:18 G729/8000\na=inactive\n";
    let other = "m=audio 54344 RTP/AVP 0 4\n";
    assert_eq!(answered(other, three), ["m=audio 4000 RTP/AVP 0 4", "a=inactive"]);
    let one = "m=audio 62986 RTP/AVP 4\na=rtpmap:4 G723/8000\na=sendrecv\n";
    assert_eq!(answered(other, one), ["m=audio 4000 RTP/AVP 4", "a=sendrecv"]);
}

const ALICE: &str = "m=audio 49170 RTP/AVP 0 8 97\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:97 iLBC/8000\n\
    m=video 51372 RTP/AVP 31 32\na=rtpmap:31 H261/90000\na=rtpmap:32 MPV/90000\n";

/// RFC 4317 §2.1: audio with one codec, video with one.
#[test]
fn audio_and_video_codecs_are_selected() {
    let bob = format!("m=audio 49174 RTP/AVP 0\nm=video 49170 RTP/AVP 32\n{MPV}");
    assert_eq!(
        answered(&bob, ALICE),
        ["m=audio 4000 RTP/AVP 0", "a=sendrecv", "m=video 4000 RTP/AVP 32", "a=sendrecv"]
    );
}

/// RFC 4317 §2.2: two audio codecs in common, then one of them, then the other.
#[test]
fn reoffer_changes_codec() {
    let bob = "m=audio 49172 RTP/AVP 0 8\nm=video 0 RTP/AVP 31\n";
    assert_eq!(answered(bob, ALICE)[..3], ["m=audio 4000 RTP/AVP 0 8", "a=sendrecv", "m=video 0 RTP/AVP 31 32"]);
    let ilbc = "m=audio 49172 RTP/AVP 99\na=rtpmap:99 iLBC/8000\n";
    assert_eq!(answered(ilbc, ALICE)[..2], ["m=audio 4000 RTP/AVP 97", "a=sendrecv"], "the payload type of the offer");
}

/// RFC 4317 §2.4: audio and DTMF in one stream, with payload types chosen by the answerer.
#[test]
fn dtmf_is_accepted_with_codec() {
    let relayed = sip_offer(
        &peer(&described("m=audio 49170 RTP/AVP 0 97 101\na=rtpmap:97 iLBC/8000\na=rtpmap:101 telephone-event/8000\n")),
        &[],
    );
    let bob = peer(&described(
        "m=audio 49172 RTP/AVP 97 98\na=rtpmap:97 iLBC/8000\na=rtpmap:98 telephone-event/8000\na=fmtp:98 0-15\n",
    ));
    let streams = accepted(&relayed, &bob).expect("streams");
    assert_eq!(names(&streams[0]), [(97, "iLBC"), (98, "telephone-event")]);
}

/// RFC 4317 §3.1: hold by either side, and resume.
#[test]
fn hold_and_resume_set_direction() {
    let bob = "m=audio 49172 RTP/AVP 97\na=rtpmap:97 iLBC/8000\n";
    let with = |direction: &str| format!("m=audio 49170 RTP/AVP 97\na=rtpmap:97 iLBC/8000\na={direction}\n");
    assert_eq!(answered(bob, &with("sendonly"))[1], "a=recvonly");
    assert_eq!(answered(bob, &with("sendrecv"))[1], "a=sendrecv");
    // The relay puts a compliant peer on hold.
    let current = peer(&described(&with("sendrecv")));
    let hold = reoffer(&current, &peer(&described(bob)), Direction::SendOnly);
    assert_eq!(hold[0].direction, Direction::SendOnly);
    let held = accepted(&hold, &peer(&described(&with("recvonly")))).expect("streams");
    assert_eq!(held[0].direction, Direction::RecvOnly);
    // An answer that exceeds the offered direction is limited to it.
    let claimed = accepted(&hold, &peer(&described(&with("sendrecv")))).expect("streams");
    assert_eq!(claimed[0].direction, Direction::RecvOnly);
}

/// RFC 4317 §3.2: the peer holds one of two streams.
#[test]
fn hold_of_one_stream_keeps_the_other() {
    let bob = format!("m=audio 49172 RTP/AVP 0\nm=video 49168 RTP/AVP 32\n{MPV}");
    let offer = format!("m=audio 49170 RTP/AVP 0\na=sendonly\nm=video 51372 RTP/AVP 32\n{MPV}");
    let answer = answered(&bob, &offer);
    assert_eq!(answer, ["m=audio 4000 RTP/AVP 0", "a=recvonly", "m=video 4000 RTP/AVP 32", "a=sendrecv"]);
}

/// RFC 4317 §4.1: a second audio stream is offered and refused; its m-line is kept.
#[test]
fn added_stream_is_refused_in_position() {
    let bob = "m=audio 49172 RTP/AVP 0\n";
    let offer = "m=audio 49170 RTP/AVP 0\nm=audio 49172 RTP/AVP 98\na=rtpmap:98 telephone-event/8000\na=sendonly\n";
    assert_eq!(answered(bob, offer), ["m=audio 4000 RTP/AVP 0", "a=sendrecv", "m=audio 0 RTP/AVP 98"]);
}

/// RFC 4317 §4.2: audio changes to another codec and video is removed.
#[test]
fn removed_stream_gets_port_zero() {
    let bob = format!("m=audio 49172 RTP/AVP 0\nm=video 49168 RTP/AVP 32\n{MPV}");
    let offer = format!("m=audio 49170 RTP/AVP 0\nm=video 0 RTP/AVP 32\n{MPV}");
    assert_eq!(answered(&bob, &offer), ["m=audio 4000 RTP/AVP 0", "a=sendrecv", "m=video 0 RTP/AVP 32"]);
}

/// RFC 4317 §5.1, as in RFC 3725 flow I: an offer without media first, then that of the other party.
#[test]
fn offer_without_media_then_reoffer_is_answered() {
    let empty = SipDescription::parse("v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nt=0 0\n").expect("a description");
    let renegotiated = renegotiate(&peer(&described(ALICE)), &empty.media(), Direction::SendRecv).expect("an answer");
    assert_eq!(renegotiated.answer, Vec::<Section>::new());
    let later = renegotiate(&only(&peer(&described(ALICE)), &["PCMU"]), &peer(&described(ALICE)), Direction::SendRecv);
    assert_eq!(names(&later.expect("an answer").answer[0])[0], (0, "PCMU"));
}
