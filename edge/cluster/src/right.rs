use std::fmt;

/// A right as RBAC has it. As text it is what `kubectl auth can-i` takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub verb: &'static str,
    /// Empty for the core group.
    pub group: &'static str,
    /// Plural and in small letters; what begins with a slash is a path that is no resource.
    pub resource: &'static str,
    pub namespace: Option<&'static str>,
    /// Of the only object that is asked for.
    pub name: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, namespace, name } = self;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if let Some(name) = name {
            write!(f, "/{name}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " -n {namespace}"),
            None if name.is_none() && !resource.starts_with('/') => f.write_str(" -A"),
            None => Ok(()),
        }
    }
}
