//! Removal of codecs from session descriptions.

/// Removes the payload types whose `a=rtpmap` matches from every media section. `matches` is called with the codec part of the
/// line.
#[must_use]
pub fn strip_codecs(sdp: &str, matches: impl Fn(&str) -> bool) -> String {
    let stripped: Vec<&str> = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '))
        .filter(|(_, codec)| matches(codec))
        .map(|(payload, _)| payload)
        .collect();
    if stripped.is_empty() {
        return sdp.to_owned();
    }
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        let attribute = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|prefix| line.strip_prefix(prefix));
        if attribute.and_then(|rest| rest.split(' ').next()).is_some_and(|payload| stripped.contains(&payload)) {
            continue;
        }
        if line.starts_with("m=") {
            // The first three words are media, port and protocol.
            let kept = line.split(' ').enumerate().filter(|(at, word)| *at < 3 || !stripped.contains(word));
            for (at, word) in kept {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(word);
            }
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::strip_codecs;

    const SDP: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n\
                       a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

    #[test]
    fn stripped_codec_is_removed_with_its_attributes() {
        let stripped = strip_codecs(SDP, |codec| codec.starts_with("opus"));
        assert_eq!(
            stripped,
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        );
    }

    #[test]
    fn description_without_matching_codec_is_unchanged() {
        assert_eq!(strip_codecs(SDP, |codec| codec.contains("SILK")), SDP);
    }
}
