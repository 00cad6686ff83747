//! A sensor beyond a narrow line: its packed batches, and the way back to it.
//!
//! Its rows are remembered while the line is cut, so that it goes on where it was; how far it was
//! heard is saved with what it said, so that nothing is taken twice. Not here: the format, which
//! is `uplink`'s. Invariant: what is acknowledged is committed; while nothing can be, the line is
//! not read, and what comes stays in the sensor's spool.

use super::{
    IntakeError,
    held::{AGAIN, Held},
};
use crate::{
    app::now,
    limits::{INSIGHTS_BATCH_MAX, SILENCE_MAX},
};
use model::{Insight, Time};
use std::{mem::take, time::Duration};
use store::{Gap, Heard, Store, Unsaved, Waits};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};
use uplink::{Frame, Have, Head, PREAMBLE, Position, Said, Unpacker, take_frame, take_preamble};

const UNREAD: &str = "a part of what it told cannot be read";
const GONE: &str = "its spool no longer holds what came then: it was told to another control \
    plane, or is lost";
const ANEW: &str = "its spool was made anew: what it kept before and had not told is lost";

/// What is remembered of a sensor between two connections, and the way back to it.
#[derive(Default)]
pub struct Remote {
    /// Where what has arrived is said; none where the sensor does not listen.
    pub answers: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Up to there it was unpacked.
    unpacked: Option<(Position, Unpacker)>,
    /// When the segment began that is heard.
    began: Time,
    /// A segment of which a batch could not be read, which ends it, and when it began.
    unread: Option<(Position, Time)>,
    committed: Option<Position>,
    /// The last segment that began on this connection.
    segment: Option<u32>,
    /// Lines of a sensor beside us that could not be saved.
    pub(super) held: Held,
}

/// What was unpacked and is not committed yet.
#[derive(Default)]
struct Waiting {
    insights: Vec<Insight>,
    /// It all is of that run, up to there.
    at: Option<Position>,
    /// What is missing before it.
    missing: Option<Missing>,
}

/// What a sensor told and is not to be had.
struct Missing {
    /// None where that is the last that is known of the sensor.
    from: Option<Time>,
    until: Time,
    reason: &'static str,
}

impl Remote {
    /// Tells the sensor from where to go on.
    pub(super) async fn greet(&mut self, store: &Store, sensor: &str) -> Result<(), IntakeError> {
        if self.answers.is_none() {
            return Ok(());
        }
        let heard = store.heard(sensor).await?;
        let position = |Heard { run, segment, batches }| Position { run, segment, batches };
        self.committed = heard.map(position);
        if self.unpacked.as_ref().map(|(at, _)| at) != self.committed.as_ref() {
            self.unpacked = None;
        }
        let live = self.unpacked.is_some();
        let have = self.committed.map_or(Have::Nothing, |position| Have::Saved { position, live });
        self.answer(Said::Have(have)).await;
        Ok(())
    }

    async fn answer(&mut self, said: Said) {
        let Some(answers) = &mut self.answers else { return };
        let told = answers.write_all(said.line().as_bytes()).await;
        if told.is_err() || answers.flush().await.is_err() {
            // It has gone; reading from it says so and why.
            self.answers = None;
        }
    }

    /// Reads a packed stream to its end. Gives how many insights were taken.
    pub(super) async fn hear(
        &mut self,
        store: &Store,
        sensor: &str,
        mut stream: impl AsyncRead + Unpin,
    ) -> Result<u64, IntakeError> {
        let mut preamble = [0; PREAMBLE.len()];
        stream.read_exact(&mut preamble).await?;
        take_preamble(&preamble).map_err(|unknown| IntakeError::Garbage(unknown.to_string()))?;
        self.segment = None;
        let mut octets = Vec::new();
        let mut taken = 0;
        loop {
            let mut waiting = Waiting::default();
            let mut used = 0;
            while let Some((frame, length)) = take_frame(&octets[used..])? {
                used += length;
                let heard = match frame {
                    Frame::Head(head) => {
                        // What came before may be of another run.
                        taken += self.commit(store, sensor, take(&mut waiting)).await?;
                        self.begin(*head, &mut waiting)
                    }
                    Frame::Batch(batch) => {
                        let unpacked = self.unpack(batch, &mut waiting);
                        self.pass_over(sensor, unpacked).map(|()| false)
                    }
                };
                if heard.is_err() {
                    self.unpacked = None;
                }
                if heard? {
                    goes_on(store, sensor).await?;
                }
                if waiting.insights.len() >= INSIGHTS_BATCH_MAX || waiting.missing.is_some() {
                    taken += self.commit(store, sensor, take(&mut waiting)).await?;
                }
            }
            taken += self.commit(store, sensor, waiting).await?;
            octets.drain(..used);
            let read = timeout(SILENCE_MAX, stream.read_buf(&mut octets)).await;
            if read.map_err(|_| IntakeError::Silent)?? == 0 {
                return Ok(taken);
            }
        }
    }

    /// A segment begins or goes on; says whether its run is known.
    fn begin(&mut self, head: Head, waiting: &mut Waiting) -> Result<bool, IntakeError> {
        let Some(run) = head.run() else {
            return Err(IntakeError::Garbage("a segment begins without a hello".to_owned()));
        };
        if let Insight::Hello { version, .. } = &head.hello
            && *version > model::INSIGHT_VERSION
        {
            return Err(IntakeError::Version(*version));
        }
        let begins = Position { run, segment: head.segment, batches: head.passed };
        let goes_on = self.unpacked.as_ref().is_some_and(|(at, _)| *at == begins);
        if !goes_on && head.passed > 0 {
            return Err(IntakeError::Garbage("it goes on with what was not heard".to_owned()));
        }
        if !goes_on {
            self.unpacked = Some((begins, Unpacker::new()?));
        }
        self.began = head.at;
        let known = self.committed.is_some_and(|at| at.run == run);
        if !known {
            waiting.insights.push(head.hello);
            waiting.at = Some(begins);
        }
        if let Some((from, reason)) = self.missing_before(begins) {
            waiting.missing = Some(Missing { from, until: head.at, reason });
            waiting.at = Some(begins);
        }
        self.segment = Some(head.segment);
        Ok(known)
    }

    /// Why something is missing before a segment that begins, and since when where that is known.
    ///
    /// A spool keeps the segment that was heard last until the next one was heard, so that each
    /// connection begins with it; else the spool filled, or another control plane drew from it
    /// since this one's state was saved. Segment 0 behind a segment 0 of another run is one of a
    /// sensor that has no spool, and begins anew each time.
    fn missing_before(&mut self, begins: Position) -> Option<(Option<Time>, &'static str)> {
        let Position { run, segment, .. } = begins;
        // The same segment may only be told again: the line was cut.
        if let Some((place, from)) = self.unread.take()
            && (place.run, place.segment) != (run, segment)
        {
            return Some((Some(from), UNREAD));
        }
        let known = self.committed?;
        let follows = match self.segment {
            Some(before) => segment <= before.saturating_add(1),
            None if run == known.run => segment <= known.segment,
            None => (segment, known.segment) == (0, 0),
        };
        let anew = run != known.run && segment <= known.segment;
        (!follows).then_some((None, if anew { ANEW } else { GONE }))
    }

    /// A batch that cannot be read ends its segment, as the rest goes on from there: the next
    /// segment tells all rows again. Till that has begun the place stays before it.
    fn pass_over(
        &mut self,
        sensor: &str,
        done: Result<(), IntakeError>,
    ) -> Result<(), IntakeError> {
        match (done, self.unpacked.as_ref()) {
            (Err(IntakeError::Malformed(error)), Some((at, _))) => {
                let segment = at.segment;
                tracing::warn!(sensor, %error, segment, "the rest of a segment cannot be read");
                self.unread = Some((*at, self.began));
                self.unpacked = None;
                Ok(())
            }
            (done, _) => done,
        }
    }

    fn unpack(&mut self, batch: &[u8], waiting: &mut Waiting) -> Result<(), IntakeError> {
        let Some((at, unpacker)) = &mut self.unpacked else {
            if self.unread.is_some() {
                return Ok(());
            }
            return Err(IntakeError::Garbage("a batch comes before its segment".to_owned()));
        };
        let insights = unpacker.unpack(batch)?;
        at.batches += 1;
        let at = *at;
        let saved = self.committed.is_some_and(|committed| {
            (committed.run, committed.segment) == (at.run, at.segment)
                && at.batches <= committed.batches
        });
        if !saved {
            waiting.insights.extend(insights);
            waiting.at = Some(at);
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        store: &Store,
        sensor: &str,
        waiting: Waiting,
    ) -> Result<u64, IntakeError> {
        let Some(at) = waiting.at else { return Ok(0) };
        let Position { run, segment, batches } = at;
        let count = waiting.insights.len() as u64;
        let heard = Some(Heard { run, segment, batches });
        let epoch: Time = run;
        let gap = match waiting.missing {
            Some(missing) => Some(missing.gap(store, sensor).await?),
            None => None,
        };
        let mut patience = Patience::default();
        loop {
            let (insights, gap) = (waiting.insights.clone(), gap.clone());
            match store.take_up_to(sensor, epoch, insights, heard, gap).await {
                Ok(()) => break,
                Err(error) if error.is_of_disk() => patience.wait(store, sensor, &error).await,
                Err(error) => {
                    self.unpacked = None;
                    return Err(error.into());
                }
            }
        }
        store.saves_again(sensor).await;
        self.committed = Some(at);
        self.answer(Said::Ack(at)).await;
        Ok(count)
    }

    /// Waits until a sensor is tried again, and meanwhile to save what is held of it.
    pub async fn pause(&mut self, store: &Store, sensor: &str, wait: Duration) {
        let end = Instant::now() + wait;
        while !self.held.is_empty() && Instant::now() < end {
            if let Err(error) = self.held.save(store, sensor).await {
                tracing::error!(sensor, %error, "what is held of a sensor cannot be saved");
                break;
            }
            sleep(AGAIN.min(end - Instant::now())).await;
        }
        tokio::time::sleep_until(end).await;
    }

    /// The sensor is not tried again.
    pub async fn leave(&mut self, store: &Store, sensor: &str) {
        self.held.leave(store, sensor).await;
    }
}

impl Missing {
    async fn gap(self, store: &Store, sensor: &str) -> Result<Gap, IntakeError> {
        let Missing { from, until, reason } = self;
        let from = match from {
            Some(from) => from,
            None => {
                let known = store.sensor(sensor).await?;
                known.last_beat.or(known.started_at).unwrap_or(until)
            }
        };
        // The sensor's clock may have been set back.
        let from = from.min(until);
        Ok(Gap { from, until, reason: reason.to_owned(), late: None, lost: None })
    }
}

/// A sensor whose line was cut goes on where it was.
async fn goes_on(store: &Store, sensor: &str) -> Result<(), IntakeError> {
    let mut patience = Patience::default();
    while let Err(error) = store.sensor_goes_on(sensor).await {
        if !error.is_of_disk() {
            return Err(error.into());
        }
        patience.wait(store, sensor, &error).await;
    }
    store.saves_again(sensor).await;
    Ok(())
}

/// With a disk that takes nothing.
#[derive(Default)]
struct Patience {
    since: Option<Time>,
}

impl Patience {
    async fn wait(&mut self, store: &Store, sensor: &str, error: &store::Error) {
        let since = *self.since.get_or_insert_with(now);
        let (reason, waits) = (error.why(), Waits::There);
        store.cannot_save(sensor, Unsaved { since, reason, waits, lost: 0 }).await;
        sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{
        held::tests::{RUN, asset, beat, free, full, hello},
        intake,
    };
    use tokio::io::{AsyncBufReadExt, BufReader, duplex};
    use uplink::{Packer, frame_of_batch, frame_of_head};

    #[tokio::test]
    async fn nothing_is_acknowledged_while_the_disk_is_full_and_all_of_it_is_once_it_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, filling) = full(dir.path()).await;
        let mut packer = Packer::new().expect("a packer");
        for n in 0..40 {
            packer.add(&asset(&format!("ast_{n}"), n)).expect("it fits");
        }
        let head = Head { hello: hello(), segment: 0, at: RUN, passed: 0 };
        let batch = frame_of_batch(&packer.take().expect("packed"));
        let octets = [PREAMBLE, &frame_of_head(&head), &batch].concat();
        let (mut sensor, line) = duplex(1 << 20);
        let (answers, heard) = duplex(1 << 20);
        let mut heard = BufReader::new(heard).lines();
        let mut remote = Remote { answers: Some(Box::new(answers)), ..Remote::default() };
        let there = store.clone();
        let hearing = tokio::spawn(async move { intake(&there, "s", line, &mut remote).await });
        sensor.write_all(&octets).await.expect("heard");
        let answer = heard.next_line().await.expect("an answer");
        assert_eq!(answer.as_deref(), Some("have nothing"));
        let unsaved = loop {
            if let Some(unsaved) = store.sensor("s").await.expect("reads").unsaved {
                break unsaved;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((unsaved.waits, unsaved.lost), (Waits::There, 0));
        let request = store::ListRequest::first(100);
        assert_eq!(store.assets(&request).await.expect("reads").items, []);
        free(&store, &filling).await;
        // That the segment has begun is said by itself where that found room.
        let at = loop {
            let answer = heard.next_line().await.expect("an answer").expect("a line");
            match Said::read(&answer) {
                Ok(Said::Ack(at)) if at.batches == 0 => {}
                Ok(Said::Ack(at)) => break at,
                _ => panic!("{answer}"),
            }
        };
        assert_eq!((at.run, at.batches), (RUN, 1));
        assert_eq!(store.assets(&request).await.expect("reads").items.len(), 40);
        drop(sensor);
        assert_eq!(hearing.await.expect("it ended").expect("well"), 41);
        assert_eq!(store.sensor("s").await.expect("reads").unsaved, None);
        store.close().await;
    }

    #[tokio::test]
    async fn a_batch_that_cannot_be_read_ends_its_segment_and_leaves_a_gap() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        let mut packer = Packer::new().expect("a packer");
        let mut batch = |n| {
            packer.add(&asset(&format!("ast_{n}"), n)).expect("it fits");
            frame_of_batch(&packer.take().expect("packed"))
        };
        let at = |segment: u32| RUN.plus_secs(i64::from(segment) * 60);
        let head =
            |segment| frame_of_head(&Head { hello: hello(), segment, at: at(segment), passed: 0 });
        let damaged = frame_of_batch(&[9, 9, 9]);
        let first = [PREAMBLE, &head(0), &batch(0), &damaged, &batch(1), &batch(2)].concat();
        let mut packer = Packer::new().expect("a packer");
        packer.add(&asset("ast_9", 9)).expect("it fits");
        let anew = [head(1), frame_of_batch(&packer.take().expect("packed"))].concat();
        let mut remote = Remote::default();
        let names = async || {
            let page = store.assets(&store::ListRequest::first(9)).await.expect("reads");
            page.items.into_iter().map(|asset| asset.id.0).collect::<Vec<_>>()
        };
        // Twice, as after a cut: the gap is known only when another segment has begun.
        for _ in 0..2 {
            intake(&store, "s", &first[..], &mut remote).await.expect("it goes on");
            assert_eq!(names().await, ["ast_0"]);
            assert_eq!(store.sensor("s").await.expect("reads").gaps, []);
        }
        let all = [&first[..], &anew].concat();
        intake(&store, "s", &all[..], &mut remote).await.expect("it goes on");
        assert_eq!(names().await, ["ast_0", "ast_9"]);
        let gaps = store.sensor("s").await.expect("reads").gaps;
        let told: Vec<_> = gaps.iter().map(|gap| (gap.from, gap.until)).collect();
        assert_eq!(told, [(at(0), at(1))]);
        let heard = store.heard("s").await.expect("reads").expect("a place");
        assert_eq!((heard.segment, heard.batches), (1, 1));
        store.close().await;
    }

    fn at(segment: u32) -> Time {
        RUN.plus_secs(i64::from(segment) * 60)
    }

    /// A segment of the run that began so many seconds after the first: its rows, and a beat.
    fn segment(run: i64, segment: u32, more: &[Insight]) -> Vec<u8> {
        let mut hello = hello();
        let Insight::Hello { started_at, .. } = &mut hello else { panic!("it is one") };
        *started_at = RUN.plus_secs(run);
        let head = Head { hello, segment, at: at(segment), passed: 0 };
        let mut packer = Packer::new().expect("a packer");
        let beat = beat(i64::from(segment) * 60 + 30, 1);
        for insight in [asset("ast_1", 1), beat].iter().chain(more) {
            packer.add(insight).expect("it fits");
        }
        [frame_of_head(&head), frame_of_batch(&packer.take().expect("packed"))].concat()
    }

    /// One connection of a control plane that has just started.
    async fn connect(store: &Store, sensor: &str, segments: &[Vec<u8>]) {
        let stream = [PREAMBLE, &segments.concat()].concat();
        let answers = Some(Box::new(tokio::io::sink()) as _);
        let mut remote = Remote { answers, ..Remote::default() };
        intake(store, sensor, &stream[..], &mut remote).await.expect("it is read");
    }

    /// Gaps as seconds since the run began and reasons, oldest first.
    async fn gaps(store: &Store) -> Vec<(i64, i64, String)> {
        let gaps = store.sensor("s").await.expect("reads").gaps.into_iter().rev();
        let second = |time: Time| time.since(RUN) / 1_000_000_000;
        gaps.map(|gap| (second(gap.from), second(gap.until), gap.reason)).collect()
    }

    #[tokio::test]
    async fn segments_that_follow_each_other_leave_no_gap() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        // What a sensor did before it was known here is not missing.
        connect(&store, "s", &[segment(0, 7, &[])]).await;
        connect(&store, "s", &[segment(0, 7, &[]), segment(0, 8, &[])]).await;
        // The sensor began anew; an older segment that could not be removed is told again.
        connect(&store, "s", &[segment(0, 8, &[]), segment(500, 9, &[])]).await;
        connect(&store, "s", &[segment(500, 8, &[]), segment(500, 9, &[])]).await;
        assert_eq!(gaps(&store).await, []);
        // A sensor without a spool says its first segment each time.
        for run in [0, 500, 700] {
            connect(&store, "t", &[segment(run, 0, &[])]).await;
        }
        assert_eq!(store.sensor("t").await.expect("reads").gaps, []);
        store.close().await;
    }

    #[tokio::test]
    async fn segments_that_are_missing_leave_a_gap_that_is_told_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        connect(&store, "s", &[segment(0, 0, &[]), segment(0, 1, &[])]).await;
        // Another control plane drew from it meanwhile, and all of the next is there.
        connect(&store, "s", &[segment(0, 2, &[])]).await;
        let (gone, anew) = (GONE.to_owned(), ANEW.to_owned());
        let mut expected = vec![(90, 120, gone.clone())];
        assert_eq!(gaps(&store).await, expected);
        // It is told again after a cut, and then on the same line one is passed over.
        connect(&store, "s", &[segment(0, 2, &[]), segment(0, 3, &[]), segment(300, 5, &[])]).await;
        expected.push((210, 300, gone.clone()));
        assert_eq!(gaps(&store).await, expected);
        let detail = store.sensor("s").await.expect("reads").detail.unwrap_or_default();
        assert!(detail.ends_with(GONE), "{detail}");
        // The spool was full: the sensor says so itself, in two pieces, the last one later.
        let full = |from, until| Insight::Gap {
            from: at(from),
            until: at(until).plus_nanos(400),
            reason: "the spool was full".to_owned(),
        };
        connect(&store, "s", &[segment(300, 9, &[full(5, 8)])]).await;
        connect(&store, "s", &[segment(300, 9, &[full(5, 8)]), segment(300, 10, &[full(8, 9)])])
            .await;
        expected.push((330, 540, "the spool was full".to_owned()));
        assert_eq!(gaps(&store).await, expected);
        // What is not around it is another one.
        connect(&store, "s", &[segment(300, 10, &[]), segment(300, 11, &[full(10, 11)])]).await;
        expected.push((600, 660, "the spool was full".to_owned()));
        assert_eq!(gaps(&store).await, expected);
        // A new spool, whose clock stands before what is known.
        connect(&store, "s", &[segment(900, 0, &[])]).await;
        let known = gaps(&store).await;
        assert!(known.contains(&(0, 0, anew)), "{known:?}");
        assert_eq!(known.len(), expected.len() + 1);
        store.close().await;
    }
}
