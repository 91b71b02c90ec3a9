//! How a story's world turns: at each instant, whatever is due moves between browsers, links and the
//! media plane, and then the time jumps to the next thing that is.

use std::net::SocketAddr;
use std::time::Instant;

use protocol::media_message::{MediaCommand, MediaReport};
use sfu::sfu::{Fill, Output};

use super::bottleneck::Crossing;
use super::tcp_flow::{SEGMENT, TcpFlow};
use super::wire::carried_size;
use super::{GATEWAY, Scenario, Stage};

impl Scenario {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let people = self.people.iter().flat_map(|person| {
            let tick = match &person.stage {
                Stage::InCall(browser) => Some(browser.poll_timeout()),
                Stage::Outside | Stage::Gone => None,
            };
            [tick, person.uplink.poll_timeout(), person.downlink.poll_timeout()]
        });
        let spray = self.spraying.as_ref().map(|spray| spray.next);
        let shared = self.bottlenecks.iter().map(|narrow| narrow.link.poll_timeout());
        let transfers = self.transfers.iter().map(TcpFlow::poll_timeout);
        let sample = self.recorder.as_ref().map(|recorder| recorder.next);
        people.chain(shared).chain(transfers).chain([self.sfu.poll_timeout(), spray, sample]).flatten().min()
    }

    pub(super) fn deadlines(&self) -> String {
        let late = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(self.now));
        format!("the media plane wants to be called in {:?}", late(self.sfu.poll_timeout()))
    }

    /// Does all that is due at this instant.
    pub(super) fn settle(&mut self) {
        let now = self.now;
        self.spray();
        for index in 0..self.people.len() {
            if let Stage::InCall(browser) = &mut self.people[index].stage {
                browser.handle_timeout(now);
            }
        }
        self.exchange_signaling();
        for person in &mut self.people {
            while let Some((_, (source, mut datagram))) = person.uplink.poll(now) {
                self.sfu.handle_datagram(now, source, &mut datagram);
            }
        }
        if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
            self.sfu.handle_timeout(now);
        }
        self.exchange_signaling();
        self.drain_media_plane();
        self.cross_bottlenecks();
        for person in &mut self.people {
            while let Some((_, datagram)) = person.downlink.poll(now) {
                if let Stage::InCall(browser) = &mut person.stage {
                    browser.handle_datagram(now, &datagram);
                }
            }
        }
        self.collect_datagrams();
        self.record();
    }

    fn spray(&mut self) {
        let Some(spray) = &mut self.spraying else { return };
        while spray.next <= self.now && !spray.datagrams.is_empty() {
            let (source, mut datagram) = spray.datagrams[spray.count % spray.datagrams.len()].clone();
            self.sfu.handle_datagram(self.now, source, &mut datagram);
            spray.next += spray.interval;
            spray.count += 1;
        }
    }

    fn collect_datagrams(&mut self) {
        for person in &mut self.people {
            let Stage::InCall(browser) = &mut person.stage else { continue };
            while let Some((destination, datagram)) = browser.poll_transmit() {
                assert_eq!(destination, SocketAddr::from(GATEWAY), "answers name the gateway's candidate");
                let size = carried_size(&datagram);
                // What the link drops is gone, as on any link.
                let _ = person.uplink.enqueue(self.now, size, (person.address, datagram));
            }
        }
    }

    /// Commands and reports travel at once: signaling has a transport of its own, and is not what is tested.
    fn exchange_signaling(&mut self) {
        loop {
            let mut is_quiet = true;
            for index in 0..self.people.len() {
                let person = &mut self.people[index];
                let Stage::InCall(browser) = &mut person.stage else { continue };
                while let Some(action) = browser.poll_command() {
                    is_quiet = false;
                    let command = MediaCommand { room: self.room, participant: person.id, action };
                    self.sfu.handle_command(self.now, command);
                }
            }
            while let Some(output) = self.sfu.poll_output() {
                is_quiet = false;
                if let Output::Event(event) = output {
                    assert_eq!(event.room, self.room, "there is one room");
                    self.pass_on(&event.report);
                }
            }
            if is_quiet {
                return self.collect_datagrams();
            }
        }
    }

    fn pass_on(&mut self, report: &MediaReport) {
        match report {
            MediaReport::TrackPublished(track) => self.tracks.push(*track),
            MediaReport::TrackUnpublished(track) => self.tracks.retain(|other| other.id != track.id),
            _ => {}
        }
        for person in &mut self.people {
            if let Stage::InCall(browser) = &mut person.stage {
                browser.handle_report(self.now, person.id, report);
            }
        }
    }

    fn drain_media_plane(&mut self) {
        loop {
            let fill = self.sfu.fill(self.now, &mut self.slab);
            for burst in self.slab.bursts() {
                let person = self.people_by_address.get(&burst.destination);
                for datagram in burst.contents.chunks(burst.segment_size) {
                    // Somebody who moved on may still be sent to for a while.
                    let Some(index) = person else {
                        *self.strayed.entry(burst.destination).or_default() += 1;
                        continue;
                    };
                    let size = carried_size(datagram);
                    let person = &mut self.people[*index];
                    person.sent_to += size;
                    // What a link drops is gone, as on any link.
                    let _ = match person.behind.and_then(|place| self.bottlenecks.get_mut(place)) {
                        Some(narrow) => {
                            let crossing = Crossing::Datagram(*index, datagram.to_vec());
                            narrow.link.enqueue(self.now, size, crossing)
                        }
                        None => person.downlink.enqueue(self.now, size, datagram.to_vec()),
                    };
                }
            }
            self.slab.clear();
            if fill == Fill::Drained {
                return;
            }
        }
    }

    /// What has crossed a shared link goes on to whom it is for; TCP transfers fill up behind it.
    fn cross_bottlenecks(&mut self) {
        let now = self.now;
        for flow in &mut self.transfers {
            flow.handle_timeout(now);
        }
        for narrow in &mut self.bottlenecks {
            while let Some((_, crossing)) = narrow.link.poll(now) {
                match crossing {
                    Crossing::Datagram(index, datagram) => {
                        let size = carried_size(&datagram);
                        let _ = self.people[index].downlink.enqueue(now, size, datagram);
                    }
                    Crossing::Segment(index, number) => self.transfers[index].handle_segment(now, number),
                }
            }
        }
        for (index, flow) in self.transfers.iter_mut().enumerate() {
            while let Some(number) = flow.poll_segment(now) {
                let narrow = &mut self.bottlenecks[flow.bottleneck];
                let _ = narrow.link.enqueue(now, SEGMENT, Crossing::Segment(index, number));
            }
        }
    }
}
