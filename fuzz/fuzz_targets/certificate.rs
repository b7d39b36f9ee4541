//! Certificate files of a node, which are whatever somebody put there. The parser's own file, because its crate brings SSH
//! and an asynchronous runtime along.
#![no_main]

#[path = "../../edge/node/src/certificates.rs"]
mod certificates;

use belay_wire::PemFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let pem = match std::str::from_utf8(data) {
        Ok(text) if text.contains("-----BEGIN") => text.to_owned(),
        // As DER, in the dress that the parser undoes, so that the fuzzer gets past it.
        _ => format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(data)),
    };
    let file = PemFile { path: "tls/x.crt".to_owned(), pem };
    if let Ok(found) = certificates::read(&file, jiff::Timestamp::UNIX_EPOCH) {
        assert!(!found.is_empty());
        for one in found {
            assert_eq!(one.days_left, one.not_after.as_second().div_euclid(86_400));
        }
    }
});

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in data.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}
