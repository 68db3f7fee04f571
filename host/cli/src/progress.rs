//! How far a verb on the daemon is, for who looks at standard error.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use reeve_client::ClientError;
use reeve_model::Bytes;
use reeve_model::storage::{StorageJob, StorageOperation};

use crate::context::Context;
use crate::terminal;

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(200);
/// Letters of the bar.
const WIDTH: usize = 30;

/// What is waited for.
pub(crate) struct Watched<'a> {
    /// None where it is in whatever pool, or in none.
    pub(crate) pool: Option<&'a str>,
    /// Name of the volume; empty for the pool itself, none for a volume whose name the daemon chooses.
    pub(crate) volume: Option<&'a str>,
    pub(crate) operation: StorageOperation,
    /// What there is to do, where the daemon can't know it.
    pub(crate) total: Option<u64>,
}

/// Does the work, and draws a bar meanwhile when standard error is a terminal.
pub(crate) async fn watched<T>(
    context: &Context,
    watched: Watched<'_>,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    if !terminal::is_error() {
        return work.await;
    }
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let began = Instant::now();
    let mut drawn = false;
    loop {
        tokio::select! {
            done = &mut work => {
                if drawn {
                    draw("");
                }
                return done;
            }
            _ = ticks.tick() => {
                // Nothing is drawn of what can't be seen; the verb itself tells what is wrong.
                let jobs = match watched.pool {
                    Some(pool) => context.client.pool_jobs(pool).await,
                    None => context.client.storage_jobs().await,
                };
                let jobs = jobs.unwrap_or_default();
                if let Some(job) = jobs.iter().find(|job| watched.is(job)) {
                    draw(&line(job, watched.total, began.elapsed()));
                    drawn = true;
                }
            }
        }
    }
}

impl Watched<'_> {
    fn is(&self, job: &StorageJob) -> bool {
        job.operation == self.operation && self.volume.is_none_or(|volume| job.volume == volume)
    }
}

/// Puts a text into the place of the line.
fn draw(text: &str) {
    let mut error = io::stderr();
    // Nothing is lost with a terminal that is gone.
    let _ = write!(error, "\r\x1b[K{text}").and_then(|()| error.flush());
}

fn line(job: &StorageJob, total: Option<u64>, took: Duration) -> String {
    let total = if job.total > 0 { job.total } else { total.unwrap_or(0) };
    let bytes = job.operation.counts_bytes();
    let amount = |count: u64| if bytes { Bytes(count).to_string() } else { count.to_string() };
    let name = if job.volume.is_empty() { "volumes" } else { &job.volume };
    let done = job.done;
    let per_second = (done as f64 / took.as_secs_f64().max(0.001)) as u64;
    let rate = if bytes { format!("  {}/s", Bytes(per_second)) } else { String::new() };
    if total == 0 {
        return format!("{}: {}{rate}", job.operation.as_str(), amount(done));
    }
    let share = (done.min(total) as f64 / total as f64).clamp(0.0, 1.0);
    let full = (share * WIDTH as f64) as usize;
    format!(
        "{name} [{}{}] {:>3}%  {} of {}{rate}",
        "#".repeat(full),
        "-".repeat(WIDTH - full),
        (share * 100.0) as u32,
        amount(done),
        amount(total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let job = |operation, done, total| StorageJob {
            id: 1,
            pool: None,
            operation,
            volume: "disk".to_owned(),
            done,
            total,
        };
        let two = Duration::from_secs(2);
        assert_eq!(
            line(&job(StorageOperation::Wipe, 1 << 30, 2 << 30), None, two),
            "disk [###############---------------]  50%  1 GiB of 2 GiB  512 MiB/s"
        );
        assert_eq!(line(&job(StorageOperation::Upload, 4 << 20, 0), None, two), "upload: 4 MiB  2 MiB/s");
        assert!(line(&job(StorageOperation::Upload, 4 << 20, 0), Some(4 << 20), two).contains("100%"));
        let refresh = StorageJob { volume: String::new(), ..job(StorageOperation::Refresh, 500, 2000) };
        assert!(line(&refresh, None, two).ends_with(" 25%  500 of 2000"));
    }
}
