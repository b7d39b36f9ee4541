use belay_facts::CertificateFacts;
use belay_wire::PemFile;
use x509_parser::pem::Pem;

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
        let time = |t: x509_parser::time::ASN1Time| {
            jiff::Timestamp::from_second(t.timestamp()).map_err(|error| fail(error.to_string()))
        };
        let not_after = time(certificate.validity().not_after)?;
        found.push(CertificateFacts {
            path: file.path.clone(),
            subject: certificate.subject().to_string(),
            is_ca: certificate.is_ca(),
            not_before: time(certificate.validity().not_before)?,
            not_after,
            days_left: (not_after.as_second() - now.as_second()).div_euclid(86_400),
        });
    }
    if found.is_empty() { Err(fail("it holds none".to_owned())) } else { Ok(found) }
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
    fn what_is_no_certificate_is_named() {
        let file = PemFile { path: "server/tls/x.crt".to_owned(), pem: "not a certificate".to_owned() };
        assert!(read(&file, jiff::Timestamp::UNIX_EPOCH).unwrap_err().contains("server/tls/x.crt"));
    }
}
