use super::{Kind, OffenseReport, SecurityLog, write};
use crate::clock::Clock;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `act` logs, without time stamps.
pub(crate) fn logged(act: impl FnOnce()) -> Vec<String> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    text.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim().to_owned())).collect()
}

#[test]
fn line_has_the_fields_that_filters_depend_on() {
    let report =
        OffenseReport { kind: Kind::WrongPassword, address: [192, 0, 2, 7].into(), is_verified: true, count: 12 };
    let expected = "WARN offhook::security: repeated offenses of one address kind=wrong-password address=192.0.2.7 \
                    verified=true count=12";
    assert_eq!(logged(|| write(&report)), [expected]);
}

#[test]
fn rejected_connections_of_one_address_cause_one_line() {
    let lines = logged(|| {
        let log = SecurityLog::new(Clock::start());
        for _ in 0..1_000 {
            log.note(Kind::TooManyConnections, "2001:db8::7".parse().unwrap());
        }
    });
    let expected = "WARN offhook::security: repeated offenses of one address kind=too-many-connections address=2001:db8::7 \
                    verified=true count=20";
    assert_eq!(lines, [expected]);
}
