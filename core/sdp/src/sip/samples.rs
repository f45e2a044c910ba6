//! Sample descriptions, written by hand in the style of real SIP endpoints.

/// Asterisk's PJSIP channel: `c=` at session level, all attributes at media level, `ptime` and `maxptime`.
pub(crate) const ASTERISK: &str = "v=0\r\n\
    o=- 1714550400 1714550400 IN IP4 198.51.100.10\r\n\
    s=Asterisk\r\n\
    c=IN IP4 198.51.100.10\r\n\
    t=0 0\r\n\
    m=audio 11640 RTP/AVP 0 8 9 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:9 G722/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\n\
    a=ptime:20\r\n\
    a=maxptime:140\r\n\
    a=sendrecv\r\n";

/// A phone behind Kamailio with rtpengine: address and RTCP port rewritten, direction after the codecs.
pub(crate) const RTPENGINE: &str = "v=0\r\n\
    o=1001 8000 8000 IN IP4 203.0.113.77\r\n\
    s=SIP Call\r\n\
    t=0 0\r\n\
    m=audio 30012 RTP/AVP 8 0 18 101\r\n\
    c=IN IP4 203.0.113.77\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:18 G729/8000\r\n\
    a=fmtp:18 annexb=no\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=sendrecv\r\n\
    a=rtcp:30013\r\n";

/// Linphone: bandwidth, RTCP feedback under RTP/AVP, Opus, Speex, two keys, video.
pub(crate) const LINPHONE: &str = "v=0\r\n\
    o=alice 3182 1409 IN IP4 192.0.2.15\r\n\
    s=Talk\r\n\
    c=IN IP4 192.0.2.15\r\n\
    b=AS:380\r\n\
    t=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
    m=audio 7076 RTP/SAVP 96 97 98 0 8 101 99\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:97 speex/16000\r\n\
    a=fmtp:97 vbr=on\r\n\
    a=rtpmap:98 speex/8000\r\n\
    a=fmtp:98 vbr=on\r\n\
    a=rtpmap:101 telephone-event/48000\r\n\
    a=rtpmap:99 telephone-event/8000\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE\r\n\
    a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk\r\n\
    a=crypto:3 AES_256_CM_HMAC_SHA1_80 inline:dG9vIHNob3J0\r\n\
    m=video 9078 RTP/SAVP 96 97\r\n\
    a=rtpmap:96 VP8/90000\r\n\
    a=rtpmap:97 H264/90000\r\n\
    a=fmtp:97 profile-level-id=42801F\r\n\
    a=rtcp-fb:* trr-int 1000\r\n\
    a=rtcp-fb:96 nack pli\r\n\
    a=rtcp-fb:* ccm fir\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNE\r\n";

/// baresip: labels and SSRCs, payload type 96 for Opus in an answer, DTMF last.
pub(crate) const BARESIP: &str = "v=0\r\n\
    o=- 3922 1802 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    a=tool:baresip 1.0.0\r\n\
    m=audio 14324 RTP/AVP 96 0 8 101\r\n\
    b=AS:128\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=rtcp:14325\r\n\
    a=sendrecv\r\n\
    a=label:1\r\n\
    a=rtcp-rsize\r\n\
    a=ssrc:2818316853 cname:sip:1001@127.0.0.1\r\n\
    a=ptime:20\r\n";

/// An older desk phone that puts the call on hold: no `a=rtpmap`, line endings LF, no `t=`.
pub(crate) const OLD_HOLD: &str = "v=0\n\
    o=CiscoSystemsSIP-GW-UserAgent 7901 1811 IN IP4 192.0.2.200\n\
    c=IN IP4 0.0.0.0\n\
    m=audio 18190 RTP/AVP 18 0 8\n";

/// A fax machine that switches from audio to T.38.
pub(crate) const FAX: &str = "v=0\r\n\
    o=- 77 78 IN IP4 198.51.100.4\r\n\
    s=-\r\n\
    c=IN IP4 198.51.100.4\r\n\
    t=0 0\r\n\
    m=image 5006 udptl t38\r\n\
    a=T38FaxVersion:0\r\n\
    a=T38MaxBitRate:14400\r\n\
    m=audio 0 RTP/AVP 0\r\n";

/// A browser behind a SIP proxy, not bundled.
pub(crate) const CHROMIUM: &str = "v=0\r\n\
    o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=msid-semantic: WMS\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 0 126\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.55 51472 typ host generation 0\r\n\
    a=ice-ufrag:Fg7h\r\n\
    a=ice-pwd:Ud9b8g5Ya0f7b3cK1d2e3f4g\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=sendrecv\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:126 telephone-event/8000\r\n";

/// All sample descriptions.
pub(crate) const ALL: [&str; 7] = [ASTERISK, RTPENGINE, LINPHONE, BARESIP, OLD_HOLD, FAX, CHROMIUM];
