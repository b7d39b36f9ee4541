//! `watch-port`: whether anybody listens on the API's port, ten times a second, beside whatever else is asked.
//!
//! Read from the kernel's tables. The helper speaks no TLS, and a connection that ends without a handshake is a line in
//! the log of K3s each time.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use belay_facts::Span;
use belay_wire::{PortClosed, PortSeen};

const PERIOD: Duration = Duration::from_millis(100);
/// The kernel's number of the state LISTEN.
const LISTEN: &str = "0A";

/// Looks from its start until it is dropped.
pub(crate) struct PortWatch {
    port: u16,
    origin: Instant,
    record: Arc<Mutex<Record>>,
    halt: Arc<AtomicBool>,
}

impl PortWatch {
    pub(crate) fn start(proc: &Path, port: u16) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let halt = Arc::new(AtomicBool::new(false));
        let tables = [proc.join("net/tcp"), proc.join("net/tcp6")];
        let (seen, halted) = (Arc::clone(&record), Arc::clone(&halt));
        let origin = Instant::now();
        thread::spawn(move || {
            while !halted.load(Ordering::SeqCst) {
                let began = Instant::now();
                // A table that cannot be read says nothing.
                if let Ok(open) = is_listened_on(&tables, port) {
                    lock(&seen).look(began.duration_since(origin), open);
                }
                thread::sleep(PERIOD.saturating_sub(began.elapsed()));
            }
        });
        Self { port, origin, record, halt }
    }

    pub(crate) fn seen(&self) -> PortSeen {
        lock(&self.record).seen(self.port, self.origin.elapsed())
    }
}

impl Drop for PortWatch {
    fn drop(&mut self) {
        self.halt.store(true, Ordering::SeqCst);
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Times since the start.
#[derive(Default)]
struct Record {
    looks: u64,
    last_open: Option<Duration>,
    /// When what lasts now began.
    closed_since: Option<Duration>,
    closed: Vec<(Duration, Duration)>,
}

impl Record {
    fn look(&mut self, at: Duration, open: bool) {
        self.looks += 1;
        if open {
            self.closed.extend(self.closed_since.take().map(|since| (since, at)));
            self.last_open = Some(at);
        } else if self.closed_since.is_none() {
            self.closed_since = Some(self.last_open.unwrap_or(at));
        }
    }

    fn seen(&self, port: u16, now: Duration) -> PortSeen {
        let ago = |at: Duration| Span::from(now.saturating_sub(at));
        let over = self.closed.iter().map(|(from, to)| PortClosed { began: ago(*from), ended: Some(ago(*to)) });
        let lasting = self.closed_since.map(|since| PortClosed { began: ago(since), ended: None });
        PortSeen { port, looks: self.looks, closed: over.chain(lasting).collect() }
    }
}

/// Whether any of the kernel's tables (`/proc/net/tcp` and `tcp6`) has a listener on the port. One of them may be missing.
pub(crate) fn is_listened_on(tables: &[PathBuf], port: u16) -> io::Result<bool> {
    let mut read = Err(io::Error::from(io::ErrorKind::NotFound));
    for table in tables {
        match File::open(table) {
            Ok(file) => {
                for line in BufReader::new(file).lines() {
                    if listener(&line?) == Some(port) {
                        return Ok(true);
                    }
                }
                read = Ok(false);
            }
            Err(error) if read.is_err() => read = Err(error),
            Err(_) => {}
        }
    }
    read
}

/// The port of a line whose socket listens: `   0: 0100007F:192B 00000000:0000 0A …`.
fn listener(line: &str) -> Option<u16> {
    let mut words = line.split_ascii_whitespace();
    let (_, local, _, state) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (_, port) = local.rsplit_once(':')?;
    (state == LISTEN).then(|| u16::from_str_radix(port, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    fn only_a_listener_on_the_port_counts() {
        let line =
            |local: &str, state: &str| format!("   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000");
        assert_eq!(listener(&line("0100007F:192B", "0A")), Some(6443));
        assert_eq!(listener(&line("00000000000000000000000000000000:192B", "0A")), Some(6443));
        assert_eq!(listener(&line("0100007F:192B", "01")), None, "a connection");
        for other in [HEAD, "", "  1:", "x x x 0A", "  0: 0100007F:zz 0 0A"] {
            assert_eq!(listener(other), None, "{other}");
        }
    }

    #[test]
    fn both_tables_are_looked_at_and_one_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let tables = [dir.path().join("tcp"), dir.path().join("tcp6")];
        assert!(is_listened_on(&tables, 6443).is_err(), "nothing is known without a table");
        std::fs::write(&tables[0], HEAD).unwrap();
        assert!(!is_listened_on(&tables, 6443).unwrap());
        std::fs::write(&tables[1], format!("{HEAD}   0: 0:192B 0:0 0A 0:0\n")).unwrap();
        assert!(is_listened_on(&tables, 6443).unwrap());
        assert!(!is_listened_on(&tables, 6444).unwrap());
    }

    #[test]
    fn a_gap_reaches_from_the_last_listener_to_the_next() {
        let ms = Duration::from_millis;
        let mut record = Record::default();
        for (at, open) in [(0, true), (100, true), (200, false), (300, false), (400, true), (500, false)] {
            record.look(ms(at), open);
        }
        let seen = record.seen(6443, ms(600));
        assert_eq!((seen.port, seen.looks), (6443, 6));
        let closed =
            |began, ended: Option<u64>| PortClosed { began: Span::millis(began), ended: ended.map(Span::millis) };
        assert_eq!(seen.closed, [closed(500, Some(200)), closed(200, None)]);
        let mut down = Record::default();
        down.look(ms(50), false);
        assert_eq!(down.seen(1, ms(60)).closed, [closed(10, None)], "nothing is known before the first look");
    }
}
