use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("`{program}` could not be run: {source}")]
    Spawn { program: String, source: io::Error },
    #[error("`{program}` did not end within {} s and was killed", .within.as_secs())]
    Timeout { program: String, within: Duration },
    #[error("`{program}` was killed (signal {signal}){}", if *.signal == 9 { "; where memory ran out, the kernel's log says so" } else { "" })]
    Killed { program: String, signal: i32 },
    #[error("`{program}` failed ({status}): {said}")]
    Status { program: String, status: ExitStatus, said: String },
}

/// Runs a program with no input until it ends, for at most `within`.
pub(crate) fn run(command: &mut Command, within: Duration) -> Result<Output, CommandError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| CommandError::Spawn { program: program.clone(), source };
    // Our own stdin and stdout are the protocol's channel: a child must never see them.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let deadline = Instant::now() + within;
    let mut child = loop {
        match command.spawn() {
            // Whoever wrote the file has closed it, but a child that another thread has just forked holds it until it
            // has called exec.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            spawned => break spawned.map_err(failed)?,
        }
    };
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(CommandError::Timeout { program, within });
        }
        // Most of what we run takes some ten milliseconds, several times in an outage.
        thread::sleep(Duration::from_millis(2));
    };
    let text = |reader: Option<thread::JoinHandle<String>>| reader.and_then(|r| r.join().ok()).unwrap_or_default();
    Ok(Output { status, stdout: text(stdout), stderr: text(stderr) })
}

/// As [`run`], and a status other than 0 is an error with what the program said.
pub(crate) fn run_well(command: &mut Command, within: Duration) -> Result<Output, CommandError> {
    let output = run(command, within)?;
    if output.status.success() {
        return Ok(output);
    }
    if let Some(signal) = output.status.signal() {
        return Err(CommandError::Killed { program: command.get_program().to_string_lossy().into_owned(), signal });
    }
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    Err(CommandError::Status {
        program: command.get_program().to_string_lossy().into_owned(),
        status: output.status,
        said: said.trim().lines().last().unwrap_or_default().chars().take(300).collect(),
    })
}

/// Reads a pipe to its end beside us, so that a program that prints much does not wait for us.
fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // 1 MiB is far more than any program that we run has to say; the rest is read and dropped.
        let _ = (&mut from).take(1024 * 1024).read_to_end(&mut bytes);
        let _ = io::copy(&mut from, &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_the_kernel_kills_is_no_answer_and_says_so() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo half; kill -9 $$"]);
        let error = run_well(&mut shell, Duration::from_secs(30)).unwrap_err();
        assert!(matches!(error, CommandError::Killed { signal: 9, .. }), "{error}");
        assert!(error.to_string().contains("memory"), "{error}");
    }
}
