use super::*;

const HYBRID: &str = "\
30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn the_version_is_told_from_the_mount_table() {
    let version = |text: &str| Hierarchies::parse(text).map(|it| it.version);
    assert_eq!(version(HYBRID), Some(Version::Hybrid));
    assert_eq!(version(UNIFIED), Some(Version::Unified));
    let legacy: Vec<&str> = HYBRID.lines().take(3).collect();
    assert_eq!(version(&legacy.join("\n")), Some(Version::Legacy));
    assert_eq!(version("30 23 0:26 / / rw - ext4 /dev/vda rw\n"), None);
}

#[test]
fn joint_hierarchies_count_once() {
    let found = Hierarchies::parse(HYBRID).expect("found");
    assert_eq!(found.v1.len(), 2);
    assert_eq!(found.controller("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu")));
    assert_eq!(found.missing(), ["pids", "blkio", "devices"]);
    assert_eq!(found.systemd.as_deref(), Some(Path::new("/sys/fs/cgroup/systemd")));
}

#[test]
fn a_path_cannot_climb() {
    let found = Hierarchies::parse(UNIFIED).expect("found");
    for path in ["", "/", "a/../b", "a//b", "."] {
        assert!(Group::new(&found, path).is_err(), "{path}");
    }
    assert_eq!(Group::new(&found, "/a/b/").expect("good").path(), "a/b");
}

#[test]
fn processes_in_the_root_of_a_containers_tree_hold_controllers_back() {
    let tree = tempfile::tempdir().expect("folder");
    let root = tree.path().to_str().expect("text");
    let found = Hierarchies::parse(&UNIFIED.replace("/sys/fs/cgroup", root)).expect("found");
    let write = |file: &str, text: &str| std::fs::write(tree.path().join(file), text).expect(file);
    write("cgroup.procs", "1\n7\n");
    write("cgroup.subtree_control", "\n");
    assert!(!found.held_back(), "the machine's root has no type, and is exempt");
    write("cgroup.type", "domain\n");
    assert!(found.held_back());
    write("cgroup.subtree_control", "cpu io memory pids\n");
    assert!(!found.held_back(), "they are handed down already");
    write("cgroup.subtree_control", "\n");
    write("cgroup.procs", "");
    assert!(!found.held_back(), "nothing keeps us from handing them down");
}
