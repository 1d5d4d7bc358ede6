//! Groups whose members all have their part, before a test begins.

use std::time::{Duration, Instant};

use super::{Classic, Modern, Partitions, code, modern::Beat, passes};

const PATIENCE: Duration = Duration::from_secs(30);

/// Lets all members join, until a generation has them all; what each owns.
pub(crate) fn classic(members: Vec<Classic>) -> Vec<(Classic, Partitions)> {
    let mut threads = Vec::new();
    for mut member in members {
        threads.push(std::thread::spawn(move || {
            let mut owned = member.join(|| false).unwrap().unwrap();
            let mut last_join = Instant::now();
            // Those who come later let the others join again.
            while last_join.elapsed() < Duration::from_secs(2) {
                match member.heartbeat().unwrap() {
                    0 => std::thread::sleep(Duration::from_millis(50)),
                    code::REBALANCE_IN_PROGRESS => {
                        owned = member.join(|| false).unwrap().unwrap();
                        last_join = Instant::now();
                    }
                    error => panic!("a heartbeat got error {error}"),
                }
            }
            (member, owned)
        }));
    }
    let members: Vec<(Classic, Partitions)> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(members.iter().all(|(member, _)| member.generation == members[0].0.generation), "one generation");
    members
}

/// Lets all members heartbeat in turn, until each has its fair part and is asked for nothing more.
pub(crate) fn modern(members: &mut [Modern], partitions: usize) {
    let deadline = Instant::now() + PATIENCE;
    let mut steady = 0;
    // The broker may compute its target some time after the last has joined, and until then nobody is asked for anything.
    while steady < members.len() {
        assert!(Instant::now() < deadline, "the group does not settle: {members:?}");
        steady = 0;
        let (everybody_is_in, share) = (members.iter().all(|member| member.epoch > 0), partitions.div_ceil(members.len()));
        for member in &mut *members {
            let whole = member.epoch == 0;
            steady += usize::from(obey(member, whole));
            // The others hear of a new target only after it has given up its part: else the steps would be another each time.
            if everybody_is_in && member.owned.len() > share {
                break;
            }
        }
        let owned: usize = members.iter().map(|member| member.owned.len()).sum();
        let fair = members.iter().all(|member| member.owned.len() >= partitions / members.len() && member.epoch == members[0].epoch);
        if owned != partitions || !fair {
            steady = 0;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One heartbeat, and another to tell that the member did what it was asked for; true if it was asked for nothing.
fn obey(member: &mut Modern, whole: bool) -> bool {
    match member.heartbeat(whole).unwrap() {
        Ok(Beat::Steady) => return true,
        Ok(Beat::Change { revoke, add }) => {
            member.owns(&(&member.owned - &revoke) | &add);
            member.heartbeat(true).unwrap().unwrap();
        }
        Ok(Beat::Fenced(error)) => panic!("{} is fenced: error {error}", member.member_id),
        Err(error) if passes(error) => std::thread::sleep(Duration::from_millis(50)),
        Err(error) => panic!("{}: error {error}", member.member_id),
    }
    false
}
