use std::io::{self, Read, Write};

/// Longest payload of one frame, in bytes. A longer one is refused before it is allocated.
pub const MAX_FRAME: u32 = 16 * 1024 * 1024;

/// One frame of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Json(Vec<u8>),
    Bytes(Vec<u8>),
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the other side closed the channel")]
    Closed,
    #[error("a frame of {0} bytes is longer than the limit of {MAX_FRAME}")]
    TooLong(u32),
    #[error("a frame of unknown kind {0:#04x}; this is not the helper's protocol")]
    Kind(u8),
    #[error("the channel broke: {0}")]
    Io(#[from] io::Error),
}

/// Reads one frame.
///
/// # Errors
/// `Closed` when the channel ends before a frame begins; the others when it is broken or not ours.
pub fn read_frame(from: &mut impl Read) -> Result<Frame, FrameError> {
    let mut head = [0u8; 5];
    match from.read(&mut head[..1]) {
        Ok(0) => return Err(FrameError::Closed),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return read_frame(from),
        Err(error) => return Err(error.into()),
    }
    from.read_exact(&mut head[1..])?;
    let [a, b, c, d, kind] = head;
    let length = u32::from_be_bytes([a, b, c, d]);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut payload = Vec::new();
    // `take` + `read_to_end` grows with what really arrives, so a lying length cannot make us allocate.
    let got = from.take(u64::from(length)).read_to_end(&mut payload)?;
    if got as u64 != u64::from(length) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    match kind {
        b'J' => Ok(Frame::Json(payload)),
        b'B' => Ok(Frame::Bytes(payload)),
        other => Err(FrameError::Kind(other)),
    }
}

/// Writes one frame and flushes it.
///
/// # Errors
/// When it is too long or the channel is broken.
pub fn write_frame(to: &mut impl Write, frame: &Frame) -> Result<(), FrameError> {
    let (kind, payload) = match frame {
        Frame::Json(payload) => (b'J', payload),
        Frame::Bytes(payload) => (b'B', payload),
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut head = length.to_be_bytes().to_vec();
    head.push(kind);
    to.write_all(&head)?;
    to.write_all(payload)?;
    to.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_and_the_end_is_told_from_a_break() {
        let mut channel = Vec::new();
        let frames = [Frame::Json(b"{}".to_vec()), Frame::Bytes(vec![0; 70_000]), Frame::Json(Vec::new())];
        for frame in &frames {
            write_frame(&mut channel, frame).unwrap();
        }
        let mut reader = channel.as_slice();
        for frame in &frames {
            assert_eq!(&read_frame(&mut reader).unwrap(), frame);
        }
        assert!(matches!(read_frame(&mut reader), Err(FrameError::Closed)));
        assert!(matches!(read_frame(&mut &channel[..4]), Err(FrameError::Io(_))));
        assert!(matches!(read_frame(&mut &channel[..6]), Err(FrameError::Io(_))));
    }

    #[test]
    fn what_is_not_ours_is_refused_before_it_is_allocated() {
        assert!(matches!(read_frame(&mut &b"SSH-2.0-OpenSSH"[..]), Err(FrameError::TooLong(_))));
        assert!(matches!(read_frame(&mut &[0, 0, 0, 0, b'x'][..]), Err(FrameError::Kind(b'x'))));
    }
}
