use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use belay_facts::Span;

/// Where K3s' etcd tells its health and metrics in clear (k3s-facts §9).
const PORT: u16 = 2381;
const WITHIN: Duration = Duration::from_secs(2);
/// K3s' metrics are of all its components.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Whether etcd says of itself that it has a leader, no alarm, and answers a read; `None` when nobody listens.
pub(super) fn healthy() -> Option<bool> {
    says_healthy(&get("/health")?)
}

fn says_healthy(answer: &str) -> Option<bool> {
    let told: serde_json::Value = serde_json::from_slice(answer.trim().as_bytes()).ok()?;
    Some(told.get("health").and_then(serde_json::Value::as_str) == Some("true"))
}

/// etcd's metrics, in Prometheus' text form.
pub(super) struct Metrics(String);

pub(super) fn metrics() -> Option<Metrics> {
    get("/metrics").map(Metrics)
}

impl Metrics {
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn line(&self, name: &str) -> Option<&str> {
        self.0.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
    }

    /// The value of a metric that there is once.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.line(name)?.rsplit_once(' ')?.1.parse().ok()
    }

    /// A label of a metric that there is once.
    pub(super) fn label(&self, name: &str, label: &str) -> Option<String> {
        let (_, rest) = self.line(name)?.split_once(&format!("{label}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    }

    /// The longest time of the bucket of a histogram that so many of all that was counted lie within, or of the last bucket where they lie
    /// beyond it; `None` for one that has counted nothing.
    pub(super) fn within(&self, name: &str, part: f64) -> Option<Span> {
        let counted = self.value(&format!("{name}_count")).filter(|count| *count > 0.0)?;
        let bucket = format!("{name}_bucket{{");
        let buckets =
            self.0.lines().filter_map(|line| line.strip_prefix(&bucket)?.split_once("le=\"")?.1.split_once("\"}"));
        let ends =
            buckets.filter_map(|(end, below)| Some((end.parse::<f64>().ok()?, below.trim().parse::<f64>().ok()?)));
        let mut last = None;
        for (end, below) in ends.filter(|(end, _)| end.is_finite()) {
            last = Some(end);
            if below >= counted * part {
                break;
            }
        }
        Duration::try_from_secs_f64(last?).ok().map(Span::from)
    }
}

/// What is read of both answers: health, and of the metric `name` its value and its label `a`.
#[cfg(feature = "fuzzing")]
pub(crate) fn told(text: &str, name: &str) -> (Option<bool>, Option<f64>, Option<String>) {
    let metrics = Metrics::of(text);
    (says_healthy(text), metrics.value(name), metrics.label(name, "a"))
}

/// One request over loopback; HTTP/1.0, so that the answer ends with the connection and is in one piece.
fn get(path: &str) -> Option<String> {
    let hosts = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let connect = |host| TcpStream::connect_timeout(&SocketAddr::new(host, PORT), WITHIN).ok();
    let mut stream = hosts.into_iter().find_map(connect)?;
    stream.set_read_timeout(Some(WITHIN)).ok()?;
    stream.set_write_timeout(Some(WITHIN)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Metrics, Span};

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let told = Metrics::of(
            "# HELP etcd_server_version Which version.\netcd_server_version_x 3\netcd_server_has_leader 1\n\
             etcd_server_version{server_version=\"3.6.7\"} 1\netcd_server_quota_backend_bytes 2.147483648e+09\n",
        );
        assert_eq!(told.value("etcd_server_has_leader"), Some(1.0));
        assert_eq!(told.value("etcd_server_quota_backend_bytes"), Some(2_147_483_648.0));
        assert_eq!(told.label("etcd_server_version", "server_version").as_deref(), Some("3.6.7"));
        assert_eq!(told.value("etcd_server"), None);
    }

    #[test]
    fn a_part_of_a_histogram_ends_with_its_bucket() {
        let name = "etcd_disk_wal_fsync_duration_seconds";
        let lines = "_bucket{le=\"0.001\"} 90\n_bucket{le=\"0.016\"} 98\n_bucket{le=\"0.032\"} 99\n_bucket{le=\"+Inf\"} 100\n_sum 9.5\n_count 100\n";
        let told = Metrics::of(&lines.lines().map(|line| format!("{name}{line}\n")).collect::<String>());
        let within = |part| told.within(name, part).map(Span::as_millis);
        assert_eq!(
            [within(0.5), within(0.9), within(0.98), within(0.99), within(1.0)],
            [Some(1), Some(1), Some(16), Some(32), Some(32)]
        );
        assert_eq!(Metrics::of(&format!("{name}_bucket{{le=\"1\"}} 0\n{name}_count 0\n")).within(name, 0.99), None);
        assert_eq!(Metrics::of("").within(name, 0.99), None);
    }
}
