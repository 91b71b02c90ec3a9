//! What surrounds participants: the two of a consult and their networks, links that they share, TCP transfers beside them, radios that
//! change under them, and observers who only watch.

use std::time::Duration;

use link::LinkSettings;
use protocol::network_class::NetworkClass;
use protocol::units::DataSize;

use super::bottleneck::Bottleneck;
use super::network::native_cost_of;
use super::tcp_flow::TcpFlow;
use super::{Scenario, Stage};

impl Scenario {
    /// A doctor on that link, and a patient on an uplink and a downlink; the operator vouches for the class of
    /// both networks.
    #[must_use]
    pub fn consult(
        self,
        class: NetworkClass,
        doctor: LinkSettings,
        patient: (LinkSettings, LinkSettings),
    ) -> Self {
        let story = self.participant("doctor").on(doctor).class(class);
        story.participant("patient").on_links(patient.0, patient.1).class(class)
    }

    /// A link for several participants to be [`Self::behind`].
    #[must_use]
    pub fn bottleneck(mut self, name: &str, link: LinkSettings) -> Self {
        let seed = self.seed.wrapping_mul(1_000) + 900 + self.bottlenecks.len() as u64;
        self.bottlenecks.push(Bottleneck::new(self.now, name, link, seed));
        self
    }

    /// The newcomer's downlink begins with that shared link.
    #[must_use]
    pub fn behind(mut self, bottleneck: &str) -> Self {
        let place = self.bottleneck_named(bottleneck);
        self.newcomer().behind = Some(place);
        self
    }

    /// A TCP transfer over that shared link, from now on; `delay` is one way, half of it to the receiver.
    #[must_use]
    pub fn transfer(mut self, bottleneck: &str, size: DataSize, delay: Duration) -> Self {
        let place = self.bottleneck_named(bottleneck);
        self.transfers.push(TcpFlow::new(place, self.now, size, 2 * delay));
        self
    }

    /// The newcomer's page runs in a shell that tells the generation of its radio, as builds of libwebrtc
    /// with differentiated network costs do.
    #[must_use]
    pub fn in_native_shell(mut self, class: NetworkClass) -> Self {
        let newcomer = self.newcomer();
        newcomer.network = class;
        newcomer.traits.network_cost = native_cost_of(class);
        self
    }

    /// Somebody's radio changes its generation, and nothing else.
    #[must_use]
    pub fn on_radio(mut self, name: &str, class: NetworkClass) -> Self {
        let cost = native_cost_of(class);
        let person = self.person(name);
        person.network = class;
        person.traits.network_cost = cost;
        if let Stage::InCall(browser) = &mut person.stage {
            browser.tell_network_cost(cost);
        }
        self
    }

    /// The newcomer only watches and speaks: its camera is off.
    #[must_use]
    pub fn without_camera(self) -> Self {
        self.with_camera_of(0)
    }

    /// Somebody hides the tiles that show others, or shows them again.
    #[must_use]
    pub fn hide_tiles(mut self, name: &str, is_hidden: bool) -> Self {
        let person = self.person(name);
        let lines = if is_hidden { 0 } else { person.traits.tile_lines };
        if let Stage::InCall(browser) = &mut person.stage {
            browser.resize_tiles(lines);
        }
        self
    }

    /// Somebody's camera goes off, or on again.
    #[must_use]
    pub fn camera(mut self, name: &str, is_on: bool) -> Self {
        if let Stage::InCall(browser) = &mut self.person(name).stage {
            browser.mute_camera(!is_on);
        }
        self
    }

    fn bottleneck_named(&self, name: &str) -> usize {
        let found = self.bottlenecks.iter().position(|narrow| narrow.name == name);
        found.unwrap_or_else(|| panic!("no link is called {name}"))
    }
}
