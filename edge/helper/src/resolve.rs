//! `resolve`: asks a DNS server for the address of a name, from the node.
//!
//! By hand, because the resolver of the node need not be the cluster's, and the static helper has no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use belay_wire::Fault;

use crate::fault::{Attempt as _, failed, refused};

/// Asks `server` (port 53, UDP) for the IPv4 addresses of `name`. Returns them and the answer's code in words.
///
/// # Errors
/// When the server does not answer in time, or the name cannot be asked for.
pub fn resolve(server: &str, name: &str, within: Duration) -> Result<(Vec<String>, String), Fault> {
    let address: IpAddr = server.parse().attempt(|| format!("`{server}` is not the address of a DNS server"))?;
    let id = std::process::id().to_be_bytes();
    let [.., high, low] = id;
    let query = query([high, low], name).ok_or_else(|| refused(format!("`{name}` is not a name that DNS can hold")))?;
    // As an address and not as text: text might be a name, and with it glibc's whole resolver would come into the helper.
    let local: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let what = || format!("{server} could not be asked for {name}");
    let socket = UdpSocket::bind((local, 0)).attempt(what)?;
    socket.connect((address, 53)).attempt(what)?;
    let deadline = Instant::now() + within;
    let mut answer = vec![0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(failed(format!("{server} did not answer for {name} within {} ms", within.as_millis())));
        }
        // Asked again every second: a datagram may be lost while kube-proxy's rules are being written.
        socket.send(&query).attempt(what)?;
        socket.set_read_timeout(Some(left.min(Duration::from_secs(1)))).attempt(what)?;
        if let Ok(length) = socket.recv(&mut answer)
            && let Some(read) = answer.get(..length).and_then(|bytes| read_answer([high, low], bytes))
        {
            return Ok(read);
        }
    }
}

fn query(id: [u8; 2], name: &str) -> Option<Vec<u8>> {
    let mut bytes = id.to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    (name.len() <= 253).then_some(bytes)
}

/// Addresses and code of an answer to our question; `None` when it is none.
pub(crate) fn read_answer(id: [u8; 2], bytes: &[u8]) -> Option<(Vec<String>, String)> {
    let (head, _) = bytes.split_at_checked(12)?;
    let [a, b, flags, code, _, _, high, low, ..] = head else { return None };
    if [*a, *b] != id || flags & 0x80 == 0 {
        return None;
    }
    let code = match code & 0x0f {
        0 => "NOERROR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE{other}"),
    };
    let mut rest = after_name(bytes.get(12..)?)?.get(4..)?;
    let mut addresses = Vec::new();
    for _ in 0..u16::from_be_bytes([*high, *low]) {
        let record = after_name(rest)?;
        let (head, data) = record.split_at_checked(10)?;
        let [_, kind, _, _, _, _, _, _, high, low] = head else { return None };
        let (data, after) = data.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        match (kind, <[u8; 4]>::try_from(data), <[u8; 16]>::try_from(data)) {
            (1, Ok(v4), _) => addresses.push(Ipv4Addr::from(v4).to_string()),
            (28, _, Ok(v6)) => addresses.push(Ipv6Addr::from(v6).to_string()),
            _ => {}
        }
        rest = after;
    }
    Some((addresses, code))
}

fn after_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, rest) = bytes.split_first()?;
        match length {
            0 => return Some(rest),
            // A pointer to an earlier name ends it.
            0xc0.. => return rest.get(1..),
            length => bytes = rest.get(usize::from(length)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_what_is_none_is_not() {
        let mut answer = query([1, 2], "kubernetes.default.svc.cluster.local").unwrap();
        answer[2] = 0x81;
        answer[3] = 0x80;
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 43, 0, 1]);
        assert_eq!(read_answer([1, 2], &answer), Some((vec!["10.43.0.1".into()], "NOERROR".into())));
        assert_eq!(read_answer([9, 9], &answer), None);
        for length in 0..answer.len() {
            assert_eq!(read_answer([1, 2], &answer[..length]), None, "{length}");
        }
        answer[3] = 0x83;
        answer[7] = 0;
        assert_eq!(read_answer([1, 2], &answer), Some((vec![], "NXDOMAIN".into())));
        assert_eq!(query([0, 0], "a..b"), None);
        assert_eq!(query([0, 0], &"a".repeat(64)), None);
    }

    #[test]
    fn silence_is_a_fault_not_a_wait_for_ever() {
        assert!(resolve("not an address", "a", Duration::ZERO).is_err());
        assert!(resolve("127.0.0.1", "a", Duration::ZERO).is_err());
    }
}
