use super::{Player, digit_of, event_of};
use core::time::Duration;
use offhook_clock::Time;

#[test]
fn digits_map_to_event_codes_and_back() {
    for digit in "0123456789*#ABCD".chars() {
        assert_eq!(digit_of(&[event_of(digit).unwrap(), 0, 0, 0]), Some(digit));
    }
    assert_eq!(event_of('d'), event_of('D'));
    assert_eq!((event_of('x'), digit_of(&[16, 0, 0, 0]), digit_of(&[1, 0, 0])), (None, None, None));
}

#[test]
fn event_lasts_100_ms_with_three_end_packets() {
    let mut player = Player::default();
    player.enqueue("7x8");
    let start = Time::from_micros(1_000_000);
    let mut sent = Vec::new();
    let mut now = start;
    while let Some(due) = player.poll_timeout() {
        now = now.max(due);
        while let Some(packet) = player.poll(8000, now) {
            sent.push((now.since(start), packet));
        }
    }
    let millis: Vec<u128> = sent.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(millis, [0, 20, 40, 60, 80, 80, 80, 130, 150, 170, 190, 210, 210, 210]);
    let bodies: Vec<[u8; 4]> = sent.iter().map(|(_, packet)| packet.payload).collect();
    assert_eq!(bodies[0], [7, 10, 0, 160]);
    assert_eq!(bodies[3], [7, 10, 2, 128]);
    assert_eq!(bodies[4..7], [[7, 0x8a, 3, 32]; 3]);
    assert_eq!(bodies[7], [8, 10, 0, 160]);
    assert_eq!(sent.iter().filter(|(_, packet)| packet.begins).count(), 2);
    assert!(!player.is_playing());
    assert_eq!(now.since(start), Duration::from_millis(260));
}

#[test]
fn digit_queue_is_bounded() {
    let mut player = Player::default();
    player.enqueue(&"1".repeat(1000));
    player.enqueue("2");
    assert_eq!(player.queue.len(), super::MAX_QUEUED);
}
