//! Who a job runs as, and becoming that user. The only file that changes ids.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::unistd::{
    Gid, Uid, User, getgrouplist, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
};

use crate::plan::text::Text;

/// The user a job runs as.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Login name.
    pub login: String,
    /// Home directory, as the user database has it.
    pub home: Text,
    ids: Ids,
}

#[derive(Clone, Debug)]
enum Ids {
    /// This process is that user already and could be no other.
    Same,
    Change {
        uid: Uid,
        gid: Gid,
        groups: Vec<Gid>,
    },
}

impl Owner {
    /// Looks up the user of that name; or says why no job can run as them.
    pub fn look_up(login: &str) -> Result<Owner, String> {
        let user = User::from_name(login)
            .map_err(|error| format!("cannot look up user {login}: {}", error.desc()))?
            .ok_or_else(|| format!("no such user: {login}"))?;
        let ids = match Uid::effective() {
            own if own.is_root() => Ids::Change {
                uid: user.uid,
                gid: user.gid,
                groups: groups_of(login, user.gid).map_err(|error| {
                    format!("cannot look up the groups of {login}: {}", error.desc())
                })?,
            },
            own if own == user.uid => Ids::Same,
            own => return Err(format!("ratd runs as uid {own} and cannot become {login}")),
        };
        Ok(Owner { login: login.to_owned(), home: Text(user.dir.into_os_string().into_vec()), ids })
    }

    /// Whoever this process is already, be it somebody whom the system has no name for.
    pub fn of_this_process(login: &str, home: Text) -> Owner {
        Owner { login: login.to_owned(), home, ids: Ids::Same }
    }

    /// Refuses if the name has been given to somebody else since `uid` was written down.
    pub fn check_uid(&self, uid: Option<u32>) -> Result<(), String> {
        let now = match &self.ids {
            Ids::Same => Uid::effective(),
            Ids::Change { uid, .. } => *uid,
        };
        match uid {
            Some(uid) if uid != now.as_raw() => {
                Err(format!("{} is uid {now} now; this was queued by uid {uid}", self.login))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether this process is root and will become the user, be it root again.
    pub fn is_assumed_by_root(&self) -> bool {
        matches!(self.ids, Ids::Change { .. })
    }

    /// Whether the user is root.
    pub fn is_root(&self) -> bool {
        match &self.ids {
            Ids::Change { uid, .. } => uid.is_root(),
            Ids::Same => Uid::effective().is_root(),
        }
    }

    /// Gives this process, which stays root, the user's groups, for PAM to add to. Returns those it had.
    pub fn lend_groups(&self) -> Result<Vec<Gid>, Errno> {
        let before = getgroups()?;
        if let Ids::Change { groups, .. } = &self.ids {
            setgroups(groups)?;
        }
        Ok(before)
    }

    /// Takes back the groups that were lent, with those that PAM added; the process has `before` again.
    pub fn take_groups(&mut self, before: &[Gid]) -> Result<(), Errno> {
        if let Ids::Change { groups, .. } = &mut self.ids {
            *groups = getgroups()?;
        }
        setgroups(before)
    }

    /// Becomes the user for good, and makes sure of it.
    pub fn assume(&self) -> Result<(), Errno> {
        let Ids::Change { uid, gid, groups } = &self.ids else { return Ok(()) };
        // Groups before uid: once the uid is gone, so is the right to set them.
        setgroups(groups)?;
        setresgid(*gid, *gid, *gid)?;
        setresuid(*uid, *uid, *uid)?;
        let (uids, gids) = (getresuid()?, getresgid()?);
        let is_user = [uids.real, uids.effective, uids.saved].iter().all(|id| id == uid);
        let is_group = [gids.real, gids.effective, gids.saved].iter().all(|id| id == gid);
        let has_groups = getgroups()?.iter().all(|id| groups.contains(id));
        if is_user && is_group && has_groups { Ok(()) } else { Err(Errno::EPERM) }
    }
}

fn groups_of(login: &str, gid: Gid) -> Result<Vec<Gid>, Errno> {
    let login = CString::new(login).map_err(|_| Errno::EINVAL)?;
    getgrouplist(&login, gid)
}
