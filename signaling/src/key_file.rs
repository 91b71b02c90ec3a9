//! Secrets of the data directory: made once, readable to the owner only.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// A secret, and whether it was made just now.
pub(crate) enum Secret {
    Found(Vec<u8>),
    Drawn(Vec<u8>),
}

/// Secrets have at most this many bytes; a bigger file is another one.
const MAX_SECRET_BYTES: u64 = 4_096;

/// Makes a directory, and those above it, for the owner only.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads the secret at a path, or draws one and keeps it there.
pub(crate) fn load_or_draw(path: &Path, draw: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Secret> {
    match OpenOptions::new().read(true).open(path) {
        Ok(file) => {
            let mut secret = Vec::new();
            file.take(MAX_SECRET_BYTES).read_to_end(&mut secret)?;
            Ok(Secret::Found(secret))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = draw()?;
            // Written aside and renamed, so that a crash leaves no half of it.
            let aside = path.with_extension("new");
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
            file.write_all(&secret)?;
            file.sync_all()?;
            std::fs::rename(&aside, path)?;
            Ok(Secret::Drawn(secret))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_drawn_once_and_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep").join("key");
        make_private_dir(path.parent().expect("a parent")).expect("made");
        assert!(
            matches!(load_or_draw(&path, || Ok(b"one".to_vec())), Ok(Secret::Drawn(secret)) if secret == b"one")
        );
        assert!(
            matches!(load_or_draw(&path, || Ok(b"two".to_vec())), Ok(Secret::Found(secret)) if secret == b"one")
        );
        let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a parent")), 0o700);
    }
}
