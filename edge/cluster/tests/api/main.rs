//! The crate against a real TLS server in this process: trust, the prober, and the questions against a small fake API.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod fake_cluster;
#[cfg(test)]
mod kubeconfig;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod server;
#[cfg(test)]
mod trust;
