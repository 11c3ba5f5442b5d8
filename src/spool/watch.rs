//! Where a change of a path would show: the directories that its resolution passes through, and the file systems on
//! which the kernel does not tell.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};

/// Links are followed so far (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The directories in which something may change that `path` leads to: the one that holds it, those that hold the
/// links on its way, and, where it does not exist yet, the nearest one that does.
pub fn directories(path: &Path) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    let mut left: VecDeque<OsString> = names(path).collect();
    let mut here = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        let next =
            if name == ".." { here.parent().unwrap_or(&here).to_owned() } else { here.join(&name) };
        match next.read_link() {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                directories.insert(here.clone());
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    left.push_front(name);
                }
            }
            _ if left.is_empty() || !next.is_dir() => {
                directories.insert(here);
                return directories;
            }
            _ => here = next,
        }
    }
    directories
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Whether changes made elsewhere do not show here: on network and user-space file systems inotify sees only what
/// this machine does (inotify(7)).
pub fn is_blind(directory: &Path) -> bool {
    const NFS: i64 = 0x6969;
    const SMB: i64 = 0x517b;
    const CIFS: i64 = 0xff53_4d42;
    const SMB2: i64 = 0xfe53_4d42;
    const FUSE: i64 = 0x6573_5546;
    const PLAN9: i64 = 0x0102_1997;
    const CEPH: i64 = 0x00c3_6400;
    const AFS: i64 = 0x5346_414f;
    const VBOX: i64 = 0x786f_4256;
    const LUSTRE: i64 = 0x0bd0_0bd0;
    const GFS2: i64 = 0x0116_1970;
    const OCFS2: i64 = 0x7461_636f;
    const BLIND: [i64; 12] =
        [NFS, SMB, CIFS, SMB2, FUSE, PLAN9, CEPH, AFS, VBOX, LUSTRE, GFS2, OCFS2];
    statfs(directory)
        .is_ok_and(|about| BLIND.iter().any(|kind| about.filesystem_type() == FsType(*kind as _)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_directory_that_could_lead_elsewhere_is_watched() {
        let root = std::env::temp_dir()
            .canonicalize()
            .unwrap()
            .join(format!("rat-watch-{}", std::process::id()));
        std::fs::create_dir_all(root.join("cron.d/..1")).unwrap();
        std::fs::create_dir_all(root.join("elsewhere")).unwrap();
        std::fs::write(root.join("cron.d/..1/tab"), "").unwrap();
        std::fs::write(root.join("elsewhere/real"), "").unwrap();
        symlink("..1", root.join("cron.d/..data")).unwrap();
        symlink("..data/tab", root.join("cron.d/tab")).unwrap();
        symlink(root.join("elsewhere/real"), root.join("cron.d/far")).unwrap();
        let watched = |path: &str| {
            let found = directories(&root.join(path)).into_iter();
            let inside: Vec<_> = found
                .filter_map(|path| Some(path.strip_prefix(&root).ok()?.display().to_string()))
                .collect();
            inside.join(" ")
        };
        assert_eq!(watched("cron.d/tab"), "cron.d cron.d/..1");
        assert_eq!(watched("cron.d/far"), "cron.d elsewhere");
        assert_eq!(watched("cron.d/plain"), "cron.d");
        assert_eq!(watched("not/yet/there"), "");
        assert_eq!(watched("elsewhere"), "");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
