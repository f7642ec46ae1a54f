//! An object store without futures: each call waits.
//!
//! One single-threaded runtime serves all callers; whole objects are read and written, large files in parts.

use std::io::{self, Read, Write};
use std::path::Path as FilePath;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use object_store::path::Path;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion, WriteMultipart,
};
use tokio::runtime::Runtime;

use crate::error::{BatchError, Result};

/// Files up to this size are sent as one object; S3 wants parts of at least 5 MiB.
const ONE_PIECE: u64 = 16 << 20;
/// Parts that may be under way at a time.
const PARTS: usize = 4;

/// How a conditional write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// The name was taken, or the object had changed.
    Lost,
}

/// A prefix of an object store.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Arc<Runtime>,
}

/// A file system or network word for what the store said, so that all failures are sorted the same way.
fn as_io(error: object_store::Error) -> io::Error {
    let kind = match &error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl Blobs {
    /// Everything below `prefix` of `store`.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BatchError::on("cannot start the network runtime"))?;
        let prefix = Path::parse(prefix).map_err(|error| BatchError::Usage(format!("{prefix}: {error}")))?;
        Ok(Self {
            store,
            prefix,
            runtime: Arc::new(runtime),
        })
    }

    fn path(&self, name: &str) -> Result<Path> {
        let full = match self.prefix.as_ref() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        Path::parse(&full).map_err(|error| BatchError::Usage(format!("{name}: {error}")))
    }

    /// The name below the prefix.
    pub(crate) fn name(&self, meta: &ObjectMeta) -> String {
        let full = meta.location.as_ref();
        full.strip_prefix(self.prefix.as_ref())
            .unwrap_or(full)
            .trim_start_matches('/')
            .to_owned()
    }

    /// All objects whose names begin with the folder `name`.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<ObjectMeta>> {
        let prefix = if name.is_empty() {
            self.prefix.clone()
        } else {
            self.path(name)?
        };
        let mut stream = self.store.list(Some(&prefix));
        let mut all = Vec::new();
        self.runtime.block_on(async {
            while let Some(next) =
                std::future::poll_fn(|cx| Pin::new(&mut stream).as_mut().poll_next(cx)).await
            {
                all.push(
                    next.map_err(as_io)
                        .map_err(BatchError::on("cannot list the store"))?,
                );
            }
            Ok(all)
        })
    }

    /// Facts about an object.
    pub(crate) fn head(&self, name: &str) -> Result<Option<ObjectMeta>> {
        let path = self.path(name)?;
        match self.runtime.block_on(self.store.head(&path)) {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BatchError::io("cannot look at an object", as_io(error))),
        }
    }

    /// An object's bytes and version.
    pub(crate) fn get(&self, name: &str) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let path = self.path(name)?;
        let got = self.runtime.block_on(async {
            let result = self.store.get(&path).await?;
            let version = UpdateVersion {
                e_tag: result.meta.e_tag.clone(),
                version: result.meta.version.clone(),
            };
            Ok((result.bytes().await?.to_vec(), version))
        });
        match got {
            Ok(got) => Ok(Some(got)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BatchError::io("cannot read an object", as_io(error))),
        }
    }

    /// Streams an object into `take`.
    pub(crate) fn read(&self, name: &str, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<()> {
        let path = self.path(name)?;
        let failed = || BatchError::on("cannot read an object");
        self.runtime.block_on(async {
            let result = self.store.get(&path).await.map_err(as_io).map_err(failed())?;
            let mut stream = result.into_stream();
            while let Some(next) =
                std::future::poll_fn(|cx| Pin::new(&mut stream).as_mut().poll_next(cx)).await
            {
                take(&next.map_err(as_io).map_err(failed())?).map_err(failed())?;
            }
            Ok(())
        })
    }

    /// Writes an object, whatever was there.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.path(name)?;
        let put = self.store.put(&path, PutPayload::from(bytes));
        self.runtime
            .block_on(put)
            .map(drop)
            .map_err(|error| BatchError::io("cannot write an object", as_io(error)))
    }

    /// Writes an object that must not be there: the commit point.
    pub(crate) fn create(&self, name: &str, bytes: Vec<u8>) -> Result<Put> {
        self.put_if(name, bytes, PutMode::Create)
    }

    /// Replaces exactly the version that was read.
    pub(crate) fn replace(&self, name: &str, bytes: Vec<u8>, version: UpdateVersion) -> Result<Put> {
        self.put_if(name, bytes, PutMode::Update(version))
    }

    fn put_if(&self, name: &str, bytes: Vec<u8>, mode: PutMode) -> Result<Put> {
        let path = self.path(name)?;
        let replaces = matches!(mode, PutMode::Update(_));
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        let put = self.store.put_opts(&path, PutPayload::from(bytes), options);
        match self.runtime.block_on(put) {
            Ok(_) => Ok(Put::Done),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Put::Lost)
            }
            Err(object_store::Error::NotFound { .. }) if replaces => Ok(Put::Lost),
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                Err(BatchError::Usage(
                    "this store has no conditional writes, without which two workers could publish twice"
                        .to_owned(),
                ))
            }
            Err(error) => Err(BatchError::io("cannot write an object", as_io(error))),
        }
    }

    /// Sends a file.
    pub(crate) fn upload(&self, name: &str, file: &FilePath) -> Result<()> {
        let failed = || BatchError::on("cannot send a result");
        let size = file.metadata().map_err(failed())?.len();
        if size <= ONE_PIECE {
            return self.put(name, std::fs::read(file).map_err(failed())?);
        }
        let path = self.path(name)?;
        let mut input = std::fs::File::open(file).map_err(failed())?;
        self.runtime.block_on(async {
            let upload = self
                .store
                .put_multipart(&path)
                .await
                .map_err(as_io)
                .map_err(failed())?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, ONE_PIECE as usize / 2);
            let mut buffer = vec![0; 1 << 20];
            loop {
                let got = input.read(&mut buffer).map_err(failed())?;
                let Some(piece) = buffer.get(..got).filter(|piece| !piece.is_empty()) else {
                    break;
                };
                parts
                    .wait_for_capacity(PARTS)
                    .await
                    .map_err(as_io)
                    .map_err(failed())?;
                parts.write(piece);
            }
            parts.finish().await.map(drop).map_err(as_io).map_err(failed())
        })
    }

    /// Fetches an object into a new file.
    pub(crate) fn download(&self, name: &str, file: &FilePath) -> Result<()> {
        let failed = || BatchError::on("cannot keep a fetched input");
        let mut out = std::fs::File::create_new(file).map_err(failed())?;
        self.read(name, |bytes| out.write_all(bytes))
    }

    /// Copies within the store.
    pub(crate) fn copy(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.path(from)?, self.path(to)?);
        self.runtime
            .block_on(self.store.copy(&from, &to))
            .map_err(|error| BatchError::io("cannot copy an object", as_io(error)))
    }

    /// Removes an object; its absence is fine.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match self.runtime.block_on(self.store.delete(&path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BatchError::io("cannot remove an object", as_io(error))),
        }
    }
}
