//! From payload to removal.

use shapes::acs;

use super::{check, container, task};

#[test]
fn a_task_is_pulled_created_started_reported_and_removed() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        acknowledged => -
        exited app 3 => t1 release; submit t1 STOPPED, app STOPPED 3
        released => -
        acknowledged => -
        +3600s => close session
        session closed 1000 => -
        +7200s => t1 remove
        ",
    );
}

#[test]
fn the_end_of_an_essential_container_stops_the_others() {
    let side = acs::Container { essential: Some(false), ..container("side") };
    check(
        [task([container("app"), side])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app; t1 pull side
        prepared => -
        pulled app => t1 create app
        pulled side => t1 create side
        created app => t1 start app
        created side => t1 start side
        started app => -
        started side => submit t1 RUNNING, app RUNNING, side RUNNING
        acknowledged => -
        exited app 0 => t1 SIGTERM side
        +29s => submit t1 RUNNING, app STOPPED 0
        acknowledged => -
        +2s => t1 KILL side
        killed side => t1 release; submit t1 STOPPED, side STOPPED 137
        ",
    );
}
