//! Flows between two ends in memory, on made-up time.

use core::cell::Cell;

use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

/// A life that nothing ends but what the test says.
#[derive(Default)]
struct Free {
    over: Cell<bool>,
    bytes: Cell<usize>,
}

impl Life for Free {
    fn may_go_on(&self) -> bool {
        !self.over.get()
    }

    fn carried(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }
}

/// Carries between two ends while a client and a target do something at theirs; gives how the flow
/// ended, and after how long.
async fn play<W>(
    life: &Free,
    doing: impl FnOnce(DuplexStream, DuplexStream) -> W,
) -> (End, Duration)
where
    W: Future<Output = ()>,
{
    let (client, mut from_client) = duplex(64);
    let (mut to_target, target) = duplex(64);
    let began = Instant::now();
    // What it carries between is closed when it ends.
    let carrying = async move {
        let end = carry(&mut from_client, &mut to_target, life, IDLE).await;
        (end, began.elapsed())
    };
    tokio::join!(carrying, doing(client, target)).0
}

#[tokio::test(start_paused = true)]
async fn a_flow_on_which_nothing_moves_is_over_after_its_time() {
    let life = Free::default();
    let (end, after) = play(&life, |client, target| async move {
        // Both stay, and say nothing.
        sleep(IDLE * 2).await;
        drop((client, target));
    })
    .await;
    assert_eq!((end, after), (End::Over, IDLE));
}

#[tokio::test(start_paused = true)]
async fn each_byte_begins_the_time_anew_whichever_way_it_goes() {
    let life = Free::default();
    let (end, after) = play(&life, |mut client, mut target| async move {
        sleep(Duration::from_mins(5)).await;
        client.write_all(b"a").await.expect("open");
        assert_eq!(target.read_u8().await.expect("open"), b'a');
        sleep(Duration::from_mins(5)).await;
        target.write_all(b"b").await.expect("open");
        assert_eq!(client.read_u8().await.expect("open"), b'b');
        sleep(IDLE * 2).await;
        drop((client, target));
    })
    .await;
    assert_eq!((end, after), (End::Over, Duration::from_mins(10) + IDLE));
    assert_eq!(life.bytes.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_may_not_go_on_is_over_within_a_second() {
    let life = Free::default();
    let over = &life.over;
    let (end, after) = play(&life, |client, target| async move {
        sleep(Duration::from_millis(2_500)).await;
        over.set(true);
        sleep(IDLE * 2).await;
        drop((client, target));
    })
    .await;
    assert_eq!((end, after), (End::Over, Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_has_said_all_may_listen_until_the_other_one_has_too() {
    let life = Free::default();
    let (end, _) = play(&life, |mut client, mut target| async move {
        client.shutdown().await.expect("open");
        assert_eq!(target.read(&mut [0]).await.expect("open"), 0);
        target.write_all(b"late").await.expect("open");
        target.shutdown().await.expect("open");
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.expect("open");
        assert_eq!(heard, b"late");
    })
    .await;
    assert_eq!(end, End::Said);
}

#[tokio::test(start_paused = true)]
async fn it_is_known_which_end_broke_a_flow() {
    let life = Free::default();
    let (end, _) = play(&life, |mut client, target| async move {
        drop(target);
        client.write_all(b"to nobody").await.expect("open");
        drop(client.read_to_end(&mut Vec::new()).await);
    })
    .await;
    assert_eq!(end, End::Broken(Side::Target));
    let (end, _) = play(&life, |client, mut target| async move {
        drop(client);
        target.write_all(b"to nobody").await.expect("open");
        drop(target.read_to_end(&mut Vec::new()).await);
    })
    .await;
    assert_eq!(end, End::Broken(Side::Client));
}
