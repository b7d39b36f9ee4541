use std::fmt;

/// A person's wish that a run halts, in the words of its journal. Whatever it is the cause of ends with them: that is how a report
/// knows that nothing was at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// At its own terminal; SIGTERM as well.
    CtrlC,
    /// `belay halt`, and who typed it.
    Command { by: String },
}

const CTRL_C: &str = "interrupted by Ctrl-C";
const BEGIN: &str = "halted by ";
const END: &str = " with `belay halt`";

impl Halt {
    /// The wish that a cause ends with, such as `n1.gate: the soak was not finished: interrupted by Ctrl-C`.
    #[must_use]
    pub fn of(why: &str) -> Option<Self> {
        if why.ends_with(CTRL_C) {
            return Some(Self::CtrlC);
        }
        let (_, by) = why.strip_suffix(END)?.rsplit_once(BEGIN)?;
        Some(Self::Command { by: by.to_owned() })
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CtrlC => f.write_str(CTRL_C),
            Self::Command { by } => write!(f, "{BEGIN}{by}{END}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_found_again_behind_whatever_it_ended() {
        for halt in [Halt::CtrlC, Halt::Command { by: "root for anna on n1 (process 4711)".to_owned() }] {
            assert_eq!(Halt::of(&halt.to_string()), Some(halt.clone()));
            let gate = format!("n1.gate: gate readyz was not waited for: {halt}");
            assert_eq!(Halt::of(&gate), Some(halt.clone()));
            assert_eq!(Halt::of(&format!("{halt}, and more")), None);
        }
        assert_eq!(Halt::of("n1.gate: kubelet: its lease was not renewed"), None);
    }
}
