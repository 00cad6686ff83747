//! The pace by a virtual clock: a device that serves one question after the other, and a panel.

use super::*;

const READ: Sort = ("read", 1);
/// What the device takes for a question.
const SERVICE: Duration = ms(10);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn after(times: &[u64]) -> Pace {
    let mut pace = Pace::new(Pause::of(ms(20)));
    times.iter().for_each(|time| pace.answered(READ, ms(0), ms(*time), Put::Anywhere));
    pace
}

#[test]
fn a_device_at_ease_is_asked_as_configured_and_a_slow_one_less_and_less() {
    assert_eq!(after(&[10; 8]).wait, ms(20));
    // A configured pause holds, however long.
    let mut pace = Pace::new(Pause::of(ms(8_000)));
    pace.answered(READ, ms(0), ms(10), Put::Anywhere);
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
    (0..20).for_each(|_| pace.answered(READ, ms(0), ms(10), Put::Anywhere));
    assert_eq!(pace.wait, ms(20));
}

#[test]
fn a_long_question_of_another_sort_is_no_slowness() {
    let mut pace = after(&[10; 8]);
    pace.answered(("upload", 1), ms(0), ms(90), Put::Anywhere);
    assert_eq!((pace.wait, pace.paused), (ms(90), ms(0)));
}

#[test]
fn a_device_that_stays_slow_is_left_in_peace() {
    let mut pace = Pace::new(Pause::of(ms(0)));
    (0..5).for_each(|_| pace.answered(READ, ms(0), ms(1), Put::Anywhere));
    (0..2_000).for_each(|_| pace.answered(READ, ms(0), ms(900), Put::Anywhere));
    let error = pace.ask("read", || Ok::<(), io::Error>(())).unwrap_err();
    assert!(error.to_string().contains("stays slow"), "{error}");
}

#[test]
fn a_device_that_is_never_done_is_left() {
    let mut pace = Pace::new(Pause::of(ms(0)));
    pace.ask("read", || Ok::<(), io::Error>(())).unwrap();
    pace.most = ms(0);
    let error = pace.ask("read", || Ok::<(), io::Error>(())).unwrap_err();
    assert!(error.to_string().contains("more than a day"), "{error}");
}

#[test]
fn a_device_that_becomes_slow_is_asked_for_half() {
    let mut pace = Pace::new(Pause::of(ms(20)));
    let mut now = ms(0);
    let mut ask = |took| {
        let size = pace.size("read", 125);
        pace.answered(("read", u32::from(size)), now, ms(took), Put::Anywhere);
        now += ms(took) + ms(20);
        size
    };
    // As little as possible while it is not known who else asks.
    let sizes: Vec<u16> = (0..150).map(|_| ask(12)).collect();
    assert_eq!((sizes[0], sizes[50], sizes[149]), (8, 8, 125));
    let strained: Vec<u16> = (0..8).map(|_| ask(17)).collect();
    assert!(strained[7] < 64, "{strained:?}");
}

/// Somebody who asks beside us, each time so long after it asked before: at least the rest after
/// an answer.
type Panel<'a> = dyn FnMut(u32) -> Duration + 'a;

/// What came of a backup beside a panel.
struct Beside {
    answers: u32,
    /// Panel's answers that waited for a question of ours, those that waited for most of it, and
    /// of these those after the first hundred questions.
    behind_us: u32,
    long: u32,
    long_late: u32,
    longest: Duration,
    /// Of ours, from the beginning to the end.
    took: Duration,
}

/// Asks `questions` while a panel asks that begins at `first`.
fn beside(questions: u32, first: Duration, panel: &mut Panel<'_>) -> Beside {
    let mut pace = Pace::new(Pause::default());
    let (mut free, mut next, mut asked) = (ms(0), first, 0);
    let (mut ours, mut put) = (ms(3), Put::Listening);
    let (answers, behind_us, long, long_late) = (0, 0, 0, 0);
    let mut done = Beside { answers, behind_us, long, long_late, longest: ms(0), took: ms(0) };
    let mut us_until = ms(0);
    while asked < questions {
        let at = next.min(ours);
        free = free.max(at) + SERVICE;
        if next <= ours {
            done.answers += 1;
            let waited = us_until.saturating_sub(next);
            done.behind_us += u32::from(!waited.is_zero());
            let is_long = waited > SERVICE * 8 / 10;
            done.long += u32::from(is_long);
            done.long_late += u32::from(is_long && asked > 100);
            done.longest = done.longest.max(waited);
            next = free.max(next + panel(done.answers));
        } else {
            asked += 1;
            us_until = free;
            pace.answered(READ, ours, free - ours, put);
            (ours, put) = pace.next_moment(free, READ);
        }
        done.took = free;
    }
    done
}

/// A program's timer is late by now this, now that.
fn late(n: u32) -> Duration {
    Duration::from_micros(u64::from(n.wrapping_mul(2_654_435_761) >> 24))
}

#[test]
fn a_panel_with_a_rhythm_waits_for_us_while_we_listen_and_not_afterwards() {
    let (mut runs, mut long) = (0, 0);
    for period in (35..=400).step_by(7).chain([50, 100, 200, 250]) {
        for first in [7, 23, 61] {
            let done = beside(1_000, ms(first), &mut |n| ms(period) + late(n));
            let Beside { answers, behind_us, longest, took, .. } = done;
            let text = format!(
                "every {period} ms from {first}: {behind_us} ({}, {} late) of {answers}, \
                 {longest:?}, {took:?}",
                done.long, done.long_late
            );
            assert!(f64::from(behind_us) < 3.0 + 0.02 * f64::from(answers), "{text}");
            assert!(longest <= SERVICE && done.long_late == 0, "{text}");
            // It is not bought by a backup that takes for ever.
            assert!(took < ms(90) * 1_000, "{text}");
            (runs, long) = (runs + 1, long + done.long);
        }
    }
    // Whoever is heard waits for half a question each time, and is heard two times.
    assert!(long * 2 < runs, "{long} long waits in {runs} runs");
}

#[test]
fn a_panel_that_asks_seldom_is_heard_too() {
    for period in [500, 750, 1_000, 2_000] {
        let done = beside(3_000, ms(23), &mut |n| ms(period) + late(n));
        let (behind_us, answers) = (done.behind_us, done.answers);
        assert!(behind_us <= 6, "every {period} ms: {behind_us} of {answers}");
    }
}

#[test]
fn a_panel_without_a_rhythm_seldom_waits_for_us_and_most_seldom_for_long() {
    let chance = |n: u32| ms(60 + u64::from(n.wrapping_mul(2_654_435_761) >> 25));
    let done = beside(600, ms(7), &mut |n| chance(n));
    let (answers, share) = (done.answers, f64::from(done.behind_us) / f64::from(done.answers));
    assert!(share < 0.08 && done.longest <= SERVICE, "{share} of {answers}");
    assert!(f64::from(done.long) < 0.015 * f64::from(answers), "{} of {answers}", done.long);
}

#[test]
fn a_panel_that_ends_or_changes_its_rhythm_is_noticed() {
    // It changes its period, twice, and leaps each hundred questions.
    let done = beside(1_500, ms(7), &mut |n| match n {
        _ if n % 100 == 0 => ms(93),
        0..500 => ms(50),
        500..1_000 => ms(80),
        _ => ms(65),
    });
    let (behind_us, answers) = (done.behind_us, done.answers);
    assert!(f64::from(behind_us) < 0.06 * f64::from(answers), "{behind_us} of {answers}");
    // It asks no more: nobody is waited for.
    let done = beside(1_000, ms(7), &mut |n| if n < 100 { ms(50) } else { ms(1_000_000) });
    assert!(done.took < ms(60) * 1_000, "{:?}", done.took);
}

#[test]
fn a_device_that_nobody_else_asks_is_read_as_configured() {
    let done = beside(1_000, ms(1_000_000), &mut |_| ms(1_000_000));
    assert!(done.took < ms(70) * 1_000, "{:?}", done.took);
}

#[test]
fn a_device_whose_answers_vary_by_themselves_is_read_on() {
    let mut pace = Pace::new(Pause::default());
    let mut now = ms(0);
    for n in 0..500_u32 {
        let (at, put) = pace.next_moment(now, READ);
        let took = SERVICE + late(n) * 20;
        pace.answered(READ, at, took, put);
        now = at + took;
    }
    assert!(now < ms(300) * 500, "{now:?}");
}
