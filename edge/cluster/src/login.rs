use belay_facts::Secret;

/// As whom the API is asked.
#[derive(Clone, Debug)]
pub enum Login {
    /// A client certificate and its key, in PEM.
    Certificate { certificate: String, key: Secret },
    /// A bearer token, as a ServiceAccount has one.
    Token(Secret),
}
