//! Things that are busy for a moment.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// How long something may be busy with descriptors that go by themselves.
const FORKING: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);

/// Does what fails while a device or file system is in use. A program that is being started elsewhere holds our descriptors until it
/// runs, and nobody tells when; so it is tried again for a moment.
pub fn settled<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let deadline = Instant::now() + FORKING;
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::park_timeout(PAUSE);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_for_a_moment_is_tried_again_and_no_longer() {
        let mut left = 3;
        let result = settled(|| {
            left -= 1;
            if left > 0 { Err(ErrorKind::ResourceBusy.into()) } else { Ok(left) }
        });
        assert_eq!(result.unwrap(), 0);
        let error = settled(|| io::Result::<()>::Err(ErrorKind::ResourceBusy.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        let mut attempts = 0;
        let error = settled(|| {
            attempts += 1;
            io::Result::<()>::Err(ErrorKind::NotFound.into())
        });
        assert!(error.is_err() && attempts == 1);
    }
}
