//! The pace by a virtual clock: a device that serves one question after the other, and a panel.

use super::*;

const READ: Sort = ("read", 1);
/// What the device takes for a question.
const SERVICE: Duration = ms(10);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn after(times: &[u64]) -> Pace {
    let mut pace = Pace::new(ms(20));
    times.iter().for_each(|time| pace.answered(READ, ms(0), ms(*time), false));
    pace
}

#[test]
fn a_device_at_ease_is_asked_as_configured_and_a_slow_one_less_and_less() {
    assert_eq!(after(&[10; 8]).wait, ms(20));
    // A configured pause holds, however long.
    let mut pace = Pace::new(ms(8_000));
    pace.answered(READ, ms(0), ms(10), false);
    assert_eq!(pace.wait, ms(8_000));
    // Never more than half of the time of a device that is always slow.
    assert_eq!(after(&[300; 8]).wait, ms(300));
    // Once alone it only gets its own time; a third more than usual is more room, 1.6 times that
    // is a pause.
    assert_eq!(after(&[10, 10, 10, 10, 10, 13, 13, 13]).wait, ms(20));
    assert_eq!(after(&[10, 10, 10, 10, 10, 21]).wait, ms(21));
    assert_eq!(after(&[10, 10, 10, 10, 10, 14, 14]).wait, ms(40));
    assert_eq!(after(&[10, 10, 10, 10, 10, 21, 21]).wait, ms(84));
    assert_eq!(after(&[10, 10, 10, 10, 10, 40, 40, 40]).wait, ms(320));
    let slow = after(&[&[10; 5][..], &[100; 40]].concat());
    assert_eq!(slow.wait, PAUSE_MAX);
    // The usual time does not rise with the slowness, and it comes back.
    let mut pace = slow;
    (0..20).for_each(|_| pace.answered(READ, ms(0), ms(10), false));
    assert_eq!(pace.wait, ms(20));
}

#[test]
fn a_long_question_of_another_sort_is_no_slowness() {
    let mut pace = after(&[10; 8]);
    pace.answered(("upload", 1), ms(0), ms(90), false);
    assert_eq!((pace.wait, pace.paused), (ms(90), ms(0)));
}

#[test]
fn a_device_that_stays_slow_is_left_in_peace() {
    let mut pace = Pace::new(ms(0));
    (0..5).for_each(|_| pace.answered(READ, ms(0), ms(1), false));
    (0..2_000).for_each(|_| pace.answered(READ, ms(0), ms(900), false));
    let error = pace.ask("read", || Ok::<(), io::Error>(())).unwrap_err();
    assert!(error.to_string().contains("stays slow"), "{error}");
}

#[test]
fn a_device_that_becomes_slow_is_asked_for_half() {
    let mut pace = Pace::new(ms(20));
    let mut ask = |took| {
        let size = pace.size("read", 125);
        pace.answered(("read", u32::from(size)), ms(0), ms(took), false);
        size
    };
    let sizes: Vec<u16> = (0..40).map(|_| ask(12)).collect();
    assert_eq!((sizes[0], sizes[39]), (8, 125));
    let strained: Vec<u16> = (0..6).map(|_| ask(17)).collect();
    assert!(strained[5] < 64, "{strained:?}");
}

/// What came of a backup beside a panel.
struct Beside {
    answers: u32,
    /// Panel's answers that waited for a question of ours, and the longest such wait.
    behind_us: u32,
    longest: Duration,
    /// Of ours, from the beginning to the end.
    took: Duration,
}

/// Asks `questions` while a panel asks, each time after what `rhythm` gives.
fn beside(questions: u32, mut rhythm: impl FnMut(u32) -> Duration) -> Beside {
    let mut pace = Pace::new(ms(20));
    let (mut free, mut panel, mut asked) = (ms(0), ms(0), 0);
    let (mut ours, mut aimed) = (ms(3), false);
    let mut done = Beside { answers: 0, behind_us: 0, longest: ms(0), took: ms(0) };
    let mut us_until = ms(0);
    while asked < questions {
        let at = panel.min(ours);
        let start = free.max(at);
        free = start + SERVICE;
        if panel <= ours {
            done.answers += 1;
            let waited = us_until.saturating_sub(panel);
            done.behind_us += u32::from(!waited.is_zero());
            done.longest = done.longest.max(waited);
            panel = free.max(panel + rhythm(done.answers));
        } else {
            asked += 1;
            us_until = free;
            pace.answered(READ, ours, free - ours, aimed);
            (ours, aimed) = pace.next_moment(free, READ);
        }
        done.took = free;
    }
    done
}

#[test]
fn a_panel_with_a_rhythm_hardly_ever_waits_for_us() {
    for period in (30..=400).step_by(7).chain([50, 100, 200, 250]) {
        // A program's timer is late by now this, now that.
        let late = |n: u32| Duration::from_micros(u64::from(n.wrapping_mul(2_654_435_761) >> 23));
        let Beside { answers, behind_us, longest, took } = beside(1_000, |n| ms(period) + late(n));
        let text = format!("every {period} ms: {behind_us} of {answers}, {longest:?}, {took:?}");
        assert!(f64::from(behind_us) < 0.06 * f64::from(answers), "{text}");
        assert!(longest <= SERVICE, "{text}");
        // It is not bought by a backup that takes for ever.
        assert!(took < ms(150) * 1_000, "{text}");
    }
}

#[test]
fn whatever_its_rhythm_a_panel_seldom_waits_for_us() {
    for period in (20..=400).step_by(5).chain([1_000]) {
        let done = beside(600, |_| ms(period));
        let share = f64::from(done.behind_us) / f64::from(done.answers);
        assert!(share < 0.3, "every {period} ms: {share}");
    }
    // Without any rhythm it is a matter of chance, and of the part of the time that we take.
    let chance = |n: u32| ms(30 + u64::from(n.wrapping_mul(2_654_435_761) >> 26));
    let done = beside(600, chance);
    let share = f64::from(done.behind_us) / f64::from(done.answers);
    assert!(share < 0.2 && done.longest <= SERVICE, "{share}");
}
