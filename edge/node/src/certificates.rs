use belay_facts::CertificateFacts;
use belay_wire::PemFile;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

/// Reads every certificate of a file (K3s writes leaf and chain into one). Times are compared with `now`.
///
/// # Errors
/// A sentence naming the file.
pub fn read(file: &PemFile, now: jiff::Timestamp) -> Result<Vec<CertificateFacts>, String> {
    let fail = |why: String| format!("{} could not be read as a certificate: {why}", file.path);
    let mut found = Vec::new();
    for pem in Pem::iter_from_buffer(file.pem.as_bytes()) {
        let pem = pem.map_err(|error| fail(error.to_string()))?;
        let certificate = pem.parse_x509().map_err(|error| fail(error.to_string()))?;
        found.push(facts(&file.path, &certificate, now).map_err(|error| fail(error.to_string()))?);
    }
    if found.is_empty() { Err(fail("it holds none".to_owned())) } else { Ok(found) }
}

/// Reads what a server showed at `address`, in DER.
///
/// # Errors
/// A sentence naming the address.
pub fn read_shown(address: &str, der: &[u8], now: jiff::Timestamp) -> Result<CertificateFacts, String> {
    let fail = |why: String| format!("what {address} shows could not be read as a certificate: {why}");
    let (_, certificate) = parse_x509_certificate(der).map_err(|error| fail(error.to_string()))?;
    facts(address, &certificate, now).map_err(|error| fail(error.to_string()))
}

fn facts(path: &str, certificate: &X509Certificate<'_>, now: jiff::Timestamp) -> Result<CertificateFacts, jiff::Error> {
    let time = |time: ASN1Time| jiff::Timestamp::from_second(time.timestamp());
    let not_after = time(certificate.validity().not_after)?;
    Ok(CertificateFacts {
        path: path.to_owned(),
        subject: certificate.subject().to_string(),
        is_ca: certificate.is_ca(),
        not_before: time(certificate.validity().not_before)?,
        not_after,
        days_left: (not_after.as_second() - now.as_second()).div_euclid(86_400),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed CA made for this test, valid from 2026-11-23 for ten years.
    const CA: &str = include_str!("../fixtures/ca.crt");

    #[test]
    fn a_certificate_tells_its_days() {
        let file = PemFile { path: "server/tls/server-ca.crt".to_owned(), pem: CA.to_owned() };
        let certificates = read(&file, "2026-11-24T00:00:00Z".parse().unwrap()).unwrap();
        let [ca] = certificates.as_slice() else { panic!("one certificate, got {certificates:?}") };
        assert!(ca.is_ca);
        assert_eq!(ca.subject, "CN=k3s-server-ca@1795451055");
        let days = (ca.not_after.as_second() - "2026-11-24T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second())
            / 86_400;
        assert_eq!(ca.days_left, days);
        let later = read(&file, "2099-01-01T00:00:00Z".parse().unwrap()).unwrap();
        assert!(later[0].days_left < 0, "an expired certificate has negative days left");
    }

    #[test]
    fn what_a_server_shows_is_the_same_certificate() {
        let pem = Pem::iter_from_buffer(CA.as_bytes()).next().unwrap().unwrap();
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        let shown = read_shown("10.77.0.12:10250", &pem.contents, now).unwrap();
        let file = PemFile { path: "10.77.0.12:10250".to_owned(), pem: CA.to_owned() };
        assert_eq!(read(&file, now).unwrap(), [shown]);
        assert!(read_shown("10.77.0.12:10250", b"no", now).unwrap_err().contains("10.77.0.12:10250"));
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let file = PemFile { path: "server/tls/x.crt".to_owned(), pem: "not a certificate".to_owned() };
        assert!(read(&file, jiff::Timestamp::UNIX_EPOCH).unwrap_err().contains("server/tls/x.crt"));
    }
}
