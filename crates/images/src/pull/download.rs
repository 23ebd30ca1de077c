//! Brings one blob here, in as many attempts as it takes, each going on where the last ended.

use std::io::{Read, Seek, SeekFrom};

use http::StatusCode;
use http::header::CONTENT_RANGE;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::error::Kind;
use super::tally::Tally;
use super::{ATTEMPTS_MAX, Pull, blocking};
use crate::digest::Hasher;
use crate::manifest::Descriptor;
use crate::registry::{Ask, RegistryError};
use crate::store::{Claim, failed};

/// Largest layer we take, compressed.
pub(super) const LAYER_BYTES_MAX: u64 = 32 << 30;
/// Bytes collected before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// A blob that is coming.
struct Part {
    file: File,
    /// Of what is in the file.
    hasher: Hasher,
    /// Whether some of it came in an earlier pull, whose end we did not see.
    resumed: bool,
}

impl Pull {
    /// Gets a blob into the store, unless it is there.
    pub(super) async fn download(
        &self,
        wanted: &Descriptor,
        what: &'static str,
        most: u64,
    ) -> Result<(), Kind> {
        if wanted.size > most {
            return Err(Kind::TooLarge { what, bytes: wanted.size, most });
        }
        if self.store.blobs().has(&wanted.digest) {
            self.tally.add(wanted.size);
            return Ok(());
        }
        let claim = self.store.blobs().claim_download(&wanted.digest).await?;
        if self.store.blobs().has(&wanted.digest) {
            claim.discard();
            self.tally.add(wanted.size);
            return Ok(());
        }
        self.fetch(wanted, what, &claim).await?;
        let (store, digest) = (self.store.clone(), wanted.digest);
        Ok(blocking(move || store.blobs().name_download(&claim, &digest)).await?)
    }

    /// Fills the claim's file with the blob.
    async fn fetch(
        &self,
        wanted: &Descriptor,
        what: &'static str,
        claim: &Claim,
    ) -> Result<(), Kind> {
        let mut part = Part::open(claim).await?;
        if part.hasher.bytes > wanted.size {
            part.restart(&self.tally, claim).await?;
        }
        self.tally.add(part.hasher.bytes);
        loop {
            self.fill(&mut part, wanted, what, claim).await?;
            let found = part.hasher.clone().finish();
            if found == wanted.digest {
                return Ok(());
            }
            let resumed = part.resumed;
            part.restart(&self.tally, claim).await?;
            // What an earlier pull left may have been damaged since; ours alone is not.
            if !resumed {
                return Err(Kind::Digest { what, expected: wanted.digest, found });
            }
        }
    }

    /// Asks until the file has as many bytes as the blob.
    async fn fill(
        &self,
        part: &mut Part,
        wanted: &Descriptor,
        what: &'static str,
        claim: &Claim,
    ) -> Result<(), Kind> {
        let mut attempt = 1;
        while part.hasher.bytes < wanted.size {
            let before = part.hasher.bytes;
            match self.fill_some(part, wanted, what, claim).await {
                // An answer that ends early, without an error, is as good as a broken one.
                Ok(()) if part.hasher.bytes == wanted.size => {}
                Err(Kind::Registry(it)) if !it.is_passing() => return Err(it.into()),
                // Slow is not stuck: an attempt that brought something does not count.
                Ok(()) | Err(Kind::Registry(_)) if part.hasher.bytes > before => attempt = 1,
                Ok(()) if attempt == ATTEMPTS_MAX => {
                    let (bytes, expected) = (part.hasher.bytes, wanted.size);
                    return Err(Kind::Truncated { what, bytes, expected });
                }
                Err(it) if attempt == ATTEMPTS_MAX || !matches!(it, Kind::Registry(_)) => {
                    return Err(it);
                }
                Ok(()) | Err(_) => {
                    self.wait(attempt).await;
                    attempt += 1;
                }
            }
        }
        Ok(())
    }

    /// Asks once for what is missing and writes what comes.
    async fn fill_some(
        &self,
        part: &mut Part,
        wanted: &Descriptor,
        what: &'static str,
        claim: &Claim,
    ) -> Result<(), Kind> {
        let offset = part.hasher.bytes;
        let ask = Ask { path: format!("blobs/{}", wanted.digest), accept: None, offset };
        let answer = match self.repository.get(&ask).await {
            Err(RegistryError::Status { status: 416, .. }) if offset > 0 => {
                return part.restart(&self.tally, claim).await;
            }
            answer => answer?,
        };
        if offset > 0 && !goes_on(&answer, offset) {
            // It does not know ranges and starts from the beginning; so do we.
            part.restart(&self.tally, claim).await?;
        }
        let mut body = answer.into_body();
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        loop {
            let piece = body.next().await;
            if let Ok(Some(piece)) = &piece {
                buffer.extend_from_slice(piece);
            }
            let ended = !matches!(piece, Ok(Some(_)));
            if buffer.len() >= WRITE_BYTES || ended {
                // What came before an error is good.
                part.write(&buffer, claim).await?;
                self.tally.add(buffer.len() as u64);
                buffer.clear();
            }
            if part.hasher.bytes > wanted.size {
                let most = wanted.size;
                return Err(Kind::TooLarge { what, bytes: part.hasher.bytes, most });
            }
            match piece {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(it) => return Err(it.into()),
            }
        }
    }
}

/// Whether the answer starts at the byte we asked for.
fn goes_on<T>(answer: &http::Response<T>, offset: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
    answer.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|it| it.starts_with(&format!("bytes {offset}-")))
}

impl Part {
    /// Opens what is there and hashes it again.
    async fn open(claim: &Claim) -> Result<Self, Kind> {
        let path = claim.path().to_owned();
        let file = claim.file.try_clone().map_err(failed("open", &path))?;
        let read = move || {
            let mut file = file;
            let mut hasher = Hasher::default();
            let mut buffer = vec![0; WRITE_BYTES];
            file.seek(SeekFrom::Start(0)).map_err(failed("read", &path))?;
            loop {
                let count = file.read(&mut buffer).map_err(failed("read", &path))?;
                let Some(some) = buffer.get(..count).filter(|it| !it.is_empty()) else { break };
                hasher.update(some);
            }
            Ok((file, hasher))
        };
        let (file, hasher) = blocking(read).await?;
        let resumed = hasher.bytes > 0;
        Ok(Self { file: File::from_std(file), hasher, resumed })
    }

    async fn write(&mut self, bytes: &[u8], claim: &Claim) -> Result<(), Kind> {
        self.file.write_all(bytes).await.map_err(failed("write", claim.path()))?;
        self.file.flush().await.map_err(failed("write", claim.path()))?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Forgets what came.
    async fn restart(&mut self, tally: &Tally, claim: &Claim) -> Result<(), Kind> {
        tally.take_back(self.hasher.bytes);
        self.hasher = Hasher::default();
        self.resumed = false;
        self.file.set_len(0).await.map_err(failed("empty", claim.path()))?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(failed("empty", claim.path()))?;
        Ok(())
    }
}
