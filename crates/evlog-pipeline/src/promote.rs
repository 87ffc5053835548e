//! Promotion: staged files become files of the bundle, one path after the other (pipeline.md 4.7, step 9).
//!
//! Invariants:
//! - Paths are promoted in byte order, each by one rename within one file system. Nothing is claimed across paths.
//! - Files were synced when the gate passed them; their directories are synced before the promotion is reported.
//! - No directory on the way is a link.

use crate::files::{FileError, at, make_parents, sync_directory};
use crate::step::{Step, Steps};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Moves artifacts, by their paths, from the staging directory into the bundle. After an error, the paths before the one
/// that it names are promoted and stay.
pub(crate) fn promote(staging: &Path, bundle: &Path, paths: &[&str], steps: &Steps) -> Result<(), FileError> {
    for path in paths {
        make_parents(bundle, path, steps)?;
        let target = bundle.join(path);
        steps.at(Step::Promote);
        // COMMIT POINT of this path.
        fs::rename(staging.join(path), &target).map_err(at("promote to", &target))?;
    }
    sync_parents(bundle, paths, steps)
}

/// Makes the entries of promoted artifacts durable.
pub(crate) fn sync_parents(bundle: &Path, paths: &[&str], steps: &Steps) -> Result<(), FileError> {
    let directories: BTreeSet<PathBuf> =
        paths.iter().filter_map(|path| bundle.join(path).parent().map(Path::to_owned)).collect();
    directories.iter().try_for_each(|directory| {
        steps.at(Step::SyncDirectory);
        sync_directory(directory)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Room(tempfile::TempDir);

    impl Room {
        fn new() -> Room {
            let room = Room(tempfile::tempdir().unwrap());
            for path in ["staging/a", "staging/b/c", "staging/b/d"] {
                let path = room.0.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
            }
            fs::create_dir(room.bundle()).unwrap();
            room
        }

        fn bundle(&self) -> PathBuf {
            self.0.path().join("bundle")
        }

        fn promote(&self, paths: &[&str]) -> Result<(), FileError> {
            promote(&self.0.path().join("staging"), &self.bundle(), paths, &Steps::default())
        }
    }

    #[test]
    fn g13_files_are_moved_with_their_directories() {
        let room = Room::new();
        room.promote(&["a", "b/c", "b/d"]).unwrap();
        assert_eq!(fs::read(room.bundle().join("b/d")).unwrap(), b"d");
        assert!(!room.0.path().join("staging/a").exists());
    }

    #[test]
    fn a_link_that_was_put_on_the_way_is_not_followed() {
        let room = Room::new();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), room.bundle().join("b")).unwrap();
        let error = room.promote(&["a", "b/c"]).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(room.bundle().join("a").exists(), "what came before stays");
    }
}
