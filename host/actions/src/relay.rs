//! Bytes from one connection to another, both ways, until one of them ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that are under way in a direction.
const BUFFER: usize = 256 << 10;
/// How long the other direction may go on when one has ended: what was said last still arrives.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Carries bytes between two connections. What one side said before it ended reaches the other; then both are closed.
pub async fn relay<A, B>(one: A, other: B)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (one_read, one_write) = tokio::io::split(one);
    let (other_read, other_write) = tokio::io::split(other);
    let there = carry(one_read, other_write);
    let back = carry(other_read, one_write);
    tokio::pin!(there, back);
    // A direction that fails ends as one that is over: whoever reads there sees the end.
    tokio::select! {
        _ = &mut there => drop(tokio::time::timeout(LAST_WORDS, back).await),
        _ = &mut back => drop(tokio::time::timeout(LAST_WORDS, there).await),
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let outcome = loop {
        match from.read(&mut buffer).await {
            Ok(0) => break Ok(()),
            Ok(length) => {
                to.write_all(&buffer[..length]).await?;
                to.flush().await?;
            }
            Err(error) => break Err(error),
        }
    };
    to.shutdown().await?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_said_before_the_end_arrives() {
        let (near, one) = tokio::io::duplex(1 << 20);
        let (other, far) = tokio::io::duplex(64);
        let carried = tokio::spawn(relay(one, other));
        let (mut far_read, mut far_write) = tokio::io::split(far);
        let (mut near_read, mut near_write) = tokio::io::split(near);
        near_write.write_all(&[7; 100_000]).await.unwrap();
        near_write.shutdown().await.unwrap();
        let mut heard = Vec::new();
        far_read.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [7; 100_000]);
        far_write.write_all(b"thanks").await.unwrap();
        far_write.shutdown().await.unwrap();
        heard.clear();
        near_read.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"thanks");
        carried.await.unwrap();
    }

    #[tokio::test]
    async fn a_side_that_is_gone_ends_the_other() {
        let (near, one) = tokio::io::duplex(64);
        let (other, mut far) = tokio::io::duplex(64);
        let carried = tokio::spawn(relay(one, other));
        drop(near);
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        far.write_all(b"who?").await.unwrap();
        carried.await.unwrap();
    }
}
