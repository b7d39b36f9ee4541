/// How the API of a node is reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where it listens, as the node sees it; its certificate carries this name.
    pub server: String,
    /// The port of this machine's loopback that leads there, when the node is another machine.
    pub forward: Option<u16>,
}
