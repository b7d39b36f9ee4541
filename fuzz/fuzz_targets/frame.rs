//! The channel between coordinator and helper, whichever side lies. Frames read back as they were written.
#![no_main]

use belay_wire::{Frame, Reply, Request, read_frame, write_frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut from = data;
    while let Ok(frame) = read_frame(&mut from) {
        let mut written = Vec::new();
        write_frame(&mut written, &frame).expect("a frame that was read can be written");
        assert_eq!(read_frame(&mut written.as_slice()).expect("a frame that was written can be read"), frame);
        if let Frame::Json(json) = frame {
            speak(&json);
        }
    }
    speak(data);
});

fn speak(json: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(json) {
        let again = serde_json::to_vec(&request).expect("plain data");
        assert_eq!(serde_json::from_slice::<Request>(&again).expect("what was written can be read"), request);
    }
    if let Ok(reply) = serde_json::from_slice::<Reply>(json) {
        let again = serde_json::to_vec(&reply).expect("plain data");
        serde_json::from_slice::<Reply>(&again).expect("what was written can be read");
    }
}
