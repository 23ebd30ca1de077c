//! Who a container runs as, looked up in the image's own `/etc/passwd` and `/etc/group`.

use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::Root;

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// Home directory; `/` when `/etc/passwd` does not know the user.
    pub(crate) home: String,
}

/// Looks up `uid`, `uid:gid`, `name`, `name:group` (or any mix); empty is root.
pub(crate) fn look_up(root: &Root, user: &str, groups: &[u32]) -> Result<Identity, Refusal> {
    let read = |path: &str| {
        let text = root.read(path).refuse(RefusalKind::InvalidImage, format!("read {path}"))?;
        Ok::<_, Refusal>(text.unwrap_or_default())
    };
    find(user, groups, &read("/etc/passwd")?, &read("/etc/group")?)
}

/// The rules of Docker: a number needs no entry, a name does; a user's listed groups count
/// only when no group was given.
fn find(user: &str, groups: &[u32], passwd: &str, group: &str) -> Result<Identity, Refusal> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|it| !it.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number = user.parse::<u32>().ok();
    let entry = passwd.lines().filter_map(User::parse).find(|it| match number {
        Some(uid) => it.uid == uid,
        None => it.name == user,
    });
    let uid = entry.as_ref().map(|it| it.uid).or(number).ok_or_else(|| {
        Refusal::spec(format!("unable to find user {user}: no matching entries in passwd file"))
    })?;
    let gid = match wanted_group {
        Some(wanted) => group_id(wanted, group)?,
        None => entry.as_ref().map_or(0, |it| it.gid),
    };
    let mut all = groups.to_vec();
    if let (Some(entry), None) = (&entry, wanted_group) {
        let listed = group.lines().filter_map(Group::parse);
        all.extend(listed.filter(|it| it.members.contains(&entry.name)).map(|it| it.gid));
    }
    all.sort_unstable();
    all.dedup();
    let home = entry.map_or("/", |it| if it.home.is_empty() { "/" } else { it.home });
    Ok(Identity { uid, gid, groups: all, home: home.to_owned() })
}

fn group_id(wanted: &str, group: &str) -> Result<u32, Refusal> {
    if let Ok(number) = wanted.parse() {
        return Ok(number);
    }
    let entry = group.lines().filter_map(Group::parse).find(|it| it.name == wanted);
    entry.map(|it| it.gid).ok_or_else(|| {
        Refusal::spec(format!("unable to find group {wanted}: no matching entries in group file"))
    })
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> User<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Self { name, uid, gid, home })
    }
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: Vec<&'a str>,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',').map(str::trim).collect();
        Some(Self { name, gid, members })
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:/bin/false\nbroken\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nlogs:x:40:web,other\nmail:x:8:other\n";

    #[track_caller]
    fn check(user: &str, expected: &str) {
        let shown = match find(user, &[], PASSWD, GROUP) {
            Ok(it) => format!("{} {} {:?} {}", it.uid, it.gid, it.groups, it.home),
            Err(refusal) => refusal.message,
        };
        assert_eq!(shown, expected, "{user}");
    }

    #[test]
    fn users_are_found_as_docker_finds_them() {
        check("", "0 0 [] /root");
        check("web", "33 34 [40] /srv");
        check("33", "33 34 [40] /srv");
        check("web:mail", "33 8 [] /srv");
        check("1000", "1000 0 [] /");
        check("1000:1001", "1000 1001 [] /");
        check(":8", "0 8 [] /root");
        check("nobody", "unable to find user nobody: no matching entries in passwd file");
        check("../../etc", "unable to find user ../../etc: no matching entries in passwd file");
        check("web:x", "unable to find group x: no matching entries in group file");
        check("-1", "unable to find user -1: no matching entries in passwd file");
        check("4294967296", "unable to find user 4294967296: no matching entries in passwd file");
    }
}
