//! Clients write and read the content of volumes. A thread does the work; what is in between holds a few pieces, so that whoever is
//! faster waits.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use reeve_model::storage::{Frame, PoolChange, StorageOperation, VolumePart};
use reeve_model::{Actor, Error, Verb};
use reeve_storage::{Progress, Storage, StorageError, Stretch};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::Actions;
use crate::job::Job;
use crate::storing::Pool;

/// Pieces that wait on their way.
const WAITING: usize = 16;
/// Zeroes that are sent at once for a hole.
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

/// Bytes that a client sends, piece by piece; its end is the end of the upload.
pub type Incoming = mpsc::Receiver<io::Result<Vec<u8>>>;
/// Bytes on their way to a client. An error ends them early.
pub type Outgoing = mpsc::Receiver<io::Result<Vec<u8>>>;

/// A client reads or writes the content of a volume, and others see that.
struct Begun {
    uuid: Uuid,
    pool: Pool,
    name: String,
    job: Job,
}

/// What content looks like on its way.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// The bytes.
    Plain,
    /// Stretches, of which holes are only named.
    Sparse,
}

impl Actions {
    /// Writes what a client sends into a volume; tells how many bytes that was. What was written before an error stays.
    pub async fn upload_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        part: VolumePart,
        incoming: Incoming,
    ) -> Result<u64, Error> {
        self.upload(actor, (pool, volume), part, incoming, Form::Plain).await
    }

    /// As [`Self::upload_volume`], of content whose holes are not sent ([`Frame`]).
    pub async fn upload_sparse_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        part: VolumePart,
        incoming: Incoming,
    ) -> Result<u64, Error> {
        self.upload(actor, (pool, volume), part, incoming, Form::Sparse).await
    }

    /// As [`Self::upload_volume`], of a file that a client handed over. Who drops the future stops the copy.
    pub async fn upload_volume_file(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        part: VolumePart,
        file: OwnedFd,
    ) -> Result<u64, Error> {
        let begun = self.begin_content(actor, StorageOperation::Upload, (pool, volume))?;
        let _stop = StopWhenDropped(begun.job.progress.clone());
        let part = (part.offset, part.length);
        let work = move |storage: &Storage, Begun { uuid, name, job, .. }: &Begun| {
            storage.upload_file(*uuid, name, part, file, &job.progress)
        };
        self.write_content(actor, begun, work).await
    }

    async fn upload(
        &self,
        actor: &Actor,
        volume: (&str, &str),
        part: VolumePart,
        incoming: Incoming,
        form: Form,
    ) -> Result<u64, Error> {
        let begun = self.begin_content(actor, StorageOperation::Upload, volume)?;
        let work = move |storage: &Storage, Begun { uuid, name, job, .. }: &Begun| {
            let mut input = Pieces { incoming, piece: Vec::new(), at: 0 };
            let part = (part.offset, part.length);
            match form {
                Form::Plain => storage.upload(*uuid, name, part, &mut input, &job.progress),
                Form::Sparse => storage.upload_sparse(*uuid, name, part, &mut input, &job.progress),
            }
        };
        self.write_content(actor, begun, work).await
    }

    fn begin_content(
        &self,
        actor: &Actor,
        operation: StorageOperation,
        (pool, volume): (&str, &str),
    ) -> Result<Begun, Error> {
        let verb = match operation {
            StorageOperation::Download => Verb::VolumeDownload,
            _ => Verb::VolumeChange,
        };
        let (uuid, pool, name) = self.volume_of(actor, verb, pool, volume)?;
        let job = self.storing.begin(uuid, operation, &name);
        Ok(Begun { uuid, pool, name, job })
    }

    /// Does what changes the content of a volume, and tells of it.
    async fn write_content(
        &self,
        actor: &Actor,
        begun: Begun,
        work: impl FnOnce(&Storage, &Begun) -> Result<u64, StorageError> + Send + 'static,
    ) -> Result<u64, Error> {
        let (config, name) = (Arc::clone(begun.pool.config()), begun.name.clone());
        let written = self.on_storage(move |storage| work(storage, &begun)).await?;
        self.tell_pool(actor, &config, PoolChange::VolumeUploaded, &name);
        Ok(written)
    }

    /// Reads a part of a volume for a client, from one state: nobody changes it meanwhile.
    pub async fn download_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        part: VolumePart,
    ) -> Result<Outgoing, Error> {
        self.download(actor, (pool, volume), part, Form::Plain).await
    }

    /// As [`Self::download_volume`]; holes are not sent ([`Frame`]).
    pub async fn download_sparse_volume(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        part: VolumePart,
    ) -> Result<Outgoing, Error> {
        self.download(actor, (pool, volume), part, Form::Sparse).await
    }

    /// As [`Self::download_volume`], into a file that a client handed over; tells how many bytes that was. Who drops the future stops the
    /// copy.
    pub async fn download_volume_file(
        &self,
        actor: &Actor,
        pool: &str,
        volume: &str,
        part: VolumePart,
        file: OwnedFd,
    ) -> Result<u64, Error> {
        let begun = self.begin_content(actor, StorageOperation::Download, (pool, volume))?;
        let Begun { uuid, name, job, .. } = begun;
        let _stop = StopWhenDropped(job.progress.clone());
        let part = (part.offset, part.length);
        self.on_storage(move |storage| storage.download_file(uuid, &name, part, file, &job.progress)).await
    }

    async fn download(
        &self,
        actor: &Actor,
        volume: (&str, &str),
        part: VolumePart,
        form: Form,
    ) -> Result<Outgoing, Error> {
        let begun = self.begin_content(actor, StorageOperation::Download, volume)?;
        let Begun { uuid, name, job, .. } = begun;
        let (sender, mut outgoing) = mpsc::channel(WAITING);
        let storage = Arc::clone(&self.storing.storage);
        let work = move || {
            let mut sink = |stretch: Stretch<'_>| send(&sender, stretch, form);
            let part = (part.offset, part.length);
            let result = storage.download(uuid, &name, part, &mut sink, &job.progress);
            if let Err(error) = &result {
                // Nobody may be left to hear it.
                let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
            }
            result.map_err(Error::from)
        };
        let done = tokio::task::spawn_blocking(work);
        // What is refused is refused before the first byte.
        match outgoing.recv().await {
            Some(Ok(first)) => {
                let (ahead, rest) = mpsc::channel(WAITING);
                tokio::spawn(async move {
                    let mut next = Some(Ok(first));
                    while let Some(piece) = next {
                        if ahead.send(piece).await.is_err() {
                            return;
                        }
                        next = outgoing.recv().await;
                    }
                });
                Ok(rest)
            }
            _ => match done.await {
                Ok(Err(error)) => Err(error),
                // An empty part.
                _ => Ok(mpsc::channel(1).1),
            },
        }
    }
}

/// Work that nobody waits for any more stops at its next step.
struct StopWhenDropped(Progress);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn send(sender: &mpsc::Sender<io::Result<Vec<u8>>>, stretch: Stretch<'_>, form: Form) -> io::Result<()> {
    let push = |bytes: Vec<u8>| {
        sender.blocking_send(Ok(bytes)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    };
    match (stretch, form) {
        (Stretch::Data(bytes), Form::Plain) => push(bytes.to_vec()),
        (Stretch::Data(bytes), Form::Sparse) => {
            push([&Frame::Data(bytes.len() as u64).encode()[..], bytes].concat())
        }
        (Stretch::Hole(length), Form::Sparse) => push(Frame::Hole(length).encode().to_vec()),
        (Stretch::Hole(mut left), Form::Plain) => {
            while left > 0 {
                let count = left.min(ZEROES.len() as u64);
                push(ZEROES[..count as usize].to_vec())?;
                left -= count;
            }
            Ok(())
        }
    }
}

/// Pieces as one stream that blocks.
struct Pieces {
    incoming: Incoming,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.incoming.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece?, 0),
                None => return Ok(0),
            }
        }
        let count = bytes.len().min(self.piece.len() - self.at);
        bytes[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
